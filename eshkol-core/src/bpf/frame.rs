//! The stack frame: where slots and spilled registers lie below the frame pointer.
//!
//! Slots come first (nearest the frame pointer, the most aligned first, so that padding is least), spills below them,
//! 8 bytes each and aligned to 8: the kernel's verifier only keeps track of a spilled pointer in an aligned 8-byte slot.

use super::Error;
use super::effect::SpillArea;
use crate::arena::Arena;
use crate::ir::{Cfg, Function, Op, Slot};
use crate::source::Span;

/// The stack a program may use, in bytes (`MAX_BPF_STACK`).
pub const STACK_LIMIT: u32 = 512;

/// Where things lie in a frame.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    span: Span,
    slots: Arena<Slot, Option<u32>>,
    slot_bytes: u32,
    spills: u32,
    /// Where each slot that is used is first named, and its bytes, largest first.
    named: Vec<(Span, u32)>,
}

impl Frame {
    /// Lays out the slots whose address is taken in a reachable block.
    pub(super) fn new(function: &Function, cfg: &Cfg) -> Self {
        let mut used: Arena<Slot, bool> = function.slots.ids().map(|_| false).collect();
        let mut named = Vec::new();
        for block in cfg.reverse_post_order() {
            for inst in &function.blocks.at(*block).insts {
                let inst = function.insts.at(*inst);
                if let Op::SlotAddress(slot) | Op::HiddenZero(slot) = inst.op
                    && !std::mem::replace(used.at_mut(slot), true)
                {
                    named.push((inst.span, function.slots.at(slot).size));
                }
            }
        }
        let mut order: Vec<Slot> = used.iter().filter(|(_, used)| **used).map(|(slot, _)| slot).collect();
        order.sort_by_key(|slot| std::cmp::Reverse(function.slots.at(*slot).align));
        let mut slots: Arena<Slot, Option<u32>> = function.slots.ids().map(|_| None).collect();
        let mut bytes: u32 = 0;
        for slot in order {
            let data = function.slots.at(slot);
            bytes = round_up(bytes.saturating_add(data.size), data.align);
            *slots.at_mut(slot) = Some(bytes);
        }
        named.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Self { span: function.span, slots, slot_bytes: round_up(bytes, 8), spills: 0, named }
    }

    /// The offset of a slot from the frame pointer: negative. Out of reach where the frame is too large, which
    /// [`Self::finish`] reports.
    pub(super) fn slot(&self, slot: Slot) -> i32 {
        let below = self.slots.get(slot).copied().flatten().unwrap_or(0);
        i32::try_from(below).map_or(i32::MIN, i32::wrapping_neg)
    }

    /// Makes room for spilled registers.
    pub(super) fn set_spills(&mut self, spills: usize) {
        self.spills = u32::try_from(spills).unwrap_or(u32::MAX);
    }

    /// Where spilled registers lie.
    pub(super) fn spill_area(&self) -> SpillArea {
        SpillArea { above: self.slot_bytes }
    }

    /// The offset of a spilled register from the frame pointer; `None` beyond the limit.
    pub(super) fn spill(&self, index: usize) -> Option<i16> {
        let index = u32::try_from(index).ok()?;
        let below = self.slot_bytes.checked_add(index.checked_add(1)?.checked_mul(8)?)?;
        if below > STACK_LIMIT { None } else { i16::try_from(below).ok().map(i16::wrapping_neg) }
    }

    /// The bytes of the frame, a multiple of 8, or the error that it is too large.
    pub(super) fn finish(&self) -> Result<u32, Error> {
        let bytes = self.slot_bytes.saturating_add(self.spills.saturating_mul(8));
        if bytes > STACK_LIMIT {
            return Err(Error::StackTooLarge { span: self.span, bytes, slots: self.named.clone() });
        }
        Ok(bytes)
    }
}

fn round_up(bytes: u32, align: u32) -> u32 {
    bytes.checked_next_multiple_of(align.max(1)).unwrap_or(u32::MAX)
}
