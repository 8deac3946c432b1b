//! Rules for branches.

use super::super::facts::turn;
use super::super::known_bits::{View, known_bits};
use super::Simplifier;
use super::arithmetic::swapped_bits;
use super::low_bits::mask;
use crate::arena::Id as _;
use crate::ir::{ArithmeticOp, Block, Condition, Op, Terminator, UnaryOp, Value, ValueType, Width, evaluate};

/// A comparison of numbers.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Comparison {
    condition: Condition,
    width: Width,
    lhs: Value,
    rhs: Value,
    /// Whether `then` and `otherwise` are exchanged.
    inverted: bool,
}

impl Simplifier<'_> {
    pub(super) fn terminator(&mut self, block: Block) {
        let data = self.function.blocks.at(block);
        let (mut terminator, span) = (data.terminator.clone(), data.span);
        self.span = span;
        terminator.for_each_operand_mut(|value| *value = self.replaced.resolve(*value));
        if let Terminator::Branch { condition, width, lhs, rhs, then, otherwise } = &mut terminator {
            let mut comparison =
                Comparison { condition: *condition, width: *width, lhs: *lhs, rhs: *rhs, inverted: false };
            for _ in 0..super::STEPS {
                match self.comparison(comparison) {
                    Some(simpler) => {
                        self.count_use(simpler.lhs);
                        self.count_use(simpler.rhs);
                        comparison = simpler;
                        self.changed = true;
                    }
                    None => break,
                }
            }
            (*condition, *width, *lhs, *rhs) = (comparison.condition, comparison.width, comparison.lhs, comparison.rhs);
            if comparison.inverted {
                std::mem::swap(then, otherwise);
            }
        }
        self.function.blocks.at_mut(block).terminator = terminator;
    }

    fn comparison(&mut self, comparison: Comparison) -> Option<Comparison> {
        let Comparison { condition, width, lhs, rhs, .. } = comparison;
        let is_number = |value: Value| self.function.value_type(value) == ValueType::Int;
        if self.number(lhs).is_some() && self.number(rhs).is_none() {
            return Some(Comparison { condition: turn(condition), lhs: rhs, rhs: lhs, ..comparison });
        }
        if !is_number(lhs) || !is_number(rhs) || self.number(lhs).is_some() {
            return None;
        }
        if width == Width::W32 {
            return self.comparison_of_32_bits(comparison);
        }
        let Some(number) = self.number(rhs) else { return self.comparison_of_two(comparison) };
        // The verifier learns from the comparison of the very number whose range it needs; before Linux 6.8 it learns nothing from
        // a number not being 0.
        if self.ranges.matter(lhs) {
            return None;
        }
        match (condition, number) {
            (Condition::Below, 1) | (Condition::BelowEqual, 0) => {
                let zero = self.constant(0);
                return Some(Comparison { condition: Condition::Equal, rhs: zero, ..comparison });
            }
            (Condition::Above, 0) | (Condition::AboveEqual, 1) => {
                let zero = self.constant(0);
                return Some(Comparison { condition: Condition::NotEqual, rhs: zero, ..comparison });
            }
            _ => {}
        }
        if i32::try_from(number.cast_signed()).is_ok()
            && let Some(lhs) = self.sign_extended(comparison, lhs)
        {
            return Some(Comparison { width: Width::W32, lhs, ..comparison });
        }
        match condition {
            Condition::Equal | Condition::NotEqual => self.equality(comparison, number),
            Condition::BitsSet => self.bits_set(comparison, number),
            _ => None,
        }
    }

    /// Where the upper halves are zero, or do not matter.
    fn comparison_of_32_bits(&mut self, comparison: Comparison) -> Option<Comparison> {
        let Comparison { condition, lhs, rhs, .. } = comparison;
        let unsigned =
            !matches!(condition, Condition::Less | Condition::LessEqual | Condition::Greater | Condition::GreaterEqual);
        let highest = |value| known_bits(self.function, value, View::Truth).maximum();
        let whole = |value| self.number(value).is_some() || highest(value) <= mask(32);
        if unsigned && highest(lhs) <= mask(32) && whole(rhs) {
            let rhs = match self.number(rhs) {
                Some(number) => self.constant(number & mask(32)),
                None => rhs,
            };
            return Some(Comparison { width: Width::W64, rhs, ..comparison });
        }
        if self.ranges.matter(lhs) || self.ranges.matter(rhs) {
            return None;
        }
        let (low_lhs, low_rhs) = (self.same_low_bits(lhs, 32), self.same_low_bits(rhs, 32));
        ((low_lhs, low_rhs) != (lhs, rhs)).then_some(Comparison { lhs: low_lhs, rhs: low_rhs, ..comparison })
    }

    /// What is sign-extended from 32 bits for this comparison alone. Numbers of 32 bits, signed or not, have the order that they have extended.
    fn sign_extended(&self, comparison: Comparison, value: Value) -> Option<Value> {
        let Op::Unary(UnaryOp::SExt32, inner) = *self.function.defining_op(value)? else { return None };
        let is_only_for_this = self.uses.get(value.index()) == Some(&1);
        (is_only_for_this && comparison.condition != Condition::BitsSet).then_some(inner)
    }

    /// Two numbers in the other byte order are equal where they are in this one.
    fn comparison_of_two(&mut self, comparison: Comparison) -> Option<Comparison> {
        let Comparison { condition, lhs, rhs, .. } = comparison;
        if self.ranges.matter(lhs) || self.ranges.matter(rhs) {
            return None;
        }
        if let (Some(lhs), Some(rhs)) = (self.sign_extended(comparison, lhs), self.sign_extended(comparison, rhs)) {
            return Some(Comparison { width: Width::W32, lhs, rhs, ..comparison });
        }
        if !matches!(condition, Condition::Equal | Condition::NotEqual) {
            return None;
        }
        let (Some(Op::Unary(op, lhs)), Some(Op::Unary(other, rhs))) =
            (self.function.defining_op(lhs), self.function.defining_op(rhs))
        else {
            return None;
        };
        let (bits, lhs, rhs) = (swapped_bits(*op).filter(|_| op == other)?, *lhs, *rhs);
        let (lhs, rhs) = (self.low_bits(lhs, bits), self.low_bits(rhs, bits));
        Some(Comparison { lhs, rhs, ..comparison })
    }

    fn equality(&mut self, comparison: Comparison, number: u64) -> Option<Comparison> {
        let op = self.function.defining_op(comparison.lhs)?.clone();
        let with = |lhs: Value, rhs: Value| Some(Comparison { lhs, rhs, ..comparison });
        match op {
            Op::Binary(ArithmeticOp::Sub | ArithmeticOp::Xor, Width::W64, one, other) if number == 0 => {
                // Pointers are subtracted, but not compared for it; and what is needed itself is compared as well, or both would be kept for it.
                let is_number = |value| self.function.value_type(value) == ValueType::Int;
                let is_only_for_this = self.uses.get(comparison.lhs.index()) == Some(&1);
                if is_only_for_this && is_number(one) && is_number(other) { with(one, other) } else { None }
            }
            Op::Binary(op, Width::W64, inner, first) => {
                let first = self.number(first)?;
                match op {
                    ArithmeticOp::Add => {
                        let rhs = self.constant(number.wrapping_sub(first));
                        with(inner, rhs)
                    }
                    ArithmeticOp::Xor => {
                        let rhs = self.constant(number ^ first);
                        with(inner, rhs)
                    }
                    ArithmeticOp::And => self.masked_equality(comparison, inner, first, number),
                    _ => None,
                }
            }
            Op::Unary(UnaryOp::Neg, inner) => {
                let rhs = self.constant(number.wrapping_neg());
                with(inner, rhs)
            }
            Op::Unary(op, inner) => {
                let bits = swapped_bits(op)?;
                if number > mask(bits) {
                    // Never equal: a number that is too large.
                    let zero = self.constant(0);
                    let one = self.constant(1);
                    return with(zero, one);
                }
                let rhs = self.constant(evaluate::unary(op, number, self.endianness));
                let lhs = self.low_bits(inner, bits);
                with(lhs, rhs)
            }
            _ => None,
        }
    }

    fn masked_equality(&mut self, comparison: Comparison, inner: Value, kept: u64, number: u64) -> Option<Comparison> {
        let possible = kept & !known_bits(self.function, inner, View::Truth).zeros;
        if number & !possible != 0 {
            let zero = self.constant(0);
            let one = self.constant(1);
            return Some(Comparison { lhs: zero, rhs: one, ..comparison });
        }
        if number == 0 || number == kept && kept.is_power_of_two() {
            let rhs = self.constant(kept);
            let wants_set = (number == 0) == (comparison.condition == Condition::NotEqual);
            let inverted = comparison.inverted == wants_set;
            return Some(Comparison { condition: Condition::BitsSet, lhs: inner, rhs, inverted, ..comparison });
        }
        let (original, kept, number) = match *self.function.defining_op(inner)? {
            // The mask and the number in the other byte order.
            Op::Unary(op, original) => {
                let bits = swapped_bits(op)?;
                let swapped = |number: u64| evaluate::unary(op, number & mask(bits), self.endianness);
                (original, swapped(kept), swapped(number))
            }
            // Where they are before the shift.
            Op::Binary(ArithmeticOp::LShr, Width::W64, original, amount) => {
                let amount = self.number(amount)?;
                (original, shifted_mask(kept, amount)?, shifted_mask(number, amount)?)
            }
            _ => return None,
        };
        let kept = self.constant(kept);
        let lhs = self.make(Op::Binary(ArithmeticOp::And, Width::W64, original, kept));
        let rhs = self.constant(number);
        Some(Comparison { lhs, rhs, ..comparison })
    }

    fn bits_set(&mut self, comparison: Comparison, number: u64) -> Option<Comparison> {
        let lhs = comparison.lhs;
        if let Op::Binary(ArithmeticOp::LShr, Width::W64, inner, distance) = *self.function.defining_op(lhs)?
            && let Some(wanted) = self.number(distance).and_then(|bits| shifted_mask(number, bits))
        {
            let rhs = self.constant(wanted);
            return Some(Comparison { lhs: inner, rhs, ..comparison });
        }
        if !known_bits(self.function, lhs, View::Truth).zeros & !number == 0 {
            let zero = self.constant(0);
            return Some(Comparison { condition: Condition::NotEqual, rhs: zero, ..comparison });
        }
        let (inner, number) = match *self.function.defining_op(lhs)? {
            Op::Binary(ArithmeticOp::And, Width::W64, inner, kept) => (inner, self.number(kept)? & number),
            Op::Unary(UnaryOp::ZExt32, inner) => (inner, number & mask(32)),
            Op::Unary(op, inner) => {
                let bits = swapped_bits(op)?;
                (inner, evaluate::unary(op, number & mask(bits), self.endianness))
            }
            _ => return None,
        };
        let rhs = self.constant(number);
        Some(Comparison { lhs: inner, rhs, ..comparison })
    }

    /// The low bits of a value as a number, which is the value itself if there are no others.
    fn low_bits(&mut self, value: Value, bits: u32) -> Value {
        if !known_bits(self.function, value, View::Truth).zeros & !mask(bits) == 0 {
            return value;
        }
        if bits == 32 {
            return self.make(Op::Unary(UnaryOp::ZExt32, value));
        }
        let kept = self.constant(mask(bits));
        self.make(Op::Binary(ArithmeticOp::And, Width::W64, value, kept))
    }
}

/// A mask further up, where an instruction still holds it.
fn shifted_mask(number: u64, bits: u64) -> Option<u64> {
    let wanted = number.checked_shl(u32::try_from(bits).ok()?)?;
    let is_immediate = i32::try_from(wanted).is_ok();
    (is_immediate && wanted >> bits == number).then_some(wanted)
}
