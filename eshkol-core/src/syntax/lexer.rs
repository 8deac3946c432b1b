//! Text → tokens. Comments are skipped here, except that `;;;` lines are kept for the list below them.

use std::sync::Arc;

use super::character;
use super::datum::DatumKind;
use super::number::{self, Number};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue as codes;
use crate::source::{SourceId, Span};

/// A token.
#[derive(Debug)]
pub(super) enum Token {
    /// `(` or `[`, or `#(`, with the closer it wants.
    Open { closer: char, vector: bool },
    /// `)` or `]`.
    Close(char),
    /// `'` and its kin, by the symbol they stand for.
    Prefix(&'static str),
    /// `#;`.
    SkipDatum,
    /// A lone `.`.
    Dot,
    /// A datum of one token.
    Atom(DatumKind),
    /// The end of the text.
    End,
}

/// Reads tokens from a text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    source: SourceId,
    position: usize,
    doc: Vec<&'a str>,
    /// Offset after the last `;;;` line, without its newline.
    doc_end: usize,
    problems: Vec<Diagnostic>,
    /// Whether the text ended within a string or comment: what is open around it is no news then.
    pub(super) cut_short: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, source: SourceId) -> Self {
        let mut lexer =
            Self { text, source, position: 0, doc: Vec::new(), doc_end: 0, problems: Vec::new(), cut_short: false };
        if text.starts_with("#!/") || text.starts_with("#! /") {
            lexer.skip_line();
        }
        lexer
    }

    /// What was wrong with the tokens read since the last call.
    pub(super) fn take_problems(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.problems)
    }

    /// The `;;;` lines that end on the line above `start`.
    pub(super) fn take_doc(&mut self, start: u32) -> Option<Arc<str>> {
        let lines = std::mem::take(&mut self.doc);
        let directly_above = !lines.is_empty() && self.is_next_line(self.doc_end, start as usize);
        directly_above.then(|| lines.join("\n").into())
    }

    /// Whether one newline and blanks are all that stands between two offsets.
    fn is_next_line(&self, from: usize, to: usize) -> bool {
        self.text
            .get(from..to)
            .is_some_and(|text| text.chars().all(char::is_whitespace) && text.matches('\n').count() == 1)
    }

    /// The next token and its place.
    pub(super) fn next(&mut self) -> (Token, Span) {
        self.skip_blanks_and_comments();
        let start = self.position;
        let token = self.token(start);
        if !matches!(token, Token::Open { .. } | Token::SkipDatum) {
            self.doc.clear();
        }
        (token, self.span(start))
    }

    fn token(&mut self, start: usize) -> Token {
        let Some(c) = self.bump() else { return Token::End };
        match c {
            '(' => Token::Open { closer: ')', vector: false },
            '[' => Token::Open { closer: ']', vector: false },
            ')' | ']' => Token::Close(c),
            '\'' => Token::Prefix("quote"),
            '`' => Token::Prefix("quasiquote"),
            ',' if self.eat("@") => Token::Prefix("unquote-splicing"),
            ',' => Token::Prefix("unquote"),
            '"' => Token::Atom(self.quoted(start, '"').map_or(DatumKind::Error, |text| DatumKind::String(text.into()))),
            '|' => Token::Atom(
                self.quoted(start, '|')
                    .map_or(DatumKind::Error, |name| DatumKind::Symbol { name: name.into(), alias: 0 }),
            ),
            '#' => self.hash(start),
            '{' | '}' => self.wrong(start, "braces mean nothing here", "write a list as `( … )`"),
            '\\' => self.wrong(start, "a lone `\\` means nothing here", "write a character as `#\\a`"),
            c if character::is_delimiter(c) => {
                self.wrong(start, &format!("the character U+{:04X} means nothing here", u32::from(c)), "remove it")
            }
            _ => {
                self.skip_to_delimiter();
                self.word(start)
            }
        }
    }

    /// A bare word: number, keyword or symbol.
    fn word(&mut self, start: usize) -> Token {
        let word = self.since(start);
        if word == "." {
            return Token::Dot;
        }
        if let Some(number) = number::parse(word) {
            return Token::Atom(self.number(start, word, number));
        }
        Token::Atom(match word.strip_prefix(':') {
            Some(name) if name.contains(|c| c != ':') => DatumKind::Keyword(name.into()),
            _ => DatumKind::Symbol { name: word.into(), alias: 0 },
        })
    }

    fn number(&mut self, start: usize, word: &'a str, number: Number) -> DatumKind {
        let span = self.span(start);
        match number {
            Number::Integer(value) => DatumKind::Integer(value),
            Number::Float => DatumKind::Float(word.into()),
            Number::TooLarge => {
                self.problems.push(
                    Diagnostic::error(codes::NUMBER_TOO_LARGE, span, format!("`{word}` does not fit in 64 bits"))
                        .with_help(format!("the range is {} to {}", i64::MIN, u64::MAX)),
                );
                DatumKind::Error
            }
            Number::Malformed => {
                let diagnostic = Diagnostic::error(codes::BAD_NUMBER, span, format!("`{word}` is not a number"));
                self.problems.push(match number_help(word) {
                    Some(help) => diagnostic.with_help(help),
                    None => diagnostic,
                });
                DatumKind::Error
            }
        }
    }

    /// What begins with `#`, which is read already.
    fn hash(&mut self, start: usize) -> Token {
        match self.peek() {
            Some('(' | '[') => {
                let closer = if self.bump() == Some('[') { ']' } else { ')' };
                return Token::Open { closer, vector: true };
            }
            Some(';') => {
                self.bump();
                return Token::SkipDatum;
            }
            Some('\\') => {
                self.bump();
                return Token::Atom(self.character(start));
            }
            _ => {}
        }
        self.skip_to_delimiter();
        let word = self.since(start);
        match word {
            "#t" | "#true" => return Token::Atom(DatumKind::Bool(true)),
            "#f" | "#false" => return Token::Atom(DatumKind::Bool(false)),
            _ => {}
        }
        for (prefix, radix) in [("#x", 16), ("#b", 2), ("#o", 8), ("#d", 10)] {
            let digits = word.get(..2).filter(|head| head.eq_ignore_ascii_case(prefix)).and_then(|_| word.get(2..));
            if let Some(digits) = digits {
                let number = number::parse_radix(digits, radix);
                return Token::Atom(self.number(start, word, number));
            }
        }
        let help = match word.strip_prefix("#:") {
            Some(name) => format!("a keyword is written `:{name}`"),
            None if word.eq_ignore_ascii_case("#u8") => "there are no bytevectors; use `(array u8 n)`".to_owned(),
            None => "`#t`, `#f`, `#x1F`, `#b101`, `#\\a`, `#(…)`, `#;` and `#| |#` are what can follow `#`".to_owned(),
        };
        self.problems.push(
            Diagnostic::error(codes::UNKNOWN_HASH_SYNTAX, self.span(start), format!("`{word}` is not known"))
                .with_help(help),
        );
        Token::Atom(DatumKind::Error)
    }

    /// What follows `#\`.
    fn character(&mut self, start: usize) -> DatumKind {
        let first_at = self.position;
        let Some(first) = self.bump() else {
            let diagnostic = Diagnostic::error(codes::BAD_CHARACTER, self.span(start), "`#\\` wants a character");
            self.problems.push(diagnostic.with_help("write `#\\a`, `#\\space` or `#\\x41`"));
            return DatumKind::Error;
        };
        if !character::is_delimiter(first) {
            self.skip_to_delimiter();
        }
        let word = self.since(first_at);
        let is_single = word.chars().nth(1).is_none();
        let value = if is_single {
            Some(first)
        } else {
            character::named(word).or_else(|| word.strip_prefix('x').and_then(character::from_hex))
        };
        value.map(DatumKind::Char).unwrap_or_else(|| {
            self.problems.push(
                Diagnostic::error(codes::BAD_CHARACTER, self.span(start), format!("`#\\{word}` is not a character"))
                    .with_help("the names are alarm, backspace, delete, escape, newline, null, return, space and tab; or write its number: `#\\x41`"),
            );
            DatumKind::Error
        })
    }

    /// The rest of a string or a symbol in bars. `None`, reported, where its end is missing.
    fn quoted(&mut self, start: usize, quote: char) -> Option<String> {
        let mut text = String::new();
        loop {
            let at = self.position;
            match self.bump() {
                Some(c) if c == quote => return Some(text),
                Some('\\') => self.escape(at, &mut text),
                Some(c) => text.push(c),
                None => break,
            }
        }
        self.cut_short = true;
        let (code, what) = match quote {
            '"' => (codes::UNTERMINATED_STRING, "string"),
            _ => (codes::UNTERMINATED_STRING, "symbol"),
        };
        let opening = Span { end: self.span(start).start.saturating_add(1), ..self.span(start) };
        self.problems.push(
            Diagnostic::error(code, opening, format!("this {what} has no end"))
                .with_label("begins here")
                .with_help(format!("add the missing `{quote}`")),
        );
        None
    }

    /// An escape whose backslash is read already.
    fn escape(&mut self, start: usize, text: &mut String) {
        let Some(c) = self.bump() else { return };
        if let Some(c) = character::escape(c) {
            text.push(c);
        } else if c == 'x' || c == 'X' {
            let digits_at = self.position;
            while self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
                self.bump();
            }
            let c = character::from_hex(self.since(digits_at));
            match c {
                Some(c) if self.eat(";") => text.push(c),
                _ => self.bad_escape(start, "write a character by its number as `\\x41;`, with the semicolon"),
            }
        } else if c.is_whitespace() {
            // `\`, blanks, newline, blanks: nothing at all (R7RS §6.7).
            let mut newline = c == '\n';
            while let Some(c) = self.peek().filter(|c| c.is_whitespace() && !(newline && *c == '\n')) {
                newline |= c == '\n';
                self.bump();
            }
            if !newline {
                self.bad_escape(start, "a backslash before a blank is only for continuing on the next line");
            }
        } else {
            let help = match c {
                '0' => "write the character zero as `\\x0;`",
                '\'' => "an apostrophe needs no backslash",
                'u' => "write a character by its number as `\\x41;`",
                _ => "the escapes are \\a \\b \\t \\n \\r \\\" \\\\ \\| and \\x41; (R7RS)",
            };
            self.bad_escape(start, help);
        }
    }

    fn bad_escape(&mut self, start: usize, help: &str) {
        let span = self.span(start);
        let message = format!("`{}` is not an escape", self.since(start).trim_end());
        self.problems.push(Diagnostic::error(codes::BAD_ESCAPE, span, message).with_help(help));
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let start = self.position;
            let rest = self.rest();
            if rest.starts_with(';') {
                self.line_comment(start);
            } else if rest.starts_with("//") {
                self.skip_line();
            } else if rest.starts_with("#|") {
                self.block_comment(start, "#|", "|#");
            } else if rest.starts_with("/*") {
                self.block_comment(start, "/*", "*/");
            } else if rest.starts_with(|c: char| c.is_whitespace() || c == '\u{feff}') {
                self.bump();
            } else {
                return;
            }
        }
    }

    fn line_comment(&mut self, start: usize) {
        self.skip_line();
        let Some(doc) = self.since(start).strip_prefix(";;;").filter(|doc| !doc.starts_with(';')) else { return };
        let before = self.text.get(..start).unwrap_or("");
        let alone = before.chars().rev().take_while(|c| *c != '\n').all(char::is_whitespace);
        if !alone {
            return;
        }
        if !self.is_next_line(self.doc_end, start) {
            self.doc.clear();
        }
        self.doc.push(doc.strip_prefix(' ').unwrap_or(doc).trim_end());
        self.doc_end = self.position;
    }

    /// A comment that nests, from its opener at the current position.
    fn block_comment(&mut self, start: usize, open: &str, close: &str) {
        let mut depth = 0_usize;
        loop {
            if self.eat(open) {
                depth += 1;
            } else if self.eat(close) {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            } else if self.bump().is_none() {
                break;
            }
        }
        self.cut_short = true;
        let opening = Span { end: self.span(start).start.saturating_add(2), ..self.span(start) };
        self.problems.push(
            Diagnostic::error(codes::UNTERMINATED_COMMENT, opening, "this comment has no end")
                .with_label("begins here")
                .with_help(format!("add the missing `{close}`; comments nest, so each `{open}` needs its own")),
        );
    }

    fn wrong(&mut self, start: usize, message: &str, help: &str) -> Token {
        self.problems.push(Diagnostic::error(codes::UNEXPECTED_CHARACTER, self.span(start), message).with_help(help));
        Token::Atom(DatumKind::Error)
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        self.position += rest.find('\n').unwrap_or(rest.len());
    }

    fn skip_to_delimiter(&mut self) {
        let rest = self.rest();
        self.position += rest.find(character::is_delimiter).unwrap_or(rest.len());
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or("")
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.position).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.position += text.len();
        }
        found
    }

    fn span(&self, start: usize) -> Span {
        let offset = |position| u32::try_from(position).unwrap_or(u32::MAX);
        Span::new(self.source, offset(start), offset(self.position))
    }
}

/// The way out for a word that begins like a number and is none.
fn number_help(word: &str) -> Option<String> {
    if word.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some(format!("an address is written `(ipv4 \"{word}\")`"));
    }
    if word.split(':').count() == 6 {
        return Some(format!("an address is written `(mac \"{word}\")`"));
    }
    match word {
        "1+" => return Some("write `(+ x 1)`".to_owned()),
        "1-" | "-1+" => return Some("write `(- x 1)`".to_owned()),
        _ => {}
    }
    if word.contains('/') {
        return Some("there are only integers; `(quotient a b)` divides".to_owned());
    }
    let suffix = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    if matches!(suffix, "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64") {
        let digits = word.strip_suffix(suffix).unwrap_or(word);
        return Some(format!("a literal takes the type it is used with; or write `(the {suffix} {digits})`"));
    }
    Some("a name can't begin with a digit".to_owned())
}
