//! Uses a value that was already made, instead of making it again.
//!
//! Before: `v2 = add v0, v1` and, where that has been, `v3 = add v0, v1`. After: every use of `v3` is one of `v2`.
//!
//! Loads of the context count, too, as long as nothing between may have changed it: a helper that moves the packet ends
//! what was loaded before, so that the pointers before and after it are never taken for each other.
//!
//! What the verifier sees: fewer values, so that what it learns from a test of one holds for all that are equal to it.

use rustc_hash::FxHashMap;

use super::effects::changes_context;
use crate::arena::Arena;
use crate::ir::{ArithmeticOp, Block, Cfg, Dominators, Function, Inst, Op, Substitution, UnaryOp, Value, ValueType};

/// Replaces values made twice. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    let versions = context_versions(function, &cfg);
    // Looked up, never iterated over.
    let mut made: FxHashMap<(Op, ValueType, Option<Version>), (Value, Block)> = FxHashMap::default();
    let mut replaced = Substitution::new();
    let mut changed = false;
    for block in dominators.preorder() {
        let mut version = *versions.at(*block);
        let insts = std::mem::take(&mut function.blocks.at_mut(*block).insts);
        let mut kept = Vec::with_capacity(insts.len());
        for inst in insts {
            let mut op = function.insts.at(inst).op.clone();
            op.for_each_operand_mut(|value| *value = replaced.resolve(*value));
            sort_operands(&mut op);
            if changes_context(function, &op) {
                version = Some(Version::After(inst));
            }
            let key_version = match &op {
                Op::Load { base, .. } if function.value_type(*base) == ValueType::Context => Some(version),
                // Copies that are to be apart from each other as well.
                Op::Unary(UnaryOp::Apart, _) => None,
                op if op.is_pure() => Some(None),
                _ => None,
            };
            if let (Some(key_version), Some(result)) = (key_version, function.insts.at(inst).result) {
                let key = (op, function.value_type(result), key_version);
                match made.get(&key) {
                    Some((value, before)) if dominators.dominates(*before, *block) => {
                        replaced.replace(result, *value);
                        changed = true;
                        continue;
                    }
                    _ => {
                        made.insert(key, (result, *block));
                    }
                }
            }
            kept.push(inst);
        }
        function.blocks.at_mut(*block).insts = kept;
    }
    replaced.apply(function);
    changed
}

/// Where the order of the operands does not matter, the smaller comes first; pointers stay on the left.
fn sort_operands(op: &mut Op) {
    if let Op::Binary(ArithmeticOp::Mul | ArithmeticOp::And | ArithmeticOp::Or | ArithmeticOp::Xor, _, lhs, rhs) = op
        && lhs > rhs
    {
        std::mem::swap(lhs, rhs);
    }
}

/// A state of the context: it is what it was after an instruction, or at the start of a block where different states meet.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
enum Version {
    Start,
    After(Inst),
    Meet(Block),
}

/// In which state the context is at the start of each block that can be reached.
fn context_versions(function: &Function, cfg: &Cfg) -> Arena<Block, Option<Version>> {
    let changes: Arena<Block, Option<Inst>> = function
        .blocks
        .values()
        .map(|data| {
            data.insts.iter().rev().find(|inst| changes_context(function, &function.insts.at(**inst).op)).copied()
        })
        .collect();
    let mut starts: Arena<Block, Option<Version>> = function.blocks.ids().map(|_| None).collect();
    *starts.at_mut(function.entry) = Some(Version::Start);
    let mut changed = true;
    while changed {
        changed = false;
        for block in cfg.reverse_post_order().iter().skip(1) {
            let end = |before: &Block| changes.at(*before).map(Version::After).or(*starts.at(*before));
            let mut ends = cfg.predecessors(*block).iter().filter_map(end);
            let first = ends.next();
            let version = if ends.all(|end| Some(end) == first) { first } else { Some(Version::Meet(*block)) };
            // What has been found to meet stays so: states only become more.
            let old = *starts.at(*block);
            if old != version && old != Some(Version::Meet(*block)) {
                *starts.at_mut(*block) = version;
                changed = true;
            }
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential_on, gives};
    use super::*;

    #[test]
    fn values_made_twice() {
        gives(
            run,
            "b0(v0, v1):
               v2 = const 5
               v3 = mul v0, v1
               branch below v0, v1 -> b1, b2
             b1:
               v4 = const 5
               v5 = mul v1, v0
               v6 = add v5, v4
               return v6
             b2:
               v7 = add v3, v2
               v8 = mul.32 v0, v1
               v9 = add v7, v8
               return v9",
            "b0(v0, v1):
               v2 = const 5
               v3 = mul v0, v1
               branch below v0, v1 -> b1, b2
             b1:
               v6 = add v3, v2
               return v6
             b2:
               v7 = add v3, v2
               v8 = mul.32 v0, v1
               v9 = add v7, v8
               return v9",
        );
    }

    #[test]
    fn the_context_until_the_packet_moves() {
        gives(
            run,
            "b0(v0: context):
               v1: packet = load.4 v0 + 0
               v2: packet = load.4 v0 + 0
               v3 = load.4 v0 + 0
               v4 = load.1 v2 + 0
               v5 = helper 5()
               v6: packet = load.4 v0 + 0
               store.1 v6 + 1, v3
               branch below v4, v5 -> b1, b2
             b1:
               v7 = helper 44(v0, v4)
               v8: packet = load.4 v0 + 0
               store.1 v8 + 2, v7
               jump b2
             b2:
               v9: packet = load.4 v0 + 0
               store.1 v9 + 3, v4
               return v4",
            "b0(v0: context):
               v1: packet = load.4 v0 + 0
               v3 = load.4 v0 + 0
               v4 = load.1 v1 + 0
               v5 = helper 5()
               store.1 v1 + 1, v3
               branch below v4, v5 -> b1, b2
             b1:
               v7 = helper 44(v0, v4)
               v8: packet = load.4 v0 + 0
               store.1 v8 + 2, v7
               jump b2
             b2:
               v9: packet = load.4 v0 + 0
               store.1 v9 + 3, v4
               return v4",
        );
    }

    #[test]
    fn a_loop_that_moves_the_packet() {
        let text = "b0(v0: context):
               v1: packet = load.4 v0 + 0
               v2 = load.1 v1 + 0
               jump b1
             b1:
               v3: packet = load.4 v0 + 0
               v4 = load.1 v3 + 0
               v5 = helper 44(v0, v4)
               branch below v5, v2 -> b1, b2
             b2:
               return v4";
        gives(run, text, text);
    }

    #[test]
    fn nothing_else_changes() {
        differential_on(0..300, |function, _| run(function));
    }
}
