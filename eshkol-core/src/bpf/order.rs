//! The order of blocks: traces along the likely path, so that it falls through.
//!
//! From the entry on, each block is followed by the successor that stays in the loops it is in, and then by the one with
//! the most code ahead: leaving early (a missing key, a packet too short) is the exception. What was left out on the way
//! is placed after, the latest first, once everything that leads to it is placed. Guarantees that the entry is first and
//! that every reachable block is there once; others are not there.
//!
//! The head of a loop comes before its body, so that the way back is a jump: before Linux 6.7 the verifier takes no way back
//! that falls through (`push_insn` in `kernel/bpf/verifier.c`), as it would with the test at the loop's bottom.

use super::loops::{Loops, Shape};
use super::machine::BlockId;
use crate::arena::{Arena, Id as _};

/// An order of the reachable blocks.
pub(super) fn order(shapes: &Arena<BlockId, Shape>, entry: BlockId) -> Vec<BlockId> {
    let graph = Graph::new(shapes, entry);
    let mut placed: Arena<BlockId, bool> = shapes.ids().map(|_| false).collect();
    let mut left_out = vec![entry];
    let mut order = Vec::new();
    while let Some(start) = graph.next_start(&mut left_out, &placed) {
        let mut next = Some(start);
        while let Some(block) = next {
            *placed.at_mut(block) = true;
            order.push(block);
            let open = || shapes.at(block).successors.iter().copied().filter(|to| !placed.at(*to));
            // Of two that are equal the second, where a branch does not jump, is taken: `max_by_key` gives the last.
            next = open().max_by_key(|to| (graph.shared_loops(block, *to), *graph.heights.at(*to)));
            left_out.extend(open().filter(|to| Some(*to) != next));
        }
    }
    order
}

struct Graph {
    /// Predecessors, without those that come back to a loop's head.
    forward_predecessors: Arena<BlockId, Vec<BlockId>>,
    loops: Loops,
    /// The instructions on the longest way to an end, without going round loops.
    heights: Arena<BlockId, usize>,
}

impl Graph {
    fn new(shapes: &Arena<BlockId, Shape>, entry: BlockId) -> Self {
        let mut graph = Self {
            forward_predecessors: shapes.ids().map(|_| Vec::new()).collect(),
            loops: Loops::new(shapes, entry),
            heights: shapes.ids().map(|_| 0).collect(),
        };
        for block in &graph.loops.postorder {
            let mut height = 0;
            for to in &shapes.at(*block).successors {
                if !graph.loops.back_edges.contains(&(*block, *to)) {
                    graph.forward_predecessors.at_mut(*to).push(*block);
                    height = height.max(*graph.heights.at(*to));
                }
            }
            *graph.heights.at_mut(*block) = height.saturating_add(shapes.at(*block).size).saturating_add(1);
        }
        graph
    }

    /// How many of the loops that a block is in a successor is in too.
    fn shared_loops(&self, block: BlockId, to: BlockId) -> usize {
        self.loops.around.at(block).intersection(self.loops.around.at(to)).count()
    }

    /// Takes the block with which to go on where a trace has ended.
    fn next_start(&self, left_out: &mut Vec<BlockId>, placed: &Arena<BlockId, bool>) -> Option<BlockId> {
        left_out.retain(|block| !placed.at(*block));
        let ready = |block: &BlockId| self.forward_predecessors.at(*block).iter().all(|from| *placed.at(*from));
        let position = left_out.iter().rposition(ready).or(left_out.len().checked_sub(1))?;
        Some(left_out.remove(position))
    }
}

/// Puts blocks in an order, which becomes their numbering. Gives the new number of each block.
pub(super) fn renumber<T: Default>(
    blocks: &mut Arena<BlockId, T>,
    order: &[BlockId],
) -> Arena<BlockId, Option<BlockId>> {
    let mut numbers: Arena<BlockId, Option<BlockId>> = blocks.ids().map(|_| None).collect();
    for (position, block) in order.iter().enumerate() {
        *numbers.at_mut(*block) = Some(BlockId::new(position));
    }
    *blocks = order.iter().map(|block| std::mem::take(blocks.at_mut(*block))).collect();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(successors: &[&[usize]]) -> Arena<BlockId, Shape> {
        let shape = |to: &&[usize]| Shape { successors: to.iter().map(|to| BlockId::new(*to)).collect(), size: 3 };
        successors.iter().map(shape).collect()
    }

    fn numbers(order: &[BlockId]) -> Vec<usize> {
        order.iter().map(|block| block.index()).collect()
    }

    #[test]
    fn the_way_on_falls_through_and_the_way_out_comes_last() {
        // 0 and 1 may leave early, to 3; 4 can't be reached.
        let shapes = shapes(&[&[3, 1], &[3, 2], &[], &[], &[0]]);
        assert_eq!(numbers(&order(&shapes, BlockId::new(0))), [0, 1, 2, 3]);
    }

    #[test]
    fn a_join_comes_after_what_leads_to_it() {
        // 1 and 2 join in 3; 5 is the end of the loop of 3 and 4.
        let shapes = shapes(&[&[1, 2], &[3], &[3], &[5, 4], &[3], &[]]);
        assert_eq!(numbers(&order(&shapes, BlockId::new(0))), [0, 2, 3, 4, 5, 1]);
    }

    #[test]
    fn loops_within_loops_stay_together() {
        // 1 … 4 is a loop around the loop of 2 and 3.
        let shapes = shapes(&[&[1], &[5, 2], &[4, 3], &[2], &[1], &[]]);
        assert_eq!(numbers(&order(&shapes, BlockId::new(0))), [0, 1, 2, 3, 4, 5]);
    }
}
