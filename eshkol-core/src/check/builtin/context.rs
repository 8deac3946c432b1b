//! The context: `(ctx-FIELD ctx)`, `(set-ctx-FIELD! ctx v)`.

use super::super::checker::Checker;
use super::super::typed::{ExprKind as Typed, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{Static, Value};
use super::Call;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::ProgramType;
use crate::kernel::program_type::ContextFieldKind;

/// The field that a procedure reads or writes.
fn field_name(name: &str) -> Option<(&str, bool)> {
    match name.strip_prefix("ctx-") {
        Some(field) => Some((field, false)),
        None => Some((name.strip_prefix("set-ctx-")?.strip_suffix('!')?, true)),
    }
}

/// Whether a name is that of a procedure of some program type's context.
pub(super) fn is_context_procedure(name: &str) -> bool {
    field_name(name).is_some_and(|(field, _)| ProgramType::ALL.iter().any(|ty| ty.context().field(field).is_some()))
}

/// The names of the procedures of a program type's context.
pub(super) fn names(program: ProgramType) -> impl Iterator<Item = String> {
    program.context().fields.iter().flat_map(|field| {
        let setter = field.writable.then(|| format!("set-ctx-{}!", field.name));
        std::iter::once(format!("ctx-{}", field.name)).chain(setter)
    })
}

/// Checks such a call.
pub(super) fn context_procedure(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let program = checker.program.program_type;
    let Some((field_name, write)) = field_name(&name) else { return Value::Error(span) };
    let Some(field) = program.context().field(field_name) else {
        return checker.error(
            catalogue::NO_SUCH_FIELD,
            span,
            format!("the context of `:{}` has no field `{field_name}`", program.keyword()),
        );
    };
    if call.values.len() != if write { 2 } else { 1 } {
        let wanted = if write { "the context and a value" } else { "the context" };
        return checker.error(catalogue::WRONG_ARITY, span, format!("`{name}` takes {wanted}"));
    }
    let [context, value] = call.arguments();
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    if write {
        if !field.writable {
            return checker.error(
                catalogue::READ_ONLY_FIELD,
                span,
                format!("the kernel does not let `:{}` programs write `{field_name}`", program.keyword()),
            );
        }
        let Some(value) = checker.int(value) else { return Value::Error(span) };
        let (offset, bytes) = (field.offset, field.bytes);
        let kind = Typed::ContextStore { context: Box::new(context), offset, bytes, value: Box::new(value.expr) };
        return Value::run(Type::Unit, span, kind);
    }
    if let Some(reason) = field.unreadable {
        return checker.report(
            Diagnostic::error(catalogue::NO_SUCH_FIELD, span, format!("`{field_name}` can't be read here"))
                .with_help(reason),
        );
    }
    let epoch = checker.flow.epoch;
    match field.kind {
        ContextFieldKind::PacketStart => Value::Static(Static::PacketStart(Box::new(context), epoch), span),
        ContextFieldKind::PacketEnd => Value::Static(Static::PacketEnd(Box::new(context), epoch), span),
        ContextFieldKind::PacketMeta => checker.report(
            Diagnostic::error(catalogue::NO_SUCH_FIELD, span, "the packet's metadata can't be read as a number")
                .with_help("make room for it with `bpf-xdp-adjust-meta`"),
        ),
        ContextFieldKind::Number => {
            let bits = u8::try_from(field.bytes * 8).unwrap_or(64);
            let int = IntType { bits, signed: false };
            let kind = Typed::ContextLoad { context: Box::new(context), offset: field.offset, bytes: field.bytes };
            Value::run(Type::Scalar(DataType::Int(int)), span, kind)
        }
    }
}

impl Checker<'_> {
    /// The context, where that is what a value is.
    pub(in super::super) fn context_argument(&mut self, value: Value) -> Option<super::super::typed::Expr> {
        match value {
            Value::Run(run) if matches!(run.expr.ty, Type::Context(_)) => Some(run.expr),
            Value::Error(_) => None,
            other => {
                let what = self.describe(&other);
                self.push(
                    Diagnostic::error(
                        catalogue::TYPE_MISMATCH,
                        other.span(),
                        format!("the context is wanted here, and this is {what}"),
                    )
                    .with_help("the context is what the entry procedure is given: `(define (main ctx) …)`"),
                );
                None
            }
        }
    }
}
