//! Histograms.

use super::super::checker::{Checker, Pending, Position};
use super::super::comparison::Comparison;
use super::super::range::Range;
use super::super::typed::{
    self, ArithmeticOp, Buckets, CompareOp, ExprKind as Typed, MapId, Part, PartValue, RefTarget, RefType, Region, Type,
};
use super::super::types::{DataType, IntType, Storage};
use super::super::value::{self, Run, Static, Value};
use super::map::increment_at;
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[Builtin { name: "update-histogram", arity: (2, 3), check: update }];

/// `(update-histogram m v)`, or of a family `(update-histogram m key v)`: counts a number.
fn update(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let mut values = call.values;
    let Some(number) = values.pop() else { return Value::Error(span) };
    let key = if values.len() > 1 { values.pop() } else { None };
    let Some(Value::Static(Static::Map(id), place)) = values.pop() else {
        return checker.error(catalogue::TYPE_MISMATCH, span, "`update-histogram` takes a histogram first");
    };
    let map = checker.declarations.maps.at(id).clone();
    let Some(histogram) = map.histogram else {
        return checker.report(
            Diagnostic::error(catalogue::MAP_OPERATION, place, format!("`{}` is no histogram", map.name))
                .with_note(map.span, "the map is defined here")
                .with_help(format!("make it one: `(define-map {} :histogram)`", map.name)),
        );
    };
    if key.is_some() != histogram.by.is_some() {
        let (what, form) = if histogram.by.is_some() {
            ("a family of histograms", format!("(update-histogram {} key value)", map.name))
        } else {
            ("one histogram", format!("(update-histogram {} value)", map.name))
        };
        return checker.report(
            Diagnostic::error(catalogue::WRONG_ARITY, span, format!("`{}` is {what}", map.name))
                .with_note(map.span, "the map is defined here")
                .with_help(format!("write `{form}`")),
        );
    }
    let Some(number) = word(checker, number, None, span) else { return Value::Error(span) };
    // A family has an entry for each bucket that counts something; alone, the last bucket counts all that is past it, too.
    let last = histogram.by.is_none().then(|| map.max_entries.saturating_sub(1));
    let bucket = match histogram.buckets {
        Buckets::Log2 => bit_length(checker, number, last.unwrap_or(LONGEST), span),
        Buckets::Linear(1) => number,
        Buckets::Linear(step) => {
            let step = number_of(step, span);
            checker.arithmetic(ArithmeticOp::UDiv, number, step, span)
        }
    };
    match (key, histogram.by) {
        (Some(key), Some(by)) => {
            let Some(key) = word(checker, key, Some(by), span) else { return Value::Error(span) };
            let key = pair(key, bucket, span);
            let key = checker.stable(key, "key");
            count(checker, id, key, span)
        }
        _ => {
            let bucket = at_most(checker, bucket, last.unwrap_or(LONGEST), span);
            count(checker, id, bucket, span)
        }
    }
}

/// A number as 64 bits, after a type of fewer where it is given one.
fn word(checker: &mut Checker<'_>, value: Value, by: Option<IntType>, span: Span) -> Option<Run> {
    let value = match by {
        Some(by) => checker.cast(value, &DataType::Int(by), span),
        None => value,
    };
    let value = checker.cast(value, &DataType::Int(IntType::U64), span);
    checker.int(value)
}

fn number_of(number: u64, span: Span) -> Run {
    let value = i128::from(number);
    Run::new(value::constant(value, IntType::U64, span)).in_range(Range::exactly(value))
}

/// How many bits a number can have.
const LONGEST: u32 = 64;

/// How many bits a number has, or `last` where it has more: 0 for 0, 64 for the largest. Halves that hold nothing are left out, from the largest on, and
/// what is left in the end has one bit or two.
///
/// On no way but those for 0 and for `last` does the verifier know the result. Where it knows the key of an array it looks whether the array has that key
/// (`get_constant_map_key` in `kernel/bpf/verifier.c`), and has to tell apart all ways that lead to another one; as it would if the result were compared
/// with `last` in the end. Nor does it learn of the number on which way it came: every test of it later on would keep the ways apart.
fn bit_length(checker: &mut Checker<'_>, number: Run, last: u32, span: Span) -> Run {
    // The largest that has not `last` bits, or any at all.
    let short = if last < LONGEST { (1_i128 << last.saturating_sub(1)) - 1 } else { i128::from(u64::MAX) };
    let is_short = number.range.high <= short;
    let most = number.range.high.min(short);
    if is_short && most <= 1 {
        return number;
    }
    let ty = Type::Scalar(DataType::Int(IntType::U64));
    let rest = checker.new_local("number", &number, true);
    let copy = typed::Expr::new(ty.clone(), span, Typed::Apart(Box::new(number.expr)));
    checker.pending.push(Pending::Let(rest, copy));
    let none = number_of(0, span);
    let bits = checker.new_local("bits", &none, true);
    checker.pending.push(Pending::Let(bits, none.expr));
    let expr = |node| Box::new(typed::Expr::new(ty.clone(), span, node));
    let read = |local| expr(Typed::Local(local));
    let constant = |value: i128| Box::new(value::constant(value, IntType::U64, span));
    let compute = |op, lhs, rhs| expr(Typed::Arithmetic { op, lhs, rhs });
    let effect = |node| typed::Expr::new(Type::Unit, span, node);
    let set = |local, value| effect(Typed::Set { local, value });
    let change = |local, op, by| set(local, compute(op, read(local), by));
    let when_above = |least: i128, then: typed::Expr, otherwise: typed::Expr| {
        let test = Typed::Compare { op: CompareOp::Above, lhs: read(rest), rhs: constant(least) };
        let test = Box::new(typed::Expr::new(Type::Scalar(DataType::Bool), span, test));
        effect(Typed::If { test, then: Box::new(then), otherwise: Box::new(otherwise) })
    };
    let nothing = || effect(Typed::Unit);
    let mut count = vec![set(bits, constant(1))];
    for half in [32, 16, 8, 4, 2] {
        let largest = (1_i128 << half) - 1;
        if most > largest {
            let half = || constant(half);
            let upper_half = vec![change(bits, ArithmeticOp::Add, half()), change(rest, ArithmeticOp::LShr, half())];
            count.push(when_above(largest, effect(Typed::Seq(upper_half)), nothing()));
        }
    }
    count.push(change(bits, ArithmeticOp::Add, compute(ArithmeticOp::LShr, read(rest), constant(1))));
    let count = when_above(0, effect(Typed::Seq(count)), nothing());
    let whole = if is_short { count } else { when_above(short, set(bits, constant(last.into())), count) };
    checker.pending.push(Pending::Effect(whole));
    Run::new(*read(bits)).in_range(Range::new(0, last.into())).opaque_if(true)
}

/// The last bucket counts all that is past it, too.
fn at_most(checker: &mut Checker<'_>, bucket: Run, last: u32, span: Span) -> Value {
    if bucket.range.high <= i128::from(last) {
        return Value::Run(bucket);
    }
    let bucket = checker.stable_run(bucket, "bucket");
    let range = Range::new(0, i128::from(last));
    let last = Value::Run(number_of(u64::from(last), span));
    let past = checker.compare(Comparison::Greater, Value::Run(bucket.clone()), last.clone(), span);
    match checker.choose(past, Position::VALUE, span, |_| last, |_| Value::Run(bucket)) {
        Value::Run(chosen) => checker.stable(Value::Run(chosen.in_range(range).opaque_if(true)), "bucket"),
        other => other,
    }
}

/// The key of a family's count: whose, and which bucket.
fn pair(key: Run, bucket: Run, span: Span) -> Value {
    let storage = Storage::native(IntType::U64);
    let parts = vec![
        Part { offset: 0, value: PartValue::Scalar(storage, key.expr) },
        Part { offset: 8, value: PartValue::Scalar(storage, bucket.expr) },
    ];
    let data = DataType::Array(std::sync::Arc::new(DataType::Int(IntType::U64)), 2);
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    Value::run(ty, span, Typed::Allocate { data, parts })
}

fn count(checker: &mut Checker<'_>, id: MapId, key: Value, span: Span) -> Value {
    increment_at(checker, id, key, number_of(1, span), span)
}
