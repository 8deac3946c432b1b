//! What is known of values without running anything: how many bits they have, which conversions change nothing.

use regalloc2::VReg;

use super::Selector;
use crate::compile::Endianness;
use crate::ir::{ArithmeticOp, MemorySize, Op, UnaryOp, Value, ValueType, Width};

/// R6 … R9.
const PRESERVED_REGISTERS: usize = 4;

/// How far definitions are followed.
const DEPTH: u32 = 6;

impl Selector<'_> {
    /// A register that holds a value.
    pub(super) fn register(&mut self, value: Value) -> VReg {
        let value = self.resolve(value);
        match self.remade(value) {
            Some(constant) => self.shared_constant(constant),
            None => self.value_register(value),
        }
    }

    /// A register that holds a value and nothing else wants where the value is made again: for instructions that
    /// overwrite it or need it in a certain place.
    pub(super) fn own_register(&mut self, value: Value) -> VReg {
        let value = self.resolve(value);
        match self.remade(value) {
            Some(constant) => self.own_constant(constant),
            None => self.value_register(value),
        }
    }

    /// A register that holds a value and is overwritten with the result of the instruction being selected.
    ///
    /// Where the result ends in a certain register, as an argument or returned, and the value comes from before a call,
    /// they can't share one, and a copy here is the one move that is needed.
    pub(super) fn overwritten_register(&mut self, value: Value) -> VReg {
        let register = self.own_register(value);
        let value = self.resolve(value);
        if let Some(param) = self.result.and_then(|result| self.destinations.get(&result)).copied()
            && self.dies(value)
        {
            self.destinations.entry(value).or_insert(param);
        }
        let is_bound = self.result.is_some_and(|result| self.bound.contains(&result));
        if !is_bound || !self.dies(value) {
            return register;
        }
        self.bind(value, register)
    }

    /// A register that holds a value and can be a certain one.
    pub(super) fn fixed_register(&mut self, value: Value) -> VReg {
        let register = self.own_register(value);
        let value = self.resolve(value);
        self.bind(value, register)
    }

    /// Whether a value is live across a call and will be in a register that calls preserve: there are enough of them.
    /// Those that may be spilled are left to the allocator, which spills them from where they are.
    pub(super) fn is_preserved(&self, value: Value) -> bool {
        self.across_calls.get(&value).is_some_and(|most| *most <= PRESERVED_REGISTERS)
    }

    fn bind(&mut self, value: Value, register: VReg) -> VReg {
        if self.remade(value).is_some() {
            return register;
        }
        if !self.is_preserved(value) {
            self.bound.insert(value);
            return register;
        }
        let copy = self.new_register();
        self.copy(copy, register);
        copy
    }

    /// The register in which an instruction leaves a result that it makes in a certain register, and which
    /// [`Self::copy`] brings to the wanted one.
    pub(super) fn fixed_result(&mut self, result: Option<Value>, wanted: VReg) -> VReg {
        match result {
            Some(result) if self.is_preserved(result) => self.new_register(),
            _ => wanted,
        }
    }

    fn value_register(&mut self, value: Value) -> VReg {
        if let Some(register) = *self.registers.at(value) {
            return register;
        }
        let register = self.new_register();
        *self.registers.at_mut(value) = Some(register);
        register
    }

    /// The number that a value is.
    pub(super) fn constant(&self, value: Value) -> Option<i64> {
        self.function.constant(self.resolve(value))
    }

    /// The value itself, without conversions that change nothing.
    pub(super) fn resolve(&self, mut value: Value) -> Value {
        while let Some(Op::Unary(op, operand)) = self.function.defining_op(value) {
            let bits = self.bits(*operand, DEPTH);
            let same = match op {
                UnaryOp::ZExt8 => bits <= 8,
                UnaryOp::ZExt16 => bits <= 16,
                UnaryOp::ZExt32 => bits <= 32,
                UnaryOp::SExt8 => bits < 8,
                UnaryOp::SExt16 => bits < 16,
                UnaryOp::SExt32 => bits < 32,
                UnaryOp::ToBig16 => bits <= 16 && self.endianness == Endianness::Big,
                UnaryOp::ToBig32 => bits <= 32 && self.endianness == Endianness::Big,
                UnaryOp::ToBig64 => self.endianness == Endianness::Big,
                UnaryOp::Neg | UnaryOp::Swap16 | UnaryOp::Swap32 | UnaryOp::Swap64 | UnaryOp::Apart => false,
            };
            if !same {
                break;
            }
            value = *operand;
        }
        value
    }

    /// A value with the same low `bits` bits, without conversions that only change others.
    pub(super) fn low(&self, value: Value, bits: u32) -> Value {
        let mut value = self.resolve(value);
        loop {
            let operand = match self.function.defining_op(value) {
                Some(Op::Unary(UnaryOp::ZExt8 | UnaryOp::SExt8, operand)) if bits <= 8 => *operand,
                Some(Op::Unary(UnaryOp::ZExt16 | UnaryOp::SExt16, operand)) if bits <= 16 => *operand,
                Some(Op::Unary(UnaryOp::ZExt32 | UnaryOp::SExt32, operand)) if bits <= 32 => *operand,
                Some(Op::Binary(ArithmeticOp::And, Width::W64, operand, mask)) => match self.function.constant(*mask) {
                    Some(mask) if bits < 64 && (mask.cast_unsigned() | u64::MAX << bits) == u64::MAX => *operand,
                    _ => return value,
                },
                _ => return value,
            };
            // What is only a number by its low bits may be an address as a whole; those are left alone.
            if self.function.value_type(operand) != ValueType::Int {
                return value;
            }
            value = self.resolve(operand);
        }
    }

    /// Whether the upper half of a value is zero.
    pub(super) fn is_zero_extended(&self, value: Value) -> bool {
        self.bits(value, DEPTH) <= 32
    }

    /// So many low bits of a value may be set; the others are zero.
    fn bits(&self, value: Value, depth: u32) -> u32 {
        if depth == 0 || self.function.value_type(value) != ValueType::Int {
            return 64;
        }
        let bits = |value| self.bits(value, depth - 1);
        match self.function.defining_op(value) {
            Some(Op::Const(number)) => 64 - number.leading_zeros(),
            Some(Op::Load { size, signed: false, .. }) => size.bytes() * 8,
            Some(Op::Atomic { size: MemorySize::B4, .. } | Op::CompareExchange { size: MemorySize::B4, .. }) => 32,
            Some(Op::Unary(op, operand)) => match op {
                UnaryOp::ZExt8 => bits(*operand).min(8),
                UnaryOp::ZExt16 => bits(*operand).min(16),
                UnaryOp::ZExt32 => bits(*operand).min(32),
                UnaryOp::ToBig16 | UnaryOp::Swap16 => 16,
                UnaryOp::ToBig32 | UnaryOp::Swap32 => 32,
                _ => 64,
            },
            Some(Op::Binary(op, width, lhs, rhs)) => {
                let limit = match width {
                    Width::W32 => 32,
                    Width::W64 => 64,
                };
                let found = match op {
                    ArithmeticOp::And => bits(*lhs).min(bits(*rhs)),
                    ArithmeticOp::Or | ArithmeticOp::Xor => bits(*lhs).max(bits(*rhs)),
                    ArithmeticOp::UDiv | ArithmeticOp::URem => bits(*lhs),
                    ArithmeticOp::LShr => {
                        let shift = self.function.constant(*rhs).and_then(|shift| u32::try_from(shift).ok());
                        bits(*lhs).saturating_sub(shift.filter(|shift| *shift < limit).unwrap_or(0))
                    }
                    _ => 64,
                };
                found.min(limit)
            }
            _ => 64,
        }
    }
}
