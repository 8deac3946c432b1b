//! Headers that are found by their distance from the packet's start.
//!
//! ```text
//! (parse distance 4)  →  (if (<= distance 65531) (parse (advance start distance) 4) absent)
//! ```
//!
//! The verifier takes the comparison with the end of the packet for a proof only where what is compared can't be further than any packet is
//! long (`find_good_pkt_pointers` in `kernel/bpf/verifier.c`), by what it knew of the distance when it was added to the start. Where two
//! headers are found at one distance, that is done once: so the bound is the same for all in a function, and leaves room for the largest.

use super::super::parts::parts;
use super::super::typed::{CompareOp, Expr, ExprKind as Typed, Function, Local, LocalId, Type};
use super::super::types::{DataType, IntType};
use crate::arena::Arena;
use crate::source::Span;

/// No packet is longer than this (`MAX_PACKET_OFF` in `kernel/bpf/verifier.c`).
pub(in super::super) const LONGEST_PACKET: u32 = 0xffff;
pub(super) const NUMBER: Type = Type::Scalar(DataType::Int(IntType::U64));
/// A header of more bytes does not keep others from being found near the end of a packet that is as long as can be.
const SHORT: u32 = 256;

/// How far from the start headers are looked for.
#[derive(Copy, Clone, Debug)]
pub(in super::super) struct Limits {
    short: u32,
    long: u32,
}

impl Limits {
    /// Those of a function.
    pub(in super::super) fn of(function: &Function) -> Self {
        let mut limits = Self { short: LONGEST_PACKET, long: LONGEST_PACKET };
        limits.see(&function.body);
        limits
    }

    fn see(&mut self, expr: &Expr) {
        if let Typed::Parse { cursor, size, .. } = &expr.kind {
            let (_, further) = known_step(cursor);
            let bytes = size.saturating_add(further);
            let limit = self.at_mut(bytes);
            *limit = (*limit).min(LONGEST_PACKET.saturating_sub(bytes));
        }
        parts(expr, &mut |part| self.see(part));
    }

    fn at_mut(&mut self, bytes: u32) -> &mut u32 {
        if bytes <= SHORT { &mut self.short } else { &mut self.long }
    }

    /// What is so many bytes behind a place that may be so far has no end that the verifier would take for a proof.
    pub(in super::super) fn farthest(mut self, bytes: u32) -> u32 {
        *self.at_mut(bytes)
    }
}

/// A place, and the steps from there that are known.
fn known_step(place: &Expr) -> (&Expr, u32) {
    if let Typed::Advance { from, bytes, .. } = &place.kind
        && let Typed::Constant(bytes) = bytes.kind
        && let Ok(bytes) = u32::try_from(bytes)
    {
        let (from, before) = known_step(from);
        return (from, before.saturating_add(bytes));
    }
    (place, 0)
}

/// A header that is looked for: of so many bytes, so far behind a distance.
pub(in super::super) struct Sought {
    pub(in super::super) context: Expr,
    pub(in super::super) distance: Expr,
    pub(in super::super) further: u32,
    pub(in super::super) size: u32,
    /// An optional of it.
    pub(in super::super) ty: Type,
    pub(in super::super) span: Span,
}

impl Sought {
    /// Where it is found.
    pub(in super::super) fn found(self, limits: Limits, locals: &mut Arena<LocalId, Local>) -> Expr {
        let Self { context, distance, further, size, ty, span } = self;
        let bytes = size.saturating_add(further);
        let farthest = limits.farthest(bytes);
        // What is found at the same number is taken for the same place, with what was known of it first.
        let distance = if bytes <= SHORT { distance } else { number(span, Typed::Apart(Box::new(distance))) };
        let local = locals.push(Local { name: "distance".into(), ty: NUMBER, mutated: false });
        let near = from_start(context.clone(), number(span, Typed::Local(local)), farthest);
        let place = match further {
            0 => near,
            _ => {
                let bytes = Box::new(number(span, Typed::Constant(further.into())));
                let step = Typed::Advance { from: Box::new(near), bytes, maximum: further };
                Expr::new(Type::Cursor, span, step)
            }
        };
        let parse = Typed::Parse { context: Box::new(context), cursor: Box::new(place), size };
        let choice = Typed::If {
            test: Box::new(is_at_most(local, farthest, span)),
            then: Box::new(Expr::new(ty.clone(), span, parse)),
            otherwise: Box::new(Expr::new(ty.clone(), span, Typed::Absent)),
        };
        let body = Box::new(Expr::new(ty.clone(), span, choice));
        Expr::new(ty, span, Typed::Let { local, value: Box::new(distance), body })
    }
}

/// So many bytes from the packet's start.
pub(super) fn from_start(context: Expr, bytes: Expr, maximum: u32) -> Expr {
    let span = bytes.span;
    let start = Expr::new(Type::Cursor, span, Typed::PacketStart(Box::new(context)));
    Expr::new(Type::Cursor, span, Typed::Advance { from: Box::new(start), bytes: Box::new(bytes), maximum })
}

/// Whether the number of a local is no larger than another.
pub(super) fn is_at_most(local: LocalId, most: u32, span: Span) -> Expr {
    let lhs = Box::new(number(span, Typed::Local(local)));
    let rhs = Box::new(number(span, Typed::Constant(most.into())));
    Expr::new(Type::Scalar(DataType::Bool), span, Typed::Compare { op: CompareOp::BelowEqual, lhs, rhs })
}

pub(super) fn number(span: Span, kind: Typed) -> Expr {
    Expr::new(NUMBER, span, kind)
}
