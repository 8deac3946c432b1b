//! Machine instructions on virtual registers: what instruction selection makes and register allocation reads.
//!
//! Every virtual register is defined once. Blocks end in one [`Operation::Branch`], [`Operation::Jump`] or
//! [`Operation::Return`]; only jumps pass arguments, so no edge from a branch needs moves of its own (critical edges
//! are split by selection).

use regalloc2::{Allocation, Operand, PReg, RegClass, VReg};

use super::code::{Instruction, RelocationTarget};
use crate::arena::{Arena, ids};
use crate::source::Span;

ids! {
    /// A block of machine instructions.
    #[expect(unreachable_pub, reason = "`ids` makes public types, and this module is private")]
    BlockId = "m";
}

/// A function on virtual registers.
#[derive(Debug)]
pub(super) struct MachineFunction {
    /// Every block.
    pub(super) blocks: Arena<BlockId, MachineBlock>,
    /// Where it begins. Nothing jumps to it, and it has no parameters.
    pub(super) entry: BlockId,
    /// One more than the highest virtual register.
    pub(super) registers: usize,
}

/// A block.
#[derive(Debug, Default)]
pub(super) struct MachineBlock {
    /// Registers that jumps to it define.
    pub(super) params: Vec<VReg>,
    /// Instructions in order, the terminator last.
    pub(super) insts: Vec<MachineInst>,
    /// Where it goes: where the branch's condition holds first.
    pub(super) successors: Vec<BlockId>,
    /// What a jump passes.
    pub(super) arguments: Vec<VReg>,
}

/// An instruction.
#[derive(Debug)]
pub(super) struct MachineInst {
    /// What it does.
    pub(super) operation: Operation,
    /// Registers it reads and writes.
    pub(super) operands: Vec<Operand>,
    /// What it accesses, where the kernel rewrites that access.
    pub(super) rewritten: Option<Rewritten>,
    /// The source it comes from.
    pub(super) span: Span,
}

/// What the kernel rewrites accesses to, each in a way of its own: one instruction can't access different ones on different ways to it
/// (`reg_type_mismatch` in `kernel/bpf/verifier.c`).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rewritten {
    /// The context.
    Context,
    /// Memory of the kernel of a type that its BTF describes.
    Kernel,
}

/// What a machine instruction does.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// Defines the parameters of the function in R1 … R5; no code.
    Entry,
    /// One instruction.
    Plain(Template),
    /// One instruction, of which the loader fills in a part.
    Relocated(Template, RelocationTarget),
    /// A 64-bit immediate load into operand 0.
    Wide(Wide),
    /// The address at an offset from the frame pointer into operand 0.
    FrameAddress(i32),
    /// A call; it clobbers R1 … R5 and defines R0, operand 0. The other operands are its arguments.
    Call(Instruction, Option<RelocationTarget>),
    /// A conditional jump, with no offset yet.
    Branch(Template),
    /// Goes to the one successor.
    Jump,
    /// `exit`; the value is in R0.
    Return,
}

/// What a 64-bit immediate load loads.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Wide {
    /// A number.
    Number(u64),
    /// What the loader fills in.
    Relocated(RelocationTarget),
}

/// An instruction whose register fields are operands.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Template {
    /// The instruction.
    pub(super) instruction: Instruction,
    /// The operand in the destination field, where it is not a fixed register.
    pub(super) destination: Option<usize>,
    /// The operand in the source field, where it is not a fixed register.
    pub(super) source: Option<usize>,
}

impl Template {
    /// The instruction with its registers; `None` where an operand is not in a register.
    pub(super) fn fill(self, allocations: &[Allocation]) -> Option<Instruction> {
        let field = |operand: Option<usize>, fixed: u8| match operand {
            Some(operand) => allocations.get(operand).and_then(|allocation| register(*allocation)),
            None => Some(fixed),
        };
        let Self { instruction, destination, source } = self;
        Some(Instruction {
            destination: field(destination, instruction.destination)?,
            source: field(source, instruction.source)?,
            ..instruction
        })
    }
}

/// The number of the register of an allocation; `None` where it is not a register.
pub(super) fn register(allocation: Allocation) -> Option<u8> {
    allocation.as_reg().and_then(|register| u8::try_from(register.hw_enc()).ok())
}

/// A physical register, by number.
pub(super) fn physical(number: u8) -> PReg {
    PReg::new(usize::from(number), RegClass::Int)
}

/// A virtual register, by number.
pub(super) fn virtual_register(number: usize) -> VReg {
    VReg::new(number, RegClass::Int)
}
