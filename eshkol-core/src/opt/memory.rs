//! Uses what is known to be in memory, instead of loading it.
//!
//! Before: `store.4 v0 + 8, v1; v2 = load.4 v0 + 8`. After: `store.4 v0 + 8, v1; v2 = zext32 v1`.
//! Before: `v1 = const 0x0100000a; store.4 v0 + 12, v1; v2 = load.2 v0 + 14`. After, on a little-endian machine: `v2 = const 0x0100`.
//! Before: `v1 = load.2 v0 + 12; … v2 = load.2 v0 + 12`. After: every use of `v2` is one of `v1`.
//! Before: `store.4 v0 + 0, v1; v2 = helper 1(v3, v0); store.4 v0 + 0, v1`, where `v0` is the address of a slot. After: the
//! same without the second store; the helper only reads its key.
//!
//! What is known ends at a store that may touch the same bytes ([`super::alias`]), at a call that may ([`super::effects`]), and at the head of
//! a loop. Where several ways meet, what is known on all of them stays known.
//!
//! What the verifier sees: a number in a register instead of one in memory, of which it knows at least as much, since the
//! extension says how many bits it has.

use super::alias::{Place, escaped_slots, slot_of};
use super::effects::{arguments, changes_context, changes_packet, changes_shared_memory, writes_argument};
use crate::arena::Arena;
use crate::compile::Endianness;
use crate::ir::{Block, Cfg, Function, MemorySize, Op, Slot, Substitution, UnaryOp, Value, ValueType};
use std::collections::BTreeSet;

/// Replaces loads. Whether there were any to replace.
pub(super) fn run(function: &mut Function, endianness: Endianness) -> bool {
    let cfg = Cfg::new(function);
    let escaped = escaped_slots(function);
    let mut ends: Arena<Block, Option<Vec<Known>>> = function.blocks.ids().map(|_| None).collect();
    let mut replaced = Substitution::new();
    let mut changed = false;
    for block in cfg.reverse_post_order() {
        let mut state = meet(cfg.predecessors(*block).iter().map(|before| ends.at(*before).as_ref()));
        let insts = std::mem::take(&mut function.blocks.at_mut(*block).insts);
        let mut kept = Vec::with_capacity(insts.len());
        for inst in insts {
            let data = function.insts.at_mut(inst);
            data.op.for_each_operand_mut(|value| *value = replaced.resolve(*value));
            let (op, result) = (data.op.clone(), data.result);
            if is_there_already(function, &state, &op) {
                changed = true;
                continue;
            }
            match (known_load(function, &state, &op, result, endianness), result) {
                (Some(Replacement::Value(value)), Some(result)) => {
                    replaced.replace(result, value);
                    changed = true;
                    continue;
                }
                (Some(Replacement::Op(op)), _) => {
                    function.insts.at_mut(inst).op = op;
                    changed = true;
                }
                _ => step(function, &escaped, &mut state, &op, result),
            }
            kept.push(inst);
        }
        function.blocks.at_mut(*block).insts = kept;
        *ends.at_mut(*block) = Some(state);
    }
    replaced.apply(function);
    changed
}

/// What memory holds somewhere.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Known {
    place: Place,
    size: MemorySize,
    value: Value,
    extension: Extension,
}

/// How the value relates to the bytes in memory.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Extension {
    /// They are its low bytes.
    Any,
    Zero,
    Sign,
}

/// How much is remembered at most.
const LIMIT: usize = 64;

/// What is known where several ways meet; one that is not known yet is the way back of a loop.
fn meet<'a>(mut ways: impl Iterator<Item = Option<&'a Vec<Known>>>) -> Vec<Known> {
    let Some(Some(first)) = ways.next() else { return Vec::new() };
    let mut state = first.clone();
    for way in ways {
        match way {
            Some(way) => state.retain(|known| way.contains(known)),
            None => return Vec::new(),
        }
    }
    state
}

enum Replacement {
    Value(Value),
    Op(Op),
}

fn known_load(
    function: &Function,
    state: &[Known],
    op: &Op,
    result: Option<Value>,
    endianness: Endianness,
) -> Option<Replacement> {
    let Op::Load { size, signed, base, offset } = op else { return None };
    let place = Place::new(function, *base, *offset, size.bytes());
    let Some(known) = state.iter().rev().find(|known| known.place == place) else {
        return state.iter().rev().find_map(|known| part(function, known, &place, *signed, endianness));
    };
    let ty = function.value_type(result?);
    if function.value_type(known.value) != ty {
        return None;
    }
    let wanted = if *signed { Extension::Sign } else { Extension::Zero };
    if known.extension == wanted || *size == MemorySize::B8 {
        return Some(Replacement::Value(known.value));
    }
    if ty != ValueType::Int {
        return None;
    }
    let op = match (size, signed) {
        (MemorySize::B1, false) => UnaryOp::ZExt8,
        (MemorySize::B1, true) => UnaryOp::SExt8,
        (MemorySize::B2, false) => UnaryOp::ZExt16,
        (MemorySize::B2, true) => UnaryOp::SExt16,
        (_, false) => UnaryOp::ZExt32,
        (_, true) => UnaryOp::SExt32,
    };
    Some(Replacement::Op(Op::Unary(op, known.value)))
}

/// Some of the bytes that are known: of a number any, of another value the lowest.
fn part(
    function: &Function,
    known: &Known,
    place: &Place,
    signed: bool,
    endianness: Endianness,
) -> Option<Replacement> {
    let before = u32::try_from(place.offset.checked_sub(known.place.offset)?).ok()?;
    let after = known.place.bytes.checked_sub(before)?.checked_sub(place.bytes)?;
    let is_number = function.value_type(known.value) == ValueType::Int;
    if signed || !is_number || known.place.root != place.root || known.place.bytes == place.bytes {
        return None;
    }
    let above = match endianness {
        Endianness::Little => before,
        Endianness::Big => after,
    };
    if let Some(number) = function.constant(known.value) {
        let bits = (number.cast_unsigned() >> (8 * above)) & ((1 << (8 * place.bytes)) - 1);
        return Some(Replacement::Op(Op::Const(bits.cast_signed())));
    }
    let extension = match (above, place.bytes) {
        (0, 1) => UnaryOp::ZExt8,
        (0, 2) => UnaryOp::ZExt16,
        (0, 4) => UnaryOp::ZExt32,
        _ => return None,
    };
    Some(Replacement::Op(Op::Unary(extension, known.value)))
}

/// Whether an instruction stores to the stack what is there.
fn is_there_already(function: &Function, state: &[Known], op: &Op) -> bool {
    let Op::Store { size, base, offset, value } = op else { return false };
    let place = Place::new(function, *base, *offset, size.bytes());
    slot_of(function, *base).is_some()
        && state.iter().any(|known| known.place == place && known.size == *size && known.value == *value)
}

/// What is known after an instruction.
fn step(function: &Function, escaped: &BTreeSet<Slot>, state: &mut Vec<Known>, op: &Op, result: Option<Value>) {
    match op {
        Op::Load { size, signed, base, offset } => {
            if let Some(value) = result {
                let extension = if *signed { Extension::Sign } else { Extension::Zero };
                remember(function, state, *base, *offset, *size, value, extension);
            }
        }
        Op::Store { size, base, offset, value } => {
            forget(function, state, *base, *offset, *size);
            remember(function, state, *base, *offset, *size, *value, Extension::Any);
        }
        Op::Atomic { size, base, offset, .. } | Op::CompareExchange { size, base, offset, .. } => {
            forget(function, state, *base, *offset, *size);
        }
        Op::CallHelper { .. } | Op::CallFunction { .. } => {
            state.retain(|known| survives(function, escaped, known, op));
        }
        _ => {}
    }
}

fn remember(
    function: &Function,
    state: &mut Vec<Known>,
    base: Value,
    offset: i32,
    size: MemorySize,
    value: Value,
    extension: Extension,
) {
    if state.len() >= LIMIT {
        state.remove(0);
    }
    let place = Place::new(function, base, offset, size.bytes());
    state.push(Known { place, size, value, extension });
}

fn forget(function: &Function, state: &mut Vec<Known>, base: Value, offset: i32, size: MemorySize) {
    let written = Place::new(function, base, offset, size.bytes());
    state.retain(|known| !known.place.may_overlap(&written, function));
}

/// Whether a call leaves what is known as it is.
fn survives(function: &Function, escaped: &BTreeSet<Slot>, known: &Known, call: &Op) -> bool {
    let region = known.place.region;
    let unaffected = match region {
        ValueType::Stack => match known.place.slot(function) {
            Some(slot) => !escaped.contains(&slot) || known_harmless(call),
            None => false,
        },
        ValueType::Context => return !changes_context(function, call),
        ValueType::Packet => !changes_packet(call),
        ValueType::Memory => known_harmless(call),
        _ => !changes_shared_memory(call),
    };
    let touches = |(position, argument): (usize, &Value)| {
        let ty = function.value_type(*argument);
        if ty == ValueType::Stack && region == ValueType::Stack {
            let apart = match (slot_of(function, *argument), known.place.slot(function)) {
                (Some(one), Some(other)) => one != other,
                _ => false,
            };
            return !apart && writes_argument(call, position);
        }
        ty == region || ty == ValueType::Memory || region == ValueType::Memory && ty != ValueType::Int
    };
    unaffected && !arguments(call).iter().enumerate().any(touches)
}

/// Whether a call is given no memory and changes none.
fn known_harmless(call: &Op) -> bool {
    arguments(call).is_empty() && !changes_shared_memory(call) && !changes_packet(call)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential_on, gives};
    use super::*;

    fn little(function: &mut Function) -> bool {
        run(function, Endianness::Little)
    }

    #[test]
    fn loads_of_what_was_stored() {
        gives(
            little,
            "slot s0 size 16 align 8
             b0(v0, v1: map-value):
               v2: stack = slot s0
               store.8 v2 + 0, v0
               store.4 v2 + 8, v0
               v3 = load.8 v2 + 0
               v4 = load-signed.4 v2 + 8
               v5 = load.2 v2 + 10
               store.1 v1 + 3, v4
               v6 = load.1 v1 + 3
               v7 = add v3, v4
               v8 = add v5, v6
               v9 = add v7, v8
               return v9",
            "slot s0 size 16 align 8
             b0(v0, v1: map-value):
               v2: stack = slot s0
               store.8 v2 + 0, v0
               store.4 v2 + 8, v0
               v4 = sext32 v0
               v5 = load.2 v2 + 10
               store.1 v1 + 3, v4
               v6 = zext8 v4
               v7 = add v0, v4
               v8 = add v5, v6
               v9 = add v7, v8
               return v9",
        );
    }

    #[test]
    fn what_a_function_of_the_kernel_may_have_written() {
        let text = "slot s0 size 16 align 8
             b0(v0, v1: map-value):
               v2: stack = slot s0
               store.8 v2 + 0, v0
               store.8 v2 + 8, v0
               store.8 v1 + 0, v0
               v3 = kernel kfunc0(v2)
               v4 = load.8 v2 + 0
               v5 = load.8 v1 + 0
               store.8 v2 + 8, v0
               v6 = kernel kfunc0(v2)
               v7 = add v4, v5
               v8 = add v7, v6
               return v8";
        gives(little, text, text);
    }

    #[test]
    fn stores_of_what_is_there() {
        gives(
            little,
            "slot s0 size 8 align 8
             b0(v0, v1):
               v2: stack = slot s0
               v3: map = map map0
               store.4 v2 + 0, v0
               v4: map-value = helper 1(v3, v2)
               store.4 v2 + 0, v0
               v5: map-value = helper 1(v3, v2)
               store.4 v2 + 0, v1
               v6 = helper 4(v2, v0, v1)
               store.4 v2 + 0, v1
               v7: map-value = helper 1(v3, v2)
               return v6",
            "slot s0 size 8 align 8
             b0(v0, v1):
               v2: stack = slot s0
               v3: map = map map0
               store.4 v2 + 0, v0
               v4: map-value = helper 1(v3, v2)
               v5: map-value = helper 1(v3, v2)
               store.4 v2 + 0, v1
               v6 = helper 4(v2, v0, v1)
               store.4 v2 + 0, v1
               v7: map-value = helper 1(v3, v2)
               return v6",
        );
    }

    #[test]
    fn accesses_that_overlap_in_part() {
        let text = "slot s0 size 16 align 8
             b0(v0, v1: packet):
               v2: stack = slot s0
               store.4 v2 + 4, v0
               store.8 v2 + 0, v0
               v3 = load.4 v2 + 4
               store.1 v2 + 7, v0
               v4 = load.4 v2 + 4
               v5 = load.2 v1 + 2
               store.4 v1 + 0, v4
               v6 = load.2 v1 + 2
               v7 = add v3, v5
               v8 = add v6, v7
               return v8";
        gives(little, text, text);
    }

    #[test]
    fn loads_twice_and_what_comes_between() {
        // A map value is not the packet; two map values may be the same.
        gives(
            little,
            "b0(v0: packet, v1: map-value, v2: map-value):
               v3 = load.2 v0 + 12
               v4 = load.8 v1 + 0
               store.8 v1 + 8, v3
               v5 = load.2 v0 + 12
               v6 = load.8 v1 + 0
               store.8 v2 + 0, v3
               v7 = load.8 v1 + 0
               v8 = load.8 v1 + 8
               v9 = add v4, v5
               v10 = add v6, v7
               v11 = add v9, v10
               v12 = add v8, v11
               return v12",
            "b0(v0: packet, v1: map-value, v2: map-value):
               v3 = load.2 v0 + 12
               v4 = load.8 v1 + 0
               store.8 v1 + 8, v3
               store.8 v2 + 0, v3
               v7 = load.8 v1 + 0
               v8 = load.8 v1 + 8
               v9 = add v4, v3
               v10 = add v4, v7
               v11 = add v9, v10
               v12 = add v8, v11
               return v12",
        );
    }

    #[test]
    fn calls() {
        // A key stays; what a helper fills does not; map values change when a map is updated.
        gives(
            little,
            "slot s0 size 8 align 8
             slot s1 size 8 align 8
             b0(v0, v1: map-value):
               v2: stack = slot s0
               v3: stack = slot s1
               store.8 v2 + 0, v0
               store.8 v3 + 0, v0
               v4 = load.8 v1 + 0
               v5: map = map map0
               v6: map-value = helper 1(v5, v2)
               v7 = load.8 v2 + 0
               v8 = load.8 v1 + 0
               v9 = helper 2(v5, v2, v3, v7)
               v10 = load.8 v2 + 0
               v11 = load.8 v1 + 0
               v12 = const 8
               v13 = helper 113(v3, v12, v0)
               v14 = load.8 v2 + 0
               v15 = load.8 v3 + 0
               v16 = add v8, v10
               v17 = add v11, v14
               v18 = add v15, v16
               v19 = add v17, v18
               return v19",
            "slot s0 size 8 align 8
             slot s1 size 8 align 8
             b0(v0, v1: map-value):
               v2: stack = slot s0
               v3: stack = slot s1
               store.8 v2 + 0, v0
               store.8 v3 + 0, v0
               v4 = load.8 v1 + 0
               v5: map = map map0
               v6: map-value = helper 1(v5, v2)
               v9 = helper 2(v5, v2, v3, v0)
               v11 = load.8 v1 + 0
               v12 = const 8
               v13 = helper 113(v3, v12, v0)
               v15 = load.8 v3 + 0
               v16 = add v4, v0
               v17 = add v11, v0
               v18 = add v15, v16
               v19 = add v17, v18
               return v19",
        );
    }

    #[test]
    fn where_ways_meet() {
        gives(
            little,
            "b0(v0, v1: map-value):
               v2 = load.8 v1 + 0
               v3 = load.8 v1 + 8
               branch below v2, v3 -> b1, b2
             b1:
               store.8 v1 + 8, v0
               jump b2
             b2:
               v4 = load.8 v1 + 0
               v5 = load.8 v1 + 8
               v6 = add v4, v5
               jump b3(v6)
             b3(v7):
               v8 = load.8 v1 + 0
               store.8 v1 + 0, v7
               branch below v8, v0 -> b3(v8), b4
             b4:
               return v8",
            "b0(v0, v1: map-value):
               v2 = load.8 v1 + 0
               v3 = load.8 v1 + 8
               branch below v2, v3 -> b1, b2
             b1:
               store.8 v1 + 8, v0
               jump b2
             b2:
               v5 = load.8 v1 + 8
               v6 = add v2, v5
               jump b3(v6)
             b3(v7):
               v8 = load.8 v1 + 0
               store.8 v1 + 0, v7
               branch below v8, v0 -> b3(v8), b4
             b4:
               return v8",
        );
    }

    #[test]
    fn nothing_else_changes() {
        differential_on(0..300, run);
    }

    #[test]
    fn parts_of_what_was_stored() {
        let text = "b0(v0, v1: packet):
               v2 = const 16777226
               store.4 v1 + 12, v2
               v3 = load.2 v1 + 14
               store.4 v1 + 4, v0
               v4 = load.1 v1 + 4
               v5 = load.2 v1 + 5
               v6 = load.4 v1 + 6
               v7 = add v3, v4
               v8 = add v7, v5
               v9 = add v8, v6
               return v9";
        let after =
            |number: &str, lowest: &str| text.replace("load.2 v1 + 14", number).replace("load.1 v1 + 4", lowest);
        gives(little, text, &after("const 256", "zext8 v0"));
        gives(|function| run(function, Endianness::Big), text, &after("const 10", "load.1 v1 + 4"));
    }
}
