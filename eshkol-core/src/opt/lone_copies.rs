//! Takes a number for a copy of it that was to be kept apart, where nothing else uses the number.
//!
//! Before: `v1 = apart v0`, the only use of `v0`. After: every use of `v1` is one of `v0`.
//!
//! What the verifier sees: what it learns of the number by the tests of the copy it forgets with the copy, as the number is not used again. Where
//! a loop comes back to the copy with the same number, it is.

use std::collections::BTreeSet;

use super::uses::count_uses;
use crate::arena::Id as _;
use crate::ir::{Block, Cfg, Function, Inst, Op, Substitution, UnaryOp, Value, ValueDef};

/// Takes numbers for copies of them. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let mut copies = Vec::new();
    for block in function.blocks.ids() {
        let insts = &function.blocks.at(block).insts;
        copies.extend(insts.iter().filter_map(|inst| copied(function, *inst).map(|number| (number, block, *inst))));
    }
    if copies.is_empty() {
        return false;
    }
    let (cfg, uses) = (Cfg::new(function), count_uses(function));
    copies.retain(|(number, block, _)| {
        uses.get(number.index()) == Some(&1) && !comes_back(&cfg, *block, home(function, *number))
    });
    let mut replaced = Substitution::new();
    for (number, block, inst) in &copies {
        if let Some(copy) = function.insts.at(*inst).result {
            replaced.replace(copy, *number);
            function.blocks.at_mut(*block).insts.retain(|other| other != inst);
        }
    }
    replaced.apply(function);
    !copies.is_empty()
}

/// What an instruction copies.
fn copied(function: &Function, inst: Inst) -> Option<Value> {
    match function.insts.at(inst).op {
        Op::Unary(UnaryOp::Apart, number) => Some(number),
        _ => None,
    }
}

/// Where a value is made.
fn home(function: &Function, value: Value) -> Option<Block> {
    match function.values.at(value).def {
        ValueDef::Param(block, _) => Some(block),
        ValueDef::Inst(inst) => function.blocks.ids().find(|block| function.blocks.at(*block).insts.contains(&inst)),
    }
}

/// Whether a way leads from a block back to it, past another one.
fn comes_back(cfg: &Cfg, block: Block, past: Option<Block>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = if Some(block) == past { Vec::new() } else { cfg.predecessors(block).to_vec() };
    while let Some(before) = open.pop() {
        if before == block {
            return true;
        }
        if Some(before) != past && seen.insert(before) {
            open.extend(cfg.predecessors(before));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::*;

    #[test]
    fn the_only_use() {
        gives(
            run,
            "b0(v0, v1):
               v2 = apart v0
               v3 = apart v1
               v4 = add v2, v3
               v5 = add v4, v1
               return v5",
            "b0(v0, v1):
               v3 = apart v1
               v4 = add v0, v3
               v5 = add v4, v1
               return v5",
        );
    }

    #[test]
    fn the_same_number_in_every_round() {
        let text = "b0(v0):
               v1 = const 0
               jump b1(v1)
             b1(v2):
               v3 = apart v0
               v4 = add v2, v3
               branch below v4, v3 -> b1(v4), b2
             b2:
               return v4";
        gives(run, text, text);
        gives(
            run,
            "b0:
               v1 = const 0
               jump b1(v1)
             b1(v2):
               v3 = apart v2
               v4 = const 5
               branch below v3, v4 -> b1(v3), b2
             b2:
               return v3",
            "b0:
               v1 = const 0
               jump b1(v1)
             b1(v2):
               v4 = const 5
               branch below v2, v4 -> b1(v2), b2
             b2:
               return v2",
        );
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| run(function));
    }
}
