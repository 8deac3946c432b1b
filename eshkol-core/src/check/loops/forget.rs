//! What the kernel's verifier is made to forget from round to round.
//!
//! The verifier goes through a loop round by round, along every way through the body. Where two ways come to the start of the
//! same round with different numbers in a variable that a test depends on, it follows both from there on; so a body with two
//! ways can make it follow 2ⁿ ways through n rounds:
//!
//! ```scheme
//! (let loop ((i 0) (n start))
//!   (if (and (< i 200) (not (= n 1)))
//!       (loop (+ i 1) (if (even? n) (quotient n 2) (+ 1 (* 3 n))))
//!       i))
//! ```
//!
//! Where it knows nothing of the number, all ways look the same, and one is enough. So the numbers that such a loop carries
//! along, other than those that count its rounds, are hidden from it where a next round begins ([`typed::Forgotten`]), and here
//! no more is known of them than that they have so many bits. Where the body needs to know more, it is let be.
//!
//! A number that stays the same teaches the verifier something, too, with every test of it, and what it has learnt on the ways before
//! keeps them apart in every later round. One or two such tests only come to as many ways; of more of them, the numbers are hidden as well.
//! What has no name, as a field of the context that is read again and again, can't be hidden so. Where there are many tests, each is of a copy
//! ([`typed::ExprKind::Apart`]), and what it teaches is lost with the copy.

use super::super::forks::{choices, forks};
use super::super::parts::parts;
use super::super::range::Range;
use super::super::typed::{Expr, ExprKind as Typed, Forgotten, LocalId, Type};
use super::super::types::DataType;
use super::super::value::{Run, Value, scalar_int};
use super::super::{checker::Checker, flow::Flow};
use super::bound::{Counted, Counter, found_counters};
use super::{ActiveLoop, LoopSpec, is_small};
use crate::arena::Id as _;
use std::collections::BTreeSet;

/// The fewest choices in a round with which the numbers that stay the same are hidden, too.
const MANY_CHOICES: usize = 3;
/// The fewest choices in all rounds together with which tests teach nothing, either.
const MANY_TESTS: usize = 100;

/// What a loop hides from the verifier.
#[derive(Clone, Default, Debug)]
pub(super) struct Hiding {
    pub(super) carried: Vec<Carried>,
    /// Whether the tests in it are of copies of what they compare, so that the verifier learns nothing of the numbers themselves.
    pub(super) tests_teach_nothing: bool,
}

impl Hiding {
    pub(super) fn is_nothing(&self) -> bool {
        self.carried.is_empty() && !self.tests_teach_nothing
    }
}

/// A variable of which the verifier keeps so many low bits, and the range that it knows then.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Carried {
    pub(super) what: Counted,
    bits: u32,
    signed: bool,
    range: Option<Range>,
}

impl Carried {
    fn new(what: Counted, ty: &Type, range: Range) -> Option<Self> {
        let Type::Scalar(data) = ty else { return None };
        if *data == DataType::Bool {
            return Some(Self { what, bits: 1, signed: false, range: None });
        }
        let int = scalar_int(data)?;
        let (bits, signed, known) = if range.low < 0 {
            (u32::from(int.bits), int.bits < 64, Range::of(int))
        } else {
            let bits = (128 - range.high.leading_zeros()).clamp(1, 64);
            (bits, false, Range::new(0, (1 << bits) - 1).intersect(Range::of(int)))
        };
        Some(Self { what, bits, signed, range: Some(known) })
    }
}

impl Checker<'_> {
    /// What a loop may hide from the verifier, given what was known at the start of a round and what its body has turned out to be; and
    /// what instead, where the body turns out to need to know more: the last is tried first.
    pub(super) fn hidings(
        &mut self,
        spec: &LoopSpec,
        types: &[Type],
        start: &Flow,
        done: &ActiveLoop,
        value: &Value,
    ) -> Vec<Hiding> {
        let Value::Run(Run { expr: body, .. }) = value else { return Vec::new() };
        if done.rounds.is_empty() || !forks(body, done.id) {
            return Vec::new();
        }
        let trips = self.trips(spec, done);
        // What is written out because it is small takes the verifier few ways.
        if trips.is_some_and(|trips| is_small(spec, trips)) {
            return Vec::new();
        }
        let counters = found_counters(spec, done);
        let counts = |what: Counted| counters.iter().any(|counter: &Counter| counter.what == what);
        let variables = spec.variables.iter().zip(types).enumerate().filter_map(|(index, ((_, init), ty))| {
            let what = Counted::Variable(index);
            let next = done.rounds.iter().filter_map(|round| round.values.get(index));
            let range = next.fold(init.range, |range, run| range.union(run.range));
            (!counts(what)).then(|| Carried::new(what, ty, range))?
        });
        let mut set = BTreeSet::new();
        assigned(body, done.inside, &mut set);
        let choices = choices(body);
        let same = if choices < MANY_CHOICES { Vec::new() } else { self.staying_the_same(body, start, done, &set) };
        let outer = set.into_iter().filter_map(|local| {
            let what = Counted::Outer(local);
            let ty = &self.function.locals.get(local)?.ty;
            let mut ranges = done.rounds.iter().filter_map(|round| round.flow.ranges.get(&local));
            let range = match start.ranges.get(&local) {
                Some(entry) => ranges.fold(*entry, |range, next| range.union(*next)),
                // No range is kept of what is true or false.
                None => ranges.next().copied().unwrap_or(Range::new(0, 1)),
            };
            (!counts(what)).then(|| Carried::new(what, ty, range))?
        });
        let carried: Vec<_> = variables.chain(outer).collect();
        let all = [carried.clone(), same].concat();
        let mut alternatives = vec![Hiding { carried: carried.clone(), tests_teach_nothing: false }];
        if all.len() > carried.len() {
            alternatives.push(Hiding { carried: all.clone(), tests_teach_nothing: false });
        }
        let rounds = trips.and_then(|trips| usize::try_from(trips).ok()).unwrap_or(0);
        if choices.saturating_mul(rounds) >= MANY_TESTS {
            alternatives.push(Hiding { carried: all, tests_teach_nothing: true });
        }
        alternatives
    }

    /// The numbers bound outside that the body reads and does not set. What counts the rounds of a loop around this one is known in
    /// each of them, and has to be.
    fn staying_the_same(&self, body: &Expr, start: &Flow, done: &ActiveLoop, set: &BTreeSet<LocalId>) -> Vec<Carried> {
        let mut read = BTreeSet::new();
        read_outside(body, done.inside, &mut read);
        let same = read.difference(set).filter(|local| !self.counts_a_loop(**local)).filter_map(|local| {
            let ty = &self.function.locals.get(*local)?.ty;
            let range = start.ranges.get(local).filter(|range| range.low < range.high)?;
            Carried::new(Counted::Outer(*local), ty, *range)
        });
        same.collect()
    }

    /// Whether the verifier is to learn nothing from tests here.
    pub(in super::super) fn tests_teach_nothing(&self) -> bool {
        self.loops.iter().any(|active| active.tests_teach_nothing)
    }

    /// The locals that lowering hides, with how many bits it keeps.
    pub(super) fn forgotten(carried: &[Carried], locals: &[LocalId]) -> Vec<Forgotten> {
        let forgotten = |carried: &Carried| {
            let local = match carried.what {
                Counted::Variable(index) => locals.get(index).copied()?,
                Counted::Outer(local) => local,
            };
            Some(Forgotten { local, bits: carried.bits, signed: carried.signed })
        };
        carried.iter().filter_map(forgotten).collect()
    }
}

/// Takes what is forgotten out of what is known at the start of a round.
pub(super) fn forget_outer(flow: &mut Flow, carried: &[Carried]) {
    for carried in carried {
        if let Counted::Outer(local) = carried.what {
            flow.nonzero.remove(&local);
            flow.visible.remove(&local);
            if let (Some(known), Some(range)) = (carried.range, flow.ranges.get_mut(&local)) {
                *range = known;
            }
        }
    }
}

/// What is known of a loop variable that is forgotten.
pub(super) fn forgotten_range(carried: &[Carried], index: usize) -> Option<Range> {
    carried.iter().find(|carried| carried.what == Counted::Variable(index))?.range
}

/// The locals bound outside of a loop that its body sets. `None` where the body is not known.
pub(super) fn set_outside(body: &Value, inside: usize) -> Option<BTreeSet<LocalId>> {
    let Value::Run(Run { expr, .. }) = body else { return None };
    let mut set = BTreeSet::new();
    assigned(expr, inside, &mut set);
    Some(set)
}

/// The locals with numbers below `inside` that an expression reads.
fn read_outside(expr: &Expr, inside: usize, read: &mut BTreeSet<LocalId>) {
    if let Typed::Local(local) = &expr.kind
        && local.index() < inside
    {
        read.insert(*local);
    }
    parts(expr, &mut |part| read_outside(part, inside, read));
}

/// The locals with numbers below `inside` that an expression sets.
fn assigned(expr: &Expr, inside: usize, set: &mut BTreeSet<LocalId>) {
    if let Typed::Set { local, .. } = &expr.kind
        && local.index() < inside
    {
        set.insert(*local);
    }
    parts(expr, &mut |part| assigned(part, inside, set));
}
