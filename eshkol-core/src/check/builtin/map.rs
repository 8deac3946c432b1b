//! Maps.

use super::super::access::map_is_read_only;
use super::super::checker::{Checker, Position};
use super::super::comparison::Comparison;
use super::super::range::Range;
use super::super::test::Test;
use super::super::typed::{
    self, Argument, AtomicOp, ExprKind as Typed, Map, MapId, Part, PartValue, Place, RefTarget, RefType, Region, Type,
};
use super::super::types::{DataType, IntType, Storage};
use super::super::value::{self, Run, Static, Value};
use super::helper::allowed;
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::map_flag::RDONLY_PROG;
use crate::kernel::{HelperId, KernelVersion, MapKind, helper};
use crate::source::Span;

const LOOKUP: HelperId = HelperId(1);
const UPDATE: HelperId = HelperId(2);
const DELETE: HelperId = HelperId(3);
const REDIRECT_MAP: HelperId = HelperId(51);
/// The first kernel whose helpers take what is reserved in a ring buffer as a value of a map. Commit 9ef40974a82a.
const RECORDS_ARE_VALUES: KernelVersion = KernelVersion::new(6, 2);
/// `BPF_NOEXIST`
const NO_EXIST: i128 = 1;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "map-lookup", arity: (2, 2), check: lookup },
    Builtin { name: "map-update", arity: (3, 4), check: update },
    Builtin { name: "map-delete", arity: (2, 2), check: delete },
    // The kernel's names for the same, with every argument. A key or a value is what the map holds, wherever that lies.
    Builtin { name: "bpf-map-lookup-elem", arity: (2, 2), check: lookup },
    Builtin { name: "bpf-map-update-elem", arity: (4, 4), check: update },
    Builtin { name: "bpf-map-delete-elem", arity: (2, 2), check: delete },
    Builtin { name: "bpf-map-lookup-percpu-elem", arity: (3, 3), check: lookup_of_cpu },
    Builtin { name: "map-increment!", arity: (2, 3), check: increment },
    Builtin { name: "map-value-set!", arity: (2, 2), check: set_value },
    Builtin { name: "redirect", arity: (2, 3), check: redirect },
];

/// What a form does with a map.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Use {
    Lookup,
    Update,
    Delete,
    Redirect,
    ForEach,
    Submit,
    Output,
    TailCall,
}

/// The map that is the first argument, if its kind can be used so.
pub(super) fn map_argument(checker: &mut Checker<'_>, value: &Value, usage: Use) -> Option<MapId> {
    let id = match value {
        Value::Static(Static::Map(id), _) => *id,
        Value::Error(_) => return None,
        other => {
            let what = checker.describe(other);
            checker.error(catalogue::TYPE_MISMATCH, other.span(), format!("a map is wanted here, and this is {what}"));
            return None;
        }
    };
    let map = checker.declarations.maps.at(id);
    if map.histogram.is_some() {
        let message = format!("`{}` is a histogram: programs can only count in it", map.name);
        let span = map.span;
        checker.push(
            Diagnostic::error(catalogue::MAP_OPERATION, value.span(), message)
                .with_note(span, "the map is defined here")
                .with_help("write `(update-histogram histogram value)`; Rust reads it"),
        );
        return None;
    }
    let (possible, what) = match usage {
        Use::Lookup => (map.kind.has_lookup(), "look anything up in it"),
        Use::Update => (map.kind.has_update(), "change it"),
        Use::Delete => (map.kind.has_delete(), "delete anything from it"),
        Use::Redirect => (map.kind.has_redirect(), "redirect to it"),
        Use::ForEach => (map.kind.has_for_each(), "go through it"),
        Use::Submit => (map.kind.has_submit(), "send events through it"),
        Use::Output => (map.kind.has_output(), "output events to it"),
        Use::TailCall => (map.kind.has_tail_call(), "go on with a program of it"),
    };
    if !possible {
        let message = format!("`{}` is a `:{}` map: programs can't {what}", map.name, map.kind.keyword());
        let span = map.span;
        let mut diagnostic = Diagnostic::error(catalogue::MAP_OPERATION, value.span(), message)
            .with_note(span, "the map is defined here");
        match usage {
            Use::Submit if map.kind.has_output() => {
                diagnostic = diagnostic.with_help(format!("write `(perf-output ctx {} event)`", map.name));
            }
            Use::Output if map.kind.has_submit() => {
                diagnostic = diagnostic.with_help(format!("write `(ringbuf-submit {} event)`", map.name));
            }
            _ => {}
        }
        checker.push(diagnostic);
        return None;
    }
    // `record_func_map` in `kernel/bpf/verifier.c`: "write into map forbidden".
    if matches!(usage, Use::Update | Use::Delete) && map.flags & RDONLY_PROG != 0 {
        checker.push(map_is_read_only(map, value.span()));
        return None;
    }
    Some(id)
}

/// The key, in memory.
fn key_argument(checker: &mut Checker<'_>, id: MapId, value: Value) -> Option<Argument> {
    let map = checker.declarations.maps.at(id).clone();
    let place = value.span();
    if map.kind == MapKind::LpmTrie {
        return lpm_key(checker, &map, value);
    }
    if let Value::Run(run) = &value
        && map.kind.has_index_keys()
    {
        index_fits(checker, &map, run.range, run.constant(), place);
    }
    // Of what is reserved a call takes one thing, which can be the value.
    let key = data_argument(checker, &map.key, value, "key", &map)?;
    Some(unreserved(checker, &map.key, key))
}

/// Warns of an index that its map does not have.
pub(super) fn index_fits(checker: &mut Checker<'_>, map: &Map, range: Range, constant: Option<i128>, span: Span) {
    let last = i128::from(map.max_entries) - 1;
    let diagnostic = match constant {
        Some(index) if index > last || index < 0 => Diagnostic::error(
            catalogue::INDEX_OUT_OF_RANGE,
            span,
            format!("the index {index} is past the end of `{}`, which has {} entries", map.name, map.max_entries),
        )
        .with_note(map.span, "the map is defined here"),
        // A number of which nothing is known may well be in range; one that is known to be small was meant to fit.
        None if range.high > last && range.high <= i128::from(u16::MAX) => Diagnostic::warning(
            catalogue::INDEX_MAY_NOT_EXIST,
            span,
            format!(
                "this index can be up to {}, and `{}` has {} entries: the others are never found",
                range.high, map.name, map.max_entries
            ),
        )
        .with_note(map.span, "the map is defined here")
        .with_help(format!("say `(max-entries {})`, or use a `:hash` map", range.high + 1)),
        _ => return,
    };
    checker.push(diagnostic);
}

/// A key or value, in memory.
fn data_argument(checker: &mut Checker<'_>, data: &DataType, value: Value, role: &str, map: &Map) -> Option<Argument> {
    if let Some(storage) = data.storage() {
        let expr = checker.store_as(value, data)?;
        return Some(Argument::Spilled(storage, expr));
    }
    let run = checker.run(value)?;
    if let Type::Optional(_) = run.expr.ty {
        checker.maybe_absent(&run);
        return None;
    }
    let fits = matches!(&run.expr.ty, Type::Ref(RefType { target: RefTarget::Data(target), .. }) if target == data);
    if !fits {
        let (wanted, what) = (checker.type_name(data), checker.describe(&Value::Run(run.clone())));
        checker.push(
            Diagnostic::error(
                catalogue::TYPE_MISMATCH,
                run.expr.span,
                format!("the {role} of `{}` is a `{wanted}`, and this is {what}", map.name),
            )
            .with_note(map.span, "the map is defined here"),
        );
        return None;
    }
    Some(Argument::Value(run.expr))
}

/// The argument, or where it is reserved in a ring buffer a copy of it.
fn unreserved(checker: &Checker<'_>, data: &DataType, argument: Argument) -> Argument {
    match argument {
        Argument::Value(expr) if matches!(expr.ty, Type::Ref(RefType { region: Region::RingBuffer(_), .. })) => {
            Argument::Value(copied(checker, data, expr))
        }
        other => other,
    }
}

/// A copy on the stack.
fn copied(checker: &Checker<'_>, data: &DataType, original: typed::Expr) -> typed::Expr {
    let (span, size) = (original.span, checker.declarations.types.size(data));
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    let parts = vec![Part { offset: 0, value: PartValue::Copy(original, size) }];
    typed::Expr::new(ty, span, Typed::Allocate { data: data.clone(), parts })
}

/// The key of an LPM trie: all bits of an address, with their number in front.
fn lpm_key(checker: &mut Checker<'_>, map: &Map, value: Value) -> Option<Argument> {
    let span = value.span();
    let size = checker.declarations.types.size(&map.key);
    let prefix = value::constant(i128::from(size) * 8, IntType::U32, span);
    let content = match map.key.storage() {
        Some(storage) => PartValue::Scalar(storage, checker.store_as(value, &map.key)?),
        None => match data_argument(checker, &map.key, value, "key", map)? {
            Argument::Value(expr) => PartValue::Copy(expr, size),
            Argument::Map(_) | Argument::Spilled(..) | Argument::Callback(_) => return None,
        },
    };
    let words = size.div_ceil(4) + 1;
    let data = DataType::Array(std::sync::Arc::new(DataType::Int(IntType::U32)), words);
    let parts = vec![
        Part { offset: 0, value: PartValue::Scalar(Storage::native(IntType::U32), prefix) },
        Part { offset: 4, value: content },
    ];
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    Some(Argument::Value(typed::Expr::new(ty, span, Typed::Allocate { data, parts })))
}

fn lookup(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [map, key] = call.arguments();
    let Some(id) = map_argument(checker, &map, Use::Lookup) else { return Value::Error(span) };
    let Some(key) = key_argument(checker, id, key) else { return Value::Error(span) };
    look_up(checker, id, key, span)
}

fn look_up(checker: &Checker<'_>, id: MapId, key: Argument, span: Span) -> Value {
    found(checker, id, LOOKUP, vec![Argument::Map(id), key], span)
}

/// What a helper that looks for a value of a map gives.
fn found(checker: &Checker<'_>, id: MapId, helper: HelperId, arguments: Vec<Argument>, span: Span) -> Value {
    let target = RefTarget::Data(checker.declarations.maps.at(id).value.clone());
    let ty = Type::Optional(RefType { target, region: Region::MapValue });
    Value::run(ty, span, Typed::Helper { helper, arguments })
}

/// `(bpf-map-lookup-percpu-elem m k cpu)`: the value that a key has on a CPU. There is none where there is no such CPU.
fn lookup_of_cpu(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let [map, key, cpu] = call.arguments();
    let Some(helper) = helper::by_name(&name) else { return Value::Error(span) };
    if !allowed(checker, helper, span) {
        return Value::Error(span);
    }
    let Some(id) = map_argument(checker, &map, Use::Lookup) else { return Value::Error(span) };
    let declared = checker.declarations.maps.at(id);
    if !declared.kind.is_per_cpu() {
        let message = format!("the CPUs share the values of `{}`, a `:{}` map", declared.name, declared.kind.keyword());
        let diagnostic = Diagnostic::error(catalogue::MAP_OPERATION, map.span(), message)
            .with_note(declared.span, "the map is defined here")
            .with_help(format!("write `(map-lookup {} key)`", declared.name));
        return checker.report(diagnostic);
    }
    let Some(key) = key_argument(checker, id, key) else { return Value::Error(span) };
    let Some(cpu) = checker.int(cpu) else { return Value::Error(span) };
    found(checker, id, helper.id, vec![Argument::Map(id), key, Argument::Value(cpu.expr)], span)
}

fn errno(helper: HelperId, arguments: Vec<Argument>, span: Span) -> Value {
    Value::run(Type::Scalar(DataType::Int(IntType::I64)), span, Typed::Helper { helper, arguments })
}

fn update(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let span = call.span;
    let flags = call.take(3).unwrap_or_else(|| Value::literal(0, span));
    let flags_span = flags.span();
    let (Some(map), Some(key), Some(value)) = (call.take(0), call.take(1), call.take(2)) else {
        return Value::Error(span);
    };
    let Some(id) = map_argument(checker, &map, Use::Update) else { return Value::Error(span) };
    let key = key_argument(checker, id, key);
    let declared = checker.declarations.maps.at(id).clone();
    let mut value = data_argument(checker, &declared.value, value, "value", &declared);
    if checker.program.min_kernel < RECORDS_ARE_VALUES {
        value = value.map(|value| unreserved(checker, &declared.value, value));
    }
    if let Value::Static(Static::Keyword(name), place) = &flags {
        let message = format!("`:{name}` is no way to update a map");
        return checker.report(
            Diagnostic::error(catalogue::MAP_OPERATION, *place, message)
                .with_help("`:any` always stores, `:noexist` only a new key, `:exist` only a key that is there"),
        );
    }
    let (Some(key), Some(value), Some(flags)) = (key, value, checker.int(flags)) else { return Value::Error(span) };
    if flags.constant() == Some(NO_EXIST) && declared.kind.is_array() {
        return checker.error(
            catalogue::MAP_OPERATION,
            flags_span,
            format!("`{}` is an array: every index exists already, so `:noexist` always fails", declared.name),
        );
    }
    errno(UPDATE, vec![Argument::Map(id), key, value, Argument::Value(flags.expr)], span)
}

fn delete(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [map, key] = call.arguments();
    let Some(id) = map_argument(checker, &map, Use::Delete) else { return Value::Error(span) };
    let Some(key) = key_argument(checker, id, key) else { return Value::Error(span) };
    errno(DELETE, vec![Argument::Map(id), key], span)
}

/// `(map-increment! m k [n])`: adds to the value of a key, which begins at 0 where it is not there yet.
fn increment(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let span = call.span;
    let amount = call.take(2).unwrap_or_else(|| Value::literal(1, span));
    let (Some(map), Some(key)) = (call.take(0), call.take(1)) else { return Value::Error(span) };
    let Some(id) = map_argument(checker, &map, Use::Lookup) else { return Value::Error(span) };
    let declared = checker.declarations.maps.at(id).clone();
    let storage = match declared.value.storage() {
        Some(storage) if matches!(storage.bytes, 4 | 8) && !storage.big_endian && storage.bits.is_none() => storage,
        _ => {
            let wanted = checker.type_name(&declared.value);
            return checker.report(
                Diagnostic::error(
                    catalogue::TYPE_MISMATCH,
                    map.span(),
                    format!("only numbers of 4 or 8 bytes can be incremented in place, and the values are `{wanted}`"),
                )
                .with_note(declared.span, "the map is defined here"),
            );
        }
    };
    let key = checker.stable(key, "key");
    let Some(amount) = checker.int(amount) else { return Value::Error(span) };
    let amount = checker.stable_run(amount, "amount");
    add_at(checker, id, key, &amount, storage, span)
}

/// Adds to the number of 8 bytes under a key that can be repeated.
pub(super) fn increment_at(checker: &mut Checker<'_>, id: MapId, key: Value, amount: Run, span: Span) -> Value {
    add_at(checker, id, key, &amount, Storage::native(IntType::U64), span)
}

fn add_at(checker: &mut Checker<'_>, id: MapId, key: Value, amount: &Run, storage: Storage, span: Span) -> Value {
    let declared = checker.declarations.maps.at(id).clone();
    let Some(argument) = key_argument(checker, id, key.clone()) else { return Value::Error(span) };
    let entry = look_up(checker, id, argument, span);
    let Value::Run(entry) = checker.stable(entry, "entry") else { return Value::Error(span) };
    let test = checker.test_value(Value::Run(entry.clone()));
    let add = |checker: &mut Checker<'_>| add_to(&entry, storage, &declared, amount, checker, span);
    if declared.kind.is_array() {
        return checker.choose(test, Position::EFFECT, span, add, |_| Value::unspecified(span));
    }
    checker
        .choose(test, Position::EFFECT, span, add, |checker| insert(checker, id, &declared, key, amount, storage, span))
}

fn add_to(entry: &Run, storage: Storage, map: &Map, amount: &Run, checker: &Checker<'_>, span: Span) -> Value {
    let Type::Optional(reference) = &entry.expr.ty else { return Value::Error(span) };
    let base = typed::Expr::new(Type::Ref(reference.clone()), span, Typed::Present(Box::new(entry.expr.clone())));
    let place = Place { base: Box::new(base), offset: 0, index: None, align: storage.bytes };
    if !map.kind.is_per_cpu() {
        let value = Box::new(amount.expr.clone());
        return Value::run(Type::Unit, span, Typed::Atomic { op: AtomicOp::Add, place, storage, value, fetch: false });
    }
    let old = checker.load(place.clone(), storage, &map.value, span);
    let sum = checker.arithmetic(typed::ArithmeticOp::Add, old, amount.clone(), span);
    Value::run(Type::Unit, span, Typed::Store { place, storage, value: Box::new(sum.expr) })
}

/// Puts a new key in; where another CPU was faster, adds to what that one put there.
fn insert(
    checker: &mut Checker<'_>,
    id: MapId,
    map: &Map,
    key: Value,
    amount: &Run,
    storage: Storage,
    span: Span,
) -> Value {
    let (Some(first), Some(second)) = (key_argument(checker, id, key.clone()), key_argument(checker, id, key)) else {
        return Value::Error(span);
    };
    let value = Argument::Spilled(storage, amount.expr.clone());
    let flags = Argument::Value(value::constant(NO_EXIST, IntType::U64, span));
    let updated = errno(UPDATE, vec![Argument::Map(id), first, value, flags], span);
    if map.kind.is_per_cpu() {
        return updated;
    }
    let test: Test = checker.compare(Comparison::Equal, updated, Value::literal(0, span), span);
    checker.choose(
        test,
        Position::EFFECT,
        span,
        |_| Value::unspecified(span),
        |checker| {
            let mark = checker.pending.len();
            let again = look_up(checker, id, second, span);
            let Value::Run(entry) = checker.stable(again, "entry") else { return Value::Error(span) };
            let test = checker.test_value(Value::Run(entry.clone()));
            let value = checker.choose(
                test,
                Position::EFFECT,
                span,
                |checker| add_to(&entry, storage, map, amount, checker, span),
                |_| Value::unspecified(span),
            );
            checker.close(mark, value)
        },
    )
}

/// `(map-value-set! r v)`: writes through a reference.
fn set_value(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [reference, new] = call.arguments();
    let Some(run) = checker.run(reference) else { return Value::Error(span) };
    let data = match &run.expr.ty {
        Type::Ref(RefType { target: RefTarget::Data(data), .. }) => data.clone(),
        Type::Optional(_) => {
            checker.maybe_absent(&run);
            return Value::Error(span);
        }
        _ => {
            let what = checker.describe(&Value::Run(run.clone()));
            return checker.error(
                catalogue::TYPE_MISMATCH,
                run.expr.span,
                format!("what `map-lookup` gave is wanted here, and this is {what}"),
            );
        }
    };
    let align = checker.declarations.types.layout(&data).1;
    let place = Place { base: Box::new(run.expr), offset: 0, index: None, align };
    checker.store(place, &data, new, span)
}

/// `(redirect m k [otherwise])`: sends the packet where the map's entry says.
fn redirect(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let span = call.span;
    let program_type = checker.program.program_type;
    let (Some(map), Some(key)) = (call.take(0), call.take(1)) else { return Value::Error(span) };
    let Some(id) = map_argument(checker, &map, Use::Redirect) else { return Value::Error(span) };
    let Some(key) = checker.int(key) else { return Value::Error(span) };
    let flags = match call.take(2) {
        None => value::constant(0, IntType::U64, span),
        Some(Value::Run(run)) if run.expr.ty == Type::Verdict(program_type) => run.expr,
        Some(other) => {
            let what = checker.describe(&other);
            return checker.report(
                Diagnostic::error(
                    catalogue::TYPE_MISMATCH,
                    other.span(),
                    format!("what to do when the map has no such entry is wanted here, and this is {what}"),
                )
                .with_help("write a verdict, as in `(redirect m k :xdp-pass)`"),
            );
        }
    };
    let arguments = vec![Argument::Map(id), Argument::Value(key.expr), Argument::Value(flags)];
    Value::run(Type::Verdict(program_type), span, Typed::Helper { helper: REDIRECT_MAP, arguments })
}
