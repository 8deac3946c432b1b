//! Diagnostics as Rust tokens that make rustc print them, at the Scheme token they are about.

use eshkol_core::diagnostic::{Diagnostic, Severity};
use eshkol_core::source::{Sources, Span as SourceSpan};
use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

use crate::positions::{Positions, Range};

/// Items that give rustc these messages.
pub(crate) fn messages(diagnostics: &[Diagnostic], positions: &Positions, sources: &Sources) -> TokenStream {
    diagnostics.iter().map(|diagnostic| message(diagnostic, positions, sources)).collect()
}

fn message(diagnostic: &Diagnostic, positions: &Positions, sources: &Sources) -> TokenStream {
    let range = positions.range(diagnostic.span, sources);
    let text = text(diagnostic, positions, sources);
    match diagnostic.severity {
        Severity::Error => error(range, &format!("[{}] {text}", diagnostic.code)),
        Severity::Warning => warning(range.single, &diagnostic.code.to_string(), &text),
    }
}

/// An item that is an error from the first to the last token of `range`.
pub(crate) fn error(range: Range, message: &str) -> TokenStream {
    let mut literal = Literal::string(message);
    literal.set_span(range.last);
    let mut group = Group::new(Delimiter::Brace, TokenTree::Literal(literal).into());
    // rustc reports a macro from the first token of its path to the end of its input.
    group.set_span(range.last);
    let path = quote_spanned!(range.first=> ::core::compile_error!);
    quote!(#path #group)
}

/// An item that is a warning: stable macros have no other way than the use of something deprecated.
fn warning(span: Span, code: &str, message: &str) -> TokenStream {
    let definition = Ident::new(code, Span::call_site().located_at(span));
    let mut used = definition.clone();
    used.set_span(span);
    quote! {
        const _: () = {
            #[deprecated(note = #message)]
            const #definition: () = ();
            #used
        };
    }
}

/// The message with all that a terminal would show around it.
fn text(diagnostic: &Diagnostic, positions: &Positions, sources: &Sources) -> String {
    let mut text = diagnostic.message.clone();
    if positions.can_point_into(diagnostic.span.source) {
        if !diagnostic.label.is_empty() {
            text.push_str(": ");
            text.push_str(&diagnostic.label);
        }
    } else {
        text.push('\n');
        text.push_str(&excerpt(diagnostic.span, &diagnostic.label, sources));
    }
    for (span, note) in &diagnostic.labels {
        let place = sources.location(*span);
        text.push_str(&format!("\nnote: {note}\n   --> {}:{}:{}", place.name, place.line, place.column));
    }
    for help in &diagnostic.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    text
}

/// A line of source with a mark under the place, in rustc's manner, for a place that rustc can't show itself.
fn excerpt(span: SourceSpan, label: &str, sources: &Sources) -> String {
    let place = sources.location(span);
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let line = sources.line_text(span);
    let before: String = line.chars().take(column(span, sources)).collect();
    // Tabs stay, so that the mark stands under its place however wide they are.
    let indent: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let length = sources.text(span).lines().next().unwrap_or("").chars().count().max(1);
    let mark = format!("{indent}{} {label}", "^".repeat(length));
    format!(
        "{margin}--> {}:{}:{}\n{margin} |\n{number} | {line}\n{margin} | {}",
        place.name,
        place.line,
        place.column,
        mark.trim_end()
    )
}

/// The 0-based column of a place in the line of its text.
fn column(span: SourceSpan, sources: &Sources) -> usize {
    sources.get(span.source).line_and_column(span.start).1 as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use eshkol_core::diagnostic::catalogue::UNCLOSED_LIST;

    /// The message of a diagnostic in a file that rustc can't point into.
    fn text_of(source: &str, at: &str, decorate: impl FnOnce(Diagnostic, SourceSpan) -> Diagnostic) -> String {
        let mut sources = Sources::new();
        let id = sources.add("src/xdp.esh", source);
        let start = source.find(at).unwrap() as u32;
        let span = SourceSpan::new(id, start, start + at.len() as u32);
        let positions = Positions::new(id, None, Span::call_site(), Vec::new());
        let diagnostic =
            decorate(Diagnostic::error(UNCLOSED_LIST, span, "it is not closed"), SourceSpan::new(id, 0, 1));
        text(&diagnostic, &positions, &sources)
    }

    #[test]
    fn a_place_in_a_file_is_drawn() {
        let text = text_of("(a)\n\t(é foo", "foo", |d, first| {
            d.with_label("here").with_note(first, "the one before").with_help("add `)`")
        });
        assert_eq!(
            text,
            "it is not closed\n --> src/xdp.esh:2:5\n  |\n2 | \t(é foo\n  | \t   ^^^ here\nnote: the one before\n   --> \
             src/xdp.esh:1:1\nhelp: add `)`"
        );
    }

    #[test]
    fn a_place_of_many_lines_is_marked_on_its_first() {
        let text = text_of("(a\n b", "(a\n b", |d, _| d);
        assert_eq!(text, "it is not closed\n --> src/xdp.esh:1:1\n  |\n1 | (a\n  | ^^");
    }

    #[test]
    fn an_error_is_a_compile_error() {
        let tokens = error(Range::token(Span::call_site()), "no \"x\"");
        assert_eq!(tokens.to_string(), r#":: core :: compile_error ! { "no \"x\"" }"#);
    }
}
