//! How often a loop runs at most: what counts its rounds, and which comparisons bound the count.

use super::super::checker::{Checker, local_of};
use super::super::range::Range;
use super::super::typed::{self, ArithmeticOp, ExprKind as Typed, LocalId, Numbered, Type};
use super::super::value::{Run, full_range, low_bits};
use super::{ActiveLoop, LATE_START, LoopSpec, MAX_TRIPS, NEVER_REACHED, Round};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::syntax::Name;

/// What counts.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Counted {
    /// The loop's variable at this position.
    Variable(usize),
    /// A local bound outside, that the body sets.
    Outer(LocalId),
}

/// Something that changes by the same amount from round to round.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    pub(super) what: Counted,
    pub(super) step: i128,
    pub(super) init: Range,
    /// What it can be in a round that is followed by another.
    pub(super) seen: Option<Range>,
}

impl ActiveLoop {
    pub(super) fn counter_local(&self, counter: &Counter) -> Option<LocalId> {
        match counter.what {
            Counted::Variable(index) => self.locals.get(index).copied(),
            Counted::Outer(local) => Some(local),
        }
    }
}

impl Checker<'_> {
    /// Whether a local counts the rounds of a loop around what is being checked.
    pub(in super::super) fn counts_a_loop(&self, local: LocalId) -> bool {
        self.loops
            .iter()
            .any(|active| active.counters.iter().any(|counter| active.counter_local(counter) == Some(local)))
    }

    pub(super) fn declared_counters(&self, spec: &LoopSpec) -> Vec<Counter> {
        let counter = |(local, step): &(LocalId, i128)| Counter {
            what: Counted::Outer(*local),
            step: *step,
            init: self.flow.ranges.get(local).copied().unwrap_or(Range::of(super::super::types::IntType::U64)),
            seen: None,
        };
        spec.counters.iter().map(counter).collect()
    }

    /// How often the body runs at most; reports it where there is no bound.
    pub(super) fn trips(&mut self, spec: &LoopSpec, done: &ActiveLoop) -> Option<u64> {
        if done.rounds.is_empty() {
            return Some(1);
        }
        let counters = found_counters(spec, done);
        let bounds = counters.iter().filter_map(|counter| {
            let seen = counter.seen?;
            let full = full_range(&self.function.locals.at(done.counter_local(counter)?).ty);
            if let Counted::Outer(local) = counter.what
                && counter.step < 0
                && self.function.opaque.contains(&local)
            {
                // Where it begins is not known to the verifier.
                return None;
            }
            if counter.step > 0 {
                // It must not wrap around on its way.
                (seen.high + counter.step <= full.high && seen.high < NEVER_REACHED)
                    .then(|| (seen.high - counter.init.low) / counter.step + 2)
            } else {
                (seen.low + counter.step >= full.low).then(|| (counter.init.high - seen.low) / -counter.step + 2)
            }
        });
        let bound = bounds.min();
        match bound {
            Some(trips) if trips <= MAX_TRIPS => u64::try_from(trips.max(1)).ok(),
            Some(trips) => {
                self.push(
                    Diagnostic::error(
                        catalogue::LOOP_TOO_LONG,
                        spec.span,
                        format!(
                            "this loop can run {} times, and the kernel follows {MAX_TRIPS} rounds at most",
                            trips - 1
                        ),
                    )
                    .with_help("test the count before: `(if (< n 1000) …)` bounds what comes after it"),
                );
                None
            }
            None => {
                let diagnostic = Diagnostic::error(
                    catalogue::UNBOUNDED_LOOP,
                    spec.span,
                    "no bound is known for how often this loop runs",
                );
                let below_zero = counters.iter().find_map(|counter| self.counts_past_zero(done, counter));
                self.push(match below_zero {
                    Some(name) => diagnostic
                        .with_help(format!("`{name}` is unsigned, so it is never below 0: after 0 comes the largest number"))
                        .with_help(format!("bind it as a signed number, `({name} : i64 …)`, or stop at 0: `(= {name} 0)`")),
                    None => diagnostic
                        .with_help("count with `(for (i in (range 0 n)) …)`, where `n` is a constant or has been tested: `(if (< n 64) …)`")
                        .with_help("in a named `let`, `do` or `while`, step a variable by a constant and compare it with such a bound"),
                });
                None
            }
        }
    }

    /// The name of a counter that goes down, and that nothing stops at zero.
    fn counts_past_zero(&self, done: &ActiveLoop, counter: &Counter) -> Option<Name> {
        let local = self.function.locals.at(done.counter_local(counter)?);
        let low = counter.seen.map_or(0, |seen| seen.low);
        (counter.step < 0 && full_range(&local.ty).low == 0 && low == 0).then(|| local.name.clone())
    }

    /// Notes what is known of the locals that count up in every round.
    pub(super) fn bound_outer_counters(&mut self, counters: &[Counter]) {
        for counter in counters.iter().filter(|counter| counter.step > 0 && counter.init.high <= LATE_START) {
            if let Counted::Outer(local) = counter.what
                && let Some(range) = self.flow.ranges.get_mut(&local)
            {
                *range = Range::new(range.low.max(counter.init.low), range.high.min(NEVER_REACHED));
            }
        }
    }

    /// By how much a value differs from a loop variable.
    pub(super) fn step(&self, run: &Run, local: LocalId) -> Option<(i128, Range)> {
        let range = self.flow.ranges.get(&local).copied()?;
        let sum = match &run.expr.kind {
            // Whether it wraps in the variable's own type is seen to where rounds are counted.
            Typed::Cast(inner) if run.expr.ty == self.function.locals.at(local).ty => inner,
            _ => &run.expr,
        };
        let (op, lhs, rhs) = match &sum.kind {
            Typed::Arithmetic { op, lhs, rhs } => (*op, lhs, rhs),
            _ => return None,
        };
        let number = |expr: &typed::Expr| match (&expr.kind, &expr.ty) {
            (Typed::Constant(bits), Type::Scalar(_)) => {
                let signed = i128::from(i64::from_le_bytes(bits.to_le_bytes()));
                (signed.abs() < 1 << 40).then_some(signed)
            }
            _ => None,
        };
        let step = match op {
            ArithmeticOp::Add if local_of(lhs) == Some(local) => number(rhs)?,
            ArithmeticOp::Add if local_of(rhs) == Some(local) => number(lhs)?,
            ArithmeticOp::Sub if local_of(lhs) == Some(local) => -number(rhs)?,
            _ => return None,
        };
        (step != 0).then_some((step, range))
    }

    /// Two numbers to be compared; where one counts a loop, the other is a bound that the kernel's verifier must know.
    pub(in super::super) fn visible_bounds(&mut self, a: Run, b: Run) -> (Run, Run) {
        match (self.is_loop_variable(&a), self.is_loop_variable(&b)) {
            (true, false) => {
                let b = self.visible(b);
                (a, b)
            }
            (false, true) => (self.visible(a), b),
            _ => (a, b),
        }
    }

    /// Whether an expression reads a variable that counts an active loop, or may do so.
    pub(in super::super) fn is_loop_variable(&self, run: &Run) -> bool {
        local_of(&run.expr).is_some_and(|local| {
            let counts = |active: &ActiveLoop| {
                active.locals.contains(&local)
                    || active.counters.iter().any(|counter| active.counter_local(counter) == Some(local))
            };
            self.loops.iter().any(counts)
        })
    }

    /// Whether an expression reads a loop's variable that the kernel's verifier knows exactly in every round.
    pub(in super::super) fn is_known_in_each_round(&self, run: &Run) -> bool {
        self.knows_in_each_round(&self.loops, run)
    }

    fn knows_in_each_round(&self, loops: &[ActiveLoop], run: &Run) -> bool {
        let is_forgotten = |local| self.loops.iter().any(|active| active.forgotten.contains(&local));
        let counts_exactly = |active: &ActiveLoop, local| {
            let counter = active.counters.iter().find(|counter| counter.what == Counted::Outer(local));
            counter.is_some_and(|counter| counter.init.single().is_some() && !self.function.opaque.contains(&local))
        };
        local_of(&run.expr).filter(|local| !is_forgotten(*local)).is_some_and(|local| {
            loops.iter().any(|active| {
                let position = active.locals.iter().position(|variable| *variable == local);
                position.is_some_and(|index| active.exact.get(index) == Some(&true)) || counts_exactly(active, local)
            })
        })
    }

    /// Which variables of a loop the verifier knows exactly in every round: they begin with such a number, and every round hands on one.
    pub(super) fn exact_variables(&self, spec: &LoopSpec, rounds: Option<&[Round]>) -> Vec<bool> {
        let variables = spec.variables.iter().enumerate().map(|(index, (_, init))| {
            let mut handed_on = rounds.unwrap_or_default().iter().map(|round| round.exact.get(index) == Some(&true));
            handed_on.all(|exact| exact) && (init.constant().is_some() || self.is_known_in_each_round(init))
        });
        variables.collect()
    }

    /// Whether the verifier knows exactly what a round of a loop hands on to one of its variables, where it knows the variable.
    pub(super) fn hands_on_exactly(&self, index: usize, run: &Run, local: LocalId) -> bool {
        run.constant().is_some()
            || local_of(&run.expr) == Some(local)
            || self.step(run, local).is_some()
            || self.loops.get(..index).is_some_and(|around| self.knows_in_each_round(around, run))
    }

    /// Notes what the counters that a procedure sets were before their step, in a round that is followed by another.
    pub(super) fn see_stepped(&mut self, index: usize) {
        let (flow, locals) = (&self.flow, &self.function.locals);
        let Some(active) = self.loops.get_mut(index).filter(|active| active.procedure.is_some()) else { return };
        for counter in &mut active.counters {
            let Counted::Outer(local) = counter.what else { continue };
            let Some(range) = flow.ranges.get(&local) else { continue };
            let full = full_range(&locals.at(local).ty);
            let before = range.sub(Range::exactly(counter.step));
            // What may have wrapped around may have been anything.
            let before = if before.within(full) { before } else { full };
            counter.seen = Some(counter.seen.map_or(before, |seen| seen.union(before)));
        }
    }

    /// Notes what the counters of a `while` are where its test holds.
    pub(super) fn see_counters(&mut self, index: usize) {
        let flow = &self.flow;
        if let Some(active) = self.loops.get_mut(index) {
            for counter in &mut active.counters {
                if let Counted::Outer(local) = counter.what {
                    counter.seen = flow.ranges.get(&local).copied();
                }
            }
        }
    }
}

/// What changes by the same constant in every round: what the loop was made with, and the variables found to do so.
pub(super) fn found_counters(spec: &LoopSpec, done: &ActiveLoop) -> Vec<Counter> {
    let outer = done.counters.iter().filter(|counter| matches!(counter.what, Counted::Outer(_)));
    let mut counters: Vec<Counter> = outer.cloned().collect();
    for (index, (_, init)) in spec.variables.iter().enumerate() {
        let mut steps = done.rounds.iter().map(|round| round.steps.get(index).copied().flatten());
        let Some(Some((step, mut seen))) = steps.next() else { continue };
        let same = steps.all(|next| match next {
            Some((other, range)) => {
                seen = seen.union(range);
                other == step
            }
            None => false,
        });
        if same {
            counters.push(Counter { what: Counted::Variable(index), step, init: init.range, seen: Some(seen) });
        }
    }
    counters
}

/// What tells the rounds of a loop apart that may run so often.
pub(super) fn numbered(spec: &LoopSpec, done: &ActiveLoop, locals: &[LocalId], trips: u64) -> Numbered {
    let mut variables = found_counters(spec, done).into_iter().filter_map(|counter| {
        let Counted::Variable(index) = counter.what else { return None };
        let (_, first) = spec.variables.get(index)?;
        let end = first.constant()? + counter.step * i128::from(trips);
        Some(Numbered::By(*locals.get(index)?, low_bits(end)))
    });
    variables.next().unwrap_or(Numbered::Apart)
}
