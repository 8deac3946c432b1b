//! The reader: text → [`Datum`] with spans.
//!
//! Total: any text gives data or diagnostics, never a panic. Time is linear in the text, and nesting is limited, so that
//! no later pass can run out of stack on what was read.

mod character;
pub mod datum;
mod lexer;
mod number;
mod parser;
#[cfg(test)]
mod tests;
mod write;

pub use datum::{Datum, DatumKind, Name};
pub use parser::MAX_NESTING;

use crate::diagnostic::Diagnostics;
use crate::source::{SourceId, Sources};

/// Reads every datum of a source. What can't be read is reported, and left out or put as [`DatumKind::Error`].
pub fn read(sources: &Sources, id: SourceId, diagnostics: &mut Diagnostics) -> Vec<Datum> {
    parser::Parser::new(sources.get(id), id, diagnostics).read()
}
