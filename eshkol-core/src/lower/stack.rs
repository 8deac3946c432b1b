//! Memory of the frame: structs and arrays that the program makes, and arguments that helpers want in memory.

use super::function::{FunctionLowering, Words};
use super::memory::{native_bytes, native_number};
use super::place::Address;
use crate::check::typed::{Expr, ExprKind, Part, PartValue, RefTarget, RefType, Region, Type};
use crate::check::types::{DataType, IntType, Storage};
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

/// The value of a part of fresh memory, ready to be put there.
enum ReadyPart {
    Scalar(Storage, Words),
    Copy(Address, u32),
}

impl FunctionLowering<'_> {
    /// Memory that holds a scalar during a call. The slot, and its address.
    pub(super) fn spill(&mut self, storage: Storage, words: &[Value], span: Span) -> (Slot, Value) {
        let size = storage.bytes.next_multiple_of(8);
        let free = |(_, bytes, taken): &(Slot, u32, bool)| *bytes >= size && !taken;
        let mut slots = self.spills.slots.iter();
        let holds = slots.position(|spill| free(spill) && self.holds(spill.0, storage, words));
        let position = holds.or_else(|| self.spills.slots.iter().position(free));
        let slot = match position.and_then(|position| self.spills.slots.get_mut(position)) {
            Some((slot, _, taken)) => {
                *taken = true;
                *slot
            }
            None => {
                let slot = self.builder.create_slot(size, 8);
                self.spills.slots.push((slot, size, true));
                slot
            }
        };
        let base = self.builder.slot_address(slot, span);
        if holds.is_none() {
            self.store(Address { base, offset: 0, align: 8 }, storage, words, span);
            self.available.overwrite(slot, storage, words.to_vec());
        }
        (slot, base)
    }

    /// After a call, the memory of its arguments is free.
    pub(super) fn free_spills(&mut self) {
        self.spills.slots.iter_mut().for_each(|(_, _, taken)| *taken = false);
    }

    /// Frees the memory that was made since a mark, where a value of this type can't refer to it.
    pub(super) fn release(&mut self, mark: usize, ty: &Type) {
        if self.allocations.holds == 0 && *ty != Type::Never && !refers_to_stack(ty) {
            self.allocations.in_use.truncate(mark);
        }
    }

    /// Fresh memory: zeros, constants and padding first, in as few stores as it takes (these may write over parts that
    /// get their value later), then the other parts.
    pub(super) fn allocate(&mut self, data: &DataType, parts: &[Part], span: Span) -> Value {
        let (size, _) = self.unit.types.layout(data);
        // Room to write whole words, at their alignment.
        let room = if size > 4 { size.next_multiple_of(8) } else { size.max(1).next_power_of_two() };
        let slot = match self.allocations.take(room) {
            Some(slot) => slot,
            None => {
                let slot = self.builder.create_slot(room, room.min(8));
                self.allocations.add(slot, room);
                slot
            }
        };
        let (image, dynamic) = self.image(size, room, parts);
        let address = |base| Address { base, offset: 0, align: room.min(8) };
        if self.loops.values().any(Option::is_some) {
            // A part may be read from what this memory held in the last round.
            let ready: Vec<_> = dynamic.iter().map(|part| (part.offset, self.ready(part))).collect();
            let base = self.builder.slot_address(slot, span);
            self.store_image(address(base), &image, span);
            for (offset, part) in ready {
                self.put(address(base).plus(offset), part, span);
            }
            base
        } else {
            let base = self.builder.slot_address(slot, span);
            self.store_image(address(base), &image, span);
            for part in dynamic {
                let ready = self.ready(part);
                self.put(address(base).plus(part.offset), ready, span);
            }
            base
        }
    }

    /// What fresh memory holds where that is known now, and the other parts. `None` is a byte that a later store puts
    /// there, or one behind the data.
    fn image<'e>(&self, size: u32, room: u32, parts: &'e [Part]) -> (Vec<Option<u8>>, Vec<&'e Part>) {
        let mut image: Vec<Option<u8>> = (0..room).map(|offset| (offset < size).then_some(0)).collect();
        let mut put = |offset: u32, bytes: Vec<Option<u8>>| {
            for (place, byte) in image.iter_mut().skip(offset as usize).zip(bytes) {
                *place = byte;
            }
        };
        let mut dynamic = Vec::new();
        for part in parts {
            match &part.value {
                PartValue::Bytes(bytes) => put(part.offset, bytes.iter().copied().map(Some).collect()),
                PartValue::Copy(_, bytes) => {
                    put(part.offset, vec![None; *bytes as usize]);
                    dynamic.push(part);
                }
                PartValue::Scalar(storage, value) => match self.constant_bytes(*storage, value) {
                    Some(bytes) => put(part.offset, bytes.into_iter().map(Some).collect()),
                    None => {
                        // The bits beside a bit field stay zero.
                        if storage.bits.is_none() {
                            put(part.offset, vec![None; storage.bytes as usize]);
                        }
                        dynamic.push(part);
                    }
                },
            }
        }
        (image, dynamic)
    }

    /// A constant as it lies in memory.
    fn constant_bytes(&self, storage: Storage, value: &Expr) -> Option<Vec<u8>> {
        match &value.kind {
            ExprKind::Constant(number) if storage.bits.is_none() && storage.bytes <= 8 => {
                Some(native_bytes(self.stored_number(*number, storage), storage.bytes, self.endianness))
            }
            ExprKind::Ipv6Constant(bytes) => Some(bytes.to_vec()),
            ExprKind::MacConstant(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }

    fn store_image(&mut self, address: Address, image: &[Option<u8>], span: Span) {
        for (at, word) in (0..).step_by(8).zip(image.chunks(8)) {
            self.store_known(address.plus(at), word, span);
        }
    }

    /// Writes 1, 2, 4 or 8 aligned bytes, as few and small stores as it takes.
    fn store_known(&mut self, address: Address, bytes: &[Option<u8>], span: Span) {
        let size = match bytes.len() {
            1 => MemorySize::B1,
            2 => MemorySize::B2,
            4 => MemorySize::B4,
            8 => MemorySize::B8,
            _ => return,
        };
        let is_free = |bytes: &[Option<u8>]| bytes.iter().all(Option::is_none);
        let (low, high) = bytes.split_at(bytes.len() / 2);
        let number: Vec<u8> = bytes.iter().map(|byte| byte.unwrap_or(0)).collect();
        let number = native_number(&number, self.endianness);
        // An instruction stores a constant of 32 bits, sign-extended.
        let is_immediate = size != MemorySize::B8 || i32::try_from(number.cast_signed()).is_ok();
        if is_free(bytes) {
            return;
        }
        if size == MemorySize::B1 || (is_immediate && !is_free(low) && !is_free(high)) {
            let number = self.constant(number, span);
            self.builder.store(size, address.base, address.instruction_offset(), number, span);
        } else {
            self.store_known(address, low, span);
            self.store_known(address.plus(size.bytes() / 2), high, span);
        }
    }

    fn ready(&mut self, part: &Part) -> ReadyPart {
        match &part.value {
            PartValue::Scalar(storage, value) => ReadyPart::Scalar(*storage, self.words(value)),
            PartValue::Copy(reference, bytes) => {
                let align = match &reference.ty {
                    Type::Ref(RefType { target: RefTarget::Data(data), .. }) => self.unit.types.layout(data).1,
                    _ => 1,
                };
                ReadyPart::Copy(self.referenced(reference, align), *bytes)
            }
            // Part of what is known before.
            PartValue::Bytes(_) => ReadyPart::Scalar(Storage::native(IntType::U8), Words::new()),
        }
    }

    fn put(&mut self, address: Address, part: ReadyPart, span: Span) {
        match part {
            ReadyPart::Scalar(storage, words) => self.store(address, storage, &words, span),
            ReadyPart::Copy(from, bytes) => self.copy(address, from, bytes, span),
        }
    }
}

/// Whether a value of a type may be the address of memory of the frame.
pub(super) fn refers_to_stack(ty: &Type) -> bool {
    match ty {
        Type::Ref(reference) | Type::Optional(reference) => matches!(reference.region, Region::Stack | Region::Any),
        Type::Values(parts) => parts.iter().any(refers_to_stack),
        _ => false,
    }
}
