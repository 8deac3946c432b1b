//! `syntax-rules` and hygiene.

use super::*;

const SWAP: &str = "(define-syntax swap! (syntax-rules () ((_ a b) (let ((t a)) (set! a b) (set! b t)))))";
const MY_OR: &str =
    "(define-syntax my-or (syntax-rules () ((_) #f) ((_ e) e) ((_ e r ...) (let ((t e)) (if t t (my-or r ...))))))";

#[test]
fn macros_are_hygienic() {
    assert_eq!(
        value(&format!("{SWAP} (define (f t u) (swap! t u))"), "f"),
        "(lambda (t0 u1) (let* ((t2 t0)) (begin (set! t0 u1) (set! u1 t2))))"
    );
    assert_eq!(
        value(&format!("{MY_OR} (define (f t) (my-or 1 t))"), "f"),
        "(lambda (t0) (let* ((t1 1)) (if t1 t1 t0)))"
    );
    assert_eq!(
        value(&format!("{MY_OR} (define (f if) (my-or 1 if))"), "f"),
        "(lambda (if0) (let* ((t1 1)) (if t1 t1 if0)))",
        "a macro's `if` is the one where it was defined"
    );
    assert_eq!(
        value("(define x 1) (define-syntax get-x (syntax-rules () ((_) x))) (define (f x) (get-x))", "f"),
        "(lambda (x0) x)"
    );
    assert_eq!(
        body("(let ((x 1)) (let-syntax ((m (syntax-rules () ((_) x)))) (let ((x 2)) (m))))"),
        "(let* ((x0 1)) (let* ((x1 2)) x0))"
    );
    assert_eq!(
        body("(let ((else #f)) (cond (else 1)))"),
        "(let* ((else0 #f)) (if else0 1 #<unspecified>))",
        "a bound `else` is a variable"
    );
}

#[test]
fn earlier_bindings_do_not_catch_a_macros_names() {
    let text = "(define-syntax m (syntax-rules () ((_) secret))) (define (f) (let ((secret 1) (b (m))) b))";
    fails(text, &[201]);
}

#[test]
fn syntax_rules_of_every_kind() {
    let with = |definition: &str, text: &str| body(&format!("(define-syntax m {definition}) {text}"));
    assert_eq!(with("(syntax-rules () ((_ (a b ...) ...) '((b ... a) ...)))", "(m (1 2 3) (4))"), "'((2 3 1) (4))");
    assert_eq!(with("(syntax-rules () ((_ (a ...) ...) '(a ... ...)))", "(m (1 2) () (3))"), "'(1 2 3)");
    assert_eq!(with("(syntax-rules () ((_ a ... b c) '(c b a ...)))", "(m 1 2 3 4)"), "'(4 3 1 2)");
    assert_eq!(with("(syntax-rules () ((_ a . b) '(b a)))", "(m 1 2 3)"), "'((2 3) 1)");
    assert_eq!(with("(syntax-rules () ((_ a ... . b) '(b a ...)))", "(m 1 2 . 3)"), "'(3 1 2)");
    assert_eq!(with("(syntax-rules () ((_ #(a b ...)) '#(b ... a)))", "(m #(1 2 3))"), "'#(2 3 1)");
    assert_eq!(with("(syntax-rules (is) ((_ a is b) '(a b)) ((_ a b c) '(no b)))", "(m 1 is 2)"), "'(1 2)");
    assert_eq!(with("(syntax-rules (is) ((_ a is b) '(a b)) ((_ a b c) '(no b)))", "(m 1 was 2)"), "'(no was)");
    assert_eq!(with("(syntax-rules () ((_ _ a) 'a))", "(m 1 2)"), "2");
    assert_eq!(with("(syntax-rules ::: () ((_ a :::) '(a ::: ...)))", "(m 1 2)"), "'(1 2 ...)");
    assert_eq!(with("(syntax-rules () ((_ a) '(a (... ...))))", "(m 1)"), "'(1 ...)");
    assert_eq!(with("(syntax-rules () ((_ :key a) 'a) ((_ 1 a) '(one a)))", "(m 1 2)"), "'(one 2)");
    assert_eq!(
        with("(syntax-rules () ((_ (a b) ...) (let ((a b) ...) (list a ...))))", "(m (x 1) (y 2))"),
        "(let* ((x0 1) (y1 2)) (list x0 y1))"
    );
}

#[test]
fn a_literal_matches_only_the_same_binding() {
    let text = "(define-syntax m (syntax-rules (is) ((_ is) 1) ((_ x) 2))) (define (f is) (m is)) (define (g) (m is))";
    assert_eq!(value(text, "f"), "(lambda (is0) 2)");
    assert_eq!(value(text, "g"), "(lambda () 1)");
}

#[test]
fn macros_make_macros_and_definitions() {
    let text = "(define-syntax define-constant-macro
                  (syntax-rules () ((_ name e) (define-syntax name (syntax-rules () ((_ x (... ...)) (list e x (... ...))))))))
                (define-constant-macro five 5)
                (define (f) (five 1 2))";
    assert_eq!(value(text, "f"), "(lambda () (list 5 1 2))");
    let text = "(define-counter packets 4)
                (define-syntax define-counter
                  (syntax-rules () ((_ name n) (begin (define-map name :array (key-type u32) (max-entries n)) (define size n)))))
                (define (f) packets)";
    let expansion = fails(text, &[]);
    assert_eq!(printed(&expansion, "f"), "(lambda () packets)");
    assert!(expansion.unit.to_string().contains("(define-map packets :array (key-type u32) (max-entries 4))"));
    let text = "(define-syntax define-pair
                  (syntax-rules () ((_ name) (define-struct name (first u32)))))
                (define-pair pair) (define (f) (pair-first (make-pair)))";
    assert_eq!(value(text, "f"), "(lambda () (pair-#0 (make-pair)))");
}

#[test]
fn what_a_macro_defines_for_itself_is_its_own() {
    let text = "(define-syntax m (syntax-rules () ((_ f) (begin (define helper 1) (define (f) helper)))))
                (m a) (m b) (define (g) helper)";
    let expansion = fails(text, &[201]);
    assert!(expansion.help().contains("give the macro the name"), "{}", expansion.help());
}

#[test]
fn expansion_without_end_is_an_error() {
    fails("(define-syntax m (syntax-rules () ((_) (m)))) (define (f) (m))", &[209]);
    fails("(define-syntax m (syntax-rules () ((_ x) (m (x))))) (define (f) (m 1))", &[209]);
    fails("(define-syntax m (syntax-rules () ((_ x ...) (m x ... x ...)))) (define (f) (m 1))", &[209]);
    let expansion = expand_text("(define-syntax m (syntax-rules () ((_ x) (begin (m x) (m x))))) (define (f) (m 1))");
    assert!(expansion.codes().contains(&209));
    let expansion = expand_text("(define-syntax m (syntax-rules () ((_ x) (list (m x) (m x))))) (define (f) (m 1))");
    assert!(expansion.codes().contains(&209));
}

#[test]
fn wrong_macros() {
    fails("(define-syntax m (syntax-rules () ((_ a) 1))) (define (f) (m))", &[207]);
    fails("(define-syntax m (syntax-rules () ((_ (a ...) (b ...)) '((a b) ...)))) (define (f) (m (1) (2 3)))", &[207]);
    fails("(define-syntax m (syntax-rules () ((_ a ...) a)))", &[208]);
    fails("(define-syntax m (syntax-rules () ((_ a) (a ...))))", &[208]);
    fails("(define-syntax m (syntax-rules () ((_ a a) 1)))", &[208]);
    fails("(define-syntax m (syntax-rules () ((_ a ... b ...) 1)))", &[208]);
    fails("(define-syntax m (syntax-rules () ((_ ... a) 1)))", &[208]);
    fails("(define-syntax m (lambda (x) x))", &[208]);
    fails("(define-syntax m (syntax-rules))", &[208]);
    fails("(define-syntax m (syntax-rules () ((_) 1))) (define (f) m)", &[206]);
}

#[test]
fn spans_are_of_the_use_for_what_a_macro_brings_in() {
    let text = format!("{SWAP} (define (f a b) (swap! a b))");
    let expansion = fails(&text, &[]);
    let definition = expansion.unit.definitions.values().next().unwrap();
    let form::DefinitionKind::Value { value, .. } = &definition.kind else { panic!() };
    let form::ExprKind::Lambda(lambda) = &value.kind else { panic!() };
    assert_eq!(expansion.sources.text(lambda.body.span), "(swap! a b)");
    let form::ExprKind::Let(bindings, _) = &lambda.body.kind else { panic!() };
    assert_eq!(expansion.sources.text(bindings[0].value.span), "a");
    assert_eq!(bindings[0].value.span.start as usize, text.rfind("a b)").unwrap());
}
