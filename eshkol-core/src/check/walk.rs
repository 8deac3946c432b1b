//! Walking over forms.

use std::collections::BTreeMap;

use crate::expand::form::{DefId, DefinitionKind, Expr, ExprKind, Unit};

/// Calls `visit` with each definition that an expression names.
pub(super) fn definitions(expr: &Expr, visit: &mut dyn FnMut(DefId)) {
    match &expr.kind {
        ExprKind::Definition(id) | ExprKind::SetDefinition(id, _) => visit(*id),
        _ => {}
    }
    children(expr, &mut |child| definitions(child, visit));
}

/// How often each definition of a unit is named.
pub(super) fn uses(unit: &Unit) -> BTreeMap<DefId, usize> {
    let mut uses = BTreeMap::new();
    for definition in unit.definitions.values() {
        if let DefinitionKind::Value { value, .. } = &definition.kind {
            definitions(value, &mut |id| *uses.entry(id).or_insert(0) += 1);
        }
    }
    uses
}

/// Calls `visit` with each direct part of an expression, in order of evaluation where there is one.
pub(super) fn children<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    match &expr.kind {
        ExprKind::Integer(_)
        | ExprKind::Float(_)
        | ExprKind::Bool(_)
        | ExprKind::Char(_)
        | ExprKind::String(_)
        | ExprKind::Keyword(_)
        | ExprKind::Quote(_)
        | ExprKind::Local(_)
        | ExprKind::Definition(_)
        | ExprKind::StructProcedure { .. }
        | ExprKind::EnumVariant { .. }
        | ExprKind::Builtin(_)
        | ExprKind::Program(_)
        | ExprKind::SizeOf(_)
        | ExprKind::FieldExists { .. }
        | ExprKind::TypeExists(_)
        | ExprKind::Unspecified
        | ExprKind::Error => {}
        ExprKind::Lambda(lambda) => visit(&lambda.body),
        ExprKind::If(test, then, otherwise) => {
            visit(test);
            visit(then);
            visit(otherwise);
        }
        ExprKind::Let(bindings, body) | ExprKind::Letrec(bindings, body) => {
            for binding in bindings {
                visit(&binding.value);
            }
            visit(body);
        }
        ExprKind::LetValues { value, body, .. } => {
            visit(value);
            visit(body);
        }
        ExprKind::SetLocal(_, value)
        | ExprKind::SetDefinition(_, value)
        | ExprKind::The(_, value)
        | ExprKind::TracepointField(value, _)
        | ExprKind::ParseHeader(_, value)
        | ExprKind::Reserve(value, _) => visit(value),
        ExprKind::Begin(items) => items.iter().for_each(visit),
        ExprKind::Call(callee, arguments) => {
            visit(callee);
            arguments.iter().for_each(visit);
        }
        ExprKind::While { test, body } => {
            visit(test);
            visit(body);
        }
        ExprKind::For { sequence, body, .. } => {
            visit(sequence);
            visit(body);
        }
        ExprKind::Case { key, clauses, otherwise } => {
            visit(key);
            clauses.iter().for_each(|(_, body)| visit(body));
            visit(otherwise);
        }
    }
}
