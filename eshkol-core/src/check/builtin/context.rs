//! The context: `(ctx-FIELD ctx)`, `(set-ctx-FIELD! ctx v)`.

use super::super::checker::Checker;
use super::super::declare::newer;
use super::super::typed::{self, ExprKind as Typed, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{Static, Value};
use super::Call;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::ProgramType;
use crate::kernel::program_type::{ContextField, ContextFieldKind};
use crate::source::Span;

/// The field that a procedure reads or writes.
fn field_name(name: &str) -> Option<(&str, bool)> {
    match name.strip_prefix("ctx-") {
        Some(field) => Some((field, false)),
        None => Some((name.strip_prefix("set-ctx-")?.strip_suffix('!')?, true)),
    }
}

/// Whether a name is that of a procedure of some program type's context.
pub(super) fn is_context_procedure(name: &str) -> bool {
    field_name(name).is_some_and(|(field, _)| {
        let mut contexts = ProgramType::ALL.iter().map(|ty| ty.context());
        contexts.any(|context| context.field(field).is_some() || context.word(field).is_some())
    })
}

/// The names of the procedures of a program type's context.
pub(super) fn names(program: ProgramType) -> impl Iterator<Item = String> {
    let fields = program.context().fields.iter().flat_map(|field| {
        let setter = field.writable.then(|| format!("set-ctx-{}!", field.name));
        std::iter::once(format!("ctx-{}", field.name)).chain(setter)
    });
    fields.chain(program.context().words.iter().map(|word| format!("ctx-{}", word.name)))
}

/// Checks such a call.
pub(super) fn context_procedure(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let program = checker.program.program_type;
    let Some((field_name, write)) = field_name(&name) else { return Value::Error(span) };
    if let Some(word) = program.context().word(field_name) {
        return match write {
            true => checker.read_only(program, word.name, span),
            false => checker.machine_word(word, call),
        };
    }
    let Some(field) = program.context().field(field_name) else {
        return checker.error(
            catalogue::NO_SUCH_FIELD,
            span,
            format!("the context of `:{}` has no field `{field_name}`", program.keyword()),
        );
    };
    let is_array = field.elements > 1;
    let wanted = 1 + usize::from(is_array) + usize::from(write);
    if call.values.len() != wanted {
        let wanted = match (is_array, write) {
            (false, false) => "the context",
            (false, true) => "the context and a value",
            (true, false) => "the context and an index",
            (true, true) => "the context, an index and a value",
        };
        return checker.error(catalogue::WRONG_ARITY, span, format!("`{name}` takes {wanted}"));
    }
    let mut values = call.values.into_iter();
    let context = values.next().unwrap_or(Value::Error(span));
    let index = if is_array { values.next() } else { None };
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    if !is_there(checker, field, write, span) {
        return Value::Error(span);
    }
    let Some(offset) = element(checker, field, index) else { return Value::Error(span) };
    match values.next() {
        Some(value) => store(checker, field, context, offset, value, span),
        None => load(checker, field, context, offset, span),
    }
}

/// Whether the program may read or write a field; reports it where not.
fn is_there(checker: &mut Checker<'_>, field: &ContextField, write: bool, span: Span) -> bool {
    let (program, name) = (checker.program, field.name);
    if let Some(reason) = field.unreadable {
        checker.push(
            Diagnostic::error(catalogue::NO_SUCH_FIELD, span, format!("`{name}` can't be read here")).with_help(reason),
        );
        return false;
    }
    if write && !field.writable {
        checker.read_only(program.program_type, name, span);
        return false;
    }
    if let (Some(hooks), Some(hook)) = (field.attach_types, program.attach_type())
        && !hooks.contains(&hook.name)
    {
        let names: Vec<String> = hooks.iter().map(|name| format!("`{name}`")).collect();
        checker.push(
            Diagnostic::error(catalogue::NO_SUCH_FIELD, span, format!("`{name}` is not there at `{}`", hook.name))
                .with_help(format!("it is there at {}", names.join(", "))),
        );
        return false;
    }
    let since = if write { field.since.max(field.writable_since) } else { field.since };
    if since > program.min_kernel {
        let what = if write { format!("writing `{name}`") } else { format!("`{name}`") };
        checker.push(newer(span, &what, since, program.min_kernel));
        return false;
    }
    true
}

/// Where a field, or an element of one, lies in the context.
fn element(checker: &mut Checker<'_>, field: &ContextField, index: Option<Value>) -> Option<u32> {
    let Some(index) = index else { return Some(field.offset) };
    let index = checker.int(index)?;
    let span = index.expr.span;
    let number = index.constant().and_then(|number| u32::try_from(number).ok());
    match number.filter(|number| *number < field.elements) {
        Some(number) => Some(field.offset + number * field.bytes),
        None => {
            let last = field.elements - 1;
            let message =
                format!("`{}` has elements 0 to {last}, and the kernel wants to know which when it loads", field.name);
            checker.error(catalogue::INDEX_OUT_OF_RANGE, span, message);
            None
        }
    }
}

fn store(
    checker: &mut Checker<'_>,
    field: &ContextField,
    context: typed::Expr,
    offset: u32,
    value: Value,
    span: Span,
) -> Value {
    let stored = match field.kind {
        ContextFieldKind::Ipv4 => checker.store_as(value, &DataType::Ipv4),
        ContextFieldKind::Ipv6 => checker.store_as(value, &DataType::Ipv6),
        _ => checker.int(value).map(|run| run.expr),
    };
    let Some(mut value) = stored else { return Value::Error(span) };
    let network = match field.kind {
        ContextFieldKind::NetworkOrder { bytes } => Some(bytes),
        ContextFieldKind::Ipv4 => Some(field.bytes),
        _ => None,
    };
    if let Some(bytes) = network {
        value = typed::Expr::new(value.ty.clone(), span, Typed::NetworkOrder { bytes, value: Box::new(value) });
    }
    let kind = Typed::ContextStore { context: Box::new(context), offset, bytes: field.bytes, value: Box::new(value) };
    Value::run(Type::Unit, span, kind)
}

fn load(checker: &mut Checker<'_>, field: &ContextField, context: typed::Expr, offset: u32, span: Span) -> Value {
    let epoch = checker.flow.epoch;
    let bytes = field.bytes;
    let int = IntType { bits: u8::try_from(bytes * 8).unwrap_or(64), signed: false };
    let in_network_order = |ty: Type, lowest: u32, context: typed::Expr| {
        let load = Typed::ContextLoad { context: Box::new(context), offset, bytes };
        let load = typed::Expr::new(Type::Scalar(DataType::Int(int)), span, load);
        Value::run(ty, span, Typed::NetworkOrder { bytes: lowest, value: Box::new(load) })
    };
    match field.kind {
        ContextFieldKind::PacketStart => Value::Static(Static::PacketStart(Box::new(context), epoch), span),
        ContextFieldKind::PacketEnd => Value::Static(Static::PacketEnd(Box::new(context), epoch), span),
        ContextFieldKind::PacketMeta => checker.report(
            Diagnostic::error(catalogue::NO_SUCH_FIELD, span, "the packet's metadata can't be read as a number")
                .with_help("make room for it with `bpf-xdp-adjust-meta`"),
        ),
        ContextFieldKind::Number | ContextFieldKind::PacketLength => {
            let kind = Typed::ContextLoad { context: Box::new(context), offset, bytes };
            Value::run(Type::Scalar(DataType::Int(int)), span, kind)
        }
        ContextFieldKind::NetworkOrder { bytes } => {
            let int = IntType { bits: u8::try_from(bytes * 8).unwrap_or(64), signed: false };
            in_network_order(Type::Scalar(DataType::Int(int)), bytes, context)
        }
        ContextFieldKind::Ipv4 => in_network_order(Type::Scalar(DataType::Ipv4), bytes, context),
        ContextFieldKind::Ipv6 => {
            Value::run(Type::Ipv6, span, Typed::ContextLoad { context: Box::new(context), offset, bytes })
        }
    }
}

impl Checker<'_> {
    /// Reports that a field is written that can't be.
    fn read_only(&mut self, program: ProgramType, field: &str, span: Span) -> Value {
        let message = format!("the kernel does not let `:{}` programs write `{field}`", program.keyword());
        self.error(catalogue::READ_ONLY_FIELD, span, message)
    }

    /// The context, where that is what a value is.
    pub(in super::super) fn context_argument(&mut self, value: Value) -> Option<typed::Expr> {
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
