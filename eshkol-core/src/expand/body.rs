//! Bodies: internal definitions, and bindings that see each other.
//!
//! Definitions at the head of a body are R7RS's `letrec*`. Most of them do not refer to themselves or to later ones; those
//! become a plain `let`, so that later passes meet a `letrec` only for what is recursive.

use std::borrow::Cow;
use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::annotation::{Defined, Formals, is_colon};
use super::environment::{Denotation, Identifier, Local};
use super::expander::{Expander, MAX_DEPTH, Outcome, Refusal};
use super::form::{Binding, Expr, ExprKind, Ident, VarId};
use super::special::Special;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue as codes;
use crate::source::Span;
use crate::syntax::{Datum, Name};

/// One definition of a body, expanded.
pub(super) struct RecursiveItem {
    variables: Vec<VarId>,
    rest: Option<VarId>,
    value: Expr,
    /// The local variables its value uses.
    uses: Vec<VarId>,
    /// Whether it binds what `values` gives.
    many: bool,
}

/// One definition of a body, as found.
enum Found {
    Define { variable: VarId, name: Ident, what: Defined, span: Span },
    Values { variables: Vec<VarId>, rest: Option<VarId>, value: Datum },
}

/// What a body is made of.
struct Body<'d> {
    definitions: Vec<Found>,
    expressions: Vec<Cow<'d, Datum>>,
    /// Whether something was reported that may have been a definition or an expression.
    failed: bool,
}

/// What a body binds, and where.
type Names = FxHashMap<Identifier, (VarId, Span)>;

impl Expander<'_> {
    /// A body: definitions, then expressions, in a scope of its own.
    pub(super) fn body(&mut self, forms: &[Datum], span: Span) -> Expr {
        if self.is_too_deep(1, span) {
            return Expr::new(span, ExprKind::Error);
        }
        self.depth += 1;
        self.environment.push_scope();
        let expr = self.body_in_scope(forms, span);
        self.environment.pop_scope();
        self.depth -= 1;
        expr
    }

    // Bodies nest: what is recursive here keeps its frame small, and the finding of definitions is elsewhere.
    fn body_in_scope(&mut self, forms: &[Datum], span: Span) -> Expr {
        let found = self.collect_body(forms);
        let items: Vec<RecursiveItem> = found.definitions.into_iter().map(|item| self.found_item(item)).collect();
        if found.expressions.is_empty() {
            if !found.failed {
                self.empty_body(span);
            }
            return Expr::new(span, ExprKind::Error);
        }
        let body = self.sequence_of(&found.expressions, span);
        self.recursive(items, body)
    }

    fn empty_body(&mut self, span: Span) {
        self.error(
            codes::EMPTY_BODY,
            span,
            "this body has no expression",
            "its value is that of its last expression: write one, `0` will do",
        );
    }

    /// Finds what a body defines, and binds it in the innermost scope.
    fn collect_body<'d>(&mut self, forms: &'d [Datum]) -> Body<'d> {
        let mut names = Names::default();
        let mut body = Body { definitions: Vec::new(), expressions: Vec::new(), failed: false };
        let mut signatures = Vec::new();
        let forms = self.without_stray_annotation(forms);
        let mut queue: VecDeque<Cow<'d, Datum>> = forms.iter().map(Cow::Borrowed).collect();
        while let Some(form) = queue.pop_front() {
            let form = match form {
                Cow::Borrowed(form) => self.expand_macros(form),
                Cow::Owned(form) => self.expand_macros(&form).map(|form| Cow::Owned(form.into_owned())),
            };
            let Some(form) = form else {
                body.failed = true;
                continue;
            };
            let arguments = form.as_list().and_then(|items| items.get(1..)).unwrap_or(&[]);
            match self.head(&form) {
                Some(Denotation::Special(Special::Begin)) if !arguments.is_empty() => {
                    for argument in arguments.iter().rev() {
                        queue.push_front(Cow::Owned(argument.clone()));
                    }
                }
                Some(Denotation::Special(special)) if special.is_declaration() => {
                    self.misplaced_definition(special, form.span);
                    body.failed = true;
                }
                Some(Denotation::Special(special)) if special.is_definition() => {
                    if let Some(first) = body.expressions.first() {
                        self.late_definition(special, form.span, first.span);
                    }
                    let outcome = match special {
                        Special::DefineSyntax => self.body_macro(&form, arguments),
                        Special::Signature => self.body_signature(&form, arguments).map(|found| signatures.push(found)),
                        Special::DefineValues => {
                            self.body_values(&form, arguments, &mut names).map(|found| body.definitions.push(found))
                        }
                        _ => self.body_define(&form, arguments, &mut names).map(|found| body.definitions.push(found)),
                    };
                    if let Err(refusal) = outcome {
                        self.refuse(special, refusal);
                        self.expect_nothing_of(arguments);
                        body.failed = true;
                    }
                }
                _ => body.expressions.push(form),
            }
        }
        for (identifier, at, ty) in signatures {
            self.apply_local_signature(&names, &identifier, at, ty);
        }
        body
    }

    /// `: type` stands after the parameters of a procedure, and at the head of no other body.
    fn without_stray_annotation<'d>(&mut self, forms: &'d [Datum]) -> &'d [Datum] {
        match forms {
            [colon, _, rest @ ..] if is_colon(colon) => {
                self.bad_annotation(colon.span, "annotate the value: `(the u64 e)`, or a binding: `(x : u64 e)`");
                rest
            }
            _ => forms,
        }
    }

    fn late_definition(&mut self, special: Special, span: Span, expression: Span) {
        let message = format!("`{}` follows an expression of this body", special.name());
        let diagnostic = Diagnostic::error(codes::MISPLACED_DEFINITION, span, message);
        let help = "definitions come first in a body: move it up, or use `let`";
        self.report(diagnostic.with_note(expression, "this expression").with_help(help));
    }

    fn sequence_of(&mut self, forms: &[Cow<'_, Datum>], span: Span) -> Expr {
        let mut exprs: Vec<Expr> = forms.iter().map(|form| self.expression(form)).collect();
        if exprs.len() == 1
            && let Some(only) = exprs.pop()
        {
            return only;
        }
        let span = match (exprs.first(), exprs.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => span,
        };
        Expr::new(span, ExprKind::Begin(exprs))
    }

    fn body_macro(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<()> {
        let [name, rules] = arguments else {
            return Err(Refusal::malformed(form.span, "`define-syntax` wants a name and a `syntax-rules`"));
        };
        let (identifier, rules) = self.compile_macro(name, rules, form.span)?;
        self.environment.bind(identifier, Local::Macro(rules));
        Ok(())
    }

    /// `(: name type)`.
    pub(super) fn body_signature(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<(Identifier, Span, Datum)> {
        let [name, ty] = arguments else {
            return Err(Refusal::malformed(form.span, "a signature wants a name and a type"));
        };
        let Some(identifier) = Identifier::of(name) else {
            return Err(Refusal::malformed(name.span, "a name is wanted here"));
        };
        Ok((identifier, name.span, self.type_syntax(ty)))
    }

    fn apply_local_signature(&mut self, names: &Names, identifier: &Identifier, span: Span, ty: Datum) {
        match names.get(identifier) {
            Some((variable, _)) if self.unit.variables.at(*variable).annotation.is_none() => {
                self.unit.variables.at_mut(*variable).annotation = Some(ty);
            }
            Some((_, first)) => self.second_signature(&identifier.name, span, *first),
            None => self.lost_signature(&identifier.name, span),
        }
    }

    /// Reports a signature for what has a type already.
    pub(super) fn second_signature(&mut self, name: &Name, span: Span, first: Span) {
        let message = format!("`{name}` has a type already");
        let diagnostic = Diagnostic::error(codes::SIGNATURE_WITHOUT_DEFINITION, span, message);
        self.report(diagnostic.with_note(first, "defined here").with_help("remove one of the two"));
    }

    /// Reports a signature for what is not defined beside it.
    pub(super) fn lost_signature(&mut self, name: &Name, span: Span) {
        self.error(
            codes::SIGNATURE_WITHOUT_DEFINITION,
            span,
            format!("nothing called `{name}` is defined beside this signature"),
            "a signature stands in the same unit, program or body as its definition",
        );
    }

    fn bind_defined(
        &mut self,
        names: &mut Names,
        identifier: Identifier,
        span: Span,
        annotation: Option<Datum>,
    ) -> VarId {
        if let Some((_, first)) = names.get(&identifier) {
            let first = *first;
            self.duplicate_definition(&identifier.name, span, first);
        }
        let variable = self.bind(identifier.clone(), span, annotation);
        names.insert(identifier, (variable, span));
        variable
    }

    /// Keeps silent about the name that a refused definition would have defined.
    pub(super) fn expect_nothing_of(&mut self, arguments: &[Datum]) {
        let target = arguments.first();
        let name = target.and_then(|target| target.as_list().and_then(<[_]>::first).or(Some(target)));
        self.missing.extend(name.and_then(Datum::as_symbol).cloned());
    }

    /// Reports a second definition of a name.
    pub(super) fn duplicate_definition(&mut self, name: &Name, span: Span, first: Span) {
        let diagnostic = Diagnostic::error(codes::DUPLICATE_DEFINITION, span, format!("`{name}` is defined twice"));
        self.report(diagnostic.with_note(first, "defined here first").with_help("rename one of them, or remove it"));
    }

    fn body_define(&mut self, form: &Datum, arguments: &[Datum], names: &mut Names) -> Outcome<Found> {
        let mut define = self.define_shape(arguments, form.span)?;
        let annotation = match &mut define.what {
            Defined::Value { annotation, .. } => annotation.take(),
            Defined::Procedure { .. } => None,
        };
        let name = Ident { name: define.identifier.name.clone(), span: define.span };
        let variable = self.bind_defined(names, define.identifier, define.span, annotation);
        Ok(Found::Define { variable, name, what: define.what, span: form.span })
    }

    fn body_values(&mut self, form: &Datum, arguments: &[Datum], names: &mut Names) -> Outcome<Found> {
        let [formals, value] = arguments else {
            return Err(Refusal::malformed(form.span, "`define-values` wants names and an expression"));
        };
        let Formals { required, rest } = self.formals(formals)?;
        let mut bind = |parameter: super::annotation::Parameter| {
            self.bind_defined(names, parameter.identifier, parameter.span, parameter.annotation)
        };
        let variables = required.into_iter().map(&mut bind).collect();
        let rest = rest.map(&mut bind);
        Ok(Found::Values { variables, rest, value: value.clone() })
    }

    fn found_item(&mut self, found: Found) -> RecursiveItem {
        let first_use = self.uses.len();
        match found {
            Found::Define { variable, name, what, span } => {
                let value = match what {
                    Defined::Value { value, .. } => self.named_expression(name, &value),
                    Defined::Procedure { formals, result, body } => {
                        self.defined_procedure(name, &formals, result, &body, span)
                    }
                };
                self.recursive_item(vec![variable], None, value, first_use)
            }
            Found::Values { variables, rest, value } => {
                let value = self.expression(&value);
                RecursiveItem { many: true, ..self.recursive_item(variables, rest, value, first_use) }
            }
        }
    }

    /// The procedure of `(define (name . formals) body …)`.
    pub(super) fn defined_procedure(
        &mut self,
        name: Ident,
        formals: &Datum,
        result: Option<Datum>,
        body: &[Datum],
        span: Span,
    ) -> Expr {
        let outcome = self.lambda(Some(name), formals, result, body, span);
        let kind = outcome.unwrap_or_else(|refusal| {
            self.refuse(Special::Define, refusal);
            ExprKind::Error
        });
        Expr::new(span, kind)
    }

    /// The value of `(define name value)`: a lambda gets the name.
    pub(super) fn named_expression(&mut self, name: Ident, value: &Datum) -> Expr {
        let mut expr = self.expression(value);
        if let ExprKind::Lambda(lambda) = &mut expr.kind
            && let Some(lambda) = std::sync::Arc::get_mut(lambda)
            && lambda.name.is_none()
        {
            lambda.name = Some(name);
        }
        expr
    }

    /// A value with what it uses: the local variables met since there were `first_use` of them.
    pub(super) fn recursive_item(
        &self,
        variables: Vec<VarId>,
        rest: Option<VarId>,
        value: Expr,
        first_use: usize,
    ) -> RecursiveItem {
        let uses = self.uses.get(first_use..).unwrap_or(&[]).to_vec();
        RecursiveItem { variables, rest, value, uses, many: false }
    }

    /// Binds in order what may see itself and what comes later, around a body.
    pub(super) fn recursive(&mut self, items: Vec<RecursiveItem>, body: Expr) -> Expr {
        let mut position = FxHashMap::default();
        for (index, item) in items.iter().enumerate() {
            for variable in item.variables.iter().chain(&item.rest) {
                position.insert(*variable, index);
            }
        }
        // For each, the last one it refers to; `None` where all are before it.
        let reach = |index: usize, item: &RecursiveItem| {
            let last = item.uses.iter().filter_map(|variable| position.get(variable)).max();
            last.copied().filter(|last| *last >= index)
        };
        let reaches: Vec<Option<usize>> = items.iter().enumerate().map(|(index, item)| reach(index, item)).collect();
        let mut groups: Vec<(bool, Vec<RecursiveItem>)> = Vec::new();
        let mut end = 0;
        for (index, (item, reach)) in items.into_iter().zip(reaches).enumerate() {
            let within = index < end;
            let recursive = within || reach.is_some();
            end = end.max(reach.map_or(0, |reach| reach + 1));
            match groups.last_mut() {
                Some((true, group)) if within => group.push(item),
                Some((false, group)) if !recursive && !item.many && group.first().is_some_and(|item| !item.many) => {
                    group.push(item);
                }
                _ => groups.push((recursive, vec![item])),
            }
        }
        if groups.len() + self.depth > MAX_DEPTH {
            let all: Vec<RecursiveItem> = groups.into_iter().flat_map(|(_, group)| group).collect();
            groups = vec![(true, all)];
        }
        groups.into_iter().rev().fold(body, |body, (recursive, group)| self.group(recursive, group, body))
    }

    fn group(&mut self, recursive: bool, group: Vec<RecursiveItem>, body: Expr) -> Expr {
        let span = group.first().map_or(body.span, |item| item.value.span.to(body.span));
        if let Some(many) = group.iter().find(|item| item.many)
            && recursive
        {
            self.error(
                codes::MISPLACED_DEFINITION,
                many.value.span,
                "names of `define-values` are used before they have a value",
                "move the `define-values` above the definitions that use its names",
            );
            return Expr::new(span, ExprKind::Error);
        }
        if let [RecursiveItem { many: true, .. }] = &group[..] {
            let mut body = body;
            for RecursiveItem { variables, rest, value, .. } in group {
                let kind = ExprKind::LetValues { variables, rest, value: Box::new(value), body: Box::new(body) };
                body = Expr::new(span, kind);
            }
            return body;
        }
        let mut bindings = Vec::new();
        for item in group {
            if let Some(variable) = item.variables.first() {
                bindings.push(Binding { variable: *variable, value: item.value });
            }
        }
        let body = Box::new(body);
        Expr::new(span, if recursive { ExprKind::Letrec(bindings, body) } else { ExprKind::Let(bindings, body) })
    }
}
