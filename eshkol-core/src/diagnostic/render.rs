//! Draws diagnostics with their source lines, for terminals and snapshots.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{Diagnostic, Severity};
use crate::source::{Source, SourceId, Sources, Span};

/// What a drawing may be made of.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Style {
    /// Characters only.
    Plain,
    /// Characters and the escape sequences that terminals take for colours.
    Coloured,
}

/// The message with the lines of source that it is about.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code.to_string());
    // One drawing for each text, first the one that the message is about.
    let mut drawn: Vec<SourceId> = vec![diagnostic.span.source];
    for (span, _) in &diagnostic.labels {
        if !drawn.contains(&span.source) {
            drawn.push(span.source);
        }
    }
    let snippets = drawn.into_iter().map(|id| snippet(id, diagnostic, sources));
    let help = diagnostic.help.iter().map(|help| Level::HELP.message(help));
    let report = [title.elements(snippets).elements(help)];
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    renderer.render(&report)
}

/// One text with all that the message says about it.
fn snippet<'a>(
    id: SourceId,
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let source = sources.get(id);
    // The text of an `eshkol!` block begins in the middle of a line: spaces stand for what is before it.
    let indent = source.first_column as usize;
    let text = format!("{}{}", " ".repeat(indent), source.text);
    let place = |span: Span| {
        let Range { start, end } = first_line(source, span);
        start + indent..end + indent
    };
    let primary = (diagnostic.span.source == id).then(|| {
        let annotation = AnnotationKind::Primary.span(place(diagnostic.span));
        if diagnostic.label.is_empty() { annotation } else { annotation.label(&diagnostic.label) }
    });
    let notes = diagnostic.labels.iter().filter(|(span, _)| span.source == id);
    let notes = notes.map(|(span, note)| AnnotationKind::Context.span(place(*span)).label(note));
    Snippet::source(text)
        .path(&source.name)
        .line_start(source.first_line as usize)
        .annotations(primary.into_iter().chain(notes))
}

/// The bytes of a place that are on its first line.
fn first_line(source: &Source, span: Span) -> Range<usize> {
    let (start, end) = (span.start as usize, span.end as usize);
    match source.text.get(start..end) {
        Some(text) => start..start + text.find('\n').unwrap_or(text.len()),
        None => source.text.len()..source.text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::catalogue::UNCLOSED_LIST;

    #[test]
    fn a_message_with_its_lines() {
        let mut sources = Sources::new();
        let id = sources.add_at("src/main.rs", "(map-lookup\n\tblöcklist ip)", 10, 9);
        let other = sources.add("src/maps.esh", "(define-map m)");
        let diagnostic = Diagnostic::error(UNCLOSED_LIST, Span::new(id, 13, 23), "there is no map `blöcklist`")
            .with_label("not a map")
            .with_note(Span::new(id, 0, 26), "in this call")
            .with_note(Span::new(other, 12, 13), "there is this one")
            .with_help("define it");
        insta::assert_snapshot!(render(&diagnostic, &sources, Style::Plain));
    }

    #[test]
    fn a_place_at_the_end_of_the_text() {
        let mut sources = Sources::new();
        let id = sources.add("a.esh", "(a");
        for span in [Span::new(id, 2, 2), Span::new(id, 7, 9)] {
            let diagnostic = Diagnostic::warning(UNCLOSED_LIST, span, "the end");
            let drawing = "warning[ESK0101]: the end\n --> a.esh:1:3\n  |\n1 | (a\n  |   ^";
            assert_eq!(render(&diagnostic, &sources, Style::Plain), drawing);
        }
    }
}
