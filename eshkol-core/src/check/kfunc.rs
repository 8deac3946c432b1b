//! Calls of functions of the kernel that a unit declares.

use super::call::are_given;
use super::checker::Checker;
use super::typed::{Argument, ExprKind as Typed, KfuncId, KfuncParameter, Type};
use super::types::DataType;
use super::value::{Static, Value};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::HelperId;
use crate::kernel::helper::is_gpl_compatible;
use crate::source::Span;

impl Checker<'_> {
    /// Calls a declared function.
    pub(super) fn call_kfunc(&mut self, id: KfuncId, values: Vec<Value>, span: Span) -> Value {
        let function = self.declarations.kfuncs.at(id).clone();
        let name = &function.name;
        // `add_kfunc_call` in `kernel/bpf/verifier.c`.
        if !is_gpl_compatible(&self.program.license) {
            let message = format!("only programs under a license compatible with the GPL may call `{name}`");
            return self.report(
                Diagnostic::error(catalogue::GPL_ONLY_HELPER, span, message)
                    .with_help("say `(license \"GPL\")`, or `(license \"Dual MIT/GPL\")`"),
            );
        }
        let wanted = function.parameters.len();
        if values.len() != wanted {
            let plural = if wanted == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {wanted} argument{plural}, and {}", are_given(values.len()));
            return self.report(
                Diagnostic::error(catalogue::WRONG_ARITY, span, message).with_note(function.span, "declared here"),
            );
        }
        let given = function.parameters.iter().zip(values);
        let arguments: Vec<_> = given.map(|((_, parameter), value)| self.kfunc_argument(*parameter, value)).collect();
        let Some(arguments) = arguments.into_iter().collect::<Option<Vec<_>>>() else { return Value::Error(span) };
        let ty = function.result.map_or(Type::Unit, |int| Type::Scalar(DataType::Int(int)));
        Value::run(ty, span, Typed::Helper { helper: HelperId::declared(id), arguments })
    }

    fn kfunc_argument(&mut self, parameter: KfuncParameter, value: Value) -> Option<Argument> {
        match (parameter, value) {
            (KfuncParameter::Map, Value::Static(Static::Map(map), _)) => Some(Argument::Map(map)),
            (KfuncParameter::Map, Value::Error(_)) => None,
            (KfuncParameter::Map, other) => {
                let what = self.describe(&other);
                let message = format!("a map is wanted here, and this is {what}");
                self.error(catalogue::TYPE_MISMATCH, other.span(), message);
                None
            }
            (KfuncParameter::Int(int), value) => {
                let run = self.int(value)?;
                // As a store into such a place would keep it: the kernel may take the whole register for it.
                let span = run.expr.span;
                let narrowed =
                    super::typed::Expr::new(Type::Scalar(DataType::Int(int)), span, Typed::Cast(Box::new(run.expr)));
                Some(Argument::Value(narrowed))
            }
        }
    }
}
