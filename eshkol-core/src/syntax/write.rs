//! Data as text: what [`super::read`] reads back to the same datum.

use std::fmt;

use super::character;
use super::datum::{Datum, DatumKind};
use super::number;

/// Writes the datum as it would be read.
impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DatumKind::List(list, tail) => {
                f.write_str("(")?;
                items(f, list)?;
                if let Some(tail) = tail {
                    write!(f, " . {tail}")?;
                }
                f.write_str(")")
            }
            DatumKind::Vector(list) => {
                f.write_str("#(")?;
                items(f, list)?;
                f.write_str(")")
            }
            DatumKind::Symbol { name, .. } => symbol(f, name),
            DatumKind::Keyword(name) => write!(f, ":{name}"),
            DatumKind::Integer(value) => write!(f, "{value}"),
            DatumKind::Float(text) => f.write_str(text),
            DatumKind::Bool(true) => f.write_str("#t"),
            DatumKind::Bool(false) => f.write_str("#f"),
            DatumKind::Char(c) => match character::name(*c) {
                Some(name) => write!(f, "#\\{name}"),
                None if c.is_control() || c.is_whitespace() => write!(f, "#\\x{:x}", u32::from(*c)),
                None => write!(f, "#\\{c}"),
            },
            DatumKind::String(text) => quoted(f, text, '"'),
            DatumKind::Error => f.write_str("#<unreadable>"),
        }
    }
}

fn items(f: &mut fmt::Formatter<'_>, items: &[Datum]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

fn symbol(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let plain = !name.is_empty()
        && name != "."
        && !name.starts_with('#')
        && (!name.starts_with(':') || !name.contains(|c| c != ':'))
        && !name.starts_with("//")
        && !name.starts_with("/*")
        && !name.contains(|c: char| character::is_delimiter(c) || c == '\\')
        && number::parse(name).is_none();
    if plain { f.write_str(name) } else { quoted(f, name, '|') }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    write!(f, "{quote}")?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\\' => f.write_str("\\\\")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\x{:x};", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    write!(f, "{quote}")
}
