//! What programs that trace are given: the arguments of system calls, of tracepoints and of functions.

use super::super::checker::{Checker, Position};
use super::super::comparison::Comparison;
use super::super::range::Range;
use super::super::typed::{self, ExprKind as Typed, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{Run, Value};
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::ProgramType;
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "get-syscall-id", arity: (1, 1), check: syscall_id },
    Builtin { name: "get-syscall-arg", arity: (2, 2), check: syscall_argument },
    Builtin { name: "get-syscall-return", arity: (1, 1), check: syscall_return },
    Builtin { name: "raw-tracepoint-arg", arity: (2, 2), check: raw_argument },
];

/// The most arguments that a system call has.
const SYSCALL_ARGUMENTS: u32 = 6;
/// The most arguments that a tracepoint has (`MAX_BPF_FUNC_ARGS` in `include/linux/bpf.h`).
const TRACEPOINT_ARGUMENTS: u32 = 12;

/// Where things lie in the record of a system call's tracepoint: `struct syscall_tp_t` in `kernel/trace/trace_syscalls.c`, and
/// `sys_enter` and `sys_exit` in `include/trace/events/syscalls.h`.
const ID: u32 = 8;
const FIRST_ARGUMENT: u32 = 16;
const RETURN: u32 = 16;

/// A tracepoint of system calls.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Side {
    Enter,
    Exit,
}

/// Which side of which system calls an attach point stands for, and whether of all of them at once.
fn side(attach_point: &str) -> Option<(Side, bool)> {
    match attach_point {
        "raw_syscalls:sys_enter" => Some((Side::Enter, true)),
        "raw_syscalls:sys_exit" => Some((Side::Exit, true)),
        other => {
            let name = other.strip_prefix("syscalls:")?;
            let side = if name.starts_with("sys_enter_") { Side::Enter } else { Side::Exit };
            (side == Side::Enter || name.starts_with("sys_exit_")).then_some((side, false))
        }
    }
}

impl Checker<'_> {
    /// Whether the program's tracepoints are those of system calls on one of the `sides`; and if so, whether of all calls at once.
    fn system_calls(&mut self, name: &str, sides: &[Side], span: Span) -> Option<bool> {
        let program = self.program;
        let example = match sides {
            [Side::Exit] => "syscalls:sys_exit_openat",
            _ => "syscalls:sys_enter_openat",
        };
        let help = format!("say `(program-type :tracepoint)` and `(attach-point \"{example}\")`");
        if program.program_type != ProgramType::Tracepoint {
            let message = format!("`{name}` is for programs at the tracepoints of system calls");
            self.push(Diagnostic::error(catalogue::NOT_AT_SUCH_A_POINT, span, message).with_help(help));
            return None;
        }
        let mut found = None;
        for (point, place) in &program.attach_points {
            let this = side(point).filter(|(side, _)| sides.contains(side)).map(|(_, all)| all);
            if this.is_none() || found.is_some_and(|found| this != Some(found)) {
                let message = format!("`{name}` reads what `{point}` does not have, or has elsewhere");
                self.push(
                    Diagnostic::error(catalogue::NOT_AT_SUCH_A_POINT, span, message)
                        .with_note(*place, "the program is attached here")
                        .with_help(help),
                );
                return None;
            }
            found = this;
        }
        if found.is_none() {
            let message = format!("`{name}` needs to know the tracepoint, and the program names none");
            self.push(Diagnostic::error(catalogue::NOT_AT_SUCH_A_POINT, span, message).with_help(help));
        }
        found
    }

    /// A number at an offset in the context.
    fn context_number(&self, context: &typed::Expr, offset: u32, int: IntType, span: Span) -> Value {
        let kind = Typed::ContextLoad { context: Box::new(context.clone()), offset, bytes: int.bytes() };
        let loaded = IntType { signed: false, ..int };
        let load = typed::Expr::new(Type::Scalar(DataType::Int(loaded)), span, kind);
        if !int.signed {
            return Value::Run(Run::new(load));
        }
        Value::run(Type::Scalar(DataType::Int(int)), span, Typed::Cast(Box::new(load)))
    }

    /// The number at `base + 8 * index` of the context. The verifier wants to know which at each place in the code, so an index that
    /// is known only at run time chooses among them.
    fn context_word(
        &mut self,
        context: &typed::Expr,
        base: u32,
        index: Value,
        count: u32,
        name: &str,
        span: Span,
    ) -> Value {
        let Some(index) = self.int(index) else { return Value::Error(span) };
        let place = index.expr.span;
        let last = i128::from(count) - 1;
        if !index.range.within(Range::new(0, last)) {
            let message = match index.constant() {
                Some(number) => format!("`{name}` counts from 0 to {last}, and this is {number}"),
                None => format!("`{name}` counts from 0 to {last}, and this may be another number"),
            };
            return self.report(
                Diagnostic::error(catalogue::INDEX_OUT_OF_RANGE, place, message)
                    .with_help(format!("give a number that is known to be from 0 to {last}")),
            );
        }
        let (low, high) = (index.range.low, index.range.high);
        let index = self.stable_run(index, "index");
        let numbers: Vec<u32> = (0..count).filter(|number| (low..=high).contains(&i128::from(*number))).collect();
        self.word_of(context, base, &index, &numbers, span)
    }

    fn word_of(&mut self, context: &typed::Expr, base: u32, index: &Run, numbers: &[u32], span: Span) -> Value {
        let Some((first, rest)) = numbers.split_first() else { return Value::Error(span) };
        let word =
            |checker: &mut Self| checker.context_number(context, base.saturating_add(first * 8), IntType::U64, span);
        if rest.is_empty() {
            return word(self);
        }
        let this = Value::constant(i128::from(*first), IntType::U64, span);
        let test = self.compare(Comparison::Equal, Value::Run(index.clone()), this, span);
        self.choose(test, Position::VALUE, span, word, |checker| {
            let mark = checker.pending.len();
            let value = checker.word_of(context, base, index, rest, span);
            checker.close(mark, value)
        })
    }
}

/// `(get-syscall-id ctx)`: the number of the system call.
fn syscall_id(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [context] = call.arguments();
    let Some(all) = checker.system_calls("get-syscall-id", &[Side::Enter, Side::Exit], span) else {
        return Value::Error(span);
    };
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    let int = if all { IntType::I64 } else { IntType::I32 };
    checker.context_number(&context, ID, int, span)
}

/// `(get-syscall-arg ctx i)`
fn syscall_argument(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [context, index] = call.arguments();
    if checker.system_calls("get-syscall-arg", &[Side::Enter], span).is_none() {
        return Value::Error(span);
    }
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    checker.context_word(&context, FIRST_ARGUMENT, index, SYSCALL_ARGUMENTS, "get-syscall-arg", span)
}

/// `(get-syscall-return ctx)`: what the system call gave, negative for an error.
fn syscall_return(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [context] = call.arguments();
    if checker.system_calls("get-syscall-return", &[Side::Exit], span).is_none() {
        return Value::Error(span);
    }
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    checker.context_number(&context, RETURN, IntType::I64, span)
}

/// `(raw-tracepoint-arg ctx i)`
fn raw_argument(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [context, index] = call.arguments();
    if checker.program.program_type != ProgramType::RawTracepoint {
        return checker.report(
            Diagnostic::error(catalogue::NOT_AT_SUCH_A_POINT, span, "`raw-tracepoint-arg` is for raw tracepoints")
                .with_help("say `(program-type :raw-tracepoint)`"),
        );
    }
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    checker.context_word(&context, 0, index, TRACEPOINT_ARGUMENTS, "raw-tracepoint-arg", span)
}
