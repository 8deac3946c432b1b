//! Definitions outside procedures: what each binds when it is found, and what it becomes when it is expanded.

use std::collections::HashSet;
use std::sync::Arc;

use super::annotation::{Defined, is_colon};
use super::environment::{ContainerId, DeclarationId, Global, Identifier};
use super::expander::{Expander, Outcome, Refusal, ident, without_aliases};
use super::form::{Clause, DefId, DefinitionKind, Expr, ExprKind, FieldSyntax, Ident, StructProcedure};
use super::special::Special;
use crate::diagnostic::catalogue as codes;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind, Name};

/// A definition as it was found.
pub(super) struct Declaration {
    pub(super) name: Ident,
    pub(super) span: Span,
    pub(super) container: ContainerId,
    pub(super) doc: Option<Arc<str>>,
    pub(super) sort: Sort,
    /// What is to be expanded; taken when it is.
    pub(super) pending: Option<Pending>,
    /// `(: name type)`.
    pub(super) signature: Option<Datum>,
    /// Its id in the unit, once it belongs there.
    pub(super) definition: Option<DefId>,
}

impl Declaration {
    /// Whether its own form says its type.
    pub(super) fn is_annotated(&self) -> bool {
        matches!(self.pending, Some(Pending::Value(Defined::Value { annotation: Some(_), .. })))
    }
}

/// What a definition defines.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    Map,
    Struct,
    Header,
    Enum,
    KernelStruct,
    KernelEnum,
    Kfunc,
    Global,
    Alias,
    Procedure,
    Constant,
}

impl Sort {
    /// What messages call it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Map => "a map",
            Self::Struct => "a struct",
            Self::Header => "a header",
            Self::Enum => "an enum",
            Self::KernelStruct => "a struct of the kernel",
            Self::KernelEnum => "an enum of the kernel",
            Self::Kfunc => "a function of the kernel",
            Self::Global => "a global",
            Self::Alias => "the name of a type",
            Self::Procedure => "a procedure",
            Self::Constant => "a constant",
        }
    }

    fn is_type(self) -> bool {
        matches!(self, Self::Struct | Self::Header | Self::Enum | Self::KernelStruct | Self::KernelEnum | Self::Alias)
    }
}

/// A definition that is not expanded yet.
pub(super) enum Pending {
    Map {
        kind: Ident,
        clauses: Vec<Datum>,
    },
    Struct {
        fields: Vec<FieldSyntax>,
    },
    Header {
        fields: Vec<FieldSyntax>,
    },
    Enum {
        variants: Vec<(Ident, Option<Datum>)>,
    },
    KernelStruct {
        fields: Vec<FieldSyntax>,
    },
    KernelEnum {
        variants: Vec<Ident>,
    },
    Kfunc {
        parameters: Vec<FieldSyntax>,
        result: Option<Datum>,
    },
    Global {
        mutable: bool,
        ty: Datum,
        init: Option<Datum>,
    },
    Alias {
        ty: Datum,
    },
    Value(Defined),
    /// One name of `(define-values formals value)`.
    ValuesPart {
        formals: Datum,
        value: Datum,
        index: usize,
    },
}

impl Expander<'_> {
    /// Notes a definition in the current container and binds its name.
    fn declare(&mut self, name: &Datum, form: &Datum, sort: Sort, pending: Pending) -> Outcome<DeclarationId> {
        let (Some(identifier), Some(ident)) = (Identifier::of(name), ident(name)) else {
            return Err(Refusal::malformed(name.span, "a name is wanted here"));
        };
        let declaration = self.declarations.push(Declaration {
            name: ident,
            span: form.span,
            container: self.environment.container,
            doc: form.doc.clone(),
            sort,
            pending: Some(pending),
            signature: None,
            definition: None,
        });
        if sort.is_type() {
            self.bind_type(identifier.name, declaration, name.span);
        } else {
            self.bind_global(identifier, Global::Definition(declaration), name.span);
        }
        // The user's definitions belong to the unit whether they are used or not.
        if !self.environment.current().prelude {
            self.definition(declaration);
        }
        Ok(declaration)
    }

    /// Binds a name in the current container.
    pub(super) fn bind_global(&mut self, identifier: Identifier, global: Global, span: Span) {
        let name = identifier.name.clone();
        if let Err(first) = self.environment.define(identifier, global, span) {
            self.duplicate_definition(&name, span, first);
        }
    }

    fn bind_type(&mut self, name: Name, declaration: DeclarationId, span: Span) {
        if let Err(first) = self.environment.define_type(name.clone(), declaration, span) {
            self.duplicate_definition(&name, span, first);
        }
    }

    /// `define`.
    pub(super) fn declare_value(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<()> {
        let define = self.define_shape(arguments, form.span)?;
        let kind = DatumKind::Symbol { name: define.identifier.name, alias: define.identifier.alias };
        let name = Datum::new(define.span, kind);
        let sort = match &define.what {
            Defined::Procedure { .. } => Sort::Procedure,
            Defined::Value { value, .. } => match self.head(value) {
                Some(super::environment::Denotation::Special(Special::Lambda)) => Sort::Procedure,
                _ => Sort::Constant,
            },
        };
        self.declare(&name, form, sort, Pending::Value(define.what)).map(|_| ())
    }

    /// `define-values`.
    pub(super) fn declare_values(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<()> {
        let [formals, value] = arguments else {
            return Err(Refusal::malformed(form.span, "`define-values` wants names and an expression"));
        };
        let parsed = self.formals(formals)?;
        for (index, parameter) in parsed.required.into_iter().chain(parsed.rest).enumerate() {
            let kind = DatumKind::Symbol { name: parameter.identifier.name, alias: parameter.identifier.alias };
            let name = Datum::new(parameter.span, kind);
            let pending = Pending::ValuesPart { formals: formals.clone(), value: value.clone(), index };
            self.declare(&name, form, Sort::Constant, pending)?;
        }
        Ok(())
    }

    /// `define-map`.
    pub(super) fn declare_map(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<()> {
        let [name, kind, clauses @ ..] = arguments else {
            return Err(Refusal::malformed(form.span, "`define-map` wants a name, a kind and clauses"));
        };
        let Some(kind_name) = kind.as_keyword().or(kind.as_symbol()) else {
            return Err(Refusal::malformed(kind.span, "the kind of the map is wanted here, like `:hash`"));
        };
        let kind = Ident { name: kind_name.clone(), span: kind.span };
        let pending = Pending::Map { kind, clauses: clauses.to_vec() };
        self.declare(name, form, Sort::Map, pending).map(|_| ())
    }

    /// `define-struct`, `define-header` and `define-kernel-struct`.
    pub(super) fn declare_struct(&mut self, form: &Datum, arguments: &[Datum], sort: Sort) -> Outcome<()> {
        let Some((name, fields)) = arguments.split_first() else {
            return Err(Refusal::malformed(form.span, "a name and fields are wanted"));
        };
        let mut parsed = Vec::new();
        for field in fields {
            parsed.push(self.field(field)?);
        }
        let names: Vec<Ident> = parsed.iter().map(|field| field.name.clone()).collect();
        let pending = match sort {
            Sort::Header => Pending::Header { fields: parsed },
            Sort::KernelStruct => Pending::KernelStruct { fields: parsed },
            _ => Pending::Struct { fields: parsed },
        };
        let declaration = self.declare(name, form, sort, pending)?;
        let Some(Identifier { name: base, alias }) = Identifier::of(name) else { return Ok(()) };
        let mut bind = |text: String, procedure: StructProcedure, span: Span| {
            let identifier = Identifier { name: text.into(), alias };
            self.bind_global(identifier, Global::StructProcedure(declaration, procedure), span);
        };
        // The kernel's own memory is only read.
        let is_own = sort != Sort::KernelStruct;
        if is_own {
            bind(format!("make-{base}"), StructProcedure::Make, name.span);
        }
        // A field that is there twice is the checker's to report; it binds its names once.
        let mut seen = HashSet::new();
        for (index, field) in names.iter().enumerate().filter(|(_, field)| seen.insert(&field.name)) {
            bind(format!("{base}-{}", field.name), StructProcedure::Get(index), field.span);
            if is_own {
                bind(format!("set-{base}-{}!", field.name), StructProcedure::Set(index), field.span);
            }
        }
        if sort == Sort::Header {
            bind(format!("{base}-payload"), StructProcedure::Payload, name.span);
        }
        Ok(())
    }

    fn field(&mut self, datum: &Datum) -> Outcome<FieldSyntax> {
        let Some((name, ty)) = datum.as_list().and_then(<[_]>::split_first) else {
            return Err(Refusal::malformed(datum.span, "a field `(name type)` is wanted here"));
        };
        let Some(ident) = ident(name) else {
            return Err(Refusal::malformed(name.span, "the name of a field is wanted here"));
        };
        match ty {
            [] => Err(Refusal::malformed(datum.span, format!("the field `{}` has no type", ident.name))),
            [colon, rest @ ..] if is_colon(colon) => {
                let ty: Vec<String> = rest.iter().map(ToString::to_string).collect();
                Err(self.bad_annotation(
                    colon.span,
                    format!("a field is written `({} {})`, without the colon", ident.name, ty.join(" ")),
                ))
            }
            _ => {
                let ty = ty.iter().map(without_aliases).collect();
                Ok(FieldSyntax { name: ident, ty, span: datum.span, doc: datum.doc.clone() })
            }
        }
    }

    /// `define-kfunc`.
    pub(super) fn declare_kfunc(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<()> {
        let Some((name, rest)) = arguments.split_first() else {
            return Err(Refusal::malformed(form.span, "a name, parameters and a result are wanted"));
        };
        let (parameters, result) = match rest.split_last() {
            Some((last, parameters)) if last.as_list().is_none() => (parameters, Some(without_aliases(last))),
            _ => (rest, None),
        };
        let mut parsed = Vec::new();
        for parameter in parameters {
            match parameter.as_list() {
                Some([_, _]) => parsed.push(self.field(parameter)?),
                _ => return Err(Refusal::malformed(parameter.span, "a parameter `(name type)` is wanted here")),
            }
        }
        self.declare(name, form, Sort::Kfunc, Pending::Kfunc { parameters: parsed, result }).map(|_| ())
    }

    /// `define-enum` and `define-kernel-enum`.
    pub(super) fn declare_enum(&mut self, form: &Datum, arguments: &[Datum], sort: Sort) -> Outcome<()> {
        let Some((name, items)) = arguments.split_first() else {
            return Err(Refusal::malformed(form.span, "a name and variants are wanted"));
        };
        let mut variants = Vec::new();
        let mut identifiers = Vec::new();
        for item in items {
            let (variant, value) = match item.as_list() {
                None => (item, None),
                Some([variant]) => (variant, None),
                Some([variant, value]) if sort == Sort::Enum => (variant, Some(value.clone())),
                Some(_) if sort == Sort::KernelEnum => {
                    let message = "a variant of the kernel's enum is a name: the kernel knows its number";
                    return Err(Refusal::malformed(item.span, message));
                }
                Some(_) => return Err(Refusal::malformed(item.span, "a variant is `name` or `(name value)`")),
            };
            let (Some(ident), Some(identifier)) = (ident(variant), Identifier::of(variant)) else {
                return Err(Refusal::malformed(item.span, "a variant is `name` or `(name value)`"));
            };
            identifiers.push((identifier, variant.span));
            variants.push((ident, value));
        }
        let pending = match sort {
            Sort::KernelEnum => {
                Pending::KernelEnum { variants: variants.into_iter().map(|(variant, _)| variant).collect() }
            }
            _ => Pending::Enum { variants },
        };
        let declaration = self.declare(name, form, sort, pending)?;
        let mut seen = HashSet::new();
        for (index, (identifier, span)) in identifiers.into_iter().enumerate() {
            if !seen.insert(identifier.clone()) {
                continue;
            }
            self.bind_global(identifier, Global::EnumVariant(declaration, index), span);
        }
        Ok(())
    }

    /// `define-global`.
    pub(super) fn declare_global(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<()> {
        let (target, ty, init) = match arguments {
            [_, colon, ty, rest @ ..] if is_colon(colon) => {
                let init = rest.first().map_or_else(|| "0".to_owned(), ToString::to_string);
                let help = format!("a global is written `(define-global name {ty} {init})`, without the colon");
                return Err(self.bad_annotation(colon.span, help));
            }
            [target, ty] => (target, ty, None),
            [target, ty, init] => (target, ty, Some(init.clone())),
            _ => return Err(Refusal::malformed(form.span, "`define-global` wants a name, a type and a value")),
        };
        let (name, mutable) = match target.as_list() {
            None => (target, false),
            Some([name, flag]) if flag.as_keyword().is_some_and(|flag| &**flag == "mutable") => (name, true),
            Some(_) => return Err(Refusal::malformed(target.span, "a name, or `(name :mutable)`, is wanted here")),
        };
        let pending = Pending::Global { mutable, ty: ty.clone(), init };
        self.declare(name, form, Sort::Global, pending).map(|_| ())
    }

    /// `define-type`.
    pub(super) fn declare_type(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<()> {
        match arguments {
            [name, ty] => self.declare(name, form, Sort::Alias, Pending::Alias { ty: ty.clone() }).map(|_| ()),
            _ => Err(Refusal::malformed(form.span, "`define-type` wants a name and a type")),
        }
    }

    /// Expands a definition that was only found so far.
    pub(super) fn expand_declaration(&mut self, id: DeclarationId) {
        let declaration = self.declarations.at_mut(id);
        let (Some(definition), Some(pending)) = (declaration.definition, declaration.pending.take()) else { return };
        let (name, span, signature) = (declaration.name.clone(), declaration.span, declaration.signature.take());
        let container = declaration.container;
        let kind = self.within(container, |expander| expander.definition_kind(name, span, signature, pending));
        self.unit.definitions.at_mut(definition).kind = kind;
    }

    fn definition_kind(
        &mut self,
        name: Ident,
        span: Span,
        signature: Option<Datum>,
        pending: Pending,
    ) -> DefinitionKind {
        match pending {
            Pending::Map { kind, clauses } => {
                let clauses = clauses.iter().filter_map(|clause| self.clause(clause, true)).collect();
                DefinitionKind::Map { kind, clauses }
            }
            Pending::Struct { fields } => DefinitionKind::Struct { fields: self.note_field_types(fields) },
            Pending::Header { fields } => DefinitionKind::Header { fields: self.note_field_types(fields) },
            Pending::KernelStruct { fields } => DefinitionKind::KernelStruct { fields: self.note_field_types(fields) },
            Pending::KernelEnum { variants } => DefinitionKind::KernelEnum { variants },
            Pending::Kfunc { parameters, result } => DefinitionKind::Kfunc {
                parameters: self.note_field_types(parameters),
                result: result.map(|result| self.type_syntax(&result)),
            },
            Pending::Enum { variants } => DefinitionKind::Enum {
                variants: variants
                    .into_iter()
                    .map(|(ident, value)| (ident, value.map(|value| self.expression(&value))))
                    .collect(),
            },
            Pending::Global { mutable, ty, init } => DefinitionKind::Global {
                mutable,
                ty: self.type_syntax(&ty),
                init: init.map(|init| self.expression(&init)),
            },
            Pending::Alias { ty } => DefinitionKind::Alias { ty: self.type_syntax(&ty) },
            Pending::Value(Defined::Value { annotation, value }) => {
                let value = self.named_expression(name, &value);
                DefinitionKind::Value { annotation: annotation.or(signature), value }
            }
            Pending::Value(Defined::Procedure { formals, result, body }) => {
                let value = self.defined_procedure(name, &formals, result, &body, span);
                DefinitionKind::Value { annotation: signature, value }
            }
            Pending::ValuesPart { formals, value, index } => {
                let value = self.values_part(&formals, &value, index, span);
                DefinitionKind::Value { annotation: signature, value }
            }
        }
    }

    /// `(let-values ((formals value)) name)`, for the name at `index`.
    fn values_part(&mut self, formals: &Datum, value: &Datum, index: usize, span: Span) -> Expr {
        let value = self.boxed(value);
        // The names are checked already.
        let Ok(formals) = self.formals(formals) else { return Expr::new(span, ExprKind::Error) };
        self.environment.push_scope();
        let (variables, rest) = self.bind_formals(formals);
        self.environment.pop_scope();
        let chosen = variables.iter().chain(&rest).nth(index);
        let body = chosen.map_or(ExprKind::Error, |variable| ExprKind::Local(*variable));
        let body = Box::new(Expr::new(span, body));
        Expr::new(span, ExprKind::LetValues { variables, rest, value, body })
    }

    fn note_field_types(&mut self, fields: Vec<FieldSyntax>) -> Vec<FieldSyntax> {
        for field in &fields {
            for ty in &field.ty {
                self.type_syntax(ty);
            }
        }
        fields
    }

    /// `(name argument …)` of a program or map. `None`, reported, where it is not written so.
    pub(super) fn clause(&mut self, datum: &Datum, with_values: bool) -> Option<Clause> {
        let items = datum.as_list().unwrap_or(&[]);
        let Some((name, arguments)) = items.split_first().and_then(|(name, rest)| Some((ident(name)?, rest))) else {
            self.error(
                codes::BAD_SYNTAX,
                datum.span,
                "a clause `(name argument …)` is wanted here",
                format!("a map is written `{}`", Special::DefineMap.shape()),
            );
            return None;
        };
        let values = if with_values && matches!(&*name.name, "max-entries" | "size") {
            arguments.iter().map(|argument| self.expression(argument)).collect()
        } else {
            Vec::new()
        };
        let arguments = arguments.iter().map(|argument| self.type_syntax(argument)).collect();
        Some(Clause { name, span: datum.span, arguments, values })
    }
}
