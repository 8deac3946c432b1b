//! The Scheme text of an `eshkol!` invocation, and which token stands at which byte of it.
//!
//! The text is what the user wrote, cut out of the Rust file: Rust's lexer takes `map-lookup` apart and drops comments, and
//! no Scheme reader could put that together again. Where no such text is to be had (a macro inside a macro, a tool
//! that is not rustc), it is put together from the tokens and their places. Either way every token is found again.

use proc_macro2::{Span, TokenStream};

use crate::tokens::{self, Kind, Place, Token};

/// The text between the delimiters of an invocation.
#[derive(Debug)]
pub(crate) struct Text {
    /// The text.
    pub(crate) text: String,
    /// Where it begins in its file.
    pub(crate) begin: Place,
    /// The tokens in it, by rising place.
    pub(crate) tokens: Vec<Located>,
}

/// A token and the bytes of the text that it stands at.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// Offset of its first byte.
    pub(crate) start: usize,
    /// Offset after its last byte.
    pub(crate) end: usize,
    /// What it is.
    pub(crate) kind: Kind,
    /// What rustc knows it by.
    pub(crate) span: Span,
    /// For an opening delimiter, what rustc knows everything up to the closing one by.
    pub(crate) list: Option<Span>,
}

impl Located {
    fn new(token: &Token, start: usize) -> Self {
        let Token { kind, span, list, ref text, .. } = *token;
        Self { start, end: start + text.len(), kind, span, list }
    }
}

/// The text of an invocation: of `written`, its source from the macro's name to the closing delimiter, which begins at
/// `begin`, where rustc knows that and it is where `input` came from; else of `input` alone.
pub(crate) fn text(written: Option<(&str, Place)>, input: TokenStream) -> Text {
    let tokens = tokens::flatten(input);
    if let Some(text) = written.and_then(|(written, begin)| cut_out(written, begin, &tokens)) {
        return text;
    }
    if has_places(&tokens) { join_by_place(&tokens) } else { join_by_kind(&tokens) }
}

/// What is inside the delimiters of `eshkol! { … }`, if all tokens stand in it.
fn cut_out(written: &str, begin: Place, tokens: &[Token]) -> Option<Text> {
    let open = opening_delimiter(written)?;
    let (before, rest) = (written.get(..open + 1)?, written.get(open + 1..)?);
    let close = rest.char_indices().next_back().filter(|(_, c)| matches!(c, ')' | ']' | '}'))?.0;
    let text = rest.get(..close)?;
    let begin = begin.after(before);
    let lines = Lines::new(text, begin);
    let tokens = tokens.iter().map(|token| locate(token, text, &lines)).collect::<Option<_>>()?;
    Some(Text { text: text.to_owned(), begin, tokens })
}

/// The offset of the delimiter that opens the macro's input: the first one that is not in a comment.
fn opening_delimiter(written: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = written.get(at..)?;
        let c = rest.chars().next()?;
        at += if rest.starts_with("//") {
            rest.find('\n')?
        } else if rest.starts_with("/*") {
            block_comment(rest)?
        } else if matches!(c, '(' | '[' | '{') {
            return Some(at);
        } else {
            c.len_utf8()
        };
    }
}

/// The length of the block comment at the start of `text`; Rust's nest.
fn block_comment(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next()?.len_utf8();
        }
    }
}

/// Where each line of a text begins.
struct Lines {
    starts: Vec<usize>,
    begin: Place,
}

impl Lines {
    fn new(text: &str, begin: Place) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { starts, begin }
    }

    /// The offset of a place of the file.
    fn offset(&self, text: &str, place: Place) -> Option<usize> {
        let line = place.line.checked_sub(self.begin.line)?;
        let column = if line == 0 { place.column.checked_sub(self.begin.column)? } else { place.column };
        let start = *self.starts.get(line as usize)?;
        let mut characters = text.get(start..)?.char_indices();
        characters.nth(column as usize).map(|(at, _)| start + at)
    }
}

/// The token in the text; `None` where something else stands there.
fn locate(token: &Token, text: &str, lines: &Lines) -> Option<Located> {
    let start = lines.offset(text, token.place)?;
    let is_there = text.get(start..)?.starts_with(&token.text);
    is_there.then(|| Located::new(token, start))
}

/// Whether the places say anything: a tool without them gives the same one for every token.
fn has_places(tokens: &[Token]) -> bool {
    match tokens {
        [first, rest @ ..] if !rest.is_empty() => rest.iter().any(|token| token.place != first.place),
        _ => true,
    }
}

/// The tokens with the gaps between their places. Tokens that a `macro_rules!` brought from elsewhere are set off by a space.
fn join_by_place(tokens: &[Token]) -> Text {
    let begin = tokens.first().map_or(Place { line: 1, column: 0 }, |token| token.place);
    let mut text = String::new();
    let mut located = Vec::new();
    let mut at = begin;
    for token in tokens {
        let Place { line, column } = token.place;
        // More than a few screens away is another place, not a gap.
        let lines = line.checked_sub(at.line).filter(|lines| *lines < 1000);
        match lines {
            Some(0) if column >= at.column => push_repeated(&mut text, ' ', column - at.column),
            Some(lines) if lines > 0 => {
                push_repeated(&mut text, '\n', lines);
                push_repeated(&mut text, ' ', column);
            }
            _ => text.push(' '),
        }
        at = token.place.after(&token.text);
        push_token(&mut text, token, &mut located);
    }
    Text { text, begin, tokens: located }
}

fn push_repeated(text: &mut String, c: char, times: u32) {
    text.extend(std::iter::repeat_n(c, times as usize));
}

fn push_token(text: &mut String, token: &Token, located: &mut Vec<Located>) {
    located.push(Located::new(token, text.len()));
    text.push_str(&token.text);
}

/// The tokens with a space wherever the rules of names don't say that two of them belong together.
fn join_by_kind(tokens: &[Token]) -> Text {
    let mut text = String::new();
    let mut located = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| tokens.get(index));
        if before.is_some_and(|before| !belong_together(tokens.get(..index).unwrap_or_default(), before, token)) {
            text.push(' ');
        }
        push_token(&mut text, token, &mut located);
    }
    Text { text, begin: Place { line: 1, column: 0 }, tokens: located }
}

/// Whether two neighbours are parts of one Scheme name, or need no space for another reason.
///
/// A guess: `a -b` and `a-b` are the same tokens. Names with hyphens are what programs are full of.
fn belong_together(before: &[Token], left: &Token, right: &Token) -> bool {
    match (left.kind, right.kind) {
        (Kind::Open, _) | (_, Kind::Close) | (Kind::Punctuation { joint: true }, Kind::Punctuation { .. }) => true,
        (Kind::Punctuation { .. }, Kind::Open) => matches!(left.text.as_str(), "#" | "'" | ","),
        (Kind::Punctuation { .. }, Kind::Word) => match left.text.as_str() {
            ":" | "#" | "'" | "," => true,
            // `a-b`, `a->b`, `-1`; not the `-` of `(- a b)`, unless a number follows it.
            "-" => is_in_name(before) || right.text.starts_with(|c: char| c.is_ascii_digit()),
            ">" => is_in_name(before),
            _ => false,
        },
        (Kind::Word, Kind::Punctuation { .. }) => match right.text.as_str() {
            "-" | "!" | "?" => true,
            "*" => matches!(left.text.as_str(), "let" | "letrec"),
            _ => false,
        },
        _ => false,
    }
}

/// Whether the punctuation at the end of `tokens` continues a name.
fn is_in_name(tokens: &[Token]) -> bool {
    let word = tokens.iter().rev().find(|token| !matches!(token.text.as_str(), "-" | ">"));
    word.is_some_and(|token| token.kind == Kind::Word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(text: &str) -> TokenStream {
        text.parse().unwrap()
    }

    /// The spelling of every located token.
    fn spellings(text: &Text) -> Vec<&str> {
        text.tokens.iter().map(|token| &text.text[token.start..token.end]).collect()
    }

    /// The tokens of the input of `written`, with their places in it, as rustc would give them.
    fn input(written: &str) -> TokenStream {
        let trees: Vec<_> = stream(written).into_iter().collect();
        match trees.last() {
            Some(proc_macro2::TokenTree::Group(group)) => group.stream(),
            other => panic!("{other:?}"),
        }
    }

    const START: Place = Place { line: 1, column: 0 };

    #[test]
    fn cuts_the_text_out_of_its_delimiters() {
        for written in [
            "eshkol! { (a-b) }",
            "eshkol::eshkol!{ (a-b) }",
            "eshkol /* { ( */ ! // [\n ( (a-b) )",
            "eshkol ! [ (a-b) ]",
        ] {
            let text = text(Some((written, START)), input(written));
            assert_eq!(text.text, " (a-b) ", "{written}");
            assert_eq!(spellings(&text), ["(", "a", "-", "b", ")"], "{written}");
        }
    }

    #[test]
    fn the_text_begins_after_the_delimiter() {
        let written = "\n\n   eshkol! {\n x }";
        let begin = Place { line: 1, column: 0 };
        assert_eq!(text(Some((written, begin)), input(written)).begin, Place { line: 3, column: 12 });
    }

    #[test]
    fn keeps_comments_and_odd_characters() {
        let written = "m! {\t; plain words\n (λ \"é🦀\" \t x->y) // { (\n ; z\n w }";
        let text = text(Some((written, START)), input(written));
        assert_eq!(text.text, "\t; plain words\n (λ \"é🦀\" \t x->y) // { (\n ; z\n w ");
        assert_eq!(spellings(&text).last(), Some(&"w"));
        assert!(spellings(&text).contains(&"\"é🦀\""));
    }

    #[test]
    fn rust_doc_comments_are_comments() {
        let written = "m! {\n /// one (\n (a) /** two { */ b }";
        let text = text(Some((written, START)), input(written));
        assert_eq!(text.text, "\n /// one (\n (a) /** two { */ b ");
        assert_eq!(spellings(&text).last(), Some(&"b"));
    }

    #[test]
    fn text_that_is_not_where_the_tokens_came_from_is_not_taken() {
        // What rustc gives for `eshkol!` in a `macro_rules!` body: the text has the fragment, the tokens what it stands for.
        let text = text(Some(("eshkol! { (limit $limit) }", START)), stream("(limit 100)"));
        assert_eq!(text.text, "(limit 100)");
    }

    #[test]
    fn joins_tokens_by_place() {
        let source = "(define-map a->b :hash\n    (set-x! 'a -2) vector<float>\n\n [b ...])";
        let text = text(None, stream(source));
        assert_eq!(text.text, source);
        assert_eq!(spellings(&text).first(), Some(&"("));
    }

    #[test]
    fn tokens_out_of_order_are_set_off() {
        let mut tokens = tokens::flatten(stream("(a-b c\n d)"));
        for token in &mut tokens {
            if token.text == "c" {
                token.place = Place { line: 900_000, column: 3 };
            }
        }
        assert_eq!(join_by_place(&tokens).text, "(a-b c d)");
    }

    #[test]
    fn joins_tokens_without_places() {
        let source = "(define (f-g (a : u32)) (set-x! r (- a 1) -2 (a->b? a)) (fold + 0 v) (let* ((k :hash)) #t))";
        let mut tokens = tokens::flatten(stream(source));
        for token in &mut tokens {
            token.place = START;
        }
        assert!(!has_places(&tokens));
        assert_eq!(
            join_by_kind(&tokens).text,
            "(define (f-g (a :u32)) (set-x! r (- a 1) -2 (a->b? a)) (fold + 0 v) (let* ((k :hash)) #t))"
        );
    }

    #[test]
    fn nothing_is_a_text_too() {
        assert_eq!(text(None, TokenStream::new()).text, "");
        assert_eq!(text(Some(("eshkol!{}", START)), TokenStream::new()).text, "");
        assert_eq!(text(Some(("", START)), TokenStream::new()).text, "");
    }
}
