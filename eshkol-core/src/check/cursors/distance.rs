//! Carries places in the packet as their distances from its start.

use std::collections::{BTreeMap, BTreeSet};

use super::super::parts::{parts, parts_mut};
use super::super::typed::{ArithmeticOp, Expr, ExprKind as Typed, Local, LocalId, LoopId, Type};
use super::found::{LONGEST_PACKET, Limits, NUMBER, Sought, from_start, is_at_most, number};
use super::{let_in, take};
use crate::arena::Arena;

/// Adds cursors that are found from those that are carried: from a distance, another is found more easily than a pointer. Whether there
/// were any.
pub(super) fn derived(expr: &Expr, carried: &mut BTreeSet<LocalId>) -> bool {
    let mut found = false;
    let mut see = |local: LocalId, value: &Expr| {
        if value.ty == Type::Cursor && is_distance(value, carried) {
            found |= carried.insert(local);
        }
    };
    match &expr.kind {
        Typed::Let { local, value, .. } | Typed::Set { local, value } => see(*local, value),
        Typed::Loop { variables, .. } => variables.iter().for_each(|(local, value)| see(*local, value)),
        _ => {}
    }
    parts(expr, &mut |part| found |= derived(part, carried));
    found
}

/// Whether a cursor is found from one that is carried as a distance.
fn is_distance(expr: &Expr, carried: &BTreeSet<LocalId>) -> bool {
    match &expr.kind {
        Typed::Local(local) => carried.contains(local),
        Typed::Advance { from, .. } => is_distance(from, carried),
        Typed::Let { body, .. } | Typed::LetValues { body, .. } | Typed::Loop { body, .. } => {
            is_distance(body, carried)
        }
        Typed::Seq(items) => items.last().is_some_and(|item| is_distance(item, carried)),
        Typed::If { then, otherwise, .. } => is_distance(then, carried) || is_distance(otherwise, carried),
        _ => false,
    }
}

/// Makes numbers of cursors.
pub(super) struct Distances<'f> {
    /// To find the packet's start.
    context: Expr,
    limits: Limits,
    carried: &'f BTreeSet<LocalId>,
    locals: &'f mut Arena<LocalId, Local>,
    /// Of the loops around, which variables are distances.
    loops: BTreeMap<LoopId, Vec<bool>>,
}

impl<'f> Distances<'f> {
    pub(super) fn new(
        context: Expr,
        limits: Limits,
        carried: &'f BTreeSet<LocalId>,
        locals: &'f mut Arena<LocalId, Local>,
    ) -> Self {
        for local in carried {
            if let Some(local) = locals.get(*local).is_some().then(|| locals.at_mut(*local)) {
                local.ty = NUMBER;
            }
        }
        Self { context, limits, carried, locals, loops: BTreeMap::new() }
    }

    /// Makes an expression work with the distances that its locals have become.
    pub(super) fn carry(&mut self, expr: &mut Expr) {
        if matches!(expr.kind, Typed::Local(_) | Typed::Advance { .. }) && is_distance(expr, self.carried) {
            self.number(expr);
            *expr = self.place(take(expr));
            return;
        }
        match &mut expr.kind {
            Typed::Parse { cursor, .. } if is_distance(cursor, self.carried) => self.parse(expr),
            Typed::PacketDistance { cursor, .. } if is_distance(cursor, self.carried) => {
                self.number(cursor);
                *expr = take(cursor);
            }
            Typed::Continue { id, arguments } => {
                let distances = self.loops.get(id).cloned().unwrap_or_default();
                for (argument, is_distance) in arguments.iter_mut().zip(distances) {
                    if is_distance {
                        self.number(argument);
                    } else {
                        self.carry(argument);
                    }
                }
            }
            _ => self.parts(expr, Self::carry),
        }
    }

    /// Makes the distance of a place.
    fn number(&mut self, expr: &mut Expr) {
        if expr.ty == Type::Never {
            return self.carry(expr);
        }
        if !is_distance(expr, self.carried) {
            self.carry(expr);
            *expr = self.distance(take(expr));
            return;
        }
        expr.ty = NUMBER;
        if let Typed::Advance { from, bytes, .. } = &mut expr.kind {
            self.number(from);
            self.carry(bytes);
            let (lhs, rhs) = (Box::new(take(from)), Box::new(take(bytes)));
            expr.kind = Typed::Arithmetic { op: ArithmeticOp::Add, lhs, rhs };
        } else {
            self.parts(expr, Self::number);
        }
    }

    /// Goes through the parts of an expression, with `last` through those that its value comes from.
    fn parts(&mut self, expr: &mut Expr, last: fn(&mut Self, &mut Expr)) {
        match &mut expr.kind {
            Typed::Let { local, value, body } => {
                self.value(*local, value);
                last(self, body);
            }
            Typed::LetValues { locals, value, body } => {
                self.carry(value);
                last(self, body);
                self.several(locals, body);
            }
            Typed::Set { local, value } => self.value(*local, value),
            Typed::Loop { id, variables, body } => {
                for (local, value) in variables.iter_mut() {
                    self.value(*local, value);
                }
                let distances = variables.iter().map(|(local, _)| self.carried.contains(local)).collect();
                self.loops.insert(*id, distances);
                last(self, body);
            }
            Typed::Seq(items) => {
                if let Some((end, before)) = items.split_last_mut() {
                    before.iter_mut().for_each(|item| self.carry(item));
                    last(self, end);
                }
            }
            Typed::If { test, then, otherwise } => {
                self.carry(test);
                last(self, then);
                last(self, otherwise);
            }
            _ => parts_mut(expr, &mut |part| self.carry(part)),
        }
    }

    /// What a local is given.
    fn value(&mut self, local: LocalId, value: &mut Expr) {
        if self.carried.contains(&local) {
            self.number(value);
        } else {
            self.carry(value);
        }
    }

    /// Makes distances of those of several places that have to be.
    fn several(&mut self, locals: &mut [LocalId], body: &mut Expr) {
        for local in locals.iter_mut().filter(|local| self.carried.contains(local)) {
            let place = self.local("place", Type::Cursor);
            let distance = self.distance(Expr::new(Type::Cursor, body.span, Typed::Local(place)));
            let_in(std::mem::replace(local, place), distance, body);
        }
    }

    /// How far a place is from the packet's start.
    fn distance(&self, place: Expr) -> Expr {
        let (span, context) = (place.span, Box::new(self.context.clone()));
        Expr::new(NUMBER, span, Typed::PacketDistance { context, cursor: Box::new(place) })
    }

    /// Where something is so far from the start; past the end of any packet, where that is too far for the verifier.
    fn place(&mut self, distance: Expr) -> Expr {
        let span = distance.span;
        let local = self.local("distance", NUMBER);
        let near = Typed::If {
            test: Box::new(is_at_most(local, LONGEST_PACKET, span)),
            then: Box::new(number(span, Typed::Local(local))),
            otherwise: Box::new(number(span, Typed::Constant(LONGEST_PACKET.into()))),
        };
        let mut place = from_start(self.context.clone(), number(span, near), LONGEST_PACKET);
        let_in(local, distance, &mut place);
        place
    }

    /// Makes a header be found by its distance from the start.
    fn parse(&mut self, expr: &mut Expr) {
        let (ty, span) = (expr.ty.clone(), expr.span);
        let Typed::Parse { context, cursor, size } = &mut expr.kind else { return };
        self.number(cursor);
        let (distance, further) = known_sum(take(cursor));
        let sought = Sought { context: take(context), distance, further, size: *size, ty, span };
        *expr = sought.found(self.limits, self.locals);
    }

    fn local(&mut self, name: &str, ty: Type) -> LocalId {
        self.locals.push(Local { name: name.into(), ty, mutated: false })
    }
}

/// A number, and what is known to be added to it.
fn known_sum(mut number: Expr) -> (Expr, u32) {
    if let Typed::Arithmetic { op: ArithmeticOp::Add, lhs, rhs } = &mut number.kind
        && let Typed::Constant(bytes) = rhs.kind
        && let Ok(bytes) = u32::try_from(bytes)
    {
        let (inner, before) = known_sum(take(lhs));
        return (inner, before.saturating_add(bytes));
    }
    (number, 0)
}
