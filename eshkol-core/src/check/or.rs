//! `or`, found again in what it expands to: `(let ((t a)) (if t t b))`.
//!
//! Where only the truth of `a` counts, `b` is checked knowing that `a` does not hold; a variable would forget what `a` tells.

use super::builtin;
use super::walk::children;
use crate::expand::form::{Expr, ExprKind, VarId};

/// The two sides of an `or`.
pub(super) fn sides(expr: &Expr) -> Option<(&Expr, &Expr)> {
    let ExprKind::Let(bindings, body) = &expr.kind else { return None };
    let [binding] = bindings.as_slice() else { return None };
    let ExprKind::If(test, then, otherwise) = &body.kind else { return None };
    let is_bound = |expr: &Expr| matches!(expr.kind, ExprKind::Local(variable) if variable == binding.variable);
    let is_or = is_bound(test) && is_bound(then) && !mentions(otherwise, binding.variable);
    is_or.then_some((&binding.value, otherwise))
}

/// Whether the value of an expression is certainly a boolean.
pub(super) fn is_truth(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Bool(_) => true,
        ExprKind::Call(callee, _) => {
            matches!(&callee.kind, ExprKind::Builtin(name) if &**name == "not" || builtin::is_test(name))
        }
        ExprKind::If(_, then, otherwise) => is_truth(then) && is_truth(otherwise),
        _ => sides(expr).is_some_and(|(one, other)| is_truth(one) && is_truth(other)),
    }
}

fn mentions(expr: &Expr, variable: VarId) -> bool {
    if matches!(&expr.kind, ExprKind::Local(other) | ExprKind::SetLocal(other, _) if *other == variable) {
        return true;
    }
    let mut found = false;
    children(expr, &mut |child| found = found || mentions(child, variable));
    found
}
