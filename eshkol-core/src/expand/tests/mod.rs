use std::collections::BTreeMap;

mod limits;
mod macros;
mod refusals;

use super::*;
use crate::deep_stack::with_deep_stack;
use crate::diagnostic::Diagnostic;

/// The files that can be included.
struct Files(BTreeMap<&'static str, &'static str>);

impl IncludeLoader for Files {
    fn load(&mut self, _from: &str, path: &str) -> Result<(String, String), String> {
        let text = self.0.get(path).ok_or("there is no such file")?;
        Ok(((*text).to_owned(), path.to_owned()))
    }
}

const BUILTINS: &[&str] = &[
    "+",
    "-",
    "*",
    "=",
    "<",
    ">",
    "not",
    "list",
    "cons",
    "append",
    "vector",
    "values",
    "map-lookup",
    "map-update",
    "bpf-ktime-get-ns",
    "bpf-get-current-pid-tgid",
    "bpf-get-current-uid-gid",
    "arithmetic-shift",
    "ringbuf-reserve",
    "tail-call",
    "range",
    "for-each",
    "length",
    "square",
];

struct Expansion {
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
    unit: form::Unit,
}

impl Expansion {
    fn codes(&self) -> Vec<u16> {
        self.diagnostics.iter().map(|item| item.code.number()).collect()
    }

    fn help(&self) -> String {
        self.diagnostics.iter().flat_map(|item| item.help.clone()).collect::<Vec<_>>().join("; ")
    }
}

fn expand_files(text: &str, files: &[(&'static str, &'static str)]) -> Expansion {
    with_deep_stack(|| {
        let mut sources = Sources::new();
        let id = sources.add("test.esh", text);
        let mut diagnostics = Diagnostics::new();
        let builtins = Builtins { exists: |name| BUILTINS.contains(&name), names: || BUILTINS.to_vec() };
        let mut files = Files(files.iter().copied().collect());
        let unit = expand_with(&mut sources, id, &mut files, builtins, &mut diagnostics);
        Expansion { sources, diagnostics: diagnostics.into_sorted(), unit }
    })
}

fn expand_text(text: &str) -> Expansion {
    expand_files(text, &[])
}

/// The value of the definition `name`, written with a number for each variable in the order they are met.
#[track_caller]
fn value(text: &str, name: &str) -> String {
    let expansion = expand_text(text);
    assert_eq!(expansion.codes(), Vec::<u16>::new(), "{:#?}\n{text}", expansion.diagnostics);
    printed(&expansion, name)
}

#[track_caller]
fn printed(expansion: &Expansion, name: &str) -> String {
    let definition = expansion.unit.definitions.values().find(|definition| &*definition.name.name == name).unwrap();
    match &definition.kind {
        form::DefinitionKind::Value { value, .. } => renumber(&value.print(&expansion.unit)),
        kind => panic!("{name} is {kind:?}"),
    }
}

/// Numbers variables from 0 in the order they are met, so that a test does not depend on the order they are made.
fn renumber(text: &str) -> String {
    let mut numbers: Vec<String> = Vec::new();
    let mut result = String::new();
    for word in text.split_inclusive([' ', '(', ')']) {
        let (word, end) = match word.strip_suffix([' ', '(', ')']) {
            Some(bare) => (bare, &word[bare.len()..]),
            None => (word, ""),
        };
        match word.rsplit_once('.') {
            Some((name, number))
                if !name.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty() =>
            {
                let index = numbers.iter().position(|known| *known == number).unwrap_or_else(|| {
                    numbers.push(number.to_owned());
                    numbers.len() - 1
                });
                result.push_str(&format!("{name}{index}"));
            }
            _ => result.push_str(word),
        }
        result.push_str(end);
    }
    result
}

/// The body of `(define (f) body …)`.
#[track_caller]
fn body(text: &str) -> String {
    let whole = value(&format!("(define (f) {text})"), "f");
    whole.strip_prefix("(lambda () ").unwrap().strip_suffix(')').unwrap().to_owned()
}

#[track_caller]
fn fails(text: &str, codes: &[u16]) -> Expansion {
    let expansion = expand_text(text);
    assert_eq!(expansion.codes(), codes, "{:#?}\n{text}", expansion.diagnostics);
    expansion
}

#[test]
fn derived_forms() {
    assert_eq!(body("(and)"), "#t");
    assert_eq!(body("(and 1 2 3)"), "(if 1 (if 2 3 #f) #f)");
    assert_eq!(body("(or 1 2)"), "(let* ((or0 1)) (if or0 or0 2))");
    assert_eq!(body("(if 1 2)"), "(if 1 2 #<unspecified>)");
    assert_eq!(body("(when 1 2 3)"), "(if 1 (begin 2 3) #<unspecified>)");
    assert_eq!(body("(unless 1 2)"), "(if 1 #<unspecified> 2)");
    assert_eq!(body("(cond (1 2) (else 3 4))"), "(if 1 2 (begin 3 4))");
    assert_eq!(
        body("(cond (1 => square) (2))"),
        "(let* ((cond0 1)) (if cond0 (square cond0) (let* ((or1 2)) (if or1 or1 #<unspecified>))))"
    );
    assert_eq!(body("(case 1 ((1 2) 3) ((:a) 4) (else 5))"), "(case 1 ((1 2) 3) ((:a) 4) (else 5))");
    assert_eq!(
        body("(case 1 ((1) => square))"),
        "(let* ((case0 1)) (case case0 ((1) (square case0)) (else #<unspecified>)))"
    );
    assert_eq!(
        body("(let loop ((i 0)) (loop (+ i 1)))"),
        "(letrec* ((loop0 (lambda (i1) (loop0 (+ i1 1))))) (loop0 0))"
    );
    assert_eq!(
        body("(do ((i 0 (+ i 1)) (n 5)) ((= i n) i) (square i))"),
        "(letrec* ((do0 (lambda (i1 n2) (if (= i1 n2) i1 (begin (square i1) (do0 (+ i1 1) n2)))))) (do0 0 5))"
    );
    assert_eq!(body("(while 1 2 3)"), "(while 1 (begin 2 3))");
    assert_eq!(body("(for (x in (range 0 3)) x)"), "(for (x0 in (range 0 3)) x0)");
    assert_eq!(body("(if-let (x 1) x 2)"), "(let* ((x0 1)) (if x0 x0 2))");
    assert_eq!(body("(when-let (x 1) 2 x)"), "(let* ((x0 1)) (if x0 (begin 2 x0) #<unspecified>))");
    assert_eq!(
        body("(let-values (((a b) (values 1 2)) (c (values 3))) (list a b c))"),
        "(let-values (((a0 b1) (values 1 2))) (let-values ((( . c2) (values 3))) (list a0 b1 c2)))"
    );
    assert_eq!(body("(let*-values (((a) 1) ((b) a)) b)"), "(let-values (((a0) 1)) (let-values (((b1) a0)) b1))");
    assert_eq!(body("(begin)"), "#<unspecified>");
    assert_eq!(body("(the u32 1)"), "(the u32 1)");
    assert_eq!(body("(sizeof u32)"), "(sizeof u32)");
    assert_eq!(body("(let ((x : u64 0)) (set! x 1) x)"), "(let* ((x0 : u64 0)) (begin (set! x0 1) x0))");
    assert_eq!(body("((lambda ((x : u8) . r) : u16 x) 1)"), "((lambda ((x0 : u8) . r1) : u16 x0) 1)");
}

#[test]
fn quotation() {
    assert_eq!(body("'(a 1 :b)"), "'(a 1 :b)");
    assert_eq!(body("'5"), "5");
    assert_eq!(body("`(a b)"), "'(a b)");
    assert_eq!(body("`(a ,1 ,@(list 2) b)"), "(append (list 'a 1) (list 2) (list 'b))");
    assert_eq!(body("`(a . ,1)"), "(cons 'a 1)");
    assert_eq!(body("`(a b . ,(list 1))"), "(append (list 'a 'b) (list 1))");
    assert_eq!(body("`#(a ,1)"), "(vector 'a 1)");
    assert_eq!(body("`(a `(b ,(c ,1)))"), "(list 'a (list 'quasiquote (list 'b (list 'unquote (list 'c 1)))))");
}

#[test]
fn an_initialiser_sees_the_surrounding_scope_first() {
    assert_eq!(body("(let ((key 0) (v (square key))) v)"), "(let* ((key0 0) (v1 (square key0))) v1)");
    assert_eq!(
        body("(let ((a 1)) (let ((a 2) (b a)) (list a b)))"),
        "(let* ((a0 1)) (let* ((a1 2) (b2 a0)) (list a1 b2)))"
    );
    assert_eq!(body("(let ((square 1) (b (square 2))) b)"), "(let* ((square0 1) (b1 (square 2))) b1)");
    assert_eq!(
        body("(let ((a 1) (b (lambda (x) (list x a)))) b)"),
        "(let* ((a0 1) (b1 (lambda (x2) (list x2 a0)))) b1)"
    );
    assert_eq!(value("(define a 5) (define (f) (let ((a 1) (b a)) b))", "f"), "(lambda () (let* ((a0 1) (b1 a)) b1))");
    fails("(define (f) (let ((b a) (a 1)) b))", &[201]);
}

#[test]
fn bodies() {
    assert_eq!(body("(define a 1) (define b (square a)) b"), "(let* ((a0 1) (b1 (square a0))) b1)");
    assert_eq!(
        body("(define a 1) (define (even n) (odd n)) (define (odd n) (even n)) (define c (even a)) c"),
        "(let* ((a0 1)) (letrec* ((even1 (lambda (n2) (odd3 n2))) (odd3 (lambda (n4) (even1 n4)))) (let* ((c5 (even1 a0))) c5)))"
    );
    assert_eq!(
        body("(define-values (a b) (values 1 2)) (list a b)"),
        "(let-values (((a0 b1) (values 1 2))) (list a0 b1))"
    );
    assert_eq!(
        body("(define (g (x : u8)) : u16 x) (: g (-> u8 u16)) (g 1)"),
        "(let* ((g0 : (-> u8 u16) (lambda ((x1 : u8)) : u16 x1))) (g0 1))"
    );
    assert_eq!(body("(begin (define a 1)) a"), "(let* ((a0 1)) a0)");
    assert_eq!(body("(define-syntax one (syntax-rules () ((_) 1))) (one)"), "1");
    assert_eq!(body("(letrec ((a (lambda () (a)))) a)"), "(letrec* ((a0 (lambda () (a0)))) a0)");
    fails("(define (f) (define a 1))", &[220]);
    fails("(define (f))", &[220]);
    fails("(define (f) 1 (define a 1) a)", &[211]);
    fails("(define (f) (define a 1) (define a 2) a)", &[203]);
    fails("(define (f) (define-map m :hash) 1)", &[211]);
    fails("(define (f) (if 1 (define a 1)))", &[211]);
}

#[test]
fn definitions_in_any_order_and_namespace() {
    let text = "(define-ebpf-program p
                  (license \"GPL\")
                  (define-map stats :hash (key-type u32) (value-type stats) (max-entries (* 2 limit)))
                  (define (main ctx) (stats-packets (map-lookup stats limit)))
                  (define-struct stats (packets u64) (bytes u64)))
                (define limit 4)";
    let expansion = fails(text, &[]);
    let text = expansion.unit.to_string();
    assert!(text.contains("(define-ebpf-program p (license \"GPL\"))"), "{text}");
    assert!(text.contains("(max-entries (* 2 limit))"), "{text}");
    assert_eq!(printed(&expansion, "main"), "(lambda (ctx0) (stats-#0 (map-lookup stats limit)))");
    let main = expansion.unit.definitions.values().find(|definition| &*definition.name.name == "main").unwrap();
    assert!(main.program.is_some());
    let expansion = fails("(define-struct s (a u32)) (define-map s :ringbuf) (define (f) (ringbuf-reserve s s))", &[]);
    assert_eq!(printed(&expansion, "f"), "(lambda () (ringbuf-reserve s s))");
}

#[test]
fn programs_nest_and_shadow() {
    let text = "(define limit 1)
                (define-ebpf-program outer
                  (define a 2)
                  (define limit 3)
                  (define-ebpf-program inner
                    (define (f) (list a limit outer inner))))
                (define (g) limit)";
    let expansion = fails(text, &[]);
    assert_eq!(printed(&expansion, "f"), "(lambda () (list a limit outer inner))");
    let limits: Vec<_> = expansion.unit.definitions.values().filter(|item| &*item.name.name == "limit").collect();
    assert!(limits[0].program.is_none() && limits[1].program.is_some());
    assert_eq!(expansion.unit.programs.values().nth(1).unwrap().parent, expansion.unit.programs.ids().next());
    fails("(define-ebpf-program a (define x 1)) (define (f) x)", &[201]);
}

#[test]
fn duplicates_point_at_both() {
    let expansion = fails("(define limit 1)\n(define limit 2)", &[203]);
    let diagnostic = &expansion.diagnostics[0];
    assert_eq!(expansion.sources.location(diagnostic.span).line, 2);
    assert_eq!(expansion.sources.location(diagnostic.labels[0].0).line, 1);
    fails("(define-struct s (a u32)) (define (s-a x) x)", &[203]);
    fails("(define-struct s (a u32)) (define-enum s a)", &[203]);
    fails("(define-map m :hash) (define (m) 1)", &[203]);
    fails("(define-enum a x) (define-enum b x)", &[203]);
    fails("(define (f a a) a)", &[204]);
    fails("(define (f) (let ((a 1) (a 2)) a))", &[204]);
}

#[test]
fn files_are_included() {
    let files = [("a.esh", "(define a 1) (include \"b.esh\")"), ("b.esh", "(define b a)")];
    let expansion = expand_files("(include \"a.esh\") (define (f) (list a b))", &files);
    assert_eq!(expansion.codes(), Vec::<u16>::new());
    assert_eq!(printed(&expansion, "f"), "(lambda () (list a b))");
    let expansion = expand_files("(include \"a.esh\")", &[("a.esh", "(include \"a.esh\")")]);
    assert_eq!(expansion.codes(), [214]);
    assert_eq!(expand_text("(include \"none.esh\")").codes(), [214]);
    let expansion =
        expand_files("(: f (-> u32 u64)) (include \"a.esh\") (define (f x) x)", &[("a.esh", "(: g u8) (define g 1)")]);
    assert_eq!(expansion.codes(), Vec::<u16>::new());
    assert!(expansion.unit.to_string().contains("(define f : (-> u32 u64) "));
}

#[test]
fn what_is_not_available_is_said_once() {
    fails("(import (eshkol bpf)) (define (main) (println 1) (bpf-prog-load \"x\"))", &[213]);
    fails("(import (eshkol bpf)) (define (f) 1)", &[213]);
}

#[test]
fn the_prelude_is_a_part_only_where_it_is_used() {
    let expansion = fails("(define (f) (current-pid))", &[]);
    let names: Vec<_> = expansion.unit.definitions.values().map(|item| (&*item.name.name, item.prelude)).collect();
    assert_eq!(names, [("f", false), ("current-pid", true)]);
    let expansion = fails("(define (current-pid) 1) (define (f) (current-pid))", &[]);
    assert!(expansion.unit.definitions.values().all(|item| !item.prelude));
}

/// Every definition of the prelude is well formed, and uses only what exists.
#[test]
fn the_prelude_expands() {
    let mut uses = String::new();
    for file in prelude::FILES {
        let mut sources = Sources::new();
        let id = sources.add(file.name, file.text);
        let mut defined = Vec::new();
        for form in crate::syntax::read(&sources, id, &mut Diagnostics::new()) {
            let items = form.as_list().unwrap();
            let target = items[1].as_list().map_or(&items[1], |target| &target[0]);
            defined.push(target.as_symbol().unwrap().to_string());
            match &**items[0].as_symbol().unwrap() {
                "define" => uses.push_str(&format!(" {target}")),
                "define-struct" => {
                    let fields: Vec<String> =
                        items[2..].iter().map(|item| item.as_list().unwrap()[0].to_string()).collect();
                    let first = defined.len();
                    defined.push(format!("make-{target}"));
                    defined.extend(fields.iter().map(|field| format!("{target}-{field}")));
                    defined.extend(fields.iter().map(|field| format!("set-{target}-{field}!")));
                    uses.push_str(&format!(" {}", defined[first..].join(" ")));
                }
                _ => {}
            }
        }
        assert_eq!(defined, file.defines, "{}", file.name);
    }
    let mut sources = Sources::new();
    let id = sources.add("test.esh", format!("(define (f) (list {uses}))"));
    let mut diagnostics = Diagnostics::new();
    let unit = expand(&mut sources, id, &mut NoIncludes, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    assert!(unit.definitions.values().any(|definition| definition.prelude));
}

#[test]
fn documentation_reaches_definitions() {
    let expansion = fails(";;; Blocked.\n(define-map m :hash)\n(define-struct s\n ;;; How many.\n (n u32))", &[]);
    let definitions: Vec<_> = expansion.unit.definitions.values().collect();
    assert_eq!(definitions[0].doc.as_deref(), Some("Blocked."));
    let form::DefinitionKind::Struct { fields } = &definitions[1].kind else { panic!() };
    assert_eq!(fields[0].doc.as_deref(), Some("How many."));
}
