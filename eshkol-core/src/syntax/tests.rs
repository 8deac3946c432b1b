use super::*;
use crate::diagnostic::Diagnostics;

fn read_text(text: &str) -> (String, Vec<u16>) {
    let mut sources = Sources::new();
    let id = sources.add("test.esh", text);
    let mut diagnostics = Diagnostics::new();
    let data = read(&sources, id, &mut diagnostics);
    let text: Vec<String> = data.iter().map(ToString::to_string).collect();
    (text.join(" "), diagnostics.iter().map(|item| item.code.number()).collect())
}

#[track_caller]
fn reads(text: &str, wanted: &str) {
    assert_eq!(read_text(text), (wanted.to_owned(), vec![]), "{text}");
    assert_eq!(read_text(wanted), (wanted.to_owned(), vec![]), "not a fixed point: {wanted}");
}

#[track_caller]
fn fails(text: &str, code: u16) {
    assert_eq!(read_text(text).1, vec![code], "{text}");
}

#[test]
fn data_of_every_kind() {
    reads("(a b . c)", "(a b . c)");
    reads("(a . (b . (c)))", "(a b c)");
    reads("[let ([x 1]) x]", "(let ((x 1)) x)");
    reads("#(1 #t #false)", "#(1 #t #f)");
    reads("'x `(a ,b ,@c)", "(quote x) (quasiquote (a (unquote b) (unquote-splicing c)))");
    reads("0xff #b-101 1_0 -0o17 1.5", "255 -5 10 -15 1.5");
    reads(": :u32 x: :xdp-pass", ": :u32 x: :xdp-pass");
    reads("+ - ... -> set-x! tcp-flags->state λ / a//b <=?", "+ - ... -> set-x! tcp-flags->state λ / a//b <=?");
    reads("|a b| || |1| |a\\|b|", "|a b| || |1| |a\\|b|");
    reads("#\\a #\\space #\\x41 #\\( #\\x #\\λ", "#\\a #\\space #\\A #\\( #\\x #\\λ");
    reads(
        r#""a\n\t\"\\\x41;" "a\
           b""#,
        r#""a\n\t\"\\A" "ab""#,
    );
}

#[test]
fn comments_are_skipped() {
    reads("a ; b\n c", "a c");
    reads("#| a #| b |# c |# d", "d");
    reads("/* a /* b */ c */ d // e\n f", "d f");
    reads("(a #;(b c) d #;e)", "(a d)");
    reads("#;#;a b c", "c");
    reads("#!/usr/bin/env eshkol\na", "a");
    reads("(/ a b)", "(/ a b)");
}

#[test]
fn what_is_wrong_has_a_code() {
    fails("(a (b)", 101);
    fails("a)", 102);
    fails("(a]", 103);
    fails("(\"abc", 104);
    fails("(|abc", 104);
    fails("(a #| b #| c |#", 105);
    fails("10abc", 106);
    fails("99999999999999999999", 107);
    fails(r#""\q""#, 108);
    fails("#\\spce", 109);
    fails("(a . )", 110);
    fails("(. a)", 110);
    fails("(a . b c)", 110);
    assert_eq!(read_text("(a . b . c)").1, vec![110, 110]);
    fails(".", 110);
    fails("#:key", 111);
    fails("#u8(1)", 111);
    fails("{", 112);
    fails("(')", 114);
    fails("#;", 114);
}

#[test]
fn nesting_is_limited_and_costs_no_stack() {
    let text = format!("{}x{} y", "(".repeat(100_000), ")".repeat(100_000));
    let (data, codes) = read_text(&text);
    assert!(data.ends_with(") y"), "reading goes on after the deep list");
    assert_eq!(codes, vec![113]);
    assert_eq!(read_text(&"(".repeat(100_000)).1, vec![113, 101]);
    assert!(read_text(&"'".repeat(100_000)).1.contains(&113));
    assert!(read_text(&"#;".repeat(100_000)).1.contains(&113));
}

#[test]
fn many_errors_cost_no_quadratic_time() {
    let (_, codes) = read_text(&")".repeat(1_000_000));
    assert_eq!(codes.len(), 50);
}

#[test]
fn spans_cover_the_datum() {
    let mut sources = Sources::new();
    let id = sources.add("test.esh", "  (ab 'c)");
    let data = read(&sources, id, &mut Diagnostics::new());
    assert_eq!(sources.text(data[0].span), "(ab 'c)");
    let items = data[0].as_list().unwrap();
    assert_eq!(sources.text(items[0].span), "ab");
    assert_eq!(sources.text(items[1].span), "'c");
    assert_eq!(sources.text(items[1].as_list().unwrap()[0].span), "'");
}

#[test]
fn an_unclosed_list_is_guessed_from_indentation() {
    let text = "(program\n  (define (f)\n    (let ((x 1)\n      x))\n  (define (g) 2))\n";
    let mut sources = Sources::new();
    let id = sources.add("test.esh", text);
    let mut diagnostics = Diagnostics::new();
    read(&sources, id, &mut diagnostics);
    let diagnostic = diagnostics.iter().next().unwrap();
    assert_eq!(diagnostic.code.number(), 101);
    assert_eq!(sources.location(diagnostic.span).line, 2);
    assert_eq!(sources.location(diagnostic.labels[0].0).line, 5);
}

#[test]
fn documentation_stands_directly_above_a_list() {
    let text = ";;; Counts packets.\n;;;   Twice.\n(a) ;;; not this\n(b)\n;;; nor this\n\n(c)\n;;;; nor a heading\n(d)\n;; plain\n;;; but this\n(e)";
    let mut sources = Sources::new();
    let id = sources.add("test.esh", text);
    let data = read(&sources, id, &mut Diagnostics::new());
    let docs: Vec<Option<&str>> = data.iter().map(|datum| datum.doc.as_deref()).collect();
    assert_eq!(docs, [Some("Counts packets.\n  Twice."), None, None, None, Some("but this")]);
}
