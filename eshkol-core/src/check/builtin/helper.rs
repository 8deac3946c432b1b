//! Helper functions of the kernel, by their table.

use super::super::checker::Checker;
use super::super::kernel_types::{Access, KernelPointer, KernelType};
use super::super::typed::{self, Argument, ExprKind as Typed, RefTarget, RefType, Region, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{Run, Static, Value};
use super::Call;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::helper::{self, ArgumentKind, Helper, ResultKind};
use crate::kernel::program_type::PacketAccess;
use crate::source::Span;

/// Checks a call of a helper.
pub(super) fn call(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let program = checker.program.program_type;
    let Some(helper) = helper::by_name(&name) else {
        if helper::names::by_name(&name).is_some_and(|helper| helper.not_available_yet) {
            return checker.error(catalogue::HELPER_NOT_AVAILABLE_YET, span, format!("`{name}` can't be called yet"));
        }
        let message = format!("`{name}` can't be called from a `:{}` program", program.keyword());
        return checker.error(catalogue::HELPER_NOT_FOR_PROGRAM_TYPE, span, message);
    };
    if !allowed(checker, helper, span) {
        return Value::Error(span);
    }
    if let Some(form) = helper.own_form() {
        return checker.report(
            Diagnostic::error(catalogue::HELPER_NOT_AVAILABLE_YET, span, format!("`{name}` has a form of its own"))
                .with_help(format!("use `{form}`")),
        );
    }
    let least = helper.arguments.len();
    if call.values.len() != least {
        let plural = if least == 1 { "" } else { "s" };
        let message = format!(
            "`{name}` takes {least} argument{plural}, and {}",
            super::super::call::are_given(call.values.len())
        );
        return checker.report(Diagnostic::error(catalogue::WRONG_ARITY, span, message).with_help(helper.note));
    }
    let Some(arguments) = arguments(checker, helper, call.values) else { return Value::Error(span) };
    if helper.changes_packet_data {
        let epoch = checker.new_epoch(Some(span));
        checker.flow.epoch = epoch;
    }
    let ty = match helper.result {
        ResultKind::Int(int) => Type::Scalar(DataType::Int(int)),
        ResultKind::Errno => Type::Scalar(DataType::Int(IntType::I64)),
        ResultKind::KernelStruct(name) => match checker.kernel_struct(name, span) {
            Some(id) => Type::Kernel(KernelPointer { target: KernelType::Struct(id), access: Access::Typed }),
            None => return Value::Error(span),
        },
        ResultKind::Verdict => Type::Verdict(program),
        ResultKind::Unit => Type::Unit,
        // Those are checked as forms are.
        ResultKind::OptionalMapValue | ResultKind::OptionalRecord => return Value::Error(span),
    };
    Value::run(ty, span, Typed::Helper { helper: helper.id, arguments })
}

/// Whether the program may call a helper; reports it where not.
pub(in super::super) fn allowed(checker: &mut Checker<'_>, helper: &Helper, span: Span) -> bool {
    let (program, min_kernel) = (checker.program.program_type, checker.program.min_kernel);
    let name = helper.name;
    let Some(since) = helper.since_in(program) else {
        let message = format!("`{name}` can't be called from a `:{}` program", program.keyword());
        checker.error(catalogue::HELPER_NOT_FOR_PROGRAM_TYPE, span, message);
        return false;
    };
    if since > min_kernel {
        checker.push(
            Diagnostic::error(
                catalogue::NEEDS_NEWER_KERNEL,
                span,
                format!("`{name}` needs kernel {since}, and this program is to load on {min_kernel}"),
            )
            .with_help(format!("say `(min-kernel \"{since}\")` in the program")),
        );
        return false;
    }
    if helper.is_gpl_only(min_kernel) && !helper::is_gpl_compatible(&checker.program.license) {
        let message = format!("only programs under a license compatible with the GPL may call `{name}`");
        checker.push(
            Diagnostic::error(catalogue::GPL_ONLY_HELPER, span, message)
                .with_help("say `(license \"GPL\")`, or `(license \"Dual MIT/GPL\")`"),
        );
        return false;
    }
    true
}

fn arguments(checker: &mut Checker<'_>, helper: &Helper, values: Vec<Value>) -> Option<Vec<Argument>> {
    let mut arguments = Vec::new();
    let mut memory: Option<(u32, Span)> = None;
    let mut complete = true;
    for (index, value) in values.into_iter().enumerate() {
        let span = value.span();
        let Some(kind) = helper.arguments.get(index).copied() else { continue };
        let argument = match kind {
            ArgumentKind::Context => checker.context_argument(value).map(Argument::Value),
            ArgumentKind::Map(kinds) => match value {
                Value::Static(Static::Map(id), _) if kinds.contains(&checker.declarations.maps.at(id).kind) => {
                    Some(Argument::Map(id))
                }
                other => wrong_argument(checker, helper.name, &other, "a map of the right kind"),
            },
            ArgumentKind::Int(_) => number(checker, value),
            ArgumentKind::NetworkInt(int) => number(checker, value).map(|argument| in_network_order(argument, int)),
            ArgumentKind::Size | ArgumentKind::SizeOrZero => match memory {
                Some((size, place)) => sized(checker, value, size, place, kind == ArgumentKind::SizeOrZero),
                None => number(checker, value),
            },
            ArgumentKind::Memory
            | ArgumentKind::MemoryOrNull
            | ArgumentKind::MemoryOut
            | ArgumentKind::MemoryInOut
            | ArgumentKind::FixedMemory(_)
            | ArgumentKind::IntInOut(_)
            | ArgumentKind::IntOut(_) => {
                if kind == ArgumentKind::MemoryOrNull && matches!(&value, Value::Run(run) if run.constant() == Some(0))
                {
                    memory = Some((0, span));
                    number(checker, value)
                } else {
                    let found = checker.memory_argument(helper.name, helper.packet_memory, value);
                    memory = found.as_ref().map(|(_, size)| (*size, span));
                    let needed = match kind {
                        ArgumentKind::FixedMemory(bytes) => bytes,
                        ArgumentKind::IntInOut(int) | ArgumentKind::IntOut(int) => int.bytes(),
                        _ => 0,
                    };
                    match found {
                        Some((_, size)) if size < needed => {
                            let message = format!("{needed} bytes are needed here, and this has {size}");
                            checker.error(catalogue::INDEX_OUT_OF_RANGE, span, message);
                            None
                        }
                        other => other.map(|(expr, _)| Argument::Value(expr)),
                    }
                }
            }
            ArgumentKind::MapKey | ArgumentKind::MapValue => {
                wrong_argument(checker, helper.name, &value, "what the map holds")
            }
            ArgumentKind::Record => wrong_argument(checker, helper.name, &value, "what `ringbuf-reserve` gives"),
            ArgumentKind::Callback | ArgumentKind::CallbackContext => {
                wrong_argument(checker, helper.name, &value, "what `map-for-each` gives it")
            }
        };
        match argument {
            Some(argument) => arguments.push(argument),
            None => complete = false,
        }
    }
    complete.then_some(arguments)
}

fn number(checker: &mut Checker<'_>, value: Value) -> Option<Argument> {
    match value {
        // A verdict is a number to the kernel: `bpf-redirect-map` takes one for what to do otherwise.
        Value::Run(run) if matches!(run.expr.ty, Type::Verdict(_)) => Some(Argument::Value(run.expr)),
        other => checker.int(other).map(|run| Argument::Value(run.expr)),
    }
}

fn in_network_order(argument: Argument, int: IntType) -> Argument {
    match argument {
        Argument::Value(value) => {
            let (ty, span) = (Type::Scalar(DataType::Int(int)), value.span);
            let kind = Typed::NetworkOrder { bytes: int.bytes(), value: Box::new(value) };
            Argument::Value(typed::Expr::new(ty, span, kind))
        }
        other => other,
    }
}

/// A size that the memory before it is known to have.
pub(in super::super) fn sized(
    checker: &mut Checker<'_>,
    value: Value,
    size: u32,
    memory: Span,
    or_zero: bool,
) -> Option<Argument> {
    let run = checker.int(value)?;
    let least = if or_zero { 0 } else { 1 };
    let fits = run.range.within(super::super::range::Range::new(least, i128::from(size)));
    if !fits && checker.flow.reachable {
        checker.push(
            Diagnostic::error(
                catalogue::INDEX_OUT_OF_RANGE,
                run.expr.span,
                format!("this size must be {least} to {size}: the memory before it has {size} bytes"),
            )
            .with_note(memory, format!("this has {size} bytes")),
        );
        return None;
    }
    Some(Argument::Value(checker.visible(run).expr))
}

/// Reports that what is called wants something else.
pub(in super::super) fn wrong_argument(
    checker: &mut Checker<'_>,
    name: &str,
    value: &Value,
    wanted: &str,
) -> Option<Argument> {
    if !matches!(value, Value::Error(_)) {
        let what = checker.describe(value);
        let message = format!("`{name}` wants {wanted} here, and this is {what}");
        checker.error(catalogue::TYPE_MISMATCH, value.span(), message);
    }
    None
}

impl Checker<'_> {
    /// Memory for what is called, and how many bytes are there.
    pub(in super::super) fn memory_argument(
        &mut self,
        name: &str,
        may_be_packet: bool,
        value: Value,
    ) -> Option<(typed::Expr, u32)> {
        if let Value::Static(Static::String(text), span) = &value {
            let mut bytes = text.as_bytes().to_vec();
            bytes.push(0);
            let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let data = DataType::CharArray(size);
            let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
            let parts = vec![typed::Part { offset: 0, value: typed::PartValue::Bytes(bytes.into()) }];
            return Some((typed::Expr::new(ty, *span, Typed::Allocate { data, parts }), size));
        }
        let run: Run = self.run(value)?;
        match &run.expr.ty {
            Type::Ref(RefType { target, region }) => {
                // What was copied out of the packet is on the stack.
                let in_packet = self.program.program_type.facts().packet != PacketAccess::Copied;
                if *region == Region::Packet && in_packet && !may_be_packet {
                    let message = format!("`{name}` can't take memory of the packet");
                    self.error(catalogue::TYPE_MISMATCH, run.expr.span, message);
                    return None;
                }
                let size = match target {
                    RefTarget::Data(data) => self.declarations.types.size(data),
                    RefTarget::Header { size, .. } => *size,
                };
                if !self.check_epoch(run.epoch, run.expr.span) {
                    return None;
                }
                Some((run.expr, size))
            }
            Type::Optional(_) => {
                self.maybe_absent(&run);
                None
            }
            _ => {
                wrong_argument(self, name, &Value::Run(run), "memory: a struct, an array or a header");
                None
            }
        }
    }
}
