//! Headers of `define-header`: fields one directly after the other, bits in network order (the highest bit of a byte first).

use super::declarer::Declarer;
use super::scope::Scope;
use super::{Header, HeaderField, HeaderId};
use crate::check::constant;
use crate::check::type_syntax;
use crate::check::types::{DataType, IntType, Storage};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue::{EMPTY_TYPE, HEADER_FIELD, TYPE_TOO_LARGE};
use crate::expand::form::{Definition, FieldSyntax};
use crate::syntax::Datum;

/// Bits of a header at most: the kernel follows offsets in a packet to 65,535 bytes (`MAX_PACKET_OFF` in `kernel/bpf/verifier.c`).
const MAXIMUM_BITS: u64 = 0xffff * 8;

/// What a field of a header is.
enum Content {
    /// `(bits n)`
    Bits(u8),
    /// Data of whole bytes.
    Data(DataType),
}

/// A field with its place.
struct Placed<'a> {
    syntax: &'a FieldSyntax,
    content: Content,
    /// From the start of the header.
    bit: u64,
}

impl Declarer<'_, '_> {
    pub(super) fn declare_header(&mut self, definition: &Definition, fields: &[FieldSyntax]) -> Option<HeaderId> {
        let name = &definition.name;
        if fields.is_empty() {
            self.report(
                Diagnostic::error(EMPTY_TYPE, name.span, format!("the header `{}` has no fields", name.name))
                    .with_help(format!("give it one: `(define-header {} (id :be16))`", name.name)),
            );
            return None;
        }
        let mut whole = self.check_members(fields.iter().map(|field| &field.name), "field");
        let mut placed = Vec::new();
        let mut bit: u64 = 0;
        for syntax in fields {
            let Some((content, bits)) = self.header_content(definition, syntax) else {
                whole = false;
                continue;
            };
            if matches!(content, Content::Data(_)) && !bit.is_multiple_of(8) {
                whole = false;
                self.report(
                    Diagnostic::error(
                        HEADER_FIELD,
                        syntax.name.span,
                        format!("`{}` does not begin at a whole byte", syntax.name.name),
                    )
                    .with_label(format!("{} bits of a byte stand before it", bit % 8))
                    .with_help(format!("fill the byte with a field of `(bits {})`", 8 - bit % 8)),
                );
            }
            placed.push(Placed { syntax, content, bit });
            bit += bits;
            if bit > MAXIMUM_BITS {
                self.report(
                    Diagnostic::error(
                        TYPE_TOO_LARGE,
                        syntax.name.span,
                        format!("the header `{}` is too large", name.name),
                    )
                    .with_help("a header has at most 65535 bytes"),
                );
                return None;
            }
        }
        if !whole {
            return None;
        }
        if !bit.is_multiple_of(8) {
            self.report(
                Diagnostic::error(HEADER_FIELD, name.span, format!("`{}` does not end at a whole byte", name.name))
                    .with_label(format!("it has {bit} bits"))
                    .with_help(format!("fill the last byte with a field of `(bits {})`", 8 - bit % 8)),
            );
            return None;
        }
        let size = bit / 8;
        let fields = placed.into_iter().map(|field| self.header_field(field, size)).collect::<Option<Vec<_>>>()?;
        Some(self.headers.push(Header {
            name: name.name.clone(),
            span: name.span,
            doc: definition.doc.clone(),
            fields,
            size: u32::try_from(size).ok()?,
        }))
    }

    /// What a field is, and how many bits it has.
    fn header_content(&mut self, definition: &Definition, field: &FieldSyntax) -> Option<(Content, u64)> {
        if let Some(count) = bits_syntax(&field.ty) {
            let value = constant::of_datum(self, definition.program, count)?;
            let Some(bits) = u8::try_from(value).ok().filter(|bits| (1..=64).contains(bits)) else {
                self.report(
                    Diagnostic::error(HEADER_FIELD, count.span, format!("a field can't have {value} bits"))
                        .with_help("a field of bits has 1 to 64"),
                );
                return None;
            };
            return Some((Content::Bits(bits), u64::from(bits)));
        }
        let ty = type_syntax::data_type(self, definition.program, &field.ty, field.name.span)?;
        if let Some(unsafe_part) = self.restricted_part(&ty) {
            let span = field.ty.first().map_or(field.name.span, |datum| datum.span);
            self.report(
                Diagnostic::error(HEADER_FIELD, span, format!("{unsafe_part} can't be a field of a packet header"))
                    .with_help(
                        "what comes from the network may have any bits: take `:u8`, `:be32` or `(bits 1)`, and compare",
                    ),
            );
            return None;
        }
        let bits = u64::from(self.types.size(&ty)) * 8;
        Some((Content::Data(ty), bits))
    }

    /// A part of a type that not all bits are a value of.
    fn restricted_part(&self, ty: &DataType) -> Option<&'static str> {
        match ty {
            DataType::Bool => Some("a `:bool`"),
            DataType::Enum(_) => Some("an enum"),
            DataType::Array(element, _) => self.restricted_part(element),
            DataType::Struct(id) => {
                self.types.structs.at(*id).fields.iter().find_map(|field| self.restricted_part(&field.ty))
            }
            DataType::Int(_)
            | DataType::BigEndian(_)
            | DataType::Ipv4
            | DataType::Ipv6
            | DataType::Mac
            | DataType::CharArray(_) => None,
        }
    }

    /// The field in a header of `size` bytes.
    fn header_field(&mut self, field: Placed<'_>, size: u64) -> Option<HeaderField> {
        let name = &field.syntax.name;
        let (offset, ty, storage) = match field.content {
            Content::Data(ty) => {
                let storage = ty.storage();
                (field.bit / 8, ty, storage)
            }
            Content::Bits(count) => {
                let Some((offset, storage)) = bit_storage(field.bit, count, size) else {
                    self.report(
                        Diagnostic::error(
                            HEADER_FIELD,
                            name.span,
                            format!("`{}` can't be read in one piece", name.name),
                        )
                        .with_help("split it into fields that lie within 1, 2, 4 or 8 bytes of the header"),
                    );
                    return None;
                };
                let ty = match count {
                    1 if name.name.ends_with('?') => DataType::Bool,
                    0..=8 => DataType::Int(IntType::U8),
                    9..=16 => DataType::Int(IntType::U16),
                    17..=32 => DataType::Int(IntType::U32),
                    _ => DataType::Int(IntType::U64),
                };
                (offset, ty, Some(storage))
            }
        };
        Some(HeaderField {
            name: name.name.clone(),
            span: name.span,
            doc: field.syntax.doc.clone(),
            offset: u32::try_from(offset).ok()?,
            ty,
            storage,
        })
    }
}

/// The `n` of `(bits n)`.
fn bits_syntax(ty: &[Datum]) -> Option<&Datum> {
    let [only] = ty else { return None };
    match only.as_list()? {
        [head, count] if head.as_symbol().is_some_and(|name| **name == *"bits") => Some(count),
        _ => None,
    }
}

/// Where the 1, 2, 4 or 8 bytes lie that hold these bits, and how to get them out. None of the bytes is outside the header.
fn bit_storage(bit: u64, count: u8, size: u64) -> Option<(u64, Storage)> {
    let first = bit / 8;
    let end = bit + u64::from(count);
    let bytes = [1_u32, 2, 4, 8].into_iter().find(|bytes| end <= (first + u64::from(*bytes)) * 8)?;
    // Where that many bytes would go beyond the header, they begin earlier.
    let offset = first.min(size.checked_sub(u64::from(bytes))?);
    let shift = u8::try_from((offset + u64::from(bytes)) * 8 - end).ok()?;
    let part = (u32::from(count) < bytes * 8).then_some((shift, count));
    Some((offset, Storage { bytes, big_endian: bytes > 1, signed: false, bits: part }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_found_in_the_fewest_bytes() {
        let at = |bit, count, size| {
            bit_storage(bit, count, size).map(|(offset, storage)| (offset, storage.bytes, storage.bits))
        };
        // The IPv4 header's version, IHL, flags and fragment offset.
        assert_eq!(at(0, 4, 20), Some((0, 1, Some((4, 4)))));
        assert_eq!(at(4, 4, 20), Some((0, 1, Some((0, 4)))));
        assert_eq!(at(48, 3, 20), Some((6, 1, Some((5, 3)))));
        assert_eq!(at(51, 13, 20), Some((6, 2, Some((0, 13)))));
        // The IPv6 header's flow label.
        assert_eq!(at(12, 20, 40), Some((1, 4, Some((8, 20)))));
        // Whole bytes.
        assert_eq!(at(16, 16, 4), Some((2, 2, None)));
        // Three bytes at the end, of which four are read.
        assert_eq!(at(8, 24, 4), Some((0, 4, Some((0, 24)))));
        assert_eq!(at(0, 24, 3), None);
        assert_eq!(at(4, 64, 20), None);
    }
}
