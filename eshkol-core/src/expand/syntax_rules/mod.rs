//! `syntax-rules` (R7RS §4.3.2): a macro, its rules, and one use of it.
//!
//! [`Macro::compile`] checks everything that can be wrong with a definition, so that a use can fail only by matching no rule
//! or by ellipses of different lengths.

mod pattern;
mod template;

use super::environment::{Identifier, Place};
use crate::source::Span;
use crate::syntax::{Datum, DatumKind, Name};

use pattern::{Bound, Pattern, PatternCompiler};
use template::{Template, TemplateCompiler, Transcriber};

/// A macro.
#[derive(Debug)]
pub(super) struct Macro {
    /// What it was defined as.
    pub(super) name: Name,
    /// Where its templates' names are looked up.
    pub(super) place: Place,
    /// Its definition, for messages.
    pub(super) span: Span,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    variables: usize,
    template: Template,
}

/// What is wrong with a macro definition, and where.
#[derive(Debug)]
pub(super) struct BadRules {
    pub(super) span: Span,
    pub(super) message: String,
}

impl BadRules {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

/// Why a use of a macro gives nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoExpansion {
    /// No pattern matches.
    NoRule,
    /// Variables under one ellipsis matched different numbers of forms.
    UnequalLengths,
}

/// What a macro use needs to know of the scopes.
pub(super) trait Scopes {
    /// Whether an identifier of the use means what a literal of the macro means.
    fn is_literal(&self, used: &Identifier, literal: &Identifier, place: Place) -> bool;
    /// A new alias.
    fn fresh_alias(&mut self, parent: u32, place: Place) -> u32;
}

/// The names with a meaning of their own in one `syntax-rules`.
struct Special {
    ellipsis: Option<Identifier>,
    literals: Vec<Identifier>,
}

impl Special {
    fn is_literal(&self, identifier: &Identifier) -> bool {
        self.literals.contains(identifier)
    }

    fn is_ellipsis(&self, datum: &Datum) -> bool {
        let Some(identifier) = Identifier::of(datum) else { return false };
        match &self.ellipsis {
            Some(ellipsis) => identifier == *ellipsis,
            None => &*identifier.name == "..." && !self.is_literal(&identifier),
        }
    }
}

impl Macro {
    /// The macro that `(syntax-rules …)` means; `arguments` is what follows `syntax-rules`.
    pub(super) fn compile(name: Name, place: Place, span: Span, arguments: &[Datum]) -> Result<Self, BadRules> {
        let (ellipsis, arguments) = match arguments.split_first() {
            Some((first, rest)) if first.as_symbol().is_some() => (Identifier::of(first), rest),
            _ => (None, arguments),
        };
        let Some((literals, rules)) = arguments.split_first() else {
            return Err(BadRules::new(span, "`syntax-rules` wants a list of literals and then rules"));
        };
        let Some(literals) = literals.as_list() else {
            return Err(BadRules::new(literals.span, "the literals are a list, `()` where there are none"));
        };
        let literals = literals
            .iter()
            .map(|literal| Identifier::of(literal).ok_or_else(|| BadRules::new(literal.span, "a literal is a name")))
            .collect::<Result<_, _>>()?;
        let special = Special { ellipsis, literals };
        let rules = rules.iter().map(|rule| Rule::compile(&special, rule)).collect::<Result<_, _>>()?;
        Ok(Self { name, place, span, rules })
    }

    /// What a use of the macro stands for.
    pub(super) fn expand(&self, use_form: &Datum, scopes: &mut dyn Scopes) -> Result<Datum, NoExpansion> {
        let DatumKind::List(items, tail) = &use_form.kind else { return Err(NoExpansion::NoRule) };
        let arguments = items.get(1..).unwrap_or(&[]);
        for rule in &self.rules {
            let mut bound: Vec<Bound<'_>> = (0..rule.variables).map(|_| Bound::Nothing).collect();
            let is_literal = |used: &Identifier, literal: &Identifier| scopes.is_literal(used, literal, self.place);
            if rule.pattern.matches_items(arguments, tail.as_deref(), use_form.span, &is_literal, &mut bound) {
                let mut fresh = |parent| scopes.fresh_alias(parent, self.place);
                let mut transcriber = Transcriber::new(use_form.span, &mut fresh);
                let mut datum = transcriber.transcribe(&rule.template, &bound)?;
                // What is said of the use is said of what it makes.
                if datum.doc.is_none() {
                    datum.doc.clone_from(&use_form.doc);
                }
                return Ok(datum);
            }
        }
        Err(NoExpansion::NoRule)
    }
}

impl Rule {
    fn compile(special: &Special, rule: &Datum) -> Result<Self, BadRules> {
        let Some([pattern, template]) = rule.as_list() else {
            return Err(BadRules::new(rule.span, "a rule is `(pattern template)`"));
        };
        let DatumKind::List(items, tail) = &pattern.kind else {
            return Err(BadRules::new(pattern.span, "a pattern is a list, `(_ argument …)`"));
        };
        let Some((_, items)) = items.split_first() else {
            return Err(BadRules::new(pattern.span, "a pattern begins with `_`, which stands for the macro's name"));
        };
        let mut compiler = PatternCompiler::new(special);
        let pattern = compiler.items(items, tail.as_deref(), pattern.span)?;
        let variables = compiler.variables;
        let template = TemplateCompiler { special, variables: &variables }.compile(template)?;
        Ok(Self { pattern, variables: variables.len(), template })
    }
}
