//! Which values of a function in SSA are read after a block.

use std::collections::BTreeSet;

use crate::arena::Arena;
use crate::ir::{Block, Cfg, Function, Value};

/// The values live at the end of each block. Arguments of a jump are read in the block that jumps.
#[derive(Debug)]
pub(super) struct Liveness {
    live_out: Arena<Block, BTreeSet<Value>>,
}

impl Liveness {
    /// Looks at a function: from every use, marks the way back to the definition.
    pub(super) fn new(function: &Function, cfg: &Cfg) -> Self {
        let mut home: Arena<Value, Option<Block>> = function.values.ids().map(|_| None).collect();
        for block in cfg.reverse_post_order() {
            let data = function.blocks.at(*block);
            let results = data.insts.iter().filter_map(|inst| function.insts.at(*inst).result);
            for value in data.params.iter().copied().chain(results) {
                *home.at_mut(value) = Some(*block);
            }
        }
        let mut live_out: Arena<Block, BTreeSet<Value>> = function.blocks.ids().map(|_| BTreeSet::new()).collect();
        for block in cfg.reverse_post_order() {
            let data = function.blocks.at(*block);
            let mut mark = |value: Value| {
                let home = *home.at(value);
                let mut entered = vec![*block];
                while let Some(block) = entered.pop() {
                    if home.is_none_or(|home| home == block) {
                        continue;
                    }
                    for predecessor in cfg.predecessors(block) {
                        if live_out.at_mut(*predecessor).insert(value) {
                            entered.push(*predecessor);
                        }
                    }
                }
            };
            for inst in &data.insts {
                function.insts.at(*inst).op.for_each_operand(&mut mark);
            }
            data.terminator.for_each_operand(&mut mark);
        }
        Self { live_out }
    }

    /// The values that are read after the end of a block.
    pub(super) fn live_out(&self, block: Block) -> &BTreeSet<Value> {
        self.live_out.at(block)
    }
}
