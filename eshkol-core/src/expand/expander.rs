//! The state of one expansion, and what every part of it uses: reports, variables, references, macro uses.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::IncludeLoader;
use super::declaration::Declaration;
use super::environment::{Builtins, ContainerId, DeclarationId, Denotation, Environment, Identifier, Local, Place};
use super::form::{self, DefId, Expr, ExprKind, Ident, VarId};
use super::special::Special;
use super::syntax_rules::{Macro, NoExpansion, Scopes};
use crate::arena::Arena;
use crate::diagnostic::catalogue as codes;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::{Sources, Span};
use crate::syntax::{Datum, DatumKind, Name};

/// How deep expressions may nest, counted with what macros and derived forms make of them.
pub(super) const MAX_DEPTH: usize = 4_000;

/// How deep data made by macros may nest.
const MAX_DATUM_DEPTH: usize = 2_000;

/// How many macro uses in a row may replace each other at one place.
const MAX_STEPS: usize = 1000;

/// How many data macros may make in one unit.
const MAX_MACRO_DATA: usize = 300_000;

/// After so many errors nobody reads on.
const MAX_ERRORS: usize = 200;

/// Why a form has no expansion.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It was reported already.
    Reported,
    /// It is not written as its shape says: what is wrong, and where.
    Malformed(Span, String),
}

impl Refusal {
    /// A form not written as its shape says.
    pub(super) fn malformed(span: Span, message: impl Into<String>) -> Self {
        Self::Malformed(span, message.into())
    }
}

/// What the expansion of a form gives.
pub(super) type Outcome<T> = Result<T, Refusal>;

/// The state of one expansion.
pub(super) struct Expander<'a> {
    pub(super) sources: &'a mut Sources,
    pub(super) includes: &'a mut dyn IncludeLoader,
    diagnostics: &'a mut Diagnostics,
    errors: usize,
    pub(super) unit: form::Unit,
    pub(super) environment: Environment,
    pub(super) declarations: Arena<DeclarationId, Declaration>,
    /// Definitions whose bodies are still to be expanded.
    pub(super) queue: VecDeque<DeclarationId>,
    /// The texts that are being included, outermost first.
    pub(super) including: Vec<String>,
    /// The files of the prelude that were read.
    pub(super) prelude: Vec<&'static str>,
    /// How deep the expression at hand is nested.
    pub(super) depth: usize,
    macro_data_left: usize,
    /// Every use of a local variable so far, in the order they were found.
    pub(super) uses: Vec<VarId>,
    /// Names that would be known if everything in the unit were available; silence about them.
    pub(super) missing: Vec<Name>,
    /// Whether something imported is not available, so that any unknown name may be its.
    pub(super) import_missing: bool,
    pub(super) suggestions: FxHashMap<Name, Option<Name>>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(
        sources: &'a mut Sources,
        includes: &'a mut dyn IncludeLoader,
        builtins: Builtins,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self {
            sources,
            includes,
            diagnostics,
            errors: 0,
            unit: form::Unit::default(),
            environment: Environment::new(builtins),
            declarations: Arena::new(),
            queue: VecDeque::new(),
            including: Vec::new(),
            prelude: Vec::new(),
            depth: 0,
            macro_data_left: MAX_MACRO_DATA,
            uses: Vec::new(),
            missing: Vec::new(),
            import_missing: false,
            suggestions: FxHashMap::default(),
        }
    }

    /// Reads a source, and first what it uses of the prelude.
    pub(super) fn read(&mut self, id: crate::source::SourceId) -> Vec<Datum> {
        let text = crate::syntax::read(self.sources, id, self.diagnostics);
        self.add_prelude_for(&text);
        text
    }

    /// Reports something.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.errors += 1;
        if self.errors <= MAX_ERRORS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether what is reported from now on is not kept.
    pub(super) fn has_many_errors(&self) -> bool {
        self.errors >= MAX_ERRORS
    }

    /// Reports something with one way out.
    pub(super) fn error(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::error(code, span, message).with_help(help));
    }

    /// Reports why a form has no expansion.
    pub(super) fn refuse(&mut self, special: Special, refusal: Refusal) {
        if let Refusal::Malformed(span, message) = refusal {
            self.error(codes::BAD_SYNTAX, span, message, format!("it is written `{}`", special.shape()));
        }
    }

    /// A new local variable.
    pub(super) fn variable(&mut self, name: Name, span: Span, annotation: Option<Datum>) -> VarId {
        self.unit.variables.push(form::Variable { name, span, mutated: false, annotation })
    }

    /// A new local variable, bound in the innermost scope.
    pub(super) fn bind(&mut self, identifier: Identifier, span: Span, annotation: Option<Datum>) -> VarId {
        let variable = self.variable(identifier.name.clone(), span, annotation);
        self.environment.bind(identifier, Local::Variable(variable));
        variable
    }

    /// Whether `count` more levels of nesting are too many here; reported.
    pub(super) fn is_too_deep(&mut self, count: usize, span: Span) -> bool {
        let too_deep = self.depth + count > MAX_DEPTH;
        if too_deep {
            self.error(
                codes::EXPANSION_TOO_DEEP,
                span,
                format!("expressions nest deeper than {MAX_DEPTH} here"),
                "give the inner parts names of their own with `define`; a macro may also expand to itself without end",
            );
        }
        too_deep
    }

    /// The definition's id; a prelude definition gets one, and is expanded, once something refers to it.
    pub(super) fn definition(&mut self, id: DeclarationId) -> DefId {
        let declaration = self.declarations.at_mut(id);
        if let Some(definition) = declaration.definition {
            return definition;
        }
        let container = self.environment.container(declaration.container);
        let definition = self.unit.definitions.push(form::Definition {
            name: declaration.name.clone(),
            span: declaration.span,
            program: container.program,
            prelude: container.prelude,
            doc: declaration.doc.clone(),
            kind: form::DefinitionKind::Value {
                annotation: None,
                value: Expr { span: declaration.span, kind: ExprKind::Error },
            },
        });
        declaration.definition = Some(definition);
        self.queue.push_back(id);
        definition
    }

    /// A type as written, without macro aliases. The types of the prelude that it names become a part of the unit.
    pub(super) fn type_syntax(&mut self, datum: &Datum) -> Datum {
        self.note_types(datum);
        without_aliases(datum)
    }

    fn note_types(&mut self, datum: &Datum) {
        match &datum.kind {
            DatumKind::List(items, tail) => {
                for item in items.iter().chain(tail.as_deref()) {
                    self.note_types(item);
                }
            }
            DatumKind::Symbol { name, .. } | DatumKind::Keyword(name) => {
                let element = name.strip_suffix("-array").unwrap_or(name);
                let found = self.environment.find_type(name).or_else(|| self.environment.find_type(element));
                if let Some(declaration) = found {
                    self.definition(declaration);
                }
            }
            _ => {}
        }
    }

    /// What a datum's head means, where the datum is a list that begins with a name.
    pub(super) fn head(&self, datum: &Datum) -> Option<Denotation> {
        let DatumKind::List(items, _) = &datum.kind else { return None };
        let identifier = Identifier::of(items.first()?)?;
        Some(self.environment.resolve(&identifier))
    }

    /// Replaces a macro use by what it stands for, until it is none. `None`, reported, where that fails.
    pub(super) fn expand_macros<'d>(&mut self, datum: &'d Datum) -> Option<Cow<'d, Datum>> {
        let mut current = Cow::Borrowed(datum);
        for _ in 0..MAX_STEPS {
            let Some(Denotation::Macro(rules)) = self.head(&current) else { return Some(current) };
            current = Cow::Owned(self.expand_macro(&rules, &current)?);
        }
        self.error(
            codes::EXPANSION_TOO_DEEP,
            datum.span,
            format!("after {MAX_STEPS} steps this macro use is still not expanded"),
            "a macro that expands to itself needs a rule that ends it",
        );
        None
    }

    fn expand_macro(&mut self, rules: &Arc<Macro>, use_form: &Datum) -> Option<Datum> {
        if self.macro_data_left == 0 {
            return None;
        }
        let expansion = rules.expand(use_form, &mut self.environment);
        match expansion {
            Ok(datum) => {
                let (size, depth) = measure(&datum);
                self.macro_data_left = self.macro_data_left.saturating_sub(size);
                if depth <= MAX_DATUM_DEPTH && self.macro_data_left > 0 {
                    return Some(datum);
                }
                let message = format!("what the macro `{}` makes grows without end", rules.name);
                let help = "a macro that expands to itself needs a rule that ends it";
                let diagnostic = Diagnostic::error(codes::EXPANSION_TOO_DEEP, use_form.span, message);
                self.report(diagnostic.with_note(rules.span, "the macro").with_help(help));
            }
            Err(NoExpansion::NoRule) => {
                let message = format!("no rule of the macro `{}` matches this use", rules.name);
                let diagnostic = Diagnostic::error(codes::NO_MATCHING_RULE, use_form.span, message);
                let help = "compare it with the patterns of the macro";
                self.report(diagnostic.with_note(rules.span, "the macro").with_help(help));
            }
            Err(NoExpansion::UnequalLengths) => {
                let message = format!("this use gives ellipses of the macro `{}` different lengths", rules.name);
                let diagnostic = Diagnostic::error(codes::NO_MATCHING_RULE, use_form.span, message);
                let help = "what stands under one `...` of the template must be repeated equally often";
                self.report(diagnostic.with_note(rules.span, "the macro").with_help(help));
            }
        }
        None
    }

    /// `(define-syntax name (syntax-rules …))`, or one binding of `let-syntax`: the macro.
    pub(super) fn compile_macro(
        &mut self,
        name: &Datum,
        rules: &Datum,
        span: Span,
    ) -> Outcome<(Identifier, Arc<Macro>)> {
        let Some(identifier) = Identifier::of(name) else {
            return Err(Refusal::malformed(name.span, "the name of a macro is wanted here"));
        };
        let Some(rules) = self.expand_macros(rules) else { return Err(Refusal::Reported) };
        let arguments = match (self.head(&rules), rules.as_list()) {
            (Some(Denotation::Special(Special::SyntaxRules)), Some([_, arguments @ ..])) => arguments,
            _ => {
                self.error(
                    codes::BAD_SYNTAX_RULES,
                    rules.span,
                    "a macro is made by `syntax-rules`",
                    format!("it is written `{}`", Special::DefineSyntax.shape()),
                );
                return Err(Refusal::Reported);
            }
        };
        match Macro::compile(identifier.name.clone(), self.environment.place(), span, arguments) {
            Ok(rules) => Ok((identifier, Arc::new(rules))),
            Err(bad) => {
                let help = format!("it is written `{}`", Special::SyntaxRules.shape());
                self.error(codes::BAD_SYNTAX_RULES, bad.span, bad.message, help);
                Err(Refusal::Reported)
            }
        }
    }

    /// Runs something with another container as the current one.
    pub(super) fn within<T>(&mut self, container: ContainerId, run: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.environment.container, container);
        let result = run(self);
        self.environment.container = outer;
        result
    }
}

impl Scopes for Environment {
    fn is_literal(&self, used: &Identifier, literal: &Identifier, place: Place) -> bool {
        self.same(used, literal, place)
    }

    fn fresh_alias(&mut self, parent: u32, place: Place) -> u32 {
        self.add_alias(parent, place)
    }
}

/// A name with its place.
pub(super) fn ident(datum: &Datum) -> Option<Ident> {
    datum.as_symbol().map(|name| Ident { name: name.clone(), span: datum.span })
}

/// The datum with every identifier as the user would write it.
pub(super) fn without_aliases(datum: &Datum) -> Datum {
    let kind = match &datum.kind {
        DatumKind::Symbol { name, .. } => DatumKind::Symbol { name: name.clone(), alias: 0 },
        DatumKind::List(items, tail) => DatumKind::List(
            items.iter().map(without_aliases).collect(),
            tail.as_ref().map(|tail| Box::new(without_aliases(tail))),
        ),
        DatumKind::Vector(items) => DatumKind::Vector(items.iter().map(without_aliases).collect()),
        kind => kind.clone(),
    };
    Datum { span: datum.span, kind, doc: datum.doc.clone() }
}

/// How many data there are in a datum, and how deep they nest; without recursion, for the depth is not known yet.
fn measure(datum: &Datum) -> (usize, usize) {
    let (mut size, mut deepest) = (0, 0);
    let mut stack = vec![(datum, 1)];
    while let Some((datum, depth)) = stack.pop() {
        size += 1;
        deepest = deepest.max(depth);
        match &datum.kind {
            DatumKind::List(items, tail) => {
                stack.extend(items.iter().chain(tail.as_deref()).map(|item| (item, depth + 1)));
            }
            DatumKind::Vector(items) => stack.extend(items.iter().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    (size, deepest)
}
