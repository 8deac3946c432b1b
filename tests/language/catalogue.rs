//! Every message of the catalogue has a case, and every example of its pages gives the message it is for.

use std::collections::BTreeSet;

use eshkol_core::diagnostic::catalogue;
use eshkol_core::{Architecture, Options};

use crate::case;

/// Messages that no text gives, and why.
const WITHOUT_CASE: &[(u16, &str)] = &[(901, "only a fault in the compiler gives it")];

#[test]
fn every_message_has_a_case() {
    if std::env::var_os("ESHKOL_CASE").is_some() {
        return;
    }
    let cases = case::all("fail").into_iter().chain(case::all("pass"));
    let given: BTreeSet<String> = cases.flat_map(|case| case.messages).map(|message| message.code).collect();
    let mut missing = Vec::new();
    for code in catalogue::all() {
        let excused = WITHOUT_CASE.iter().any(|(number, _)| *number == code.number());
        match (given.contains(&code.to_string()), excused) {
            (false, false) => missing.push(format!("{code} {} has no case", code.title())),
            (true, true) => missing.push(format!("{code} has a case, and is said to have none")),
            _ => {}
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Examples that say what they mean only with more around them than a page has room for.
/// That of 209 is a macro, which is looked into where it is used; 704 has a struct that is made elsewhere.
const PARTS: &[u16] = &[209, 704];

/// What examples name without defining it.
const SURROUNDINGS: &str = "
(define-map counts :hash (key-type u32) (value-type u64) (max-entries 16))
(define-map blocklist :hash (key-type u32) (value-type u8) (max-entries 16))
(define-map m :hash (key-type u32) (value-type u64) (max-entries 16))
(define-struct s (flag u8) (field u64) (values :u32-array 6))
(define-struct candidate (number u64) (score u64))
(define (score i) (* i i))
";

const PROGRAM: &str = "(define-ebpf-program example (license \"GPL\") (program-type :xdp)";

/// The ways in which an example may be part of a unit.
fn units(example: &str) -> Vec<String> {
    let main = "(define (main ctx) :xdp-pass)";
    let (definitions, expressions): (Vec<&str>, Vec<&str>) =
        example.lines().partition(|line| line.starts_with("(define"));
    let (definitions, expressions) = (definitions.join("\n"), expressions.join("\n"));
    vec![
        example.to_owned(),
        format!("{example}\n{PROGRAM} {main})"),
        format!("{PROGRAM}\n{example}\n{main})"),
        format!("{PROGRAM}\n{example})"),
        format!("(define-ebpf-program example (program-type :xdp)\n{example}\n{main})"),
        format!("{SURROUNDINGS}{}", with_body(example)),
        format!("{SURROUNDINGS}{}", with_body(&format!("(map-update m 0 {example})"))),
        format!("{definitions}\n{}", with_body(&expressions)),
    ]
}

/// A program that does something where it knows an IPv4 packet.
fn with_body(body: &str) -> String {
    format!(
        "{PROGRAM}
(define (main ctx)
  (let* ((x (packet-length ctx)) (y 1) (n x) (i x) (flags x) (length x) (bytes x) (packets x) (tuple x) (key 1) (k 1)
         (eth (parse-eth-header ctx))
         (ip (and eth (parse-ipv4-header (eth-payload eth)))))
    (when (and eth ip)
      (let ((cursor (eth-payload eth)))
{body}))
    :xdp-pass)))"
    )
}

#[test]
fn every_example_gives_its_message() {
    let mut silent = Vec::new();
    for code in catalogue::all() {
        let Some(example) = code.explanation().split("```scheme\n").nth(1).and_then(|rest| rest.split("```").next())
        else {
            continue;
        };
        let options = Options::default();
        let gives = units(example).iter().any(|unit| {
            [options.architecture, Architecture::OtherLittle].into_iter().any(|architecture| {
                let compiled = case::compile_text("fail", "example", unit, Options { architecture, ..options });
                compiled.messages().iter().any(|message| message.code == code.to_string())
            })
        });
        if gives == PARTS.contains(&code.number()) {
            silent.push(format!("{code}: gives its message: {gives}\n{example}"));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}
