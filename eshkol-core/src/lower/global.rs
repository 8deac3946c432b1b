//! Where the globals of a unit lie: read-only ones in `.rodata`, mutable ones in `.bss` or `.data`.
//!
//! Globals of a section come in order of definition, each aligned as C aligns its type. Sections themselves begin at a
//! multiple of 8, since each becomes the value of a map.

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
    /// `.data`, likewise.
    pub data: Vec<u8>,
    /// Bytes of `.bss`.
    pub bss: u32,
}

impl GlobalLayout {
    /// Lays out the globals of a unit.
    pub fn new(unit: &Unit, endianness: Endianness) -> Self {
        let mut layout = Self::default();
        for global in unit.globals.values() {
            let (size, align) = unit.types.layout(&global.ty);
            let bytes = initial_bytes(global, size, endianness);
            let place = match (global.mutable, bytes) {
                (false, bytes) => (GlobalSection::Rodata, append(&mut layout.rodata, size, align, bytes.as_deref())),
                (true, Some(bytes)) => (GlobalSection::Data, append(&mut layout.data, size, align, Some(&bytes))),
                (true, None) => {
                    let offset = layout.bss.checked_next_multiple_of(align.max(1)).unwrap_or(u32::MAX);
                    layout.bss = offset.saturating_add(size);
                    (GlobalSection::Bss, offset)
                }
            };
            layout.places.push(place);
        }
        layout
    }
}

/// What a global starts with; `None` for all zeros.
fn initial_bytes(global: &Global, size: u32, endianness: Endianness) -> Option<Vec<u8>> {
    let bytes = match (&global.init, global.ty.storage()) {
        (GlobalInit::Zero, _) | (GlobalInit::Scalar(_), None) => return None,
        (GlobalInit::Scalar(number), Some(storage)) => {
            let mut bytes = native_bytes(*number, storage.bytes, endianness);
            let is_little = endianness == Endianness::Little;
            if storage.big_endian && is_little {
                bytes.reverse();
            }
            bytes
        }
        (GlobalInit::Bytes(bytes), _) => bytes.clone(),
    };
    let is_zero = bytes.iter().take(size as usize).all(|byte| *byte == 0);
    (!is_zero).then_some(bytes)
}

/// Appends `size` bytes, the first of them `bytes`. Their offset.
fn append(section: &mut Vec<u8>, size: u32, align: u32, bytes: Option<&[u8]>) -> u32 {
    let offset = section.len().next_multiple_of(align.max(1) as usize);
    let end = offset.saturating_add(size as usize);
    section.resize(offset, 0);
    section.extend(bytes.unwrap_or_default().iter().take(size as usize));
    section.resize(end, 0);
    u32::try_from(offset).unwrap_or(u32::MAX)
}
