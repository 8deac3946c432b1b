//! Slots of the frame: for structs and arrays that the program makes, and for arguments that helpers want in memory.

use super::function::FunctionLowering;
use super::place::Address;
use crate::check::typed::{Region, Type};
use crate::check::types::Storage;
use crate::compile::Endianness;
use crate::ir::{MemorySize, Slot, Value};
use crate::source::Span;

/// Slots for the arguments of calls. What they hold is dead after the call: the next call takes them again.
#[derive(Debug, Default)]
pub(super) struct SpillSlots {
    /// Each with its size, and whether the current call has taken it.
    slots: Vec<(Slot, u32, bool)>,
}

/// Slots of the structs and arrays that the program makes.
///
/// After an expression whose value refers to none of it, all memory that was made inside is free again ([`Self::mark`],
/// [`FunctionLowering::release`]), so branches share their memory. Nothing is freed while a variable may carry a reference
/// from one place to another ([`Self::hold`]).
#[derive(Debug, Default)]
pub(super) struct Allocations {
    /// Each with its size.
    slots: Vec<(Slot, u32)>,
    /// Positions in `slots` of what is in use, in order.
    in_use: Vec<usize>,
    holds: u32,
}

impl Allocations {
    /// What is in use now.
    pub(super) fn mark(&self) -> usize {
        self.in_use.len()
    }

    /// From now on, nothing is freed.
    pub(super) fn hold(&mut self) {
        self.holds += 1;
    }

    /// The end of a [`Self::hold`].
    pub(super) fn let_go(&mut self) {
        self.holds = self.holds.saturating_sub(1);
    }

    /// The smallest free slot that is large enough.
    fn take(&mut self, room: u32) -> Option<Slot> {
        let is_free = |position: &usize| !self.in_use.contains(position);
        let slots = self.slots.iter().enumerate();
        let free = slots.filter(|(position, slot)| slot.1 >= room && is_free(position));
        let (position, (slot, _)) = free.min_by_key(|(_, slot)| slot.1)?;
        self.in_use.push(position);
        Some(*slot)
    }

    fn add(&mut self, slot: Slot, room: u32) {
        self.in_use.push(self.slots.len());
        self.slots.push((slot, room));
    }
}

impl FunctionLowering<'_> {
    /// Memory that holds a scalar during a call. Its address.
    pub(super) fn spill(&mut self, storage: Storage, words: &[Value], span: Span) -> Value {
        let slot = self.spill_slot(storage.bytes);
        let base = self.builder.slot_address(slot, span);
        match (words, storage) {
            ([word], Storage { bytes: 1..8, bits: None, .. })
                if self.has_loops() && self.endianness == Endianness::Little =>
            {
                self.spill_word(base, storage, *word, span);
            }
            _ => self.store(Address { base, offset: 0, align: 8 }, storage, words, span),
        }
        base
    }

    /// A slot for so many bytes that no argument of the current call has taken.
    pub(super) fn spill_slot(&mut self, bytes: u32) -> Slot {
        let size = bytes.next_multiple_of(8);
        let free = self.spills.slots.iter_mut().find(|(_, bytes, taken)| *bytes >= size && !taken);
        match free {
            Some((slot, _, taken)) => {
                *taken = true;
                *slot
            }
            None => {
                let slot = self.builder.create_slot(size, 8);
                self.spills.slots.push((slot, size, true));
                slot
            }
        }
    }

    /// In a function with loops: writes a scalar and whatever is above it, so that nothing of the slot is left as it was. The verifier follows a way
    /// that comes with a slot half written apart from one where nothing was, round by round.
    fn spill_word(&mut self, base: Value, storage: Storage, word: Value, span: Span) {
        let word = self.network_order(word, storage, span);
        // What is above an immediate of 32 bits is its sign.
        let negative = self.number(word).and_then(|number| u32::try_from(number).ok()).map(u32::cast_signed);
        let word = match negative.filter(|number| *number < 0 && storage.bytes <= 4) {
            Some(number) => self.constant(i64::from(number).cast_unsigned(), span),
            None => word,
        };
        self.builder.store(MemorySize::B8, base, 0, word, span);
    }

    /// After a call, the memory of its arguments is free.
    pub(super) fn free_spills(&mut self) {
        self.spills.slots.iter_mut().for_each(|(_, _, taken)| *taken = false);
    }

    /// The slot that [`crate::ir::Op::HiddenZero`] reads.
    pub(super) fn hidden_zero_slot(&mut self) -> Slot {
        let slot = self.hidden_zero_slot.unwrap_or_else(|| self.builder.create_slot(8, 8));
        self.hidden_zero_slot = Some(slot);
        slot
    }

    /// Frees the memory that was made since a mark, where a value of this type can't refer to it.
    pub(super) fn release(&mut self, mark: usize, ty: &Type) {
        if self.allocations.holds == 0 && *ty != Type::Never && !self.refers_to_stack(ty) {
            self.allocations.in_use.truncate(mark);
        }
    }

    /// A slot for fresh memory of so many bytes.
    pub(super) fn allocation(&mut self, bytes: u32) -> Slot {
        match self.allocations.take(bytes) {
            Some(slot) => slot,
            None => {
                let slot = self.builder.create_slot(bytes, bytes.min(8));
                self.allocations.add(slot, bytes);
                slot
            }
        }
    }

    /// Whether a value of a type may be the address of memory of the frame.
    pub(super) fn refers_to_stack(&self, ty: &Type) -> bool {
        match ty {
            Type::Ref(reference) | Type::Optional(reference) => match reference.region {
                Region::Stack | Region::Any => true,
                Region::Packet => self.copies_headers,
                Region::MapValue | Region::Global | Region::RingBuffer(_) => false,
            },
            Type::Values(parts) => parts.iter().any(|part| self.refers_to_stack(part)),
            _ => false,
        }
    }
}
