//! Lists, vectors and ranges: known while compiling, and gone afterwards.

use super::super::checker::{Checker, Position};
use super::super::loops::{CountedLoop, ElementKind, Elements};
use super::super::range::Range;
use super::super::test::{Test, boolean, chosen};
use super::super::typed::{ExprKind as Typed, Place, RefTarget, RefType, Region, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{Procedure, Run, Static, Value};
use super::{Builtin, Call, MANY};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::KernelVersion;
use crate::source::Span;

/// Since this version the kernel follows an access to the stack at a place it does not know exactly.
const VARIABLE_STACK: KernelVersion = KernelVersion::new(5, 12);
/// How many expressions a procedure given to `for-each` and its kin is taken to have.
const BODY_WEIGHT: usize = 64;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "list", arity: (0, MANY), check: list },
    Builtin { name: "vector", arity: (0, MANY), check: list },
    Builtin { name: "values", arity: (0, MANY), check: values },
    Builtin { name: "call-with-values", arity: (2, 2), check: call_with_values },
    Builtin { name: "cons", arity: (2, 2), check: cons },
    Builtin { name: "car", arity: (1, 1), check: car },
    Builtin { name: "cdr", arity: (1, 1), check: cdr },
    Builtin { name: "null?", arity: (1, 1), check: is_null },
    Builtin { name: "append", arity: (0, MANY), check: append },
    Builtin { name: "reverse", arity: (1, 1), check: reverse },
    Builtin { name: "length", arity: (1, 1), check: length },
    Builtin { name: "vector-length", arity: (1, 1), check: length },
    Builtin { name: "list-ref", arity: (2, 2), check: element },
    Builtin { name: "vector-ref", arity: (2, 2), check: element },
    Builtin { name: "vector-set!", arity: (3, 3), check: set_element },
    Builtin { name: "range", arity: (1, 3), check: range },
    Builtin { name: "iota", arity: (1, 2), check: iota },
    Builtin { name: "map", arity: (2, MANY), check: map },
    Builtin { name: "vector-map", arity: (2, MANY), check: map },
    Builtin { name: "for-each", arity: (2, 2), check: for_each },
    Builtin { name: "vector-for-each", arity: (2, 2), check: for_each },
    Builtin { name: "fold", arity: (3, 3), check: fold },
    Builtin { name: "fold-left", arity: (3, 3), check: fold },
    Builtin { name: "fold-right", arity: (3, 3), check: fold },
    Builtin { name: "any", arity: (2, 2), check: any_or_every },
    Builtin { name: "every", arity: (2, 2), check: any_or_every },
    Builtin { name: "apply", arity: (2, MANY), check: apply },
    Builtin { name: "compose", arity: (1, MANY), check: compose },
];

fn list(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let values = call.values.into_iter().map(|value| checker.stable(value, "element")).collect();
    Value::Static(Static::List(values), call.span)
}

fn values(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    if call.values.len() == 1 {
        let [value] = call.arguments();
        return value;
    }
    let parts = call.values.into_iter().map(|value| checker.stable(value, "value")).collect();
    Value::Static(Static::Values(parts), call.span)
}

fn call_with_values(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (position, span) = (call.position, call.span);
    let [producer, consumer] = call.arguments();
    let produced = checker.apply_value(&producer, Vec::new(), Position::VALUE, span);
    if matches!(produced, Value::Error(_)) {
        return Value::Error(span);
    }
    let parts = checker.parts_of(produced);
    checker.apply_value(&consumer, parts, position, span)
}

fn wrong_kind(checker: &mut Checker<'_>, value: &Value, wanted: &str) -> Value {
    let what = checker.describe(value);
    let message = format!("{wanted} is wanted here, and this is {what}");
    let diagnostic = Diagnostic::error(catalogue::TYPE_MISMATCH, value.span(), message);
    checker.report(match value {
        Value::Run(run) if matches!(run.expr.ty, Type::Optional(_)) => {
            diagnostic.with_help("whether it is absent is tested with `(not …)`")
        }
        _ => diagnostic,
    })
}

/// The elements of a list known while compiling.
fn elements(checker: &mut Checker<'_>, value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Static(Static::List(values), _) => Some(values),
        Value::Static(Static::Range { from, to, step }, span) => {
            let numbers = match (from.constant(), to.constant()) {
                (Some(from), Some(to)) => listed(from, to, step, span),
                _ => None,
            };
            if numbers.is_none() {
                checker.push(
                    Diagnostic::error(
                        catalogue::NOT_CONSTANT,
                        span,
                        "how long this range is must be known while compiling here",
                    )
                    .with_help("`for`, `for-each` and `fold` also take ranges whose ends are known only at run time"),
                );
            }
            numbers
        }
        Value::Error(_) => None,
        other => {
            wrong_kind(checker, &other, "a list known while compiling");
            None
        }
    }
}

fn listed(from: i128, to: i128, step: i64, span: Span) -> Option<Vec<Value>> {
    let step = i128::from(step);
    let count = ((to - from) / step).max(0) + 1;
    if count > 1024 {
        return None;
    }
    let mut values = Vec::new();
    let mut next = from;
    while (step > 0 && next < to) || (step < 0 && next > to) {
        values.push(Value::literal(next, span));
        next += step;
    }
    Some(values)
}

fn cons(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [first, rest] = call.arguments();
    let first = checker.stable(first, "element");
    let Some(mut values) = elements(checker, rest) else { return Value::Error(span) };
    values.insert(0, first);
    Value::Static(Static::List(values), span)
}

fn car(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [list] = call.arguments();
    let Some(values) = elements(checker, list) else { return Value::Error(span) };
    match values.into_iter().next() {
        Some(value) => value,
        None => checker.error(catalogue::INDEX_OUT_OF_RANGE, span, "this list is empty"),
    }
}

fn cdr(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [list] = call.arguments();
    let Some(values) = elements(checker, list) else { return Value::Error(span) };
    if values.is_empty() {
        return checker.error(catalogue::INDEX_OUT_OF_RANGE, span, "this list is empty");
    }
    Value::Static(Static::List(values.into_iter().skip(1).collect()), span)
}

fn is_null(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [list] = call.arguments();
    let Some(values) = elements(checker, list) else { return Value::Error(span) };
    Value::boolean(values.is_empty(), span)
}

fn append(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let mut all = Vec::new();
    for list in call.values {
        let Some(values) = elements(checker, list) else { return Value::Error(call.span) };
        all.extend(values);
    }
    Value::Static(Static::List(all), call.span)
}

fn reverse(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [list] = call.arguments();
    let Some(mut values) = elements(checker, list) else { return Value::Error(span) };
    values.reverse();
    Value::Static(Static::List(values), span)
}

fn length(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [list] = call.arguments();
    if let Some((_, _, count)) = array_of(&list) {
        return Value::literal(i128::from(count), span);
    }
    let Some(values) = elements(checker, list) else { return Value::Error(span) };
    Value::literal(i128::try_from(values.len()).unwrap_or(0), span)
}

/// The element type and length of a reference to an array.
fn array_of(value: &Value) -> Option<(RefType, DataType, u32)> {
    let Value::Run(Run { expr, .. }) = value else { return None };
    let Type::Ref(reference) = &expr.ty else { return None };
    match &reference.target {
        RefTarget::Data(DataType::Array(element, count)) => Some((reference.clone(), (**element).clone(), *count)),
        RefTarget::Data(DataType::CharArray(count)) => Some((reference.clone(), DataType::Int(IntType::U8), *count)),
        _ => None,
    }
}

fn element(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [sequence, index] = call.arguments();
    if let (Some(_), Value::Run(array)) = (array_of(&sequence), &sequence) {
        return checker.array_element(array.clone(), index, span);
    }
    let Some(values) = elements(checker, sequence) else { return Value::Error(span) };
    let Some(run) = checker.int(index) else { return Value::Error(span) };
    let Some(position) = run.constant() else {
        return checker.error(
            catalogue::NOT_CONSTANT,
            run.expr.span,
            "the index into a list must be known while compiling",
        );
    };
    let count = values.len();
    match usize::try_from(position).ok().and_then(|position| values.into_iter().nth(position)) {
        Some(value) => value,
        None => checker.error(
            catalogue::INDEX_OUT_OF_RANGE,
            run.expr.span,
            format!("the index {position} is past the end: there are {count} elements"),
        ),
    }
}

fn set_element(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [sequence, index, value] = call.arguments();
    let Some((_, element, _)) = array_of(&sequence) else {
        return wrong_kind(checker, &sequence, "an array in memory");
    };
    let Value::Run(array) = sequence else { return Value::Error(span) };
    let Some(place) = checker.element_place(array, index) else { return Value::Error(span) };
    checker.store(place, &element, value, span)
}

/// `(range to)`, `(range from to)`, `(range from to step)`: from `from` up to, but not including, `to`.
fn range(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let span = call.span;
    let (from, to) = match call.values.len() {
        1 => (Some(Value::literal(0, span)), call.take(0)),
        _ => (call.take(0), call.take(1)),
    };
    let step = match call.take(2) {
        None => Some(1),
        Some(step) => checker.int(step).and_then(|run| run.constant()).filter(|step| *step != 0),
    };
    let Some(step) = step.and_then(|step| i64::try_from(step).ok()) else {
        return checker.error(catalogue::NOT_CONSTANT, span, "the step of a range must be a constant other than 0");
    };
    let (Some(from), Some(to)) = (from, to) else { return Value::Error(span) };
    let (Some(from), Some(to)) = (checker.int(from), checker.int(to)) else { return Value::Error(span) };
    let (from, to) = (checker.stable_run(from, "from"), checker.stable_run(to, "to"));
    Value::Static(Static::Range { from: Box::new(from), to: Box::new(to), step }, span)
}

/// `(iota count)`, `(iota count start)`
fn iota(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let span = call.span;
    let (count, start) = (call.take(0), call.take(1).unwrap_or_else(|| Value::literal(0, span)));
    let Some(count) = count.and_then(|count| checker.int(count)) else { return Value::Error(span) };
    let Some(start) = checker.int(start) else { return Value::Error(span) };
    let start = checker.stable_run(start, "start");
    let end = checker.arithmetic(super::super::typed::ArithmeticOp::Add, start.clone(), count, span);
    let end = checker.stable_run(end, "end");
    Value::Static(Static::Range { from: Box::new(start), to: Box::new(end), step: 1 }, span)
}

fn map(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let mut values = call.values.into_iter();
    let Some(procedure) = values.next() else { return Value::Error(span) };
    let mut lists = Vec::new();
    for value in values {
        let Some(list) = listed_elements(checker, value, span) else { return Value::Error(span) };
        lists.push(list);
    }
    let count = lists.iter().map(Vec::len).min().unwrap_or(0);
    let mut results = Vec::new();
    for index in 0..count {
        let arguments = lists.iter().filter_map(|list| list.get(index).cloned()).collect();
        let result = checker.apply_value(&procedure, arguments, Position::VALUE, span);
        results.push(checker.stable(result, "element"));
    }
    Value::Static(Static::List(results), span)
}

/// The elements of a list, or of an array in memory, one by one.
fn listed_elements(checker: &mut Checker<'_>, value: Value, span: Span) -> Option<Vec<Value>> {
    let Some((_, _, count)) = array_of(&value) else { return elements(checker, value) };
    let Value::Run(array) = value else { return None };
    let array = checker.stable_run(array, "array");
    let mut values = Vec::new();
    for index in 0..count {
        let element = checker.array_element(array.clone(), Value::literal(i128::from(index), span), span);
        values.push(checker.stable(element, "element"));
    }
    Some(values)
}

fn for_each(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [procedure, sequence] = call.arguments();
    checker.for_each(sequence, BODY_WEIGHT, span, &mut |checker, element| {
        checker.apply_value(&procedure, vec![element], Position::EFFECT, span)
    })
}

/// `(fold f init sequence)`: `f` takes the element, then what has come together (`fold-left`: the other way round).
fn fold(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let [procedure, init, sequence] = call.arguments();
    let sequence = if name == "fold-right" {
        let Some(mut values) = listed_elements(checker, sequence, span) else { return Value::Error(span) };
        values.reverse();
        Value::Static(Static::List(values), span)
    } else {
        sequence
    };
    let results = checker.fold(sequence, vec![init], BODY_WEIGHT, span, &mut |checker, element, values| {
        let mut arguments = vec![element];
        arguments.extend(values);
        if name == "fold-left" {
            arguments.reverse();
        }
        vec![checker.apply_value(&procedure, arguments, Position::VALUE, span)]
    });
    results.into_iter().next().unwrap_or(Value::Error(span))
}

/// Whether a predicate holds for one element, or for all.
fn any_or_every(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, any) = (call.span, call.name == "any");
    let [procedure, sequence] = call.arguments();
    let Some(values) = listed_elements(checker, sequence, span) else { return Value::Error(span) };
    let mut whole: Option<Test> = None;
    for value in values {
        if let Some(before) = &whole {
            checker.flow = if any { before.when_false.clone() } else { before.when_true.clone() };
        }
        let mark = checker.pending.len();
        let result = checker.apply_value(&procedure, vec![value], Position::VALUE, span);
        let mut next = checker.test_value(result);
        next.expr = checker.wrap(mark, next.expr);
        let Some(before) = whole.take() else {
            whole = Some(next);
            continue;
        };
        let reach = before.reach();
        let constant = boolean(span, Typed::Constant(u64::from(any)));
        let (then, otherwise) = if any { (constant, next.expr) } else { (next.expr, constant) };
        let expr = chosen(before.expr, reach, then, otherwise, span);
        let (when_true, when_false) = if any {
            (checker.join_flows(before.when_true, next.when_true), next.when_false)
        } else {
            (next.when_true, checker.join_flows(before.when_false, next.when_false))
        };
        whole = Some(Test { expr, when_true, when_false });
    }
    match whole {
        Some(test) => {
            checker.flow = checker.join_flows(test.when_true, test.when_false);
            Value::Run(Run::new(test.expr))
        }
        None => Value::boolean(!any, span),
    }
}

fn apply(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (position, span) = (call.position, call.span);
    let mut values = call.values;
    let Some(last) = values.pop().and_then(|last| listed_elements(checker, last, span)) else {
        return Value::Error(span);
    };
    let procedure = values.remove(0);
    values.extend(last);
    checker.apply_value(&procedure, values, position, span)
}

fn compose(_: &mut Checker<'_>, call: Call<'_>) -> Value {
    Value::Static(Static::Procedure(Procedure::Composed(call.values)), call.span)
}

impl Checker<'_> {
    /// What a sequence is made of; reports what is none.
    pub(in super::super) fn elements(&mut self, value: Value, span: Span) -> Option<Elements> {
        if let Some((_, _, count)) = array_of(&value) {
            let Value::Run(array) = value else { return None };
            let array = self.stable_run(array, "array");
            let (Value::Run(from), Value::Run(to)) = (Value::literal(0, span), Value::literal(i128::from(count), span))
            else {
                return None;
            };
            let element = ElementKind::ArrayElement(array);
            return Some(Elements::Counted(Box::new(CountedLoop { from, to, step: 1, element })));
        }
        match value {
            Value::Static(Static::List(values), _) => Some(Elements::Listed(values)),
            Value::Static(Static::Range { from, to, step }, _) => {
                let element = ElementKind::Number;
                Some(Elements::Counted(Box::new(CountedLoop { from: *from, to: *to, step, element })))
            }
            Value::Error(_) => None,
            other => {
                wrong_kind(self, &other, "a list, range or array");
                None
            }
        }
    }

    /// An element of an array in memory: its value, or a reference to it where it is a struct or array.
    pub(in super::super) fn array_element(&mut self, array: Run, index: Value, span: Span) -> Value {
        let whole = Value::Run(array);
        let Some((reference, element, _)) = array_of(&whole) else {
            return wrong_kind(self, &whole, "an array in memory");
        };
        let Value::Run(array) = whole else { return Value::Error(span) };
        let epoch = array.epoch;
        let Some(place) = self.element_place(array, index) else { return Value::Error(span) };
        match element.storage() {
            Some(storage) => Value::Run(self.load(place, storage, &element, span)),
            None => {
                let ty = Type::Ref(RefType { target: RefTarget::Data(element), region: reference.region });
                let run = Run::new(super::super::typed::Expr::new(ty, span, Typed::Address(place)));
                Value::Run(Run { epoch, ..run })
            }
        }
    }

    /// The place of an element that is proven to be in an array.
    pub(in super::super) fn element_place(&mut self, array: Run, index: Value) -> Option<Place> {
        let whole = Value::Run(array);
        let (reference, element, count) = array_of(&whole)?;
        let Value::Run(array) = whole else { return None };
        if !self.check_epoch(array.epoch, array.expr.span) {
            return None;
        }
        let index = self.int(index)?;
        let (size, align) = self.declarations.types.layout(&element);
        let inside = Range::new(0, i128::from(count) - 1);
        if !index.range.within(inside) && self.flow.reachable {
            let message = match index.constant() {
                Some(index) => format!("the index {index} is past the end: there are {count} elements"),
                None => format!("this index may be past the end: there are {count} elements"),
            };
            self.push(
                Diagnostic::error(catalogue::INDEX_OUT_OF_RANGE, index.expr.span, message)
                    .with_help(format!("test it first: `(if (< i {count}) … …)`"))
                    .with_help("or keep it in range: `(modulo i n)`, `(bitwise-and i 7)`"),
            );
            return None;
        }
        let index = self.visible(index);
        let base = Box::new(array.expr);
        if let Some(constant) = index.constant() {
            let offset = u32::try_from(constant).ok()?.saturating_mul(size);
            return Some(Place { base, offset, index: None, align });
        }
        let on_stack = matches!(reference.region, Region::Stack | Region::Any);
        if on_stack && self.program.min_kernel < VARIABLE_STACK && !self.is_known_in_each_round(&index) {
            self.push(
                Diagnostic::error(
                    catalogue::NEEDS_NEWER_KERNEL,
                    index.expr.span,
                    format!("an element of an array on the stack, at a place known only at run time, needs kernel {VARIABLE_STACK}"),
                )
                .with_help(format!("say `(min-kernel \"{VARIABLE_STACK}\")`, or keep the array in a map")),
            );
            return None;
        }
        Some(Place { base, offset: 0, index: Some((Box::new(index.expr), size)), align })
    }
}
