//! Long and deep programs go through every stage, and what is too deep is refused; all of it called from the small stack of a test.

use super::with_deep_stack;
use crate::compile::{Architecture, Optimisation, Options, check, compile, lower};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::expand::{NoIncludes, expand};
use crate::source::Sources;

/// `part` for each of so many numbers.
fn many(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect()
}

/// A program whose entry has the packet's length as `x`.
fn program(definitions: &str, body: &str) -> String {
    format!(
        "(define-ebpf-program p (license \"GPL\") (program-type :xdp)
  {definitions}
  (define (main ctx) (let ((x (packet-length ctx))) {body})))"
    )
}

/// A program for each way to write a long or deep one.
fn shapes(n: usize) -> Vec<(&'static str, String)> {
    let choice = |test: String| program("", &format!("(if {test} :xdp-drop :xdp-pass)"));
    let close = ")".repeat(n);
    let before = |i: usize| if i == 0 { "x".to_owned() } else { format!("d{}", i - 1) };
    vec![
        ("deep calls", choice(format!("(= {}x{close} 5)", "(+ 1 ".repeat(n)))),
        ("deep tests", choice(format!("{}(= x 5){close}", "(not ".repeat(n)))),
        ("deep if", program("", &format!("{}:xdp-pass{close}", many(n, |i| format!("(if (= x {i}) :xdp-drop "))))),
        ("deep begin", program("", &format!("{}:xdp-pass{close}", "(begin ".repeat(n)))),
        ("deep let", {
            let lets = many(n, |i| format!("(let ((d{i} (+ {} 1))) ", before(i)));
            program("", &format!("{lets}(if (= d{} 9) :xdp-drop :xdp-pass){close}", n - 1))
        }),
        ("deep lambda", {
            let calls = "((lambda (y) ".repeat(n / 2);
            choice(format!("(= 7 {calls}(+ 1 x){})", ") 1)".repeat(n / 2)))
        }),
        ("cond", program("", &format!("(cond {} (else :xdp-pass))", many(n, |i| format!("((= x {i}) :xdp-drop)"))))),
        ("case", program("", &format!("(case x {} (else :xdp-pass))", many(n, |i| format!("(({i}) :xdp-drop)"))))),
        (
            "keys",
            program("", &format!("(case x (({}) :xdp-drop) (else :xdp-pass))", many(n, |i| format!(" {}", 3 * i)))),
        ),
        ("and", choice(format!("(and {})", many(n, |i| format!("(not (= x {i}))"))))),
        ("or", choice(format!("(or {})", many(n, |i| format!("(= x {i})"))))),
        ("+", choice(format!("(= 100 (+ {}))", many(n, |i| format!("(bitwise-xor x {i})"))))),
        ("let*", {
            let bindings = many(n, |i| format!("(d{i} (+ {} {i}))", before(i)));
            program("", &format!("(let* ({bindings}) (if (= d{} 9) :xdp-drop :xdp-pass))", n - 1))
        }),
        ("define", {
            let definitions = many(n, |i| format!("(define d{i} (+ {} {i}))", before(i)));
            program(&format!("(define (f x) {definitions} (if (= d{} 9) :xdp-drop :xdp-pass))", n - 1), "(f x)")
        }),
        ("begin", {
            let statements = many(n, |i| format!("(set! r (+ r (bitwise-xor r {i})))"));
            program("", &format!("(let ((r x)) {statements} (if (= r 9) :xdp-drop :xdp-pass))"))
        }),
    ]
}

/// So many procedures, each calling the one before it; two levels each.
fn procedures(n: usize) -> String {
    let definitions = many(n, |i| format!("(define (f{} y) (bitwise-xor {i} (f{i} (+ y 1))))\n", i + 1));
    program(&format!("(define (f0 y) y)\n{definitions}"), &format!("(if (= 1 (f{n} x)) :xdp-drop :xdp-pass)"))
}

fn errors(diagnostics: &[Diagnostic]) -> Vec<u16> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(|error| error.code.number()).collect()
}

/// The codes of what is wrong with a text.
fn checked(text: &str) -> Vec<u16> {
    let mut sources = Sources::new();
    let id = sources.add("test.esh", text);
    errors(&check(&mut sources, id, &mut NoIncludes, Architecture::X86_64).diagnostics)
}

/// Compiles in both ways, and prints what each stage gives.
fn goes_through_every_stage(name: &str, text: &str) {
    let mut sources = Sources::new();
    let id = sources.add("test.esh", text);
    let printed = with_deep_stack(|| expand(&mut sources, id, &mut NoIncludes, &mut Diagnostics::new()).to_string());
    assert!(!printed.is_empty(), "{name}");
    for optimisation in [Optimisation::None, Optimisation::Full] {
        let options = Options { optimisation, ..Options::default() };
        let mut sources = Sources::new();
        let id = sources.add("test.esh", text);
        let compilation = compile(&mut sources, id, &mut NoIncludes, options);
        let output = compilation.output.unwrap_or_else(|| panic!("{name}: {:?}", errors(&compilation.diagnostics)));
        assert!(with_deep_stack(|| output.unit.to_string().len()) > 100, "{name}");
        assert!(!lower(&output.unit, options).programs.is_empty(), "{name}");
        let mut sources = Sources::new();
        let id = sources.add("test.esh", text);
        let big = Options { architecture: Architecture::OtherBig, ..options };
        assert!(compile(&mut sources, id, &mut NoIncludes, big).output.is_some(), "{name}");
    }
}

#[test]
fn what_is_long_or_deep_compiles() {
    for (name, text) in shapes(120) {
        goes_through_every_stage(name, &text);
    }
    goes_through_every_stage("procedures", &procedures(1_400));
}

#[test]
fn a_thousand_of_anything_are_checked() {
    for (name, text) in shapes(980) {
        assert_eq!(checked(&text), [], "{name}");
    }
}

#[test]
fn what_is_too_deep_is_refused_once() {
    assert_eq!(checked(&procedures(1_600)), [506]);
    assert_eq!(checked(&procedures(6_000)), [506]);
    let too_deep = format!("{}x{}", "(+ 1 ".repeat(2_000), ")".repeat(2_000));
    assert_eq!(checked(&program("", &format!("(begin {too_deep} :xdp-pass)"))), [113]);
}

#[test]
fn a_recursion_that_ends_late_is_a_recursion() {
    let sum = |n: usize| {
        let sum = "(define (sum n x) (if (= n 0) x (+ n (sum (- n 1) (bitwise-xor x n)))))";
        program(sum, &format!("(if (= (sum {n} x) 7) :xdp-drop :xdp-pass)"))
    };
    goes_through_every_stage("recursion", &sum(490));
    assert_eq!(checked(&sum(510)), [501]);
    // So much in each call that the nesting is at its limit before the recursion is.
    let deep = format!("{}(f (+ n 1)){}", "(bitwise-xor n ".repeat(40), ")".repeat(40));
    assert_eq!(checked(&program(&format!("(define (f n) {deep})"), "(if (= (f 0) x) :xdp-drop :xdp-pass)")), [501]);
}

#[test]
fn a_panic_stays_a_panic() {
    let caught = std::panic::catch_unwind(|| with_deep_stack(|| panic!("as it should")));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"as it should"));
}
