//! Machine code, before it is put into an object.

use crate::check::kernel_types::FactId;
use crate::check::typed::KfuncId;
use crate::ir::{FunctionId, GlobalSection, MapId};
use crate::source::Span;

/// One 64-bit instruction slot (RFC 9669, section 3). A 64-bit immediate load takes two.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instruction {
    /// Class, source bit and operation.
    pub opcode: u8,
    /// Destination register, 0 to 10.
    pub destination: u8,
    /// Source register, 0 to 10, or a pseudo source.
    pub source: u8,
    /// Branch or memory offset.
    pub offset: i16,
    /// Immediate.
    pub immediate: i32,
}

/// The code of one function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    /// Its symbol.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    /// How many arguments it takes.
    pub parameters: u32,
    /// The instruction slots.
    pub instructions: Vec<Instruction>,
    /// What the loader has to fill in, by rising position.
    pub relocations: Vec<Relocation>,
    /// From which slot on the code comes from which source, by rising position; the first is at 0.
    pub lines: Vec<LineEntry>,
    /// Bytes of stack used: slots and spills, rounded up to 8.
    pub stack: u32,
}

/// From this instruction on, the source is this.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct LineEntry {
    /// Instruction slot.
    pub instruction: u32,
    /// The source.
    pub span: Span,
}

/// A slot that the loader fills in.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Relocation {
    /// Instruction slot (the first of the two of a 64-bit immediate load).
    pub instruction: u32,
    /// With what.
    pub target: RelocationTarget,
}

/// What a slot refers to.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RelocationTarget {
    /// `ld_imm64`: a map's file descriptor.
    Map(MapId),
    /// `ld_imm64`: an address in a data section. `offset` is from the start of the section.
    Global { section: GlobalSection, offset: u32 },
    /// The immediate of an arithmetic instruction, or the offset of a load: what is found out about the running kernel. The instruction
    /// has what it is for the declared types.
    Fact(FactId),
    /// `call` of a function of the kernel that the unit declares.
    Kfunc(KfuncId),
    /// `call` of a function of the unit, or `ld_imm64` of its address.
    Function(FunctionId),
}
