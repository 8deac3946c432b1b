//! Fills words of the stack whole, where that is done in some rounds of a loop and not in others.
//!
//! Before: `store.4 v0 + 0, v1`, where nothing is in the other half of the word. After: `store.8 v0 + 0, v1`, on a little-endian machine.
//! So it is wherever that word is filled, also behind the loop. Where it is filled by several stores, and on big-endian machines:
//! `v2 = const 0; store.8 v0 + 0, v2` before the first of them.
//!
//! The verifier keeps track of the stack by words of eight bytes, and takes a word's content for replaced where all of it is written at once
//! (`check_stack_write_fixed_off` in `kernel/bpf/verifier.c`). Otherwise what was there before may still matter to it: ways through the rounds on which
//! the word was filled differ from those on which it was not yet, and the more rounds there are, the more often it follows both.
//!
//! What the verifier sees: the same bytes have the same content, and those between, which nothing reads, have one, too.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::alias::{Place, Root, escaped_slots, slot_of};
use super::effects::{arguments, writes_argument};
use super::loops::natural_loops;
use crate::compile::Endianness;
use crate::ir::{
    Block, Cfg, Dominators, Function, Inst, InstData, MemorySize, Op, Slot, Value, ValueData, ValueDef, ValueType,
};

/// Bytes of a word.
const WORD: u32 = 8;

/// Fills words. Whether there were any.
pub(super) fn run(function: &mut Function, endianness: Endianness) -> bool {
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    let blocks = blocks_of_some_rounds(function, &cfg, &dominators);
    if blocks.is_empty() {
        return false;
    }
    let contents = contents(function, &cfg);
    let before = filled_outside(function, &cfg, &blocks);
    let all = cfg.reverse_post_order().iter().flat_map(|block| words_filled(function, *block, &contents));
    let all: Vec<Filled> = all.collect();
    let has_content = |word: &Filled| {
        before.iter().any(|(block, slot)| *slot == word.slot && dominators.dominates(*block, word.block))
    };
    let in_some_rounds = all.iter().filter(|word| blocks.contains(&word.block) && !has_content(word));
    let found: BTreeSet<(Slot, u32)> = in_some_rounds.map(|word| (word.slot, word.offset)).collect();
    let words: Vec<Filled> = all.into_iter().filter(|word| found.contains(&(word.slot, word.offset))).collect();
    // The last first: what is put before a store moves only what comes after it.
    words.iter().rev().for_each(|word| fill(function, endianness, word));
    !words.is_empty()
}

/// Blocks of loops that some rounds pass by.
fn blocks_of_some_rounds(function: &Function, cfg: &Cfg, dominators: &Dominators) -> BTreeSet<Block> {
    let loops = natural_loops(function, cfg);
    let passed_by = loops.iter().flat_map(|found| {
        let in_all = |block: &Block| found.latches.iter().all(|latch| dominators.dominates(*block, *latch));
        found.inside.iter().copied().filter(move |block| !in_all(block))
    });
    passed_by.collect()
}

/// The slots that other blocks store to, and these.
fn filled_outside(function: &Function, cfg: &Cfg, blocks: &BTreeSet<Block>) -> BTreeSet<(Block, Slot)> {
    let mut filled = BTreeSet::new();
    for block in cfg.reverse_post_order().iter().filter(|block| !blocks.contains(block)) {
        for inst in &function.blocks.at(*block).insts {
            if let Op::Store { base, .. } = &function.insts.at(*inst).op {
                filled.extend(slot_of(function, *base).map(|slot| (*block, slot)));
            }
        }
    }
    filled
}

/// The bytes that have a content somewhere, of words of slots that have one by parts only. No others are read.
type Contents = BTreeMap<(Slot, u32), BTreeSet<u32>>;

fn contents(function: &Function, cfg: &Cfg) -> Contents {
    let mut contents = Contents::new();
    let mut others = escaped_slots(function);
    for inst in cfg.reverse_post_order().iter().flat_map(|block| &function.blocks.at(*block).insts) {
        let op = &function.insts.at(*inst).op;
        match part_stored(function, op) {
            Some((slot, bytes)) => contents.entry((slot, bytes.start / WORD * WORD)).or_default().extend(bytes),
            None => others.extend(written(function, op)),
        }
    }
    contents.retain(|(slot, _), _| !others.contains(slot));
    contents
}

/// The slots that an operation may write to.
fn written(function: &Function, op: &Op) -> Vec<Slot> {
    let addresses = match op {
        Op::Store { base, .. } | Op::Atomic { base, .. } | Op::CompareExchange { base, .. } => vec![*base],
        _ => {
            let arguments = arguments(op).iter().enumerate();
            arguments.filter(|(position, _)| writes_argument(op, *position)).map(|(_, value)| *value).collect()
        }
    };
    addresses.into_iter().filter_map(|address| slot_of(function, address)).collect()
}

/// A word that stores of a block fill.
struct Filled {
    block: Block,
    slot: Slot,
    /// Where in the slot.
    offset: u32,
    /// The places of the first store and the last.
    first: usize,
    last: usize,
    /// The bytes of the word that have been stored to.
    bytes: BTreeSet<u32>,
}

/// The words of slots that parts of words fill, in the order of their first stores; none is looked at before.
fn words_filled(function: &Function, block: Block, contents: &Contents) -> Vec<Filled> {
    let mut open: BTreeMap<(Slot, u32), Filled> = BTreeMap::new();
    let mut filled = Vec::new();
    for (at, inst) in function.blocks.at(block).insts.iter().enumerate() {
        let op = &function.insts.at(*inst).op;
        match part_stored(function, op) {
            Some((slot, bytes)) => {
                let offset = bytes.start / WORD * WORD;
                let new = Filled { block, slot, offset, first: at, last: at, bytes: BTreeSet::new() };
                let word = open.entry((slot, offset)).or_insert(new);
                word.last = at;
                word.bytes.extend(bytes);
                if contents.get(&(slot, offset)).is_some_and(|content| content.is_subset(&word.bytes)) {
                    filled.extend(open.remove(&(slot, offset)));
                }
            }
            None => open.retain(|(slot, _), _| !concerns(function, op, *slot)),
        }
    }
    filled.sort_by_key(|word| word.first);
    filled
}

/// The bytes of a slot that an operation stores, where they are a part of one word.
fn part_stored(function: &Function, op: &Op) -> Option<(Slot, Range<u32>)> {
    let Op::Store { size, base, offset, value } = op else { return None };
    let place = Place::new(function, *base, *offset, size.bytes());
    let Root::Slot(slot) = place.root else { return None };
    let start = u32::try_from(place.offset).ok()?;
    let bytes = start..start.checked_add(place.bytes)?;
    let data = function.slots.at(slot);
    let has_words = data.align == WORD && start / WORD * WORD + WORD <= data.size;
    let is_part = place.bytes < WORD && start % WORD + place.bytes <= WORD;
    (has_words && is_part && function.value_type(*value) == ValueType::Int).then_some((slot, bytes))
}

/// Whether an operation may read or write a slot.
fn concerns(function: &Function, op: &Op, slot: Slot) -> bool {
    if matches!(op, Op::SlotAddress(_) | Op::Binary(..)) {
        return false;
    }
    let mut concerns = false;
    op.for_each_operand(|operand| {
        concerns |= matches!(function.value_type(operand), ValueType::Stack | ValueType::Memory)
            && slot_of(function, operand).is_none_or(|other| other == slot);
    });
    concerns
}

/// Fills a word at once: by its one store, or before its first.
fn fill(function: &mut Function, endianness: Endianness, word: &Filled) {
    let block = word.block;
    let Some(store) = function.blocks.at(block).insts.get(word.first).copied() else { return };
    let is_one = word.first == word.last && word.bytes.contains(&word.offset) && endianness == Endianness::Little;
    match function.insts.at(store).op {
        Op::Store { size, base, offset, value } if is_one => {
            // A number that a store instruction can hold.
            let unused = 64 - 8 * size.bytes();
            let number = function.constant(value).map(|number| number.wrapping_shl(unused).wrapping_shr(unused));
            let value = match number {
                Some(number) => put(function, block, word.first, store, Op::Const(number), ValueType::Int),
                None => value,
            };
            function.insts.at_mut(store).op = Op::Store { size: MemorySize::B8, base, offset, value };
        }
        _ => {
            let zero = put(function, block, word.first, store, Op::Const(0), ValueType::Int);
            let base = put(function, block, word.first, store, Op::SlotAddress(word.slot), ValueType::Stack);
            let Ok(offset) = i32::try_from(word.offset) else { return };
            let clear = Op::Store { size: MemorySize::B8, base, offset, value: zero };
            let span = function.insts.at(store).span;
            let inst = function.insts.push(InstData { op: clear, result: None, span });
            function.blocks.at_mut(block).insts.insert(word.first + 2, inst);
        }
    }
}

/// Puts an instruction before others, at a place; its value.
fn put(function: &mut Function, block: Block, place: usize, like: Inst, op: Op, ty: ValueType) -> Value {
    let made = function.insts.next_id();
    let value = function.values.push(ValueData { ty, def: ValueDef::Inst(made) });
    let span = function.insts.at(like).span;
    function.insts.push(InstData { op, result: Some(value), span });
    function.blocks.at_mut(block).insts.insert(place, made);
    value
}

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::*;

    /// A loop in some of whose rounds something is done before a helper is given a slot's address.
    fn in_some_rounds(done: &str) -> String {
        format!(
            "slot s0 size 8 align 8
             b0(v0):
               v1 = const 0
               v8: map = map map0
               jump b1(v1)
             b1(v2):
               v3 = const 512
               branch below v2, v3 -> b2, b5
             b2:
               v4 = helper 7()
               branch above v4, v1 -> b3, b4
             b3:
               v5: stack = slot s0
               {done}
               v6 = helper 3(v8, v5)
               jump b4
             b4:
               v9 = const 1
               v10 = add v2, v9
               jump b1(v10)
             b5:
               return v1"
        )
    }

    #[test]
    fn parts_of_words_that_are_filled_in_some_rounds() {
        let little = |function: &mut Function| run(function, Endianness::Little);
        let big = |function: &mut Function| run(function, Endianness::Big);
        let one = in_some_rounds("store.4 v5 + 0, v2");
        let cleared = |stores: &str| {
            in_some_rounds(&format!("v20: stack = slot s0\nv21 = const 0\nstore.8 v20 + 0, v21\n{stores}"))
        };
        gives(little, &one, &in_some_rounds("store.8 v5 + 0, v2"));
        gives(big, &one, &cleared("store.4 v5 + 0, v2"));
        let number = in_some_rounds("v7 = const 4294967295\nstore.4 v5 + 0, v7");
        gives(little, &number, &in_some_rounds("v7 = const 4294967295\nv20 = const -1\nstore.8 v5 + 0, v20"));
        let two = "store.4 v5 + 0, v2\nstore.2 v5 + 4, v2";
        gives(little, &in_some_rounds(two), &cleared(two));
    }

    #[test]
    fn what_has_a_content_already() {
        let pass = |function: &mut Function| run(function, Endianness::Little);
        for left in [
            // All of it is stored at once, or looked at before all is stored.
            "store.8 v5 + 0, v2",
            "store.4 v5 + 0, v2\nv12 = load.4 v5 + 0\nstore.4 v5 + 4, v2",
            "store.4 v5 + 0, v2\nv12 = helper 3(v8, v5)\nstore.4 v5 + 4, v2",
        ] {
            gives(pass, &in_some_rounds(left), &in_some_rounds(left));
        }
        let filled = in_some_rounds("store.4 v5 + 0, v2")
            .replace("jump b1(v1)\n", "v11: stack = slot s0\nstore.8 v11 + 0, v1\njump b1(v1)\n");
        gives(pass, &filled, &filled);
        let straight = "slot s0 size 8 align 8
             b0(v0):
               v1: stack = slot s0
               store.4 v1 + 0, v0
               v2: map = map map0
               v3 = helper 3(v2, v1)
               return v3";
        gives(pass, straight, straight);
    }
}
