//! The reader: text → [`Datum`] with spans. Total: any text gives data or diagnostics, never a panic.

pub mod datum;

pub use datum::{Datum, DatumKind, Name};
