//! Scalars in memory: byte order, bit fields, accesses cut to what the kernel lets through.

use super::arithmetic::ones;
use super::function::{FunctionLowering, Words};
use super::place::{Address, align_at};
use crate::check::types::{IntType, Storage};
use crate::compile::Endianness;
use crate::ir::{ArithmeticOp, MemorySize, UnaryOp, Value, evaluate};
use crate::source::Span;

/// The lowest `bytes` bytes of a number as the machine keeps them in memory.
pub(super) fn native_bytes(number: u64, bytes: u32, endianness: Endianness) -> Vec<u8> {
    let mut little: Vec<u8> = number.to_le_bytes().into_iter().take(bytes as usize).collect();
    if endianness == Endianness::Big {
        little.reverse();
    }
    little
}

/// The number that bytes in memory make.
pub(super) fn native_number(bytes: &[u8], endianness: Endianness) -> u64 {
    let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match endianness {
        Endianness::Little => bytes.iter().rev().fold(0, push),
        Endianness::Big => bytes.iter().fold(0, push),
    }
}

/// The largest access of at most `bytes` bytes at an alignment.
pub(super) fn access_size(bytes: u32, align: u32) -> MemorySize {
    match bytes.min(align) {
        8.. => MemorySize::B8,
        4.. => MemorySize::B4,
        2.. => MemorySize::B2,
        _ => MemorySize::B1,
    }
}

/// Accesses that make up `bytes` bytes, each with its distance from the start.
pub(super) fn accesses(bytes: u32, align: u32) -> impl Iterator<Item = (u32, MemorySize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.checked_sub(at).filter(|rest| *rest > 0)?;
        let size = access_size(rest, align_at(align, at));
        let access = (at, size);
        at += size.bytes();
        Some(access)
    })
}

/// What brings a number from the machine's order to the order it has in memory, or back.
fn network_order_op(storage: Storage) -> Option<UnaryOp> {
    match storage.bytes {
        2 if storage.big_endian => Some(UnaryOp::ToBig16),
        4 if storage.big_endian => Some(UnaryOp::ToBig32),
        8 if storage.big_endian => Some(UnaryOp::ToBig64),
        _ => None,
    }
}

impl FunctionLowering<'_> {
    /// Reads a scalar, MAC or IPv6 address.
    pub(super) fn load(&mut self, address: Address, storage: Storage, span: Span) -> Words {
        if storage.bytes > 8 {
            let first = self.load_number(address, 8, span);
            let second = self.load_number(address.plus(8), 8, span);
            return vec![first, second];
        }
        let (address, storage) = self.narrowed(address, storage);
        let whole = IntType { bits: u8::try_from(storage.bytes * 8).unwrap_or(64), signed: storage.signed };
        let size = access_size(storage.bytes, address.align);
        if whole.signed
            && storage.bits.is_none()
            && !storage.big_endian
            && size.bytes() == storage.bytes
            && whole.bits < 64
        {
            return vec![self.builder.load_signed(size, address.base, address.instruction_offset(), span)];
        }
        let number = self.load_number(address, storage.bytes, span);
        let number = self.network_order(number, storage, span);
        let word = match storage.bits {
            None if storage.signed => self.extended(number, whole, span),
            None => number,
            Some((shift, width)) if storage.signed => {
                let (shift, width) = (u64::from(shift), u64::from(width));
                let left = 64_u64.saturating_sub(shift + width);
                let top = self.arithmetic_constant(ArithmeticOp::Shl, number, left, span);
                self.arithmetic_constant(ArithmeticOp::AShr, top, 64_u64.saturating_sub(width), span)
            }
            Some((shift, width)) => {
                let shifted = self.arithmetic_constant(ArithmeticOp::LShr, number, u64::from(shift), span);
                // What was shifted down from the top has no other bits above it.
                if u32::from(shift) + u32::from(width) == storage.bytes * 8 {
                    shifted
                } else {
                    self.arithmetic_constant(ArithmeticOp::And, shifted, ones(u32::from(width)), span)
                }
            }
        };
        vec![word]
    }

    /// Writes a scalar, MAC or IPv6 address. Of a bit field's bytes, the other bits stay.
    pub(super) fn store(&mut self, address: Address, storage: Storage, words: &[Value], span: Span) {
        let mut words = words.iter().copied();
        let first = words.next().unwrap_or_else(|| self.constant(0, span));
        if storage.bytes > 8 {
            let second = words.next().unwrap_or_else(|| self.constant(0, span));
            self.store_number(address, 8, first, span);
            self.store_number(address.plus(8), 8, second, span);
            return;
        }
        let (address, storage) = self.narrowed(address, storage);
        let number = match storage.bits {
            None => first,
            Some((shift, width)) => {
                let field = ones(u32::from(width));
                let kept = ones(storage.bytes * 8) & !(field << (shift % 64));
                let old = self.load_number(address, storage.bytes, span);
                let old = self.network_order(old, storage, span);
                let old = self.arithmetic_constant(ArithmeticOp::And, old, kept, span);
                let new = self.arithmetic_constant(ArithmeticOp::And, first, field, span);
                let new = self.arithmetic_constant(ArithmeticOp::Shl, new, u64::from(shift), span);
                self.arithmetic(ArithmeticOp::Or, old, new, span)
            }
        };
        let number = self.network_order(number, storage, span);
        self.store_number(address, storage.bytes, number, span);
    }

    /// A number from the machine's order to the order it has in memory, or back.
    pub(super) fn network_order(&mut self, number: Value, storage: Storage, span: Span) -> Value {
        match network_order_op(storage) {
            Some(op) => self.unary(op, number, span),
            None => number,
        }
    }

    /// The number that the machine's stores of a scalar take for a number of the language.
    pub(super) fn stored_number(&self, number: u64, storage: Storage) -> u64 {
        let number = match network_order_op(storage) {
            Some(op) => evaluate::unary(op, number, self.endianness),
            None => number,
        };
        number & ones(storage.bytes * 8)
    }

    /// A bit field that lies within fewer bytes, as a field of those.
    fn narrowed(&self, address: Address, storage: Storage) -> (Address, Storage) {
        let Some((shift, width)) = storage.bits else {
            return (address, storage);
        };
        let (first, last) = (u32::from(shift), (u32::from(shift) + u32::from(width)).saturating_sub(1));
        let bytes = [1, 2, 4, 8].into_iter().find(|bytes| first / (bytes * 8) == last / (bytes * 8));
        let bytes = bytes.map_or(storage.bytes, |bytes| bytes.min(storage.bytes));
        let from_lowest = first / (bytes * 8) * bytes;
        let is_lowest_first = !storage.big_endian && self.endianness == Endianness::Little;
        let distance =
            if is_lowest_first { from_lowest } else { storage.bytes.saturating_sub(from_lowest).saturating_sub(bytes) };
        let shift = u8::try_from(first % (bytes * 8)).unwrap_or(0);
        let is_whole = u32::from(width) == bytes * 8;
        let bits = (!is_whole).then_some((shift, width));
        (address.plus(distance), Storage { bytes, bits, ..storage })
    }

    /// Reads at most 8 bytes as an unsigned number in the machine's order.
    fn load_number(&mut self, address: Address, bytes: u32, span: Span) -> Value {
        let mut number = None;
        for (distance, size) in accesses(bytes, address.align) {
            let at = address.plus(distance);
            let part = self.builder.load(size, at.base, at.instruction_offset(), span);
            let shift = self.part_shift(bytes, distance, size);
            let part = self.arithmetic_constant(ArithmeticOp::Shl, part, shift, span);
            number = Some(match number {
                None => part,
                Some(number) => self.builder.binary(ArithmeticOp::Or, number, part, span),
            });
        }
        number.unwrap_or_else(|| self.constant(0, span))
    }

    /// Writes the lowest bytes of a number, at most 8, in the machine's order.
    fn store_number(&mut self, address: Address, bytes: u32, number: Value, span: Span) {
        for (distance, size) in accesses(bytes, address.align) {
            let at = address.plus(distance);
            let shift = self.part_shift(bytes, distance, size);
            let part = self.arithmetic_constant(ArithmeticOp::LShr, number, shift, span);
            self.builder.store(size, at.base, at.instruction_offset(), part, span);
        }
    }

    /// How far up in a number of `bytes` bytes the part is that lies `distance` bytes from the start.
    fn part_shift(&self, bytes: u32, distance: u32, size: MemorySize) -> u64 {
        let below = match self.endianness {
            Endianness::Little => distance,
            Endianness::Big => bytes.saturating_sub(distance).saturating_sub(size.bytes()),
        };
        u64::from(below) * 8
    }

    /// Copies bytes.
    pub(super) fn copy(&mut self, to: Address, from: Address, bytes: u32, span: Span) {
        for (distance, size) in accesses(bytes, to.align.min(from.align)) {
            let (to, from) = (to.plus(distance), from.plus(distance));
            let part = self.builder.load(size, from.base, from.instruction_offset(), span);
            self.builder.store(size, to.base, to.instruction_offset(), part, span);
        }
    }
}
