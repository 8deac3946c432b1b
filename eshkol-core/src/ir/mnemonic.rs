//! How operations and types are spelled in the text form: one table each, for the printer and the parser.

use super::{ArithmeticOp, AtomicOp, Condition, MemorySize, UnaryOp, ValueType};

/// Types of values.
pub(super) const TYPES: &[(ValueType, &str)] = &[
    (ValueType::Int, "int"),
    (ValueType::Context, "context"),
    (ValueType::Stack, "stack"),
    (ValueType::MapValue, "map-value"),
    (ValueType::Packet, "packet"),
    (ValueType::PacketEnd, "packet-end"),
    (ValueType::Map, "map"),
    (ValueType::Function, "function"),
    (ValueType::Global, "global"),
    (ValueType::RingBuffer, "ring-buffer"),
    (ValueType::Kernel, "kernel"),
    (ValueType::Memory, "memory"),
];

/// Operations on two values.
pub(super) const BINARY: &[(ArithmeticOp, &str)] = &[
    (ArithmeticOp::Add, "add"),
    (ArithmeticOp::Sub, "sub"),
    (ArithmeticOp::Mul, "mul"),
    (ArithmeticOp::UDiv, "udiv"),
    (ArithmeticOp::URem, "urem"),
    (ArithmeticOp::SDiv, "sdiv"),
    (ArithmeticOp::SRem, "srem"),
    (ArithmeticOp::And, "and"),
    (ArithmeticOp::Or, "or"),
    (ArithmeticOp::Xor, "xor"),
    (ArithmeticOp::Shl, "shl"),
    (ArithmeticOp::LShr, "lshr"),
    (ArithmeticOp::AShr, "ashr"),
];

/// Operations on one value.
pub(super) const UNARY: &[(UnaryOp, &str)] = &[
    (UnaryOp::Neg, "neg"),
    (UnaryOp::ZExt8, "zext8"),
    (UnaryOp::ZExt16, "zext16"),
    (UnaryOp::ZExt32, "zext32"),
    (UnaryOp::SExt8, "sext8"),
    (UnaryOp::SExt16, "sext16"),
    (UnaryOp::SExt32, "sext32"),
    (UnaryOp::ToBig16, "tobig16"),
    (UnaryOp::ToBig32, "tobig32"),
    (UnaryOp::ToBig64, "tobig64"),
    (UnaryOp::Swap16, "swap16"),
    (UnaryOp::Swap32, "swap32"),
    (UnaryOp::Swap64, "swap64"),
    (UnaryOp::Apart, "apart"),
];

/// Read-modify-writes.
pub(super) const ATOMIC: &[(AtomicOp, &str)] = &[
    (AtomicOp::Add, "add"),
    (AtomicOp::And, "and"),
    (AtomicOp::Or, "or"),
    (AtomicOp::Xor, "xor"),
    (AtomicOp::Exchange, "exchange"),
];

/// Comparisons.
pub(super) const CONDITIONS: &[(Condition, &str)] = &[
    (Condition::Equal, "equal"),
    (Condition::NotEqual, "not-equal"),
    (Condition::Below, "below"),
    (Condition::BelowEqual, "below-equal"),
    (Condition::Above, "above"),
    (Condition::AboveEqual, "above-equal"),
    (Condition::Less, "less"),
    (Condition::LessEqual, "less-equal"),
    (Condition::Greater, "greater"),
    (Condition::GreaterEqual, "greater-equal"),
    (Condition::BitsSet, "bits-set"),
];

/// Bytes of an access.
pub(super) const SIZES: &[(MemorySize, &str)] =
    &[(MemorySize::B1, "1"), (MemorySize::B2, "2"), (MemorySize::B4, "4"), (MemorySize::B8, "8")];

/// The spelling of an element of a table.
pub(super) fn name<T: PartialEq>(table: &[(T, &'static str)], wanted: T) -> &'static str {
    table.iter().find(|(item, _)| *item == wanted).map_or("?", |(_, name)| name)
}

/// The element of a table with a spelling.
pub(super) fn find<T: Copy>(table: &[(T, &'static str)], wanted: &str) -> Option<T> {
    table.iter().find(|(_, name)| *name == wanted).map(|(item, _)| *item)
}
