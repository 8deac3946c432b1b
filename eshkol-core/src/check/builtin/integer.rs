//! Integers: arithmetic, bits, and what is known of the results.

use super::super::checker::{Checker, local_of};
use super::super::comparison::Comparison;
use super::super::range::Range;
use super::super::typed::{self, ArithmeticOp, ExprKind as Typed, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{self, Run, Static, Value};
use super::super::visible;
use super::{Builtin, Call, MANY};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::source::Span;

/// How far a number can be shifted: to the left, or to the right where it is negative.
const SHIFTS: Range = Range { low: -63, high: 63 };

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "+", arity: (0, MANY), check: accumulate },
    Builtin { name: "*", arity: (0, MANY), check: accumulate },
    Builtin { name: "-", arity: (1, MANY), check: subtract },
    Builtin { name: "bitwise-and", arity: (0, MANY), check: accumulate },
    Builtin { name: "bitwise-ior", arity: (0, MANY), check: accumulate },
    Builtin { name: "bitwise-xor", arity: (0, MANY), check: accumulate },
    Builtin { name: "bitwise-not", arity: (1, 1), check: bitwise_not },
    Builtin { name: "quotient", arity: (2, 2), check: divide },
    Builtin { name: "remainder", arity: (2, 2), check: divide },
    Builtin { name: "modulo", arity: (2, 2), check: modulo },
    Builtin { name: "truncate-quotient", arity: (2, 2), check: divide },
    Builtin { name: "truncate-remainder", arity: (2, 2), check: divide },
    Builtin { name: "floor-remainder", arity: (2, 2), check: modulo },
    Builtin { name: "abs", arity: (1, 1), check: absolute },
    Builtin { name: "square", arity: (1, 1), check: square },
    Builtin { name: "min", arity: (1, MANY), check: extreme },
    Builtin { name: "max", arity: (1, MANY), check: extreme },
    Builtin { name: "arithmetic-shift", arity: (2, 2), check: shift },
    Builtin { name: "bit-count", arity: (1, 1), check: bit_count },
    Builtin { name: "byte-swap", arity: (1, 1), check: byte_swap },
    Builtin { name: "host->network", arity: (1, 1), check: network_order },
    Builtin { name: "network->host", arity: (1, 1), check: network_order },
    Builtin { name: "=", arity: (2, MANY), check: test },
    Builtin { name: "<", arity: (2, MANY), check: test },
    Builtin { name: ">", arity: (2, MANY), check: test },
    Builtin { name: "<=", arity: (2, MANY), check: test },
    Builtin { name: ">=", arity: (2, MANY), check: test },
    Builtin { name: "eq?", arity: (2, MANY), check: test },
    Builtin { name: "eqv?", arity: (2, MANY), check: test },
    Builtin { name: "equal?", arity: (2, MANY), check: test },
    Builtin { name: "boolean=?", arity: (2, MANY), check: test },
    Builtin { name: "zero?", arity: (1, 1), check: test },
    Builtin { name: "positive?", arity: (1, 1), check: test },
    Builtin { name: "negative?", arity: (1, 1), check: test },
    Builtin { name: "even?", arity: (1, 1), check: test },
    Builtin { name: "odd?", arity: (1, 1), check: test },
    Builtin { name: "not", arity: (1, 1), check: not },
];

/// A comparison where a value is wanted.
fn test(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let test = checker.test_builtin(call.name, call.values, call.span);
    as_value(checker, test)
}

fn not(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let Some(value) = call.take(0) else { return Value::Error(call.span) };
    let test = checker.test_value(value);
    let kind = Typed::Not(Box::new(test.expr.clone()));
    let expr = match test.expr.kind {
        Typed::Constant(bits) => super::super::test::boolean(call.span, Typed::Constant(u64::from(bits == 0))),
        _ => super::super::test::boolean(call.span, kind),
    };
    let flow = checker.join_flows(test.when_true, test.when_false);
    checker.flow = flow;
    Value::Run(Run::new(expr))
}

fn as_value(checker: &mut Checker<'_>, test: super::super::test::Test) -> Value {
    let flow = checker.join_flows(test.when_true, test.when_false);
    checker.flow = flow;
    Value::Run(Run::new(test.expr))
}

/// `(+ a …)` and the other operations that go from left to right and have a neutral element.
fn accumulate(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (op, neutral) = match call.name {
        "+" => (ArithmeticOp::Add, 0),
        "*" => (ArithmeticOp::Mul, 1),
        "bitwise-and" => (ArithmeticOp::And, -1),
        "bitwise-ior" => (ArithmeticOp::Or, 0),
        _ => (ArithmeticOp::Xor, 0),
    };
    let span = call.span;
    let mut values = call.values.into_iter();
    let Some(first) = values.next() else { return Value::literal(neutral, span) };
    let Some(mut result) = checker.int(first) else { return Value::Error(span) };
    for value in values {
        let Some(next) = checker.int(value) else { return Value::Error(span) };
        result = checker.arithmetic(op, result, next, span);
    }
    Value::Run(result)
}

fn subtract(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    if let [Value::Static(Static::PacketEnd(context, end), _), Value::Static(Static::PacketStart(_, start), _)] =
        call.values.as_slice()
    {
        let (context, end, start) = (context.clone(), *end, *start);
        if !checker.check_epoch(Some(end), span) || !checker.check_epoch(Some(start), span) {
            return Value::Error(span);
        }
        return super::packet::length(checker, *context, span);
    }
    let mut values = call.values.into_iter();
    let Some(first) = values.next().and_then(|value| checker.int(value)) else { return Value::Error(span) };
    let mut result = first;
    let mut alone = true;
    for value in values {
        alone = false;
        let Some(mut next) = checker.int(value) else { return Value::Error(span) };
        let difference = result.range.sub(next.range);
        if difference.low < 0 && difference.within(SHIFTS) {
            // So that [`signed_amount`] can ask how large they are.
            result = checker.stable_run(result, "number");
            next = checker.stable_run(next, "number");
        }
        result = checker.arithmetic(ArithmeticOp::Sub, result, next, span);
    }
    if alone {
        result = checker.stable_run(result, "number");
        let Value::Run(zero) = Value::literal(0, span) else { return Value::Error(span) };
        result = checker.arithmetic(ArithmeticOp::Sub, zero, result, span);
    }
    Value::Run(result)
}

fn bitwise_not(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [value] = call.arguments();
    let Some(run) = checker.int(value) else { return Value::Error(span) };
    let Value::Run(ones) = Value::literal(-1, span) else { return Value::Error(span) };
    Value::Run(checker.arithmetic(ArithmeticOp::Xor, run, ones, span))
}

fn divide(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, quotient) = (call.span, call.name.ends_with("quotient"));
    let [a, b] = call.arguments();
    let (Some(a), Some(b)) = (checker.int(a), checker.int(b)) else { return Value::Error(span) };
    if !divisor_is_not_zero(checker, &b) {
        return Value::Error(span);
    }
    let (signed, unsigned) =
        if quotient { (ArithmeticOp::SDiv, ArithmeticOp::UDiv) } else { (ArithmeticOp::SRem, ArithmeticOp::URem) };
    let op = if result_is_signed(signed, &a, &b) { signed } else { unsigned };
    Value::Run(checker.arithmetic(op, a, b, span))
}

fn divisor_is_not_zero(checker: &mut Checker<'_>, divisor: &Run) -> bool {
    let tested = local_of(&divisor.expr).is_some_and(|local| checker.flow.excludes_zero(local));
    if tested || !divisor.range.contains(0) || !checker.flow.reachable {
        return true;
    }
    let span = divisor.expr.span;
    let message = if divisor.constant() == Some(0) { "this divides by zero" } else { "this may divide by zero" };
    checker.push(
        Diagnostic::error(catalogue::DIVISION_BY_ZERO, span, message)
            .with_help("test the divisor first: `(if (> n 0) (quotient x n) 0)`")
            .with_help("or make it at least one: `(max n 1)`"),
    );
    false
}

/// The remainder with the sign of the divisor.
fn modulo(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [a, b] = call.arguments();
    let (Some(a), Some(b)) = (checker.int(a), checker.int(b)) else { return Value::Error(span) };
    if !divisor_is_not_zero(checker, &b) {
        return Value::Error(span);
    }
    if !result_is_signed(ArithmeticOp::SRem, &a, &b) {
        return Value::Run(checker.arithmetic(ArithmeticOp::URem, a, b, span));
    }
    let literal = a.literal && b.literal;
    // What is above the largest signed number is read as a negative one.
    let signed = |run: &Run| run.constant().map(|value| super::super::convert::truncate(value, IntType::I64));
    if let (Some(x), Some(y)) = (signed(&a), signed(&b)) {
        let remainder = x.checked_rem(y).unwrap_or(0);
        let floor = if remainder != 0 && (remainder < 0) != (y < 0) { remainder + y } else { remainder };
        let mut folded = Run::new(value::constant(floor, IntType::I64, span)).in_range(Range::exactly(floor));
        folded.literal = literal;
        return Value::Run(folded);
    }
    let most = i128::from(i64::MAX);
    if a.range.within(Range::new(0, most)) && b.range.within(Range::new(1, most)) {
        return Value::Run(checker.arithmetic(ArithmeticOp::SRem, a, b, span));
    }
    let b = checker.stable_run(b, "divisor");
    let remainder = checker.arithmetic(ArithmeticOp::SRem, a, b.clone(), span);
    let remainder = checker.stable_run(remainder, "remainder");
    // Where the signs differ and it does not divide, one more divisor.
    let signs = checker.arithmetic(ArithmeticOp::Xor, remainder.clone(), b.clone(), span);
    let differ = checker.compare(Comparison::Less, Value::Run(signs), Value::literal(0, span), span);
    let remainder_value = Value::Run(remainder.clone());
    checker.flow = differ.when_true;
    let inexact = checker.compare(Comparison::Equal, remainder_value, Value::literal(0, span), span);
    let flow = checker.join_flows(inexact.when_true, inexact.when_false);
    checker.flow = checker.join_flows(flow, differ.when_false);
    let most = b.range.low.abs().max(b.range.high.abs());
    let test = Typed::If {
        test: Box::new(differ.expr),
        then: Box::new(super::super::test::boolean(span, Typed::Not(Box::new(inexact.expr)))),
        otherwise: Box::new(super::super::test::boolean(span, Typed::Constant(0))),
    };
    let adjusted = checker.arithmetic(ArithmeticOp::Add, remainder.clone(), b, span);
    let kind = Typed::If {
        test: Box::new(super::super::test::boolean(span, test)),
        then: Box::new(adjusted.expr),
        otherwise: Box::new(remainder.expr),
    };
    opaque(literal_if(literal, checker.integer(IntType::I64, Range::new(-most, most), span, kind)))
}

/// A value that is as good as written where what it is made of is: it takes the type of what it meets.
fn literal_if(literal: bool, value: Value) -> Value {
    match value {
        Value::Run(run) => Value::Run(Run { literal, ..run }),
        other => other,
    }
}

/// A value whose range the kernel's verifier does not know.
fn opaque(value: Value) -> Value {
    match value {
        Value::Run(run) => Value::Run(run.opaque_if(true)),
        other => other,
    }
}

fn absolute(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [value] = call.arguments();
    let Some(run) = checker.int(value) else { return Value::Error(span) };
    if run.range.low >= 0 {
        return Value::Run(run);
    }
    let literal = run.literal;
    if let Some(value) = run.constant() {
        return literal_if(literal, Value::constant(value.abs(), IntType::I64, span));
    }
    let run = checker.stable_run(run, "number");
    let Value::Run(zero) = Value::literal(0, span) else { return Value::Error(span) };
    let negated = checker.arithmetic(ArithmeticOp::Sub, zero.clone(), run.clone(), span);
    let test = checker.compare(Comparison::Less, Value::Run(run.clone()), Value::Run(zero), span);
    checker.flow = checker.join_flows(test.when_true, test.when_false);
    let range = Range::new(0, run.range.low.abs().max(run.range.high));
    let kind = Typed::If { test: Box::new(test.expr), then: Box::new(negated.expr), otherwise: Box::new(run.expr) };
    opaque(literal_if(literal, checker.integer(IntType::I64, range, span, kind)))
}

fn square(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [value] = call.arguments();
    let Some(run) = checker.int(value) else { return Value::Error(span) };
    let run = checker.stable_run(run, "number");
    Value::Run(checker.arithmetic(ArithmeticOp::Mul, run.clone(), run, span))
}

fn extreme(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, smallest) = (call.span, call.name == "min");
    let mut values = call.values.into_iter();
    let Some(mut best) = values.next().and_then(|value| checker.int(value)) else { return Value::Error(span) };
    for value in values {
        let Some(next) = checker.int(value) else { return Value::Error(span) };
        let (a, b) = (checker.stable_run(best, "number"), checker.stable_run(next, "number"));
        let (Some(a_int), Some(b_int)) = (a.int_type(), b.int_type()) else { return Value::Error(span) };
        let literal = a.literal && b.literal;
        let int = super::super::convert::common_int(&a, a_int, &b, b_int);
        let comparison = if smallest { Comparison::Less } else { Comparison::Greater };
        let test = checker.compare(comparison, Value::Run(a.clone()), Value::Run(b.clone()), span);
        checker.flow = checker.join_flows(test.when_true, test.when_false);
        // An unsigned comparison with a number whose range the verifier knows bounds the other one, too.
        let opaque =
            if smallest && a.range.low >= 0 && b.range.low >= 0 { a.opaque && b.opaque } else { a.opaque || b.opaque };
        let domain = Range::of(if int.signed { IntType::I64 } else { IntType::U64 });
        let seen = |run: &Run| if run.range.within(domain) { run.range } else { domain };
        let (a_range, b_range) = (seen(&a), seen(&b));
        let range = if smallest {
            Range::new(a_range.low.min(b_range.low), a_range.high.min(b_range.high))
        } else {
            Range::new(a_range.low.max(b_range.low), a_range.high.max(b_range.high))
        };
        best = match test.expr.kind {
            Typed::Constant(decided) => {
                let (taken, other) = if decided == 0 { (b, a) } else { (a, b) };
                match checker.typed_as_either(Value::Run(taken), &other, span) {
                    Value::Run(run) => run,
                    other => return other,
                }
            }
            _ => {
                let kind = Typed::If { test: Box::new(test.expr), then: Box::new(a.expr), otherwise: Box::new(b.expr) };
                match literal_if(literal, checker.integer(int, range, span, kind)) {
                    Value::Run(run) => run.opaque_if(opaque),
                    other => return other,
                }
            }
        };
    }
    Value::Run(best)
}

/// `(arithmetic-shift x n)`: left by `n`, or right by `-n`.
fn shift(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [value, amount] = call.arguments();
    let (Some(value), Some(amount)) = (checker.int(value), checker.int(amount)) else { return Value::Error(span) };
    let amount = signed_amount(checker, amount);
    if !amount.range.within(SHIFTS) && checker.flow.reachable {
        return checker.report(
            Diagnostic::error(catalogue::SHIFT_TOO_FAR, amount.expr.span, "this may shift by 64 bits or more")
                .with_help("keep the amount small: `(bitwise-and n 63)`, or test it first: `(if (< n 64) … …)`"),
        );
    }
    let signed = value.int_type().is_some_and(|int| int.signed) && !(value.literal && value.range.low >= 0);
    let right = if signed { ArithmeticOp::AShr } else { ArithmeticOp::LShr };
    if amount.range.low >= 0 {
        return Value::Run(checker.arithmetic(ArithmeticOp::Shl, value, amount, span));
    }
    let Value::Run(zero) = Value::literal(0, span) else { return Value::Error(span) };
    if amount.range.high <= 0 {
        let amount = checker.arithmetic(ArithmeticOp::Sub, zero, amount, span);
        return Value::Run(checker.arithmetic(right, value, amount, span));
    }
    let (value, amount) = (checker.stable_run(value, "number"), checker.stable_run(amount, "amount"));
    let test = checker.compare(Comparison::Less, Value::Run(amount.clone()), Value::Run(zero.clone()), span);
    checker.flow = checker.join_flows(test.when_true, test.when_false);
    let negated = checker.arithmetic(ArithmeticOp::Sub, zero, amount.clone(), span).in_range(Range::new(0, 63));
    let lower = checker.arithmetic(right, value.clone(), negated, span);
    let higher = checker.arithmetic(ArithmeticOp::Shl, value, amount.in_range(Range::new(0, 63)), span);
    let int = if signed { IntType::I64 } else { IntType::U64 };
    let (range, literal) = (lower.range.union(higher.range), lower.literal && higher.literal);
    let kind = Typed::If { test: Box::new(test.expr), then: Box::new(lower.expr), otherwise: Box::new(higher.expr) };
    opaque(literal_if(literal, checker.integer(int, range, span, kind)))
}

/// A difference of unsigned numbers that wraps around below zero, read as the negative number that it would be.
fn signed_amount(checker: &Checker<'_>, amount: Run) -> Run {
    let mut expr = &amount.expr;
    while let Typed::Let { body, .. } = &expr.kind {
        expr = body;
    }
    let range_of = |expr: &typed::Expr| match (&expr.kind, &expr.ty) {
        (Typed::Constant(value), Type::Scalar(_)) => Some(Range::exactly(i128::from(*value))),
        (Typed::Local(local), _) => checker.flow.ranges.get(local).copied(),
        _ => None,
    };
    let Typed::Arithmetic { op: ArithmeticOp::Sub, lhs, rhs } = &expr.kind else { return amount };
    let (Some(lhs), Some(rhs)) = (range_of(lhs), range_of(rhs)) else { return amount };
    let range = lhs.sub(rhs);
    if amount.range.low < 0 || range.low >= 0 || !range.within(SHIFTS) {
        return amount;
    }
    let ty = Type::Scalar(DataType::Int(IntType::I64));
    let span = amount.expr.span;
    let kind = Typed::Cast(Box::new(amount.expr));
    Run::new(typed::Expr::new(ty, span, kind)).in_range(range).opaque_if(true)
}

fn bit_count(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [value] = call.arguments();
    let Some(run) = checker.int(value) else { return Value::Error(span) };
    let literal = run.literal;
    if let Some(value) = run.constant() {
        let count = i128::from(value::low_bits(value).count_ones());
        return literal_if(literal, Value::constant(count, IntType::U64, span));
    }
    let bits = run.int_type().map_or(64, |int| if int.signed { 64 } else { i128::from(int.bits) });
    let count = checker.integer(IntType::U64, Range::new(0, bits), span, Typed::BitCount(Box::new(run.expr)));
    opaque(literal_if(literal, count))
}

/// Reverses the bytes of the value's type.
fn byte_swap(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    reordered(checker, call, |bytes, value| Typed::ByteSwap { bytes, value })
}

/// `(host->network n)`, `(network->host n)`: the number whose bytes the machine has in memory as the network has those of `n`, and back.
fn network_order(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    reordered(checker, call, |bytes, value| Typed::NetworkOrder { bytes, value })
}

fn reordered(checker: &mut Checker<'_>, call: Call<'_>, kind: impl FnOnce(u32, Box<typed::Expr>) -> Typed) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let [value] = call.arguments();
    let Some(run) = checker.int(value) else { return Value::Error(span) };
    let Some(int) = run.int_type() else { return Value::Error(span) };
    if run.literal {
        return checker.report(
            Diagnostic::error(catalogue::TYPE_MISMATCH, span, "how many bytes this number has is not known")
                .with_help(format!("say its type: `({name} (the u16 …))`")),
        );
    }
    if int.bits == 8 {
        return Value::Run(run);
    }
    let unsigned = IntType { signed: false, ..int };
    let kind = kind(int.bytes(), Box::new(run.expr));
    let swapped = opaque(checker.integer(unsigned, Range::of(unsigned), span, kind));
    if int.signed { checker.cast(swapped, &DataType::Int(int), span) } else { swapped }
}

/// Whether arithmetic on these is signed: where one is, and it is not merely a literal. How far a number is shifted says nothing of its sign, and
/// what is divided as an unsigned number, or shifted to the right as one, would not be the negative one that is written.
fn result_is_signed(op: ArithmeticOp, a: &Run, b: &Run) -> bool {
    use ArithmeticOp::{AShr, LShr, SDiv, SRem, Shl, UDiv, URem};
    let signed = |run: &Run| run.int_type().is_some_and(|int| int.signed);
    let written_negative = |run: &Run| run.literal && run.range.low < 0;
    match op {
        Shl | LShr | AShr if !a.literal => return signed(a),
        Shl | LShr | AShr if written_negative(a) => return true,
        SDiv | SRem if written_negative(a) || written_negative(b) => return true,
        UDiv | URem => return false,
        _ => {}
    }
    match (a.literal, b.literal) {
        (true, false) => signed(b),
        (false, true) => signed(a),
        (true, true) => written_negative(a) || written_negative(b),
        (false, false) => signed(a) || signed(b),
    }
}

impl Checker<'_> {
    /// 64-bit arithmetic that wraps.
    pub(in super::super) fn arithmetic(&self, op: ArithmeticOp, a: Run, b: Run, span: Span) -> Run {
        let both_literal = a.literal && b.literal;
        let exact = exact(op, a.range, b.range);
        let below_zero = exact.low < 0 && exact.within(Range::of(IntType::I64));
        let signed = result_is_signed(op, &a, &b) || (both_literal && below_zero);
        let int = if signed { IntType::I64 } else { IntType::U64 };
        let seen = |run: &Run| if run.range.within(Range::of(int)) { run.range } else { Range::of(int) };
        let (a_range, b_range) = (seen(&a), seen(&b));
        if let (Some(x), Some(y)) = (a.constant(), b.constant()) {
            let wrapped = |value| super::super::convert::truncate(value, int);
            let folded = exact_value(op, wrapped(x), wrapped(y), int);
            let mut run = Run::new(value::constant(wrapped(folded), int, span));
            run.range = Range::exactly(wrapped(folded));
            run.literal = both_literal;
            return run;
        }
        let range = match op {
            ArithmeticOp::And => a_range.bit_and(b_range, int),
            ArithmeticOp::Or => a_range.bit_or(b_range, int),
            ArithmeticOp::Xor => a_range.bit_xor(b_range, int),
            _ => self::exact(op, a_range, b_range),
        };
        let opaque = visible::forgets(op, &a, &b);
        let kind = Typed::Arithmetic { op, lhs: Box::new(a.expr), rhs: Box::new(b.expr) };
        let run = Run::new(typed::Expr::new(Type::Scalar(DataType::Int(int)), span, kind));
        Run { literal: both_literal, ..run.in_range(range.wrapped_to(int)).opaque_if(opaque) }
    }

    /// A number plus a constant.
    pub(in super::super) fn add_constant(&self, run: Run, constant: i64, span: Span) -> Value {
        let Value::Run(constant) = Value::literal(i128::from(constant), span) else { return Value::Error(span) };
        Value::Run(self.arithmetic(ArithmeticOp::Add, run, constant, span))
    }
}

/// The range of the mathematical result.
fn exact(op: ArithmeticOp, a: Range, b: Range) -> Range {
    let unknown = Range::new(i128::from(i64::MIN), i128::from(u64::MAX));
    // Where tests contradict each other, there is no number: what is computed there may be anything.
    if a.is_empty() || b.is_empty() {
        return unknown;
    }
    match op {
        ArithmeticOp::Add => a.add(b),
        ArithmeticOp::Sub => a.sub(b),
        ArithmeticOp::Mul => a.mul(b),
        ArithmeticOp::UDiv | ArithmeticOp::SDiv => a.div(b),
        ArithmeticOp::URem | ArithmeticOp::SRem => a.rem(b),
        ArithmeticOp::Shl if b.within(Range::new(0, 63)) => a.mul(Range::new(1_i128 << b.low, 1_i128 << b.high)),
        ArithmeticOp::LShr | ArithmeticOp::AShr if b.within(Range::new(0, 63)) => {
            let ends = [a.low >> b.low, a.low >> b.high, a.high >> b.low, a.high >> b.high];
            let (low, high) = (ends.iter().min(), ends.iter().max());
            match (low, high) {
                (Some(low), Some(high)) if op == ArithmeticOp::AShr || a.low >= 0 => Range::new(*low, *high),
                _ => unknown,
            }
        }
        _ => unknown,
    }
}

/// The mathematical result; it may have to wrap.
fn exact_value(op: ArithmeticOp, a: i128, b: i128, int: IntType) -> i128 {
    let bits = |value: i128| i128::from(value::low_bits(value));
    match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Sub => a - b,
        ArithmeticOp::Mul => a.wrapping_mul(b),
        ArithmeticOp::UDiv | ArithmeticOp::SDiv => a.checked_div(b).unwrap_or(0),
        ArithmeticOp::URem | ArithmeticOp::SRem => a.checked_rem(b).unwrap_or(a),
        ArithmeticOp::And => bits(a) & bits(b),
        ArithmeticOp::Or => bits(a) | bits(b),
        ArithmeticOp::Xor => bits(a) ^ bits(b),
        ArithmeticOp::Shl => bits(a) << (b & 63),
        ArithmeticOp::LShr => bits(a) >> (b & 63),
        ArithmeticOp::AShr => super::super::convert::truncate(a, IntType { signed: true, ..int }) >> (b & 63),
    }
}
