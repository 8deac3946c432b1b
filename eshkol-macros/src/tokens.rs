//! The tokens of an invocation, flattened, each with its text and its place in the file.

use proc_macro2::{Delimiter, Spacing, Span, TokenStream, TokenTree};

/// A place in a file: 1-based line and 0-based column, in characters.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    /// 1-based.
    pub(crate) line: u32,
    /// 0-based, in characters.
    pub(crate) column: u32,
}

impl Place {
    /// The place after a text that begins here.
    pub(crate) fn after(self, text: &str) -> Self {
        text.chars().fold(self, |place, c| match c {
            '\n' => Self { line: place.line.saturating_add(1), column: 0 },
            _ => Self { column: place.column.saturating_add(1), ..place },
        })
    }
}

/// What kind of token it is, as far as putting tokens together again needs to know.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An identifier or a literal.
    Word,
    /// One character of punctuation; whether Rust's lexer saw another one directly after it.
    Punctuation { joint: bool },
    /// An opening delimiter.
    Open,
    /// A closing delimiter.
    Close,
}

/// A token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// Its spelling.
    pub(crate) text: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// Where it begins.
    pub(crate) place: Place,
    /// What rustc knows it by.
    pub(crate) span: Span,
    /// For an opening delimiter, what rustc knows everything up to the closing one by.
    pub(crate) list: Option<Span>,
}

/// All tokens of a stream in order; delimiters are tokens, too. Comments are none, nor are `/// …` and its kin, which rustc
/// hands over as `#[doc = "…"]`.
pub(crate) fn flatten(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    push_all(stream, &mut tokens);
    tokens
}

fn push_all(stream: TokenStream, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut rest = trees.as_slice();
    while let Some((tree, after)) = rest.split_first() {
        if let Some(after) = skip_doc_comment(rest) {
            rest = after;
            continue;
        }
        rest = after;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    // What a `macro_rules!` fragment leaves behind; nobody wrote it.
                    Delimiter::None => {
                        push_all(group.stream(), tokens);
                        continue;
                    }
                };
                push(open.to_owned(), Kind::Open, group.span_open(), tokens);
                if let Some(open) = tokens.last_mut() {
                    open.list = Some(group.span());
                }
                push_all(group.stream(), tokens);
                push(close.to_owned(), Kind::Close, group.span_close(), tokens);
            }
            TokenTree::Ident(ident) => push(ident.to_string(), Kind::Word, ident.span(), tokens),
            TokenTree::Literal(literal) => push(literal.to_string(), Kind::Word, literal.span(), tokens),
            TokenTree::Punct(punct) => {
                let joint = punct.spacing() == Spacing::Joint;
                push(punct.as_char().to_string(), Kind::Punctuation { joint }, punct.span(), tokens);
            }
        }
    }
}

/// What follows the `#[doc = "…"]` or `#![doc = "…"]` at the start of `trees`, if a doc comment stands there: all its tokens
/// have the place of the comment.
fn skip_doc_comment(trees: &[TokenTree]) -> Option<&[TokenTree]> {
    let is = |tree: &TokenTree, c| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == c);
    let (hash, rest) = trees.split_first().filter(|(first, _)| is(first, '#'))?;
    let rest = rest.split_first().filter(|(first, _)| is(first, '!')).map_or(rest, |(_, rest)| rest);
    let (TokenTree::Group(group), rest) = rest.split_first()? else { return None };
    let mut inner = group.stream().into_iter();
    let is_doc = matches!(inner.next()?, TokenTree::Ident(ident) if ident == "doc")
        && is(&inner.next()?, '=')
        && matches!(inner.next()?, TokenTree::Literal(_))
        && inner.next().is_none();
    (is_doc && place(group.span_open()) == place(hash.span())).then_some(rest)
}

fn push(text: String, kind: Kind, span: Span, tokens: &mut Vec<Token>) {
    let mut place = place(span);
    // A lifetime is one token to rustc, and both of its halves have the place of the whole.
    if let Some(quote) = tokens.last().filter(|last| last.text == "'" && last.place == place) {
        place = quote.place.after(&quote.text);
    }
    tokens.push(Token { text, kind, place, span, list: None });
}

/// Where a span begins; line 1, column 0 in tools that don't know.
#[cfg(not(test))]
fn place(span: Span) -> Place {
    let span = span.unwrap();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(span.line()), column: number(span.column()).saturating_sub(1) }
}

/// The same outside of rustc, where `proc_macro` does not work.
#[cfg(test)]
fn place(span: Span) -> Place {
    let start = span.start();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(start.line), column: number(start.column) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_and_places() {
        let tokens = flatten("(a-b\n  \"é\" 'c [1])".parse().unwrap());
        let all: Vec<_> = tokens.iter().map(|t| (t.text.as_str(), t.place.line, t.place.column)).collect();
        assert_eq!(
            all,
            [
                ("(", 1, 0),
                ("a", 1, 1),
                ("-", 1, 2),
                ("b", 1, 3),
                ("\"é\"", 2, 2),
                ("'", 2, 6),
                ("c", 2, 7),
                ("[", 2, 9),
                ("1", 2, 10),
                ("]", 2, 11),
                (")", 2, 12)
            ]
        );
    }

    #[test]
    fn doc_comments_are_no_tokens() {
        let tokens = flatten("a /// one (\n b /** two { */ c #[doc = \"x\"]".parse().unwrap());
        let all: Vec<_> = tokens.iter().map(|t| t.text.as_str()).collect();
        assert_eq!(all, ["a", "b", "c", "#", "[", "doc", "=", "\"x\"", "]"]);
    }

    #[test]
    fn a_place_after_text_counts_characters_and_lines() {
        let place = Place { line: 3, column: 7 };
        assert_eq!(place.after("λ🦀"), Place { line: 3, column: 9 });
        assert_eq!(place.after("a\r\nbc"), Place { line: 4, column: 2 });
    }
}
