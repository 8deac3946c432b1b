//! Gives absent pointers their type, so that a parameter and its arguments always agree and can stand for each other.
//!
//! Before: `v1 = const 0; jump b1(v1)` to `b1(v2: packet)`. After: `v1 = const 0; v3: packet = const 0; jump b1(v3)`.
//!
//! What the verifier sees: the same number 0.

use crate::ir::{Function, InstData, Op, Value, ValueData, ValueDef, ValueType};

/// Gives them their types. Whether any lacked it.
pub(super) fn run(function: &mut Function) -> bool {
    let mut changed = false;
    for block in function.blocks.ids() {
        let mut terminator = function.blocks.at(block).terminator.clone();
        let mut made: Vec<(ValueType, Value)> = Vec::new();
        for target in terminator.targets_mut() {
            for (position, argument) in target.arguments.iter_mut().enumerate() {
                let Some(param) = function.blocks.at(target.block).params.get(position) else { continue };
                let ty = function.value_type(*param);
                // A pointer may also go where one of several regions is expected.
                if function.value_type(*argument) == ty || function.value_type(*argument) != ValueType::Int {
                    continue;
                }
                let value = match made.iter().find(|(made, _)| *made == ty) {
                    Some((_, value)) => *value,
                    None => {
                        let inst = function.insts.next_id();
                        let value = function.values.push(ValueData { ty, def: ValueDef::Inst(inst) });
                        let span = function.blocks.at(block).span;
                        function.insts.push(InstData { op: Op::Const(0), result: Some(value), span });
                        function.blocks.at_mut(block).insts.push(inst);
                        made.push((ty, value));
                        value
                    }
                };
                *argument = value;
            }
        }
        if !made.is_empty() {
            function.blocks.at_mut(block).terminator = terminator;
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::*;

    #[test]
    fn a_pointer_for_one_into_any_memory() {
        let text = "slot s0 size 8 align 8
             b0(v0):
               v1: stack = slot s0
               branch equal v0, v0 -> b1(v1), b1(v1)
             b1(v2: memory):
               v3 = load.8 v2 + 0
               return v3";
        gives(run, text, text);
    }

    #[test]
    fn a_number_for_a_pointer() {
        gives(
            run,
            "b0(v0, v1: packet):
               v2 = const 0
               branch equal v0, v2 -> b1(v2, v1, v2), b1(v0, v2, v2)
             b1(v3, v4: packet, v5: packet):
               return v3",
            "b0(v0, v1: packet):
               v2 = const 0
               v6: packet = const 0
               branch equal v0, v2 -> b1(v2, v1, v6), b1(v0, v6, v6)
             b1(v3, v4: packet, v5: packet):
               return v3",
        );
    }
}
