//! `set!`: of variables, and of globals.

use super::access::global_is_constant;
use super::checker::{Checker, local_of};
use super::declare::Declared;
use super::range::Range;
use super::typed::{self, ExprKind as Typed, LocalId, Place, RefTarget, RefType, Region, Type};
use super::types::DataType;
use super::value::{Meaning, Run, Value};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::{DefId, VarId};
use crate::source::Span;

impl Checker<'_> {
    /// `(set! variable value)`.
    pub(super) fn set_local(&mut self, variable: VarId, value: Value, span: Span) -> Value {
        let Some(Meaning::Local(local)) = self.environment.get(variable) else {
            if !matches!(value, Value::Error(_)) && !matches!(self.environment.get(variable), Some(Meaning::Value(_))) {
                let name = &self.unit.variables.at(variable).name;
                let message = format!("`{name}` can't be changed: it stands for something known while compiling");
                return self.error(catalogue::NOT_A_RUN_TIME_VALUE, span, message);
            }
            return Value::Error(span);
        };
        let local = *local;
        let Some(run) = self.run(value) else { return Value::Error(span) };
        let (range, epoch, opaque) = (run.range, run.epoch, run.opaque);
        let Some(expr) = self.assign_to(local, run) else { return Value::Error(span) };
        if self.keeps_struct_of_round(local, &expr) {
            return Value::Error(span);
        }
        self.after_assignment(local, &expr, range);
        self.flow.visible.remove(&local);
        if opaque {
            self.function.opaque.insert(local);
        }
        match epoch {
            Some(epoch) => self.function.epochs.insert(local, epoch),
            None => self.function.epochs.remove(&local),
        };
        self.not_at_start();
        Value::run(Type::Unit, span, Typed::Set { local, value: Box::new(expr) })
    }

    /// A value as a local of a fixed type takes it.
    pub(super) fn assign_to(&mut self, local: LocalId, run: Run) -> Option<typed::Expr> {
        let ty = self.function.locals.at(local).ty.clone();
        if run.expr.ty == ty || run.expr.ty == Type::Never {
            return Some(run.expr);
        }
        match (&ty, &run.expr.ty) {
            (Type::Optional(to), Type::Ref(from))
                if to.target == from.target && regions_fit(from.region, to.region) =>
            {
                let span = run.expr.span;
                return Some(typed::Expr::new(ty, span, Typed::Some(Box::new(run.expr))));
            }
            (Type::Optional(_), Type::Scalar(DataType::Bool)) if matches!(run.expr.kind, Typed::Constant(0)) => {
                return Some(typed::Expr::new(ty, run.expr.span, Typed::Absent));
            }
            (Type::Scalar(_), Type::Scalar(_) | Type::Ref(_) | Type::Optional(_)) => {
                let Type::Scalar(data) = &ty else { return None };
                let data = data.clone();
                let span = run.expr.span;
                return match self.cast(Value::Run(run), &data, span) {
                    Value::Run(run) => Some(run.expr),
                    Value::Static(..) | Value::Error(_) => None,
                };
            }
            _ => {}
        }
        let name = self.function.locals.at(local).name.clone();
        let wanted = super::value::describe_type(&ty, &|data| self.type_name(data));
        let given = self.describe(&Value::Run(run.clone()));
        let message = format!("`{name}` holds {wanted}, and this is {given}");
        let diagnostic = Diagnostic::error(catalogue::TYPE_MISMATCH, run.expr.span, message);
        self.push(match ty {
            Type::Optional(_) | Type::Ref(_) if run.int_type().is_some() => diagnostic.with_help(format!(
                "`set!` would make `{name}` something else; `(map-value-set! {name} …)` writes to the place"
            )),
            _ => diagnostic,
        });
        None
    }

    fn after_assignment(&mut self, local: LocalId, expr: &typed::Expr, range: Range) {
        let full = super::value::full_range(&self.function.locals.at(local).ty);
        self.flow.ranges.insert(local, if range.within(full) { range } else { full });
        self.flow.nonzero.remove(&local);
        match &expr.kind {
            Typed::Some(_) => self.flow.present.insert(local),
            _ => match local_of(expr) {
                Some(from) if self.flow.present.contains(&from) => self.flow.present.insert(local),
                _ => self.flow.present.remove(&local),
            },
        };
    }

    /// `(set! global value)`.
    pub(super) fn set_global(&mut self, definition: DefId, value: Value, span: Span) -> Value {
        let Some(Declared::Global(global)) = self.declarations.by_definition.get(&definition) else {
            return Value::Error(span);
        };
        let information = self.declarations.globals.at(*global);
        if !information.mutable {
            return self.report(global_is_constant(information, span));
        }
        let data = information.ty.clone();
        let Some(storage) = data.storage() else {
            return self.error(
                catalogue::TYPE_MISMATCH,
                span,
                "only a number, boolean or address can be set; set its parts",
            );
        };
        let Some(value) = self.store_as(value, &data) else { return Value::Error(span) };
        let align = self.declarations.types.layout(&data).1;
        let reference = RefType { target: RefTarget::Data(data), region: Region::Global };
        let base = typed::Expr::new(Type::Ref(reference), span, Typed::Global(*global));
        let place = Place { base: Box::new(base), offset: 0, index: None, align };
        Value::run(Type::Unit, span, Typed::Store { place, storage, value: Box::new(value) })
    }
}

fn regions_fit(from: Region, to: Region) -> bool {
    from == to || to == Region::Any
}
