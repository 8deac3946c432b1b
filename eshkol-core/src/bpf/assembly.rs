//! Blocks of instructions with their registers, before they have an order.

use super::code::{Instruction, RelocationTarget};
use super::effect::SpillArea;
use super::instruction::{class, jump, mode};
use super::machine::{BlockId, Rewritten};
use crate::arena::Arena;
use crate::source::Span;

/// A function.
#[derive(Debug)]
pub(super) struct Assembly {
    /// Every block.
    pub(super) blocks: Arena<BlockId, AssemblyBlock>,
    /// Where it begins.
    pub(super) entry: BlockId,
    /// Where spilled values are.
    pub(super) spills: SpillArea,
}

impl Assembly {
    /// The blocks that can be reached, in the order of a walk from the entry.
    pub(super) fn reachable(&self) -> Vec<BlockId> {
        let mut seen: Arena<BlockId, bool> = self.blocks.ids().map(|_| false).collect();
        let mut open = vec![self.entry];
        let mut found = Vec::new();
        while let Some(block) = open.pop() {
            if !std::mem::replace(seen.at_mut(block), true) {
                found.push(block);
                open.extend(self.blocks.at(block).end.successors());
            }
        }
        found
    }
}

/// A block.
#[derive(Clone, Debug)]
pub(super) struct AssemblyBlock {
    /// What it does.
    pub(super) insts: Vec<AssemblyInst>,
    /// How it ends.
    pub(super) end: End,
    /// The source that its end comes from.
    pub(super) end_span: Span,
}

/// An instruction: one slot, or two for a 64-bit immediate load.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct AssemblyInst {
    /// The first slot.
    pub(super) instruction: Instruction,
    /// The immediate of the second slot.
    pub(super) high: Option<i32>,
    /// What the loader fills in.
    pub(super) relocation: Option<RelocationTarget>,
    /// How many arguments a call has.
    pub(super) arguments: u8,
    /// What it accesses, where the kernel rewrites that access.
    pub(super) rewritten: Option<Rewritten>,
    /// The source it comes from.
    pub(super) span: Span,
}

impl AssemblyInst {
    /// Whether it is a call.
    pub(super) fn is_call(&self) -> bool {
        self.instruction.class() == class::JMP && self.instruction.opcode & jump::MASK == jump::CALL
    }

    /// Whether it is an atomic read-modify-write.
    pub(super) fn is_atomic(&self) -> bool {
        self.instruction.class() == class::STX && self.instruction.opcode & mode::MASK == mode::ATOMIC
    }

    /// Whether both do the same, wherever they come from.
    pub(super) fn does_the_same(&self, other: &Self) -> bool {
        self.instruction == other.instruction
            && self.high == other.high
            && self.relocation == other.relocation
            && self.rewritten == other.rewritten
    }
}

/// How a block ends.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum End {
    /// Returns R0.
    Exit,
    /// Goes on to another block.
    Jump(BlockId),
    /// Goes on to one of two blocks.
    Branch {
        /// The conditional jump, with no offset yet.
        comparison: Instruction,
        /// Where it jumps.
        then: BlockId,
        /// Where it does not.
        otherwise: BlockId,
    },
}

impl End {
    /// Where it goes.
    pub(super) fn successors(self) -> impl Iterator<Item = BlockId> {
        let (first, second) = match self {
            Self::Exit => (None, None),
            Self::Jump(to) => (Some(to), None),
            Self::Branch { then, otherwise, .. } => (Some(then), Some(otherwise)),
        };
        first.into_iter().chain(second)
    }

    /// The same, going to other blocks.
    pub(super) fn map(self, mut to: impl FnMut(BlockId) -> BlockId) -> Self {
        match self {
            Self::Exit => self,
            Self::Jump(block) => Self::Jump(to(block)),
            Self::Branch { comparison, then, otherwise } => {
                Self::Branch { comparison, then: to(then), otherwise: to(otherwise) }
            }
        }
    }
}
