//! What is there wherever something else is: after `(ip (and eth (parse-ipv4-header …)))`, wherever `ip` is present, `eth` is, too.
//!
//! The kernel's verifier follows each way through the code by itself. On the way where `eth` is absent it knows `ip` to be 0, so it
//! finds the same, whatever stands between.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checker::Checker;
use super::flow::Flow;
use super::typed::{ExprKind as Typed, LocalId, Type};
use super::types::DataType;
use super::value::Value;

/// Optional locals that are there wherever a value is there, or true. Neither they nor who implies them are ever changed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Implied(Option<Arc<BTreeSet<LocalId>>>);

impl Implied {
    fn new(locals: BTreeSet<LocalId>) -> Self {
        Self((!locals.is_empty()).then(|| Arc::new(locals)))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The locals.
    pub(super) fn iter(&self) -> impl Iterator<Item = &LocalId> {
        self.0.iter().flat_map(|locals| locals.iter())
    }

    /// What both imply.
    pub(super) fn both(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) if Arc::ptr_eq(one, other) => self.clone(),
            (Some(one), Some(other)) => Self::new(one.intersection(other).copied().collect()),
            _ => Self::default(),
        }
    }
}

/// Whether a value is neither there nor true.
fn is_absent(value: &Value) -> bool {
    let Value::Run(run) = value else { return false };
    match run.expr.kind {
        Typed::Absent => true,
        Typed::Constant(0) => run.expr.ty == Type::Scalar(DataType::Bool),
        _ => run.expr.ty == Type::Never,
    }
}

impl Flow {
    /// Learns that an optional is there, or a boolean true; and what follows from it.
    pub(super) fn learn(&mut self, local: LocalId) {
        self.present.insert(local);
        if let Some(implied) = self.implied.get(&local) {
            self.present.extend(implied.iter());
        }
    }
}

impl Checker<'_> {
    /// What the value of a choice implies that is present where it comes from, but not after it.
    pub(super) fn implied_by_choice(&self, branches: [(&Value, &Flow); 2]) -> Implied {
        let mut implied: Option<BTreeSet<LocalId>> = None;
        for (value, flow) in branches {
            let Value::Run(run) = value else { return Implied::default() };
            if !flow.reachable || is_absent(value) {
                continue;
            }
            let unchanged = |local: &&LocalId| !self.function.locals.at(**local).mutated;
            let here: BTreeSet<LocalId> =
                flow.present.iter().filter(unchanged).chain(run.implied.iter()).copied().collect();
            implied = Some(match implied {
                Some(before) => before.intersection(&here).copied().collect(),
                None => here,
            });
        }
        let known = |local: &LocalId| branches.iter().all(|(_, flow)| flow.present.contains(local));
        Implied::new(implied.unwrap_or_default().into_iter().filter(|local| !known(local)).collect())
    }
}
