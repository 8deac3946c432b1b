//! Stores what a call gives as soon as it is there, if that is all that is done with it.
//!
//! Before: `v1 = helper 14(); v2 = helper 5(); v3: stack = slot s0; store.4 v3 + 8, v1`.
//! After: `v1 = helper 14(); v3: stack = slot s0; store.4 v3 + 8, v1; v2 = helper 5()`.
//!
//! So no register has to keep it over the next call. It is done last: what other passes make of stores side by side is worth more.
//!
//! What the verifier sees: the same stores to the stack. Nothing between the two places may look at the bytes, and so none may
//! be read before they are written.

use std::collections::BTreeSet;

use super::alias::{Place, Root, escaped_slots, slot_of};
use super::effects::arguments;
use super::uses::count_uses;
use crate::arena::Id as _;
use crate::ir::{Block, Cfg, Function, Inst, InstData, Op, Slot, ValueData, ValueDef, ValueType};

/// Moves them. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let escaped = escaped_slots(function);
    let uses = count_uses(function);
    let mut changed = false;
    for block in cfg.reverse_post_order() {
        let mut from = 0;
        while let Some((place, call, slot, offset)) = find(function, *block, from, &escaped, &uses) {
            hoist(function, *block, place, call, slot, offset);
            // The store, and an address for it, stand before this place now.
            from = place + 2;
            changed = true;
        }
    }
    changed
}

fn is_call(op: &Op) -> bool {
    matches!(op, Op::CallHelper { .. } | Op::CallFunction { .. })
}

/// A store that can stand right after the call that makes what it stores: where both are, and where it stores.
fn find(
    function: &Function,
    block: Block,
    from: usize,
    escaped: &BTreeSet<Slot>,
    uses: &[u32],
) -> Option<(usize, usize, Slot, i32)> {
    let insts = &function.blocks.at(block).insts;
    let op = |inst: &Inst| &function.insts.at(*inst).op;
    insts.iter().enumerate().skip(from).find_map(|(place, inst)| {
        let Op::Store { size, base, offset, value } = op(inst) else { return None };
        let stored = Place::new(function, *base, *offset, size.bytes());
        let Root::Slot(slot) = stored.root else { return None };
        if escaped.contains(&slot) || uses.get(value.index()) != Some(&1) {
            return None;
        }
        let call = insts.iter().position(|inst| function.insts.at(*inst).result == Some(*value))?;
        let between = insts.get(call + 1..place)?;
        let is_kept = is_call(op(insts.get(call)?)) && between.iter().any(|inst| is_call(op(inst)));
        let is_free = between.iter().all(|inst| !touches(function, op(inst), &stored, slot));
        (is_kept && is_free).then_some((place, call, slot, i32::try_from(stored.offset).ok()?))
    })
}

/// Whether an instruction may read or write bytes of a place in a slot.
fn touches(function: &Function, op: &Op, stored: &Place, slot: Slot) -> bool {
    match op {
        Op::Store { size, base, offset, .. }
        | Op::Load { size, base, offset, .. }
        | Op::Atomic { size, base, offset, .. }
        | Op::CompareExchange { size, base, offset, .. } => {
            Place::new(function, *base, *offset, size.bytes()).may_overlap(stored, function)
        }
        _ => arguments(op).iter().any(|argument| {
            function.value_type(*argument) == ValueType::Stack
                && slot_of(function, *argument).is_none_or(|other| other == slot)
        }),
    }
}

/// Puts a store behind the call, with an address of its own.
fn hoist(function: &mut Function, block: Block, place: usize, call: usize, slot: Slot, offset: i32) {
    let data = function.blocks.at_mut(block);
    let store = data.insts.remove(place);
    let address = function.insts.next_id();
    data.insts.splice(call + 1..call + 1, [address, store]);
    let base = function.values.push(ValueData { ty: ValueType::Stack, def: ValueDef::Inst(address) });
    let span = function.insts.at(store).span;
    function.insts.push(InstData { op: Op::SlotAddress(slot), result: Some(base), span });
    if let Op::Store { base: to, offset: at, .. } = &mut function.insts.at_mut(store).op {
        (*to, *at) = (base, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::*;

    #[test]
    fn what_a_call_gives() {
        // The third is used again, the last is looked at, and nothing is between the fifth and its store.
        gives(
            run,
            "slot s0 size 40 align 8
             b0(v0):
               v1 = helper 14()
               v2 = helper 15()
               v3 = helper 5()
               v4 = helper 5()
               v5: stack = slot s0
               v6 = load.8 v5 + 32
               store.8 v5 + 32, v4
               store.4 v5 + 0, v1
               store.8 v5 + 8, v2
               store.8 v5 + 16, v3
               v7 = helper 8()
               store.8 v5 + 24, v7
               v8 = add v3, v6
               return v8",
            "slot s0 size 40 align 8
             b0(v0):
               v1 = helper 14()
               v9: stack = slot s0
               store.4 v9 + 0, v1
               v2 = helper 15()
               v10: stack = slot s0
               store.8 v10 + 8, v2
               v3 = helper 5()
               v4 = helper 5()
               v5: stack = slot s0
               v6 = load.8 v5 + 32
               store.8 v5 + 32, v4
               store.8 v5 + 16, v3
               v7 = helper 8()
               store.8 v5 + 24, v7
               v8 = add v3, v6
               return v8",
        );
    }

    #[test]
    fn not_past_a_call_that_is_given_the_slot() {
        let text = "slot s0 size 16 align 8
             b0(v0):
               v1 = helper 14()
               v2: stack = slot s0
               v3 = const 8
               v4 = helper 16(v2, v3)
               store.8 v2 + 8, v1
               return v4";
        gives(run, text, text);
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| run(function));
    }
}
