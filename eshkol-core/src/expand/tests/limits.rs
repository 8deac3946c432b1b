//! Texts that are long, deep, or make no sense.

use super::*;

#[test]
fn long_and_deep_texts_cost_neither_stack_nor_quadratic_time() {
    let many = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<String>();
    fails(&format!("(define (f) (let* ({}) x0))", many(5_000, &|i| format!("(x{i} {i})"))), &[]);
    fails(&many(5_000, &|i| format!("(define x{i} {i})")), &[]);
    fails(&format!("(define (f) {} 1)", many(5_000, &|i| format!("(define x{i} {i})"))), &[]);
    fails(&format!("(define (f) (begin {}))", many(5_000, &|i| format!("(square {i})"))), &[]);
    let deep = format!("(define (f) {}1{})", "(square ".repeat(900), ")".repeat(900));
    with_deep_stack(|| fails(&deep, &[]));
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
        "(case 1 ((1) (m)))",
        "(and 1 (m))",
        "(or 1 (m))",
        "(let loop ((x (m))) x)",
        "(let loop ((x 1)) (m))",
        "(do ((x 1)) ((m)) 1)",
        "(let-values (((a b) 1)) (m))",
        "(letrec ((x (m))) x)",
        "`(a ,(m))",
        "(let-syntax ((n (syntax-rules () ((_) (m))))) (n))",
        "(if-let (x (m)) 1 2)",
        "(for (x in (m)) 1)",
        "(begin 1 (m))",
    ] {
        let text = format!("(define-syntax m (syntax-rules () ((_) {template}))) (define (f) (m))");
        with_deep_stack(|| {
            let expansion = expand_text(&text);
            assert!(expansion.codes().contains(&209), "{template}");
            let _ = expansion.unit.to_string();
        });
    }
}

/// Numbers without sense, the same each time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
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
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..1500 {
        let text: String = (0..random.below(60)).map(|_| PIECES[random.below(PIECES.len())]).collect();
        with_deep_stack(|| expand_text(&text).unit.to_string());
    }
}

/// Expands programs that have lost, doubled or moved some of their words.
#[test]
fn damaged_programs_give_diagnostics_and_no_panic() {
    const PROGRAM: &str = "(define-syntax swap! (syntax-rules () ((_ a b) (let ((t a)) (set! a b) (set! b t)))))
        (define-ebpf-program p (license \"GPL\") (program-type :xdp)
          (define-struct s (packets :u64) (name :char-array 16))
          (define-map m :hash (key-type :u32) (value-type :s) (max-entries (* 2 1024)))
          (define-global (hits :mutable) u64 0) (define-enum color red (green 2)) (define-type port u16)
          (: helper (-> u32 u64))
          (define (helper (x : u32) . rest) : u64 (define y 1) (define (g z) (+ z y)) (g x))
          (define (main ctx)
            (let ((key 0) (value (map-lookup m key)))
              (cond ((not value) => square) (value (swap! key value)) (else (set! hits 1)))
              (let loop ((i 0)) (when (< i 10) (loop (+ i 1))))
              (do ((i 0 (+ i 1))) ((= i 5) i) (for (x in (range 0 3)) `(a ,x ,@(list x))))
              (let-values (((a b) (values 1 2))) (case a ((1 2) :xdp-pass) (else (if-let (v value) (s-packets v) 0)))))))";
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let words: Vec<&str> = PROGRAM.split_inclusive([' ', '(', ')']).collect();
    for _ in 0..500 {
        let mut words = words.clone();
        for _ in 0..1 + random.below(4) {
            let (from, to) = (random.below(words.len()), random.below(words.len()));
            match random.below(4) {
                0 => drop(words.remove(from)),
                1 => words.insert(to, words[from]),
                2 => words.swap(from, to),
                _ => words.truncate(from + 1),
            }
        }
        with_deep_stack(|| expand_text(&words.concat()).unit.to_string());
    }
    assert_eq!(expand_text(PROGRAM).codes(), Vec::<u16>::new());
}
