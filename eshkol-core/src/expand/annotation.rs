//! Parameters, and what `define` defines: the places where a type may be annotated.
//!
//! One spelling is accepted, `(name : type)`; the others people know from elsewhere are recognised, so that the message can
//! show this one.

use super::environment::Identifier;
use super::expander::{Expander, Outcome, Refusal};
use super::form::{Ident, VarId};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue as codes;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind};

/// A name that is to be bound.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) identifier: Identifier,
    pub(super) span: Span,
    pub(super) annotation: Option<Datum>,
}

impl Parameter {
    /// The name with its place.
    pub(super) fn ident(&self) -> Ident {
        Ident { name: self.identifier.name.clone(), span: self.span }
    }
}

/// The parameters of a procedure.
#[derive(Debug, Default)]
pub(super) struct Formals {
    pub(super) required: Vec<Parameter>,
    pub(super) rest: Option<Parameter>,
}

/// What a `define` says.
pub(super) struct Define {
    pub(super) identifier: Identifier,
    /// The name's place.
    pub(super) span: Span,
    pub(super) what: Defined,
}

/// What a `define` defines.
pub(super) enum Defined {
    /// `(define (name . formals) : result body …)`; the formals are a list.
    Procedure { formals: Datum, result: Option<Datum>, body: Vec<Datum> },
    /// `(define name : annotation value)`.
    Value { annotation: Option<Datum>, value: Datum },
}

/// Whether a datum is the colon of an annotation.
pub(super) fn is_colon(datum: &Datum) -> bool {
    datum.as_symbol().is_some_and(|name| &**name == ":")
}

impl Expander<'_> {
    /// Reports a type annotation in a spelling that is not ours.
    pub(super) fn bad_annotation(&mut self, span: Span, help: impl Into<String>) -> Refusal {
        self.error(codes::BAD_ANNOTATION, span, "this is not how a type is annotated", help);
        Refusal::Reported
    }

    /// `x` or `(x : type)`.
    pub(super) fn parameter(&mut self, datum: &Datum) -> Outcome<Parameter> {
        if let Some(identifier) = Identifier::of(datum) {
            if let Some((name, ty)) = identifier.name.split_once(':')
                && !name.is_empty()
                && !ty.is_empty()
            {
                let help = format!("write `({name} : {})`, with blanks", ty.trim_start_matches(':'));
                return Err(self.bad_annotation(datum.span, help));
            }
            return Ok(Parameter { identifier, span: datum.span, annotation: None });
        }
        match datum.as_list() {
            Some([name, colon, ty]) if is_colon(colon) => {
                if let Some(identifier) = Identifier::of(name) {
                    let annotation = Some(self.type_syntax(ty));
                    return Ok(Parameter { identifier, span: name.span, annotation });
                }
                Err(Refusal::malformed(name.span, "a name is wanted here"))
            }
            Some(items) if items.iter().any(|item| item.as_symbol().is_some()) => {
                let mut words = items.iter().filter(|item| !is_colon(item)).map(|item| match item.as_keyword() {
                    Some(name) => name.to_string(),
                    None => item.to_string(),
                });
                let help = match (words.next(), words.next(), words.next()) {
                    (Some(name), Some(ty), None) => format!("write `({name} : {ty})`"),
                    (Some(name), Some(ty), Some(_)) => {
                        format!("write `({name} : {ty})`, the type as one datum, like `(array u8 4)`")
                    }
                    (Some(name), None, _) => format!("write `{name}`, or `({name} : u32)` with a type"),
                    (None, ..) => "write `(x : u32)`".to_owned(),
                };
                Err(self.bad_annotation(datum.span, help))
            }
            _ => Err(Refusal::malformed(datum.span, "a name, or `(name : type)`, is wanted here")),
        }
    }

    /// Parameters: a list, a list with a dotted tail, or one name for all of them.
    pub(super) fn formals(&mut self, datum: &Datum) -> Outcome<Formals> {
        let mut formals = Formals::default();
        match &datum.kind {
            DatumKind::Symbol { .. } => formals.rest = Some(self.parameter(datum)?),
            DatumKind::List(items, tail) => {
                if let Some(colon) = items.iter().find(|item| is_colon(item)) {
                    let help = "annotate each parameter by itself: `((x : u32) (y : u64))`";
                    return Err(self.bad_annotation(colon.span, help));
                }
                for item in items {
                    formals.required.push(self.parameter(item)?);
                }
                if let Some(tail) = tail {
                    formals.rest = Some(self.parameter(tail)?);
                }
            }
            _ => return Err(Refusal::malformed(datum.span, "a list of parameters is wanted here")),
        }
        self.reject_duplicates(formals.required.iter().chain(&formals.rest));
        Ok(formals)
    }

    /// Reports names that are there twice.
    pub(super) fn reject_duplicates<'p>(&mut self, parameters: impl Iterator<Item = &'p Parameter>) {
        let mut seen = std::collections::HashMap::new();
        for parameter in parameters {
            if let Some(first) = seen.insert(&parameter.identifier, parameter.span) {
                let message = format!("`{}` is bound twice here", parameter.identifier.name);
                let diagnostic = Diagnostic::error(codes::DUPLICATE_BINDING, parameter.span, message);
                self.report(diagnostic.with_note(first, "bound here first").with_help("rename one of them"));
            }
        }
    }

    /// Binds parameters in the innermost scope.
    pub(super) fn bind_formals(&mut self, formals: Formals) -> (Vec<VarId>, Option<VarId>) {
        let mut bind = |parameter: Parameter| self.bind(parameter.identifier, parameter.span, parameter.annotation);
        let required = formals.required.into_iter().map(&mut bind).collect();
        (required, formals.rest.map(bind))
    }

    /// Splits `: type body …`.
    pub(super) fn result_annotation<'d>(&mut self, body: &'d [Datum]) -> Outcome<(Option<Datum>, &'d [Datum])> {
        match body {
            [colon, ty, rest @ ..] if is_colon(colon) => Ok((Some(self.type_syntax(ty)), rest)),
            [colon] if is_colon(colon) => Err(Refusal::malformed(colon.span, "a type is wanted after this colon")),
            [arrow, ty, ..] if arrow.as_symbol().is_some_and(|name| &**name == "->") => {
                let help = format!("the result's type is written `: {ty}` after the parameters");
                Err(self.bad_annotation(arrow.span, help))
            }
            _ => Ok((None, body)),
        }
    }

    /// What follows `define`.
    pub(super) fn define_shape(&mut self, arguments: &[Datum], span: Span) -> Outcome<Define> {
        let Some((target, rest)) = arguments.split_first() else {
            return Err(Refusal::malformed(span, "`define` wants a name"));
        };
        if let Some(identifier) = Identifier::of(target) {
            let (annotation, value) = match rest {
                [value] if !is_colon(value) => (None, value),
                [colon, ty, value] if is_colon(colon) => (Some(self.type_syntax(ty)), value),
                [colon, ..] if is_colon(colon) => {
                    let help =
                        format!("write `(define {0} : u32 0)`, or `(: {0} u32)` for a signature", identifier.name);
                    return Err(self.bad_annotation(colon.span, help));
                }
                [ty, value] if ty.as_keyword().is_some() || ty.as_symbol().is_some() => {
                    let ty = ty.as_keyword().or(ty.as_symbol()).map_or("", |name| name);
                    let help = format!("write `(define {} : {ty} {value})`", identifier.name);
                    return Err(self.bad_annotation(rest.first().map_or(span, |ty| ty.span), help));
                }
                [] => return Err(Refusal::malformed(span, format!("`{}` gets no value", identifier.name))),
                [_, second, ..] => {
                    return Err(Refusal::malformed(
                        second.span,
                        format!("`{}` gets more than one value", identifier.name),
                    ));
                }
                [value] => return Err(Refusal::malformed(value.span, "a value is wanted here")),
            };
            let what = Defined::Value { annotation, value: value.clone() };
            return Ok(Define { identifier, span: target.span, what });
        }
        let DatumKind::List(items, tail) = &target.kind else {
            return Err(Refusal::malformed(target.span, "a name, or `(name parameter …)`, is wanted here"));
        };
        let Some((name, parameters)) = items.split_first() else {
            return Err(Refusal::malformed(target.span, "the name of the procedure is wanted here"));
        };
        let Some(identifier) = Identifier::of(name) else {
            return Err(Refusal::malformed(name.span, "the name of the procedure is wanted here"));
        };
        if let [colon, ..] = parameters
            && is_colon(colon)
        {
            let help =
                format!("write `(define {0} : type value)`, or `(: {0} type)` beside the definition", identifier.name);
            return Err(self.bad_annotation(colon.span, help));
        }
        let (result, body) = self.result_annotation(rest)?;
        let formals = DatumKind::List(parameters.to_vec(), tail.clone());
        let what = Defined::Procedure { formals: Datum::new(target.span, formals), result, body: body.to_vec() };
        Ok(Define { identifier, span: name.span, what })
    }
}
