//! Arithmetic and comparisons (RFC 9669, sections 4.1 to 4.3). Every operation is defined for every operand: division by zero gives 0, modulo
//! zero gives the dividend, and shifts take the low bits of their distance.

use super::instruction::{Alu, ByteOrder, Condition};

/// The result of an operation on 64 bits, or on the low 32 with the upper ones zero.
pub(super) fn evaluate(operation: Alu, wide: bool, left: u64, right: u64) -> u64 {
    if wide { on_64(operation, left, right) } else { on_32(operation, low(left), low(right)).into() }
}

fn on_64(operation: Alu, left: u64, right: u64) -> u64 {
    match operation {
        Alu::Add => left.wrapping_add(right),
        Alu::Subtract => left.wrapping_sub(right),
        Alu::Multiply => left.wrapping_mul(right),
        Alu::Divide => left.checked_div(right).unwrap_or(0),
        Alu::Modulo => left.checked_rem(right).unwrap_or(left),
        Alu::DivideSigned if right == 0 => 0,
        Alu::DivideSigned => left.cast_signed().wrapping_div(right.cast_signed()).cast_unsigned(),
        Alu::ModuloSigned if right == 0 => left,
        Alu::ModuloSigned => left.cast_signed().wrapping_rem(right.cast_signed()).cast_unsigned(),
        Alu::Or => left | right,
        Alu::And => left & right,
        Alu::Xor => left ^ right,
        Alu::Move => right,
        // `wrapping_shl` and its kin mask the distance as the instructions do.
        Alu::ShiftLeft => left.wrapping_shl(low(right)),
        Alu::ShiftRight => left.wrapping_shr(low(right)),
        Alu::ShiftRightSigned => left.cast_signed().wrapping_shr(low(right)).cast_unsigned(),
    }
}

fn on_32(operation: Alu, left: u32, right: u32) -> u32 {
    match operation {
        Alu::DivideSigned if right == 0 => 0,
        Alu::DivideSigned => left.cast_signed().wrapping_div(right.cast_signed()).cast_unsigned(),
        Alu::ModuloSigned if right == 0 => left,
        Alu::ModuloSigned => left.cast_signed().wrapping_rem(right.cast_signed()).cast_unsigned(),
        Alu::ShiftLeft => left.wrapping_shl(right),
        Alu::ShiftRight => left.wrapping_shr(right),
        Alu::ShiftRightSigned => left.cast_signed().wrapping_shr(right).cast_unsigned(),
        // The low half of these depends on the low halves alone, or the halves are zero-extended, which they are.
        _ => low(on_64(operation, left.into(), right.into())),
    }
}

/// Whether a comparison holds on 64 bits, or on the low 32.
pub(super) fn holds(condition: Condition, wide: bool, left: u64, right: u64) -> bool {
    if !wide {
        // Extended so that both orders stay as they are on 32 bits.
        let extend = |number: u64| i64::from(low(number).cast_signed()).cast_unsigned();
        return match condition {
            Condition::SignedGreater
            | Condition::SignedGreaterOrEqual
            | Condition::SignedLess
            | Condition::SignedLessOrEqual => holds(condition, true, extend(left), extend(right)),
            _ => holds(condition, true, low(left).into(), low(right).into()),
        };
    }
    let (signed_left, signed_right) = (left.cast_signed(), right.cast_signed());
    match condition {
        Condition::Equal => left == right,
        Condition::NotEqual => left != right,
        Condition::Greater => left > right,
        Condition::GreaterOrEqual => left >= right,
        Condition::Less => left < right,
        Condition::LessOrEqual => left <= right,
        Condition::SignedGreater => signed_left > signed_right,
        Condition::SignedGreaterOrEqual => signed_left >= signed_right,
        Condition::SignedLess => signed_left < signed_right,
        Condition::SignedLessOrEqual => signed_left <= signed_right,
        Condition::AnyBit => left & right != 0,
    }
}

/// The low `bits` of a number in another byte order.
pub(super) fn reorder(order: ByteOrder, bits: u8, number: u64) -> u64 {
    let swap = match order {
        ByteOrder::Little => cfg!(target_endian = "big"),
        ByteOrder::Big => cfg!(target_endian = "little"),
        ByteOrder::Swapped => true,
    };
    let kept = if bits < 64 { number & ((1 << bits) - 1) } else { number };
    if swap { kept.swap_bytes() >> (64 - u32::from(bits)) } else { kept }
}

/// The low `bits` of a number (8 to 32) with their sign.
pub(super) fn sign_extend(number: u64, bits: u32) -> u64 {
    let distance = 64 - bits;
    ((number << distance).cast_signed() >> distance).cast_unsigned()
}

/// The low 32 bits.
pub(super) fn low(number: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the upper bits are what is left out")]
    {
        number as u32
    }
}
