//! Variables that the body of a loop sets, and that count its rounds: found by its text.

use std::sync::Arc;

use super::super::checker::Checker;
use super::super::typed::LocalId;
use super::super::value::Meaning;
use super::super::walk;
use crate::expand::form::{DefinitionKind, Expr, ExprKind, Lambda, VarId};

impl Checker<'_> {
    /// Variables that the body of a `while` changes exactly once, in every round, by a constant.
    pub(super) fn while_counters(&self, body: &Expr) -> Vec<(LocalId, i128)> {
        let items = match &body.kind {
            ExprKind::Begin(items) => items.as_slice(),
            _ => std::slice::from_ref(body),
        };
        let mut counters = Vec::new();
        for item in items {
            let ExprKind::SetLocal(variable, value) = &item.kind else { continue };
            let Some(step) = constant_step(*variable, value) else { continue };
            let target = Expr { span: item.span, kind: ExprKind::Local(*variable) };
            if let Some(local) = self.meaning_local(&target)
                && assignments(body, *variable) == 1
            {
                counters.push((local, step));
            }
        }
        counters
    }

    /// Of a procedure's parameters that it hands on as they are, those that it changes exactly once in every round, by a constant.
    pub(super) fn parameter_counters(&self, lambda: &Arc<Lambda>, parameters: &[VarId]) -> Vec<(LocalId, i128)> {
        let all = self.calls_of(lambda, &lambda.body);
        let counters = parameters.iter().filter(|parameter| assignments(&lambda.body, **parameter) == 1);
        let counters = counters.filter_map(|parameter| {
            let step = self.step_before(&lambda.body, *parameter, lambda, all)?;
            match self.environment.get(*parameter)? {
                Meaning::Local(local) => Some((*local, step)),
                _ => None,
            }
        });
        counters.collect()
    }

    /// The step that a variable makes before all calls of a procedure, of which there are so many, and only there.
    fn step_before(&self, expr: &Expr, variable: VarId, lambda: &Arc<Lambda>, calls: usize) -> Option<i128> {
        let inside = |expr: &Expr| self.step_before(expr, variable, lambda, calls);
        match &expr.kind {
            ExprKind::If(_, then, otherwise) => inside(then).or_else(|| inside(otherwise)),
            ExprKind::Let(_, body) | ExprKind::LetValues { body, .. } | ExprKind::Letrec(_, body) => inside(body),
            ExprKind::Begin(items) => {
                let step = items.iter().enumerate().find_map(|(index, item)| match &item.kind {
                    ExprKind::SetLocal(set, value) if *set == variable => {
                        Some((index, constant_step(variable, value)?))
                    }
                    _ => None,
                });
                match step {
                    Some((index, step)) => {
                        let after = items.iter().skip(index + 1).map(|item| self.calls_of(lambda, item)).sum::<usize>();
                        (after == calls).then_some(step)
                    }
                    None => inside(items.last()?),
                }
            }
            _ => None,
        }
    }

    /// How many calls of a procedure an expression holds.
    fn calls_of(&self, lambda: &Arc<Lambda>, expr: &Expr) -> usize {
        let is_it = |callee: &Expr| match &callee.kind {
            ExprKind::Local(variable) => {
                matches!(self.environment.get(*variable), Some(Meaning::Recursive(bound)) if Arc::ptr_eq(bound, lambda))
            }
            ExprKind::Definition(id) => match &self.unit.definitions.at(*id).kind {
                DefinitionKind::Value { value: Expr { kind: ExprKind::Lambda(defined), .. }, .. } => {
                    Arc::ptr_eq(defined, lambda)
                }
                _ => false,
            },
            _ => false,
        };
        let mut count = usize::from(matches!(&expr.kind, ExprKind::Call(callee, _) if is_it(callee)));
        walk::children(expr, &mut |child| count += self.calls_of(lambda, child));
        count
    }
}

fn constant_step(variable: VarId, value: &Expr) -> Option<i128> {
    let ExprKind::Call(callee, arguments) = &value.kind else { return None };
    let ExprKind::Builtin(name) = &callee.kind else { return None };
    let [a, b] = arguments.as_slice() else { return None };
    match (&**name, &a.kind, &b.kind) {
        ("+", ExprKind::Local(v), ExprKind::Integer(n)) | ("+", ExprKind::Integer(n), ExprKind::Local(v)) => {
            (*v == variable && *n != 0).then_some(*n)
        }
        ("-", ExprKind::Local(v), ExprKind::Integer(n)) => (*v == variable && *n != 0).then_some(-*n),
        _ => None,
    }
}

fn assignments(expr: &Expr, variable: VarId) -> usize {
    let here = usize::from(matches!(&expr.kind, ExprKind::SetLocal(set, _) if *set == variable));
    let mut count = here;
    walk::children(expr, &mut |child| count += assignments(child, variable));
    count
}
