//! Patterns of `syntax-rules`, and matching.

use std::borrow::Cow;
use std::ops::Range;

use super::{BadRules, Special};
use crate::expand::environment::Identifier;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind};

/// A pattern.
#[derive(Debug)]
pub(super) enum Pattern {
    /// `_`.
    Anything,
    /// A variable, by number.
    Variable(usize),
    /// A name that matches only itself.
    Literal(Identifier),
    /// A datum that matches only itself.
    Constant(DatumKind),
    List(Items),
    Vector(Items),
}

/// `before … repeated ... after … . tail`.
#[derive(Debug)]
pub(super) struct Items {
    before: Vec<Pattern>,
    repeated: Option<Repeated>,
    after: Vec<Pattern>,
    tail: Option<Box<Pattern>>,
}

#[derive(Debug)]
struct Repeated {
    pattern: Box<Pattern>,
    /// The variables in it.
    variables: Range<usize>,
}

/// A variable of a pattern.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) identifier: Identifier,
    /// Under how many ellipses it stands.
    pub(super) depth: usize,
}

/// What a variable matched.
#[derive(Debug)]
pub(super) enum Bound<'a> {
    Nothing,
    One(Cow<'a, Datum>),
    /// One for each form that the ellipsis matched.
    Many(Vec<Bound<'a>>),
}

/// Makes patterns.
pub(super) struct PatternCompiler<'s> {
    special: &'s Special,
    depth: usize,
    pub(super) variables: Vec<Variable>,
}

impl<'s> PatternCompiler<'s> {
    pub(super) fn new(special: &'s Special) -> Self {
        Self { special, depth: 0, variables: Vec::new() }
    }

    /// The pattern of a list's items.
    pub(super) fn items(&mut self, items: &[Datum], tail: Option<&Datum>, span: Span) -> Result<Pattern, BadRules> {
        Ok(Pattern::List(self.sequence(items, tail, span)?))
    }

    fn sequence(&mut self, items: &[Datum], tail: Option<&Datum>, span: Span) -> Result<Items, BadRules> {
        let mut result = Items { before: Vec::new(), repeated: None, after: Vec::new(), tail: None };
        let mut items = items.iter().peekable();
        while let Some(item) = items.next() {
            if self.special.is_ellipsis(item) {
                return Err(BadRules::new(item.span, "nothing that could repeat stands before this ellipsis"));
            }
            if items.next_if(|next| self.special.is_ellipsis(next)).is_some() {
                if result.repeated.is_some() {
                    return Err(BadRules::new(span, "a list of a pattern has at most one ellipsis"));
                }
                let first = self.variables.len();
                self.depth += 1;
                let pattern = Box::new(self.pattern(item)?);
                self.depth -= 1;
                result.repeated = Some(Repeated { pattern, variables: first..self.variables.len() });
            } else {
                let pattern = self.pattern(item)?;
                if result.repeated.is_some() { result.after.push(pattern) } else { result.before.push(pattern) }
            }
        }
        if let Some(tail) = tail {
            result.tail = Some(Box::new(self.pattern(tail)?));
        }
        Ok(result)
    }

    fn pattern(&mut self, datum: &Datum) -> Result<Pattern, BadRules> {
        match &datum.kind {
            DatumKind::List(items, tail) => Ok(Pattern::List(self.sequence(items, tail.as_deref(), datum.span)?)),
            DatumKind::Vector(items) => Ok(Pattern::Vector(self.sequence(items, None, datum.span)?)),
            DatumKind::Symbol { name, alias } => {
                let identifier = Identifier { name: name.clone(), alias: *alias };
                if self.special.is_literal(&identifier) {
                    return Ok(Pattern::Literal(identifier));
                }
                if &**name == "_" {
                    return Ok(Pattern::Anything);
                }
                if self.variables.iter().any(|variable| variable.identifier == identifier) {
                    return Err(BadRules::new(datum.span, format!("the pattern variable `{name}` is there twice")));
                }
                self.variables.push(Variable { identifier, depth: self.depth });
                Ok(Pattern::Variable(self.variables.len() - 1))
            }
            kind => Ok(Pattern::Constant(kind.clone())),
        }
    }
}

/// Whether a name of the use is a literal of the macro.
type IsLiteral<'f> = dyn Fn(&Identifier, &Identifier) -> bool + 'f;

impl Pattern {
    /// Matches the items of a list; `span` is for what a tail variable makes of the rest.
    pub(super) fn matches_items<'a>(
        &self,
        items: &'a [Datum],
        tail: Option<&'a Datum>,
        span: Span,
        is_literal: &IsLiteral<'_>,
        bound: &mut [Bound<'a>],
    ) -> bool {
        match self {
            Self::List(pattern) => pattern.matches(items, tail, span, is_literal, bound),
            _ => false,
        }
    }

    fn matches<'a>(&self, datum: &'a Datum, is_literal: &IsLiteral<'_>, bound: &mut [Bound<'a>]) -> bool {
        match self {
            Self::Anything => true,
            Self::Variable(variable) => set(bound, *variable, Bound::One(Cow::Borrowed(datum))),
            Self::Literal(literal) => Identifier::of(datum).is_some_and(|used| is_literal(&used, literal)),
            Self::Constant(constant) => is_equal(constant, &datum.kind),
            Self::List(items) => match &datum.kind {
                DatumKind::List(list, tail) => items.matches(list, tail.as_deref(), datum.span, is_literal, bound),
                _ => false,
            },
            Self::Vector(items) => match &datum.kind {
                DatumKind::Vector(list) => items.matches(list, None, datum.span, is_literal, bound),
                _ => false,
            },
        }
    }

    /// Matches what is left of a list against the pattern after a dot.
    fn matches_rest<'a>(
        &self,
        items: &'a [Datum],
        tail: Option<&'a Datum>,
        span: Span,
        is_literal: &IsLiteral<'_>,
        bound: &mut [Bound<'a>],
    ) -> bool {
        match (self, items.first(), tail) {
            (_, None, Some(tail)) => self.matches(tail, is_literal, bound),
            (Self::Anything, _, _) => true,
            (Self::Variable(variable), _, _) => {
                let span = match (items.first(), tail.or(items.last())) {
                    (Some(first), Some(last)) => first.span.to(last.span),
                    _ => span,
                };
                let rest = DatumKind::List(items.to_vec(), tail.map(|tail| Box::new(tail.clone())));
                set(bound, *variable, Bound::One(Cow::Owned(Datum::new(span, rest))))
            }
            (Self::List(pattern), _, _) => pattern.matches(items, tail, span, is_literal, bound),
            _ => false,
        }
    }
}

impl Items {
    fn matches<'a>(
        &self,
        items: &'a [Datum],
        tail: Option<&'a Datum>,
        span: Span,
        is_literal: &IsLiteral<'_>,
        bound: &mut [Bound<'a>],
    ) -> bool {
        let each = |patterns: &[Pattern], items: &'a [Datum], bound: &mut [Bound<'a>]| {
            patterns.iter().zip(items).all(|(pattern, item)| pattern.matches(item, is_literal, bound))
        };
        let Some((before, rest)) = items.split_at_checked(self.before.len()) else { return false };
        if !each(&self.before, before, bound) {
            return false;
        }
        let rest = match &self.repeated {
            None => rest,
            Some(repeated) => {
                let Some(count) = rest.len().checked_sub(self.after.len()) else { return false };
                let Some((middle, after)) = rest.split_at_checked(count) else { return false };
                if !repeated.matches(middle, is_literal, bound) || !each(&self.after, after, bound) {
                    return false;
                }
                &[]
            }
        };
        match &self.tail {
            Some(pattern) => pattern.matches_rest(rest, tail, span, is_literal, bound),
            None => rest.is_empty() && tail.is_none(),
        }
    }
}

impl Repeated {
    fn matches<'a>(&self, items: &'a [Datum], is_literal: &IsLiteral<'_>, bound: &mut [Bound<'a>]) -> bool {
        let mut columns: Vec<Vec<Bound<'a>>> = self.variables.clone().map(|_| Vec::new()).collect();
        for item in items {
            if !self.pattern.matches(item, is_literal, bound) {
                return false;
            }
            for (variable, column) in self.variables.clone().zip(&mut columns) {
                if let Some(slot) = bound.get_mut(variable) {
                    column.push(std::mem::replace(slot, Bound::Nothing));
                }
            }
        }
        self.variables.clone().zip(columns).all(|(variable, column)| set(bound, variable, Bound::Many(column)))
    }
}

fn set<'a>(bound: &mut [Bound<'a>], variable: usize, value: Bound<'a>) -> bool {
    bound.get_mut(variable).map(|slot| *slot = value).is_some()
}

/// R7RS `equal?`, for the data that are no lists and no names.
fn is_equal(a: &DatumKind, b: &DatumKind) -> bool {
    match (a, b) {
        (DatumKind::Keyword(a), DatumKind::Keyword(b)) => a == b,
        (DatumKind::Integer(a), DatumKind::Integer(b)) => a == b,
        (DatumKind::Float(a), DatumKind::Float(b)) | (DatumKind::String(a), DatumKind::String(b)) => a == b,
        (DatumKind::Bool(a), DatumKind::Bool(b)) => a == b,
        (DatumKind::Char(a), DatumKind::Char(b)) => a == b,
        _ => false,
    }
}
