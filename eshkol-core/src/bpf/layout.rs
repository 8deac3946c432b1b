//! Branch layout: blocks one after the other, jumps with their offsets.
//!
//! A jump to the block that comes next is left out, and a branch to it is turned round. But the way back to a loop's head is a jump even then: `order`
//! has no head come behind its body, but a loop that is entered in two places has no head, and either may be taken for one. Where a jump is too far for 16
//! bits, ISA v4 has `gotol`; below v4 no such function can be encoded, which is an error.

use std::collections::BTreeSet;

use super::Error;
use super::assembly::{Assembly, AssemblyInst, End};
use super::code::{Instruction, LineEntry, Relocation};
use super::instruction::{SOURCE_REGISTER, jump};
use super::loops::{Loops, Shape};
use super::machine::BlockId;
use crate::arena::Arena;
use crate::kernel::IsaVersion;
use crate::source::Span;

/// What a function becomes.
#[derive(Debug, Default)]
pub(super) struct Laid {
    pub(super) instructions: Vec<Instruction>,
    pub(super) relocations: Vec<Relocation>,
    pub(super) lines: Vec<LineEntry>,
}

/// Writes a function with its blocks in an order that begins with the entry.
pub(super) fn lay_out(assembly: &Assembly, order: &[BlockId], isa: IsaVersion, span: Span) -> Result<Laid, Error> {
    let mut items = items(assembly, order, isa);
    loop {
        let starts = starts(assembly, &items);
        let far = find_far_jumps(&mut items, &starts);
        if !far {
            return write(&items, &starts, span);
        }
        if isa < IsaVersion::V4 {
            let reason = "a jump is too far for this instruction set".to_owned();
            return Err(Error::Internal { span, reason });
        }
    }
}

/// What is written, in order.
struct Item {
    kind: Kind,
    span: Span,
}

enum Kind {
    /// A block begins.
    Start(BlockId),
    Plain(AssemblyInst),
    /// A jump; `inverse` is the comparison that holds exactly where this one does not.
    Branch {
        comparison: Instruction,
        inverse: Option<Instruction>,
        to: BlockId,
        far: bool,
    },
    Goto {
        to: BlockId,
        far: bool,
    },
    Exit,
}

impl Kind {
    fn slots(&self) -> usize {
        match self {
            Self::Start(_) => 0,
            Self::Plain(inst) => 1 + usize::from(inst.high.is_some()),
            Self::Branch { far: true, inverse, .. } => 2 + usize::from(inverse.is_none()),
            Self::Branch { .. } | Self::Goto { .. } | Self::Exit => 1,
        }
    }
}

/// Each block, and the one that comes next.
fn neighbours(order: &[BlockId]) -> impl Iterator<Item = (BlockId, Option<BlockId>)> {
    order.iter().copied().zip(order.iter().skip(1).copied().map(Some).chain([None]))
}

/// The ways back as the verifier finds them, which walks on where an instruction falls through before it walks where it jumps (`visit_insn` in
/// `kernel/bpf/verifier.c`).
fn ways_back(assembly: &Assembly, order: &[BlockId], isa: IsaVersion) -> BTreeSet<(BlockId, BlockId)> {
    let mut nexts: Arena<BlockId, Option<BlockId>> = assembly.blocks.ids().map(|_| None).collect();
    neighbours(order).for_each(|(id, next)| *nexts.at_mut(id) = next);
    let successors = |id: BlockId| match assembly.blocks.at(id).end {
        End::Exit => Vec::new(),
        End::Jump(to) => vec![to],
        End::Branch { comparison, then, otherwise } => {
            let is_turned = Some(then) == *nexts.at(id) && inverse(comparison, isa).is_some();
            if is_turned { vec![otherwise, then] } else { vec![then, otherwise] }
        }
    };
    let shapes = assembly.blocks.ids().map(|id| Shape { successors: successors(id), size: 0 }).collect();
    Loops::new(&shapes, assembly.entry).back_edges
}

fn items(assembly: &Assembly, order: &[BlockId], isa: IsaVersion) -> Vec<Item> {
    let mut items = Vec::new();
    let back = ways_back(assembly, order, isa);
    for (id, next) in neighbours(order) {
        let block = assembly.blocks.at(id);
        items.push(Item { kind: Kind::Start(id), span: block.end_span });
        items.extend(block.insts.iter().map(|inst| Item { kind: Kind::Plain(*inst), span: inst.span }));
        let mut push = |kind| items.push(Item { kind, span: block.end_span });
        match block.end {
            End::Exit => push(Kind::Exit),
            End::Jump(to) if Some(to) == next && !back.contains(&(id, to)) => {}
            End::Jump(to) => push(Kind::Goto { to, far: false }),
            End::Branch { comparison, then, otherwise } => {
                let inverse = inverse(comparison, isa);
                match inverse {
                    Some(inverse) if Some(then) == next => {
                        let (comparison, inverse) = (inverse, Some(comparison));
                        push(Kind::Branch { comparison, inverse, to: otherwise, far: false });
                    }
                    _ => {
                        push(Kind::Branch { comparison, inverse, to: then, far: false });
                        if Some(otherwise) != next {
                            push(Kind::Goto { to: otherwise, far: false });
                        }
                    }
                }
            }
        }
    }
    items
}

/// The first slot of each block.
fn starts(assembly: &Assembly, items: &[Item]) -> Arena<BlockId, i64> {
    let mut starts: Arena<BlockId, i64> = assembly.blocks.ids().map(|_| 0).collect();
    let mut slot = 0_i64;
    for item in items {
        if let Kind::Start(block) = item.kind {
            *starts.at_mut(block) = slot;
        }
        slot += i64::try_from(item.kind.slots()).unwrap_or(0);
    }
    starts
}

/// Marks the jumps whose offset is too large for 16 bits; whether there was a new one.
fn find_far_jumps(items: &mut [Item], starts: &Arena<BlockId, i64>) -> bool {
    let mut found = false;
    let mut slot = 0_i64;
    for item in items {
        slot += i64::try_from(item.kind.slots()).unwrap_or(0);
        if let Kind::Branch { to, far, .. } | Kind::Goto { to, far } = &mut item.kind
            && !*far
            && i16::try_from(starts.at(*to) - slot).is_err()
        {
            *far = true;
            found = true;
        }
    }
    found
}

fn write(items: &[Item], starts: &Arena<BlockId, i64>, span: Span) -> Result<Laid, Error> {
    let mut laid = Laid::default();
    for item in items {
        let slot = position(&laid.instructions);
        if item.kind.slots() > 0 && laid.lines.last().is_none_or(|line| line.span != item.span) {
            laid.lines.push(LineEntry { instruction: slot, span: item.span });
        }
        // Offsets count from the instruction after the jump.
        let after = i64::from(slot) + i64::try_from(item.kind.slots()).unwrap_or(0);
        let distance = |to: BlockId| starts.at(to) - after;
        match &item.kind {
            Kind::Start(_) => {}
            Kind::Plain(inst) => {
                if let Some(target) = inst.relocation {
                    laid.relocations.push(Relocation { instruction: slot, target });
                }
                laid.instructions.push(inst.instruction);
                laid.instructions.extend(inst.high.map(Instruction::wide_high));
            }
            Kind::Exit => laid.instructions.push(Instruction::EXIT),
            Kind::Goto { to, far: false } => laid.instructions.push(Instruction::goto(near(distance(*to), span)?)),
            Kind::Goto { to, far: true } => laid.instructions.push(Instruction::goto_long(long(distance(*to), span)?)),
            Kind::Branch { comparison, to, far: false, .. } => {
                laid.instructions.push(Instruction { offset: near(distance(*to), span)?, ..*comparison });
            }
            Kind::Branch { comparison, inverse, to, far: true } => {
                match inverse {
                    Some(inverse) => laid.instructions.push(Instruction { offset: 1, ..*inverse }),
                    None => {
                        laid.instructions.push(Instruction { offset: 1, ..*comparison });
                        laid.instructions.push(Instruction::goto(1));
                    }
                }
                laid.instructions.push(Instruction::goto_long(long(distance(*to), span)?));
            }
        }
    }
    Ok(laid)
}

fn position(instructions: &[Instruction]) -> u32 {
    u32::try_from(instructions.len()).unwrap_or(u32::MAX)
}

fn near(distance: i64, span: Span) -> Result<i16, Error> {
    i16::try_from(distance).map_err(|_| too_far(span))
}

fn long(distance: i64, span: Span) -> Result<i32, Error> {
    i32::try_from(distance).map_err(|_| too_far(span))
}

fn too_far(span: Span) -> Error {
    Error::Internal { span, reason: "a jump is too far to encode".to_owned() }
}

/// The comparison that holds exactly where this one does not; `None` where the ISA version has none.
fn inverse(comparison: Instruction, isa: IsaVersion) -> Option<Instruction> {
    let condition = match comparison.opcode & jump::MASK {
        jump::JEQ => jump::JNE,
        jump::JNE => jump::JEQ,
        jump::JGT => jump::JLE,
        jump::JGE => jump::JLT,
        jump::JLT => jump::JGE,
        jump::JLE => jump::JGT,
        jump::JSGT => jump::JSLE,
        jump::JSGE => jump::JSLT,
        jump::JSLT => jump::JSGE,
        jump::JSLE => jump::JSGT,
        _ => return None,
    };
    let opcode = comparison.opcode & !jump::MASK;
    if isa >= IsaVersion::V2
        || matches!(condition, jump::JEQ | jump::JNE | jump::JGT | jump::JGE | jump::JSGT | jump::JSGE)
    {
        return Some(Instruction { opcode: opcode | condition, ..comparison });
    }
    // ISA v1 has no "less", but its operands can change places where both are registers.
    let mirrored = match condition {
        jump::JLT => jump::JGT,
        jump::JLE => jump::JGE,
        jump::JSLT => jump::JSGT,
        jump::JSLE => jump::JSGE,
        _ => return None,
    };
    let Instruction { destination, source, .. } = comparison;
    (opcode & SOURCE_REGISTER != 0).then_some(Instruction {
        opcode: opcode | mirrored,
        destination: source,
        source: destination,
        ..comparison
    })
}
