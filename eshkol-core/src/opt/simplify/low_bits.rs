//! Looks through operations that do not change the low bits of a number, where only those matter.
//!
//! Before: `v1 = and v0, 65535; store.2 v2 + 0, v1`. After: `store.2 v2 + 0, v0`.

use super::{Simpler, Simplifier};
use crate::ir::{ArithmeticOp, MemorySize, Op, UnaryOp, Value, Width};

/// The lowest bits of a word.
pub(super) fn mask(bits: u32) -> u64 {
    u64::MAX.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0)
}

impl Simplifier<'_> {
    /// A value with the same low bits, made by fewer operations.
    pub(super) fn same_low_bits(&self, mut value: Value, bits: u32) -> Value {
        loop {
            let inner = match self.function.defining_op(value) {
                Some(Op::Binary(ArithmeticOp::And, width, inner, number)) => {
                    let kept = match width {
                        Width::W64 => bits,
                        Width::W32 => bits.min(32),
                    };
                    let covers = self.number(*number).is_some_and(|number| number & mask(bits) == mask(bits));
                    (covers && kept == bits).then_some(*inner)
                }
                Some(Op::Binary(ArithmeticOp::Or | ArithmeticOp::Xor | ArithmeticOp::Add, Width::W64, one, other)) => {
                    if self.is_above(*other, bits) {
                        Some(*one)
                    } else {
                        self.is_above(*one, bits).then_some(*other)
                    }
                }
                Some(Op::Unary(op, inner)) => (bits <= low_bits_kept(*op)).then_some(*inner),
                _ => None,
            };
            match inner {
                Some(inner) => value = inner,
                None => return value,
            }
        }
    }

    /// Whether a number was shifted past so many low bits.
    fn is_above(&self, value: Value, bits: u32) -> bool {
        match self.function.defining_op(value) {
            Some(Op::Binary(ArithmeticOp::Shl, Width::W64, _, amount)) => {
                self.number(*amount).is_some_and(|amount| amount & 63 >= bits.into())
            }
            _ => false,
        }
    }

    /// A store that takes the low bytes of a simpler value.
    pub(super) fn narrower_value(&self, op: &Op) -> Option<Simpler> {
        let (Op::Store { size, value, .. } | Op::Atomic { size, value, .. } | Op::CompareExchange { size, value, .. }) =
            op
        else {
            return None;
        };
        let narrower = match size {
            MemorySize::B8 => *value,
            _ => self.same_low_bits(*value, 8 * size.bytes()),
        };
        if narrower == *value {
            return None;
        }
        let mut op = op.clone();
        if let Op::Store { value, .. } | Op::Atomic { value, .. } | Op::CompareExchange { value, .. } = &mut op {
            *value = narrower;
        }
        Some(Simpler::Op(op))
    }
}

/// How many of the low bits an extension leaves as they are.
pub(super) fn low_bits_kept(op: UnaryOp) -> u32 {
    match op {
        UnaryOp::ZExt8 | UnaryOp::SExt8 => 8,
        UnaryOp::ZExt16 | UnaryOp::SExt16 => 16,
        UnaryOp::ZExt32 | UnaryOp::SExt32 => 32,
        _ => 0,
    }
}
