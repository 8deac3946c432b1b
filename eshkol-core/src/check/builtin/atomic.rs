//! Memory changed in one step, whatever other CPUs do.

use super::super::checker::Checker;
use super::super::typed::{self, AtomicOp, ExprKind as Typed, Place, RefTarget, RefType, Type};
use super::super::types::{DataType, Storage};
use super::super::value::{Run, Value};
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::KernelVersion;
use crate::source::Span;

/// Since this version there are more than plain additions, and additions that give the old value.
const FETCH: KernelVersion = KernelVersion::new(5, 12);

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "atomic-add!", arity: (2, 2), check: modify },
    Builtin { name: "atomic-and!", arity: (2, 2), check: modify },
    Builtin { name: "atomic-or!", arity: (2, 2), check: modify },
    Builtin { name: "atomic-xor!", arity: (2, 2), check: modify },
    Builtin { name: "atomic-exchange!", arity: (2, 2), check: modify },
    Builtin { name: "atomic-compare-exchange!", arity: (3, 3), check: compare_exchange },
];

/// Whether the first argument of a procedure is a place, and not what is there.
pub(in super::super) fn takes_place(name: &str) -> bool {
    TABLE.iter().any(|builtin| builtin.name == name)
}

/// The place that an expression reads: a field, an element, a global, or what a reference points to.
fn place(checker: &mut Checker<'_>, value: Value) -> Option<(Place, Storage, DataType)> {
    let run = checker.run(value)?;
    if let Type::Optional(_) = run.expr.ty {
        checker.maybe_absent(&run);
        return None;
    }
    let run = checker.read_through(run)?;
    let span = run.expr.span;
    let (place, storage, data) = match (run.expr.kind, run.expr.ty) {
        (Typed::Load { place, storage }, Type::Scalar(data)) => (place, storage, data),
        _ => {
            checker.push(
                Diagnostic::error(
                    catalogue::NOT_A_PLACE,
                    span,
                    "a place in memory is wanted here: a field, a map value or a global",
                )
                .with_help("write `(atomic-add! (s-field x) 1)` or `(atomic-add! entry 1)` with an entry of a map"),
            );
            return None;
        }
    };
    if !matches!(storage.bytes, 4 | 8) || storage.big_endian || storage.bits.is_some() {
        checker.error(catalogue::NOT_A_PLACE, span, "only numbers of 4 or 8 bytes can be changed atomically");
        return None;
    }
    if matches!(&place.base.ty, Type::Ref(RefType { target: RefTarget::Header { .. }, .. })) {
        checker.error(catalogue::NOT_A_PLACE, span, "the packet can't be changed atomically");
        return None;
    }
    Some((place, storage, data))
}

fn needs_fetch(checker: &mut Checker<'_>, what: &str, span: Span) -> bool {
    if checker.program.min_kernel >= FETCH {
        return true;
    }
    checker.push(
        Diagnostic::error(catalogue::NEEDS_NEWER_KERNEL, span, format!("{what} needs kernel {FETCH}"))
            .with_help(format!("say `(min-kernel \"{FETCH}\")` in the program")),
    );
    false
}

fn modify(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, fetch, name) = (call.span, !call.position.effect, call.name.to_owned());
    let op = match &*name {
        "atomic-add!" => AtomicOp::Add,
        "atomic-and!" => AtomicOp::And,
        "atomic-or!" => AtomicOp::Or,
        "atomic-xor!" => AtomicOp::Xor,
        _ => AtomicOp::Exchange,
    };
    let [target, value] = call.arguments();
    let (Some((place, storage, data)), Some(value)) = (place(checker, target), checker.int(value)) else {
        return Value::Error(span);
    };
    let what = if op == AtomicOp::Add { "the old value of `atomic-add!`".to_owned() } else { format!("`{name}`") };
    if (fetch || op != AtomicOp::Add) && !needs_fetch(checker, &what, span) {
        return Value::Error(span);
    }
    // An exchange always gives the old value; there is no other instruction for it.
    let fetch = fetch || op == AtomicOp::Exchange;
    let ty = if fetch { Type::Scalar(data) } else { Type::Unit };
    let kind = Typed::Atomic { op, place, storage, value: Box::new(value.expr), fetch };
    Value::Run(Run::new(typed::Expr::new(ty, span, kind)))
}

fn compare_exchange(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [target, expected, value] = call.arguments();
    let target = place(checker, target);
    let (Some((place, storage, data)), Some(expected), Some(value)) =
        (target, checker.int(expected), checker.int(value))
    else {
        return Value::Error(span);
    };
    if !needs_fetch(checker, "`atomic-compare-exchange!`", span) {
        return Value::Error(span);
    }
    let kind =
        Typed::CompareExchange { place, storage, expected: Box::new(expected.expr), value: Box::new(value.expr) };
    Value::Run(Run::new(typed::Expr::new(Type::Scalar(data), span, kind)))
}
