//! Removes what nothing needs: instructions that only make a value no one uses, and parameters likewise.
//!
//! Before: `v1 = neg v0; return v0`. After: `return v0`.
//!
//! Values that only need each other round a loop go, too: a value is kept only if a store, a call, a comparison or a return
//! needs it, directly or by way of others.
//!
//! What the verifier sees: less. A load that goes was not needed to prove anything, since checks are branches, and
//! those stay.

use crate::arena::Id as _;
use crate::ir::{Function, Terminator, Value, ValueDef, redundant_params};

/// Removes it. Whether there was any.
pub(super) fn run(function: &mut Function) -> bool {
    let live = live_values(function);
    let is_live = |value: Value| live.get(value.index()) == Some(&true);
    let mut changed = false;
    for block in function.blocks.ids() {
        let mut insts = std::mem::take(&mut function.blocks.at_mut(block).insts);
        let before = insts.len();
        insts.retain(|inst| {
            let data = function.insts.at(*inst);
            !data.op.is_removable() || data.result.is_some_and(is_live)
        });
        changed |= insts.len() != before;
        function.blocks.at_mut(block).insts = insts;
    }
    let entry = function.entry;
    let params = || function.blocks.iter().filter(|(block, _)| *block != entry).flat_map(|(_, data)| &data.params);
    if params().all(|param| is_live(*param)) {
        return changed;
    }
    let kept = function.blocks.at(entry).params.clone();
    redundant_params::remove(function, |param| !is_live(param) && !kept.contains(&param));
    true
}

fn live_values(function: &Function) -> Vec<bool> {
    let mut incoming: Vec<Vec<Value>> = vec![Vec::new(); function.values.len()];
    let mut work = Vec::new();
    for data in function.blocks.values() {
        for inst in &data.insts {
            let inst = function.insts.at(*inst);
            if !inst.op.is_removable() {
                inst.op.for_each_operand(|value| work.push(value));
            }
        }
        match &data.terminator {
            Terminator::Branch { lhs, rhs, .. } => work.extend([*lhs, *rhs]),
            Terminator::Return(value) => work.push(*value),
            Terminator::Jump(_) => {}
        }
        for target in data.terminator.targets() {
            for (param, argument) in function.blocks.at(target.block).params.iter().zip(&target.arguments) {
                if let Some(arguments) = incoming.get_mut(param.index()) {
                    arguments.push(*argument);
                }
            }
        }
    }
    let mut live = vec![false; function.values.len()];
    while let Some(value) = work.pop() {
        match live.get_mut(value.index()) {
            Some(flag) if !*flag => *flag = true,
            _ => continue,
        }
        match function.values.at(value).def {
            ValueDef::Inst(inst) => function.insts.at(inst).op.for_each_operand(|value| work.push(value)),
            ValueDef::Param(..) => work.extend(incoming.get(value.index()).into_iter().flatten()),
        }
    }
    live
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::*;

    #[test]
    fn values_that_only_need_each_other_go() {
        gives(
            run,
            "b0(v0, v1: packet):
               v2 = const 1
               v3 = load.4 v1 + 0
               jump b1(v2, v3)
             b1(v4, v5):
               v6 = add v4, v2
               v7 = add v5, v6
               branch below v4, v0 -> b1(v6, v7), b2
             b2:
               return v4",
            "b0(v0, v1: packet):
               v2 = const 1
               jump b1(v2)
             b1(v4):
               v6 = add v4, v2
               branch below v4, v0 -> b1(v6), b2
             b2:
               return v4",
        );
    }

    #[test]
    fn calls_and_stores_stay() {
        let text = "slot s0 size 8 align 8
             b0(v0):
               v1: stack = slot s0
               store.8 v1 + 0, v0
               v2 = helper 5()
               v3 = atomic-add.8 v1 + 0, v0
               return v0";
        gives(run, text, text);
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| run(function));
    }
}
