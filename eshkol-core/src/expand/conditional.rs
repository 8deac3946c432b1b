//! `if` and what is derived from it: `cond case when unless and or if-let when-let`.

use super::environment::Identifier;
use super::expander::{Expander, Outcome, Refusal};
use super::form::{Binding, Expr, ExprKind, VarId};
use super::special::Special;
use crate::source::Span;
use crate::syntax::{Datum, Name};

impl Expander<'_> {
    /// `(if test then else)`.
    pub(super) fn if_form(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let (test, then, otherwise) = match arguments {
            [test, then] => (test, then, None),
            [test, then, otherwise] => (test, then, Some(otherwise)),
            [] | [_] => return Err(Refusal::malformed(datum.span, "`if` wants a test and what to do")),
            [_, _, _, extra, ..] => {
                return Err(Refusal::malformed(
                    extra.span,
                    "`if` has two branches; `begin` makes one of several expressions",
                ));
            }
        };
        let test = self.boxed(test);
        let then = self.boxed(then);
        let otherwise = match otherwise {
            Some(otherwise) => self.boxed(otherwise),
            None => Box::new(Expr::new(datum.span, ExprKind::Unspecified)),
        };
        Ok(ExprKind::If(test, then, otherwise))
    }

    /// `when` and `unless`.
    pub(super) fn when(&mut self, special: Special, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let Some((test, body)) = arguments.split_first() else {
            return Err(Refusal::malformed(datum.span, format!("`{}` wants a test", special.name())));
        };
        let test = self.boxed(test);
        let body = Box::new(self.sequence_at(body, datum.span));
        let nothing = Box::new(Expr::new(datum.span, ExprKind::Unspecified));
        Ok(if special == Special::When { ExprKind::If(test, body, nothing) } else { ExprKind::If(test, nothing, body) })
    }

    /// Expands forms of which each will be nested in the one before it.
    fn chain(&mut self, datum: &Datum, forms: &[Datum]) -> Outcome<Vec<Expr>> {
        if self.is_too_deep(forms.len(), datum.span) {
            return Err(Refusal::Reported);
        }
        self.depth += forms.len();
        let exprs = forms.iter().map(|form| self.expression(form)).collect();
        self.depth -= forms.len();
        Ok(exprs)
    }

    /// `(and a b)` is `(if a b #f)`.
    pub(super) fn and(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let mut exprs = self.chain(datum, arguments)?;
        let Some(last) = exprs.pop() else { return Ok(ExprKind::Bool(true)) };
        let nested = exprs.into_iter().rev().fold(last, |rest, test| {
            let span = test.span.to(rest.span);
            let no = Expr::new(span, ExprKind::Bool(false));
            Expr::new(span, ExprKind::If(Box::new(test), Box::new(rest), Box::new(no)))
        });
        Ok(nested.kind)
    }

    /// `(or a b)` is `(let ((t a)) (if t t b))`.
    pub(super) fn or(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let mut exprs = self.chain(datum, arguments)?;
        let Some(last) = exprs.pop() else { return Ok(ExprKind::Bool(false)) };
        let nested = exprs.into_iter().rev().fold(last, |rest, test| self.or_else(test, rest));
        Ok(nested.kind)
    }

    /// The value of `test` where it is true, and else `rest`.
    fn or_else(&mut self, test: Expr, rest: Expr) -> Expr {
        let span = test.span.to(rest.span);
        let (binding, value) = self.temporary("or", test);
        let kind = ExprKind::If(Box::new(value.clone()), Box::new(value), Box::new(rest));
        Expr::new(span, ExprKind::Let(vec![binding], Box::new(Expr::new(span, kind))))
    }

    /// A variable that no name reaches, and a reference to it.
    pub(super) fn temporary(&mut self, name: &str, value: Expr) -> (Binding, Expr) {
        let variable: VarId = self.variable(Name::from(name), value.span, None);
        let reference = Expr::new(value.span, ExprKind::Local(variable));
        (Binding { variable, value }, reference)
    }

    /// `cond`, with `=>` and `else`.
    pub(super) fn cond(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        if arguments.is_empty() {
            return Err(Refusal::malformed(datum.span, "`cond` wants a clause"));
        }
        if self.is_too_deep(2 * arguments.len(), datum.span) {
            return Err(Refusal::Reported);
        }
        self.depth += 2 * arguments.len();
        let clauses = self.cond_clauses(arguments);
        self.depth -= 2 * arguments.len();
        let (clauses, otherwise) = clauses?;
        let otherwise = otherwise.unwrap_or_else(|| Expr::new(datum.span, ExprKind::Unspecified));
        let nested = clauses.into_iter().rev().fold(otherwise, |rest, (span, test, action)| match action {
            Action::Value => self.or_else(test, rest),
            Action::Body(body) => Expr::new(span, ExprKind::If(Box::new(test), Box::new(body), Box::new(rest))),
            Action::Receiver(receiver) => {
                let (binding, value) = self.temporary("cond", test);
                let call = Expr::new(receiver.span, ExprKind::Call(Box::new(receiver), vec![value.clone()]));
                let kind = ExprKind::If(Box::new(value), Box::new(call), Box::new(rest));
                Expr::new(span, ExprKind::Let(vec![binding], Box::new(Expr::new(span, kind))))
            }
        });
        Ok(nested.kind)
    }

    fn cond_clauses(&mut self, clauses: &[Datum]) -> Outcome<(Vec<CondClause>, Option<Expr>)> {
        let mut made = Vec::new();
        for (index, clause) in clauses.iter().enumerate() {
            let Some((test, body)) = clause.as_list().and_then(<[_]>::split_first) else {
                return Err(Refusal::malformed(clause.span, "a clause `(test e …)` is wanted here"));
            };
            if self.environment.is_auxiliary(test, "else") {
                if index + 1 != clauses.len() {
                    return Err(Refusal::malformed(clause.span, "`else` is the last clause"));
                }
                if body.is_empty() {
                    return Err(Refusal::malformed(clause.span, "nothing follows `else`"));
                }
                return Ok((made, Some(self.sequence_at(body, clause.span))));
            }
            let test = self.expression(test);
            made.push((clause.span, test, self.action(clause, body)?));
        }
        Ok((made, None))
    }

    fn action(&mut self, clause: &Datum, body: &[Datum]) -> Outcome<Action> {
        match body {
            [] => Ok(Action::Value),
            [arrow, rest @ ..] if self.environment.is_auxiliary(arrow, "=>") => match rest {
                [receiver] => Ok(Action::Receiver(self.expression(receiver))),
                _ => Err(Refusal::malformed(arrow.span, "one procedure follows `=>`")),
            },
            _ => Ok(Action::Body(self.sequence_at(body, clause.span))),
        }
    }

    /// `case`, with `=>` and `else`.
    pub(super) fn case(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let Some((key, clauses)) = arguments.split_first() else {
            return Err(Refusal::malformed(datum.span, "`case` wants a key"));
        };
        let key = self.expression(key);
        // Bound only where a `=>` asks for the key again.
        let (binding, reference) = self.temporary("case", key);
        let mut key_is_used = false;
        let mut made = Vec::new();
        let mut otherwise = Expr::new(datum.span, ExprKind::Unspecified);
        for (index, clause) in clauses.iter().enumerate() {
            let Some((data, body)) = clause.as_list().and_then(<[_]>::split_first) else {
                return Err(Refusal::malformed(clause.span, "a clause `((datum …) e …)` is wanted here"));
            };
            if body.is_empty() {
                return Err(Refusal::malformed(clause.span, "this clause has no expression"));
            }
            let is_else = self.environment.is_auxiliary(data, "else");
            let data = match data.as_list() {
                Some(data) => data.iter().map(super::expander::without_aliases).collect(),
                None if is_else => Vec::new(),
                None => return Err(Refusal::malformed(data.span, "a list of data is wanted here: `((1 2) e …)`")),
            };
            let value = match self.action(clause, body)? {
                Action::Body(body) => body,
                Action::Value => return Err(Refusal::malformed(clause.span, "this clause has no expression")),
                Action::Receiver(receiver) => {
                    key_is_used = true;
                    Expr::new(receiver.span, ExprKind::Call(Box::new(receiver), vec![reference.clone()]))
                }
            };
            if !is_else {
                made.push((data, value));
            } else if index + 1 == clauses.len() {
                otherwise = value;
            } else {
                return Err(Refusal::malformed(clause.span, "`else` is the last clause"));
            }
        }
        let (clauses, otherwise) = (made, Box::new(otherwise));
        Ok(if key_is_used {
            let case = ExprKind::Case { key: Box::new(reference), clauses, otherwise };
            ExprKind::Let(vec![binding], Box::new(Expr::new(datum.span, case)))
        } else {
            ExprKind::Case { key: Box::new(binding.value), clauses, otherwise }
        })
    }

    /// `(if-let (x e) then else)`: `x` is bound in `then`.
    pub(super) fn if_let(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let (binding, then, otherwise) = match arguments {
            [binding, then] => (binding, then, None),
            [binding, then, otherwise] => (binding, then, Some(otherwise)),
            _ => return Err(Refusal::malformed(datum.span, "`if-let` wants a binding and one or two branches")),
        };
        let otherwise = match otherwise {
            Some(otherwise) => self.expression(otherwise),
            None => Expr::new(datum.span, ExprKind::Unspecified),
        };
        self.narrowing(datum, binding, otherwise, |expander| expander.expression(then))
    }

    /// `(when-let (x e) body …)`.
    pub(super) fn when_let(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let Some((binding, body)) = arguments.split_first() else {
            return Err(Refusal::malformed(datum.span, "`when-let` wants a binding and a body"));
        };
        let otherwise = Expr::new(datum.span, ExprKind::Unspecified);
        self.narrowing(datum, binding, otherwise, |expander| expander.body(body, datum.span))
    }

    fn narrowing(
        &mut self,
        datum: &Datum,
        binding: &Datum,
        otherwise: Expr,
        then: impl FnOnce(&mut Self) -> Expr,
    ) -> Outcome<ExprKind> {
        let (name, value) = match binding.as_list() {
            Some([name, value]) => (name, value),
            Some([inner]) if inner.as_list().is_some_and(|items| items.len() == 2) => {
                return Err(Refusal::malformed(binding.span, "the binding has one pair of parentheses"));
            }
            _ => return Err(Refusal::malformed(binding.span, "a binding `(x e)` is wanted here")),
        };
        let Some(identifier) = Identifier::of(name) else {
            return Err(Refusal::malformed(name.span, "a name is wanted here"));
        };
        let value = self.expression(value);
        self.environment.push_scope();
        let variable = self.bind(identifier, name.span, None);
        let then = then(self);
        self.environment.pop_scope();
        let test = Box::new(Expr::new(name.span, ExprKind::Local(variable)));
        let choice = Expr::new(datum.span, ExprKind::If(test, Box::new(then), Box::new(otherwise)));
        Ok(ExprKind::Let(vec![Binding { variable, value }], Box::new(choice)))
    }
}

/// A clause of `cond`: its place, test, and what it does.
type CondClause = (Span, Expr, Action);

/// What a clause of `cond` or `case` does.
enum Action {
    /// `(test)`: gives the test's value.
    Value,
    /// `(test e …)`.
    Body(Expr),
    /// `(test => procedure)`.
    Receiver(Expr),
}
