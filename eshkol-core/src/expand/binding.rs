//! `lambda`, the `let` family, and `let-syntax`.

use std::sync::Arc;

use super::annotation::{Formals, Parameter, is_colon};
use super::environment::{Identifier, Local};
use super::expander::{Expander, Outcome, Refusal};
use super::form::{Binding, Expr, ExprKind, Ident, Lambda, VarId};
use crate::source::Span;
use crate::syntax::Datum;

/// `(name e)` or `(name : type e)`.
pub(super) struct Initialised<'d> {
    pub(super) parameter: Parameter,
    pub(super) value: &'d Datum,
}

impl Expander<'_> {
    /// `(lambda formals : type body …)`.
    pub(super) fn lambda_form(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let Some((formals, body)) = arguments.split_first() else {
            return Err(Refusal::malformed(datum.span, "`lambda` wants parameters and a body"));
        };
        let (result, body) = self.result_annotation(body)?;
        self.lambda(None, formals, result, body, datum.span)
    }

    /// A procedure.
    pub(super) fn lambda(
        &mut self,
        name: Option<Ident>,
        formals: &Datum,
        result: Option<Datum>,
        body: &[Datum],
        span: Span,
    ) -> Outcome<ExprKind> {
        let formals = self.formals(formals)?;
        self.environment.push_scope();
        let (parameters, rest) = self.bind_formals(formals);
        let body = self.body(body, span);
        self.environment.pop_scope();
        Ok(ExprKind::Lambda(Arc::new(Lambda { name, parameters, rest, result, body, span })))
    }

    /// `((name e) …)`.
    pub(super) fn bindings<'d>(&mut self, datum: &'d Datum) -> Outcome<Vec<Initialised<'d>>> {
        let Some(items) = datum.as_list() else {
            return Err(Refusal::malformed(datum.span, "a list of bindings `((name e) …)` is wanted here"));
        };
        items.iter().map(|item| self.binding(item)).collect()
    }

    fn binding<'d>(&mut self, datum: &'d Datum) -> Outcome<Initialised<'d>> {
        let Some(items) = datum.as_list() else {
            return Err(Refusal::malformed(datum.span, "a binding `(name e)` is wanted here"));
        };
        let (name, annotation, value) = match items {
            [name, value] if !is_colon(value) => (name, None, value),
            [name, colon, ty, value] if is_colon(colon) => (name, Some(self.type_syntax(ty)), value),
            [name, ty, value] if ty.as_keyword().or(ty.as_symbol()).is_some() && name.as_symbol().is_some() => {
                let written = if is_colon(ty) {
                    format!("({name} : u64 {value})")
                } else {
                    format!("({name} : {} {value})", ty.as_keyword().or(ty.as_symbol()).map_or("", |ty| ty))
                };
                return Err(self.bad_annotation(ty.span, format!("write `{written}`")));
            }
            [_] => return Err(Refusal::malformed(datum.span, "this binding has no value")),
            [_, _, third, ..] => return Err(Refusal::malformed(third.span, "this binding has more than one value")),
            _ => return Err(Refusal::malformed(datum.span, "a binding `(name e)` is wanted here")),
        };
        let mut parameter = match Identifier::of(name) {
            Some(_) => self.parameter(name)?,
            None => return Err(Refusal::malformed(name.span, "a name is wanted here")),
        };
        parameter.annotation = annotation;
        Ok(Initialised { parameter, value })
    }

    /// `let`, named or not.
    pub(super) fn let_form(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        match arguments {
            [name, bindings, body @ ..] if name.as_symbol().is_some() => self.named_let(datum, name, bindings, body),
            [bindings, body @ ..] => {
                let bindings = self.bindings(bindings)?;
                self.reject_duplicates(bindings.iter().map(|binding| &binding.parameter));
                let (made, bound) = self.initialisers(bindings);
                self.environment.push_scope();
                for (identifier, variable) in bound {
                    self.environment.bind(identifier, Local::Variable(variable));
                }
                let body = self.body(body, datum.span);
                self.environment.pop_scope();
                Ok(let_in(made, body))
            }
            [] => Err(Refusal::malformed(datum.span, "`let` wants bindings and a body")),
        }
    }

    /// Expands the initialisers of a `let` in the scope around it; a name that is nowhere else may be an earlier binding.
    fn initialisers(&mut self, bindings: Vec<Initialised<'_>>) -> (Vec<Binding>, Vec<(Identifier, VarId)>) {
        let mut made = Vec::new();
        let mut bound = Vec::new();
        self.environment.begin_initialisers();
        for Initialised { parameter, value } in bindings {
            let value = self.named_expression(parameter.ident(), value);
            let variable = self.variable(parameter.identifier.name.clone(), parameter.span, parameter.annotation);
            self.environment.add_earlier(parameter.identifier.clone(), variable);
            made.push(Binding { variable, value });
            bound.push((parameter.identifier, variable));
        }
        self.environment.end_initialisers();
        (made, bound)
    }

    /// `(let loop ((name e) …) body …)`: a procedure that is called with the values.
    fn named_let(&mut self, datum: &Datum, name: &Datum, bindings: &Datum, body: &[Datum]) -> Outcome<ExprKind> {
        let Some(identifier) = Identifier::of(name) else { return Err(Refusal::Reported) };
        let bindings = self.bindings(bindings)?;
        let arguments: Vec<Expr> = bindings.iter().map(|binding| self.expression(binding.value)).collect();
        let formals = Formals { required: bindings.into_iter().map(|binding| binding.parameter).collect(), rest: None };
        self.reject_duplicates(formals.required.iter());
        self.environment.push_scope();
        let ident = Ident { name: identifier.name.clone(), span: name.span };
        let procedure = self.bind(identifier, name.span, None);
        self.environment.push_scope();
        let (parameters, rest) = self.bind_formals(formals);
        let body = self.body(body, datum.span);
        self.environment.pop_scope();
        self.environment.pop_scope();
        let lambda = Lambda { name: Some(ident), parameters, rest, result: None, body, span: datum.span };
        Ok(called_loop(procedure, lambda, name.span, arguments))
    }

    /// `let*`.
    pub(super) fn let_star(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let [bindings, body @ ..] = arguments else {
            return Err(Refusal::malformed(datum.span, "`let*` wants bindings and a body"));
        };
        let bindings = self.bindings(bindings)?;
        let mut made = Vec::new();
        for Initialised { parameter, value } in bindings {
            let value = self.named_expression(parameter.ident(), value);
            self.environment.push_scope();
            let variable = self.bind(parameter.identifier, parameter.span, parameter.annotation);
            made.push(Binding { variable, value });
        }
        let body = self.body(body, datum.span);
        for _ in &made {
            self.environment.pop_scope();
        }
        Ok(let_in(made, body))
    }

    /// `letrec` and `letrec*`.
    pub(super) fn letrec(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let [bindings, body @ ..] = arguments else {
            return Err(Refusal::malformed(datum.span, "`letrec` wants bindings and a body"));
        };
        let bindings = self.bindings(bindings)?;
        self.reject_duplicates(bindings.iter().map(|binding| &binding.parameter));
        self.environment.push_scope();
        let mut values = Vec::new();
        let mut variables = Vec::new();
        for Initialised { parameter, value } in bindings {
            values.push((parameter.ident(), value));
            variables.push(self.bind(parameter.identifier, parameter.span, parameter.annotation));
        }
        let mut items = Vec::new();
        for (variable, (name, value)) in variables.into_iter().zip(values) {
            let first_use = self.uses.len();
            let value = self.named_expression(name, value);
            items.push(self.recursive_item(vec![variable], None, value, first_use));
        }
        let body = self.body(body, datum.span);
        self.environment.pop_scope();
        Ok(self.recursive(items, body).kind)
    }

    /// `let-values`, and `let*-values` where each clause sees those before it.
    pub(super) fn let_values(&mut self, datum: &Datum, arguments: &[Datum], sequential: bool) -> Outcome<ExprKind> {
        let [clauses, body @ ..] = arguments else {
            return Err(Refusal::malformed(datum.span, "bindings and a body are wanted"));
        };
        let Some(clauses) = clauses.as_list() else {
            return Err(Refusal::malformed(clauses.span, "a list of bindings `(((a b) e) …)` is wanted here"));
        };
        if self.is_too_deep(clauses.len(), datum.span) {
            return Err(Refusal::Reported);
        }
        let mut made = Vec::new();
        let mut waiting = Vec::new();
        let mut scopes = 0;
        for clause in clauses {
            let Some([formals, value]) = clause.as_list() else {
                return self.leave(scopes, Refusal::malformed(clause.span, "a binding `((a b) e)` is wanted here"));
            };
            let formals = match self.formals(formals) {
                Ok(formals) => formals,
                Err(refusal) => return self.leave(scopes, refusal),
            };
            let value = self.expression(value);
            if sequential {
                self.environment.push_scope();
                scopes += 1;
                let (variables, rest) = self.bind_formals(formals);
                made.push((variables, rest, value));
            } else {
                waiting.push((formals, value));
            }
        }
        if !sequential {
            let all = waiting.iter().flat_map(|(formals, _)| formals.required.iter().chain(&formals.rest));
            self.reject_duplicates(all);
            self.environment.push_scope();
            scopes += 1;
            for (formals, value) in waiting {
                let (variables, rest) = self.bind_formals(formals);
                made.push((variables, rest, value));
            }
        }
        self.depth += clauses.len();
        let body = self.body(body, datum.span);
        self.depth -= clauses.len();
        for _ in 0..scopes {
            self.environment.pop_scope();
        }
        let nested = made.into_iter().rev().fold(body, |body, (variables, rest, value)| {
            Expr::new(datum.span, ExprKind::LetValues { variables, rest, value: Box::new(value), body: Box::new(body) })
        });
        Ok(nested.kind)
    }

    fn leave(&mut self, scopes: usize, refusal: Refusal) -> Outcome<ExprKind> {
        for _ in 0..scopes {
            self.environment.pop_scope();
        }
        Err(refusal)
    }

    /// `let-syntax`, and `letrec-syntax` where the macros see each other.
    pub(super) fn let_syntax(&mut self, datum: &Datum, arguments: &[Datum], recursive: bool) -> Outcome<ExprKind> {
        let [bindings, body @ ..] = arguments else {
            return Err(Refusal::malformed(datum.span, "macro bindings and a body are wanted"));
        };
        let Some(bindings) = bindings.as_list() else {
            return Err(Refusal::malformed(
                bindings.span,
                "a list of bindings `((name (syntax-rules …)) …)` is wanted here",
            ));
        };
        if recursive {
            self.environment.push_scope();
        }
        let mut macros = Vec::new();
        for binding in bindings {
            let compiled = match binding.as_list() {
                Some([name, rules]) => self.compile_macro(name, rules, binding.span),
                _ => Err(Refusal::malformed(binding.span, "a binding `(name (syntax-rules …))` is wanted here")),
            };
            match compiled {
                Ok((identifier, rules)) if recursive => self.environment.bind(identifier, Local::Macro(rules)),
                Ok(found) => macros.push(found),
                Err(refusal) => return self.leave(usize::from(recursive), refusal),
            }
        }
        if !recursive {
            self.environment.push_scope();
            for (identifier, rules) in macros {
                self.environment.bind(identifier, Local::Macro(rules));
            }
        }
        let body = self.body(body, datum.span);
        self.environment.pop_scope();
        Ok(body.kind)
    }
}

/// Bindings around a body; the body alone where there are none.
pub(super) fn let_in(bindings: Vec<Binding>, body: Expr) -> ExprKind {
    if bindings.is_empty() { body.kind } else { ExprKind::Let(bindings, Box::new(body)) }
}

/// A procedure that may call itself, and its first call.
pub(super) fn called_loop(procedure: VarId, lambda: Lambda, name_span: Span, arguments: Vec<Expr>) -> ExprKind {
    let span = lambda.span;
    let callee = Expr::new(name_span, ExprKind::Local(procedure));
    let call = Expr::new(span, ExprKind::Call(Box::new(callee), arguments));
    let value = Expr::new(span, ExprKind::Lambda(Arc::new(lambda)));
    ExprKind::Letrec(vec![Binding { variable: procedure, value }], Box::new(call))
}
