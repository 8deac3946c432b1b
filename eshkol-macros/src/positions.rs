//! From a place in the Scheme text to the Rust token that stands there.

use eshkol_core::include::Included;
use eshkol_core::source::{SourceId, Sources, Span as SourceSpan};
use proc_macro2::Span;

use crate::source_text::Located;
use crate::tokens::Kind;

/// The first and the last token of a place. Stable Rust can't make one span of two, but whoever builds tokens can give the first
/// span to the first of them and the last to the last.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Range {
    /// Span of the first token.
    pub(crate) first: Span,
    /// Span of the last token, on the same line.
    pub(crate) last: Span,
    /// What to show where only one span can be given: a whole list, else the first token.
    pub(crate) single: Span,
}

impl Range {
    /// A single token.
    pub(crate) fn token(span: Span) -> Self {
        Self { first: span, last: span, single: span }
    }
}

/// Which tokens the texts of a compilation came from.
#[derive(Debug)]
pub(crate) struct Positions {
    /// The text that the macro was given.
    main: SourceId,
    /// Its tokens, by rising place; `None` where it is a file.
    tokens: Option<Vec<Located>>,
    /// The whole invocation, for what has no token.
    whole: Span,
    /// The files that the text includes.
    included: Vec<Included>,
}

impl Positions {
    /// For the text `main` with these tokens.
    pub(crate) fn new(main: SourceId, tokens: Option<Vec<Located>>, whole: Span, included: Vec<Included>) -> Self {
        Self { main, tokens, whole, included }
    }

    fn tokens(&self) -> &[Located] {
        self.tokens.as_deref().unwrap_or_default()
    }

    /// Whether rustc can point into the source.
    pub(crate) fn can_point_into(&self, source: SourceId) -> bool {
        source == self.main && self.tokens.is_some()
    }

    /// The tokens of a place: those of its first line.
    pub(crate) fn range(&self, span: SourceSpan, sources: &Sources) -> Range {
        if self.can_point_into(span.source) {
            let text = sources.text(span);
            let end = span.start as usize + text.find('\n').unwrap_or(text.len());
            self.tokens_between(span.start as usize, end).unwrap_or(Range::token(self.whole))
        } else {
            let include = self.include_literal(span.source, sources);
            Range::token(include.unwrap_or(self.whole))
        }
    }

    /// The first token of a place.
    pub(crate) fn first(&self, span: SourceSpan, sources: &Sources) -> Span {
        self.range(span, sources).first
    }

    /// The tokens that these bytes touch; if there are none, the one before them, or else the one after them.
    fn tokens_between(&self, start: usize, end: usize) -> Option<Range> {
        let tokens = self.tokens();
        let first = tokens.partition_point(|token| token.end <= start);
        let after = tokens.partition_point(|token| token.start < end.max(start + 1));
        match tokens.get(first..after) {
            Some(all @ [first, .., last]) => {
                let single = first.list.filter(|_| is_one_list(all)).unwrap_or(first.span);
                Some(Range { first: first.span, last: last.span, single })
            }
            Some([only]) => Some(Range::token(only.span)),
            _ => {
                let near = first.checked_sub(1).unwrap_or(first);
                tokens.get(near).map(|token| Range::token(token.span))
            }
        }
    }

    /// The string in the invocation that names the file which, maybe through others, includes this source.
    fn include_literal(&self, source: SourceId, sources: &Sources) -> Option<Span> {
        let main = sources.get(self.main);
        let mut name = sources.get(source).name.as_str();
        // As many steps as there are files, so that a circle ends.
        for _ in 0..=self.included.len() {
            let included = self.included.iter().find(|included| included.name == name)?;
            if included.from == main.name {
                let spelling = format!("{:?}", included.path);
                let literal = |token: &&Located| main.text.get(token.start..token.end) == Some(&spelling);
                return self.tokens().iter().find(literal).map(|token| token.span);
            }
            name = &included.from;
        }
        None
    }
}

/// Whether the last token closes what the first one opens.
fn is_one_list(tokens: &[Located]) -> bool {
    let mut depth = 0_usize;
    let mut closed = tokens.iter().map(|token| {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word | Kind::Punctuation { .. } => {}
        }
        depth == 0
    });
    closed.position(|closed| closed) == tokens.len().checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_text;

    /// Positions of a text, with the tokens' places as their spans.
    fn positions(text: &str, included: Vec<Included>) -> (Positions, Sources) {
        let mut sources = Sources::new();
        let main = sources.add("main.rs", text);
        let written = format!("{{{text}}}");
        let begin = crate::tokens::Place { line: 1, column: 0 };
        // A line in front makes up for the brace that is not there when `text` is lexed alone.
        let written = format!("m!\n{written}");
        let input: proc_macro2::TokenStream = format!("\n {text}").parse().unwrap();
        let text = source_text::text(Some((&written, begin)), input);
        assert!(text.text == sources.get(main).text);
        (Positions::new(main, Some(text.tokens), Span::call_site(), included), sources)
    }

    /// What the tokens at the first occurrence of `at` are, by line and columns.
    fn found(positions: &Positions, sources: &Sources, at: &str) -> (usize, usize, usize) {
        let text = &sources.get(positions.main).text;
        let start = text.find(at).unwrap();
        let span = SourceSpan::new(positions.main, start as u32, (start + at.len()) as u32);
        let range = positions.range(span, sources);
        (range.first.start().line - 1, range.first.start().column, range.last.end().column)
    }

    #[test]
    fn names_of_several_tokens() {
        let (positions, sources) = positions("(map-lookup m\n  (é key))", Vec::new());
        assert_eq!(found(&positions, &sources, "map-lookup"), (1, 2, 12));
        assert_eq!(found(&positions, &sources, "key"), (2, 5, 8));
    }

    #[test]
    fn a_place_of_many_lines_is_shown_by_its_first() {
        let (positions, sources) = positions("(if a\n  b\n  c)", Vec::new());
        assert_eq!(found(&positions, &sources, "(if a\n  b\n  c)"), (1, 1, 6));
    }

    #[test]
    fn a_list_is_one_span_and_a_name_is_its_first_token() {
        let (positions, sources) = positions("(a (b-c (d)) (e))", Vec::new());
        let single = |at: &str| {
            let start = sources.get(positions.main).text.find(at).unwrap();
            let span = SourceSpan::new(positions.main, start as u32, (start + at.len()) as u32);
            let single = positions.range(span, &sources).single;
            (single.start().column, single.end().column)
        };
        assert_eq!(single("(b-c (d))"), (4, 13));
        assert_eq!(single("b-c"), (5, 6));
        assert_eq!(single("(d)) (e)"), (9, 10));
    }

    #[test]
    fn a_place_without_tokens_is_shown_by_the_one_before_it() {
        let (positions, sources) = positions("(a)   \n; words here\n b", Vec::new());
        assert_eq!(found(&positions, &sources, "   \n"), (1, 3, 4));
        let (only_after, sources) = self::positions("   b", Vec::new());
        assert_eq!(found(&only_after, &sources, " "), (1, 4, 5));
    }

    #[test]
    fn inside_a_string() {
        let (positions, sources) = positions("(a \"one two\")", Vec::new());
        assert_eq!(found(&positions, &sources, "two"), (1, 4, 13));
    }

    #[test]
    fn an_included_file_is_shown_by_its_name() {
        let included = |name: &str, from: &str, path: &str| Included {
            name: name.to_owned(),
            from: from.to_owned(),
            path: path.to_owned(),
            file: None,
        };
        let all = vec![included("src/a.esh", "main.rs", "a.esh"), included("src/b.esh", "src/a.esh", "b.esh")];
        let (positions, mut sources) = positions("(include \"a.esh\")", all);
        let inner = sources.add("src/b.esh", "(oops)");
        let range = positions.range(SourceSpan::new(inner, 0, 3), &sources);
        assert_eq!((range.first.start().column, range.last.end().column), (10, 17));
        let stranger = sources.add("prelude", "(oops)");
        let range = positions.range(SourceSpan::new(stranger, 0, 3), &sources);
        assert_eq!(range.first.start(), Span::call_site().start());
    }
}
