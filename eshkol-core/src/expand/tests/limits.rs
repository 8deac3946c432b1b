//! Texts that are long, deep, or make no sense.

use super::*;

#[test]
fn long_and_deep_texts_cost_neither_stack_nor_quadratic_time() {
    let many = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<String>();
    fails(&format!("(define (f) (let* ({}) x0))", many(5_000, &|i| format!("(x{i} {i})"))), &[]);
    fails(&many(5_000, &|i| format!("(define x{i} {i})")), &[]);
    fails(&format!("(define (f) {} 1)", many(5_000, &|i| format!("(define x{i} {i})"))), &[]);
    fails(&format!("(define (f) (begin {}))", many(5_000, &|i| format!("(square {i})"))), &[]);
    let deep = format!("(define (f) {}1{})", "(square ".repeat(190), ")".repeat(190));
    fails(&deep, &[]);
    let codes = |text: &str| expand_text(text).codes();
    assert_eq!(codes(&format!("(define (f) (and {}))", "1 ".repeat(5_000))), [209]);
    assert_eq!(codes(&format!("(define (f) (cond {}))", "(1 2)".repeat(5_000))), [209]);
    assert_eq!(codes(&format!("(define (f) (let*-values ({}) 1))", "((a) 1)".repeat(5_000))), [209]);
    assert_eq!(codes(&many(5_000, &|i| format!("(define (f{i}) unknown{i})"))).len(), 200);
}

/// Macros nest deeper than text can; the limit must hold before the stack is used up.
#[test]
fn every_form_can_nest_to_the_limit() {
    for template in [
        "(square (m))",
        "(let ((x (m))) x)",
        "(let () (define x (m)) x)",
        "(let () (define (g) (m)) g)",
        "(lambda (x) (m))",
        "(if (m) 1 2)",
        "(cond ((m) 1))",
        "(case (m) ((1) (m)))",
        "(and 1 (m))",
        "(or 1 (m))",
        "(let loop ((x (m))) x)",
        "(let loop ((x 1)) (m))",
        "(do ((x 1)) ((m)) 1)",
        "(let-values (((a b) (m))) (m))",
        "(letrec ((x (m))) x)",
        "`(a ,(m))",
        "(let-syntax ((n (syntax-rules () ((_) (m))))) (n))",
        "(if-let (x (m)) 1 2)",
        "(for (x in (m)) 1)",
        "(begin 1 (m))",
    ] {
        let text = format!("(define-syntax m (syntax-rules () ((_) {template}))) (define (f) (m))");
        let expansion = expand_text(&text);
        assert!(expansion.codes().contains(&209), "{template}");
        let _ = expansion.unit.to_string();
    }
}

/// Expands texts made of pieces that mean something, put together without sense. The answer does not matter; coming back does.
#[test]
fn nonsense_gives_diagnostics_and_no_panic() {
    const PIECES: &[&str] = &[
        "(",
        "(",
        "(",
        "(",
        ")",
        ")",
        ")",
        ")",
        "[",
        "]",
        "#(",
        "'",
        "`",
        ",",
        ",@",
        "#;",
        ".",
        " ",
        "\n",
        "...",
        "_",
        ":",
        "::",
        "=>",
        "else",
        "x",
        "y",
        "f",
        "x:u32",
        ":u32",
        "1",
        "-5",
        "0x",
        "1.5",
        "99999999999999999999",
        "\"s\"",
        "\"",
        "#\\a",
        "#t",
        "#|",
        "|#",
        "|a|",
        ";c\n",
        ";;; d\n",
        "//",
        "/*",
        "*/",
        "{",
        "\\",
        "é",
        "define ",
        "define-syntax ",
        "syntax-rules ",
        "lambda ",
        "let ",
        "let* ",
        "letrec ",
        "let-values ",
        "let*-values ",
        "let-syntax ",
        "letrec-syntax ",
        "if ",
        "cond ",
        "case ",
        "when ",
        "and ",
        "or ",
        "begin ",
        "set! ",
        "do ",
        "while ",
        "for ",
        "in ",
        "if-let ",
        "when-let ",
        "the ",
        "sizeof ",
        "parse-header ",
        "define-values ",
        "define-ebpf-program ",
        "define-ebpf-object ",
        "define-map ",
        "define-struct ",
        "define-header ",
        "define-enum ",
        "define-global ",
        "define-type ",
        "include ",
        "import ",
        "define-kernel-struct ",
        "quote ",
        "quasiquote ",
        "unquote ",
        "unquote-splicing ",
        "square ",
        "(define (f x) ",
        "(let ((x 1)) ",
        "(define-syntax m (syntax-rules () ((_ x ...) (f x ...))))",
        "(m x)",
        "(let loop ((x 1)) ",
        "(define (g) ",
        "(cond (x => f) (else ",
        "(define-struct s (a u32))",
        "(define-ebpf-program p ",
        "ringbuf-reserve ",
        "license ",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit as u64) as usize
    };
    for _ in 0..3000 {
        let text: String = (0..random(60)).map(|_| PIECES[random(PIECES.len())]).collect();
        let expansion = expand_text(&text);
        let _ = expansion.unit.to_string();
    }
}
