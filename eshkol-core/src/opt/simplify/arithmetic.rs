//! Rules for operations on one and two words.

use super::low_bits::{low_bits_kept, mask};
use super::{Simpler, Simplifier};
use crate::arena::Id as _;
use crate::compile::Endianness;
use crate::ir::{ArithmeticOp, MemorySize, Op, UnaryOp, Value, ValueDef, ValueType, Width, evaluate};

impl Simplifier<'_> {
    pub(super) fn binary(
        &mut self,
        op: ArithmeticOp,
        width: Width,
        lhs: Value,
        rhs: Value,
        result: Value,
    ) -> Option<Simpler> {
        if self.function.value_type(lhs) != ValueType::Int {
            return self.address_sum(op, lhs, rhs);
        }
        if let (Some(lhs), Some(rhs)) = (self.number(lhs), self.number(rhs)) {
            let number = evaluate::binary(op, width, lhs, rhs);
            return Some(Simpler::Op(Op::Const(number.cast_signed())));
        }
        if is_commutative(op) && self.number(lhs).is_some() {
            return Some(Simpler::Op(Op::Binary(op, width, rhs, lhs)));
        }
        if lhs == rhs {
            match op {
                ArithmeticOp::Sub | ArithmeticOp::Xor => return Some(Simpler::Op(Op::Const(0))),
                ArithmeticOp::And | ArithmeticOp::Or => return Some(same(width, lhs)),
                _ => {}
            }
        }
        if width == Width::W32 && !self.ranges.matter(result) {
            let (low_lhs, low_rhs) = (self.same_low_bits(lhs, 32), self.same_low_bits(rhs, 32));
            if (low_lhs, low_rhs) != (lhs, rhs) {
                return Some(Simpler::Op(Op::Binary(op, width, low_lhs, low_rhs)));
            }
        }
        if op == ArithmeticOp::Sub && self.number(lhs) == Some(0) && width == Width::W64 {
            return Some(Simpler::Op(Op::Unary(UnaryOp::Neg, rhs)));
        }
        if op == ArithmeticOp::Add
            && width == Width::W64
            && let Some(outer) = self.number_last(lhs, rhs, result).or_else(|| self.number_last(rhs, lhs, result))
        {
            return Some(outer);
        }
        let number = self.number(rhs)?;
        let number = if width == Width::W32 { number & mask(32) } else { number };
        self.with_number(op, width, lhs, number, result)
            .or_else(|| self.unsigned(op, width, lhs, rhs, result))
            .or_else(|| if width == Width::W64 { self.twice(op, lhs, number, result) } else { None })
    }

    /// `add (add v0, number), v1` as `add (add v0, v1), number`, where numbers of several sums meet.
    fn number_last(&mut self, sum: Value, other: Value, result: Value) -> Option<Simpler> {
        if self.number(other).is_some() || self.ranges.matter(result) || self.uses.get(sum.index()) != Some(&1) {
            return None;
        }
        let Op::Binary(ArithmeticOp::Add, Width::W64, inner, number) = *self.function.defining_op(sum)? else {
            return None;
        };
        self.number(number)?;
        if [inner, other].iter().any(|value| self.function.value_type(*value) != ValueType::Int) {
            return None;
        }
        let sum = self.make(Op::Binary(ArithmeticOp::Add, Width::W64, inner, other));
        Some(Simpler::Op(Op::Binary(ArithmeticOp::Add, Width::W64, sum, number)))
    }

    /// A pointer with constants added several times.
    fn address_sum(&mut self, op: ArithmeticOp, lhs: Value, rhs: Value) -> Option<Simpler> {
        if lhs == rhs {
            return Some(Simpler::Op(Op::Const(0)));
        }
        let number = self.function.constant(rhs).filter(|_| self.function.value_type(rhs) == ValueType::Int)?;
        let number = if op == ArithmeticOp::Sub { number.checked_neg()? } else { number };
        if number == 0 {
            return Some(Simpler::Value(lhs));
        }
        let (base, sum) = self.function.address(lhs, number);
        if base == lhs && op == ArithmeticOp::Add {
            return None;
        }
        let sum = self.constant(sum.cast_unsigned());
        Some(Simpler::Op(Op::Binary(ArithmeticOp::Add, Width::W64, base, sum)))
    }

    /// With a number on the right; for 32 bits, its low half.
    fn with_number(
        &mut self,
        op: ArithmeticOp,
        width: Width,
        lhs: Value,
        number: u64,
        result: Value,
    ) -> Option<Simpler> {
        let ones = if width == Width::W32 { mask(32) } else { u64::MAX };
        let constant = |number: u64| Some(Simpler::Op(Op::Const(number.cast_signed())));
        match (op, number) {
            (
                ArithmeticOp::Add
                | ArithmeticOp::Sub
                | ArithmeticOp::Or
                | ArithmeticOp::Xor
                | ArithmeticOp::Shl
                | ArithmeticOp::LShr
                | ArithmeticOp::AShr
                | ArithmeticOp::URem
                | ArithmeticOp::SRem,
                0,
            )
            | (ArithmeticOp::Mul | ArithmeticOp::UDiv | ArithmeticOp::SDiv, 1) => Some(same(width, lhs)),
            (ArithmeticOp::And | ArithmeticOp::Mul | ArithmeticOp::UDiv | ArithmeticOp::SDiv, 0)
            | (ArithmeticOp::URem | ArithmeticOp::SRem, 1) => constant(0),
            (ArithmeticOp::And, number) if number == ones => Some(same(width, lhs)),
            (ArithmeticOp::Or, number) if number == ones => constant(ones),
            (ArithmeticOp::And, number) => self.and(width, lhs, number, result),
            (ArithmeticOp::LShr, amount) if width == Width::W64 => self.upper_part(lhs, amount, result),
            (ArithmeticOp::Sub, number) => {
                let negative = evaluate::binary(ArithmeticOp::Sub, width, 0, number);
                let negative = if width == Width::W32 { evaluate::sign_extend(negative, 32) } else { negative };
                let negative = self.constant(negative);
                Some(Simpler::Op(Op::Binary(ArithmeticOp::Add, width, lhs, negative)))
            }
            (ArithmeticOp::Mul | ArithmeticOp::UDiv | ArithmeticOp::URem, number) if number.is_power_of_two() => {
                let (op, number) = match op {
                    ArithmeticOp::Mul => (ArithmeticOp::Shl, number.trailing_zeros().into()),
                    ArithmeticOp::UDiv => (ArithmeticOp::LShr, number.trailing_zeros().into()),
                    _ => (ArithmeticOp::And, number - 1),
                };
                let number = self.constant(number);
                Some(Simpler::Op(Op::Binary(op, width, lhs, number)))
            }
            _ => None,
        }
    }

    fn and(&mut self, width: Width, lhs: Value, number: u64, result: Value) -> Option<Simpler> {
        if width == Width::W32 {
            let number = self.constant(number);
            return Some(Simpler::Op(Op::Binary(ArithmeticOp::And, Width::W64, lhs, number)));
        }
        if !self.bits(lhs, result).zeros & !number == 0 {
            return Some(Simpler::Value(lhs));
        }
        if number == mask(32) {
            return Some(Simpler::Op(Op::Unary(UnaryOp::ZExt32, lhs)));
        }
        if let Some(Op::Load { .. }) = self.function.defining_op(lhs) {
            self.narrow_load(lhs, number);
            return None;
        }
        match *self.through(lhs, result)? {
            // Of what is changed in a word, only the change is kept.
            Op::Binary(ArithmeticOp::Or | ArithmeticOp::Xor, Width::W64, inner, changed)
                if self.number(changed).is_some() && self.bits(inner, result).zeros & number == number =>
            {
                let kept = self.number(changed)? & number;
                Some(Simpler::Op(Op::Const(kept.cast_signed())))
            }
            // The bits that are kept are the same before the extension.
            Op::Unary(op, inner) if number & !mask(low_bits_kept(op)) == 0 => {
                let number = self.constant(number);
                Some(Simpler::Op(Op::Binary(ArithmeticOp::And, Width::W64, inner, number)))
            }
            _ => None,
        }
    }

    /// Loads only the low bytes that a mask keeps, where nothing else needs the others.
    fn narrow_load(&mut self, loaded: Value, mask: u64) {
        let ValueDef::Inst(inst) = self.function.values.at(loaded).def else { return };
        let alone = self.uses.get(loaded.index()) == Some(&1);
        let Op::Load { size, signed: false, base, offset } = self.function.insts.at(inst).op else { return };
        // Of a context, fields are loaded as they are; on the stack may be a pointer.
        let may_be_partly_loaded = matches!(self.function.value_type(base), ValueType::Packet | ValueType::MapValue);
        let narrower = match mask {
            0..=0xff => MemorySize::B1,
            0x100..=0xffff => MemorySize::B2,
            0x1_0000..=0xffff_ffff => MemorySize::B4,
            _ => return,
        };
        let Some(less) = size.bytes().checked_sub(narrower.bytes()).filter(|less| *less > 0) else { return };
        if !alone || !may_be_partly_loaded {
            return;
        }
        let skipped = match self.endianness {
            Endianness::Little => 0,
            Endianness::Big => less.cast_signed(),
        };
        let Some(offset) = offset.checked_add(skipped).filter(|offset| i16::try_from(*offset).is_ok()) else { return };
        self.function.insts.at_mut(inst).op = Op::Load { size: narrower, signed: false, base, offset };
        self.changed = true;
    }

    /// A shift of two parts of which the lower is shifted out.
    fn upper_part(&mut self, lhs: Value, amount: u64, result: Value) -> Option<Simpler> {
        let Op::Binary(ArithmeticOp::Or, Width::W64, one, other) = *self.through(lhs, result)? else { return None };
        let shifted_out = |value| self.bits(value, result).maximum() >> (amount & 63) == 0;
        let upper = if shifted_out(one) {
            other
        } else if shifted_out(other) {
            one
        } else {
            return None;
        };
        let amount = self.constant(amount);
        Some(Simpler::Op(Op::Binary(ArithmeticOp::LShr, Width::W64, upper, amount)))
    }

    /// Signed operations on numbers that have no sign.
    fn unsigned(&self, op: ArithmeticOp, width: Width, lhs: Value, rhs: Value, result: Value) -> Option<Simpler> {
        let op = match op {
            ArithmeticOp::SDiv => ArithmeticOp::UDiv,
            ArithmeticOp::SRem => ArithmeticOp::URem,
            ArithmeticOp::AShr => ArithmeticOp::LShr,
            _ => return None,
        };
        let sign = if width == Width::W32 { 1 << 31 } else { 1 << 63 };
        let positive = |value| self.bits(value, result).zeros & sign != 0;
        let simpler = positive(lhs) && (op == ArithmeticOp::LShr || positive(rhs));
        simpler.then_some(Simpler::Op(Op::Binary(op, width, lhs, rhs)))
    }

    /// An operation with a number on the result of one with a number.
    fn twice(&mut self, op: ArithmeticOp, lhs: Value, number: u64, result: Value) -> Option<Simpler> {
        let Op::Binary(before, Width::W64, inner, first) = *self.through(lhs, result)? else { return None };
        if self.function.value_type(inner) != ValueType::Int {
            return None;
        }
        let first = self.number(first)?;
        let (op, number) = match (before, op) {
            (ArithmeticOp::Add, ArithmeticOp::Add) => (ArithmeticOp::Add, first.wrapping_add(number)),
            (ArithmeticOp::And, ArithmeticOp::And) => (ArithmeticOp::And, first & number),
            (ArithmeticOp::Or, ArithmeticOp::Or) => (ArithmeticOp::Or, first | number),
            (ArithmeticOp::Xor, ArithmeticOp::Xor) => (ArithmeticOp::Xor, first ^ number),
            (ArithmeticOp::Shl, ArithmeticOp::Shl) | (ArithmeticOp::LShr, ArithmeticOp::LShr) => {
                let sum = (first & 63) + (number & 63);
                if sum > 63 {
                    return Some(Simpler::Op(Op::Const(0)));
                }
                (op, sum)
            }
            (ArithmeticOp::Shl, ArithmeticOp::LShr) if first == number && number < 64 => {
                (ArithmeticOp::And, u64::MAX >> number)
            }
            (ArithmeticOp::LShr, ArithmeticOp::Shl) if first == number && number < 64 => {
                (ArithmeticOp::And, u64::MAX << number)
            }
            _ => return None,
        };
        let number = self.constant(number);
        Some(Simpler::Op(Op::Binary(op, Width::W64, inner, number)))
    }

    pub(super) fn unary(&mut self, op: UnaryOp, value: Value, result: Value) -> Option<Simpler> {
        if let Some(number) = self.number(value) {
            let number = evaluate::unary(op, number, self.endianness);
            return Some(Simpler::Op(Op::Const(number.cast_signed())));
        }
        match op {
            UnaryOp::Neg => match self.through(value, result)? {
                Op::Unary(UnaryOp::Neg, inner) => Some(Simpler::Value(*inner)),
                _ => None,
            },
            UnaryOp::ZExt8 | UnaryOp::ZExt16 => Some(self.low(value, low_bits_kept(op))),
            UnaryOp::ZExt32 => {
                if !self.bits(value, result).zeros & !mask(32) == 0 {
                    return Some(Simpler::Value(value));
                }
                self.extension_of_less(op, value, result)
            }
            UnaryOp::SExt8 | UnaryOp::SExt16 | UnaryOp::SExt32 => self.sign_extension(op, value, result),
            UnaryOp::ToBig16
            | UnaryOp::ToBig32
            | UnaryOp::ToBig64
            | UnaryOp::Swap16
            | UnaryOp::Swap32
            | UnaryOp::Swap64 => self.byte_order(op, value),
            UnaryOp::Apart => None,
        }
    }

    fn sign_extension(&mut self, op: UnaryOp, value: Value, result: Value) -> Option<Simpler> {
        let bits = low_bits_kept(op);
        // Nothing but zeros from the sign bit on.
        if !self.bits(value, result).zeros & !mask(bits - 1) == 0 {
            return Some(Simpler::Value(value));
        }
        match self.function.defining_op(value) {
            Some(Op::Load { size, signed: true, .. }) if 8 * size.bytes() <= bits => Some(Simpler::Value(value)),
            Some(Op::Unary(before @ (UnaryOp::SExt8 | UnaryOp::SExt16 | UnaryOp::SExt32), _))
                if low_bits_kept(*before) <= bits =>
            {
                Some(Simpler::Value(value))
            }
            _ => self.extension_of_less(op, value, result),
        }
    }

    /// An extension of what was there before other bits were changed.
    fn extension_of_less(&self, op: UnaryOp, value: Value, result: Value) -> Option<Simpler> {
        let inner = self.same_low_bits(value, low_bits_kept(op));
        (inner != value && !self.ranges.matter(result)).then_some(Simpler::Op(Op::Unary(op, inner)))
    }

    /// On a big-endian machine, network order is the machine's. On a little-endian one, changing to it is a swap.
    fn byte_order(&mut self, op: UnaryOp, value: Value) -> Option<Simpler> {
        let bits = swapped_bits(op)?;
        match (self.endianness, op) {
            (Endianness::Big, UnaryOp::ToBig16 | UnaryOp::ToBig32 | UnaryOp::ToBig64) => {
                return Some(self.low(value, bits));
            }
            (Endianness::Little, UnaryOp::Swap16) => return Some(Simpler::Op(Op::Unary(UnaryOp::ToBig16, value))),
            (Endianness::Little, UnaryOp::Swap32) => return Some(Simpler::Op(Op::Unary(UnaryOp::ToBig32, value))),
            (Endianness::Little, UnaryOp::Swap64) => return Some(Simpler::Op(Op::Unary(UnaryOp::ToBig64, value))),
            _ => {}
        }
        let inner = self.same_low_bits(value, bits);
        if inner != value {
            return Some(Simpler::Op(Op::Unary(op, inner)));
        }
        match self.function.defining_op(value) {
            Some(Op::Unary(before, inner)) if *before == op => {
                let inner = *inner;
                Some(self.low(inner, bits))
            }
            _ => self.changed_in_between(op, value),
        }
    }

    /// Bits of a number that are changed between two changes of its byte order can be changed where they are.
    fn changed_in_between(&mut self, op: UnaryOp, value: Value) -> Option<Simpler> {
        let mut changes = Vec::new();
        let mut at = value;
        let original = loop {
            if self.uses.get(at.index()) != Some(&1) {
                return None;
            }
            match *self.function.defining_op(at)? {
                Op::Unary(before, original) if before == op && !changes.is_empty() => break original,
                Op::Binary(
                    change @ (ArithmeticOp::And | ArithmeticOp::Or | ArithmeticOp::Xor),
                    Width::W64,
                    inner,
                    number,
                ) => {
                    changes.push((change, self.number(number)?));
                    at = inner;
                }
                _ => return None,
            }
        };
        let mut simpler = self.low(original, swapped_bits(op)?);
        for (change, number) in changes.into_iter().rev() {
            let before = match simpler {
                Simpler::Value(value) => value,
                Simpler::Op(op) => self.make(op),
            };
            let number = self.constant(evaluate::unary(op, number, self.endianness));
            simpler = Simpler::Op(Op::Binary(change, Width::W64, before, number));
        }
        Some(simpler)
    }

    /// The low bits of a value, zero-extended.
    fn low(&mut self, value: Value, bits: u32) -> Simpler {
        match bits {
            64 => Simpler::Value(value),
            32 => Simpler::Op(Op::Unary(UnaryOp::ZExt32, value)),
            _ => {
                let number = self.constant(mask(bits));
                Simpler::Op(Op::Binary(ArithmeticOp::And, Width::W64, value, number))
            }
        }
    }
}

/// A value; with 32 bits, only its low half.
fn same(width: Width, value: Value) -> Simpler {
    match width {
        Width::W64 => Simpler::Value(value),
        Width::W32 => Simpler::Op(Op::Unary(UnaryOp::ZExt32, value)),
    }
}

fn is_commutative(op: ArithmeticOp) -> bool {
    matches!(op, ArithmeticOp::Add | ArithmeticOp::Mul | ArithmeticOp::And | ArithmeticOp::Or | ArithmeticOp::Xor)
}

/// How many low bits a change of byte order takes.
pub(super) fn swapped_bits(op: UnaryOp) -> Option<u32> {
    match op {
        UnaryOp::ToBig16 | UnaryOp::Swap16 => Some(16),
        UnaryOp::ToBig32 | UnaryOp::Swap32 => Some(32),
        UnaryOp::ToBig64 | UnaryOp::Swap64 => Some(64),
        _ => None,
    }
}
