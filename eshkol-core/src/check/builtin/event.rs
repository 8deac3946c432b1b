//! Events for user space, whichever way they go: what one is, which kinds a map takes, and how those are counted that found no room.

use super::super::checker::{Checker, Pending, Position};
use super::super::comparison::Comparison;
use super::super::typed::{
    self, Argument, AtomicOp, ExprKind as Typed, GlobalId, HiddenGlobal, MapId, Place, RefTarget, RefType, Region, Type,
};
use super::super::types::{DataType, IntType, Storage, StructId};
use super::super::value::{self, Value};
use super::helper;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::HelperId;
use crate::kernel::helper::by_id;
use crate::source::Span;

pub(super) fn is_allowed(checker: &mut Checker<'_>, id: HelperId, span: Span) -> bool {
    by_id(id).is_some_and(|known| helper::allowed(checker, known, span))
}

pub(super) fn number(number: u32, span: Span) -> Argument {
    Argument::Value(value::constant(i128::from(number), IntType::U64, span))
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
pub(super) fn event_argument(checker: &mut Checker<'_>, event: Value) -> Option<(typed::Expr, StructId)> {
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
    /// Sends an event by a helper; counts it as lost where that fails. Gives 0, or a negative errno.
    pub(super) fn send_by(&mut self, helper: HelperId, arguments: Vec<Argument>, map: MapId, span: Span) -> Value {
        let kind = Typed::Helper { helper, arguments };
        let sent = Value::run(Type::Scalar(DataType::Int(IntType::I64)), span, kind);
        let sent = self.stable(sent, "sent");
        let failed = self.compare(Comparison::Less, sent.clone(), Value::literal(0, span), span);
        let count = self.choose(
            failed,
            Position::EFFECT,
            span,
            |checker| checker.count_lost(map, span),
            |_| Value::unspecified(span),
        );
        self.do_before(count);
        sent
    }

    /// Has something done before what comes next.
    pub(super) fn do_before(&mut self, value: Value) {
        if let Some(effect) = self.effect(value) {
            self.pending.push(Pending::Effect(effect));
        }
    }

    /// Counts an event for which there was no room.
    pub(super) fn count_lost(&self, map: MapId, span: Span) -> Value {
        self.lost_events(map).map_or(Value::Error(span), |global| increment(global, span))
    }

    /// Notes that a map takes events of a struct; reports what user space could not tell apart.
    pub(super) fn sends(&mut self, map: MapId, event: StructId, span: Span) -> bool {
        let declarations = self.declarations;
        let structs = &declarations.types.structs;
        let known = self.functions.events.entry(map).or_default();
        if known.contains(&event) {
            return true;
        }
        let taker = declarations.maps.at(map);
        let as_sent = |id: StructId| taker.kind.event_size(structs.at(id).size);
        if let Some(other) = known.iter().find(|other| as_sent(**other) == as_sent(event)) {
            let (this, other) = (structs.at(event), structs.at(*other));
            let (name, other_name, bytes) = (&this.name, &other.name, as_sent(event));
            let like = if this.size == other.size {
                format!("which has {} bytes like `{name}`", this.size)
            } else {
                // Why they arrive alike: the kernel fills them up.
                format!(
                    "whose {} bytes the kernel fills up to {bytes}, as it does with the {} of `{name}`",
                    other.size, this.size
                )
            };
            let message =
                format!("`{}` takes `{other_name}` already, {like}: user space can't tell them apart", taker.name);
            let own = if taker.kind.has_output() { "a map" } else { "a ring buffer" };
            let more = if taker.kind.has_output() { "8 bytes more" } else { "one more field" };
            self.push(
                Diagnostic::error(catalogue::EVENTS_ALIKE, span, message)
                    .with_help(format!("give `{name}` {more}, or {own} of its own")),
            );
            return false;
        }
        known.push(event);
        true
    }

    /// The global that counts what a map had no room for.
    fn lost_events(&self, map: MapId) -> Option<GlobalId> {
        self.declarations
            .globals
            .iter()
            .find(|(_, global)| global.hidden == Some(HiddenGlobal::LostEventsOf(map)))
            .map(|(id, _)| id)
    }
}
