//! What the reader gives: R7RS data with their places.

use std::sync::Arc;

use crate::source::Span;

/// The spelling of a symbol or keyword (a keyword's without its colon).
pub type Name = Arc<str>;

/// A datum and where it stands.
#[derive(Clone, Debug)]
pub struct Datum {
    /// The whole datum, parentheses included.
    pub span: Span,
    /// What it is.
    pub kind: DatumKind,
    /// The `;;;` comment lines directly above it, without the semicolons; for definitions they become rustdoc.
    pub doc: Option<Arc<str>>,
}

/// A datum without its place.
#[derive(Clone, Debug)]
pub enum DatumKind {
    /// `(a b c)`, and `(a b . c)` with a tail.
    List(Vec<Datum>, Option<Box<Datum>>),
    /// `#(a b c)`.
    Vector(Vec<Datum>),
    /// An identifier. `alias` is 0 in read text; the expander numbers the identifiers that a macro brings in.
    Symbol { name: Name, alias: u32 },
    /// `:name`.
    Keyword(Name),
    /// An integer of any spelling.
    Integer(i128),
    /// A number with a fraction or exponent, kept so that the error can be good.
    Float(Arc<str>),
    /// `#t`, `#f`.
    Bool(bool),
    /// `#\a`.
    Char(char),
    /// `"text"`.
    String(Arc<str>),
    /// What could not be read; a diagnostic says why.
    Error,
}

impl Datum {
    /// A datum without documentation.
    pub fn new(span: Span, kind: DatumKind) -> Self {
        Self { span, kind, doc: None }
    }

    /// The elements, where this is a proper list.
    pub fn as_list(&self) -> Option<&[Datum]> {
        match &self.kind {
            DatumKind::List(items, None) => Some(items),
            _ => None,
        }
    }

    /// The spelling, where this is a symbol.
    pub fn as_symbol(&self) -> Option<&Name> {
        match &self.kind {
            DatumKind::Symbol { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The spelling without colon, where this is a keyword.
    pub fn as_keyword(&self) -> Option<&Name> {
        match &self.kind {
            DatumKind::Keyword(name) => Some(name),
            _ => None,
        }
    }

    /// The text, where this is a string.
    pub fn as_string(&self) -> Option<&Arc<str>> {
        match &self.kind {
            DatumKind::String(text) => Some(text),
            _ => None,
        }
    }
}
