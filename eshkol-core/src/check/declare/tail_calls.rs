//! The map of programs that `(tail-call ctx program)` goes through.

use crate::check::typed::Map;
use crate::check::types::{DataType, IntType};
use crate::check::walk;
use crate::expand::form::{DefinitionKind, Expr, ExprKind, ProgramId, Unit};
use crate::kernel::MapKind;
use crate::source::Span;

/// The programs that are named in procedures, in the order in which they are, and where the first is.
pub(super) fn find(unit: &Unit) -> Option<(Vec<ProgramId>, Span)> {
    let mut found = Vec::new();
    let mut first = None;
    for definition in unit.definitions.values() {
        if let DefinitionKind::Value { value, .. } = &definition.kind {
            look(value, &mut |program, span| {
                first.get_or_insert(span);
                if !found.contains(&program) {
                    found.push(program);
                }
            });
        }
    }
    first.map(|span| (found, span))
}

fn look(expr: &Expr, visit: &mut dyn FnMut(ProgramId, Span)) {
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        if let ExprKind::Program(program) = expr.kind {
            visit(program, expr.span);
        }
        walk::children(expr, &mut |child| pending.push(child));
    }
}

/// The map.
pub(super) fn map(programs: usize, span: Span) -> Map {
    Map {
        name: "eshkol-programs".into(),
        span,
        doc: None,
        kind: MapKind::ProgArray,
        key: DataType::Int(IntType::U32),
        value: DataType::Int(IntType::U32),
        max_entries: u32::try_from(programs).unwrap_or(u32::MAX),
        flags: 0,
        pin_by_name: false,
        events: Vec::new(),
        programs: Vec::new(),
        hidden: true,
    }
}
