//! Arithmetic on words. What is constant is computed at once: it ends unrolled loops where they end.

use super::function::FunctionLowering;
use crate::check::types::{DataType, IntType};
use crate::ir::{ArithmeticOp, Op, UnaryOp, Value, Width, evaluate};
use crate::source::Span;

impl FunctionLowering<'_> {
    /// The number that a word is known to be.
    pub(super) fn number(&self, word: Value) -> Option<u64> {
        self.builder.function().constant(word).map(i64::cast_unsigned)
    }

    /// A number.
    pub(super) fn constant(&mut self, number: u64, span: Span) -> Value {
        self.builder.constant(number.cast_signed(), span)
    }

    /// 64-bit arithmetic.
    pub(super) fn arithmetic(&mut self, op: ArithmeticOp, lhs: Value, rhs: Value, span: Span) -> Value {
        match (self.number(lhs), self.number(rhs)) {
            (_, Some(right)) if is_identity(op, right) => lhs,
            (Some(left), Some(right)) => self.constant(evaluate::binary(op, Width::W64, left, right), span),
            (Some(left), None) if commutes(op) => {
                if is_identity(op, left) {
                    rhs
                } else {
                    self.builder.binary(op, rhs, lhs, span)
                }
            }
            _ => self.builder.binary(op, lhs, rhs, span),
        }
    }

    /// 64-bit arithmetic with a constant.
    pub(super) fn arithmetic_constant(&mut self, op: ArithmeticOp, lhs: Value, rhs: u64, span: Span) -> Value {
        match self.number(lhs) {
            _ if is_identity(op, rhs) => lhs,
            Some(left) => self.constant(evaluate::binary(op, Width::W64, left, rhs), span),
            None => {
                let rhs = self.constant(rhs, span);
                self.builder.binary(op, lhs, rhs, span)
            }
        }
    }

    /// Arithmetic on one word.
    pub(super) fn unary(&mut self, op: UnaryOp, word: Value, span: Span) -> Value {
        match self.number(word) {
            Some(number) => self.constant(evaluate::unary(op, number, self.endianness), span),
            None => self.builder.unary(op, word, span),
        }
    }

    /// `word * factor`.
    pub(super) fn scaled(&mut self, word: Value, factor: u32, span: Span) -> Value {
        if factor.is_power_of_two() {
            self.arithmetic_constant(ArithmeticOp::Shl, word, u64::from(factor.trailing_zeros()), span)
        } else {
            self.arithmetic_constant(ArithmeticOp::Mul, word, u64::from(factor), span)
        }
    }

    /// The low bits of a word, extended as the type says.
    pub(super) fn extended(&mut self, word: Value, ty: IntType, span: Span) -> Value {
        let op = match (ty.bits, ty.signed) {
            (8, false) => UnaryOp::ZExt8,
            (16, false) => UnaryOp::ZExt16,
            (32, false) => UnaryOp::ZExt32,
            (8, true) => UnaryOp::SExt8,
            (16, true) => UnaryOp::SExt16,
            (32, true) => UnaryOp::SExt32,
            _ => return word,
        };
        self.unary(op, word, span)
    }

    /// The low bits of a word, extended as a value of a type is held.
    pub(super) fn extended_to(&mut self, word: Value, ty: &DataType, span: Span) -> Value {
        match ty {
            DataType::Int(int) => self.extended(word, *int, span),
            DataType::BigEndian(int) => self.extended(word, IntType { signed: false, ..*int }, span),
            DataType::Enum(_) | DataType::Ipv4 => self.extended(word, IntType::U32, span),
            _ => word,
        }
    }

    /// The lowest 2, 4 or 8 bytes reversed.
    pub(super) fn byte_swapped(&mut self, word: Value, bytes: u32, span: Span) -> Value {
        let op = match bytes {
            2 => UnaryOp::Swap16,
            4 => UnaryOp::Swap32,
            8 => UnaryOp::Swap64,
            _ => return word,
        };
        self.unary(op, word, span)
    }

    /// How many bits are set: pairs are counted in place, then fours, then bytes, whose counts a multiplication adds up
    /// in the highest byte. With 32-bit operations where the word is known to have no more bits: their constants fit an
    /// instruction.
    pub(super) fn bit_count(&mut self, word: Value, is_32_bit: bool, span: Span) -> Value {
        if let Some(number) = self.number(word) {
            return self.constant(u64::from(number.count_ones()), span);
        }
        let binary = |this: &mut Self, op, lhs, rhs| match is_32_bit {
            true => this.builder.binary32(op, lhs, rhs, span),
            false => this.builder.binary(op, lhs, rhs, span),
        };
        let constant = |this: &mut Self, byte: u8| {
            let number = u64::from_ne_bytes([byte; 8]);
            this.constant(if is_32_bit { number & 0xffff_ffff } else { number }, span)
        };
        let shifted = |this: &mut Self, word, bits| {
            let bits = this.constant(bits, span);
            binary(this, ArithmeticOp::LShr, word, bits)
        };
        let (ones, pairs) = (constant(self, 0x55), constant(self, 0x33));
        let half = shifted(self, word, 1);
        let half = binary(self, ArithmeticOp::And, half, ones);
        let twos = binary(self, ArithmeticOp::Sub, word, half);
        let high = shifted(self, twos, 2);
        let high = binary(self, ArithmeticOp::And, high, pairs);
        let low = binary(self, ArithmeticOp::And, twos, pairs);
        let fours = binary(self, ArithmeticOp::Add, low, high);
        let high = shifted(self, fours, 4);
        let sum = binary(self, ArithmeticOp::Add, fours, high);
        let nibbles = constant(self, 0x0f);
        let bytes = binary(self, ArithmeticOp::And, sum, nibbles);
        let ones = constant(self, 0x01);
        let product = binary(self, ArithmeticOp::Mul, bytes, ones);
        shifted(self, product, if is_32_bit { 24 } else { 56 })
    }

    /// The most that a word can be, as far as the instructions that make it show: what the kernel's verifier sees, too.
    pub(super) fn upper_bound(&self, word: Value) -> u64 {
        self.bound(word, 8)
    }

    fn bound(&self, word: Value, depth: u32) -> u64 {
        let function = self.builder.function();
        let (Some(op), Some(depth)) = (function.defining_op(word), depth.checked_sub(1)) else {
            return u64::MAX;
        };
        match op {
            Op::Const(number) => number.cast_unsigned(),
            Op::Load { size, signed: false, .. } => ones(size.bytes() * 8),
            Op::Unary(UnaryOp::ZExt8, _) => ones(8),
            Op::Unary(UnaryOp::ZExt16 | UnaryOp::ToBig16 | UnaryOp::Swap16, _) => ones(16),
            Op::Unary(UnaryOp::ZExt32 | UnaryOp::ToBig32 | UnaryOp::Swap32, _) => ones(32),
            Op::Binary(ArithmeticOp::And, _, lhs, rhs) => self.bound(*lhs, depth).min(self.bound(*rhs, depth)),
            Op::Binary(ArithmeticOp::Add, _, lhs, rhs) => {
                self.bound(*lhs, depth).saturating_add(self.bound(*rhs, depth))
            }
            Op::Binary(ArithmeticOp::Mul, _, lhs, rhs) => {
                self.bound(*lhs, depth).saturating_mul(self.bound(*rhs, depth))
            }
            Op::Binary(ArithmeticOp::Shl, _, lhs, rhs) => match self.number(*rhs) {
                Some(bits) if bits < 64 => self.bound(*lhs, depth).saturating_mul(1 << bits),
                _ => u64::MAX,
            },
            Op::Binary(ArithmeticOp::LShr, _, lhs, rhs) => match self.number(*rhs) {
                Some(bits) if bits < 64 => self.bound(*lhs, depth) >> bits,
                _ => u64::MAX,
            },
            _ => u64::MAX,
        }
    }
}

/// The number whose lowest so many bits are set.
pub(super) fn ones(bits: u32) -> u64 {
    u64::MAX.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0)
}

/// Whether `x op right` is always `x`.
fn is_identity(op: ArithmeticOp, right: u64) -> bool {
    match op {
        ArithmeticOp::Add
        | ArithmeticOp::Sub
        | ArithmeticOp::Or
        | ArithmeticOp::Xor
        | ArithmeticOp::Shl
        | ArithmeticOp::LShr
        | ArithmeticOp::AShr => right == 0,
        ArithmeticOp::Mul | ArithmeticOp::UDiv | ArithmeticOp::SDiv => right == 1,
        ArithmeticOp::And => right == u64::MAX,
        ArithmeticOp::URem | ArithmeticOp::SRem => false,
    }
}

fn commutes(op: ArithmeticOp) -> bool {
    matches!(op, ArithmeticOp::Add | ArithmeticOp::Mul | ArithmeticOp::And | ArithmeticOp::Or | ArithmeticOp::Xor)
}
