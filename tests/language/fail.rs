//! Cases that are refused, at the places and for the reasons they say; and how the messages look.

use std::fmt::Write as _;

use eshkol_core::Options;
use eshkol_core::diagnostic::render::{Style, render};

use crate::case::{self, Case, Compiled};

fn compiled(case: &Case) -> Compiled {
    let kernel = case.min_kernel.as_deref().unwrap_or("5.10");
    let options = Options::default();
    let options = Options { architecture: case.architecture.unwrap_or(options.architecture), ..options };
    case::compile_text("fail", &case.name, &case.unit(kernel, case.program_types[0]), options)
}

#[test]
fn every_mistake_is_reported_where_it_is() {
    let mut failures = Vec::new();
    for case in case::all("fail") {
        let compiled = compiled(&case);
        assert!(!case.messages.is_empty(), "{} expects no message", case.name);
        for unlike in compiled.unlike(&case.messages) {
            failures.push(format!("{}: {unlike}", case.name));
        }
        if compiled.compilation.output.is_some() && case.messages.iter().any(|message| message.severity == "error") {
            failures.push(format!("{}: compiles", case.name));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn messages_look_like_this() {
    let cases = case::all("fail");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        for case in &cases {
            let compiled = compiled(case);
            let mut text = format!("{}\n", case.text.trim_end());
            for diagnostic in &compiled.compilation.diagnostics {
                let _ = write!(text, "\n{}\n", render(diagnostic, &compiled.sources, Style::Plain));
            }
            // Where the project lies is nobody's business.
            let text = text.replace(env!("CARGO_MANIFEST_DIR"), "…");
            insta::assert_snapshot!(case.name.as_str(), text);
        }
    });
}
