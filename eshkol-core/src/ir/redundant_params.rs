//! Removes parameters of blocks that are always the same value.
//!
//! Before: `jump b2(v1)` and `jump b2(v1)` to `b2(v5): return v5`. After: `jump b2()`, twice, to `b2(): return v1`.
//!
//! The value of a parameter that gets only itself and one other value dominates the block: every path to the block
//! passes an edge that uses it. Parameters of the entry stay, since they are the function's.
//!
//! What the verifier sees: nothing changes; a parameter is a move at most.

use super::cfg::Cfg;
use super::{Block, Function, Value};
use crate::arena::Arena;

/// Removes them. Whether there were any.
pub fn run(function: &mut Function) -> bool {
    let mut changed = false;
    while let Some(replacements) = find(function) {
        changed = true;
        let resolve = |mut value: Value| {
            while let Some(next) = replacements.get(value).copied().flatten() {
                value = next;
            }
            value
        };
        function.rewrite_uses(resolve);
        remove(function, &|value| replacements.get(value).copied().flatten().is_some());
    }
    changed
}

/// For each value, what it can be replaced by. Chains of replacements have no cycle: the replacement is found with the
/// earlier ones already applied.
fn find(function: &Function) -> Option<Arena<Value, Option<Value>>> {
    let cfg = Cfg::new(function);
    let mut replacements: Arena<Value, Option<Value>> = function.values.ids().map(|_| None).collect();
    let mut found = false;
    for block in cfg.reverse_post_order() {
        if *block == function.entry {
            continue;
        }
        for (position, param) in function.blocks.at(*block).params.iter().enumerate() {
            let resolve = |mut value: Value| {
                while let Some(next) = replacements.get(value).copied().flatten() {
                    value = next;
                }
                value
            };
            let mut only = None;
            let mut same = true;
            for predecessor in cfg.predecessors(*block) {
                for target in function.blocks.at(*predecessor).terminator.targets() {
                    if target.block != *block {
                        continue;
                    }
                    let argument = target.arguments.get(position).map(|value| resolve(*value));
                    match argument {
                        Some(value) if value == *param || Some(value) == only => {}
                        Some(value) if only.is_none() => only = Some(value),
                        _ => same = false,
                    }
                }
            }
            if let (true, Some(value)) = (same, only) {
                *replacements.at_mut(*param) = Some(value);
                found = true;
            }
        }
    }
    found.then_some(replacements)
}

/// Takes out the parameters for which `gone` holds, and the arguments for them.
pub(crate) fn remove(function: &mut Function, gone: &dyn Fn(Value) -> bool) {
    let kept: Arena<Block, Vec<bool>> =
        function.blocks.values().map(|block| block.params.iter().map(|param| !gone(*param)).collect()).collect();
    for block in function.blocks.ids() {
        if kept.at(block).contains(&false) {
            let params = std::mem::take(&mut function.blocks.at_mut(block).params);
            let params: Vec<Value> = params.into_iter().filter(|param| !gone(*param)).collect();
            for (position, param) in (0..).zip(&params) {
                function.values.at_mut(*param).def = super::ValueDef::Param(block, position);
            }
            function.blocks.at_mut(block).params = params;
        }
        for target in function.blocks.at_mut(block).terminator.targets_mut() {
            let mut flags = kept.at(target.block).iter();
            target.arguments.retain(|_| flags.next().copied().unwrap_or(true));
        }
    }
}
