//! Makes one store of numbers side by side.
//!
//! Before: `v1 = const 69; store.1 v0 + 14, v1; v2 = const 0; store.1 v0 + 15, v2`. After, on a little-endian machine:
//! `v3 = const 69; store.2 v0 + 14, v3`.
//!
//! The wide store is where the second of the two was; nothing between may touch the bytes of the first, and calls and atomic operations
//! may touch any. Only numbers that a store instruction can hold are put together.
//!
//! What the verifier sees: the same bytes of the same memory are written. Stores to the stack must be aligned for it, and those to map
//! values and records are left aligned for machines that want it; packets are read and written at any place, as everywhere in this compiler.

use super::alias::{Place, Root};
use crate::compile::Endianness;
use crate::ir::{Block, Cfg, Function, Inst, InstData, MemorySize, Op, Value, ValueData, ValueDef, ValueType};

/// How many instructions may be between two stores.
const REACH: usize = 24;

/// Puts stores together. Whether there were any.
pub(super) fn run(function: &mut Function, endianness: Endianness) -> bool {
    let mut changed = false;
    for block in Cfg::new(function).reverse_post_order() {
        let mut at = 0;
        while at < function.blocks.at(*block).insts.len() {
            match join(function, endianness, *block, at) {
                Some((second, op, number)) => {
                    replace(function, *block, (at, second), op, number);
                    changed = true;
                    // What is wider now may fit to what comes before.
                    at = at.saturating_sub(REACH);
                }
                None => at += 1,
            }
        }
    }
    changed
}

/// A store of a number.
struct Constant {
    size: MemorySize,
    base: Value,
    offset: i32,
    number: u64,
    place: Place,
}

fn constant(function: &Function, inst: Inst) -> Option<Constant> {
    let Op::Store { size, base, offset, value } = function.insts.at(inst).op else { return None };
    let bits = 8 * size.bytes();
    let number = function.constant(value)?.cast_unsigned() & u64::MAX.checked_shr(64 - bits)?;
    Some(Constant { size, base, offset, number, place: Place::new(function, base, offset, size.bytes()) })
}

/// The store behind the one at a position that goes together with it, and what both become: a store, and its number.
fn join(function: &Function, endianness: Endianness, block: Block, at: usize) -> Option<(usize, Op, i64)> {
    let insts = &function.blocks.at(block).insts;
    let first = constant(function, *insts.get(at)?)?;
    for (position, inst) in insts.iter().enumerate().skip(at + 1).take(REACH) {
        if let Some(second) = constant(function, *inst)
            && let Some((op, number)) = both(function, endianness, &first, &second)
        {
            return Some((position, op, number));
        }
        match &function.insts.at(*inst).op {
            Op::Load { size, base, offset, .. } | Op::Store { size, base, offset, .. }
                if Place::new(function, *base, *offset, size.bytes()).may_overlap(&first.place, function) =>
            {
                return None;
            }
            Op::Atomic { .. } | Op::CompareExchange { .. } | Op::CallHelper { .. } | Op::CallFunction { .. } => {
                return None;
            }
            _ => {}
        }
    }
    None
}

fn both(function: &Function, endianness: Endianness, one: &Constant, other: &Constant) -> Option<(Op, i64)> {
    if one.place.root != other.place.root || one.size != other.size {
        return None;
    }
    let (low, high) = if one.place.offset < other.place.offset { (one, other) } else { (other, one) };
    let bytes = low.size.bytes();
    let (size, bits) = match low.size {
        MemorySize::B1 => (MemorySize::B2, 8),
        MemorySize::B2 => (MemorySize::B4, 16),
        MemorySize::B4 => (MemorySize::B8, 32),
        MemorySize::B8 => return None,
    };
    let is_aligned = low.place.offset.rem_euclid(size.bytes().into()) == 0 && aligned_root(function, &low.place, size);
    if low.place.offset.checked_add(bytes.into())? != high.place.offset
        || !(is_aligned || low.place.region == ValueType::Packet)
    {
        return None;
    }
    let number = match endianness {
        Endianness::Little => low.number | high.number << bits,
        Endianness::Big => high.number | low.number << bits,
    };
    let number = number.cast_signed();
    // What a store instruction can hold.
    if size == MemorySize::B8 && i32::try_from(number).is_err() {
        return None;
    }
    // The constant takes the value's place when it is made.
    Some((Op::Store { size, base: low.base, offset: low.offset, value: low.base }, number))
}

/// Whether what a place is counted from is a multiple of so many bytes.
fn aligned_root(function: &Function, place: &Place, size: MemorySize) -> bool {
    match place.root {
        Root::Slot(slot) => function.slots.at(slot).align >= size.bytes(),
        Root::Global(_) => false,
        Root::Value(value) => {
            matches!(function.defining_op(value), Some(Op::CallHelper { .. }))
                && matches!(function.value_type(value), ValueType::MapValue | ValueType::RingBuffer)
        }
    }
}

fn replace(function: &mut Function, block: Block, (first, second): (usize, usize), mut op: Op, number: i64) {
    let Some(inst) = function.blocks.at(block).insts.get(second).copied() else { return };
    let span = function.insts.at(inst).span;
    let made = function.insts.next_id();
    let number_value = function.values.push(ValueData { ty: ValueType::Int, def: ValueDef::Inst(made) });
    function.insts.push(InstData { op: Op::Const(number), result: Some(number_value), span });
    if let Op::Store { value, .. } = &mut op {
        *value = number_value;
    }
    function.insts.at_mut(inst).op = op;
    let insts = &mut function.blocks.at_mut(block).insts;
    insts.insert(second, made);
    insts.remove(first);
}

#[cfg(test)]
mod tests {
    use super::super::dead_code;
    use super::super::testing::{differential, gives};
    use super::*;

    #[test]
    fn numbers_side_by_side() {
        let text = "b0(v0: packet, v1):
               v2 = const 1
               v3 = const 2
               v4 = const 3
               store.1 v0 + 6, v2
               store.1 v0 + 7, v3
               store.2 v0 + 8, v4
               v5 = load.2 v0 + 10
               store.1 v0 + 4, v2
               store.1 v0 + 3, v2
               return v5";
        let after = |lower: i64, upper: i64| {
            format!(
                "b0(v0: packet, v1):
                   v6 = const {lower}
                   store.4 v0 + 6, v6
                   v5 = load.2 v0 + 10
                   v7 = const {upper}
                   store.2 v0 + 3, v7
                   return v5"
            )
        };
        let pass = |endianness| move |function: &mut Function| run(function, endianness) | dead_code::run(function);
        gives(pass(Endianness::Little), text, &after(0x0003_0201, 0x0101));
        gives(pass(Endianness::Big), text, &after(0x0102_0003, 0x0101));
    }

    #[test]
    fn something_between_or_no_place_for_it() {
        for between in ["v5 = load.1 v3 + 0", "v5 = helper 5()", "store.4 v3 + 0, v0"] {
            let text = format!(
                "slot s0 size 8 align 4
                 b0(v0, v1: map-value):
                   v2 = const 1
                   v3: stack = slot s0
                   store.1 v3 + 0, v2
                   {between}
                   store.1 v3 + 1, v2
                   return v0"
            );
            gives(|function| run(function, Endianness::Little), &text, &text);
        }
        let text = "slot s0 size 8 align 4
             b0(v0, v1: map-value):
               v2 = const 1
               v3: stack = slot s0
               store.4 v3 + 0, v2
               store.4 v3 + 4, v2
               store.1 v1 + 0, v2
               store.1 v1 + 1, v2
               return v0";
        gives(|function| run(function, Endianness::Little), text, text);
    }

    #[test]
    fn nothing_else_changes() {
        differential(run);
    }
}
