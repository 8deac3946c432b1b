//! How far into the packet a place may lie, as the kernel's verifier sees it.
//!
//! The verifier adds up what the steps to a place may come to at most. Past the length that no packet has, it takes the comparison with
//! the end of the packet for no proof any more (`find_good_pkt_pointers` in `kernel/bpf/verifier.c`). Where a place may be so far, its
//! distance from the start is measured and tested instead, and the place is found anew from there:
//!
//! ```text
//! (parse (advance place n) 4)  →  (let ((distance (- (advance place n) start)))
//!                                   (if (<= distance 65531) (parse (advance start distance) 4) absent))
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::cursors::found::{LONGEST_PACKET, Limits, Sought};
use super::parts::{parts, parts_mut};
use super::typed::{Expr, ExprKind as Typed, Function, Local, LocalId, LoopId, Region, Type};
use super::types::{DataType, IntType};
use crate::arena::Arena;
use crate::kernel::program_type::PacketAccess;

/// Of a place of which nothing is known.
const ANYWHERE: u64 = u64::MAX;

/// Makes headers be found anew where they may be too far for the verifier.
pub(super) fn shorten(function: &mut Function) {
    let limits = Limits::of(function);
    let Function { body, locals, loops, .. } = function;
    let trips = loops.iter().map(|(id, facts)| (id, facts.trips)).collect();
    Reach { trips, locals, limits, known: Known::new(), rounds: BTreeMap::new(), tries: 0 }.expr(body);
}

/// How far the places that locals stand for may be from the packet's start.
type Known = BTreeMap<LocalId, u64>;

struct Reach<'f> {
    trips: BTreeMap<LoopId, u64>,
    locals: &'f mut Arena<LocalId, Local>,
    limits: Limits,
    known: Known,
    /// Of the loops around, the farthest that a next round begins with.
    rounds: BTreeMap<LoopId, Round>,
    /// In how many loops it is still to be found out how far a round goes: nothing is changed there.
    tries: usize,
}

/// What the next rounds of a loop begin with.
struct Round {
    /// The variables that change from round to round.
    changing: BTreeSet<LocalId>,
    /// The farthest place that one of them is then.
    farthest: u64,
}

impl Reach<'_> {
    /// How far the place that an expression gives may be; 0 for what is no place in the packet.
    fn expr(&mut self, expr: &mut Expr) -> u64 {
        match &mut expr.kind {
            Typed::Local(local) => match self.known.get(local) {
                Some(reach) => *reach,
                None => anywhere(&expr.ty),
            },
            Typed::Let { local, value, body } => {
                let value_type = value.ty.clone();
                let reach = self.expr(value);
                self.learn(*local, &value_type, reach);
                self.expr(body)
            }
            Typed::LetValues { locals, value, body } => {
                let reach = self.expr(value);
                for local in locals.iter() {
                    let ty = self.locals.get(*local).map(|local| local.ty.clone());
                    self.learn(*local, &ty.unwrap_or(Type::Unit), reach);
                }
                self.expr(body)
            }
            Typed::Set { local, value } => {
                let value_type = value.ty.clone();
                let reach = self.expr(value);
                self.learn(*local, &value_type, reach);
                0
            }
            Typed::If { test, then, otherwise } => {
                self.expr(test);
                let before = self.known.clone();
                let then = self.expr(then);
                let after = std::mem::replace(&mut self.known, before);
                let otherwise = self.expr(otherwise);
                for (local, reach) in after {
                    let known = self.known.entry(local).or_insert(reach);
                    *known = (*known).max(reach);
                }
                then.max(otherwise)
            }
            Typed::Loop { id, variables, body } => {
                let mut changing = BTreeSet::new();
                for (local, value) in variables {
                    let value_type = value.ty.clone();
                    let reach = self.expr(value);
                    self.learn(*local, &value_type, reach);
                    changing.insert(*local);
                }
                set(body, &mut changing);
                self.rounds(*id, changing, body)
            }
            Typed::Continue { id, arguments } => {
                let reach = arguments.iter_mut().map(|argument| self.expr(argument)).max().unwrap_or(0);
                if let Some(round) = self.rounds.get_mut(id) {
                    let set = round.changing.iter().filter_map(|local| self.known.get(local)).copied();
                    round.farthest = set.fold(round.farthest.max(reach), u64::max);
                }
                0
            }
            Typed::Seq(items) => items.iter_mut().fold(0, |_, item| self.expr(item)),
            Typed::Values(items) => items.iter_mut().map(|item| self.expr(item)).max().unwrap_or(0),
            Typed::Present(value) | Typed::Some(value) => self.expr(value),
            Typed::Absent | Typed::PacketStart(_) => 0,
            Typed::Address(place) => {
                let reach = self.expr(&mut place.base).saturating_add(place.offset.into());
                match &mut place.index {
                    Some((index, _)) => {
                        self.expr(index);
                        anywhere(&expr.ty)
                    }
                    None => reach,
                }
            }
            Typed::Advance { from, bytes, maximum } => {
                let reach = self.expr(from);
                self.expr(bytes);
                reach.saturating_add(u64::from(*maximum))
            }
            Typed::Parse { cursor, size, .. } => {
                let reach = self.expr(cursor);
                let farthest = LONGEST_PACKET.saturating_sub(*size);
                if reach <= farthest.into() {
                    return reach;
                }
                if self.tries == 0 {
                    self.find_anew(expr);
                }
                farthest.into()
            }
            _ => {
                parts_mut(expr, &mut |part| {
                    self.expr(part);
                });
                anywhere(&expr.ty)
            }
        }
    }

    fn learn(&mut self, local: LocalId, ty: &Type, reach: u64) {
        if is_place(ty) {
            self.known.insert(local, reach);
        }
    }

    /// Goes through the rounds of a loop. Each goes at most as far beyond where it began as the first does.
    fn rounds(&mut self, id: LoopId, changing: BTreeSet<LocalId>, body: &mut Expr) -> u64 {
        let before = self.known.clone();
        let first = changing.iter().filter_map(|local| before.get(local)).copied().max();
        let Some(first) = first else { return self.expr(body) };
        self.tries += 1;
        let (_, next) = self.round(id, &changing, first, body);
        self.tries -= 1;
        let step = next.saturating_sub(first);
        let trips = self.trips.get(&id).copied().unwrap_or(ANYWHERE);
        let last = first.saturating_add(step.saturating_mul(trips));
        // What is found anew may be as far as that in any round.
        let last = if last > LONGEST_PACKET.into() { ANYWHERE } else { last };
        self.known = before;
        self.round(id, &changing, last, body).0
    }

    /// Goes through a round that begins with all that changes so far into the packet. Gives how far its value may be, and how far what the
    /// next one begins with.
    fn round(&mut self, id: LoopId, changing: &BTreeSet<LocalId>, start: u64, body: &mut Expr) -> (u64, u64) {
        for (local, reach) in &mut self.known {
            if changing.contains(local) {
                *reach = start;
            }
        }
        self.rounds.insert(id, Round { changing: changing.clone(), farthest: 0 });
        let value = self.expr(body);
        let next = self.rounds.remove(&id).map_or(0, |round| round.farthest);
        (value, next)
    }

    /// Makes a header be parsed at the same place, found from the start of the packet.
    fn find_anew(&mut self, expr: &mut Expr) {
        let (ty, span) = (expr.ty.clone(), expr.span);
        let Typed::Parse { context, cursor, size } = &expr.kind else { return };
        if !matches!(&context.ty, Type::Context(program) if matches!(program.facts().packet, PacketAccess::Direct { .. }))
        {
            return;
        }
        let place = Typed::PacketDistance { context: context.clone(), cursor: cursor.clone() };
        let distance = Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, place);
        let sought = Sought { context: (**context).clone(), distance, further: 0, size: *size, ty, span };
        *expr = sought.found(self.limits, self.locals);
    }
}

/// The locals that an expression sets.
fn set(expr: &Expr, locals: &mut BTreeSet<LocalId>) {
    if let Typed::Set { local, .. } = &expr.kind {
        locals.insert(*local);
    }
    parts(expr, &mut |part| set(part, locals));
}

/// Whether a value is a place in the packet.
fn is_place(ty: &Type) -> bool {
    match ty {
        Type::Cursor => true,
        Type::Ref(reference) | Type::Optional(reference) => matches!(reference.region, Region::Packet | Region::Any),
        _ => false,
    }
}

/// How far a value of which nothing is known may be.
fn anywhere(ty: &Type) -> u64 {
    let place = match ty {
        Type::Values(types) => types.iter().any(is_place),
        other => is_place(other),
    };
    if place { ANYWHERE } else { 0 }
}
