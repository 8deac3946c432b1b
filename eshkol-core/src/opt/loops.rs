//! Natural loops.

use std::collections::BTreeSet;

use crate::ir::{Block, Cfg, Dominators, Function};

/// A loop: every way into it leads through its head.
pub(super) struct NaturalLoop {
    pub(super) head: Block,
    /// Its blocks, the head among them.
    pub(super) inside: BTreeSet<Block>,
    /// From where it goes back to the head.
    pub(super) latches: Vec<Block>,
}

/// The loops of a function, by their heads.
pub(super) fn natural_loops(function: &Function, cfg: &Cfg) -> Vec<NaturalLoop> {
    let dominators = Dominators::new(function, cfg);
    let mut heads = cfg.reverse_post_order().to_vec();
    heads.sort_unstable();
    let found = heads.into_iter().filter_map(|head| {
        let goes_back = |from: &Block| dominators.dominates(head, *from);
        let latches: Vec<Block> = cfg.predecessors(head).iter().copied().filter(goes_back).collect();
        let mut inside = BTreeSet::from([head]);
        let mut open = latches.clone();
        while let Some(block) = open.pop() {
            if inside.insert(block) {
                open.extend(cfg.predecessors(block));
            }
        }
        (!latches.is_empty()).then_some(NaturalLoop { head, inside, latches })
    });
    found.collect()
}
