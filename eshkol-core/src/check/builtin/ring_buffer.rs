//! Ring buffers: events for user space.

use super::super::checker::{Checker, Pending, Position};
use super::super::range::Range;
use super::super::typed::{self, Argument, ExprKind as Typed, MapId, Place, RefTarget, RefType, Region, Type};
use super::super::types::{DataType, IntType, Storage};
use super::super::value::{self, Run, Static, Value};
use super::event::{event_argument, is_allowed, number};
use super::map::{Use, map_argument};
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::HelperId;
use crate::kernel::helper::{RINGBUF_DISCARD, RINGBUF_OUTPUT, RINGBUF_RESERVE, RINGBUF_SUBMIT};
use crate::source::Span;
use crate::syntax::Datum;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "ringbuf-submit", arity: (2, 2), check: submit },
    Builtin { name: "ringbuf-discard", arity: (2, 2), check: discard },
];

/// Beyond so many words, a record is cleared by a loop.
const CLEARED_ONE_BY_ONE: u32 = 64;

/// `(ringbuf-submit m event)`: sends a struct. Gives 0, or a negative errno where there is no room; such events are counted.
fn submit(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [map, event] = call.arguments();
    let Some(id) = map_argument(checker, &map, Use::Submit) else { return Value::Error(span) };
    let Some((event, ty)) = event_argument(checker, event) else { return Value::Error(span) };
    if let Some(buffer) = buffer_of(&event) {
        return checker.settle_record(RINGBUF_SUBMIT, id, buffer, event, span);
    }
    if !is_allowed(checker, RINGBUF_OUTPUT, span) {
        return Value::Error(span);
    }
    let place = event.span;
    if !checker.sends(id, ty, place) {
        return Value::Error(span);
    }
    let size = checker.declarations.types.structs.at(ty).size;
    checker.send(id, event, size, span)
}

/// `(ringbuf-discard m event)`: gives up what `ringbuf-reserve` gave.
fn discard(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [map, event] = call.arguments();
    let Some(id) = map_argument(checker, &map, Use::Submit) else { return Value::Error(span) };
    let Some((event, _)) = event_argument(checker, event) else { return Value::Error(span) };
    let Some(buffer) = buffer_of(&event) else {
        return checker.report(
            Diagnostic::error(
                catalogue::TYPE_MISMATCH,
                event.span,
                "only what `ringbuf-reserve` gave can be discarded",
            )
            .with_help("what `make-…` gives is gone by itself, unless it is sent"),
        );
    };
    checker.settle_record(RINGBUF_DISCARD, id, buffer, event, span)
}

/// The ring buffer in which a struct lies.
fn buffer_of(event: &typed::Expr) -> Option<MapId> {
    match &event.ty {
        Type::Ref(RefType { region: Region::RingBuffer(map), .. }) => Some(*map),
        _ => None,
    }
}

impl Checker<'_> {
    /// `(ringbuf-reserve m struct)`: room for an event, all zero; absent where there is none, which is counted.
    pub(in super::super) fn reserve(&mut self, buffer: &Value, event: &Datum, span: Span) -> Value {
        let Some(id) = map_argument(self, buffer, Use::Submit) else { return Value::Error(span) };
        if !is_allowed(self, RINGBUF_RESERVE, span) {
            return Value::Error(span);
        }
        let program = Some(self.program.id);
        let data = std::slice::from_ref(event);
        let Some(data) = self.declarations.data_type(self.unit, program, data, event.span, self.diagnostics) else {
            return Value::Error(span);
        };
        let DataType::Struct(ty) = data else {
            let name = self.type_name(&data);
            return self.report(
                Diagnostic::error(
                    catalogue::TYPE_MISMATCH,
                    event.span,
                    format!("an event is a struct, and this is `{name}`"),
                )
                .with_help("define one, `(define-struct event (pid :u32))`, and reserve an `event`"),
            );
        };
        if !self.sends(id, ty, event.span) {
            return Value::Error(span);
        }
        let size = self.declarations.types.structs.at(ty).size;
        let reference = RefType { target: RefTarget::Data(data), region: Region::RingBuffer(id) };
        let arguments = vec![Argument::Map(id), number(size, span), number(0, span)];
        let record = Run::new(typed::Expr::new(
            Type::Optional(reference.clone()),
            span,
            Typed::Helper { helper: RINGBUF_RESERVE, arguments },
        ));
        let record = self.stable_run(record, "record");
        let there = typed::Expr::new(Type::Ref(reference), span, Typed::Present(Box::new(record.expr.clone())));
        let test = self.test_value(Value::Run(record.clone()));
        let prepared = self.choose(
            test,
            Position::EFFECT,
            span,
            |checker| checker.clear(&there, size, span),
            |checker| checker.count_lost(id, span),
        );
        self.do_before(prepared);
        Value::Run(record)
    }

    /// Sends so many bytes; counts them as lost where there is no room. Gives 0, or a negative errno.
    pub(super) fn send(&mut self, map: MapId, event: typed::Expr, size: u32, span: Span) -> Value {
        let arguments = vec![Argument::Map(map), Argument::Value(event), number(size, span), number(0, span)];
        self.send_by(RINGBUF_OUTPUT, arguments, map, span)
    }

    /// Sets a fresh record to zero: it holds what earlier events left there, and user space must not see that.
    fn clear(&mut self, record: &typed::Expr, size: u32, span: Span) -> Value {
        let store = |offset: u32, bytes: u32, index: Option<(Box<typed::Expr>, u32)>| {
            let bits = u8::try_from(bytes * 8).unwrap_or(64);
            let int = IntType { bits, signed: false };
            let place = Place { base: Box::new(record.clone()), offset, index, align: bytes };
            let value = Box::new(value::constant(0, int, span));
            typed::Expr::new(Type::Unit, span, Typed::Store { place, storage: Storage::native(int), value })
        };
        let words = size / 8;
        let mut stores = Vec::new();
        if words <= CLEARED_ONE_BY_ONE {
            stores.extend((0..words).map(|word| store(word * 8, 8, None)));
        } else {
            let bound = |number: u32| {
                let number = i128::from(number);
                let run = Run::new(value::constant(number, IntType::U64, span));
                Box::new(run.in_range(Range::new(number, number)))
            };
            let all = Static::Range { from: bound(0), to: bound(words), step: 1 };
            let cleared = self.for_each(Value::Static(all, span), 1, span, &mut |_, word| match word {
                Value::Run(word) => Value::Run(Run::new(store(0, 8, Some((Box::new(word.expr), 8))))),
                other => other,
            });
            self.do_before(cleared);
        }
        let mut offset = words * 8;
        for bytes in [4, 2, 1] {
            if size - offset >= bytes {
                stores.push(store(offset, bytes, None));
                offset += bytes;
            }
        }
        match stores.len() {
            0 => Value::unspecified(span),
            _ => Value::run(Type::Unit, span, Typed::Seq(stores)),
        }
    }

    /// Sends or gives up a record. What becomes of it on every way: [`super::super::reservations`].
    fn settle_record(&mut self, how: HelperId, map: MapId, buffer: MapId, event: typed::Expr, span: Span) -> Value {
        if !is_allowed(self, how, span) {
            return Value::Error(span);
        }
        if map != buffer {
            let (given, reserved) = (self.declarations.maps.at(map), self.declarations.maps.at(buffer));
            let message = format!("this event lies in `{}`, and `{}` is given here", reserved.name, given.name);
            let diagnostic = Diagnostic::error(catalogue::TYPE_MISMATCH, event.span, message)
                .with_help(format!("write `{}`, or reserve it in `{}`", reserved.name, given.name));
            return self.report(diagnostic);
        }
        let settled = Typed::Helper { helper: how, arguments: vec![Argument::Value(event), number(0, span)] };
        self.pending.push(Pending::Effect(typed::Expr::new(Type::Unit, span, settled)));
        Value::run(Type::Scalar(DataType::Int(IntType::I64)), span, Typed::Constant(0))
    }
}
