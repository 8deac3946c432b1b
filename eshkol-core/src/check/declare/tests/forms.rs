//! Declarations as forms, straight from data: what the expander makes of text that has no macros and no procedure bodies.

use std::sync::Arc;

use crate::arena::Arena;
use crate::expand::form::*;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind, Name};

/// The unit of some data.
pub(super) fn unit(data: &[Datum]) -> Unit {
    let mut builder = Builder::default();
    builder.collect(data, None);
    let mut unit = Unit { programs: builder.programs.clone(), object: builder.object.clone(), ..Unit::default() };
    let items: Vec<(Datum, Option<ProgramId>)> = builder.items.clone();
    for (datum, program) in &items {
        unit.definitions.push(builder.definition(datum, *program));
    }
    unit
}

#[derive(Default)]
struct Builder {
    programs: Arena<ProgramId, Program>,
    object: Option<ObjectHeader>,
    items: Vec<(Datum, Option<ProgramId>)>,
}

fn ident(datum: &Datum) -> Ident {
    let name = match &datum.kind {
        DatumKind::Symbol { name, .. } | DatumKind::Keyword(name) => name.clone(),
        other => panic!("no name: {other:?}"),
    };
    Ident { name, span: datum.span }
}

fn head(datum: &Datum) -> &str {
    datum.as_list().and_then(|items| items.first()).and_then(Datum::as_symbol).map_or("", |name| name)
}

impl Builder {
    fn collect(&mut self, data: &[Datum], program: Option<ProgramId>) {
        for datum in data {
            let items = datum.as_list().expect("a form");
            match head(datum) {
                "define-ebpf-object" => {
                    let clauses = items[2..].iter().map(|clause| self.clause(clause)).collect();
                    self.object = Some(ObjectHeader { name: ident(&items[1]), clauses, doc: datum.doc.clone() });
                }
                "define-ebpf-program" => {
                    let (inner, clauses): (Vec<Datum>, Vec<Datum>) =
                        items[2..].iter().cloned().partition(|item| head(item).starts_with("define"));
                    let clauses = clauses.iter().map(|clause| self.clause(clause)).collect();
                    let id = self.programs.push(Program {
                        name: ident(&items[1]),
                        span: datum.span,
                        clauses,
                        parent: program,
                        doc: datum.doc.clone(),
                    });
                    self.collect(&inner, Some(id));
                }
                _ => self.items.push((datum.clone(), program)),
            }
        }
    }

    fn clause(&self, datum: &Datum) -> Clause {
        let items = datum.as_list().expect("a clause");
        let name = ident(&items[0]);
        let valued = matches!(&*name.name, "max-entries" | "size");
        let values = if valued { items[1..].iter().map(|item| self.expr(item)).collect() } else { Vec::new() };
        Clause { name, span: datum.span, arguments: items[1..].to_vec(), values }
    }

    fn definition(&self, datum: &Datum, program: Option<ProgramId>) -> Definition {
        let items = datum.as_list().expect("a definition");
        let mut name = &items[1];
        let fields = || items[2..].iter().map(field).collect();
        let kind = match head(datum) {
            "define-map" => DefinitionKind::Map {
                kind: ident(&items[2]),
                clauses: items[3..].iter().map(|clause| self.clause(clause)).collect(),
            },
            "define-struct" => DefinitionKind::Struct { fields: fields() },
            "define-header" => DefinitionKind::Header { fields: fields() },
            "define-enum" => DefinitionKind::Enum {
                variants: items[2..]
                    .iter()
                    .map(|item| match item.as_list() {
                        Some([name, value]) => (ident(name), Some(self.expr(value))),
                        _ => (ident(item), None),
                    })
                    .collect(),
            },
            "define-type" => DefinitionKind::Alias { ty: items[2].clone() },
            "define-global" => {
                let mutable = name.as_list().is_some();
                name = name.as_list().map_or(name, |parts| &parts[0]);
                DefinitionKind::Global { mutable, ty: items[2].clone(), init: items.get(3).map(|init| self.expr(init)) }
            }
            "define" => match (name.as_list(), &items[2..]) {
                (Some(signature), _) => {
                    name = &signature[0];
                    let body = Expr { span: datum.span, kind: ExprKind::Unspecified };
                    let lambda = Lambda {
                        name: Some(ident(name)),
                        parameters: Vec::new(),
                        rest: None,
                        result: None,
                        body,
                        span: datum.span,
                    };
                    let value = Expr { span: datum.span, kind: ExprKind::Lambda(Arc::new(lambda)) };
                    DefinitionKind::Value { annotation: None, value }
                }
                (None, [value]) => DefinitionKind::Value { annotation: None, value: self.expr(value) },
                (None, [_colon, ty, value]) => {
                    DefinitionKind::Value { annotation: Some(ty.clone()), value: self.expr(value) }
                }
                _ => panic!("{datum}"),
            },
            other => panic!("no form {other}"),
        };
        Definition { name: ident(name), span: datum.span, program, prelude: false, doc: datum.doc.clone(), kind }
    }

    fn expr(&self, datum: &Datum) -> Expr {
        let kind = match &datum.kind {
            DatumKind::Integer(value) => ExprKind::Integer(*value),
            DatumKind::Float(text) => ExprKind::Float(text.clone()),
            DatumKind::Bool(value) => ExprKind::Bool(*value),
            DatumKind::String(text) => ExprKind::String(text.clone()),
            DatumKind::Keyword(name) => ExprKind::Keyword(name.clone()),
            DatumKind::Symbol { name, .. } => self.reference(name),
            DatumKind::List(items, None) => match (head(datum), &items[1..]) {
                ("sizeof", [ty]) => ExprKind::SizeOf(ty.clone()),
                ("the", [ty, value]) => ExprKind::The(ty.clone(), Box::new(self.expr(value))),
                (_, arguments) => {
                    let arguments = arguments.iter().map(|argument| self.expr(argument)).collect();
                    ExprKind::Call(Box::new(self.expr(&items[0])), arguments)
                }
            },
            other => panic!("no expression: {other:?}"),
        };
        Expr { span: datum.span, kind }
    }

    fn reference(&self, name: &Name) -> ExprKind {
        for (id, (item, _)) in (0..).map(crate::arena::Id::new).zip(&self.items) {
            let items = item.as_list().expect("a definition");
            let defined = items[1].as_list().map_or(&items[1], |parts| &parts[0]);
            let defined = defined.as_symbol().expect("a name");
            match head(item) {
                "define-enum" => {
                    for (variant, item) in items[2..].iter().enumerate() {
                        if item.as_list().map_or(item, |parts| &parts[0]).as_symbol() == Some(name) {
                            return ExprKind::EnumVariant { definition: id, variant };
                        }
                    }
                }
                "define-struct" if **name == format!("make-{defined}") => {
                    return ExprKind::StructProcedure { definition: id, procedure: StructProcedure::Make };
                }
                "define" | "define-global" if defined == name => return ExprKind::Definition(id),
                _ => {}
            }
        }
        ExprKind::Builtin(name.clone())
    }
}

fn field(datum: &Datum) -> FieldSyntax {
    let items = datum.as_list().expect("a field");
    let span: Span = datum.span;
    FieldSyntax { name: ident(&items[0]), ty: items[1..].to_vec(), span, doc: datum.doc.clone() }
}
