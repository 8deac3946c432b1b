//! The control-flow graph: who comes before a block, and orders of blocks.

use super::{Block, Function};
use crate::arena::Id;

/// The control-flow graph of a function at one moment. Blocks that can't be reached have no predecessors and are no
/// one's predecessors.
///
/// Most passes make one, so it is made of few pieces of memory.
#[derive(Clone, Debug)]
pub struct Cfg {
    /// Those of the first block, then those of the second, and so on.
    predecessors: Vec<Block>,
    /// Where the predecessors of each block end.
    ends: Vec<usize>,
    order: Vec<Block>,
    positions: Vec<Option<u32>>,
}

impl Cfg {
    /// Looks at a function.
    pub fn new(function: &Function) -> Self {
        let order = reverse_post_order(function);
        let mut positions = vec![None; function.blocks.len()];
        let mut ends = vec![0_usize; function.blocks.len()];
        for (position, block) in (0..).zip(&order) {
            if let Some(place) = positions.get_mut(block.index()) {
                *place = Some(position);
            }
            for target in function.blocks.at(*block).terminator.targets() {
                if let Some(count) = ends.get_mut(target.block.index()) {
                    *count += 1;
                }
            }
        }
        // From how many there are to where each block's begin; putting one in moves that on, at last to the end.
        let mut edges = 0;
        for end in &mut ends {
            edges += std::mem::replace(end, edges);
        }
        let mut predecessors = vec![function.entry; edges];
        for block in &order {
            for target in function.blocks.at(*block).terminator.targets() {
                if let Some(end) = ends.get_mut(target.block.index())
                    && let Some(place) = predecessors.get_mut(*end)
                {
                    *place = *block;
                    *end += 1;
                }
            }
        }
        Self { predecessors, ends, order, positions }
    }

    /// The blocks that jump to a block, one for each edge: a block whose two ways out are the same is here twice.
    pub fn predecessors(&self, block: Block) -> &[Block] {
        let end = self.ends.get(block.index()).copied().unwrap_or(0);
        let start = block.index().checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.predecessors.get(start..end).unwrap_or(&[])
    }

    /// The blocks that can be reached, each before its successors except on the way back of a loop. The entry is first.
    pub fn reverse_post_order(&self) -> &[Block] {
        &self.order
    }

    /// Where a block is in [`Self::reverse_post_order`]; `None` for one that can't be reached.
    pub fn position(&self, block: Block) -> Option<u32> {
        self.positions.get(block.index()).copied().flatten()
    }

    /// Whether a block can be reached.
    pub fn is_reachable(&self, block: Block) -> bool {
        self.position(block).is_some()
    }
}

fn reverse_post_order(function: &Function) -> Vec<Block> {
    let mut seen = vec![false; function.blocks.len()];
    let mut visit = |block: Block| seen.get_mut(block.index()).is_some_and(|seen| !std::mem::replace(seen, true));
    // The last target is visited first, so that in the reversed order `then` comes before `otherwise`.
    let mut order = Vec::with_capacity(function.blocks.len());
    // Blocks that are being visited, each with how many of its targets are still to be visited.
    let mut stack = Vec::new();
    let targets = |block: Block| function.blocks.at(block).terminator.targets().count();
    if visit(function.entry) {
        stack.push((function.entry, targets(function.entry)));
    }
    while let Some((block, rest)) = stack.last_mut() {
        let Some(next) = rest.checked_sub(1) else {
            order.push(*block);
            stack.pop();
            continue;
        };
        *rest = next;
        let target = function.blocks.at(*block).terminator.targets().nth(next).map(|target| target.block);
        if let Some(target) = target.filter(|target| visit(*target)) {
            stack.push((target, targets(target)));
        }
    }
    order.reverse();
    order
}
