//! Quasiquotation: a constant where nothing is unquoted, else calls of `list`, `cons`, `append`, `vector`.

use super::expander::{Expander, Outcome, Refusal, without_aliases};
use super::expression::quoted;
use super::form::{Expr, ExprKind};
use crate::source::Span;
use crate::syntax::{Datum, DatumKind, Name};

/// The argument of `(name argument)`.
fn marked<'d>(datum: &'d Datum, name: &str) -> Option<&'d Datum> {
    match datum.as_list() {
        Some([head, argument]) if head.as_symbol().is_some_and(|symbol| &**symbol == name) => Some(argument),
        _ => None,
    }
}

/// `(a . ,b)` is read as `(a unquote b)`: what is before the dot, and b.
fn unquoted_tail(items: &[Datum]) -> Option<(&[Datum], &Datum)> {
    match items {
        [before @ .., mark, inner] if mark.as_symbol().is_some_and(|name| &**name == "unquote") => {
            Some((before, inner))
        }
        _ => None,
    }
}

fn call(name: &str, arguments: Vec<Expr>, span: Span) -> Expr {
    let callee = Expr::new(span, ExprKind::Builtin(Name::from(name)));
    Expr::new(span, ExprKind::Call(Box::new(callee), arguments))
}

impl Expander<'_> {
    /// `(quasiquote template)`.
    pub(super) fn quasiquote(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        match arguments {
            [template] => Ok(self.quasi(template, 1)?.kind),
            _ => Err(Refusal::malformed(datum.span, "`quasiquote` wants one template")),
        }
    }

    /// Whether something in a template is evaluated.
    fn has_unquote(template: &Datum, level: usize) -> bool {
        if let Some(inner) = marked(template, "unquote").or_else(|| marked(template, "unquote-splicing")) {
            return level == 1 || Self::has_unquote(inner, level - 1);
        }
        if let Some(inner) = marked(template, "quasiquote") {
            return Self::has_unquote(inner, level + 1);
        }
        match &template.kind {
            DatumKind::List(items, tail) => {
                let dotted = level == 1 && tail.is_none() && unquoted_tail(items).is_some();
                dotted || items.iter().chain(tail.as_deref()).any(|item| Self::has_unquote(item, level))
            }
            DatumKind::Vector(items) => items.iter().any(|item| Self::has_unquote(item, level)),
            _ => false,
        }
    }

    fn quasi(&mut self, template: &Datum, level: usize) -> Outcome<Expr> {
        if self.is_too_deep(2, template.span) {
            return Err(Refusal::Reported);
        }
        self.depth += 2;
        let outcome = self.quasi_part(template, level);
        self.depth -= 2;
        outcome
    }

    fn quasi_part(&mut self, template: &Datum, level: usize) -> Outcome<Expr> {
        let span = template.span;
        if !Self::has_unquote(template, level) {
            return Ok(Expr::new(span, quoted(&without_aliases(template))));
        }
        if let Some(inner) = marked(template, "unquote") {
            if level == 1 {
                return Ok(self.expression(inner));
            }
            return self.remarked("unquote", inner, level - 1, span);
        }
        if let Some(inner) = marked(template, "quasiquote") {
            return self.remarked("quasiquote", inner, level + 1, span);
        }
        match &template.kind {
            DatumKind::List(items, tail) => self.quasi_list(items, tail.as_deref(), level, span),
            DatumKind::Vector(items) => {
                let mut parts = Vec::new();
                for item in items {
                    if level == 1 && marked(item, "unquote-splicing").is_some() {
                        return Err(Refusal::malformed(item.span, "a list can't be spliced into a vector"));
                    }
                    parts.push(self.quasi(item, level)?);
                }
                Ok(call("vector", parts, span))
            }
            _ => Ok(Expr::new(span, quoted(template))),
        }
    }

    /// A mark of a nested quasiquotation, which stays.
    fn remarked(&mut self, name: &str, inner: &Datum, level: usize, span: Span) -> Outcome<Expr> {
        let symbol = Datum::new(span, DatumKind::Symbol { name: name.into(), alias: 0 });
        let inner = self.quasi(inner, level)?;
        Ok(call("list", vec![Expr::new(span, quoted(&symbol)), inner], span))
    }

    fn quasi_list(&mut self, items: &[Datum], tail: Option<&Datum>, level: usize, span: Span) -> Outcome<Expr> {
        let (items, tail) = match unquoted_tail(items) {
            Some((before, inner)) if tail.is_none() && level == 1 => (before, Some(self.expression(inner))),
            _ => (items, tail.map(|tail| self.quasi(tail, level)).transpose()?),
        };
        // Runs of single elements, with what is spliced between them.
        let mut parts: Vec<Expr> = Vec::new();
        let mut run: Vec<Expr> = Vec::new();
        for item in items {
            match marked(item, "unquote-splicing") {
                Some(inner) if level == 1 => {
                    if !run.is_empty() {
                        parts.push(call("list", std::mem::take(&mut run), span));
                    }
                    parts.push(self.expression(inner));
                }
                Some(inner) => run.push(self.remarked("unquote-splicing", inner, level - 1, item.span)?),
                None => run.push(self.quasi(item, level)?),
            }
        }
        let end = match tail {
            None if parts.is_empty() => return Ok(call("list", run, span)),
            None => (!run.is_empty()).then(|| call("list", run, span)),
            Some(tail) => match (run.len(), run.pop()) {
                (1, Some(only)) => Some(call("cons", vec![only, tail], span)),
                (_, Some(last)) => {
                    run.push(last);
                    parts.push(call("list", run, span));
                    Some(tail)
                }
                (_, None) => Some(tail),
            },
        };
        parts.extend(end);
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return Ok(only);
        }
        Ok(call("append", parts, span))
    }
}
