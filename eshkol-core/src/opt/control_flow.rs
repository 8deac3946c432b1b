//! Simplifies the control-flow graph.
//!
//! * Constant branches, and branches whose two ways are the same, become jumps.
//!   Before: `branch equal 1, 1 -> b1, b2`. After: `jump b1`.
//! * An empty block that only jumps on is jumped over.
//!   Before: `jump b1(v1)` with `b1(v2): jump b2(v2)`. After: `jump b2(v1)`.
//! * A jump to a block that only returns returns itself.
//!   Before: `jump b1(v1)` with `b1(v2): return v2`. After: `return v1`.
//! * A block and the only block that jumps to it become one.
//! * What can't be reached is emptied; parameters that are always the same value go.
//!
//! What the verifier sees: the same instructions on every path, with fewer jumps between.

use crate::arena::{Arena, Id as _};
use crate::ir::{Cfg, Function, Substitution, Target, Terminator, Value, evaluate, redundant_params};

/// Simplifies until nothing is left to do. Whether anything changed.
pub(super) fn run(function: &mut Function) -> bool {
    let mut changed = false;
    loop {
        let mut again = decide_branches(function);
        again |= skip_empty_blocks(function);
        again |= clear_unreachable_blocks(function);
        again |= redundant_params::run(function);
        again |= merge_blocks(function);
        if !again {
            return changed;
        }
        changed = true;
    }
}

fn decide_branches(function: &mut Function) -> bool {
    let mut changed = false;
    for block in function.blocks.ids() {
        let Terminator::Branch { condition, width, lhs, rhs, then, otherwise } = &function.blocks.at(block).terminator
        else {
            continue;
        };
        let holds = match (function.constant(*lhs), function.constant(*rhs)) {
            (Some(lhs), Some(rhs)) => evaluate::condition(*condition, *width, lhs.cast_unsigned(), rhs.cast_unsigned()),
            _ if then == otherwise => true,
            _ => continue,
        };
        let target = if holds { then } else { otherwise }.clone();
        function.blocks.at_mut(block).terminator = Terminator::Jump(target);
        changed = true;
    }
    changed
}

/// Where jumps to a block may go instead.
enum Shortcut {
    Jump(Target),
    Return(Value),
}

fn skip_empty_blocks(function: &mut Function) -> bool {
    let shortcuts = shortcuts(function);
    let mut changed = false;
    for block in function.blocks.ids() {
        let mut terminator = function.blocks.at(block).terminator.clone();
        let mut skipped = false;
        for target in terminator.targets_mut() {
            // A ring of empty blocks has no end.
            for _ in 0..function.blocks.len() {
                let Some(Shortcut::Jump(next)) = shortcuts.at(target.block) else { break };
                if next.block == target.block || next.block == block && function.blocks.at(block).insts.is_empty() {
                    break;
                }
                *target = bind(function, target, next);
                skipped = true;
            }
        }
        if let Terminator::Jump(target) = &terminator
            && let Some(Shortcut::Return(value)) = shortcuts.at(target.block)
        {
            let value = bind_value(function, target, *value);
            terminator = Terminator::Return(value);
            skipped = true;
        }
        if skipped {
            function.blocks.at_mut(block).terminator = terminator;
            changed = true;
        }
    }
    changed
}

fn shortcuts(function: &Function) -> Arena<crate::ir::Block, Option<Shortcut>> {
    // Values that something other than the terminator of the block whose parameter they are uses.
    let mut used = vec![false; function.values.len()];
    let mut mark = |value: Value| {
        if let Some(flag) = used.get_mut(value.index()) {
            *flag = true;
        }
    };
    for data in function.blocks.values() {
        for inst in &data.insts {
            function.insts.at(*inst).op.for_each_operand(&mut mark);
        }
        data.terminator.for_each_operand(|value| {
            if !data.params.contains(&value) {
                mark(value);
            }
        });
    }
    let shortcut = |(block, data): (crate::ir::Block, &crate::ir::BlockData)| {
        let local = data.params.iter().all(|param| used.get(param.index()) == Some(&false));
        if block == function.entry || !data.insts.is_empty() || !local {
            return None;
        }
        match &data.terminator {
            Terminator::Jump(target) if target.block != block => Some(Shortcut::Jump(target.clone())),
            Terminator::Return(value) => Some(Shortcut::Return(*value)),
            _ => None,
        }
    };
    function.blocks.iter().map(shortcut).collect()
}

/// `next`, which is the way on from the block of `target`, with that block's parameters bound.
fn bind(function: &Function, target: &Target, next: &Target) -> Target {
    let arguments = next.arguments.iter().map(|value| bind_value(function, target, *value)).collect();
    Target::new(next.block, arguments)
}

fn bind_value(function: &Function, target: &Target, value: Value) -> Value {
    let params = &function.blocks.at(target.block).params;
    let position = params.iter().position(|param| *param == value);
    position.and_then(|position| target.arguments.get(position)).copied().unwrap_or(value)
}

fn clear_unreachable_blocks(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let mut changed = false;
    for block in function.blocks.ids().filter(|block| !cfg.is_reachable(*block)) {
        let cleared = Terminator::Jump(Target::new(block, Vec::new()));
        let data = function.blocks.at_mut(block);
        if data.insts.is_empty() && data.params.is_empty() && data.terminator == cleared {
            continue;
        }
        data.insts.clear();
        data.params.clear();
        data.terminator = cleared;
        changed = true;
    }
    changed
}

fn merge_blocks(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let mut changed = false;
    let mut bound = Substitution::new();
    for block in cfg.reverse_post_order() {
        while let Terminator::Jump(target) = &function.blocks.at(*block).terminator {
            let next = target.block;
            if next == *block || next == function.entry || cfg.predecessors(next).len() != 1 {
                break;
            }
            let arguments = target.arguments.clone();
            let data = function.blocks.at_mut(next);
            let params = std::mem::take(&mut data.params);
            let insts = std::mem::take(&mut data.insts);
            let terminator = std::mem::replace(&mut data.terminator, Terminator::Jump(Target::new(next, Vec::new())));
            let span = data.span;
            for (param, argument) in params.into_iter().zip(arguments) {
                bound.replace(param, argument);
            }
            let data = function.blocks.at_mut(*block);
            data.insts.extend(insts);
            data.terminator = terminator;
            data.span = span;
            changed = true;
        }
    }
    bound.apply(function);
    changed
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::*;

    #[test]
    fn constant_branches_and_what_becomes_unreachable() {
        gives(
            run,
            "b0(v0):
               v1 = const 3
               branch below v1, v1 -> b1, b2(v0, v1)
             b1:
               v2 = neg v0
               jump b2(v2, v1)
             b2(v3, v4):
               v5 = add v3, v4
               return v5",
            "b0(v0):
               v1 = const 3
               v5 = add v0, v1
               return v5",
        );
    }

    #[test]
    fn empty_blocks_are_jumped_over() {
        gives(
            run,
            "b0(v0, v1):
               branch below v0, v1 -> b1(v0), b2(v1)
             b1(v2):
               jump b3(v2)
             b2(v3):
               jump b3(v3)
             b3(v4):
               v5 = neg v4
               jump b4(v5)
             b4(v6):
               return v6",
            "b0(v0, v1):
               branch below v0, v1 -> b3(v0), b3(v1)
             b3(v4):
               v5 = neg v4
               return v5",
        );
    }

    #[test]
    fn jumps_to_returns_return() {
        gives(
            run,
            "b0(v0, v1):
               branch below v0, v1 -> b1, b2
             b1:
               v2 = neg v0
               jump b3(v2)
             b2:
               v3 = neg v1
               jump b3(v3)
             b3(v4):
               return v4",
            "b0(v0, v1):
               branch below v0, v1 -> b1, b2
             b1:
               v2 = neg v0
               return v2
             b2:
               v3 = neg v1
               return v3",
        );
    }

    #[test]
    fn a_ring_of_empty_blocks_is_no_trap() {
        let text = "b0(v0):
               branch equal v0, v0 -> b1, b2
             b1:
               return v0
             b2:
               jump b3
             b3:
               jump b2";
        let mut function = crate::ir::parse(text).unwrap();
        run(&mut function);
        assert!(function.to_string().contains("-> b1, b2"), "{function}");
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| run(function));
    }
}
