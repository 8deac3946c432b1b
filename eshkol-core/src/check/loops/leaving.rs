//! `(= counter bound)` as the test that ends a loop.
//!
//! A counter that steps toward a bound and ends the loop on meeting it never passes over it, so there `=` amounts to `≥` (or `≤`), which
//! gives everyone, the kernel included, a bound. Elsewhere it does not: the counter goes on, and is not equal any more. A test ends the
//! loop where every way to the next round leads through its failing; which those are, each check of the body tells for the next.

use std::collections::BTreeSet;

use super::super::checker::{Checker, local_of};
use super::super::comparison::Comparison;
use super::super::typed::LocalId;
use super::super::value::Run;
use super::bound::{Counted, Counter};
use super::{ActiveLoop, Round};
use crate::arena::Id;
use crate::source::Span;

/// A comparison of a loop's counter with a number that stays the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in super::super) struct LeavingTest {
    /// Where it stands, with the calls that lead there.
    at: Vec<Span>,
    bound: Bound,
}

#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Bound {
    Number(i128),
    Local(LocalId),
}

/// The tests that all ways to a next round of a loop have gone through, and failed.
pub(super) fn leaving(rounds: &[Round]) -> BTreeSet<LeavingTest> {
    let mut tests = rounds.iter().map(|round| &round.flow.went_on);
    let Some(first) = tests.next() else { return BTreeSet::new() };
    tests.fold(first.clone(), |common, tests| common.intersection(tests).cloned().collect())
}

impl Checker<'_> {
    /// The test that `(= a b)` at a place is, if it is one of a loop's variable; and what it amounts to if it ends the loop.
    pub(in super::super) fn leaving_test(
        &self,
        a: &Run,
        b: &Run,
        span: Span,
    ) -> Option<(LeavingTest, Option<Comparison>)> {
        self.loops.iter().rev().find_map(|active| {
            let of = |run: &Run| local_of(&run.expr).filter(|local| self.counts(active, *local));
            let (local, bound, flipped) = match (of(a), of(b)) {
                (Some(local), _) => (local, b, false),
                (None, Some(local)) => (local, a, true),
                (None, None) => return None,
            };
            let fixed = self.fixed(bound, active)?;
            let at = self.frames.iter().map(|frame| frame.call).chain([span]).collect();
            let test = LeavingTest { at, bound: fixed };
            let ends = active.leaving.contains(&test);
            let counter = active.counters.iter().find(|counter| active.counter_local(counter) == Some(local));
            let comparison = counter.filter(|_| ends).and_then(|counter| toward(counter, bound, active.at_start));
            Some((test, comparison.map(|comparison| if flipped { comparison.flipped() } else { comparison })))
        })
    }

    /// Says that a variable is set here.
    pub(in super::super) fn not_at_start(&mut self) {
        for active in &mut self.loops {
            active.at_start = false;
        }
    }

    /// Says whether a round has yet to set its first variable where what is checked next stands.
    pub(super) fn at_start(&mut self, index: usize, at_start: bool) {
        if let Some(active) = self.loops.get_mut(index) {
            active.at_start = at_start;
        }
    }

    fn counts(&self, active: &ActiveLoop, local: LocalId) -> bool {
        active.locals.contains(&local)
            || active.counters.iter().any(|counter| active.counter_local(counter) == Some(local))
    }

    /// What a number is, if it stays the same in every round of a loop.
    fn fixed(&self, run: &Run, active: &ActiveLoop) -> Option<Bound> {
        if let Some(number) = run.constant() {
            return Some(Bound::Number(number));
        }
        let local = local_of(&run.expr)?;
        (local.index() < active.inside && !self.function.locals.at(local).mutated).then_some(Bound::Local(local))
    }
}

/// What meeting the bound amounts to, for a counter that can't step over it.
fn toward(counter: &Counter, bound: &Run, at_start: bool) -> Option<Comparison> {
    let exact = counter.step.abs() == 1
        || matches!((counter.init.single(), bound.range.single()), (Some(from), Some(to)) if (to - from) % counter.step == 0);
    // A variable that the body sets may have made its step already where the test stands.
    let first = if at_start || matches!(counter.what, Counted::Variable(_)) { 0 } else { counter.step };
    if exact && counter.step > 0 && counter.init.high + first <= bound.range.low {
        Some(Comparison::GreaterEqual)
    } else if exact && counter.step < 0 && counter.init.low + first >= bound.range.high {
        Some(Comparison::LessEqual)
    } else {
        None
    }
}
