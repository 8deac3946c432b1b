//! Ring buffers: events for user space.

use super::super::checker::{Checker, Pending, Position};
use super::super::comparison::Comparison;
use super::super::typed::{
    self, Argument, AtomicOp, ExprKind as Typed, GlobalId, MapId, Place, RefTarget, RefType, Region, Type,
};
use super::super::types::{DataType, IntType, Storage, StructId};
use super::super::value::{self, Value};
use super::map::{Use, map_argument};
use super::{Builtin, Call, helper};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::helper::{RINGBUF_OUTPUT, by_id};
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[Builtin { name: "ringbuf-submit", arity: (2, 2), check: submit }];

/// `(ringbuf-submit m event)`: sends a struct. Gives 0, or a negative errno where there is no room; such events are counted.
fn submit(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [map, event] = call.arguments();
    let Some(id) = map_argument(checker, &map, Use::Submit) else { return Value::Error(span) };
    if by_id(RINGBUF_OUTPUT).is_none_or(|output| !helper::allowed(checker, output, span)) {
        return Value::Error(span);
    }
    let Some((event, ty)) = event_argument(checker, event) else { return Value::Error(span) };
    let place = event.span;
    if !checker.sends(id, ty, place) {
        return Value::Error(span);
    }
    let size = checker.declarations.types.structs.at(ty).size;
    let number = |number: u32| Argument::Value(value::constant(i128::from(number), IntType::U64, span));
    let arguments = vec![Argument::Map(id), Argument::Value(event), number(size), number(0)];
    let sent = Value::run(
        Type::Scalar(DataType::Int(IntType::I64)),
        span,
        Typed::Helper { helper: RINGBUF_OUTPUT, arguments },
    );
    let sent = checker.stable(sent, "sent");
    let failed = checker.compare(Comparison::Less, sent.clone(), Value::literal(0, span), span);
    let lost = checker.lost_events(id);
    let count = checker.choose(
        failed,
        Position::EFFECT,
        span,
        |_| lost.map_or(Value::Error(span), |global| increment(global, span)),
        |_| Value::unspecified(span),
    );
    if let Value::Run(count) = count {
        checker.pending.push(Pending::Effect(count.expr));
    }
    sent
}

/// Adds one to a global that other CPUs count in, too.
fn increment(global: GlobalId, span: Span) -> Value {
    let data = DataType::Int(IntType::U64);
    let ty = Type::Ref(RefType { target: RefTarget::Data(data), region: Region::Global });
    let base = Box::new(typed::Expr::new(ty, span, Typed::Global(global)));
    let place = Place { base, offset: 0, index: None, align: 8 };
    let value = Box::new(value::constant(1, IntType::U64, span));
    let storage = Storage::native(IntType::U64);
    Value::run(Type::Unit, span, Typed::Atomic { op: AtomicOp::Add, place, storage, value, fetch: false })
}

/// The struct that is sent, and which it is.
fn event_argument(checker: &mut Checker<'_>, event: Value) -> Option<(typed::Expr, StructId)> {
    let run = checker.run(event)?;
    match &run.expr.ty {
        Type::Ref(RefType { target: RefTarget::Data(DataType::Struct(id)), .. }) => {
            let id = *id;
            Some((run.expr, id))
        }
        Type::Optional(_) => {
            checker.maybe_absent(&run);
            None
        }
        Type::Never => None,
        _ => {
            let what = checker.describe(&Value::Run(run.clone()));
            checker.push(
                Diagnostic::error(
                    catalogue::TYPE_MISMATCH,
                    run.expr.span,
                    format!("an event is a struct, and this is {what}"),
                )
                .with_help("define one, `(define-struct event (pid :u32))`, and send what `(make-event …)` gives"),
            );
            None
        }
    }
}

impl Checker<'_> {
    /// Notes that a ring buffer takes events of a struct; reports what user space could not tell apart.
    fn sends(&mut self, map: MapId, event: StructId, span: Span) -> bool {
        let declarations = self.declarations;
        let structs = &declarations.types.structs;
        let known = self.functions.events.entry(map).or_default();
        if known.contains(&event) {
            return true;
        }
        let size = |id: StructId| structs.at(id).size;
        if let Some(other) = known.iter().find(|other| size(**other) == size(event)) {
            let (ring, name, other) =
                (&declarations.maps.at(map).name, &structs.at(event).name, &structs.at(*other).name);
            let message = format!(
                "`{ring}` takes `{other}` already, which has {} bytes like `{name}`: user space can't tell them apart",
                size(event)
            );
            self.push(
                Diagnostic::error(catalogue::EVENTS_ALIKE, span, message)
                    .with_help(format!("give `{name}` one more field, or a ring buffer of its own")),
            );
            return false;
        }
        known.push(event);
        true
    }

    /// The global that counts what a ring buffer had no room for.
    fn lost_events(&self, map: MapId) -> Option<GlobalId> {
        self.declarations.globals.iter().find(|(_, global)| global.lost_events_of == Some(map)).map(|(id, _)| id)
    }
}
