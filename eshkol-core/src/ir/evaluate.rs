//! What operations on numbers give, as eBPF defines them (RFC 9669, sections 4.1 and 4.2): arithmetic wraps, a number
//! divided by 0 is 0, its remainder is itself, shifts use the low bits of their amount.

use super::{ArithmeticOp, Condition, UnaryOp, Width};
use crate::compile::Endianness;

/// Arithmetic on two numbers.
pub fn binary(op: ArithmeticOp, width: Width, lhs: u64, rhs: u64) -> u64 {
    match width {
        Width::W64 => binary64(op, lhs, rhs),
        Width::W32 => binary32(op, low32(lhs), low32(rhs)).into(),
    }
}

fn binary64(op: ArithmeticOp, lhs: u64, rhs: u64) -> u64 {
    let (signed, signed_rhs) = (lhs.cast_signed(), rhs.cast_signed());
    let amount = low32(rhs & 63);
    match op {
        ArithmeticOp::Add => lhs.wrapping_add(rhs),
        ArithmeticOp::Sub => lhs.wrapping_sub(rhs),
        ArithmeticOp::Mul => lhs.wrapping_mul(rhs),
        ArithmeticOp::UDiv => lhs.checked_div(rhs).unwrap_or(0),
        ArithmeticOp::URem => lhs.checked_rem(rhs).unwrap_or(lhs),
        ArithmeticOp::SDiv if rhs == 0 => 0,
        ArithmeticOp::SDiv => signed.wrapping_div(signed_rhs).cast_unsigned(),
        ArithmeticOp::SRem if rhs == 0 => lhs,
        ArithmeticOp::SRem => signed.wrapping_rem(signed_rhs).cast_unsigned(),
        ArithmeticOp::And => lhs & rhs,
        ArithmeticOp::Or => lhs | rhs,
        ArithmeticOp::Xor => lhs ^ rhs,
        ArithmeticOp::Shl => lhs.wrapping_shl(amount),
        ArithmeticOp::LShr => lhs.wrapping_shr(amount),
        ArithmeticOp::AShr => signed.wrapping_shr(amount).cast_unsigned(),
    }
}

fn binary32(op: ArithmeticOp, lhs: u32, rhs: u32) -> u32 {
    let (signed, signed_rhs) = (lhs.cast_signed(), rhs.cast_signed());
    match op {
        ArithmeticOp::Add => lhs.wrapping_add(rhs),
        ArithmeticOp::Sub => lhs.wrapping_sub(rhs),
        ArithmeticOp::Mul => lhs.wrapping_mul(rhs),
        ArithmeticOp::UDiv => lhs.checked_div(rhs).unwrap_or(0),
        ArithmeticOp::URem => lhs.checked_rem(rhs).unwrap_or(lhs),
        ArithmeticOp::SDiv if rhs == 0 => 0,
        ArithmeticOp::SDiv => signed.wrapping_div(signed_rhs).cast_unsigned(),
        ArithmeticOp::SRem if rhs == 0 => lhs,
        ArithmeticOp::SRem => signed.wrapping_rem(signed_rhs).cast_unsigned(),
        ArithmeticOp::And => lhs & rhs,
        ArithmeticOp::Or => lhs | rhs,
        ArithmeticOp::Xor => lhs ^ rhs,
        ArithmeticOp::Shl => lhs.wrapping_shl(rhs),
        ArithmeticOp::LShr => lhs.wrapping_shr(rhs),
        ArithmeticOp::AShr => signed.wrapping_shr(rhs).cast_unsigned(),
    }
}

/// Arithmetic on one number.
pub fn unary(op: UnaryOp, value: u64, endianness: Endianness) -> u64 {
    let little = endianness == Endianness::Little;
    match op {
        UnaryOp::Neg => value.wrapping_neg(),
        UnaryOp::ZExt8 => value & 0xff,
        UnaryOp::ZExt16 => value & 0xffff,
        UnaryOp::ZExt32 => value & 0xffff_ffff,
        UnaryOp::SExt8 => sign_extend(value, 8),
        UnaryOp::SExt16 => sign_extend(value, 16),
        UnaryOp::SExt32 => sign_extend(value, 32),
        UnaryOp::ToBig16 if little => reverse(value, 16),
        UnaryOp::ToBig32 if little => reverse(value, 32),
        UnaryOp::ToBig64 if little => reverse(value, 64),
        UnaryOp::ToBig16 => value & 0xffff,
        UnaryOp::ToBig32 => value & 0xffff_ffff,
        UnaryOp::ToBig64 | UnaryOp::Apart => value,
        UnaryOp::Swap16 => reverse(value, 16),
        UnaryOp::Swap32 => reverse(value, 32),
        UnaryOp::Swap64 => reverse(value, 64),
    }
}

/// Whether a comparison holds.
pub fn condition(condition: Condition, width: Width, lhs: u64, rhs: u64) -> bool {
    let (lhs, rhs) = match width {
        Width::W64 => (lhs, rhs),
        // The order of 32-bit numbers, signed or not, is that of the sign-extended ones.
        Width::W32 => (sign_extend(lhs, 32), sign_extend(rhs, 32)),
    };
    let (signed, signed_rhs) = (lhs.cast_signed(), rhs.cast_signed());
    match condition {
        Condition::Equal => lhs == rhs,
        Condition::NotEqual => lhs != rhs,
        Condition::Below => lhs < rhs,
        Condition::BelowEqual => lhs <= rhs,
        Condition::Above => lhs > rhs,
        Condition::AboveEqual => lhs >= rhs,
        Condition::Less => signed < signed_rhs,
        Condition::LessEqual => signed <= signed_rhs,
        Condition::Greater => signed > signed_rhs,
        Condition::GreaterEqual => signed >= signed_rhs,
        Condition::BitsSet => lhs & rhs != 0,
    }
}

/// The low `bits` (8, 16, 32 or 64), sign-extended.
pub fn sign_extend(value: u64, bits: u32) -> u64 {
    let shift = 64_u32.saturating_sub(bits);
    value.wrapping_shl(shift).cast_signed().wrapping_shr(shift).cast_unsigned()
}

/// The low `bits` (16, 32 or 64) with their bytes reversed, zero-extended.
pub fn reverse(value: u64, bits: u32) -> u64 {
    value.swap_bytes().wrapping_shr(64_u32.saturating_sub(bits))
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low32(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_by_zero_and_overflow() {
        let both = |op, lhs, rhs| (binary(op, Width::W64, lhs, rhs), binary(op, Width::W32, lhs, rhs));
        let number = 0xffff_ffff_0000_0007;
        assert_eq!(both(ArithmeticOp::UDiv, number, 0), (0, 0));
        assert_eq!(both(ArithmeticOp::SDiv, number, 0), (0, 0));
        assert_eq!(both(ArithmeticOp::URem, number, 0), (number, 7));
        assert_eq!(both(ArithmeticOp::SRem, number, 0), (number, 7));
        assert_eq!(binary(ArithmeticOp::SDiv, Width::W64, 1 << 63, u64::MAX), 1 << 63);
        assert_eq!(binary(ArithmeticOp::SRem, Width::W64, 1 << 63, u64::MAX), 0);
        assert_eq!(binary(ArithmeticOp::SDiv, Width::W32, 1 << 31, u64::MAX), 1 << 31);
        assert_eq!(binary(ArithmeticOp::SRem, Width::W64, 7_u64.wrapping_neg(), 3), 1_u64.wrapping_neg());
    }

    #[test]
    fn thirty_two_bits_clear_the_upper_half() {
        assert_eq!(binary(ArithmeticOp::Sub, Width::W32, 0, 1), 0xffff_ffff);
        assert_eq!(binary(ArithmeticOp::AShr, Width::W32, 0x8000_0000, 33), 0xc000_0000);
        assert_eq!(binary(ArithmeticOp::Shl, Width::W64, 1, 65), 2);
    }

    #[test]
    fn bytes_and_signs() {
        let both = |op, value| (unary(op, value, Endianness::Little), unary(op, value, Endianness::Big));
        assert_eq!(both(UnaryOp::ToBig16, 0x9_1234), (0x3412, 0x1234));
        assert_eq!(both(UnaryOp::Swap16, 0x9_1234), (0x3412, 0x3412));
        assert_eq!(both(UnaryOp::ToBig32, 0x9_1234_5678), (0x7856_3412, 0x1234_5678));
        assert_eq!(both(UnaryOp::ToBig64, 1), (1 << 56, 1));
        assert_eq!(unary(UnaryOp::SExt8, 0x180, Endianness::Little), 0xffff_ffff_ffff_ff80);
        assert_eq!(unary(UnaryOp::Neg, 1, Endianness::Big), u64::MAX);
    }

    #[test]
    fn comparisons_of_both_widths() {
        let holds = |wanted, width, lhs, rhs| condition(wanted, width, lhs, rhs);
        assert!(holds(Condition::Equal, Width::W32, 0x1_0000_0005, 5));
        assert!(!holds(Condition::Equal, Width::W64, 0x1_0000_0005, 5));
        assert!(holds(Condition::Less, Width::W32, 0xffff_ffff, 0));
        assert!(holds(Condition::Above, Width::W32, 0xffff_ffff, 0x1_0000_0000));
        assert!(!holds(Condition::Less, Width::W64, 0xffff_ffff, 0));
        assert!(holds(Condition::Below, Width::W32, 0x7fff_ffff, 0x8000_0000));
        assert!(!holds(Condition::BitsSet, Width::W32, 0x1_0000_0000, 0x1_0000_0000));
    }
}
