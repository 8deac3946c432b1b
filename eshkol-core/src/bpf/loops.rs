//! The loops of blocks of machine code: where they go back, and which blocks are in them.

use std::collections::BTreeSet;

use super::machine::BlockId;
use crate::arena::Arena;

/// What a block looks like from outside.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Where it goes, the jump of a branch first.
    pub(super) successors: Vec<BlockId>,
    /// Its instructions.
    pub(super) size: usize,
}

/// The loops among blocks.
pub(super) struct Loops {
    /// Every block that can be reached, after what it goes on to.
    pub(super) postorder: Vec<BlockId>,
    /// From where to which head a loop goes back.
    pub(super) back_edges: BTreeSet<(BlockId, BlockId)>,
    /// The heads of the loops that each block is in.
    pub(super) around: Arena<BlockId, BTreeSet<BlockId>>,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

impl Loops {
    /// The loops of what can be reached from the entry.
    pub(super) fn new(shapes: &Arena<BlockId, Shape>, entry: BlockId) -> Self {
        let mut loops = Self::walk(shapes, entry);
        let mut predecessors: Arena<BlockId, Vec<BlockId>> = shapes.ids().map(|_| Vec::new()).collect();
        for block in &loops.postorder {
            for to in &shapes.at(*block).successors {
                predecessors.at_mut(*to).push(*block);
            }
        }
        for (from, head) in &loops.back_edges {
            loops.around.at_mut(*head).insert(*head);
            let mut open = vec![*from];
            while let Some(block) = open.pop() {
                if loops.around.at_mut(block).insert(*head) {
                    open.extend(predecessors.at(block));
                }
            }
        }
        loops
    }

    /// The blocks with which loops begin, each once.
    pub(super) fn heads(&self) -> BTreeSet<BlockId> {
        self.back_edges.iter().map(|(_, head)| *head).collect()
    }

    /// Goes through all blocks, depth first, and on to the last successor of each first.
    fn walk(shapes: &Arena<BlockId, Shape>, entry: BlockId) -> Self {
        let mut walk = Self {
            postorder: Vec::with_capacity(shapes.len()),
            back_edges: BTreeSet::new(),
            around: shapes.ids().map(|_| BTreeSet::new()).collect(),
        };
        let mut states: Arena<BlockId, State> = shapes.ids().map(|_| State::New).collect();
        *states.at_mut(entry) = State::Open;
        let mut open = vec![(entry, shapes.at(entry).successors.clone())];
        while let Some((block, rest)) = open.last_mut() {
            let block = *block;
            match rest.pop() {
                Some(to) => match *states.at(to) {
                    State::New => {
                        *states.at_mut(to) = State::Open;
                        open.push((to, shapes.at(to).successors.clone()));
                    }
                    State::Open => {
                        walk.back_edges.insert((block, to));
                    }
                    State::Done => {}
                },
                None => {
                    *states.at_mut(block) = State::Done;
                    walk.postorder.push(block);
                    open.pop();
                }
            }
        }
        walk
    }
}
