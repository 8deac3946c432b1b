//! Removes stores to the stack that nothing reads.
//!
//! Before: `store.8 v0 + 0, v1; store.8 v0 + 0, v2; v3 = helper 1(v4, v0)`, where `v0` is the address of a slot. After: the same without
//! the first store.
//!
//! A byte is read by a load that may touch it, and by any call that is given an address in its slot. Slots whose address
//! goes where it can't be followed are left alone.
//!
//! What the verifier sees: every byte that is read is still written before, on every path, since it is the last store to a
//! byte before a read that stays.

use super::alias::{Place, Root, escaped_slots, slot_of};
use super::effects::{arguments, filled_argument};
use crate::arena::Arena;
use crate::ir::{Block, Cfg, Function, Op, Slot, ValueType};
use std::collections::BTreeSet;

/// Removes them. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let frame = Frame::new(function);
    let nothing = || vec![false; frame.bytes];
    let mut starts: Arena<Block, Vec<bool>> = function.blocks.ids().map(|_| nothing()).collect();
    let end_of = |starts: &Arena<Block, Vec<bool>>, function: &Function, block: Block| {
        let mut live = nothing();
        for target in function.blocks.at(block).terminator.targets() {
            for (byte, also) in live.iter_mut().zip(starts.at(target.block)) {
                *byte |= also;
            }
        }
        live
    };
    let mut again = true;
    while again {
        again = false;
        for block in cfg.reverse_post_order().iter().rev() {
            let mut live = end_of(&starts, function, *block);
            for inst in function.blocks.at(*block).insts.iter().rev() {
                frame.before(function, &function.insts.at(*inst).op, &mut live);
            }
            if *starts.at(*block) != live {
                *starts.at_mut(*block) = live;
                again = true;
            }
        }
    }
    let mut changed = false;
    for block in cfg.reverse_post_order() {
        let mut live = end_of(&starts, function, *block);
        let mut insts = std::mem::take(&mut function.blocks.at_mut(*block).insts);
        let count = insts.len();
        insts.reverse();
        insts.retain(|inst| {
            let op = &function.insts.at(*inst).op;
            let dead = frame.is_dead(function, op, &live);
            if !dead {
                frame.before(function, op, &mut live);
            }
            !dead
        });
        insts.reverse();
        changed |= insts.len() != count;
        function.blocks.at_mut(*block).insts = insts;
    }
    changed
}

/// Where each slot is among all bytes of the frame.
struct Frame {
    starts: Arena<Slot, (usize, usize)>,
    escaped: BTreeSet<Slot>,
    bytes: usize,
}

impl Frame {
    fn new(function: &Function) -> Self {
        let mut bytes: usize = 0;
        let mut starts = Arena::new();
        for slot in function.slots.values() {
            let end = bytes.saturating_add(slot.size as usize);
            starts.push((bytes, end));
            bytes = end;
        }
        Self { starts, escaped: escaped_slots(function), bytes }
    }

    /// The bytes of a place, if it is one in a slot that is followed. Where in the slot it is may be unknown: then it is the
    /// whole slot, and `false`.
    fn bytes_of(&self, function: &Function, place: &Place) -> Option<(usize, usize, bool)> {
        let slot = place.slot(function).filter(|slot| !self.escaped.contains(slot))?;
        let (start, end) = *self.starts.at(slot);
        let exact = |offset: i64| {
            let first = start.checked_add(usize::try_from(offset).ok()?)?;
            let last = first.checked_add(place.bytes as usize)?;
            (last <= end).then_some((first, last, true))
        };
        match place.root {
            Root::Slot(_) => exact(place.offset).or(Some((start, end, false))),
            _ => Some((start, end, false)),
        }
    }

    fn is_dead(&self, function: &Function, op: &Op, live: &[bool]) -> bool {
        let Op::Store { size, base, offset, .. } = op else { return false };
        let place = Place::new(function, *base, *offset, size.bytes());
        self.bytes_of(function, &place)
            .and_then(|(start, end, _)| live.get(start..end))
            .is_some_and(|bytes| !bytes.contains(&true))
    }

    /// From which bytes are read after an instruction, which are read after the point before it.
    fn before(&self, function: &Function, op: &Op, live: &mut [bool]) {
        let (base, offset, size, reads) = match op {
            Op::Store { size, base, offset, .. } => (base, offset, size, false),
            Op::Load { size, base, offset, .. }
            | Op::Atomic { size, base, offset, .. }
            | Op::CompareExchange { size, base, offset, .. } => (base, offset, size, true),
            _ => {
                let filled = filled_argument(function, op);
                if let Some((pointer, bytes)) = filled {
                    let place = Place::new(function, pointer, 0, bytes);
                    if let Some((start, end, true)) = self.bytes_of(function, &place) {
                        set(live, start, end, false);
                    }
                }
                for argument in arguments(op).iter().filter(|value| filled.is_none_or(|(filled, _)| filled != **value))
                {
                    if function.value_type(*argument) == ValueType::Stack
                        && let Some(slot) = slot_of(function, *argument)
                    {
                        let (start, end) = *self.starts.at(slot);
                        set(live, start, end, true);
                    }
                }
                return;
            }
        };
        let place = Place::new(function, *base, *offset, size.bytes());
        if let Some((start, end, exact)) = self.bytes_of(function, &place)
            && (reads || exact)
        {
            set(live, start, end, reads);
        }
    }
}

fn set(live: &mut [bool], start: usize, end: usize, to: bool) {
    if let Some(bytes) = live.get_mut(start..end) {
        bytes.fill(to);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential_on, gives};
    use super::*;

    #[test]
    fn what_a_call_fills() {
        gives(
            run,
            "slot s0 size 32 align 8
             b0(v0):
               v1: stack = slot s0
               store.8 v1 + 0, v0
               store.8 v1 + 8, v0
               store.8 v1 + 16, v0
               store.8 v1 + 24, v0
               v2 = const 4
               v3: stack = add v1, v2
               v4 = const 16
               v5 = helper 16(v3, v4)
               v6: map = map map0
               v7: map-value = helper 1(v6, v1)
               return v5",
            "slot s0 size 32 align 8
             b0(v0):
               v1: stack = slot s0
               store.8 v1 + 0, v0
               store.8 v1 + 16, v0
               store.8 v1 + 24, v0
               v2 = const 4
               v3: stack = add v1, v2
               v4 = const 16
               v5 = helper 16(v3, v4)
               v6: map = map map0
               v7: map-value = helper 1(v6, v1)
               return v5",
        );
    }

    #[test]
    fn a_function_of_the_kernel_may_read_all_that_it_is_given_a_part_of() {
        gives(
            run,
            "slot s0 size 16 align 8
             b0(v0):
               v1: stack = slot s0
               store.8 v1 + 0, v0
               store.8 v1 + 8, v0
               v2 = const 8
               v3: stack = add v1, v2
               v4 = kernel kfunc0(v3)
               store.8 v1 + 8, v4
               return v4",
            "slot s0 size 16 align 8
             b0(v0):
               v1: stack = slot s0
               store.8 v1 + 0, v0
               store.8 v1 + 8, v0
               v2 = const 8
               v3: stack = add v1, v2
               v4 = kernel kfunc0(v3)
               return v4",
        );
    }

    #[test]
    fn what_is_written_again_or_never_read() {
        gives(
            run,
            "slot s0 size 16 align 8
             b0(v0, v1):
               v2: stack = slot s0
               v3: map = map map0
               store.8 v2 + 0, v0
               store.8 v2 + 8, v0
               store.8 v2 + 0, v1
               store.4 v2 + 8, v1
               v4: map-value = helper 1(v3, v2)
               store.8 v2 + 0, v0
               return v0",
            "slot s0 size 16 align 8
             b0(v0, v1):
               v2: stack = slot s0
               v3: map = map map0
               store.8 v2 + 8, v0
               store.8 v2 + 0, v1
               store.4 v2 + 8, v1
               v4: map-value = helper 1(v3, v2)
               return v0",
        );
    }

    #[test]
    fn loops_and_addresses_known_only_at_run_time() {
        gives(
            run,
            "slot s0 size 16 align 8
             slot s1 size 8 align 8
             b0(v0, v1):
               v2: stack = slot s0
               v3: stack = slot s1
               v4: stack = add v2, v0
               store.8 v2 + 0, v0
               store.8 v3 + 0, v0
               jump b1(v0)
             b1(v5):
               store.1 v4 + 0, v5
               store.8 v3 + 0, v5
               v6 = load.8 v2 + 0
               branch below v6, v1 -> b1(v6), b2
             b2:
               v7 = load.8 v3 + 0
               return v7",
            "slot s0 size 16 align 8
             slot s1 size 8 align 8
             b0(v0, v1):
               v2: stack = slot s0
               v3: stack = slot s1
               v4: stack = add v2, v0
               store.8 v2 + 0, v0
               jump b1(v0)
             b1(v5):
               store.1 v4 + 0, v5
               store.8 v3 + 0, v5
               v6 = load.8 v2 + 0
               branch below v6, v1 -> b1(v6), b2
             b2:
               v7 = load.8 v3 + 0
               return v7",
        );
    }

    #[test]
    fn an_address_in_memory_may_be_used_by_anyone() {
        let text = "slot s0 size 8 align 8
             slot s1 size 8 align 8
             b0(v0):
               v1: stack = slot s0
               v2: stack = slot s1
               store.8 v2 + 0, v1
               store.8 v1 + 0, v0
               v3 = helper 9999(v2)
               return v3";
        gives(run, text, text);
    }

    #[test]
    fn nothing_else_changes() {
        differential_on(0..300, |function, _| run(function));
    }
}
