//! Removes parameters of blocks that are always the same value.
//!
//! Before: `jump b2(v1)` and `jump b2(v1)` to `b2(v5): return v5`. After: `jump b2`, twice, to `b2: return v1`.
//!
//! The value of a parameter that gets only itself and one other value dominates the block: every path to the block
//! passes an edge that uses it. Parameters of the entry stay, since they are the function's.
//!
//! What the verifier sees: nothing changes; a parameter is a move at most.

use super::cfg::Cfg;
use super::substitution::Substitution;
use super::{Block, Function, Value, ValueDef};
use crate::arena::Arena;

/// Removes them. Whether there were any.
pub fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let mut changed = false;
    loop {
        let found = find(function, &cfg);
        if found.is_empty() {
            return changed;
        }
        changed = true;
        found.apply(function);
        remove(function, |value| found.replaces(value));
    }
}

fn find(function: &Function, cfg: &Cfg) -> Substitution {
    let mut found = Substitution::new();
    for block in cfg.reverse_post_order().iter().filter(|block| **block != function.entry) {
        for (position, param) in function.blocks.at(*block).params.iter().enumerate() {
            if let Some(value) = only_argument(function, cfg, *block, position, *param, &found) {
                found.replace(*param, value);
            }
        }
    }
    found
}

fn only_argument(
    function: &Function,
    cfg: &Cfg,
    block: Block,
    position: usize,
    param: Value,
    found: &Substitution,
) -> Option<Value> {
    let mut only = None;
    for predecessor in cfg.predecessors(block) {
        for target in function.blocks.at(*predecessor).terminator.targets() {
            if target.block != block {
                continue;
            }
            let argument = found.resolve(*target.arguments.get(position)?);
            if argument != param && *only.get_or_insert(argument) != argument {
                return None;
            }
        }
    }
    // A number may be given for an absent pointer; it can't take the pointer's place.
    only.filter(|value| function.value_type(*value) == function.value_type(param))
}

/// Takes out the parameters for which `gone` holds, and the arguments for them.
pub fn remove(function: &mut Function, gone: impl Fn(Value) -> bool) {
    let kept: Arena<Block, Vec<bool>> =
        function.blocks.values().map(|block| block.params.iter().map(|param| !gone(*param)).collect()).collect();
    for block in function.blocks.ids() {
        let data = function.blocks.at_mut(block);
        if kept.at(block).contains(&false) {
            data.params.retain(|param| !gone(*param));
            for (position, param) in (0..).zip(&data.params) {
                function.values.at_mut(*param).def = ValueDef::Param(block, position);
            }
        }
        for target in data.terminator.targets_mut() {
            let mut flags = kept.at(target.block).iter();
            target.arguments.retain(|_| flags.next().copied().unwrap_or(true));
        }
    }
}
