//! Places in the packet that loops carry from round to round, as the kernel's verifier sees them.
//!
//! The verifier cuts off a way through a loop where another came to the same round with the same. Places that were reached by different
//! steps are never the same to it: one byte further on is another constant offset, a length further on is a new unknown one, and how much of the
//! packet is proven there goes with each (`regsafe` in `kernel/bpf/verifier.c`). So the ways through a walk that moves its cursor by one
//! byte here and by a length there multiply with every round:
//!
//! ```scheme
//! (let loop ((at (advance tcp 20)) (n 0))
//!   … (loop (advance at 1) (+ n 1)) … (loop (advance at length) (+ n 1)) …)
//! ```
//!
//! Such a cursor is carried as its distance from the packet's start, which is hidden from the verifier where a round begins
//! ([`typed::Forgotten`]), so that all ways are one. Where something is parsed, the place is found from there:
//!
//! ```text
//! (parse at 2)  →  (if (<= at 65533) (parse (advance start at) 2) absent)
//! ```
//!
//! A walk of steps that are all the same keeps its pointer: its ways meet anyway, and it needs no test.

mod distance;
pub(super) mod found;
mod headers;
mod uneven;

use std::collections::{BTreeMap, BTreeSet};

use super::parts::parts;
use super::typed::{Argument, Expr, ExprKind as Typed, Forgotten, Function, FunctionId, LocalId, Loop, LoopId, Type};
use super::types::DataType;
use crate::arena::Arena;
use crate::kernel::helper;
use crate::kernel::program_type::PacketAccess;
use distance::Distances;
use found::{Limits, from_start};
use headers::Headers;

const BOOL: Type = Type::Scalar(DataType::Bool);

/// Makes loops carry the distance of places that they reach by different steps. `moving` are the functions that may move the packet.
pub(super) fn even_out(function: &mut Function, moving: &BTreeSet<FunctionId>) {
    let Some(context) = context_of_packet(function) else { return };
    let uneven::Uneven { mut carried, multiplying } = uneven::find(function, moving);
    for id in multiplying {
        function.loops.at_mut(id).ways_multiply = true;
    }
    if carried.is_empty() {
        return;
    }
    let Function { body, locals, .. } = &mut *function;
    let loops = BTreeMap::new();
    Headers { context: context.clone(), carried: &mut carried, locals, loops }.find_anew(body);
    while distance::derived(&function.body, &mut carried) {}
    let limits = Limits::of(function);
    let Function { body, locals, loops, .. } = function;
    hide(body, &carried, loops);
    Distances::new(context, limits, &carried, locals).carry(body);
}

/// The functions that may move the packet, or call one that does.
pub(super) fn moving(functions: &Arena<FunctionId, Function>) -> BTreeSet<FunctionId> {
    let mut moving = BTreeSet::new();
    let mut before = None;
    while before.replace(moving.len()) != Some(moving.len()) {
        let found: Vec<_> = functions.iter().filter(|(_, function)| moves(&function.body, &moving)).collect();
        moving.extend(found.into_iter().map(|(id, _)| id));
    }
    moving
}

/// Whether an expression may move the packet.
fn moves(expr: &Expr, moving: &BTreeSet<FunctionId>) -> bool {
    let mut found = match &expr.kind {
        // What is not known of a kernel's function may be so.
        Typed::Helper { helper: id, arguments } => {
            let calls = |argument: &Argument| matches!(argument, Argument::Callback(callee) if moving.contains(callee));
            helper::by_id(*id).is_none_or(|helper| helper.changes_packet_data) || arguments.iter().any(calls)
        }
        Typed::Call { function, .. } => moving.contains(function),
        _ => false,
    };
    parts(expr, &mut |part| found = found || moves(part, moving));
    found
}

/// The parameter through which a function gets at a packet that it has pointers into.
fn context_of_packet(function: &Function) -> Option<Expr> {
    function.parameters.iter().find_map(|parameter| {
        let ty = &function.locals.get(*parameter)?.ty;
        let Type::Context(program) = ty else { return None };
        let is_direct = matches!(program.facts().packet, PacketAccess::Direct { .. });
        is_direct.then(|| Expr::new(ty.clone(), function.name_span, Typed::Local(*parameter)))
    })
}

/// Has each loop hide from the verifier what it carries of these.
fn hide(expr: &Expr, carried: &BTreeSet<LocalId>, loops: &mut Arena<LoopId, Loop>) {
    if let Typed::Loop { id, variables, body } = &expr.kind {
        let mut bound = BTreeSet::new();
        let mut changing = BTreeSet::new();
        bindings(body, &mut bound, &mut changing);
        let outside = changing.difference(&bound).copied();
        let changing = variables.iter().map(|(local, _)| *local).chain(outside);
        let whole = |local| Forgotten { local, bits: u64::BITS, signed: false };
        loops.at_mut(*id).forgotten.extend(changing.filter(|local| carried.contains(local)).map(whole));
    }
    parts(expr, &mut |part| hide(part, carried, loops));
}

/// The locals that an expression binds, and those that it sets.
fn bindings(expr: &Expr, bound: &mut BTreeSet<LocalId>, set: &mut BTreeSet<LocalId>) {
    match &expr.kind {
        Typed::Let { local, .. } => {
            bound.insert(*local);
        }
        Typed::LetValues { locals, .. } => bound.extend(locals),
        Typed::Loop { variables, .. } => bound.extend(variables.iter().map(|(local, _)| *local)),
        Typed::Set { local, .. } => {
            set.insert(*local);
        }
        _ => {}
    }
    parts(expr, &mut |part| bindings(part, bound, set));
}

/// Binds a local around an expression.
fn let_in(local: LocalId, value: Expr, body: &mut Expr) {
    let (ty, span) = (body.ty.clone(), body.span);
    let kind = Typed::Let { local, value: Box::new(value), body: Box::new(take(body)) };
    *body = Expr::new(ty, span, kind);
}

fn take(expr: &mut Expr) -> Expr {
    let nothing = Expr::new(Type::Unit, expr.span, Typed::Unit);
    std::mem::replace(expr, nothing)
}
