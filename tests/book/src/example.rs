//! The Scheme examples of the book.
//!
//! A block marked `scheme` compiles without a message. It is a whole unit where it holds a program; else its definitions are put in one, and its
//! expressions in the entry, which then passes the packet on. `scheme,ESK0402` gives that message; `scheme,text` is not compiled.

use eshkol_core::diagnostic::Diagnostic;
use eshkol_core::include::Files;
use eshkol_core::source::Sources;
use eshkol_core::syntax;
use eshkol_core::{Options, compile};

/// A block of Scheme in a page.
#[derive(Debug)]
pub struct Example {
    /// The line of its fence, from 1.
    pub line: usize,
    /// What follows `scheme,` on the fence.
    pub mark: Option<String>,
    /// Its text.
    pub text: String,
}

/// Maps and structs that the pages of the language reference suppose. One that an example defines itself is left out.
const SUPPOSED: &[(&str, &str)] = &[
    ("(define-map counts", "(define-map counts :array (key-type :u32) (value-type :u64) (max-entries 16))"),
    ("(define-map blocklist", "(define-map blocklist :hash (key-type :ipv4-addr) (value-type :u8) (max-entries 1024))"),
    ("(define-struct flow", "(define-struct flow (packets :u64) (bytes :u64) (sizes :u32-array 8))"),
    ("(define-map flows", "(define-map flows :lru-hash (key-type :ipv4-addr) (value-type :flow) (max-entries 1024))"),
];

/// The blocks of a page.
pub fn examples(page: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut open: Option<Example> = None;
    for (index, line) in page.lines().enumerate() {
        match &mut open {
            Some(_) if line.trim_start().starts_with("```") => examples.extend(open.take()),
            Some(example) => {
                example.text.push_str(line);
                example.text.push('\n');
            }
            None => {
                if let Some(mark) = line.strip_prefix("```scheme") {
                    let mark = mark.strip_prefix(',').map(str::to_owned);
                    open = Some(Example { line: index + 1, mark, text: String::new() });
                }
            }
        }
    }
    examples
}

impl Example {
    /// The messages that compiling it gives, as `ESK0402: …`.
    pub fn messages(&self) -> Vec<String> {
        messages(&self.unit())
    }

    /// The unit it is, or is a part of.
    pub fn unit(&self) -> String {
        let text = &self.text;
        if text.contains("(define-ebpf-program") {
            return text.clone();
        }
        let (mut definitions, mut body) = (String::new(), String::new());
        for part in parts(text) {
            let into = if stands_outside(part) { &mut definitions } else { &mut body };
            into.push_str(part);
            into.push('\n');
        }
        for (start, definition) in SUPPOSED {
            if !text.contains(start) {
                definitions.push_str(definition);
                definitions.push('\n');
            }
        }
        if !definitions.contains("(define (main ctx)") {
            definitions
                .push_str("(define (main ctx)\n(let* ((eth (parse-eth-header ctx)) (length (packet-length ctx)))\n");
            definitions.push_str(&body);
            definitions.push_str("0)\n:xdp-pass)\n");
        }
        format!(
            "(define-ebpf-program example\n(license \"GPL\")\n(program-type :xdp)\n(entry main)\n(min-kernel \"6.12\")\n{definitions})\n"
        )
    }
}

/// The messages that compiling a unit gives.
pub fn messages(unit: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let source = sources.add("example.esh", unit);
    let mut files = Files::new(|path| std::fs::read(path), "");
    let compilation = compile(&mut sources, source, &mut files, Options::default());
    compilation.diagnostics.iter().map(|Diagnostic { code, message, .. }| format!("{code}: {message}")).collect()
}

/// The texts of the data at the top level. A text that can't be read is one part.
fn parts(text: &str) -> Vec<&str> {
    let mut sources = Sources::new();
    let source = sources.add("example.esh", text);
    let mut diagnostics = eshkol_core::diagnostic::Diagnostics::new();
    let data = syntax::read(&sources, source, &mut diagnostics);
    if diagnostics.has_errors() {
        return vec![text];
    }
    data.iter().filter_map(|datum| text.get(datum.span.start as usize..datum.span.end as usize)).collect()
}

/// Whether it stands outside procedures.
fn stands_outside(part: &str) -> bool {
    part.starts_with("(define") || part.starts_with("(: ")
}
