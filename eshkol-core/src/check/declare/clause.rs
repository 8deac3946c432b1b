//! Clauses of programs, objects and maps: which there are, how often, and with what.

use std::sync::Arc;

use crate::diagnostic::catalogue::{DUPLICATE_CLAUSE, MALFORMED_CLAUSE, UNKNOWN_CLAUSE};
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::expand::form::{Clause, Expr, Ident};
use crate::source::Span;
use crate::syntax::Datum;

/// A clause that something takes.
pub(super) struct Rule {
    /// Its name.
    pub(super) name: &'static str,
    /// How it is written.
    pub(super) example: &'static str,
    /// Whether it may stand several times.
    pub(super) repeats: bool,
}

/// The clauses of one definition, by what the rules say.
pub(super) struct Clauses<'a> {
    clauses: &'a [Clause],
    rules: &'static [Rule],
    unknown: bool,
}

/// The clause that was probably meant: one that is spelled almost like it, or has it as a part, as `key-type` has `key`.
fn meant(name: &str, rules: &'static [Rule]) -> Option<&'static str> {
    let names = || rules.iter().map(|rule| rule.name);
    let of_size = matches!(name, "size" | "capacity" | "length").then_some("entries");
    let is_part = |whole: &&str| whole.split('-').any(|part| part == of_size.unwrap_or(name));
    names().find(is_part).or_else(|| suggestion::closest(name, names()))
}

impl<'a> Clauses<'a> {
    /// Checks the names of clauses; `what` has them: `a map`.
    pub(super) fn new(
        clauses: &'a [Clause],
        rules: &'static [Rule],
        what: &str,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut unknown = false;
        for (index, clause) in clauses.iter().enumerate() {
            let name = &clause.name;
            let Some(rule) = rules.iter().find(|rule| *rule.name == *name.name) else {
                let error =
                    Diagnostic::error(UNKNOWN_CLAUSE, name.span, format!("{what} has no clause `{}`", name.name));
                unknown = true;
                diagnostics.push(match meant(&name.name, rules) {
                    Some(close) => error.with_help(format!("did you mean `{close}`?")),
                    None if name.name.starts_with("define") => {
                        error.with_help(format!("{what} holds no definitions: write them after it"))
                    }
                    None => {
                        let names: Vec<_> = rules.iter().map(|rule| format!("`{}`", rule.name)).collect();
                        error.with_help(format!("it takes {}", names.join(", ")))
                    }
                });
                continue;
            };
            let first = clauses.iter().take(index).find(|earlier| earlier.name.name == name.name);
            if let (false, Some(first)) = (rule.repeats, first) {
                diagnostics.push(
                    Diagnostic::error(DUPLICATE_CLAUSE, name.span, format!("`{}` stands twice", name.name))
                        .with_note(first.name.span, "first here")
                        .with_help("keep one of them"),
                );
            }
        }
        Self { clauses, rules, unknown }
    }

    /// Whether a clause was reported that may be one that is missing.
    pub(super) fn has_unknown(&self) -> bool {
        self.unknown
    }

    /// The first clause of a name.
    pub(super) fn get(&self, name: &str) -> Option<&'a Clause> {
        self.clauses.iter().find(|clause| *clause.name.name == *name)
    }

    /// All clauses of a name.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &'a Clause> + use<'a> {
        self.clauses.iter().filter(move |clause| *clause.name.name == *name)
    }

    /// Says how a clause is written.
    pub(super) fn malformed(&self, clause: &Clause, message: impl Into<String>, span: Span) -> Diagnostic {
        let error = Diagnostic::error(MALFORMED_CLAUSE, span, message);
        match self.rules.iter().find(|rule| *rule.name == *clause.name.name) {
            Some(rule) => error.with_help(format!("write `{}`", rule.example)),
            None => error,
        }
    }

    /// The only argument of a clause.
    pub(super) fn one(&self, clause: &'a Clause, diagnostics: &mut Diagnostics) -> Option<&'a Datum> {
        match clause.arguments.as_slice() {
            [one] => Some(one),
            [] => {
                let message = format!("`{}` is empty", clause.name.name);
                diagnostics.push(self.malformed(clause, message, clause.span));
                None
            }
            [_, more, ..] => {
                let message = format!("`{}` takes one argument", clause.name.name);
                diagnostics.push(self.malformed(clause, message, more.span));
                None
            }
        }
    }

    /// The only argument, a string.
    pub(super) fn string(&self, clause: &'a Clause, diagnostics: &mut Diagnostics) -> Option<(Arc<str>, Span)> {
        let argument = self.one(clause, diagnostics)?;
        self.as_string(clause, argument, diagnostics)
    }

    /// An argument that is to be a string that C can hold.
    pub(super) fn as_string(
        &self,
        clause: &Clause,
        argument: &Datum,
        diagnostics: &mut Diagnostics,
    ) -> Option<(Arc<str>, Span)> {
        match argument.as_string() {
            Some(text) if !text.is_empty() && !text.contains('\0') => Some((text.clone(), argument.span)),
            Some(_) => {
                let message = format!("this can't be the text of `{}`", clause.name.name);
                diagnostics.push(self.malformed(clause, message, argument.span));
                None
            }
            None => {
                let message = format!("`{}` takes a string", clause.name.name);
                diagnostics.push(self.malformed(clause, message, argument.span));
                None
            }
        }
    }

    /// The only argument, a keyword.
    pub(super) fn keyword(&self, clause: &'a Clause, diagnostics: &mut Diagnostics) -> Option<Ident> {
        let argument = self.one(clause, diagnostics)?;
        match argument.as_keyword() {
            Some(name) => Some(Ident { name: name.clone(), span: argument.span }),
            None => {
                let message = format!("`{}` takes a keyword", clause.name.name);
                diagnostics.push(self.malformed(clause, message, argument.span));
                None
            }
        }
    }

    /// The only argument, an expression.
    pub(super) fn value(&self, clause: &'a Clause, diagnostics: &mut Diagnostics) -> Option<&'a Expr> {
        self.one(clause, diagnostics)?;
        clause.values.first()
    }

    /// Whether a clause without arguments is there.
    pub(super) fn flag(&self, name: &str, diagnostics: &mut Diagnostics) -> Option<&'a Clause> {
        let clause = self.get(name)?;
        if let Some(argument) = clause.arguments.first() {
            diagnostics.push(self.malformed(clause, format!("`{name}` takes no arguments"), argument.span));
        }
        Some(clause)
    }
}
