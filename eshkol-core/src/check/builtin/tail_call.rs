//! Tail calls: going on with another program, which never comes back.

use super::super::checker::Checker;
use super::super::typed::{self, Argument, ExprKind as Typed, MapId, Type};
use super::super::types::IntType;
use super::super::value::{self, Static, Value};
use super::map::{Use, index_fits, map_argument};
use super::{Builtin, Call, are_given, helper};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::ProgramId;
use crate::kernel::helper::{TAIL_CALL, by_id};
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[Builtin { name: "tail-call", arity: (2, 3), check: tail_call }];

/// `(tail-call ctx map index)`, `(tail-call ctx program)`: gives nothing, and only where there is no program to go on with.
fn tail_call(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let (span, given) = (call.span, call.values.len());
    if by_id(TAIL_CALL).is_none_or(|known| !helper::allowed(checker, known, span)) {
        return Value::Error(span);
    }
    let (Some(context), Some(target), index) = (call.take(0), call.take(1), call.take(2)) else {
        return Value::Error(span);
    };
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    let place = match (&target, index) {
        (Value::Static(Static::Program(program), place), None) => checker.program_to_call(*program, *place),
        (Value::Static(Static::Program(_), _), Some(_)) => {
            let message = format!("`tail-call` takes the context and a program, and {}", are_given(given));
            checker.error(catalogue::WRONG_ARITY, span, message);
            None
        }
        (_, Some(index)) => entry_to_call(checker, &target, index),
        (Value::Static(Static::Map(_), _), None) => {
            checker.report(
                Diagnostic::error(catalogue::WRONG_ARITY, span, "which program of the map?")
                    .with_help("give its index: `(tail-call ctx map index)`"),
            );
            None
        }
        (Value::Error(_), None) => None,
        (other, None) => {
            let what = checker.describe(other);
            checker.report(
                Diagnostic::error(
                    catalogue::TYPE_MISMATCH,
                    other.span(),
                    format!("a program to go on with is wanted here, and this is {what}"),
                )
                .with_help("give the name of a program of this unit, or a `:prog-array` map and an index"),
            );
            None
        }
    };
    let Some((map, index)) = place else { return Value::Error(span) };
    let epoch = checker.new_epoch(Some(span));
    checker.flow.epoch = epoch;
    let arguments = vec![Argument::Value(context), Argument::Map(map), Argument::Value(index)];
    Value::run(Type::Unit, span, Typed::Helper { helper: TAIL_CALL, arguments })
}

/// An entry of a map that user space fills.
fn entry_to_call(checker: &mut Checker<'_>, map: &Value, index: Value) -> Option<(MapId, typed::Expr)> {
    let id = map_argument(checker, map, Use::TailCall)?;
    let index = checker.int(index)?;
    let declared = checker.declarations.maps.at(id).clone();
    index_fits(checker, &declared, index.range, index.constant(), index.expr.span);
    Some((id, index.expr))
}

impl Checker<'_> {
    /// Where the loader puts a program of the unit.
    fn program_to_call(&mut self, id: ProgramId, span: Span) -> Option<(MapId, typed::Expr)> {
        let table = self.declarations.tail_calls.as_ref()?;
        let index = table.programs.iter().position(|program| *program == id)?;
        let target = self.declarations.programs.iter().find(|program| program.id == id)?;
        let here = self.program;
        let same = target.program_type == here.program_type && target.frags == here.frags;
        if !same || target.sleepable != here.sleepable {
            let what = |program: &super::super::declare::DeclaredProgram| {
                let frags = if program.frags { " with `(frags)`" } else { "" };
                let sleepable = if program.sleepable { " with `(sleepable)`" } else { "" };
                format!("a `:{}` program{frags}{sleepable}", program.program_type.keyword())
            };
            let message = format!("`{}` is {}, and this is {}", target.name.name, what(target), what(here));
            self.report(
                Diagnostic::error(catalogue::TAIL_CALL_TO_ANOTHER_TYPE, span, message)
                    .with_note(target.name.span, "defined here")
                    .with_help("programs go on with programs of their own type"),
            );
            return None;
        }
        Some((table.map, value::constant(i128::try_from(index).unwrap_or(0), IntType::U32, span)))
    }
}
