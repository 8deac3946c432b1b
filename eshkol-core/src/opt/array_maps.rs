//! Uses what is special about maps that are arrays: all their entries are there from the start, and stay where they are.
//!
//! * A second lookup of the same entry gives the same address.
//!   Before: `v2 = helper 1(map0, key); … v5 = helper 1(map0, key)`. After: every use of `v5` is one of `v2`.
//! * An update is a store to the entry, which the kernel would do as well.
//!   Before: `v4 = helper 2(map0, key, value, 0)`. After:
//!
//!   ```text
//!   v5: map-value = helper 1(map0, key)
//!   branch not-equal v5, 0 -> b1, b2
//!   b1: v6 = load.8 value + 0; store.8 v5 + 0, v6; jump b3(0)
//!   b2: jump b3(-7)
//!   b3(v4):
//!   ```
//!
//!   The lookup is often there already, and what it found is often known. Without an entry, the kernel gives `-E2BIG`
//!   (`array_map_lookup_elem`, `array_map_update_elem`, and for each CPU's own `percpu_array_map_lookup_elem`, in
//!   `kernel/bpf/arraymap.c`). Values have no fields that an update leaves out, as it does locks and timers.
//!
//! It comes before the other passes, as the keys stand right before the calls then.
//!
//! What the verifier sees: a lookup whose result is tested, and accesses within the value's size, which is what it wants for any
//! map. Kernels have put such lookups in place of the call since Linux 4.10.

use super::alias::{Place, Root, escaped_slots};
use super::effects::{arguments, writes_argument};
use crate::arena::Arena;
use crate::ir::{
    Block, BlockData, Cfg, Condition, Dominators, Function, Inst, InstData, MapId, MemorySize, Op, Slot, Substitution,
    Target, Terminator, Value, ValueData, ValueDef, ValueType, Width,
};
use crate::kernel::HelperId;
use crate::source::Span;
use std::collections::BTreeSet;

/// Of each map that is an array which programs may read and write: the bytes of a value.
pub type Arrays = Arena<MapId, Option<u32>>;

const LOOKUP: HelperId = HelperId(1);
const UPDATE: HelperId = HelperId(2);
/// `BPF_ANY` and `BPF_EXIST`: for an array they say the same.
const STORING: [i64; 2] = [0, 2];
/// `-E2BIG`.
const NO_SUCH_ENTRY: i64 = -7;
/// Up to so many bytes, copying a value is shorter than the call.
const MOST_COPIED: u32 = 32;

/// Replaces lookups and updates. Whether there were any.
pub(super) fn run(function: &mut Function, arrays: &Arrays) -> bool {
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    let escaped = escaped_slots(function);
    let mut found: Vec<(Entry, Value, Block)> = Vec::new();
    let mut replaced = Substitution::new();
    let mut updates: Vec<Update> = Vec::new();
    for block in dominators.preorder() {
        let insts = function.blocks.at(*block).insts.clone();
        for (position, inst) in insts.iter().enumerate() {
            let before = insts.get(..position).unwrap_or_default();
            let Some((entry, bytes)) = entry(function, arrays, &escaped, before, *inst) else { continue };
            let InstData { op, result: Some(result), span } = function.insts.at(*inst).clone() else { continue };
            let known = found
                .iter()
                .find(|(known, _, from)| *known == entry && dominators.dominates(*from, *block))
                .map(|(_, pointer, _)| *pointer);
            match (&op, known) {
                (Op::CallHelper { helper: LOOKUP, .. }, Some(known)) => {
                    replaced.replace(result, known);
                }
                (Op::CallHelper { helper: LOOKUP, .. }, None) => found.push((entry, result, *block)),
                (Op::CallHelper { helper: UPDATE, arguments }, known) => {
                    let [map, key, value, flags] = *arguments.as_slice() else { continue };
                    let value = replaced.resolve(value);
                    let Some(copy) = copy(function, value, known, bytes) else { continue };
                    if function.constant(flags).is_none_or(|flags| !STORING.contains(&flags)) {
                        continue;
                    }
                    let (pointer, made) = match known {
                        Some(pointer) => (pointer, None),
                        None => {
                            let op = Op::CallHelper { helper: LOOKUP, arguments: vec![map, key] };
                            let (inst, pointer) = make(function, op, ValueType::MapValue, span);
                            found.push((entry, pointer, *block));
                            (pointer, Some(inst))
                        }
                    };
                    updates.push(Update { block: *block, inst: *inst, pointer, made, value, copy });
                }
                _ => {}
            }
        }
    }
    let changed = !replaced.is_empty() || !updates.is_empty();
    for (_, data) in function.blocks.iter_mut() {
        data.insts.retain(|inst| {
            let result = function.insts.at(*inst).result;
            result.is_none_or(|result| !replaced.replaces(result))
        });
    }
    replaced.apply(function);
    // The later ones first: what comes before them stays in its block.
    for update in updates.iter().rev() {
        apply(function, update);
    }
    changed
}

/// An entry of an array.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Entry {
    map: MapId,
    key: Key,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Key {
    Number(i64),
    Value(Value),
}

/// An update that is to be a store.
struct Update {
    block: Block,
    inst: Inst,
    /// The entry, or null.
    pointer: Value,
    /// The lookup that gives it, where there was none.
    made: Option<Inst>,
    value: Value,
    /// The pieces in which the value is copied.
    copy: Vec<(MemorySize, i32)>,
}

/// The entry that a call is about, and how large it is.
fn entry(
    function: &Function,
    arrays: &Arrays,
    escaped: &BTreeSet<Slot>,
    before: &[Inst],
    call: Inst,
) -> Option<(Entry, u32)> {
    let Op::CallHelper { helper: LOOKUP | UPDATE, arguments } = &function.insts.at(call).op else { return None };
    let [map, key, ..] = *arguments.as_slice() else { return None };
    let Some(Op::Map(map)) = function.defining_op(map) else { return None };
    let bytes = arrays.get(*map).copied().flatten()?;
    let place = Place::new(function, key, 0, MemorySize::B4.bytes());
    let Root::Slot(slot) = place.root else { return None };
    if escaped.contains(&slot) {
        return None;
    }
    for inst in before.iter().rev() {
        let op = &function.insts.at(*inst).op;
        match op {
            Op::Store { size, base, offset, value } => {
                let written = Place::new(function, *base, *offset, size.bytes());
                if written == place {
                    let key = function
                        .constant(*value)
                        .map_or(Key::Value(*value), |number| Key::Number(number & 0xffff_ffff));
                    return Some((Entry { map: *map, key }, bytes));
                }
                if written.may_overlap(&place, function) {
                    return None;
                }
            }
            Op::Atomic { base, .. } | Op::CompareExchange { base, .. }
                if function.value_type(*base) != ValueType::MapValue =>
            {
                return None;
            }
            Op::CallHelper { .. } | Op::CallFunction { .. } => {
                let writes = |(position, argument): (usize, &Value)| {
                    let is_stack = function.value_type(*argument) == ValueType::Stack;
                    is_stack && writes_argument(op, position)
                };
                if self::arguments(op).iter().enumerate().any(writes) {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

/// How a value is copied to an entry: not at all where it is the entry itself. `None` where the call is better.
fn copy(function: &Function, value: Value, entry: Option<Value>, bytes: u32) -> Option<Vec<(MemorySize, i32)>> {
    if entry.is_some_and(|entry| function.address(value, 0) == (entry, 0)) {
        return Some(Vec::new());
    }
    let (slot, start) = function.stack_address(value, 0)?;
    let align = function.slots.at(slot).align;
    let is_aligned = |size: &MemorySize| size.bytes() <= align && start.rem_euclid(size.bytes().into()) == 0;
    let largest = [MemorySize::B8, MemorySize::B4, MemorySize::B2, MemorySize::B1].into_iter().find(is_aligned)?;
    if bytes > MOST_COPIED * largest.bytes() / 8 {
        return None;
    }
    let mut pieces = Vec::new();
    let (mut at, mut size) = (0, largest);
    while at < bytes {
        while size.bytes() > bytes - at {
            size = match size {
                MemorySize::B8 => MemorySize::B4,
                MemorySize::B4 => MemorySize::B2,
                _ => MemorySize::B1,
            };
        }
        pieces.push((size, i32::try_from(at).ok()?));
        at += size.bytes();
    }
    Some(pieces)
}

fn apply(function: &mut Function, update: &Update) {
    let Update { block, inst, pointer, made, value, copy } = update;
    let InstData { result, span, .. } = function.insts.at(*inst).clone();
    let Some(result) = result else { return };
    let data = function.blocks.at_mut(*block);
    let Some(position) = data.insts.iter().position(|other| other == inst) else { return };
    let after = data.insts.split_off(position);
    data.insts.extend(*made);
    let placeholder = Terminator::Return(result);
    let terminator = std::mem::replace(&mut data.terminator, placeholder);
    let end_span = data.span;
    let rest = after.into_iter().skip(1).collect();
    let rest = function.blocks.push(BlockData { params: vec![result], insts: rest, terminator, span: end_span });
    function.values.at_mut(result).def = ValueDef::Param(rest, 0);

    let mut stores = Vec::new();
    for (size, offset) in copy {
        let (load, piece) = make(
            function,
            Op::Load { size: *size, signed: false, base: *value, offset: *offset },
            ValueType::Int,
            span,
        );
        let store = Op::Store { size: *size, base: *pointer, offset: *offset, value: piece };
        stores.extend([load, function.insts.push(InstData { op: store, result: None, span })]);
    }
    let present = outcome(function, stores, 0, rest, span);
    let absent = outcome(function, Vec::new(), NO_SUCH_ENTRY, rest, span);
    let (null, zero) = make(function, Op::Const(0), ValueType::Int, span);
    let data = function.blocks.at_mut(*block);
    data.insts.push(null);
    data.span = span;
    data.terminator = Terminator::Branch {
        condition: Condition::NotEqual,
        width: Width::W64,
        lhs: *pointer,
        rhs: zero,
        then: Target::new(present, Vec::new()),
        otherwise: Target::new(absent, Vec::new()),
    };
}

/// A block that does something and goes on with the result of the update.
fn outcome(function: &mut Function, mut insts: Vec<Inst>, result: i64, rest: Block, span: Span) -> Block {
    let (inst, result) = make(function, Op::Const(result), ValueType::Int, span);
    insts.push(inst);
    let terminator = Terminator::Jump(Target::new(rest, vec![result]));
    function.blocks.push(BlockData { params: Vec::new(), insts, terminator, span })
}

fn make(function: &mut Function, op: Op, ty: ValueType, span: Span) -> (Inst, Value) {
    let inst = function.insts.next_id();
    let value = function.values.push(ValueData { ty, def: ValueDef::Inst(inst) });
    function.insts.push(InstData { op, result: Some(value), span });
    (inst, value)
}

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::super::{control_flow, dead_code, dead_stores, known_tests, memory, thread_jumps};
    use super::*;
    use crate::compile::Endianness;

    /// `map0` is an array of values of so many bytes, `map1` is none.
    fn arrays(bytes: u32) -> Arrays {
        [Some(bytes), None].into_iter().collect()
    }

    #[test]
    fn the_same_entry_again() {
        gives(
            |function| run(function, &arrays(8)),
            "slot s0 size 4 align 4
             b0(v0):
               v1: stack = slot s0
               store.4 v1 + 0, v0
               v2: map = map map0
               v3: map-value = helper 1(v2, v1)
               v4 = const 0
               store.4 v1 + 0, v4
               v5: map-value = helper 1(v2, v1)
               store.4 v1 + 0, v0
               v6: map-value = helper 1(v2, v1)
               branch equal v6, v4 -> b1, b2
             b1:
               return v4
             b2:
               v7 = load.8 v6 + 0
               return v7",
            "slot s0 size 4 align 4
             b0(v0):
               v1: stack = slot s0
               store.4 v1 + 0, v0
               v2: map = map map0
               v3: map-value = helper 1(v2, v1)
               v4 = const 0
               store.4 v1 + 0, v4
               v5: map-value = helper 1(v2, v1)
               store.4 v1 + 0, v0
               branch equal v3, v4 -> b1, b2
             b1:
               return v4
             b2:
               v7 = load.8 v3 + 0
               return v7",
        );
    }

    #[test]
    fn another_map_or_an_unknown_key() {
        for (map, between) in [("map1", ""), ("map0", "v8 = helper 9999(v1)"), ("map0", "store.2 v1 + 2, v0")] {
            let text = format!(
                "slot s0 size 4 align 4
                 b0(v0):
                   v1: stack = slot s0
                   store.4 v1 + 0, v0
                   v2: map = map {map}
                   v3: map-value = helper 1(v2, v1)
                   store.4 v1 + 0, v0
                   {between}
                   v6: map-value = helper 1(v2, v1)
                   v4 = const 0
                   branch equal v3, v4 -> b1, b2
                 b1:
                   branch equal v6, v4 -> b2, b3
                 b2:
                   return v4
                 b3:
                   return v0"
            );
            gives(|function| run(function, &arrays(8)), &text, &text);
        }
    }

    fn count(function: &mut Function, bytes: u32) -> bool {
        run(function, &arrays(bytes));
        for _ in 0..3 {
            thread_jumps::run(function, Endianness::Little);
            known_tests::run(function);
            control_flow::run(function);
            memory::run(function, Endianness::Little);
            dead_stores::run(function);
            dead_code::run(function);
        }
        true
    }

    const COUNTER: &str = "slot s0 size 4 align 4
         slot s1 size 12 align 8
         b0(v0):
           v1: stack = slot s0
           store.4 v1 + 0, v0
           v2: map = map map0
           v3: map-value = helper 1(v2, v1)
           v4 = const 0
           branch equal v3, v4 -> b1(v4), b2
         b2:
           v5 = load.8 v3 + 0
           jump b1(v5)
         b1(v6):
           v7 = const 1
           v8 = add v6, v7
           v9: stack = slot s1
           store.8 v9 + 0, v8
           store.4 v1 + 0, v0
           v10 = helper 2(v2, v1, v9, v4)
           return v10";

    #[test]
    fn an_update_is_a_store() {
        gives(
            |function| count(function, 8),
            COUNTER,
            "slot s0 size 4 align 4
             slot s1 size 12 align 8
             b0(v0):
               v1: stack = slot s0
               store.4 v1 + 0, v0
               v2: map = map map0
               v3: map-value = helper 1(v2, v1)
               v4 = const 0
               branch equal v3, v4 -> b1, b2
             b2:
               v5 = load.8 v3 + 0
               v7 = const 1
               v8 = add v5, v7
               store.8 v3 + 0, v8
               v11 = const 0
               return v11
             b1:
               v12 = const -7
               return v12",
        );
    }

    #[test]
    fn pieces_as_large_as_they_may_be() {
        let copied = |align: u32, start: i64, bytes: u32| {
            let mut function = crate::ir::parse(&format!(
                "slot s0 size 64 align {align}
                 b0(v0):
                   v1: stack = slot s0
                   v2 = const {start}
                   v3: stack = add v1, v2
                   return v0"
            ))
            .unwrap();
            let inst = *function.blocks.at(function.entry).insts.last().unwrap();
            let value = function.insts.at_mut(inst).result.unwrap();
            let pieces = copy(&function, value, None, bytes)?;
            Some(pieces.into_iter().map(|(size, at)| (size.bytes(), at)).collect::<Vec<_>>())
        };
        assert_eq!(copied(8, 8, 15).unwrap(), [(8, 0), (4, 8), (2, 12), (1, 14)]);
        assert_eq!(copied(8, 4, 8).unwrap(), [(4, 0), (4, 4)]);
        assert_eq!(copied(8, -6, 4).unwrap(), [(2, 0), (2, 2)]);
        assert_eq!(copied(8, 0, 40), None);
        assert_eq!(copied(1, 0, 8), None);
    }
}
