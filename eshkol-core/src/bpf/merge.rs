//! Tail merging: blocks that end in the same instructions share them.
//!
//! ```text
//! a: …; r0 = 1; exit        a: …; goto c
//! b: …; r0 = 1; exit   →    b: …
//!                           c: r0 = 1; exit
//! ```
//!
//! A whole block that is the end of another is shared as it is. Instructions are the same whatever source they come
//! from; the shared ones keep the source of one of them.

use std::cmp::Ordering;

use super::assembly::{Assembly, AssemblyBlock, AssemblyInst, End};
use super::machine::BlockId;
use crate::arena::Id as _;

/// Merges tails until none is left to merge.
pub(super) fn run(assembly: &mut Assembly) {
    let mut blocks = assembly.reachable();
    while let Some((first, second, shared)) = best_pair(assembly, &blocks) {
        let tail = split(assembly, first, shared).unwrap_or(first);
        if tail != first {
            blocks.push(tail);
        }
        let block = assembly.blocks.at_mut(second);
        block.insts.truncate(block.insts.len().saturating_sub(shared));
        block.end = End::Jump(tail);
        if block.insts.is_empty() {
            // Nothing but a jump is left: whoever comes here can go on by itself.
            redirect(assembly, second, tail);
            blocks.retain(|block| *block != second);
        }
    }
}

/// The blocks with the longest tail in common, and how many instructions that is. The first is the tail as a whole where
/// one of them is.
fn best_pair(assembly: &Assembly, blocks: &[BlockId]) -> Option<(BlockId, BlockId, usize)> {
    let mut sorted = blocks.to_vec();
    sorted.sort_by(|first, second| by_tail(assembly.blocks.at(*first), assembly.blocks.at(*second)));
    let mut best: Option<(BlockId, BlockId, usize)> = None;
    for (first, second) in sorted.iter().zip(sorted.iter().skip(1)) {
        if let Some(shared) = shared_tail(assembly, *first, *second)
            && best.is_none_or(|(_, _, most)| shared > most)
        {
            let whole = assembly.blocks.at(*second).insts.len() == shared && *second != assembly.entry;
            best = Some(if whole { (*second, *first, shared) } else { (*first, *second, shared) });
        }
    }
    best
}

/// How many instructions two blocks can share at their end, where sharing them makes the code shorter.
fn shared_tail(assembly: &Assembly, first: BlockId, second: BlockId) -> Option<usize> {
    let (one, other) = (assembly.blocks.at(first), assembly.blocks.at(second));
    if one.end != other.end {
        return None;
    }
    let shared = one
        .insts
        .iter()
        .rev()
        .zip(other.insts.iter().rev())
        .take_while(|(one, other)| one.does_the_same(other))
        .count();
    let whole = |block: &AssemblyBlock| block.insts.len() == shared;
    let gains = match one.end {
        // The `exit` or the branch is shared too, for one `goto`.
        End::Exit | End::Branch { .. } => shared > 0,
        // A block that is the tail as a whole needs no `goto` of its own.
        End::Jump(_) => shared > 1 || (shared > 0 && (whole(one) || whole(other))),
    };
    (gains && !(whole(other) && second == assembly.entry)).then_some(shared)
}

/// Makes the last instructions of a block a block of their own; `None` where they are the whole block.
fn split(assembly: &mut Assembly, block: BlockId, shared: usize) -> Option<BlockId> {
    let tail = assembly.blocks.next_id();
    let is_entry = block == assembly.entry;
    let data = assembly.blocks.at_mut(block);
    let at = data.insts.len().checked_sub(shared).filter(|at| *at > 0 || is_entry)?;
    let insts = data.insts.split_off(at);
    let end = std::mem::replace(&mut data.end, End::Jump(tail));
    let end_span = data.end_span;
    Some(assembly.blocks.push(AssemblyBlock { insts, end, end_span }))
}

fn redirect(assembly: &mut Assembly, from: BlockId, to: BlockId) {
    for (_, block) in assembly.blocks.iter_mut() {
        block.end = match block.end.map(|block| if block == from { to } else { block }) {
            End::Branch { then, otherwise, .. } if then == otherwise => End::Jump(then),
            end => end,
        };
    }
}

/// Brings blocks with the same end, and then with the same instructions before it, side by side.
fn by_tail(first: &AssemblyBlock, second: &AssemblyBlock) -> Ordering {
    let end = |block: &AssemblyBlock| match block.end {
        End::Exit => (0, None, None, None),
        End::Jump(to) => (1, Some(to.index()), None, None),
        End::Branch { comparison, then, otherwise } => {
            (2, Some(then.index()), Some(otherwise.index()), Some((comparison.opcode, comparison.immediate)))
        }
    };
    let key = |inst: &AssemblyInst| {
        let instruction = inst.instruction;
        let registers = (instruction.destination, instruction.source);
        (instruction.opcode, registers, instruction.offset, instruction.immediate, inst.high)
    };
    end(first).cmp(&end(second)).then_with(|| first.insts.iter().rev().map(key).cmp(second.insts.iter().rev().map(key)))
}
