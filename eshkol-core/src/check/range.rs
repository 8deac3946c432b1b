//! Ranges of integers: what is known of a number without running the program.

use super::types::IntType;

/// All integers from `low` to `high`, both included. Empty where `low > high`: the code that has it can't be reached.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Range {
    /// The smallest.
    pub(super) low: i128,
    /// The largest.
    pub(super) high: i128,
}

impl Range {
    /// One number.
    pub(super) fn exactly(value: i128) -> Self {
        Self { low: value, high: value }
    }

    /// From `low` to `high`.
    pub(super) fn new(low: i128, high: i128) -> Self {
        Self { low, high }
    }

    /// Every number of a type.
    pub(super) fn of(int: IntType) -> Self {
        let bits = u32::from(int.bits);
        if int.signed {
            Self { low: -(1_i128 << (bits - 1)), high: (1_i128 << (bits - 1)) - 1 }
        } else {
            Self { low: 0, high: (1_i128 << bits) - 1 }
        }
    }

    /// The number, where there is only one.
    pub(super) fn single(self) -> Option<i128> {
        (self.low == self.high).then_some(self.low)
    }

    /// Whether there is no number.
    pub(super) fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// Whether a number is in it.
    pub(super) fn contains(self, value: i128) -> bool {
        self.low <= value && value <= self.high
    }

    /// Whether all of it is in `other`.
    pub(super) fn within(self, other: Self) -> bool {
        self.is_empty() || (other.low <= self.low && self.high <= other.high)
    }

    /// The numbers of both.
    #[must_use]
    pub(super) fn intersect(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// A range that holds both.
    #[must_use]
    pub(super) fn union(self, other: Self) -> Self {
        if self.is_empty() {
            other
        } else if other.is_empty() {
            self
        } else {
            Self { low: self.low.min(other.low), high: self.high.max(other.high) }
        }
    }

    /// This range, or all of `int` where the number may have wrapped around.
    #[must_use]
    pub(super) fn wrapped_to(self, int: IntType) -> Self {
        let all = Self::of(int);
        if self.within(all) { self } else { all }
    }

    /// Sums.
    #[must_use]
    pub(super) fn add(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }

    /// Differences.
    #[must_use]
    pub(super) fn sub(self, other: Self) -> Self {
        Self { low: self.low - other.high, high: self.high - other.low }
    }

    /// Products; saturates far outside of 64 bits.
    #[must_use]
    pub(super) fn mul(self, other: Self) -> Self {
        Self::spanning([
            self.low.saturating_mul(other.low),
            self.low.saturating_mul(other.high),
            self.high.saturating_mul(other.low),
            self.high.saturating_mul(other.high),
        ])
    }

    /// Quotients toward zero. Unknown where the divisor may be zero, or where there is none: what is never reached may be anything.
    #[must_use]
    pub(super) fn div(self, other: Self) -> Self {
        if other.contains(0) || other.is_empty() {
            return Self { low: i128::from(i64::MIN), high: i128::from(u64::MAX) };
        }
        Self::spanning([self.low / other.low, self.low / other.high, self.high / other.low, self.high / other.high])
    }

    /// Remainders with the sign of the dividend.
    #[must_use]
    pub(super) fn rem(self, other: Self) -> Self {
        let most = other.low.abs().max(other.high.abs()).saturating_sub(1);
        let low = if self.low < 0 { (-most).max(self.low) } else { 0 };
        let high = if self.high > 0 { most.min(self.high) } else { 0 };
        Self { low, high }
    }

    /// Bits in common, where neither is negative; else unknown.
    #[must_use]
    pub(super) fn bit_and(self, other: Self, int: IntType) -> Self {
        match (self.low >= 0, other.low >= 0) {
            (true, true) => Self { low: 0, high: self.high.min(other.high) },
            (true, false) => Self { low: 0, high: self.high },
            (false, true) => Self { low: 0, high: other.high },
            (false, false) => Self::of(int),
        }
    }

    /// Bits of one of both, where neither is negative; else unknown.
    #[must_use]
    pub(super) fn bit_xor(self, other: Self, int: IntType) -> Self {
        if self.low < 0 || other.low < 0 {
            return Self::of(int);
        }
        let most = self.high.max(other.high).max(0);
        let bits = 128 - most.leading_zeros();
        Self { low: 0, high: (1_i128 << bits.min(64)) - 1 }
    }

    /// Bits of either, where neither is negative: at least what each of them is.
    #[must_use]
    pub(super) fn bit_or(self, other: Self, int: IntType) -> Self {
        let all = self.bit_xor(other, int);
        if self.low < 0 || other.low < 0 { all } else { Self { low: self.low.max(other.low), ..all } }
    }

    fn spanning(values: [i128; 4]) -> Self {
        values.into_iter().fold(Self { low: i128::MAX, high: i128::MIN }, |range, value| Self {
            low: range.low.min(value),
            high: range.high.max(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_loses_what_is_known() {
        let small = Range::new(0, 255);
        assert_eq!(small.add(Range::exactly(1)).wrapped_to(IntType::U64), Range::new(1, 256));
        assert_eq!(small.sub(Range::exactly(1)).wrapped_to(IntType::U64), Range::of(IntType::U64));
        assert_eq!(small.sub(Range::exactly(1)).wrapped_to(IntType::I64), Range::new(-1, 254));
    }

    #[test]
    fn a_divisor_that_is_never_there_divides_nothing() {
        let nothing = Range::new(1, 0);
        assert!(Range::new(0, 9).div(nothing).contains(0));
    }

    #[test]
    fn what_has_a_bit_set_is_not_zero() {
        let odd = Range::new(0, 255).bit_or(Range::exactly(1), IntType::U64);
        assert!(!odd.contains(0) && odd.contains(1) && odd.contains(255));
    }

    #[test]
    fn every_result_is_in_the_range_of_its_operands() {
        let ranges = [Range::new(-7, 3), Range::new(0, 9), Range::new(5, 5), Range::new(-4, -1)];
        for a in ranges {
            for b in ranges {
                for x in a.low..=a.high {
                    for y in b.low..=b.high {
                        assert!(a.add(b).contains(x + y));
                        assert!(a.sub(b).contains(x - y));
                        assert!(a.mul(b).contains(x * y));
                        assert!(a.bit_and(b, IntType::I64).contains(x & y), "{x} & {y}");
                        assert!(a.bit_or(b, IntType::I64).contains(x | y), "{x} | {y}");
                        assert!(a.bit_xor(b, IntType::I64).contains(x ^ y), "{x} ^ {y}");
                        if y != 0 {
                            assert!(a.div(b).contains(x / y) || b.contains(0));
                            assert!(a.rem(b).contains(x % y), "{x} % {y}");
                        }
                    }
                }
            }
        }
    }
}
