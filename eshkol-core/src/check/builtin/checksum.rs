//! Internet checksums, kept right while a packet is rewritten (RFC 1624, equation 3: `HC' = ~(~HC + ~m + m')`).
//!
//! The sum in one's complement is the same in either byte order (RFC 1071, section 2 (B)), so the words are read and the checksum is
//! written as they lie in memory.

use super::super::checker::{Checker, Pending};
use super::super::comparison::Comparison;
use super::super::range::Range;
use super::super::test::boolean;
use super::super::typed::{self, ArithmeticOp, ExprKind as Typed, Place, Type};
use super::super::types::{DataType, IntType, Storage};
use super::super::value::{self, Run, Value};
use super::packet::{field_place, half_word};
use super::{Builtin, Call};
use crate::diagnostic::catalogue;
use crate::kernel::packet_header::{self, Header, HeaderField};
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "tcp-checksum-replace!", arity: (3, 3), check: replace },
    Builtin { name: "udp-checksum-replace!", arity: (3, 3), check: replace },
    Builtin { name: "icmp-checksum-replace!", arity: (3, 3), check: replace },
    Builtin { name: "icmp6-checksum-replace!", arity: (3, 3), check: replace },
    Builtin { name: "ipv4-compute-checksum!", arity: (1, 1), check: compute },
];

fn word_place(reference: &Run, offset: u32) -> Place {
    Place { base: Box::new(reference.expr.clone()), offset, index: None, align: 1 }
}

fn load_word(checker: &mut Checker<'_>, reference: &Run, offset: u32, span: Span) -> Run {
    let word = checker.load(word_place(reference, offset), Storage::native(IntType::U16), &half_word(), span);
    checker.stable_run(word, "word")
}

fn literal(value: i128, span: Span) -> Run {
    Run::new(value::constant(value, IntType::U64, span)).in_range(Range::exactly(value))
}

/// `~m` of 16 bits.
fn complement(checker: &Checker<'_>, word: Run, span: Span) -> Run {
    checker.arithmetic(ArithmeticOp::Xor, word, literal(0xffff, span), span)
}

fn add(checker: &Checker<'_>, a: Run, b: Run, span: Span) -> Run {
    checker.arithmetic(ArithmeticOp::Add, a, b, span)
}

/// A sum of less than 2^32 folded to 16 bits, and complemented.
fn finish(checker: &mut Checker<'_>, sum: Run, span: Span) -> Run {
    let mut sum = sum;
    for _ in 0..2 {
        let whole = checker.stable_run(sum, "sum");
        let low = checker.arithmetic(ArithmeticOp::And, whole.clone(), literal(0xffff, span), span);
        let high = checker.arithmetic(ArithmeticOp::LShr, whole, literal(16, span), span);
        sum = add(checker, low, high, span);
    }
    complement(checker, sum, span)
}

/// Writes a field and brings the header's checksum up to date.
pub(super) fn store_and_update(
    checker: &mut Checker<'_>,
    header: &'static Header,
    field: &'static HeaderField,
    reference: Run,
    value: typed::Expr,
    span: Span,
) -> Value {
    let Some(checksum) = header.checksum() else { return Value::Error(span) };
    let reference = checker.stable_run(reference, header.name);
    let first = field.offset & !1;
    let last = field.offset + field.storage.bytes;
    let offsets: Vec<u32> = (first..last).step_by(2).collect();
    let old: Vec<Run> = offsets.iter().map(|offset| load_word(checker, &reference, *offset, span)).collect();
    let place = field_place(&reference, field);
    let store = Typed::Store { place, storage: field.storage, value: Box::new(value) };
    checker.pending.push(Pending::Effect(typed::Expr::new(Type::Unit, span, store)));
    let new: Vec<Run> = offsets.iter().map(|offset| load_word(checker, &reference, *offset, span)).collect();
    update(checker, header, checksum, &reference, old, new, span)
}

/// Replaces what a checksum sums up: the words `old` by the words `new`.
fn update(
    checker: &mut Checker<'_>,
    header: &Header,
    checksum: &HeaderField,
    reference: &Run,
    old: Vec<Run>,
    new: Vec<Run>,
    span: Span,
) -> Value {
    let current = load_word(checker, reference, checksum.offset, span);
    let mark = checker.pending.len();
    let mut sum = complement(checker, current.clone(), span);
    for word in old {
        let word = complement(checker, word, span);
        sum = add(checker, sum, word, span);
    }
    for word in new {
        sum = add(checker, sum, word, span);
    }
    let mut result = finish(checker, sum, span);
    let udp = header.name == "udp";
    if udp {
        // A UDP checksum of 0 says that there is none (RFC 768): a sum of 0 is sent as all ones.
        let stable = checker.stable_run(result, "checksum");
        let zero = checker.compare(Comparison::Equal, Value::Run(stable.clone()), Value::literal(0, span), span);
        checker.flow = checker.join_flows(zero.when_true, zero.when_false);
        let kind = Typed::If {
            test: Box::new(zero.expr),
            then: Box::new(literal(0xffff, span).expr),
            otherwise: Box::new(stable.expr),
        };
        result = Run::new(typed::Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, kind));
    }
    let place = word_place(reference, checksum.offset);
    let store = Typed::Store { place, storage: Storage::native(IntType::U16), value: Box::new(result.expr) };
    let store = checker.wrap(mark, typed::Expr::new(Type::Unit, span, store));
    if !udp {
        return Value::Run(Run::new(store));
    }
    let present = checker.compare(Comparison::Equal, Value::Run(current), Value::literal(0, span), span);
    checker.flow = checker.join_flows(present.when_true, present.when_false);
    let kind = Typed::If {
        test: Box::new(boolean(span, Typed::Not(Box::new(present.expr)))),
        then: Box::new(store),
        otherwise: Box::new(typed::Expr::new(Type::Unit, span, Typed::Unit)),
    };
    Value::run(Type::Unit, span, kind)
}

/// `(tcp-checksum-replace! h old new)`: after something the checksum covers outside the header has changed, an address of the IP header or a word of the payload.
fn replace(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let Some(header) = name.split('-').next().and_then(packet_header::by_name) else { return Value::Error(span) };
    let [reference, old, new] = call.arguments();
    let Some(reference) = checker.header_argument(header.name, reference) else { return Value::Error(span) };
    let reference = checker.stable_run(reference, header.name);
    let (Some(old), Some(new)) = (network_words(checker, old, span), network_words(checker, new, span)) else {
        return Value::Error(span);
    };
    if old.len() != new.len() {
        return checker.error(catalogue::TYPE_MISMATCH, span, "the old and the new value must have the same type");
    }
    let Some(checksum) = header.checksum() else { return Value::Error(span) };
    update(checker, header, checksum, &reference, old, new, span)
}

/// The 16-bit words of a value as they lie in a packet.
fn network_words(checker: &mut Checker<'_>, value: Value, span: Span) -> Option<Vec<Run>> {
    let run = checker.scalar(value)?;
    let halves = match &run.expr.ty {
        Type::Scalar(DataType::Ipv4) => 2,
        Type::Scalar(DataType::Int(IntType { bits: 32, .. })) => 2,
        Type::Scalar(DataType::Int(IntType { bits: 8 | 16, .. })) => 1,
        _ => {
            let what = checker.describe(&Value::Run(run.clone()));
            let message = format!("an IPv4 address or a number of 16 or 32 bits is wanted here, and this is {what}");
            checker.error(catalogue::TYPE_MISMATCH, run.expr.span, message);
            return None;
        }
    };
    let run = checker.stable_run(run, "replaced");
    let mut words = Vec::new();
    for half in 0..halves {
        let shifted = match half {
            0 => run.clone(),
            _ => checker.arithmetic(ArithmeticOp::LShr, run.clone(), literal(16, span), span),
        };
        let low = checker.arithmetic(ArithmeticOp::And, shifted, literal(0xffff, span), span);
        words.push(to_network(low, span));
    }
    Some(words)
}

/// A number of 16 bits as its two bytes in network order are read by the machine.
fn to_network(word: Run, span: Span) -> Run {
    let storage = Storage::network(2);
    let data = DataType::Array(std::sync::Arc::new(half_word()), 1);
    let region = typed::Region::Stack;
    let ty = Type::Ref(typed::RefType { target: typed::RefTarget::Data(data.clone()), region });
    let parts = vec![typed::Part { offset: 0, value: typed::PartValue::Scalar(storage, word.expr) }];
    let base = Box::new(typed::Expr::new(ty, span, Typed::Allocate { data, parts }));
    let place = Place { base, offset: 0, index: None, align: 2 };
    let kind = Typed::Load { place, storage: Storage::native(IntType::U16) };
    Run::new(typed::Expr::new(Type::Scalar(half_word()), span, kind))
}

/// `(ipv4-compute-checksum! h)`: sums up a header of 20 bytes anew.
fn compute(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [reference] = call.arguments();
    let Some(reference) = checker.header_argument("ipv4", reference) else { return Value::Error(span) };
    let reference = checker.stable_run(reference, "ipv4");
    let Some((header, checksum)) =
        packet_header::by_name("ipv4").and_then(|header| header.checksum().map(|checksum| (header, checksum)))
    else {
        return Value::Error(span);
    };
    let mut sum = literal(0, span);
    for offset in (0..header.size).step_by(2).filter(|offset| *offset != checksum.offset) {
        let word = load_word(checker, &reference, offset, span);
        sum = add(checker, sum, word, span);
    }
    let result = finish(checker, sum, span);
    let place = word_place(&reference, checksum.offset);
    let kind = Typed::Store { place, storage: Storage::native(IntType::U16), value: Box::new(result.expr) };
    Value::run(Type::Unit, span, kind)
}
