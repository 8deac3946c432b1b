//! What programs that trace are given: the arguments of system calls, of tracepoints and of functions.

use super::super::checker::{Checker, Position};
use super::super::comparison::Comparison;
use super::super::kernel_types::KernelType;
use super::super::range::Range;
use super::super::typed::{self, ExprKind as Typed, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{Run, Static, Value};
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::{ProgramType, helper};
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "get-syscall-id", arity: (1, 1), check: syscall_id },
    Builtin { name: "get-syscall-arg", arity: (2, 2), check: syscall_argument },
    Builtin { name: "get-syscall-return", arity: (1, 1), check: syscall_return },
    Builtin { name: "raw-tracepoint-arg", arity: (2, 2), check: raw_argument },
    Builtin { name: "current-task", arity: (0, 0), check: current_task },
    Builtin { name: "stack-id", arity: (2, 3), check: stack_id },
];

/// Where things lie in the record of a system call's tracepoint: `struct syscall_tp_t` in `kernel/trace/trace_syscalls.c`, and
/// `sys_enter` and `sys_exit` in `include/trace/events/syscalls.h`.
const ID: u32 = 8;
const SYSCALL_ARGUMENTS: [u32; 6] = [16, 24, 32, 40, 48, 56];
const RETURN: u32 = 16;
/// The most arguments that a tracepoint has (`MAX_BPF_FUNC_ARGS` in `include/linux/bpf.h`).
const TRACEPOINT_ARGUMENTS: [u32; 12] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88];

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
    pub(super) fn context_number(&self, context: &typed::Expr, offset: u32, int: IntType, span: Span) -> Value {
        let kind = Typed::ContextLoad { context: Box::new(context.clone()), offset, bytes: int.bytes() };
        let loaded = IntType { signed: false, ..int };
        let load = typed::Expr::new(Type::Scalar(DataType::Int(loaded)), span, kind);
        if !int.signed {
            return Value::Run(Run::new(load));
        }
        Value::run(Type::Scalar(DataType::Int(int)), span, Typed::Cast(Box::new(load)))
    }

    /// One of several words, by its number. The verifier wants to know which at each place in the code, so an index that is known only at
    /// run time chooses among them.
    pub(super) fn word_by_index<W: Copy>(
        &mut self,
        words: &[W],
        read: &dyn Fn(&mut Self, W) -> Value,
        index: Value,
        name: &str,
        span: Span,
    ) -> Value {
        let Some(index) = self.int(index) else { return Value::Error(span) };
        let place = index.expr.span;
        let words: Vec<(i128, W)> = (0..).zip(words.iter().copied()).collect();
        let last = words.last().map_or(-1, |(last, _)| *last);
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
        let possible: Vec<_> = words.into_iter().filter(|(number, _)| (low..=high).contains(number)).collect();
        self.choose_word(&possible, read, &index, span)
    }

    fn choose_word<W: Copy>(
        &mut self,
        words: &[(i128, W)],
        read: &dyn Fn(&mut Self, W) -> Value,
        index: &Run,
        span: Span,
    ) -> Value {
        let Some(((number, word), rest)) = words.split_first() else { return Value::Error(span) };
        if rest.is_empty() {
            return read(self, *word);
        }
        let this = Value::constant(*number, IntType::U64, span);
        let test = self.compare(Comparison::Equal, Value::Run(index.clone()), this, span);
        self.choose(
            test,
            Position::VALUE,
            span,
            |checker| read(checker, *word),
            |checker| {
                let mark = checker.pending.len();
                let value = checker.choose_word(rest, read, index, span);
                checker.close(mark, value)
            },
        )
    }

    /// The `u64` at one of several offsets in the context.
    fn context_word(&mut self, context: &typed::Expr, offsets: &[u32], index: Value, name: &str, span: Span) -> Value {
        let read = |checker: &mut Self, offset| checker.context_number(context, offset, IntType::U64, span);
        self.word_by_index(offsets, &read, index, name, span)
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
    checker.context_word(&context, &SYSCALL_ARGUMENTS, index, "get-syscall-arg", span)
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
    checker.context_word(&context, &TRACEPOINT_ARGUMENTS, index, "raw-tracepoint-arg", span)
}

/// `(current-task)`: the task that runs, read by plain loads where the oldest kernel can.
fn current_task(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, position) = (call.span, call.position);
    let call = |checker: &mut Checker<'_>, name: &str| checker.apply_builtin(&name.into(), Vec::new(), position, span);
    let typed = helper::by_name("bpf-get-current-task-btf");
    let since = typed.and_then(|helper| helper.since_in(checker.program.program_type));
    if since.is_some_and(|since| since <= checker.program.min_kernel) {
        return call(checker, "bpf-get-current-task-btf");
    }
    let Some(id) = checker.kernel_struct("task_struct", span) else { return Value::Error(span) };
    let address = call(checker, "bpf-get-current-task");
    checker.kernel_address(address, KernelType::Struct(id), span)
}

/// `BPF_F_USER_STACK`
const USER_STACK: i128 = 1 << 8;

/// `(stack-id ctx m)`, `(stack-id ctx m :user)`: keeps the stack of the kernel, or of the process; its number, or a negative errno.
fn stack_id(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, position) = (call.span, call.position);
    let mut values = call.values;
    let flags = match values.get(2) {
        None => 0,
        Some(Value::Static(Static::Keyword(name), _)) if &**name == "user" => USER_STACK,
        Some(other) => {
            let (what, place) = (checker.describe(other), other.span());
            let message = format!("`:user` is wanted here, or nothing, and this is {what}");
            return checker.report(Diagnostic::error(catalogue::TYPE_MISMATCH, place, message).with_help(
                "`(stack-id ctx stacks)` is the stack of the kernel, `(stack-id ctx stacks :user)` that of the process",
            ));
        }
    };
    values.truncate(2);
    values.push(Value::literal(flags, span));
    checker.apply_builtin(&"bpf-get-stackid".into(), values, position, span)
}
