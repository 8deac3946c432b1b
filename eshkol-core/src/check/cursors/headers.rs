//! Makes loops carry the places of headers instead of the headers, which are found there anew.
//!
//! ```text
//! (loop ((h (parse start 2))) … (next (parse (advance h n) 2)))
//!   →  (loop ((at start)) (let ((h (parse at 2))) … (next (advance h n))))
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::super::parts::parts_mut;
use super::super::typed::{Expr, ExprKind as Typed, Local, LocalId, LoopId, RefTarget, RefType, Region, Type};
use super::found::{LONGEST_PACKET, number};
use super::{from_start, let_in, take};
use crate::arena::Arena;

/// How many bytes a header has that a loop may carry, or not.
pub(super) fn size_of_carried(ty: &Type) -> Option<u32> {
    match ty {
        Type::Ref(RefType { target: RefTarget::Header { size, .. }, region: Region::Packet })
        | Type::Optional(RefType { target: RefTarget::Header { size, .. }, region: Region::Packet }) => Some(*size),
        _ => None,
    }
}

/// Puts cursors in the place of headers among the variables of loops.
pub(super) struct Headers<'f> {
    pub(super) context: Expr,
    pub(super) carried: &'f mut BTreeSet<LocalId>,
    pub(super) locals: &'f mut Arena<LocalId, Local>,
    /// Of the loops around, how many bytes the headers have that were variables.
    pub(super) loops: BTreeMap<LoopId, Vec<Option<u32>>>,
}

impl Headers<'_> {
    pub(super) fn find_anew(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            Typed::Loop { id, variables, body } => {
                let mut sizes = Vec::new();
                for (local, value) in variables.iter_mut() {
                    let ty = self.locals.at(*local).ty.clone();
                    let size = size_of_carried(&ty).filter(|_| self.carried.remove(local));
                    sizes.push(size);
                    let Some(size) = size else { continue };
                    self.place(value, size);
                    let place = self.locals.push(Local { name: "place".into(), ty: Type::Cursor, mutated: false });
                    self.carried.insert(place);
                    let header = std::mem::replace(local, place);
                    self.find(header, &ty, place, size, body);
                }
                self.loops.insert(*id, sizes);
            }
            Typed::Continue { id, arguments } => {
                let sizes = self.loops.get(id).cloned().unwrap_or_default();
                for (argument, size) in arguments.iter_mut().zip(sizes) {
                    if let Some(size) = size {
                        self.place(argument, size);
                    }
                }
            }
            _ => {}
        }
        parts_mut(expr, &mut |part| self.find_anew(part));
    }

    /// Binds a header to what is found at a place.
    fn find(&mut self, header: LocalId, ty: &Type, place: LocalId, size: u32, body: &mut Expr) {
        let span = body.span;
        let cursor = Box::new(Expr::new(Type::Cursor, span, Typed::Local(place)));
        let context = Box::new(self.context.clone());
        let parse = Typed::Parse { context, cursor, size };
        let Type::Ref(reference) = ty else {
            return let_in(header, Expr::new(ty.clone(), span, parse), body);
        };
        let optional = Type::Optional(reference.clone());
        let found = self.locals.push(Local { name: "found".into(), ty: optional.clone(), mutated: false });
        let read = || Box::new(Expr::new(optional.clone(), span, Typed::Local(found)));
        // It was there when the round before handed it on.
        let Some(otherwise) = nothing(&body.ty) else { return };
        let whole = body.ty.clone();
        let_in(header, Expr::new(ty.clone(), span, Typed::Present(read())), body);
        let test = Expr::new(super::BOOL, span, Typed::IsPresent(read()));
        let otherwise = Box::new(Expr::new(whole.clone(), span, otherwise));
        let choice = Typed::If { test: Box::new(test), then: Box::new(take(body)), otherwise };
        *body = Expr::new(whole, span, choice);
        let_in(found, Expr::new(optional, span, parse), body);
    }

    /// Makes the place of a header: where it is absent, one that no packet reaches.
    fn place(&mut self, expr: &mut Expr, size: u32) {
        let span = expr.span;
        match &mut expr.kind {
            _ if expr.ty == Type::Never => return,
            Typed::Parse { cursor, size: wanted, .. } if *wanted == size => {
                *expr = take(cursor);
                return;
            }
            Typed::Let { body: last, .. } | Typed::LetValues { body: last, .. } => self.place(last, size),
            Typed::If { then, otherwise, .. } => {
                self.place(then, size);
                self.place(otherwise, size);
            }
            Typed::Seq(items) if !items.is_empty() => {
                if let Some(last) = items.last_mut() {
                    self.place(last, size);
                }
            }
            Typed::Absent => *expr = self.nowhere(span),
            Typed::Some(header) => {
                let header = take(header);
                *expr = at(header);
            }
            _ => match expr.ty.clone() {
                Type::Optional(reference) => {
                    let optional = expr.ty.clone();
                    let local = self.locals.push(Local { name: "header".into(), ty: optional.clone(), mutated: false });
                    let read = || Box::new(Expr::new(optional.clone(), span, Typed::Local(local)));
                    let present = Expr::new(Type::Ref(reference), span, Typed::Present(read()));
                    let choice = Typed::If {
                        test: Box::new(Expr::new(super::BOOL, span, Typed::IsPresent(read()))),
                        then: Box::new(at(present)),
                        otherwise: Box::new(self.nowhere(span)),
                    };
                    let value = std::mem::replace(expr, Expr::new(Type::Cursor, span, choice));
                    let_in(local, value, expr);
                }
                _ => *expr = at(take(expr)),
            },
        }
        expr.ty = Type::Cursor;
    }

    fn nowhere(&self, span: crate::source::Span) -> Expr {
        from_start(self.context.clone(), number(span, Typed::Constant(LONGEST_PACKET.into())), LONGEST_PACKET)
    }
}

/// The place of a header that is there.
fn at(header: Expr) -> Expr {
    let span = header.span;
    let bytes = Box::new(number(span, Typed::Constant(0)));
    Expr::new(Type::Cursor, span, Typed::Advance { from: Box::new(header), bytes, maximum: 0 })
}

/// Some value of a type, for where nothing gets. Not of all.
pub(super) fn nothing(ty: &Type) -> Option<Typed> {
    Some(match ty {
        Type::Unit => Typed::Unit,
        Type::Scalar(_) | Type::Verdict(_) => Typed::Constant(0),
        Type::Optional(_) => Typed::Absent,
        _ => return None,
    })
}
