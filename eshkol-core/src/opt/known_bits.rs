//! Bits of a number that are the same in every run, as far as the operations that make it say.

use crate::ir::{ArithmeticOp, Function, MemorySize, Op, UnaryOp, Value, ValueType, Width, evaluate};

/// How far to look back.
const DEPTH: u32 = 8;

/// Who is asked.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum View {
    /// What is so.
    Truth,
    /// What the kernel's verifier knows to be so, in all versions: it forgets everything at a byte swap, a negation or a
    /// division, and single bits where it extends a sign (`adjust_scalar_min_max_vals` and `check_alu_op` in `kernel/bpf/verifier.c`).
    Verifier,
}

/// Which bits are known.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct KnownBits {
    /// Bits that are 0.
    pub(super) zeros: u64,
    /// Bits that are 1.
    pub(super) ones: u64,
}

impl KnownBits {
    const NOTHING: Self = Self { zeros: 0, ones: 0 };

    fn constant(number: u64) -> Self {
        Self { zeros: !number, ones: number }
    }

    /// At most this.
    fn at_most(number: u64) -> Self {
        let bits = u64::MAX.checked_shl(64 - number.leading_zeros()).unwrap_or(0);
        Self { zeros: bits, ones: 0 }
    }

    /// The least number with these bits.
    pub(super) fn minimum(self) -> u64 {
        self.ones
    }

    /// The greatest number with these bits.
    pub(super) fn maximum(self) -> u64 {
        !self.zeros
    }

    fn masked(self, mask: u64) -> Self {
        Self { zeros: self.zeros | !mask, ones: self.ones & mask }
    }

    fn both(self, other: Self) -> Self {
        Self { zeros: self.zeros | other.zeros, ones: self.ones | other.ones }
    }
}

/// What is known of a value.
pub(super) fn known_bits(function: &Function, value: Value, view: View) -> KnownBits {
    bits(function, value, view, DEPTH)
}

fn bits(function: &Function, value: Value, view: View, depth: u32) -> KnownBits {
    let (Some(op), Some(depth)) = (function.defining_op(value), depth.checked_sub(1)) else {
        return KnownBits::NOTHING;
    };
    if function.value_type(value) != ValueType::Int {
        return KnownBits::NOTHING;
    }
    match op {
        Op::Const(number) => KnownBits::constant(number.cast_unsigned()),
        Op::Load { size, signed: false, .. } => match size {
            MemorySize::B1 => KnownBits::at_most(0xff),
            MemorySize::B2 => KnownBits::at_most(0xffff),
            MemorySize::B4 => KnownBits::at_most(0xffff_ffff),
            MemorySize::B8 => KnownBits::NOTHING,
        },
        Op::Unary(op, value) => unary(*op, bits(function, *value, view, depth), view),
        Op::Binary(op, width, lhs, rhs) => {
            let (lhs, rhs) = (bits(function, *lhs, view, depth), bits(function, *rhs, view, depth));
            match width {
                Width::W64 => binary(*op, lhs, rhs, view),
                Width::W32 => {
                    let low = low_half(*op, lhs, rhs, view);
                    low.masked(0xffff_ffff)
                }
            }
        }
        _ => KnownBits::NOTHING,
    }
}

/// The lower half of an operation on lower halves; what the upper half of the result is does not matter.
fn low_half(op: ArithmeticOp, lhs: KnownBits, rhs: KnownBits, view: View) -> KnownBits {
    let (lhs, rhs) = (lhs.masked(0xffff_ffff), rhs.masked(0xffff_ffff));
    match op {
        ArithmeticOp::AShr | ArithmeticOp::SDiv | ArithmeticOp::SRem => KnownBits::NOTHING,
        ArithmeticOp::Shl | ArithmeticOp::LShr => binary(op, lhs, rhs.masked(31), view),
        _ => binary(op, lhs, rhs, view),
    }
}

fn unary(op: UnaryOp, value: KnownBits, view: View) -> KnownBits {
    match op {
        UnaryOp::Apart => value,
        UnaryOp::ZExt8 => value.masked(0xff),
        UnaryOp::ZExt16 => value.masked(0xffff),
        UnaryOp::ZExt32 => value.masked(0xffff_ffff),
        UnaryOp::SExt8 => sign_extended(value, 8, view),
        UnaryOp::SExt16 => sign_extended(value, 16, view),
        UnaryOp::SExt32 => sign_extended(value, 32, view),
        UnaryOp::ToBig16 | UnaryOp::Swap16 if view == View::Truth => KnownBits::at_most(0xffff),
        UnaryOp::ToBig32 | UnaryOp::Swap32 if view == View::Truth => KnownBits::at_most(0xffff_ffff),
        UnaryOp::ToBig16
        | UnaryOp::Swap16
        | UnaryOp::ToBig32
        | UnaryOp::Swap32
        | UnaryOp::ToBig64
        | UnaryOp::Swap64
        | UnaryOp::Neg => KnownBits::NOTHING,
    }
}

fn sign_extended(value: KnownBits, width: u32, view: View) -> KnownBits {
    if view == View::Verifier {
        // `coerce_reg_to_size_sx` keeps a range that stays as it is, and no single bits.
        let maximum = value.maximum();
        return bounded(Some(maximum).filter(|maximum| maximum >> (width - 1) == 0));
    }
    KnownBits { zeros: evaluate::sign_extend(value.zeros, width), ones: evaluate::sign_extend(value.ones, width) }
}

fn binary(op: ArithmeticOp, lhs: KnownBits, rhs: KnownBits, view: View) -> KnownBits {
    // The amount of a shift, where it is known.
    let amount = (rhs.zeros | rhs.ones == u64::MAX).then_some(rhs.ones & 63);
    match op {
        ArithmeticOp::And => KnownBits { zeros: lhs.zeros | rhs.zeros, ones: lhs.ones & rhs.ones },
        ArithmeticOp::Or => KnownBits { zeros: lhs.zeros & rhs.zeros, ones: lhs.ones | rhs.ones },
        // Kernels before 5.10 do not look at `xor`.
        ArithmeticOp::Xor if view == View::Verifier => KnownBits::NOTHING,
        ArithmeticOp::Xor => KnownBits {
            zeros: lhs.zeros & rhs.zeros | lhs.ones & rhs.ones,
            ones: lhs.zeros & rhs.ones | lhs.ones & rhs.zeros,
        },
        ArithmeticOp::Add => {
            let trailing = lhs.zeros.trailing_ones().min(rhs.zeros.trailing_ones());
            bounded(lhs.maximum().checked_add(rhs.maximum())).both(multiple_of(trailing))
        }
        ArithmeticOp::Mul if view == View::Verifier && lhs.maximum().max(rhs.maximum()) > u32::MAX.into() => {
            KnownBits::NOTHING
        }
        ArithmeticOp::Mul => {
            let trailing = lhs.zeros.trailing_ones().saturating_add(rhs.zeros.trailing_ones());
            bounded(lhs.maximum().checked_mul(rhs.maximum())).both(multiple_of(trailing))
        }
        ArithmeticOp::Sub => multiple_of(lhs.zeros.trailing_ones().min(rhs.zeros.trailing_ones())),
        ArithmeticOp::UDiv if view == View::Truth => KnownBits::at_most(lhs.maximum()),
        ArithmeticOp::URem if view == View::Truth && rhs.minimum() > 0 => {
            KnownBits::at_most(lhs.maximum().min(rhs.maximum().saturating_sub(1)))
        }
        ArithmeticOp::URem if view == View::Truth => KnownBits::at_most(lhs.maximum()),
        ArithmeticOp::UDiv | ArithmeticOp::URem | ArithmeticOp::SDiv | ArithmeticOp::SRem => KnownBits::NOTHING,
        ArithmeticOp::Shl => amount.map_or(KnownBits::NOTHING, |amount| KnownBits {
            zeros: lhs.zeros << amount | ((1 << amount) - 1),
            ones: lhs.ones << amount,
        }),
        ArithmeticOp::LShr => amount.map_or_else(
            || if view == View::Truth { KnownBits::at_most(lhs.maximum()) } else { KnownBits::NOTHING },
            |amount| KnownBits { zeros: lhs.zeros >> amount | !(u64::MAX >> amount), ones: lhs.ones >> amount },
        ),
        ArithmeticOp::AShr => amount.map_or(KnownBits::NOTHING, |amount| KnownBits {
            zeros: (lhs.zeros.cast_signed() >> amount).cast_unsigned(),
            ones: (lhs.ones.cast_signed() >> amount).cast_unsigned(),
        }),
    }
}

/// A number that is at most this, or overflows and can be anything.
fn bounded(maximum: Option<u64>) -> KnownBits {
    maximum.map_or(KnownBits::NOTHING, KnownBits::at_most)
}

/// A number whose lowest bits are zero.
fn multiple_of(zeros: u32) -> KnownBits {
    KnownBits { zeros: !u64::MAX.checked_shl(zeros).unwrap_or(0), ones: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Endianness;
    use crate::ir::interpret::mix;
    use crate::ir::parse;

    /// Every operation, on numbers of which random bits are known, keeps to what is claimed.
    #[test]
    fn claims_hold() {
        let binaries = "add sub mul udiv urem sdiv srem and or xor shl lshr ashr";
        let unaries = "neg zext8 zext16 zext32 sext8 sext16 sext32 tobig16 tobig32 tobig64 swap16 swap32 swap64";
        let both = |op: &str| [format!("{op} v3, v5"), format!("{op}.32 v3, v5")];
        let ops = binaries.split(' ').flat_map(both).chain(unaries.split(' ').map(|op| format!("{op} v3")));
        for (number, op) in ops.enumerate() {
            for round in 0..200 {
                let random = |salt: u64| mix(mix(number as u64 * 1000 + round) ^ salt);
                let small = |salt: u64| random(salt) >> (random(salt + 50) % 64);
                let (mask, set, mask_rhs, set_rhs) = (small(1), small(2), small(3), small(4) & small(5));
                let text = format!(
                    "b0(v0, v1):\n v2 = const {}\n v3 = and v0, v2\n v4 = const {}\n v8 = and v1, v4\n v9 = const {}\n v5 = or v8, v9\n v6 = {op}\n return v6",
                    mask as i64, mask_rhs as i64, set_rhs as i64
                );
                let function = parse(&text).unwrap();
                let crate::ir::Terminator::Return(result) = function.blocks.at(function.entry).terminator else {
                    panic!()
                };
                let (truth, verifier) =
                    (known_bits(&function, result, View::Truth), known_bits(&function, result, View::Verifier));
                assert_eq!((truth.zeros & verifier.zeros, truth.ones & verifier.ones), (verifier.zeros, verifier.ones));
                let input = crate::ir::interpret::Input {
                    arguments: vec![random(6) | set, random(7)],
                    packet_length: 0,
                    seed: 0,
                    endianness: if round % 2 == 0 { Endianness::Little } else { Endianness::Big },
                };
                let value = crate::ir::interpret::run(&function, &input, 100).unwrap().result;
                assert_eq!((value & truth.zeros, value & truth.ones), (0, truth.ones), "{text}\n{value:x} {truth:x?}");
            }
        }
    }

    #[test]
    fn what_the_verifier_forgets() {
        let function = parse("b0(v0: packet):\n v1 = load.2 v0 + 0\n v2 = tobig16 v1\n return v2").unwrap();
        let crate::ir::Terminator::Return(value) = function.blocks.at(function.entry).terminator else { panic!() };
        assert_eq!(known_bits(&function, value, View::Truth).maximum(), 0xffff);
        assert_eq!(known_bits(&function, value, View::Verifier).maximum(), u64::MAX);
        let text = "b0(v0):\n v1 = const 16\n v2 = shl v0, v1\n v3 = sext16 v2\n return v3";
        let function = parse(text).unwrap();
        let crate::ir::Terminator::Return(value) = function.blocks.at(function.entry).terminator else { panic!() };
        assert_eq!(known_bits(&function, value, View::Truth).maximum(), 0);
        assert_eq!(known_bits(&function, value, View::Verifier).maximum(), u64::MAX);
    }
}
