//! The control-flow graph: who comes before a block, and orders of blocks.

use super::{Block, Function};
use crate::arena::{Arena, Id};

/// The control-flow graph of a function at one moment. Blocks that can't be reached have no predecessors and are no
/// one's predecessors.
#[derive(Clone, Debug)]
pub struct Cfg {
    predecessors: Arena<Block, Vec<Block>>,
    order: Vec<Block>,
    positions: Arena<Block, Option<u32>>,
}

impl Cfg {
    /// Looks at a function.
    pub fn new(function: &Function) -> Self {
        let order = reverse_post_order(function);
        let mut predecessors: Arena<Block, Vec<Block>> = function.blocks.ids().map(|_| Vec::new()).collect();
        let mut positions: Arena<Block, Option<u32>> = function.blocks.ids().map(|_| None).collect();
        for (position, block) in (0..).zip(&order) {
            *positions.at_mut(*block) = Some(position);
            for target in function.blocks.at(*block).terminator.targets() {
                predecessors.at_mut(target.block).push(*block);
            }
        }
        Self { predecessors, order, positions }
    }

    /// The blocks that jump to a block, one for each edge: a block whose two ways out are the same is here twice.
    pub fn predecessors(&self, block: Block) -> &[Block] {
        self.predecessors.at(block)
    }

    /// The blocks that can be reached, each before its successors except on the way back of a loop. The entry is first.
    pub fn reverse_post_order(&self) -> &[Block] {
        &self.order
    }

    /// Where a block is in [`Self::reverse_post_order`]; `None` for one that can't be reached.
    pub fn position(&self, block: Block) -> Option<u32> {
        self.positions.get(block).copied().flatten()
    }

    /// Whether a block can be reached.
    pub fn is_reachable(&self, block: Block) -> bool {
        self.position(block).is_some()
    }
}

fn reverse_post_order(function: &Function) -> Vec<Block> {
    let mut seen = vec![false; function.blocks.len()];
    let mut visit = |block: Block| seen.get_mut(block.index()).is_some_and(|seen| !std::mem::replace(seen, true));
    // A block, and its successors that are still to be visited. The last target is visited first, so that in the
    // reversed order `then` comes before `otherwise`.
    let successors = |block: Block| -> Vec<Block> {
        function.blocks.at(block).terminator.targets().map(|target| target.block).collect()
    };
    let mut order = Vec::new();
    let mut stack = Vec::new();
    if visit(function.entry) {
        stack.push((function.entry, successors(function.entry)));
    }
    while let Some((block, rest)) = stack.last_mut() {
        match rest.pop() {
            Some(next) => {
                if visit(next) {
                    stack.push((next, successors(next)));
                }
            }
            None => {
                order.push(*block);
                stack.pop();
            }
        }
    }
    order.reverse();
    order
}
