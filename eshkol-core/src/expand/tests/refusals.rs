//! What is wrong, and what is said of it.

use super::*;

#[test]
fn unknown_names_are_all_reported_with_what_was_meant() {
    let expansion = fails("(define (f m) (map-lokup m kee))", &[201, 201]);
    assert!(expansion.help().contains("did you mean `map-lookup`?"), "{}", expansion.help());
    for (name, meant) in [
        ("logand", "bitwise-and"),
        ("%", "remainder"),
        ("==", "`=`"),
        ("!=", "(not (= a b))"),
        ("<<", "arithmetic-shift"),
        ("&&", "`and`"),
        ("null", "if-let"),
        ("bpf_ktime_get_ns", "bpf-ktime-get-ns"),
        ("Map-Lookup", "map-lookup"),
    ] {
        let expansion = fails(&format!("(define (f a b) ({name} a b))"), &[201]);
        assert!(expansion.help().contains(meant), "{name}: {}", expansion.help());
    }
    fails("(define (f) (display 1))", &[217]);
    fails("(define (f) (call/cc f))", &[217]);
    fails("(define (f) else)", &[201]);
    fails("(define (f) if)", &[206]);
    fails("(define-struct s (a u32)) (define (f) s)", &[206]);
    let expansion = fails("(defin x 1)", &[201]);
    assert!(expansion.help().contains("`define`"), "{}", expansion.help());
}

#[test]
fn nothing_but_definitions_outside_procedures() {
    fails("(square 1)", &[210]);
    fails("5", &[210]);
    fails("(define-ebpf-program p (license \"GPL\") (map-update 1 2))", &[210]);
    let expansion = fails("(define-ebpf-program p (licence \"GPL\"))", &[]);
    assert_eq!(&*expansion.unit.programs.values().next().unwrap().clauses[0].name.name, "licence");
}

#[test]
fn what_can_be_set() {
    let expansion = fails("(define-global (hits :mutable) u64 0) (define (f x) (set! hits 1) (set! x 2))", &[]);
    assert_eq!(printed(&expansion, "f"), "(lambda (x0) (begin (set! hits 1) (set! x0 2)))");
    assert!(expansion.unit.variables.values().any(|variable| &*variable.name == "x" && variable.mutated));
    for text in ["(define x 1)", "(define (x) 1)", "(define-map x :hash)", "(define-enum e x)"] {
        fails(&format!("{text} (define (f) (set! x 1))"), &[212]);
    }
    fails("(define (f) (set! square 1))", &[212]);
    fails("(define (f) (set! nowhere 1))", &[201]);
    fails("(define-struct s (a u32)) (define (f x) (set! (s-a x) 1))", &[202]);
}

#[test]
fn annotations() {
    let expansion = fails("(: f (-> u32 u64)) (define (f x) x) (define limit : u32 100)", &[]);
    assert!(expansion.unit.to_string().contains("(define f : (-> u32 u64) "), "{}", expansion.unit);
    assert!(expansion.unit.to_string().contains("(define limit : u32 100)"));
    fails("(: f u32)", &[218]);
    fails("(: x u32) (define x : u32 1)", &[218]);
    for (text, shown) in [
        ("(define (f (x u32)) x)", "(x : u32)"),
        ("(define (f (x :u32)) x)", "(x : u32)"),
        ("(define (f (: x u32)) x)", "(x : u32)"),
        ("(define (f x : u32 y : u64) x)", "(x : u32)"),
        ("(define (f x:u32) x)", "(x : u32)"),
        ("(define (f : (-> u32 u32)) (lambda (x) x))", "(: f type)"),
        ("(define (f x) -> u64 x)", ": u64"),
        ("(define x :u32 1)", "(define x : u32 1)"),
        ("(define (f) (let ((x :u64 0)) x))", "(x : u64 0)"),
        ("(define (f) (lambda ((x :u32)) x))", "(x : u32)"),
        ("(define (f) (let loop ((i 0)) : u64 i))", "(the u64 e)"),
        ("(define-struct s (a : u32))", "(a u32)"),
        ("(define-global x : u64 0)", "(define-global name u64 0)"),
    ] {
        let expansion = fails(text, &[205]);
        assert!(expansion.help().contains(shown), "{text}: {}", expansion.help());
    }
}

#[test]
fn malformed_forms_show_their_shape() {
    for text in [
        "(if)",
        "(if 1)",
        "(if 1 2 3 4)",
        "(let)",
        "(let ((x)) x)",
        "(let (x) x)",
        "(let ((x 1 2)) x)",
        "(lambda)",
        "(cond)",
        "(cond 1)",
        "(cond (else 1) (2 3))",
        "(case 1 (2 3))",
        "(do)",
        "(do ((i 0)) ())",
        "(for (x of 1) 2)",
        "(for x 1)",
        "(if-let x 1)",
        "(set! 1 2)",
        "(set! x)",
        "(the u32)",
        "(sizeof)",
        "(quote)",
        "(while)",
        "(let-values (1) 2)",
        "(let-values ((a)) 2)",
        "(let-syntax (1) 2)",
        "(1 . 2)",
        "`#(,@(list 1))",
        "(let loop)",
    ] {
        let expansion = fails(&format!("(define (f) {text})"), &[202]);
        assert!(!expansion.help().is_empty());
    }
    for text in [
        "(define)",
        "(define x)",
        "(define 1 2)",
        "(define x 1 2)",
        "(define-map m)",
        "(define-struct)",
        "(define-struct s a)",
        "(define-enum e 1)",
        "(define-type t)",
        "(: f)",
        "(define-ebpf-program)",
        "(include x)",
    ] {
        fails(text, &[202]);
    }
    fails("(define (f) ())", &[215]);
}
