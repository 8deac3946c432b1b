//! Where the globals of a unit lie: read-only ones in `.rodata`, mutable ones in `.bss` or `.data`.

use crate::arena::Arena;
use crate::check::typed::GlobalId;
use crate::ir::GlobalSection;

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
