//! Where the globals of a unit lie: read-only ones together in `.rodata`, each mutable one in a section of its own.
//!
//! Read-only globals come in order of definition, each aligned as C aligns its type. Sections begin at a multiple of 8, since
//! each becomes the value of a map.

use crate::arena::Arena;
use crate::check::typed::{Global, GlobalId, GlobalInit, Unit};
use crate::compile::Endianness;
use crate::ir::GlobalSection;

use super::memory::native_bytes;

/// The data sections of a unit.
#[derive(Clone, Debug, Default)]
pub struct GlobalLayout {
    /// Where each global is: its section, and bytes from the section's start.
    pub places: Arena<GlobalId, (GlobalSection, u32)>,
    /// `.rodata`, in the target's byte order.
    pub rodata: Vec<u8>,
    /// The section of each mutable global, in order of definition, likewise.
    pub mutable: Vec<(GlobalId, Vec<u8>)>,
}

impl GlobalLayout {
    /// Lays out the globals of a unit.
    pub fn new(unit: &Unit, endianness: Endianness) -> Self {
        let mut layout = Self::default();
        for (id, global) in unit.globals.iter() {
            let (size, align) = unit.types.layout(&global.ty);
            let bytes = initial_bytes(global, endianness);
            let place = if global.mutable {
                let mut section = Vec::new();
                append(&mut section, size, align, &bytes);
                layout.mutable.push((id, section));
                (GlobalSection::Data(id), 0)
            } else {
                (GlobalSection::Rodata, append(&mut layout.rodata, size, align, &bytes))
            };
            layout.places.push(place);
        }
        layout
    }
}

/// What a global starts with, as far as it is not zero.
fn initial_bytes(global: &Global, endianness: Endianness) -> Vec<u8> {
    match (&global.init, global.ty.storage()) {
        (GlobalInit::Zero, _) | (GlobalInit::Scalar(_), None) => Vec::new(),
        (GlobalInit::Scalar(number), Some(storage)) => {
            let mut bytes = native_bytes(*number, storage.bytes, endianness);
            let is_little = endianness == Endianness::Little;
            if storage.big_endian && is_little {
                bytes.reverse();
            }
            bytes
        }
        (GlobalInit::Bytes(bytes), _) => bytes.clone(),
    }
}

/// Appends `size` bytes, the first of them `bytes`. Their offset.
fn append(section: &mut Vec<u8>, size: u32, align: u32, bytes: &[u8]) -> u32 {
    let offset = section.len().next_multiple_of(align.max(1) as usize);
    let end = offset.saturating_add(size as usize);
    section.resize(offset, 0);
    section.extend(bytes.iter().take(size as usize));
    section.resize(end, 0);
    u32::try_from(offset).unwrap_or(u32::MAX)
}
