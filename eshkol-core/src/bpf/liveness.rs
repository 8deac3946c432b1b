//! Which values of a function in SSA are read after a block, and which must outlive a call.

use std::collections::{BTreeMap, BTreeSet};

use crate::arena::Arena;
use crate::ir::{Block, Cfg, Function, Op, Value};

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

    /// The values that are read after a call which they were made before, each with the most such values that there are
    /// at one of those calls. Constants and addresses of slots are left out: they are made again.
    pub(super) fn across_calls(&self, function: &Function, cfg: &Cfg) -> BTreeMap<Value, usize> {
        let mut across: BTreeMap<Value, usize> = BTreeMap::new();
        for block in cfg.reverse_post_order() {
            let data = function.blocks.at(*block);
            let mut live = self.live_out(*block).clone();
            data.terminator.for_each_operand(|value| {
                live.insert(value);
            });
            for inst in data.insts.iter().rev() {
                let inst = function.insts.at(*inst);
                if let Some(result) = inst.result {
                    live.remove(&result);
                }
                if matches!(inst.op, Op::CallHelper { .. } | Op::CallFunction { .. }) {
                    let kept = || live.iter().filter(|value| !is_made_again(function, **value));
                    let count = kept().count();
                    for value in kept() {
                        let most = across.entry(*value).or_default();
                        *most = count.max(*most);
                    }
                }
                inst.op.for_each_operand(|value| {
                    live.insert(value);
                });
            }
        }
        across
    }
}

fn is_made_again(function: &Function, value: Value) -> bool {
    matches!(
        function.defining_op(value),
        Some(Op::Const(_) | Op::SlotAddress(_) | Op::Map(_) | Op::FunctionAddress(_) | Op::GlobalAddress { .. })
    )
}
