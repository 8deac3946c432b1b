//! Which blocks every path to a block passes: the dominator tree, after Cooper, Harvey and Kennedy, *A Simple, Fast
//! Dominance Algorithm* (2001).

use super::cfg::Cfg;
use super::{Block, Function};
use crate::arena::Arena;

/// The dominator tree of the blocks that can be reached.
#[derive(Clone, Debug)]
pub struct Dominators {
    parents: Arena<Block, Option<Block>>,
    /// When a walk over the tree enters and leaves a block.
    times: Arena<Block, (u32, u32)>,
    preorder: Vec<Block>,
}

impl Dominators {
    /// Computes it.
    pub fn new(function: &Function, cfg: &Cfg) -> Self {
        let mut parents: Arena<Block, Option<Block>> = function.blocks.ids().map(|_| None).collect();
        *parents.at_mut(function.entry) = Some(function.entry);
        let mut changed = true;
        while changed {
            changed = false;
            for block in cfg.reverse_post_order().iter().skip(1) {
                let mut known = cfg.predecessors(*block).iter().filter(|before| parents.at(**before).is_some());
                let Some(first) = known.next() else { continue };
                let parent = known.fold(*first, |other, block| meet(&parents, cfg, other, *block));
                if parents.at(*block) != &Some(parent) {
                    *parents.at_mut(*block) = Some(parent);
                    changed = true;
                }
            }
        }
        *parents.at_mut(function.entry) = None;
        let (times, preorder) = walk(function, cfg, &parents);
        Self { parents, times, preorder }
    }

    /// The closest block, other than itself, that every path to a block passes; `None` for the entry and for blocks that
    /// can't be reached.
    pub fn parent(&self, block: Block) -> Option<Block> {
        *self.parents.at(block)
    }

    /// Whether every path to `other` passes `block`, or they are the same. Both can be reached.
    pub fn dominates(&self, block: Block, other: Block) -> bool {
        let ((enter, leave), (other_enter, other_leave)) = (self.times.at(block), self.times.at(other));
        enter <= other_enter && other_leave <= leave
    }

    /// The blocks, each after its [`Self::parent`] and followed by all it dominates.
    pub fn preorder(&self) -> &[Block] {
        &self.preorder
    }
}

fn meet(parents: &Arena<Block, Option<Block>>, cfg: &Cfg, mut one: Block, mut other: Block) -> Block {
    while one != other {
        if cfg.position(one) > cfg.position(other) {
            one = parents.at(one).unwrap_or(other);
        } else {
            other = parents.at(other).unwrap_or(one);
        }
    }
    one
}

fn walk(
    function: &Function,
    cfg: &Cfg,
    parents: &Arena<Block, Option<Block>>,
) -> (Arena<Block, (u32, u32)>, Vec<Block>) {
    let mut children: Arena<Block, Vec<Block>> = function.blocks.ids().map(|_| Vec::new()).collect();
    for block in cfg.reverse_post_order().iter().rev() {
        if let Some(parent) = parents.at(*block) {
            children.at_mut(*parent).push(*block);
        }
    }
    let mut times: Arena<Block, (u32, u32)> = function.blocks.ids().map(|_| (u32::MAX, 0)).collect();
    let mut preorder = vec![function.entry];
    let mut clock = 0;
    times.at_mut(function.entry).0 = clock;
    let mut stack = vec![function.entry];
    while let Some(block) = stack.last().copied() {
        clock += 1;
        match children.at_mut(block).pop() {
            Some(child) => {
                times.at_mut(child).0 = clock;
                preorder.push(child);
                stack.push(child);
            }
            None => {
                times.at_mut(block).1 = clock;
                stack.pop();
            }
        }
    }
    (times, preorder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Id as _;
    use crate::ir::parse;

    #[test]
    fn a_diamond_in_a_loop() {
        let function = parse(
            "b0(v0):\n jump b1
             b1:\n branch equal v0, v0 -> b2, b3
             b2:\n jump b4
             b3:\n jump b4
             b4:\n branch equal v0, v0 -> b1, b5
             b5:\n return v0",
        )
        .unwrap();
        let cfg = Cfg::new(&function);
        let dominators = Dominators::new(&function, &cfg);
        let parent = |number| dominators.parent(Block::new(number)).map(|block| block.index());
        let parents: Vec<_> = (0..6).map(parent).collect();
        assert_eq!(parents, [None, Some(0), Some(1), Some(1), Some(1), Some(4)]);
        let dominates = |one, other| dominators.dominates(Block::new(one), Block::new(other));
        assert!(dominates(1, 5) && dominates(4, 4) && dominates(0, 3));
        assert!(!dominates(2, 4) && !dominates(4, 1) && !dominates(2, 3));
        assert_eq!(dominators.preorder().iter().map(|block| block.index()).collect::<Vec<_>>()[..2], [0, 1]);
    }
}
