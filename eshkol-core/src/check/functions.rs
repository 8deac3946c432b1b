//! Which functions stay in a unit: those that can be called. Checking tries out more than that, since the body of a loop is
//! checked several times.

use std::collections::BTreeMap;

use super::parts::{parts, parts_mut};
use super::typed::{Argument, Expr, ExprKind, Function, FunctionId, Program};
use crate::arena::Arena;

/// The functions that programs call, directly or not, numbered anew.
pub(super) fn keep_called(
    programs: &mut [Program],
    functions: Arena<FunctionId, Function>,
) -> Arena<FunctionId, Function> {
    let mut numbers = BTreeMap::new();
    let mut kept = Arena::new();
    let mut waiting = Vec::new();
    for program in programs.iter() {
        called(&program.entry.body, &mut |id| waiting.push(id));
    }
    waiting.reverse();
    while let Some(id) = waiting.pop() {
        let Some(function) = functions.get(id).filter(|_| !numbers.contains_key(&id)) else { continue };
        numbers.insert(id, kept.push(function.clone()));
        called(&function.body, &mut |id| waiting.push(id));
    }
    for program in programs {
        renumber(&mut program.entry.body, &numbers);
    }
    for (_, function) in kept.iter_mut() {
        renumber(&mut function.body, &numbers);
    }
    kept
}

/// Calls `visit` with each function that an expression calls, or gives to a helper to call.
pub(super) fn called(expr: &Expr, visit: &mut dyn FnMut(FunctionId)) {
    match &expr.kind {
        ExprKind::Call { function, .. } => visit(*function),
        ExprKind::Helper { arguments, .. } => {
            for argument in arguments {
                if let Argument::Callback(function) = argument {
                    visit(*function);
                }
            }
        }
        _ => {}
    }
    parts(expr, &mut |part| called(part, visit));
}

fn renumber(expr: &mut Expr, numbers: &BTreeMap<FunctionId, FunctionId>) {
    let new = |id: &mut FunctionId| {
        if let Some(number) = numbers.get(id) {
            *id = *number;
        }
    };
    match &mut expr.kind {
        ExprKind::Call { function, .. } => new(function),
        ExprKind::Helper { arguments, .. } => {
            for argument in arguments {
                if let Argument::Callback(function) = argument {
                    new(function);
                }
            }
        }
        _ => {}
    }
    parts_mut(expr, &mut |part| renumber(part, numbers));
}
