//! Tokens → data, with an explicit stack: nesting costs no stack of the machine.

use super::datum::{Datum, DatumKind};
use super::lexer::{Lexer, Token};
use crate::diagnostic::catalogue as codes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Source, SourceId, Span};

/// How deep lists may nest. Later passes recurse over data, so that this bounds their use of stack.
pub const MAX_NESTING: usize = 1_000;

/// After so many errors nobody reads on.
const MAX_ERRORS: usize = 50;

/// Something begun and not yet finished.
enum Frame {
    /// A list or vector.
    List {
        open: Span,
        closer: char,
        vector: bool,
        doc: Option<std::sync::Arc<str>>,
        items: Vec<Datum>,
        tail: Tail,
        column: usize,
    },
    /// `'` and its kin, waiting for their datum.
    Prefix { name: &'static str, span: Span },
    /// `#;`, waiting for the datum it hides.
    Skip { span: Span },
}

/// What is known of a list's dotted tail.
enum Tail {
    None,
    /// The dot has been read.
    Expected(Span),
    Datum(Box<Datum>),
}

/// A guess at which list was left open, from indentation.
struct Suspect {
    open: Span,
    /// The line that is not indented under it.
    line: Span,
}

/// The line the reader is in; kept as it goes, so that columns cost no rescan of a long line.
struct Line {
    scanned: usize,
    start: usize,
    /// Whether only blanks stand between `start` and `scanned`.
    blank: bool,
}

impl Line {
    /// Goes on to `offset`; gives its column (in bytes, which indentation has as many of as characters) and whether it is the
    /// first on its line.
    fn advance(&mut self, source: &Source, offset: usize) -> (usize, bool) {
        let passed = source.text.get(self.scanned..offset).unwrap_or("");
        let tail = match passed.rfind('\n') {
            Some(newline) => {
                self.start = self.scanned + newline + 1;
                self.blank = true;
                passed.get(newline + 1..).unwrap_or("")
            }
            None => passed,
        };
        self.blank &= tail.trim_start().is_empty();
        self.scanned = offset;
        let before = if self.start == 0 { source.first_column as usize } else { 0 };
        (before + offset.saturating_sub(self.start), self.blank)
    }
}

/// Reads the data of a source.
pub(super) struct Parser<'a, 'd> {
    source: &'a Source,
    lexer: Lexer<'a>,
    stack: Vec<Frame>,
    /// Lists opened beyond the nesting limit, whose contents are dropped.
    too_deep: usize,
    data: Vec<Datum>,
    suspect: Option<Suspect>,
    line: Line,
    diagnostics: &'d mut Diagnostics,
    errors: usize,
}

impl<'a, 'd> Parser<'a, 'd> {
    pub(super) fn new(source: &'a Source, id: SourceId, diagnostics: &'d mut Diagnostics) -> Self {
        let lexer = Lexer::new(&source.text, id);
        let line = Line { scanned: 0, start: 0, blank: true };
        let (stack, data) = (Vec::new(), Vec::new());
        Self { source, lexer, stack, too_deep: 0, data, suspect: None, line, diagnostics, errors: 0 }
    }

    pub(super) fn read(mut self) -> Vec<Datum> {
        loop {
            let (token, span) = self.lexer.next();
            for problem in self.lexer.take_problems() {
                self.report(problem);
            }
            match token {
                Token::Open { closer, vector } => self.open(span, closer, vector),
                Token::Close(closer) => self.close(span, closer),
                Token::Prefix(name) => _ = self.begin(Frame::Prefix { name, span }, span),
                Token::SkipDatum => _ = self.begin(Frame::Skip { span }, span),
                Token::Dot => self.dot(span),
                Token::Atom(kind) => self.datum(Datum::new(span, kind)),
                Token::End => break,
            }
        }
        self.end();
        self.data
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.errors += 1;
        if self.errors <= MAX_ERRORS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Puts a frame on the stack; `false`, reported once per list, where nesting is at its limit.
    fn begin(&mut self, frame: Frame, span: Span) -> bool {
        if self.stack.len() < MAX_NESTING {
            self.stack.push(frame);
            return true;
        }
        if self.too_deep == 0 {
            self.report(
                Diagnostic::error(codes::NESTED_TOO_DEEPLY, span, format!("lists nest deeper than {MAX_NESTING} here"))
                    .with_help("give the inner parts names of their own with `define`"),
            );
        }
        false
    }

    fn open(&mut self, span: Span, closer: char, vector: bool) {
        let doc = self.lexer.take_doc(span.start);
        if self.too_deep > 0 {
            self.too_deep += 1;
            return;
        }
        let column = self.column_and_suspect(span);
        let frame = Frame::List { open: span, closer, vector, doc, items: Vec::new(), tail: Tail::None, column };
        if !self.begin(frame, span) {
            self.too_deep = 1;
        }
    }

    /// The column of an opening parenthesis. One that begins a line and is not to the right of the list it is in tells that
    /// this list was probably meant to end before.
    fn column_and_suspect(&mut self, span: Span) -> usize {
        let (column, first) = self.line.advance(self.source, span.start as usize);
        if first && self.suspect.is_none() {
            let enclosing = self.stack.iter().rev().find_map(|frame| match frame {
                Frame::List { open, column, .. } => Some((*open, *column)),
                _ => None,
            });
            if let Some((open, enclosing_column)) = enclosing
                && enclosing_column >= column
            {
                self.suspect = Some(Suspect { open, line: span });
            }
        }
        column
    }

    fn close(&mut self, span: Span, closer: char) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            if self.too_deep == 0 {
                self.datum(Datum::new(span, DatumKind::Error));
            }
            return;
        }
        self.drop_waiting();
        match self.stack.pop() {
            Some(Frame::List { open, closer: wanted, vector, doc, items, tail, .. }) => {
                if wanted != closer {
                    self.report(
                        Diagnostic::error(
                            codes::WRONG_CLOSER,
                            span,
                            format!("this closes a list with `{closer}` where `{wanted}` is wanted"),
                        )
                        .with_note(open, "the list begins here")
                        .with_help(format!("write `{wanted}`")),
                    );
                }
                let whole = open.to(span);
                let mut datum = Datum::new(whole, self.finish(items, tail, vector));
                datum.doc = doc;
                self.datum(datum);
            }
            Some(frame) => self.stack.push(frame),
            None => self.report(
                Diagnostic::error(codes::STRAY_CLOSER, span, format!("this `{closer}` closes nothing"))
                    .with_help("remove it, or look for a list above that ends too early"),
            ),
        }
    }

    fn finish(&mut self, mut items: Vec<Datum>, tail: Tail, vector: bool) -> DatumKind {
        if vector {
            return DatumKind::Vector(items);
        }
        match tail {
            Tail::None => DatumKind::List(items, None),
            Tail::Expected(dot) => {
                self.report(
                    Diagnostic::error(codes::BAD_DOT, dot, "nothing follows this dot")
                        .with_help("write the tail after it, or remove it"),
                );
                DatumKind::List(items, None)
            }
            // `(a . (b c))` is `(a b c)`.
            Tail::Datum(tail) => match tail.kind {
                DatumKind::List(more, tail) => {
                    items.extend(more);
                    DatumKind::List(items, tail)
                }
                kind => DatumKind::List(items, Some(Box::new(Datum { kind, ..*tail }))),
            },
        }
    }

    fn dot(&mut self, span: Span) {
        if self.too_deep > 0 {
            return;
        }
        self.drop_waiting();
        let problem = match self.stack.last_mut() {
            Some(Frame::List { vector: false, items, tail: tail @ Tail::None, .. }) if !items.is_empty() => {
                *tail = Tail::Expected(span);
                return;
            }
            Some(Frame::List { vector: true, .. }) => "a vector has no dotted tail",
            Some(Frame::List { items, .. }) if items.is_empty() => "nothing stands before this dot",
            Some(_) => "a list has only one dotted tail",
            None => "a dot means something only within a list",
        };
        self.report(Diagnostic::error(codes::BAD_DOT, span, problem).with_help("write `(a b . rest)`"));
    }

    /// Reports the `'` and `#;` that still wait for their datum, at a place where none can come.
    fn drop_waiting(&mut self) {
        while let Some(Frame::Prefix { span, .. } | Frame::Skip { span }) = self.stack.last() {
            let span = *span;
            self.stack.pop();
            self.report(
                Diagnostic::error(codes::NOTHING_FOLLOWS, span, "this wants a datum after it, and none follows")
                    .with_help("write one, or remove it"),
            );
        }
    }

    /// Puts a finished datum where it belongs.
    fn datum(&mut self, mut datum: Datum) {
        if self.too_deep > 0 {
            return;
        }
        loop {
            match self.stack.last_mut() {
                Some(Frame::Prefix { name, span }) => {
                    let symbol = Datum::new(*span, DatumKind::Symbol { name: (*name).into(), alias: 0 });
                    let whole = span.to(datum.span);
                    datum = Datum::new(whole, DatumKind::List(vec![symbol, datum], None));
                    self.stack.pop();
                }
                Some(Frame::Skip { .. }) => {
                    self.stack.pop();
                    return;
                }
                Some(Frame::List { items, tail, .. }) => {
                    match tail {
                        Tail::None => items.push(datum),
                        Tail::Expected(_) => *tail = Tail::Datum(Box::new(datum)),
                        Tail::Datum(_) => self.report(
                            Diagnostic::error(codes::BAD_DOT, datum.span, "only one datum may follow the dot")
                                .with_help("write `(a b . rest)`"),
                        ),
                    }
                    return;
                }
                None => {
                    self.data.push(datum);
                    return;
                }
            }
        }
    }

    /// The end of the text: whatever is open is reported once, and closed.
    fn end(&mut self) {
        let innermost = self.stack.iter().rev().find_map(|frame| match frame {
            Frame::List { open, closer, .. } => Some((*open, *closer)),
            _ => None,
        });
        self.too_deep = 0;
        if let Some((open, closer)) = innermost
            && !self.lexer.cut_short
        {
            let diagnostic = match &self.suspect {
                Some(suspect) => {
                    Diagnostic::error(codes::UNCLOSED_LIST, suspect.open, "this list is probably not closed")
                        .with_note(suspect.line, "this line is not indented as a part of it")
                }
                None => Diagnostic::error(codes::UNCLOSED_LIST, open, "this list is not closed"),
            };
            self.report(diagnostic.with_help(format!("add the missing `{closer}`")));
        }
        let end = u32::try_from(self.source.text.len()).unwrap_or(u32::MAX);
        while let Some(frame) = self.stack.pop() {
            match frame {
                Frame::List { open, vector, doc, items, tail, .. } => {
                    let tail = if matches!(tail, Tail::Expected(_)) { Tail::None } else { tail };
                    let mut datum = Datum::new(Span { end, ..open }, self.finish(items, tail, vector));
                    datum.doc = doc;
                    self.datum(datum);
                }
                Frame::Prefix { span, .. } | Frame::Skip { span } => self.report(
                    Diagnostic::error(codes::NOTHING_FOLLOWS, span, "this wants a datum after it, and none follows")
                        .with_help("write one, or remove it"),
                ),
            }
        }
    }
}
