//! Keeps one of several blocks that do the same.
//!
//! Before: `branch below v0, v1 -> b1, b2` with `b1: v2 = const 2; return v2` and `b2: v3 = const 2; return v3`.
//! After: `branch below v0, v1 -> b1, b1`, which is a jump.
//!
//! The blocks have no parameters, and nothing outside them uses what they make. Jumps to the later one go to the first, in
//! reverse post order.
//!
//! What the verifier sees: the same instructions on every path, and ways that meet earlier, where it can stop following one
//! that it has seen from the other.

use rustc_hash::FxHashMap;

use crate::arena::Id as _;
use crate::ir::{Block, Cfg, Condition, Function, Op, Terminator, Value, ValueType, Width};

/// Leads jumps to the block that is kept. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let local = locally_used(function, &cfg);
    // Looked up, never iterated over.
    let mut seen: FxHashMap<Shape, Block> = FxHashMap::default();
    let mut kept: Vec<(Block, Block)> = Vec::new();
    for block in cfg.reverse_post_order() {
        if let Some(shape) = shape(function, *block, &local) {
            match seen.get(&shape) {
                Some(first) => kept.push((*block, *first)),
                None => {
                    seen.insert(shape, *block);
                }
            }
        }
    }
    for block in function.blocks.ids() {
        for target in function.blocks.at_mut(block).terminator.targets_mut() {
            if let Some((_, first)) = kept.iter().find(|(same, _)| *same == target.block) {
                target.block = *first;
            }
        }
    }
    !kept.is_empty()
}

/// Which values only the block uses that makes them.
fn locally_used(function: &Function, cfg: &Cfg) -> Vec<bool> {
    let mut home: Vec<Option<Block>> = vec![None; function.values.len()];
    for block in cfg.reverse_post_order() {
        for inst in &function.blocks.at(*block).insts {
            if let Some(place) = function.insts.at(*inst).result.and_then(|value| home.get_mut(value.index())) {
                *place = Some(*block);
            }
        }
    }
    let mut local = vec![true; function.values.len()];
    for block in cfg.reverse_post_order() {
        let mut used = |value: Value| {
            if home.get(value.index()) != Some(&Some(*block))
                && let Some(flag) = local.get_mut(value.index())
            {
                *flag = false;
            }
        };
        let data = function.blocks.at(*block);
        for inst in &data.insts {
            function.insts.at(*inst).op.for_each_operand(&mut used);
        }
        data.terminator.for_each_operand(&mut used);
    }
    local
}

/// What a block does, with the values it makes named by their position.
#[derive(PartialEq, Eq, Hash)]
struct Shape {
    insts: Vec<(Op, Option<ValueType>)>,
    end: End,
}

#[derive(PartialEq, Eq, Hash)]
enum End {
    Jump((Block, Vec<Value>)),
    Branch(Condition, Width, Value, Value, (Block, Vec<Value>), (Block, Vec<Value>)),
    Return(Value),
}

fn shape(function: &Function, block: Block, local: &[bool]) -> Option<Shape> {
    let data = function.blocks.at(block);
    if block == function.entry || !data.params.is_empty() {
        return None;
    }
    let mut made: Vec<(Value, Value)> = Vec::new();
    // No function has that many values, so positions from the end are no values.
    let rename = |made: &[(Value, Value)], value: &mut Value| {
        if let Some((_, name)) = made.iter().find(|(made, _)| made == value) {
            *value = *name;
        }
    };
    let mut insts = Vec::new();
    for (position, inst) in data.insts.iter().enumerate() {
        let inst = function.insts.at(*inst);
        let mut op = inst.op.clone();
        op.for_each_operand_mut(|value| rename(&made, value));
        if let Some(result) = inst.result {
            if local.get(result.index()) != Some(&true) {
                return None;
            }
            made.push((result, Value::new(u32::MAX as usize - position)));
        }
        insts.push((op, inst.result.map(|result| function.value_type(result))));
    }
    let mut terminator = data.terminator.clone();
    terminator.for_each_operand_mut(|value| rename(&made, value));
    let end = match terminator {
        Terminator::Jump(target) => End::Jump((target.block, target.arguments)),
        Terminator::Branch { condition, width, lhs, rhs, then, otherwise } => End::Branch(
            condition,
            width,
            lhs,
            rhs,
            (then.block, then.arguments),
            (otherwise.block, otherwise.arguments),
        ),
        Terminator::Return(value) => End::Return(value),
    };
    Some(Shape { insts, end })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::super::{control_flow, dead_code, thread_jumps};
    use super::*;

    #[test]
    fn returns_of_the_same_number() {
        gives(
            |function| run(function) | control_flow::run(function),
            "b0(v0, v1, v2: packet):
               branch below v0, v1 -> b1, b2
             b1:
               v3 = const 2
               v4 = load.1 v2 + 0
               v5 = add v3, v4
               return v5
             b2:
               v6 = const 2
               v7 = load.1 v2 + 0
               branch equal v7, v0 -> b3, b4
             b3:
               v8 = const 2
               v9 = load.1 v2 + 0
               v10 = add v8, v9
               return v10
             b4:
               v11 = const 2
               return v11",
            "b0(v0, v1, v2: packet):
               branch below v0, v1 -> b1, b2
             b1:
               v3 = const 2
               v4 = load.1 v2 + 0
               v5 = add v3, v4
               return v5
             b2:
               v6 = const 2
               v7 = load.1 v2 + 0
               branch equal v7, v0 -> b1, b4
             b4:
               v11 = const 2
               return v11",
        );
    }

    #[test]
    fn what_is_used_outside_stays_apart() {
        let text = "b0(v0, v1):
               branch below v0, v1 -> b1, b2
             b1:
               v3 = neg v0
               branch below v1, v3 -> b3, b4
             b2:
               v4 = neg v0
               branch below v1, v4 -> b3, b4
             b3:
               return v0
             b4:
               return v1";
        gives(
            |function| run(function) | control_flow::run(function),
            text,
            "b0(v0, v1):
               v3 = neg v0
               branch below v1, v3 -> b3, b4
             b3:
               return v0
             b4:
               return v1",
        );
        let text = "b0(v0, v1):
               branch below v0, v1 -> b1, b2
             b1:
               v3 = neg v0
               branch below v1, v3 -> b3, b5
             b2:
               v4 = neg v0
               branch below v1, v4 -> b4, b5
             b3:
               return v3
             b4:
               return v4
             b5:
               return v1";
        gives(run, text, text);
    }

    #[test]
    fn a_later_round_does_not_take_the_place_of_the_first() {
        let text = "b0(v0):
               jump b1
             b1:
               v1 = helper 5()
               branch below v1, v0 -> b2, b3
             b2:
               v2 = helper 9999(v1)
               branch below v2, v0 -> b4, b3
             b4:
               v3 = helper 5()
               branch below v3, v0 -> b2, b3
             b3:
               return v0";
        gives(run, text, text);
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, endianness| {
            let changed = thread_jumps::run(function, endianness) | dead_code::run(function);
            run(function) | control_flow::run(function) | changed
        });
    }
}
