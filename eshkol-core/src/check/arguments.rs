//! The values of arguments, from left to right.
//!
//! What an argument does before it has a value is put in front of the whole call ([`Pending`]), and what is used twice is bound there. So an
//! argument that only reads would read too late: after what a later argument changes. It is bound at its own place then.

use super::builtin::takes_place;
use super::checker::{Checker, Pending};
use super::parts::parts;
use super::typed::{self, ExprKind as Typed};
use super::value::{Procedure, Static, Value};
use crate::expand::form::Expr;

impl Checker<'_> {
    /// Checks the arguments of a procedure, in order.
    pub(super) fn values_in_order(&mut self, procedure: &Value, arguments: &[Expr]) -> Vec<Value> {
        let takes_place =
            matches!(procedure, Value::Static(Static::Procedure(Procedure::Builtin(name)), _) if takes_place(name));
        let epoch = self.flow.epoch;
        let mut values: Vec<(Value, usize)> = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let value = self.value(argument);
            values.push((value, self.pending.len()));
        }
        let mut changes = self.flow.epoch != epoch;
        let mut end = self.pending.len();
        // What uses the arguments may bind a later one first.
        let mut later_works = false;
        for (index, (value, place)) in values.iter_mut().enumerate().rev() {
            changes |= self.pending.iter().take(end).skip(*place).any(pending_changes);
            end = *place;
            let changes_itself = matches!(&*value, Value::Run(run) if has_effect(&run.expr));
            let reads = matches!(&*value, Value::Run(run) if self.reads(&run.expr));
            let out_of_order = changes && reads || later_works && changes_itself;
            later_works |= !self.is_stable(value);
            if out_of_order && !(index == 0 && takes_place) {
                let mut rest = self.pending.split_off(*place);
                *value = self.stable(std::mem::replace(value, Value::Error(value.span())), "argument");
                self.pending.append(&mut rest);
            }
            changes |= changes_itself;
        }
        values.into_iter().map(|(value, _)| value).collect()
    }

    /// Whether what it gives depends on when it is evaluated.
    fn reads(&self, expr: &typed::Expr) -> bool {
        let mut found = match &expr.kind {
            Typed::Local(local) => self.function.locals.at(*local).mutated,
            Typed::Load { .. }
            | Typed::Copy { .. }
            | Typed::Atomic { .. }
            | Typed::CompareExchange { .. }
            | Typed::ContextLoad { .. }
            | Typed::PacketStart(_)
            | Typed::PacketLength(_)
            | Typed::Parse { .. }
            | Typed::Helper { .. }
            | Typed::Kernel(_)
            | Typed::Call { .. } => true,
            _ => false,
        };
        parts(expr, &mut |part| found = found || self.reads(part));
        found
    }
}

fn pending_changes(pending: &Pending) -> bool {
    match pending {
        Pending::Let(_, value) | Pending::LetValues(_, value) | Pending::Effect(value) => has_effect(value),
    }
}

/// Whether evaluating it changes something that another expression may read.
fn has_effect(expr: &typed::Expr) -> bool {
    let mut found = matches!(
        expr.kind,
        Typed::Set { .. }
            | Typed::Store { .. }
            | Typed::Copy { .. }
            | Typed::Atomic { .. }
            | Typed::CompareExchange { .. }
            | Typed::ContextStore { .. }
            | Typed::Helper { .. }
            | Typed::Call { .. }
    );
    parts(expr, &mut |part| found = found || has_effect(part));
    found
}
