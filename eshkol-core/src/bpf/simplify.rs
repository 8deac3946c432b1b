//! Simplification of control flow after register allocation: jumps over empty blocks, branches with one way out, blocks
//! that only end the function.

use super::assembly::{Assembly, End};
use super::machine::BlockId;
use crate::arena::Arena;

/// Simplifies a function. Blocks that nothing goes to any more stay in the arena.
pub(super) fn run(assembly: &mut Assembly) {
    let destinations: Arena<BlockId, BlockId> =
        assembly.blocks.ids().map(|block| destination(assembly, block)).collect();
    let only_exits: Arena<BlockId, bool> =
        assembly.blocks.values().map(|block| block.insts.is_empty() && block.end == End::Exit).collect();
    assembly.entry = *destinations.at(assembly.entry);
    for id in assembly.blocks.ids() {
        let block = assembly.blocks.at_mut(id);
        block.end = match block.end.map(|to| *destinations.at(to)) {
            End::Branch { then, otherwise, .. } if then == otherwise => End::Jump(then),
            end => end,
        };
        if let End::Jump(to) = block.end
            && *only_exits.at(to)
        {
            block.end = End::Exit;
        }
    }
}

/// Where control is after the empty blocks from `block` on.
fn destination(assembly: &Assembly, block: BlockId) -> BlockId {
    let mut at = block;
    // An endless loop of empty blocks leads nowhere: it is left alone.
    for _ in 0..assembly.blocks.len() {
        let data = assembly.blocks.at(at);
        match data.end {
            End::Jump(to) if data.insts.is_empty() => at = to,
            End::Branch { then, otherwise, .. } if data.insts.is_empty() && then == otherwise => at = then,
            _ => return at,
        }
    }
    block
}
