//! What holds where a round of a loop begins.

use std::collections::BTreeSet;

use super::super::checker::Checker;
use super::super::flow::Flow;
use super::super::implied::Implied;
use super::super::typed::{self, ExprKind as Typed, LocalId, Type};
use super::super::value::{Run, full_range};
use super::bound::{Counted, Counter};
use super::forget::{Carried, forgotten_range};
use super::{LATE_START, LoopSpec, NEVER_REACHED, Round};

impl Checker<'_> {
    /// What holds at the start of every round.
    pub(super) fn loop_entry(
        &mut self,
        entry: &Flow,
        rounds: Option<&[Round]>,
        set: Option<&BTreeSet<LocalId>>,
    ) -> Flow {
        let mut flow = self.joined_entry(entry, rounds);
        // In the first round that was checked, nothing was known of anything that is set anywhere.
        if let (Some(_), Some(set)) = (rounds, set) {
            let keeps = |local: &&LocalId| !set.contains(local);
            flow.ranges.extend(entry.ranges.iter().filter(|(local, _)| keeps(local)));
            flow.present.extend(entry.present.iter().filter(keeps));
            flow.nonzero.extend(entry.nonzero.iter().filter(keeps));
        }
        flow
    }

    fn joined_entry(&mut self, entry: &Flow, rounds: Option<&[Round]>) -> Flow {
        match rounds {
            None => {
                let mut flow = entry.clone();
                for (local, information) in self.function.locals.iter() {
                    if information.mutated {
                        flow.present.remove(&local);
                        flow.nonzero.remove(&local);
                        if flow.ranges.contains_key(&local) {
                            flow.ranges.insert(local, full_range(&information.ty));
                        }
                    }
                }
                flow
            }
            Some(rounds) => rounds.iter().fold(entry.clone(), |flow, round| {
                let mut joined = self.join_flows(flow, round.flow.clone());
                joined.reachable = entry.reachable;
                joined
            }),
        }
    }

    pub(super) fn bind_loop_variables(
        &mut self,
        spec: &LoopSpec,
        types: &[Type],
        counters: &[Counter],
        carried: &[Carried],
        rounds: Option<&[Round]>,
    ) -> Vec<LocalId> {
        let mut locals = Vec::new();
        for (index, ((name, init), ty)) in spec.variables.iter().zip(types).enumerate() {
            let full = full_range(ty);
            let next = rounds.map(|rounds| {
                rounds
                    .iter()
                    .filter_map(|round| round.values.get(index))
                    .fold(init.range, |range, run| range.union(run.range))
            });
            let mut range = next.filter(|range| range.within(full)).unwrap_or(full);
            if rounds.is_some() {
                let counter = counters.iter().find(|counter| counter.what == Counted::Variable(index));
                match counter {
                    Some(counter) if counter.step > 0 => {
                        range.low = init.range.low.max(full.low);
                        if init.range.high <= LATE_START {
                            range.high = range.high.min(NEVER_REACHED);
                        }
                    }
                    Some(counter) if counter.step < 0 => range.high = init.range.high.min(full.high),
                    _ => {}
                }
            }
            let forgotten = forgotten_range(carried, index);
            range = forgotten.unwrap_or(range);
            let epoch = init.epoch.map(|epoch| {
                let stale = rounds.is_some_and(|rounds| {
                    rounds
                        .iter()
                        .any(|round| round.values.get(index).is_some_and(|run| run.epoch != Some(round.flow.epoch)))
                });
                if stale || epoch != self.flow.epoch { epoch } else { self.flow.epoch }
            });
            let opaque = forgotten.is_none()
                && rounds.is_some_and(|rounds| {
                    rounds.iter().any(|round| round.values.get(index).is_some_and(|run| run.opaque))
                });
            let expr = typed::Expr::new(ty.clone(), init.expr.span, Typed::Unit);
            let run = Run { expr, range, literal: false, epoch, opaque, implied: Implied::default() };
            locals.push(self.new_local(name, &run, false));
        }
        // A cursor that every round sets anew belongs to the packet as it is at the start of the round.
        if let Some(rounds) = rounds
            && rounds.iter().any(|round| round.flow.epoch != self.flow.epoch)
        {
            for (index, local) in locals.iter().enumerate() {
                let fresh = rounds.iter().all(|round| {
                    round.values.get(index).is_none_or(|run| run.epoch.is_none_or(|epoch| epoch == round.flow.epoch))
                });
                if fresh && self.function.epochs.contains_key(local) {
                    self.function.epochs.insert(*local, self.flow.epoch);
                }
            }
        }
        locals
    }
}
