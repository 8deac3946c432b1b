//! Which cursors a loop moves by different steps, on different ways through a round.

use std::collections::{BTreeMap, BTreeSet};

use super::super::forks::forks;
use super::super::parts::parts;
use super::super::typed::{Expr, ExprKind as Typed, Function, FunctionId, LocalId, LoopId, Type};
use super::headers::{nothing, size_of_carried};
use super::{bindings, moves};

/// Loops of so few rounds have few ways through all of them.
const FEW_ROUNDS: u64 = 4;

/// What loops carry and move unevenly.
#[derive(Default, Debug)]
pub(super) struct Uneven {
    /// The cursors, and loop variables that are headers.
    pub(super) carried: BTreeSet<LocalId>,
    /// The loops that carry other places, which have to stay pointers.
    pub(super) multiplying: BTreeSet<LoopId>,
}

/// Finds it.
pub(super) fn find(function: &Function, moving: &BTreeSet<FunctionId>) -> Uneven {
    let mut steps = Steps {
        function,
        moving,
        places: BTreeMap::new(),
        rounds: BTreeMap::new(),
        unknown: 0,
        uneven: Uneven::default(),
    };
    steps.expr(&function.body);
    steps.uneven.carried.retain(|local| !function.parameters.contains(local));
    steps.uneven
}

/// Where in the packet something is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Place {
    /// Nowhere: what is absent, or does not come to a value.
    Nowhere,
    /// So many bytes behind where the round of a loop found a local; behind the packet's start, where it is none.
    Behind(Option<LocalId>, u64),
    /// At a place that is told from others by a number.
    Unknown(usize),
    /// At one of several places, by the way that led there.
    Uneven,
}

impl Place {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nowhere, place) | (place, Self::Nowhere) => place,
            (one, other) if one == other => one,
            _ => Self::Uneven,
        }
    }
}

struct Steps<'f> {
    function: &'f Function,
    moving: &'f BTreeSet<FunctionId>,
    /// Where the places are that locals stand for.
    places: BTreeMap<LocalId, Place>,
    /// What the next rounds of the loops around begin with.
    rounds: BTreeMap<LoopId, Round>,
    /// How many unknown places there are.
    unknown: usize,
    uneven: Uneven,
}

/// What the next rounds of a loop begin with.
struct Round {
    variables: Vec<LocalId>,
    /// Where the cursors are that it carries.
    places: BTreeMap<LocalId, Place>,
}

impl Steps<'_> {
    fn expr(&mut self, expr: &Expr) -> Place {
        match &expr.kind {
            Typed::Local(local) => self.place(*local),
            Typed::Let { local, value, body } => {
                let place = self.expr(value);
                self.places.insert(*local, place);
                self.expr(body)
            }
            Typed::LetValues { locals, value, body } => {
                self.expr(value);
                self.places.extend(locals.iter().map(|local| (*local, Place::Uneven)));
                self.expr(body)
            }
            Typed::Set { local, value } => {
                let place = self.expr(value);
                self.places.insert(*local, place);
                Place::Nowhere
            }
            Typed::If { test, then, otherwise } => {
                self.expr(test);
                let before = self.places.clone();
                let one = self.expr(then);
                let after = std::mem::replace(&mut self.places, before);
                let other = self.expr(otherwise);
                if otherwise.ty == Type::Never {
                    self.places = after;
                } else if then.ty != Type::Never {
                    for (local, place) in after {
                        let known = self.places.entry(local).or_insert(place);
                        *known = known.or(place);
                    }
                }
                one.or(other)
            }
            Typed::Loop { id, variables, body } => {
                for (local, value) in variables {
                    self.expr(value);
                    self.places.insert(*local, Place::Behind(Some(*local), 0));
                }
                self.walk(*id, variables.iter().map(|(local, _)| *local).collect(), body);
                Place::Uneven
            }
            Typed::Continue { id, arguments } => {
                let given: Vec<Place> = arguments.iter().map(|argument| self.expr(argument)).collect();
                if let Some(round) = self.rounds.get_mut(id) {
                    let given: BTreeMap<_, _> = round.variables.iter().copied().zip(given).collect();
                    for (local, place) in &mut round.places {
                        let next = given.get(local).or_else(|| self.places.get(local));
                        *place = next.map_or(Place::Uneven, |next| place.or(*next));
                    }
                }
                Place::Nowhere
            }
            Typed::Seq(items) => items.iter().fold(Place::Nowhere, |_, item| self.expr(item)),
            Typed::Present(value) | Typed::Some(value) => self.expr(value),
            Typed::Parse { context, cursor, .. } => {
                self.expr(context);
                self.expr(cursor)
            }
            Typed::Address(place) if place.index.is_none() => {
                let base = self.expr(&place.base);
                self.further(base, place.offset.into())
            }
            Typed::Advance { from, bytes, .. } => {
                let place = self.expr(from);
                self.expr(bytes);
                match bytes.kind {
                    Typed::Constant(bytes) => self.further(place, bytes),
                    _ => self.anywhere(),
                }
            }
            Typed::PacketStart(_) => Place::Behind(None, 0),
            Typed::Absent => Place::Nowhere,
            _ => {
                parts(expr, &mut |part| {
                    self.expr(part);
                });
                self.anywhere()
            }
        }
    }

    fn place(&self, local: LocalId) -> Place {
        self.places.get(&local).copied().unwrap_or(Place::Behind(Some(local), 0))
    }

    fn anywhere(&mut self) -> Place {
        self.unknown += 1;
        Place::Unknown(self.unknown)
    }

    fn further(&mut self, from: Place, bytes: u64) -> Place {
        match from {
            Place::Behind(local, before) => Place::Behind(local, before.saturating_add(bytes)),
            Place::Unknown(_) if bytes > 0 => self.anywhere(),
            other => other,
        }
    }

    /// Goes through a round of a loop, and notes the cursors that it moves unevenly.
    fn walk(&mut self, id: LoopId, variables: Vec<LocalId>, body: &Expr) {
        let (mut bound, mut set) = (BTreeSet::new(), BTreeSet::new());
        bindings(body, &mut bound, &mut set);
        let outside: Vec<_> = set.difference(&bound).copied().collect();
        let type_of = |local: LocalId| self.function.locals.get(local).map(|local| &local.ty);
        let is_place =
            |local: &LocalId| type_of(*local).is_some_and(|ty| *ty == Type::Cursor || size_of_carried(ty).is_some());
        let cursors: Vec<_> = variables.iter().chain(&outside).copied().filter(is_place).collect();
        let places = cursors.iter().map(|local| (*local, Place::Nowhere)).collect();
        for local in &outside {
            self.places.insert(*local, Place::Behind(Some(*local), 0));
        }
        self.rounds.insert(id, Round { variables, places });
        self.expr(body);
        let round = self.rounds.remove(&id);
        for local in &outside {
            self.places.insert(*local, Place::Uneven);
        }
        let trips = self.function.loops.get(id).map_or(0, |facts| facts.trips);
        if trips <= FEW_ROUNDS {
            return;
        }
        let forks = forks(body, id);
        let moves = moves(body, self.moving);
        for (local, place) in round.into_iter().flat_map(|round| round.places) {
            // The ways through a round may have told different things of how far it is.
            if place != Place::Uneven && !(forks && matches!(place, Place::Unknown(_))) {
                continue;
            }
            let can_change = !moves
                && match self.function.locals.get(local).map(|local| &local.ty) {
                    Some(Type::Cursor) => true,
                    Some(Type::Optional(_)) => !outside.contains(&local),
                    _ => !outside.contains(&local) && nothing(&body.ty).is_some(),
                };
            if can_change {
                self.uneven.carried.insert(local);
            } else if place == Place::Uneven {
                self.uneven.multiplying.insert(id);
            }
        }
    }
}
