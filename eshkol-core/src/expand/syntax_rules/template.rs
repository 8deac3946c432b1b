//! Templates of `syntax-rules`, and what they make of what a pattern matched.

use std::sync::Arc;

use super::pattern::{Bound, Variable};
use super::{BadRules, NoExpansion, Special};
use crate::expand::environment::Identifier;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind};

/// A template.
#[derive(Debug)]
pub(super) enum Template {
    /// A name that the macro brings in.
    Insert(Identifier),
    /// Any other datum that the macro brings in.
    Constant(DatumKind),
    /// What a variable of the pattern matched.
    Variable(usize),
    List(Vec<Element>, Option<Box<Template>>, Option<Arc<str>>),
    Vector(Vec<Element>),
}

/// A template within a list, with the ellipses after it.
#[derive(Debug)]
pub(super) struct Element {
    template: Template,
    ellipses: usize,
    /// The variables in it that repeat.
    variables: Vec<usize>,
}

/// Makes templates.
pub(super) struct TemplateCompiler<'s> {
    pub(super) special: &'s Special,
    pub(super) variables: &'s [Variable],
}

impl TemplateCompiler<'_> {
    /// The template that a datum is.
    pub(super) fn compile(&self, datum: &Datum) -> Result<Template, BadRules> {
        self.template(datum, 0, false, &mut Vec::new())
    }

    /// `depth` ellipses follow what holds this; `escaped` within `(... …)`; `used` collects the variables that repeat.
    fn template(
        &self,
        datum: &Datum,
        depth: usize,
        escaped: bool,
        used: &mut Vec<usize>,
    ) -> Result<Template, BadRules> {
        match &datum.kind {
            DatumKind::Symbol { name, alias } => {
                if !escaped && self.special.is_ellipsis(datum) {
                    return Err(BadRules::new(datum.span, "nothing that could repeat stands before this ellipsis"));
                }
                let identifier = Identifier { name: name.clone(), alias: *alias };
                let Some(index) = self.variables.iter().position(|variable| variable.identifier == identifier) else {
                    return Ok(Template::Insert(identifier));
                };
                let wanted = self.variables.get(index).map_or(0, |variable| variable.depth);
                if wanted > depth {
                    let message = format!("`{name}` stands under an ellipsis in the pattern, and needs one here");
                    return Err(BadRules::new(datum.span, message));
                }
                if wanted > 0 {
                    used.push(index);
                }
                Ok(Template::Variable(index))
            }
            DatumKind::List(items, None) if !escaped => {
                if let [first, second] = &items[..]
                    && self.special.is_ellipsis(first)
                {
                    return self.template(second, depth, true, used);
                }
                self.list(datum, items, None, depth, escaped, used)
            }
            DatumKind::List(items, tail) => self.list(datum, items, tail.as_deref(), depth, escaped, used),
            DatumKind::Vector(items) => Ok(Template::Vector(self.elements(items, depth, escaped, used)?)),
            kind => Ok(Template::Constant(kind.clone())),
        }
    }

    fn list(
        &self,
        datum: &Datum,
        items: &[Datum],
        tail: Option<&Datum>,
        depth: usize,
        escaped: bool,
        used: &mut Vec<usize>,
    ) -> Result<Template, BadRules> {
        let elements = self.elements(items, depth, escaped, used)?;
        let tail = tail.map(|tail| self.template(tail, depth, escaped, used)).transpose()?;
        Ok(Template::List(elements, tail.map(Box::new), datum.doc.clone()))
    }

    fn elements(
        &self,
        items: &[Datum],
        depth: usize,
        escaped: bool,
        used: &mut Vec<usize>,
    ) -> Result<Vec<Element>, BadRules> {
        let mut elements = Vec::new();
        let mut items = items.iter().peekable();
        while let Some(item) = items.next() {
            let mut ellipses = 0;
            while !escaped && items.next_if(|next| self.special.is_ellipsis(next)).is_some() {
                ellipses += 1;
            }
            let mut variables = Vec::new();
            let template = self.template(item, depth + ellipses, escaped, &mut variables)?;
            if ellipses > 0 && variables.is_empty() {
                let message =
                    "nothing here repeats: an ellipsis follows only what holds a variable that has one in the pattern";
                return Err(BadRules::new(item.span, message));
            }
            used.extend(&variables);
            elements.push(Element { template, ellipses, variables });
        }
        Ok(elements)
    }
}

/// Makes the data of one use of a macro.
pub(super) struct Transcriber<'f> {
    /// The use, whose place everything gets that the macro brings in.
    span: Span,
    fresh: &'f mut dyn FnMut(u32) -> u32,
    /// The alias in this use for names of each alias in the template.
    aliases: Vec<(u32, u32)>,
}

impl<'f> Transcriber<'f> {
    pub(super) fn new(span: Span, fresh: &'f mut dyn FnMut(u32) -> u32) -> Self {
        Self { span, fresh, aliases: Vec::new() }
    }

    /// The datum a template makes of what the variables matched.
    pub(super) fn transcribe(&mut self, template: &Template, bound: &[Bound<'_>]) -> Result<Datum, NoExpansion> {
        let bound: Vec<&Bound<'_>> = bound.iter().collect();
        self.template(template, &bound)
    }

    fn template(&mut self, template: &Template, bound: &[&Bound<'_>]) -> Result<Datum, NoExpansion> {
        let kind = match template {
            Template::Insert(identifier) => {
                let alias = self.alias(identifier.alias);
                DatumKind::Symbol { name: identifier.name.clone(), alias }
            }
            Template::Constant(kind) => kind.clone(),
            Template::Variable(variable) => match bound.get(*variable) {
                Some(Bound::One(datum)) => return Ok(datum.clone().into_owned()),
                _ => return Err(NoExpansion::UnequalLengths),
            },
            Template::Vector(elements) => DatumKind::Vector(self.elements(elements, bound)?),
            Template::List(elements, tail, doc) => {
                let mut items = self.elements(elements, bound)?;
                let kind = match tail {
                    None => DatumKind::List(items, None),
                    Some(tail) => {
                        let tail = self.template(tail, bound)?;
                        match tail.kind {
                            DatumKind::List(more, tail) => {
                                items.extend(more);
                                DatumKind::List(items, tail)
                            }
                            _ if items.is_empty() => tail.kind,
                            _ => DatumKind::List(items, Some(Box::new(tail))),
                        }
                    }
                };
                return Ok(Datum { doc: doc.clone(), ..Datum::new(self.span, kind) });
            }
        };
        Ok(Datum::new(self.span, kind))
    }

    fn elements(&mut self, elements: &[Element], bound: &[&Bound<'_>]) -> Result<Vec<Datum>, NoExpansion> {
        let mut items = Vec::new();
        for element in elements {
            self.element(element, element.ellipses, bound, &mut items)?;
        }
        Ok(items)
    }

    fn element(
        &mut self,
        element: &Element,
        ellipses: usize,
        bound: &[&Bound<'_>],
        items: &mut Vec<Datum>,
    ) -> Result<(), NoExpansion> {
        let Some(ellipses) = ellipses.checked_sub(1) else {
            items.push(self.template(&element.template, bound)?);
            return Ok(());
        };
        // The variables that still repeat go forward together.
        let mut columns: Vec<(usize, &[Bound<'_>])> = Vec::new();
        for variable in &element.variables {
            if let Some(Bound::Many(column)) = bound.get(*variable) {
                columns.push((*variable, column));
            }
        }
        let Some(count) = columns.first().map(|(_, column)| column.len()) else {
            return Err(NoExpansion::UnequalLengths);
        };
        if columns.iter().any(|(_, column)| column.len() != count) {
            return Err(NoExpansion::UnequalLengths);
        }
        let mut row = bound.to_vec();
        for index in 0..count {
            for (variable, column) in &columns {
                if let (Some(slot), Some(value)) = (row.get_mut(*variable), column.get(index)) {
                    *slot = value;
                }
            }
            self.element(element, ellipses, &row, items)?;
        }
        Ok(())
    }

    fn alias(&mut self, parent: u32) -> u32 {
        if let Some((_, alias)) = self.aliases.iter().find(|(known, _)| *known == parent) {
            return *alias;
        }
        let alias = (self.fresh)(parent);
        self.aliases.push((parent, alias));
        alias
    }
}
