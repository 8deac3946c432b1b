//! Loops: `do while for`. (Named `let` is with the `let` family.)

use super::annotation::{Formals, Parameter};
use super::binding::called_loop;
use super::expander::{Expander, Outcome, Refusal};
use super::form::{Expr, ExprKind, Ident, Lambda};
use crate::syntax::{Datum, DatumKind, Name};

/// `(name init step)`.
struct Iterated<'d> {
    parameter: Parameter,
    init: &'d Datum,
    step: Option<&'d Datum>,
}

impl Expander<'_> {
    /// `(do ((name init step) …) (test e …) command …)`: a procedure that calls itself with the steps.
    pub(super) fn do_loop(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let [variables, end, commands @ ..] = arguments else {
            return Err(Refusal::malformed(datum.span, "`do` wants variables and an end"));
        };
        let Some(variables) = variables.as_list() else {
            return Err(Refusal::malformed(
                variables.span,
                "a list of variables `((name init step) …)` is wanted here",
            ));
        };
        let Some((test, results)) = end.as_list().and_then(<[_]>::split_first) else {
            return Err(Refusal::malformed(end.span, "an end `(test e …)` is wanted here"));
        };
        let variables = variables.iter().map(|variable| self.iterated(variable)).collect::<Outcome<Vec<_>>>()?;
        self.reject_duplicates(variables.iter().map(|variable| &variable.parameter));
        let arguments = variables.iter().map(|variable| self.expression(variable.init)).collect();
        let steps: Vec<Option<&Datum>> = variables.iter().map(|variable| variable.step).collect();
        let required = variables.into_iter().map(|variable| variable.parameter).collect();
        let ident = Ident { name: Name::from("do"), span: datum.span };
        let procedure = self.variable(ident.name.clone(), datum.span, None);
        self.environment.push_scope();
        let (parameters, _) = self.bind_formals(Formals { required, rest: None });
        let test = self.boxed(test);
        let results = Box::new(self.sequence_at(results, datum.span));
        let mut again: Vec<Expr> = commands.iter().map(|command| self.expression(command)).collect();
        let mut next = Vec::new();
        for (parameter, step) in parameters.iter().zip(steps) {
            next.push(match step {
                Some(step) => self.expression(step),
                None => Expr::new(self.unit.variables.at(*parameter).span, ExprKind::Local(*parameter)),
            });
        }
        self.environment.pop_scope();
        let callee = Box::new(Expr::new(datum.span, ExprKind::Local(procedure)));
        let call = Expr::new(datum.span, ExprKind::Call(callee, next));
        let again = if again.is_empty() {
            call
        } else {
            again.push(call);
            Expr::new(datum.span, ExprKind::Begin(again))
        };
        let body = Expr::new(datum.span, ExprKind::If(test, results, Box::new(again)));
        let lambda = Lambda { name: Some(ident), parameters, rest: None, result: None, body, span: datum.span };
        Ok(called_loop(procedure, lambda, datum.span, arguments))
    }

    fn iterated<'d>(&mut self, datum: &'d Datum) -> Outcome<Iterated<'d>> {
        // `(name : type init step)` differs from `(name init step)` by its colon.
        let (target, init, step) = match datum.as_list() {
            Some([name, colon, ty, init, step @ ..]) if super::annotation::is_colon(colon) && step.len() <= 1 => {
                let parts = vec![name.clone(), colon.clone(), ty.clone()];
                (Datum::new(datum.span, DatumKind::List(parts, None)), init, step.first())
            }
            Some([name, init]) => (name.clone(), init, None),
            Some([name, init, step]) => (name.clone(), init, Some(step)),
            _ => return Err(Refusal::malformed(datum.span, "a variable `(name init step)` is wanted here")),
        };
        Ok(Iterated { parameter: self.parameter(&target)?, init, step })
    }

    /// `(while test body …)`.
    pub(super) fn while_loop(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let Some((test, body)) = arguments.split_first() else {
            return Err(Refusal::malformed(datum.span, "`while` wants a test"));
        };
        let test = self.boxed(test);
        let body =
            if body.is_empty() { Expr::new(datum.span, ExprKind::Unspecified) } else { self.body(body, datum.span) };
        Ok(ExprKind::While { test, body: Box::new(body) })
    }

    /// `(for (x in sequence) body …)`.
    pub(super) fn for_loop(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let Some((clause, body)) = arguments.split_first() else {
            return Err(Refusal::malformed(datum.span, "`for` wants a clause `(x in sequence)`"));
        };
        let Some([target, word, sequence]) = clause.as_list() else {
            return Err(Refusal::malformed(clause.span, "a clause `(x in sequence)` is wanted here"));
        };
        if word.as_symbol().is_none_or(|name| &**name != "in") {
            return Err(Refusal::malformed(word.span, "the word `in` is wanted here"));
        }
        let parameter = self.parameter(target)?;
        let sequence = self.boxed(sequence);
        self.environment.push_scope();
        let variable = self.bind(parameter.identifier, parameter.span, parameter.annotation);
        let body = self.body(body, datum.span);
        self.environment.pop_scope();
        Ok(ExprKind::For { variable, sequence, body: Box::new(body) })
    }
}
