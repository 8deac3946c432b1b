//! Source texts and places in them.

use crate::arena::{Arena, ids};

ids! {
    /// One source text: an `eshkol!` block, a file, or a part of the prelude.
    SourceId = "source";
}

/// A range of bytes in a source, end excluded.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Span {
    /// Which text.
    pub source: SourceId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// A range in a source.
    pub fn new(source: SourceId, start: u32, end: u32) -> Self {
        Self { source, start, end }
    }

    /// The smallest range that holds both; `self` where they are in different sources.
    pub fn to(self, other: Self) -> Self {
        if self.source == other.source {
            Self { source: self.source, start: self.start.min(other.start), end: self.end.max(other.end) }
        } else {
            self
        }
    }

    /// The empty range at the start of this one.
    pub fn at_start(self) -> Self {
        Self { end: self.start, ..self }
    }
}

/// Who wrote a text.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The user.
    User,
    /// This crate (`prelude/*.esh`).
    Prelude,
}

/// A text with its name and the place where it begins in the file that holds it.
#[derive(Clone, Debug)]
pub struct Source {
    /// What messages call it, usually a file path.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Who wrote it.
    pub origin: Origin,
    /// 1-based line, in the file `name`, of the first byte: an `eshkol!` block begins in the middle of a Rust file.
    pub first_line: u32,
    /// 0-based column (in characters) of the first byte.
    pub first_column: u32,
    line_starts: Vec<u32>,
}

/// A line and column as people count them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// The source's name.
    pub name: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

/// All texts of one compilation.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    sources: Arena<SourceId, Source>,
}

impl Sources {
    /// No texts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user's text that begins at the start of its file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.add_source(name.into(), text.into(), Origin::User, 1, 0)
    }

    /// Adds a user's text that begins at a 1-based line and 0-based column (in characters) of its file.
    pub fn add_at(&mut self, name: impl Into<String>, text: impl Into<String>, line: u32, column: u32) -> SourceId {
        self.add_source(name.into(), text.into(), Origin::User, line, column)
    }

    /// Adds a part of the prelude.
    pub fn add_prelude(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.add_source(name.into(), text.into(), Origin::Prelude, 1, 0)
    }

    fn add_source(
        &mut self,
        name: String,
        text: String,
        origin: Origin,
        first_line: u32,
        first_column: u32,
    ) -> SourceId {
        let newline_ends = text.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        let line_starts = std::iter::once(0).chain(newline_ends).collect();
        self.sources.push(Source { name, text, origin, first_line, first_column, line_starts })
    }

    /// The source of an id.
    pub fn get(&self, id: SourceId) -> &Source {
        self.sources.at(id)
    }

    /// Every source with its id.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.sources.iter()
    }

    /// The text of a range; empty where the range is not in the text.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Where a range begins, in its file.
    pub fn location(&self, span: Span) -> Location {
        let source = self.get(span.source);
        let (line, column) = source.line_and_column(span.start);
        let column = if line == 0 { source.first_column.saturating_add(column) } else { column };
        Location {
            name: source.name.clone(),
            line: source.first_line.saturating_add(line),
            column: column.saturating_add(1),
        }
    }

    /// The whole line of text in which a range begins, without its newline.
    pub fn line_text(&self, span: Span) -> &str {
        let source = self.get(span.source);
        let (line, _) = source.line_and_column(span.start);
        let start = source.line_starts.get(line as usize).copied().unwrap_or(0);
        source.text.get(start as usize..).and_then(|rest| rest.lines().next()).unwrap_or("")
    }
}

impl Source {
    /// The 0-based line of a byte offset and its 0-based column in characters, both within this text.
    pub fn line_and_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.line_starts.get(line).copied().unwrap_or(0);
        let column = self.text.get(start as usize..offset as usize).map_or(0, |text| text.chars().count());
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_count_from_where_the_text_begins() {
        let mut sources = Sources::new();
        let id = sources.add_at("lib.rs", "(a\n é b)", 10, 4);
        let at = |start| {
            let location = sources.location(Span::new(id, start, start));
            (location.line, location.column)
        };
        assert_eq!(at(0), (10, 5));
        assert_eq!(at(3), (11, 1));
        assert_eq!(at(7), (11, 4));
    }
}
