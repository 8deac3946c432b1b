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

use super::parts::{parts, parts_mut};
use super::typed::{CompareOp, Expr, ExprKind as Typed, Function, Local, LocalId, LoopId, Region, Type};
use super::types::{DataType, IntType};
use crate::arena::Arena;
use crate::kernel::program_type::PacketAccess;

/// No packet is longer than this (`MAX_PACKET_OFF` in `kernel/bpf/verifier.c`).
const LONGEST_PACKET: u32 = 0xffff;
/// Of a place of which nothing is known.
const ANYWHERE: u64 = u64::MAX;

/// Makes headers be found anew where they may be too far for the verifier.
pub(super) fn shorten(function: &mut Function) {
    let Function { body, locals, loops, .. } = function;
    let trips = loops.iter().map(|(id, facts)| (id, facts.trips)).collect();
    Reach { trips, locals, known: Known::new(), rounds: BTreeMap::new(), tries: 0 }.expr(body);
}

/// How far the places that locals stand for may be from the packet's start.
type Known = BTreeMap<LocalId, u64>;

struct Reach<'f> {
    trips: BTreeMap<LoopId, u64>,
    locals: &'f mut Arena<LocalId, Local>,
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
                    self.find_anew(expr, farthest);
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
    fn find_anew(&mut self, expr: &mut Expr, farthest: u32) {
        let (ty, span) = (expr.ty.clone(), expr.span);
        let Typed::Parse { context, cursor, size } = &expr.kind else { return };
        if !matches!(&context.ty, Type::Context(program) if matches!(program.facts().packet, PacketAccess::Direct { .. }))
        {
            return;
        }
        let word = Type::Scalar(DataType::Int(IntType::U64));
        let number = |kind| Expr::new(word.clone(), span, kind);
        let local = self.locals.push(Local { name: "distance".into(), ty: word.clone(), mutated: false });
        let distance = number(Typed::PacketDistance { context: context.clone(), cursor: cursor.clone() });
        let start = Expr::new(Type::Cursor, span, Typed::PacketStart(context.clone()));
        let bytes = Box::new(number(Typed::Local(local)));
        let near = Typed::Advance { from: Box::new(start), bytes: bytes.clone(), maximum: farthest };
        let near = Box::new(Expr::new(Type::Cursor, span, near));
        let parse = Typed::Parse { context: context.clone(), cursor: near, size: *size };
        let limit = Box::new(number(Typed::Constant(farthest.into())));
        let test = Typed::Compare { op: CompareOp::BelowEqual, lhs: bytes, rhs: limit };
        let choice = Typed::If {
            test: Box::new(Expr::new(Type::Scalar(DataType::Bool), span, test)),
            then: Box::new(Expr::new(ty.clone(), span, parse)),
            otherwise: Box::new(Expr::new(ty.clone(), span, Typed::Absent)),
        };
        let body = Box::new(Expr::new(ty, span, choice));
        expr.kind = Typed::Let { local, value: Box::new(distance), body };
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
