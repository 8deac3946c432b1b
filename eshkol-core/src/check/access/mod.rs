//! Memory in which programs may not do everything: globals that are set before loading, values of maps with the flags `:rdonly-prog` and
//! `:wronly-prog`, packets that programs of a type may only read. The kernel refuses programs that write to what they may only read, or read
//! what they may only write (`check_map_access_type` and `may_access_direct_pkt_data` in `kernel/bpf/verifier.c`).
//!
//! This looks at the finished tree, in order of evaluation, with what each local may refer to at that point. What no rule is about is left out.

mod report;

use std::collections::{BTreeMap, BTreeSet};

use super::parts::parts;
use super::typed::{
    Argument, Expr, ExprKind as Typed, Function, FunctionId, Global, GlobalId, Kfunc, KfuncId, KfuncParameter, LocalId,
    LoopId, Map, MapId, PartValue, Place, Program, RefType, Region, Type,
};
use crate::arena::Arena;
use crate::diagnostic::Diagnostics;
use crate::kernel::helper::{self, Access, ArgumentKind};
use crate::kernel::map_flag::{RDONLY_PROG, WRONLY_PROG};
use crate::kernel::program_type::PacketAccess;
use crate::kernel::{HelperId, KernelVersion, ProgramType};
use crate::source::{Sources, Span};
use report::{By, Event};
pub(super) use report::{global_is_constant, map_is_read_only, packet_is_read_only};

/// The unit that a program is part of.
#[derive(Copy, Clone)]
pub(super) struct Given<'u> {
    pub(super) sources: &'u Sources,
    pub(super) min_kernel: KernelVersion,
    pub(super) globals: &'u Arena<GlobalId, Global>,
    pub(super) maps: &'u Arena<MapId, Map>,
    pub(super) functions: &'u Arena<FunctionId, Function>,
    pub(super) kfuncs: &'u Arena<KfuncId, Kfunc>,
}

/// Reports where a program writes to what it may only read, or reads what it may only write.
pub(super) fn check(program: &Program, given: Given<'_>, diagnostics: &mut Diagnostics) {
    let mut walk = Walk {
        given,
        program_type: program.program_type,
        diagnostics,
        known: Some(State::new()),
        rounds: BTreeMap::new(),
        called: BTreeSet::new(),
    };
    walk.expr(&program.entry.body);
}

/// Memory that a rule is about.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Memory {
    /// A global that is not `:mutable`.
    Global(GlobalId),
    /// The values of a map with one of the flags.
    MapValue(MapId),
    /// A packet that can't be written.
    Packet,
}

/// What a value may refer to, and where the program came by it.
type Places = BTreeMap<Memory, Span>;

/// The same for each part of an expression's value. What is not there refers to nothing of this.
type Values = Vec<Places>;

/// What locals may refer to.
type State = BTreeMap<LocalId, Places>;

/// What the rounds of a loop begin with.
struct Round {
    variables: Vec<LocalId>,
    start: State,
}

struct Walk<'u> {
    given: Given<'u>,
    program_type: ProgramType,
    diagnostics: &'u mut Diagnostics,
    /// What holds here; nothing where control can't get.
    known: Option<State>,
    /// Of the loops of this function.
    rounds: BTreeMap<LoopId, Round>,
    /// Functions that were looked at. They take no references.
    called: BTreeSet<FunctionId>,
}

impl Walk<'_> {
    /// What an expression's value may refer to.
    fn expr(&mut self, expr: &Expr) -> Values {
        match &expr.kind {
            Typed::Local(local) => {
                let places = self.known.as_ref().and_then(|known| known.get(local));
                places.into_iter().cloned().collect()
            }
            Typed::Global(global) => {
                let constant = !self.given.globals.at(*global).mutable;
                one(constant.then_some((Memory::Global(*global), expr.span)))
            }
            Typed::Let { local, value, body } => {
                let places = self.reference(value);
                // A function that the kernel calls takes the references of the function around it out of memory, into the same locals.
                if !matches!(value.kind, Typed::Load { .. }) {
                    self.learn(*local, places);
                }
                self.expr(body)
            }
            Typed::LetValues { locals, value, body } => {
                let mut values = self.expr(value).into_iter();
                for local in locals {
                    self.learn(*local, values.next().unwrap_or_default());
                }
                self.expr(body)
            }
            Typed::Set { local, value } => {
                let places = self.reference(value);
                self.learn(*local, places);
                Values::new()
            }
            Typed::Values(items) => items.iter().map(|item| self.reference(item)).collect(),
            Typed::Seq(items) => items.iter().fold(Values::new(), |_, item| self.expr(item)),
            Typed::Present(value) | Typed::Some(value) => self.expr(value),
            Typed::If { test, then, otherwise } => {
                self.expr(test);
                let before = self.known.clone();
                let one = self.expr(then);
                let after = std::mem::replace(&mut self.known, before);
                let other = self.expr(otherwise);
                self.join(after);
                either(one, other)
            }
            Typed::Loop { id, variables, body } => {
                for (local, value) in variables {
                    let places = self.reference(value);
                    self.learn(*local, places);
                }
                self.rounds(*id, variables.iter().map(|(local, _)| *local).collect(), body)
            }
            Typed::Continue { id, arguments } => {
                let arguments: Values = arguments.iter().map(|argument| self.reference(argument)).collect();
                let variables = self.rounds.get(id).map_or_else(Vec::new, |round| round.variables.clone());
                for (local, places) in variables.into_iter().zip(arguments) {
                    self.learn(local, places);
                }
                if let (Some(round), Some(end)) = (self.rounds.get_mut(id), self.known.take()) {
                    merge(&mut round.start, end);
                }
                Values::new()
            }
            Typed::Address(place) => vec![self.place(place)],
            Typed::Parse { .. } => {
                self.parts(expr);
                let packet = self.program_type.facts().packet;
                let read_only = packet == PacketAccess::Direct { writable: false };
                one(read_only.then_some((Memory::Packet, expr.span)))
            }
            Typed::Load { place, .. } => {
                self.access(place, Access::Read, By::Form, expr.span);
                Values::new()
            }
            Typed::Store { place, storage, value } => {
                // The bits beside it are kept.
                let (access, by) = match storage.bits {
                    Some(_) => (Access::Both, By::Change),
                    None => (Access::Write, By::Form),
                };
                self.access(place, access, by, expr.span);
                self.expr(value);
                Values::new()
            }
            Typed::Copy { to, from, .. } => {
                self.access(to, Access::Write, By::Form, expr.span);
                self.access(from, Access::Read, By::Form, expr.span);
                Values::new()
            }
            Typed::Atomic { place, value, .. } => {
                self.access(place, Access::Both, By::Change, expr.span);
                self.expr(value);
                Values::new()
            }
            Typed::CompareExchange { place, expected, value, .. } => {
                self.access(place, Access::Both, By::Change, expr.span);
                self.expr(expected);
                self.expr(value);
                Values::new()
            }
            Typed::Allocate { parts, .. } => {
                for part in parts {
                    match &part.value {
                        PartValue::Scalar(_, value) => drop(self.expr(value)),
                        PartValue::Copy(from, _) => self.memory(from, Access::Read, By::Form, expr.span),
                        PartValue::Bytes(_) => {}
                    }
                }
                Values::new()
            }
            Typed::Helper { helper, arguments } => self.helper(*helper, arguments, expr),
            Typed::Call { function, .. } => {
                self.parts(expr);
                if self.called.insert(*function) {
                    self.function(*function, State::new());
                }
                Values::new()
            }
            _ => {
                self.parts(expr);
                Values::new()
            }
        }
    }

    fn parts(&mut self, expr: &Expr) {
        parts(expr, &mut |part| drop(self.expr(part)));
    }

    /// The same of one value.
    fn reference(&mut self, expr: &Expr) -> Places {
        self.expr(expr).into_iter().next().unwrap_or_default()
    }

    fn learn(&mut self, local: LocalId, places: Places) {
        let Some(known) = &mut self.known else { return };
        match places.is_empty() {
            true => known.remove(&local),
            false => known.insert(local, places),
        };
    }

    fn join(&mut self, other: Option<State>) {
        match (&mut self.known, other) {
            (Some(known), Some(other)) => merge(known, other),
            (known @ None, other) => *known = other,
            (Some(_), None) => {}
        }
    }

    /// Goes through a loop until its rounds begin with nothing new.
    fn rounds(&mut self, id: LoopId, variables: Vec<LocalId>, body: &Expr) -> Values {
        let Some(first) = self.known.take() else { return Values::new() };
        let round = self.rounds.entry(id).or_insert_with(|| Round { variables, start: State::new() });
        merge(&mut round.start, first);
        let mut start = round.start.clone();
        loop {
            self.known = Some(start.clone());
            let values = self.expr(body);
            match self.rounds.get(&id) {
                Some(round) if round.start != start => start.clone_from(&round.start),
                _ => return values,
            }
        }
    }

    /// Goes through a function that begins with these references.
    fn function(&mut self, id: FunctionId, start: State) {
        let Some(function) = self.given.functions.get(id) else { return };
        let known = self.known.replace(start);
        let rounds = std::mem::take(&mut self.rounds);
        self.expr(&function.body);
        self.known = known;
        self.rounds = rounds;
    }

    fn helper(&mut self, id: HelperId, arguments: &[Argument], expr: &Expr) -> Values {
        let map = arguments.iter().find_map(|argument| match argument {
            Argument::Map(map) => Some(*map),
            _ => None,
        });
        let value = map.and_then(|map| self.value_of(map, expr.span));
        for (index, argument) in arguments.iter().enumerate() {
            match argument {
                Argument::Value(argument) => match self.access_of(id, index) {
                    Some((access, by)) => self.memory(argument, access, by, expr.span),
                    None => drop(self.expr(argument)),
                },
                Argument::Spilled(_, value) => drop(self.expr(value)),
                Argument::Callback(function) => self.callback(*function, value),
                Argument::Map(_) => {}
            }
        }
        let is_value = |ty: &Type| matches!(ty, Type::Optional(RefType { region: Region::MapValue, .. }));
        one(value.filter(|_| is_value(&expr.ty)))
    }

    /// What a helper, or a function of the kernel, does with memory that it is given as this argument.
    fn access_of(&self, id: HelperId, index: usize) -> Option<(Access, By)> {
        let Some(kfunc) = id.as_declared() else {
            let helper = helper::by_id(id)?;
            let argument = helper.arguments.get(index)?;
            // What has a form of its own is not called by its name.
            let has_form =
                matches!(argument, ArgumentKind::MapKey | ArgumentKind::MapValue) || helper.own_form().is_some();
            return Some((
                argument.access(self.given.min_kernel)?,
                if has_form { By::Form } else { By::Helper(helper.name) },
            ));
        };
        match self.given.kfuncs.at(kfunc).parameters.get(index)?.1 {
            KfuncParameter::Memory(_) | KfuncParameter::SizedMemory => Some((Access::Both, By::Kfunc(kfunc))),
            KfuncParameter::Int(_) | KfuncParameter::Map | KfuncParameter::Context | KfuncParameter::String => None,
        }
    }

    /// Goes through what `map-for-each` calls with each value of a map.
    fn callback(&mut self, id: FunctionId, value: Option<(Memory, Span)>) {
        let Some(mut start) = self.known.clone() else { return };
        let parameters = self.given.functions.get(id).map(|function| &*function.parameters);
        if let (Some((memory, span)), Some([_, _, local, ..])) = (value, parameters) {
            start.insert(*local, Places::from([(memory, span)]));
        }
        self.function(id, start);
    }

    /// The values of a map, where a rule is about them.
    fn value_of(&self, map: MapId, span: Span) -> Option<(Memory, Span)> {
        let flags = self.given.maps.at(map).flags;
        (flags & (RDONLY_PROG | WRONLY_PROG) != 0).then_some((Memory::MapValue(map), span))
    }

    /// What a place may be part of.
    fn place(&mut self, place: &Place) -> Places {
        let places = self.reference(&place.base);
        if let Some((index, _)) = &place.index {
            self.expr(index);
        }
        places
    }

    /// A place is read or written by what is at `span`.
    fn access(&mut self, place: &Place, access: Access, by: By, span: Span) {
        let places = self.place(place);
        self.may(&places, &place.base, access, by, span);
    }

    /// What is behind a reference is read or written by what is at `span`.
    fn memory(&mut self, reference: &Expr, access: Access, by: By, span: Span) {
        let places = self.reference(reference);
        self.may(&places, reference, access, by, span);
    }

    /// Reports what of this may not be.
    fn may(&mut self, places: &Places, reference: &Expr, access: Access, by: By, span: Span) {
        for (memory, origin) in places {
            let (reads, writes) = match memory {
                Memory::Global(_) | Memory::Packet => (true, false),
                Memory::MapValue(map) => {
                    let flags = self.given.maps.at(*map).flags;
                    (flags & WRONLY_PROG == 0, flags & RDONLY_PROG == 0)
                }
            };
            let refused = match access {
                _ if access.writes() && !writes => Access::Write,
                _ if access.reads() && !reads => Access::Read,
                _ => continue,
            };
            let event = Event { memory: *memory, origin: *origin, reference, access: refused, by, span };
            self.diagnostics.push(event.report(self.given, self.program_type));
        }
    }
}

fn one(place: Option<(Memory, Span)>) -> Values {
    place.into_iter().map(|place| Places::from([place])).collect()
}

/// What either of two values may refer to.
fn either(one: Values, other: Values) -> Values {
    let (mut all, other) = if one.len() < other.len() { (other, one) } else { (one, other) };
    for (places, more) in all.iter_mut().zip(other) {
        add(places, more);
    }
    all
}

fn merge(state: &mut State, other: State) {
    for (local, places) in other {
        add(state.entry(local).or_default(), places);
    }
}

/// Keeps where each was come by first, so that what is known of a loop only grows.
fn add(places: &mut Places, more: Places) {
    for (memory, span) in more {
        places.entry(memory).or_insert(span);
    }
}
