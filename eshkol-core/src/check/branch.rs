//! Choices: `if`, `case`, and what their branches give together.

use std::sync::Arc;

use super::checker::{Checker, Pending, Position};
use super::expression::is_pure;
use super::flow::Flow;
use super::implied::Implied;
use super::range::Range;
use super::test::Reach;
use super::typed::{self, ExprKind as Typed, Type};
use super::types::{DataType, IntType};
use super::value::{Run, Static, Value};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::Expr;
use crate::source::Span;
use crate::syntax::Datum;

/// What became of a branch.
struct Branch {
    /// Its value; none where it was not looked at.
    value: Option<Value>,
    /// What is known after it.
    flow: Flow,
    pending: Vec<Pending>,
}

impl Checker<'_> {
    /// Puts what is pending since `mark` into the value of a branch, which must not leave anything to be done outside.
    pub(super) fn settle(&mut self, mark: usize, value: Value) -> Value {
        let carries_words = matches!(value, Value::Static(Static::Values(_) | Static::Unspecified, _));
        if self.pending.len() == mark || !carries_words {
            return value;
        }
        let span = value.span();
        match self.run(value) {
            Some(run) => self.close(mark, Value::Run(run)),
            None => Value::Error(span),
        }
    }

    pub(super) fn check_if(
        &mut self,
        test: &Expr,
        then: &Expr,
        otherwise: &Expr,
        position: Position,
        span: Span,
    ) -> Value {
        let test = self.test(test);
        let decided = constant_test(&test.expr).filter(|_| self.in_recursion());
        let reach = test.reach();
        let then = self.branch(test.when_true, position, |checker| match decided {
            Some(false) => checker.never_taken(then, position),
            _ => Some(checker.check(then, position)),
        });
        let otherwise = self.branch(test.when_false, position, |checker| match decided {
            Some(true) => checker.never_taken(otherwise, position),
            _ => Some(checker.check(otherwise, position)),
        });
        self.chosen(test.expr, reach, then, otherwise, position, span)
    }

    /// Looks at a branch that is not taken, in a procedure that calls itself. It may make no sense for what the recursion has come to, as
    /// `(car list)` for a list that has come to its end: then it has no value, and nothing is said of it.
    fn never_taken(&mut self, branch: &Expr, position: Position) -> Option<Value> {
        let messages = self.diagnostics.len();
        self.for_type_alone += 1;
        let value = self.check(branch, position);
        self.for_type_alone -= 1;
        let fails = self.diagnostics.len() > messages;
        self.diagnostics.truncate(messages);
        (!fails && !matches!(value, Value::Error(_))).then_some(value)
    }

    /// Checks a branch. Gives no value where `value` looks at nothing.
    fn branch(&mut self, flow: Flow, position: Position, value: impl FnOnce(&mut Self) -> Option<Value>) -> Branch {
        self.flow = flow;
        let mark = self.pending.len();
        let value = value(self);
        let value = if position.effect { value } else { value.map(|value| self.settle(mark, value)) };
        let pending = self.pending.split_off(mark);
        Branch { value, flow: std::mem::replace(&mut self.flow, Flow::new()), pending }
    }

    /// What a choice between two branches gives. Nothing is left of one that is never reached: what would make its code safe was not
    /// looked for, and the kernel's verifier may not know that it can't get there.
    fn chosen(
        &mut self,
        test: typed::Expr,
        reach: Reach,
        then: Branch,
        otherwise: Branch,
        position: Position,
        span: Span,
    ) -> Value {
        let implied = match (&then.value, &otherwise.value) {
            (Some(one), Some(other)) if !position.effect => {
                self.implied_by_choice([(one, &then.flow), (other, &otherwise.flow)])
            }
            _ => Implied::default(),
        };
        self.flow = self.join_flows(then.flow, otherwise.flow);
        let (then, then_pending) = (then.value, then.pending);
        let (otherwise, otherwise_pending) = (otherwise.value, otherwise.pending);
        if reach != Reach::Both {
            if !is_pure(&test) {
                self.pending.push(Pending::Effect(test));
            }
            let (value, pending, other) = if reach == Reach::WhereFalse {
                (otherwise, otherwise_pending, then)
            } else {
                (then, then_pending, otherwise)
            };
            self.pending.extend(pending);
            let value = value.unwrap_or(Value::Error(span));
            return match other {
                Some(Value::Run(other)) if !position.effect => self.typed_as_either(value, &other, span),
                _ => value,
            };
        }
        let (Some(then), Some(otherwise)) = (then, otherwise) else { return Value::Error(span) };
        if matches!(then, Value::Error(_)) || matches!(otherwise, Value::Error(_)) {
            return Value::Error(span);
        }
        if position.effect {
            let then = self.branch_effect(then, then_pending);
            let otherwise = self.branch_effect(otherwise, otherwise_pending);
            let kind = Typed::If { test: Box::new(test), then: Box::new(then), otherwise: Box::new(otherwise) };
            return Value::run(Type::Unit, span, kind);
        }
        let before = self.pending.len();
        self.pending.extend(then_pending);
        self.pending.extend(otherwise_pending);
        if let Some(same) = same_static(&then, &otherwise) {
            return if self.pending.len() == before { same } else { self.branches_do_not_mix(&then, &otherwise, span) };
        }
        if self.pending.len() > before {
            return self.branches_do_not_mix(&then, &otherwise, span);
        }
        match self.join_values(test, then, otherwise, span) {
            Value::Run(run) => Value::Run(Run { implied, ..run }),
            other => other,
        }
    }

    /// The value that is taken of two. Whether a number is signed, and whether it takes the type of what it meets, must not depend on what is
    /// known of the test.
    pub(super) fn typed_as_either(&mut self, taken: Value, other: &Run, span: Span) -> Value {
        let Value::Run(run) = &taken else { return taken };
        let (Some(int), Some(other_int)) = (run.int_type(), other.int_type()) else { return taken };
        let common = super::convert::common_int(run, int, other, other_int);
        if run.literal && !other.literal {
            self.cast(taken, &DataType::Int(common), span)
        } else if !run.literal && !int.signed && common.signed {
            self.cast(taken, &DataType::Int(IntType::I64), span)
        } else {
            taken
        }
    }

    fn branches_do_not_mix(&mut self, then: &Value, otherwise: &Value, span: Span) -> Value {
        let (one, other) = (self.describe(then), self.describe(otherwise));
        let message = if one == other {
            format!("which {} this is would be known only at run time", one.trim_start_matches("a "))
        } else {
            format!("which of {one} and {other} it is would be known only at run time")
        };
        let diagnostic = Diagnostic::error(catalogue::NOT_A_RUN_TIME_VALUE, span, message);
        self.report(match (then, otherwise) {
            (Value::Static(Static::Procedure(_), _), Value::Static(Static::Procedure(_), _)) => {
                diagnostic.with_help("call both, and choose between what they give: `(if … (f x) (g x))`")
            }
            (Value::Static(Static::Map(_), _), Value::Static(Static::Map(_), _)) => {
                diagnostic.with_help("use each map where it is chosen: `(if … (map-lookup a k) (map-lookup b k))`")
            }
            _ => diagnostic.with_help("move what is done with it into both branches"),
        })
    }

    fn branch_effect(&mut self, value: Value, pending: Vec<Pending>) -> typed::Expr {
        let span = value.span();
        let mark = self.pending.len();
        self.pending.extend(pending);
        let expr = self.effect(value).unwrap_or_else(|| typed::Expr::new(Type::Unit, span, Typed::Unit));
        self.wrap(mark, expr)
    }

    fn join_values(&mut self, test: typed::Expr, then: Value, otherwise: Value, span: Span) -> Value {
        let unspecified = |value: &Value| match value {
            Value::Static(Static::Unspecified, _) => true,
            Value::Run(run) => run.expr.ty == Type::Unit,
            _ => false,
        };
        let valueless = unspecified(&then) || unspecified(&otherwise);
        let only_while_compiling = |value: &Value| {
            use Static::{List, Map, Procedure, Range, String};
            matches!(value, Value::Static(Procedure(_) | Map(_) | String(_) | List(_) | Range { .. }, _))
        };
        if only_while_compiling(&then) && only_while_compiling(&otherwise) {
            return self.branches_do_not_mix(&then, &otherwise, span);
        }
        let (Some(then), Some(otherwise)) = (self.run(then), self.run(otherwise)) else { return Value::Error(span) };
        let never = |run: &Run| run.expr.ty == Type::Never;
        if valueless && !never(&then) && !never(&otherwise) {
            let kind =
                Typed::If { test: Box::new(test), then: Box::new(then.expr), otherwise: Box::new(otherwise.expr) };
            return Value::run(Type::Unit, span, kind);
        }
        let range = match (never(&then), never(&otherwise)) {
            (true, _) => otherwise.range,
            (_, true) => then.range,
            _ => then.range.union(otherwise.range),
        };
        let literal = then.literal && otherwise.literal;
        let opaque = then.opaque || otherwise.opaque;
        let epoch = then.epoch.or(otherwise.epoch);
        let Some((ty, then, otherwise)) = self.unify(then, otherwise, span) else { return Value::Error(span) };
        let kind = Typed::If { test: Box::new(test), then: Box::new(then), otherwise: Box::new(otherwise) };
        let mut run = Run::new(typed::Expr::new(ty, span, kind));
        run.range = if run.int_type().is_some_and(|int| range.within(Range::of(int))) { range } else { run.range };
        run.literal = literal;
        run.epoch = epoch;
        run.opaque = opaque;
        Value::Run(run)
    }

    pub(super) fn case(
        &mut self,
        key: &Expr,
        clauses: &[(Vec<Datum>, Expr)],
        otherwise: &Expr,
        position: Position,
        span: Span,
    ) -> Value {
        let key = self.value(key);
        let key = match self.scalar(key) {
            Some(run) => self.stable_run(run, "key"),
            None => return Value::Error(span),
        };
        self.case_clauses(&key, clauses, otherwise, position, span)
    }

    fn case_clauses(
        &mut self,
        key: &Run,
        clauses: &[(Vec<Datum>, Expr)],
        otherwise: &Expr,
        position: Position,
        span: Span,
    ) -> Value {
        let Some(((data, body), rest)) = clauses.split_first() else { return self.check(otherwise, position) };
        let test = self.case_test(key, data, span);
        self.choose(
            test,
            position,
            span,
            |checker| checker.check(body, position),
            |checker| {
                let mark = checker.pending.len();
                let value = checker.case_clauses(key, rest, otherwise, position, span);
                checker.close(mark, value)
            },
        )
    }

    /// A choice between two things that a test decides.
    pub(super) fn choose(
        &mut self,
        test: super::test::Test,
        position: Position,
        span: Span,
        then: impl FnOnce(&mut Self) -> Value,
        otherwise: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let reach = test.reach();
        let then = self.branch(test.when_true, position, |checker| Some(then(checker)));
        let otherwise = self.branch(test.when_false, position, |checker| Some(otherwise(checker)));
        self.chosen(test.expr, reach, then, otherwise, position, span)
    }

    fn in_recursion(&self) -> bool {
        self.frames.iter().enumerate().any(|(index, frame)| {
            self.frames.iter().take(index).any(|outer| Arc::ptr_eq(&outer.lambda, &frame.lambda))
                || self.calls_itself(&frame.lambda)
        })
    }
}

/// Whether a test is decided while compiling.
pub(super) fn constant_test(test: &typed::Expr) -> Option<bool> {
    match test.kind {
        Typed::Constant(value) => Some(value != 0),
        _ => None,
    }
}

fn same_static(one: &Value, other: &Value) -> Option<Value> {
    let same = match (one, other) {
        (Value::Static(Static::Unspecified, _), Value::Static(Static::Unspecified, _)) => true,
        (Value::Static(Static::Map(a), _), Value::Static(Static::Map(b), _)) => a == b,
        (Value::Static(Static::Keyword(a), _), Value::Static(Static::Keyword(b), _)) => a == b,
        (Value::Static(Static::String(a), _), Value::Static(Static::String(b), _)) => a == b,
        _ => false,
    };
    same.then(|| one.clone())
}
