//! Room reserved in ring buffers: on every way through a function, each record is sent or discarded, once, and not touched after that. The
//! kernel refuses whatever forgets one.
//!
//! This looks at the finished tree, where every procedure of the language is gone: a record is a local, or what is read of one. It goes through
//! the tree in order of evaluation, with what has become of each record so far.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::parts;
use super::typed::{Argument, Expr, ExprKind as Typed, Function, LocalId, LoopId, Map, MapId, Place};
use crate::arena::Arena;
use crate::diagnostic::{Diagnostic, Diagnostics, catalogue};
use crate::kernel::helper::{RINGBUF_DISCARD, RINGBUF_RESERVE, RINGBUF_SUBMIT, TAIL_CALL};
use crate::source::Span;

/// Reports what a function forgets, or uses when it is gone.
pub(super) fn check(function: &Function, maps: &Arena<MapId, Map>, diagnostics: &mut Diagnostics) {
    let mut walk = Walk {
        function,
        maps,
        diagnostics,
        records: Vec::new(),
        of_local: BTreeMap::new(),
        rounds: Vec::new(),
        said: BTreeSet::new(),
    };
    let (end, _) = walk.expr(&function.body, Some(State::default()));
    if let Some(end) = end {
        walk.nothing_open(&end, "where the program ends", None);
    }
}

/// Which record.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Record(usize);

/// A record and where it is from.
struct Reserved {
    span: Span,
    map: MapId,
}

/// What has become of a record.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Status {
    /// It is there if there was room, which was not looked at, or not on each way here.
    Perhaps,
    /// It is there, and has to be sent or discarded.
    Open,
    /// There was no room.
    Absent,
    /// It was sent or discarded here.
    Settled(Span),
}

/// What has become of all of them. What is not in it was never reserved on the ways here.
type State = BTreeMap<Record, Status>;

/// The same; nothing where control can't get.
type Reached = Option<State>;

/// What a value is of a record.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Part {
    record: Record,
    /// Its beginning, or some part of it.
    whole: bool,
}

struct Walk<'f> {
    function: &'f Function,
    maps: &'f Arena<MapId, Map>,
    diagnostics: &'f mut Diagnostics,
    records: Vec<Reserved>,
    of_local: BTreeMap<LocalId, Part>,
    /// The loops around, with the state in which each began.
    rounds: Vec<(LoopId, State)>,
    /// What was reported already.
    said: BTreeSet<Record>,
}

impl Walk<'_> {
    /// What holds after an expression, and what of a record it gives.
    fn expr(&mut self, expr: &Expr, state: Reached) -> (Reached, Option<Part>) {
        let Some(state) = state else { return (None, None) };
        match &expr.kind {
            Typed::Let { local, value, body } => {
                let (state, part) = self.expr(value, Some(state));
                match part {
                    Some(part) if self.function.locals.get(*local).is_some_and(|local| local.mutated) => {
                        self.escapes(part, value.span);
                    }
                    Some(part) => {
                        self.of_local.insert(*local, part);
                    }
                    None => {}
                }
                self.expr(body, state)
            }
            Typed::Local(local) => {
                let part = self.of_local.get(local).copied();
                if let Some(part) = part {
                    self.still_there(&state, part, expr.span);
                }
                (Some(state), part)
            }
            Typed::Present(value) | Typed::Some(value) => self.expr(value, Some(state)),
            Typed::IsPresent(value) => (self.expr(value, Some(state)).0, None),
            Typed::Seq(items) => items.iter().fold((Some(state), None), |(state, _), item| self.expr(item, state)),
            Typed::If { test, then, otherwise } => {
                let (when_true, when_false) = self.test(test, Some(state));
                let (one, one_part) = self.expr(then, when_true);
                let (other, other_part) = self.expr(otherwise, when_false);
                let part = match (one_part, other_part) {
                    (Some(a), Some(b)) if a == b => Some(a),
                    (Some(part), None) if one.is_none() || is_nothing(otherwise) => Some(part),
                    (None, Some(part)) if other.is_none() || is_nothing(then) => Some(part),
                    (Some(part), _) | (_, Some(part)) => {
                        self.escapes(part, expr.span);
                        None
                    }
                    (None, None) => None,
                };
                (self.join(one, other), part)
            }
            Typed::Loop { id, variables, body } => {
                let mut state = Some(state);
                for (_, value) in variables {
                    state = self.kept_here(value, state);
                }
                let Some(state) = state else { return (None, None) };
                self.rounds.push((*id, state.clone()));
                let result = self.expr(body, Some(state));
                self.rounds.pop();
                result
            }
            Typed::Continue { id, arguments } => {
                let end = arguments.iter().try_fold(state, |state, argument| self.kept_here(argument, Some(state)));
                if let Some(end) = end {
                    self.next_round(*id, &end, expr.span);
                }
                (None, None)
            }
            Typed::Address(place) => {
                let (state, part) = self.place(place, Some(state));
                (state, part.map(|part| Part { whole: false, ..part }))
            }
            Typed::Store { place, value, .. } => {
                let (state, _) = self.place(place, Some(state));
                (self.kept_here(value, state), None)
            }
            Typed::Helper { helper, arguments } if *helper == RINGBUF_RESERVE => {
                let map = arguments.iter().find_map(|argument| match argument {
                    Argument::Map(map) => Some(*map),
                    _ => None,
                });
                let Some(map) = map else { return (Some(state), None) };
                let record = Record(self.records.len());
                self.records.push(Reserved { span: expr.span, map });
                let mut state = state;
                state.insert(record, Status::Perhaps);
                (Some(state), Some(Part { record, whole: true }))
            }
            Typed::Helper { helper, arguments } if matches!(*helper, RINGBUF_SUBMIT | RINGBUF_DISCARD) => {
                let Some(Argument::Value(event)) = arguments.first() else { return (Some(state), None) };
                let (state, part) = self.expr(event, Some(state));
                (self.settle(state, part, event.span, expr.span), None)
            }
            Typed::Helper { helper, arguments } => {
                if *helper == TAIL_CALL {
                    self.nothing_open(&state, "where another program goes on", Some(expr.span));
                }
                let mut state = Some(state);
                let mut taken: Option<Span> = None;
                for argument in arguments {
                    state = match argument {
                        // The helper reads it, or fills it.
                        Argument::Value(value) => {
                            let (state, part) = self.expr(value, state);
                            if let Some(part) = part
                                && let Some(first) = taken.replace(value.span)
                            {
                                self.taken_twice(part.record, value.span, first);
                            }
                            state
                        }
                        Argument::Spilled(_, value) => self.kept_here(value, state),
                        Argument::Map(_) | Argument::Callback(_) => state,
                    };
                }
                (state, None)
            }
            Typed::Load { place, .. } => (self.place(place, Some(state)).0, None),
            Typed::Copy { to, from, .. } => {
                let (state, _) = self.place(to, Some(state));
                (self.place(from, state).0, None)
            }
            Typed::Atomic { place, value, .. } => {
                let (state, _) = self.place(place, Some(state));
                (self.kept_here(value, state), None)
            }
            Typed::CompareExchange { place, expected, value, .. } => {
                let (state, _) = self.place(place, Some(state));
                let state = self.kept_here(expected, state);
                (self.kept_here(value, state), None)
            }
            Typed::Allocate { .. } => {
                // What is copied from a record stays in it.
                let mut state = Some(state);
                parts(expr, &mut |part| state = self.expr(part, state.take()).0);
                (state, None)
            }
            _ => {
                let mut state = Some(state);
                parts(expr, &mut |part| state = self.kept_here(part, state.take()));
                (state, None)
            }
        }
    }

    /// What holds where a test is true, and where it is not.
    fn test(&mut self, test: &Expr, state: Reached) -> (Reached, Reached) {
        match &test.kind {
            Typed::Constant(0) => (None, state),
            Typed::Constant(_) => (state, None),
            Typed::Not(inner) => {
                let (when_true, when_false) = self.test(inner, state);
                (when_false, when_true)
            }
            Typed::IsPresent(value) => {
                let (state, part) = self.expr(value, state);
                let Some(Part { record, .. }) = part else { return (state.clone(), state) };
                let with = |status: Status| {
                    let mut state = state.clone()?;
                    if let Some(known) = state.get_mut(&record)
                        && *known == Status::Perhaps
                    {
                        *known = status;
                    }
                    Some(state)
                };
                (with(Status::Open), with(Status::Absent))
            }
            Typed::If { test, then, otherwise } => {
                let (when_true, when_false) = self.test(test, state);
                let one = self.test(then, when_true);
                let other = self.test(otherwise, when_false);
                (self.join(one.0, other.0), self.join(one.1, other.1))
            }
            Typed::Seq(items) => {
                let Some((last, first)) = items.split_last() else { return (state.clone(), state) };
                let state = first.iter().fold(state, |state, item| self.expr(item, state).0);
                self.test(last, state)
            }
            Typed::Let { local, value, body } => {
                let (state, part) = self.expr(value, state);
                if let Some(part) = part {
                    self.of_local.insert(*local, part);
                }
                self.test(body, state)
            }
            _ => {
                let (state, _) = self.expr(test, state);
                (state.clone(), state)
            }
        }
    }

    /// A place, and the record that it is in.
    fn place(&mut self, place: &Place, state: Reached) -> (Reached, Option<Part>) {
        let (state, part) = self.expr(&place.base, state);
        match &place.index {
            Some((index, _)) => (self.kept_here(index, state), part),
            None => (state, part),
        }
    }

    /// An expression whose value may not be a record.
    fn kept_here(&mut self, expr: &Expr, state: Reached) -> Reached {
        let (state, part) = self.expr(expr, state);
        if let Some(part) = part {
            self.escapes(part, expr.span);
        }
        state
    }

    /// What holds after either of two ways.
    fn join(&mut self, one: Reached, other: Reached) -> Reached {
        let (mut one, other) = match (one, other) {
            (None, only) | (only, None) => return only,
            (Some(one), Some(other)) => (one, other),
        };
        for record in other.keys() {
            one.entry(*record).or_insert(Status::Absent);
        }
        for (record, status) in &mut one {
            let with = other.get(record).copied().unwrap_or(Status::Absent);
            *status = match (*status, with) {
                (a, b) if a == b => a,
                (Status::Settled(place), Status::Perhaps | Status::Open)
                | (Status::Perhaps | Status::Open, Status::Settled(place)) => {
                    self.forgotten(*record, "on another way than this", Some(place));
                    Status::Settled(place)
                }
                (Status::Settled(place), _) | (_, Status::Settled(place)) => Status::Settled(place),
                _ => Status::Perhaps,
            };
        }
        Some(one)
    }

    /// The end of a round of a loop: what it reserved must be settled, and what was reserved before must not be.
    fn next_round(&mut self, id: LoopId, end: &State, span: Span) {
        let Some((_, start)) = self.rounds.iter().rev().find(|(round, _)| *round == id) else { return };
        let start = start.clone();
        let inside: State = end
            .iter()
            .filter(|(record, _)| !start.contains_key(record))
            .map(|(record, status)| (*record, *status))
            .collect();
        self.nothing_open(&inside, "where the next round begins", Some(span));
        for (record, before) in &start {
            if let (Status::Perhaps | Status::Open, Some(Status::Settled(place))) = (before, end.get(record)) {
                self.gone(*record, *place, *place, "the next round of the loop would do this again");
            }
        }
    }

    fn settle(&mut self, state: Reached, part: Option<Part>, event: Span, span: Span) -> Reached {
        let mut state = state?;
        let Some(part) = part else { return Some(state) };
        if !part.whole {
            self.escapes(part, event);
        }
        state.insert(part.record, Status::Settled(span));
        Some(state)
    }

    fn still_there(&mut self, state: &State, part: Part, span: Span) {
        if let Some(Status::Settled(place)) = state.get(&part.record) {
            self.gone(part.record, span, *place, "it belongs to user space from there on");
        }
    }

    fn nothing_open(&mut self, state: &State, place: &str, note: Option<Span>) {
        for (record, status) in state {
            if matches!(status, Status::Perhaps | Status::Open) {
                self.forgotten(*record, place, note);
            }
        }
    }

    fn forgotten(&mut self, record: Record, place: &str, note: Option<Span>) {
        let Some(Reserved { span, map }) = self.records.get(record.0) else { return };
        if !self.said.insert(record) {
            return;
        }
        let map = self.maps.get(*map).map_or("events", |map| &map.name);
        let message = format!("this event is neither sent nor discarded {place}");
        let diagnostic = Diagnostic::error(catalogue::RESERVATION_FORGOTTEN, *span, message).with_help(format!(
            "end every way on which it is there with `(ringbuf-submit {map} event)` or `(ringbuf-discard {map} event)`"
        ));
        self.diagnostics.push(match note {
            Some(place) => diagnostic.with_note(place, "here"),
            None => diagnostic,
        });
    }

    fn gone(&mut self, record: Record, span: Span, settled: Span, why: &str) {
        if !self.said.insert(record) {
            return;
        }
        let message = "this event was sent or discarded already";
        self.diagnostics.push(
            Diagnostic::error(catalogue::RESERVATION_GONE, span, message)
                .with_note(settled, "here")
                .with_help(why.to_owned()),
        );
    }

    /// `check_func_arg` in `kernel/bpf/verifier.c`: "more than one arg with ref_obj_id".
    fn taken_twice(&mut self, record: Record, span: Span, first: Span) {
        if !self.said.insert(record) {
            return;
        }
        self.diagnostics.push(
            Diagnostic::error(
                catalogue::RESERVATION_TAKEN_TWICE,
                span,
                "one call can take one thing that is reserved in a ring buffer, and this is the second",
            )
            .with_note(first, "the first")
            .with_help("put what it says into a variable or a struct of your own, and give the call that"),
        );
    }

    fn escapes(&mut self, part: Part, span: Span) {
        let Some(Reserved { span: reserved, .. }) = self.records.get(part.record.0) else { return };
        let reserved = *reserved;
        if !self.said.insert(part.record) {
            return;
        }
        self.diagnostics.push(
            Diagnostic::error(
                catalogue::RESERVATION_KEPT_ELSEWHERE,
                span,
                "what `ringbuf-reserve` gave can't be kept elsewhere: the kernel follows it only under its own name",
            )
            .with_note(reserved, "reserved here")
            .with_help("use it where it was reserved, under the name that `let` gave it"),
        );
    }
}

/// Whether a branch gives an optional that is not there.
fn is_nothing(expr: &Expr) -> bool {
    match &expr.kind {
        Typed::Absent => true,
        Typed::Seq(items) => items.last().is_some_and(is_nothing),
        Typed::Let { body, .. } => is_nothing(body),
        _ => false,
    }
}
