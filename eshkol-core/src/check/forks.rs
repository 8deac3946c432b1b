//! The ways through a round of a loop.

use super::parts::parts;
use super::typed::{Expr, ExprKind as Typed, LoopId};

/// Whether there is more than one way from the start of a round to the next. Where one side of a choice leaves the loop, the
/// other is the only way on.
pub(super) fn forks(expr: &Expr, id: LoopId) -> bool {
    match &expr.kind {
        Typed::If { test, then, otherwise } => match (goes_on(then, id), goes_on(otherwise, id)) {
            (true, false) => test_forks(test, true, id) || forks(then, id),
            (false, true) => test_forks(test, false, id) || forks(otherwise, id),
            (true, true) | (false, false) => true,
        },
        // The way that leaves an inner loop is not another way through its rounds.
        Typed::Loop { id: inner, variables, body } => {
            variables.iter().any(|(_, value)| forks(value, id))
                || forks(body, *inner)
                || goes_on(body, id) && forks(body, id)
        }
        _ => {
            let mut found = false;
            parts(expr, &mut |part| found = found || forks(part, id));
            found
        }
    }
}

/// Whether there is more than one way to an outcome of a test.
fn test_forks(test: &Expr, outcome: bool, id: LoopId) -> bool {
    let is = |expr: &Expr, value: bool| matches!(expr.kind, Typed::Constant(bits) if bits == u64::from(value));
    match &test.kind {
        Typed::Not(test) => test_forks(test, !outcome, id),
        Typed::If { test, then, otherwise } if outcome && is(otherwise, false) => {
            test_forks(test, true, id) || test_forks(then, true, id)
        }
        Typed::If { test, then, otherwise } if !outcome && is(then, true) => {
            test_forks(test, false, id) || test_forks(otherwise, false, id)
        }
        _ => forks(test, id),
    }
}

/// Whether an expression goes on with the next round.
pub(super) fn goes_on(expr: &Expr, id: LoopId) -> bool {
    let mut found = matches!(&expr.kind, Typed::Continue { id: next, .. } if *next == id);
    parts(expr, &mut |part| found = found || goes_on(part, id));
    found
}

/// How many choices an expression makes that the verifier can't decide by the text alone.
pub(super) fn choices(expr: &Expr) -> usize {
    let own = matches!(&expr.kind, Typed::If { test, .. } if !matches!(test.kind, Typed::Constant(_)));
    let mut count = usize::from(own);
    parts(expr, &mut |part| count += choices(part));
    count
}
