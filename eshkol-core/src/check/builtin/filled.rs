//! Memory that the kernel fills: with the name of the current task, and with what is at an address.

use super::super::checker::{Checker, Pending};
use super::super::typed::{self, ExprKind as Typed, RefTarget, RefType, Region, Type};
use super::super::types::DataType;
use super::super::value::{Run, Static, Value};
use super::helper::wrong_argument;
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::helper;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "current-comm", arity: (0, 0), check: task_name },
    Builtin { name: "probe-read", arity: (2, 3), check: read },
    Builtin { name: "probe-read-str", arity: (2, 3), check: read },
];

/// `TASK_COMM_LEN` in `include/linux/sched.h`
const TASK_NAME: u32 = 16;

/// `(current-comm)`: the name of the current task, in memory of its own.
fn task_name(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, position) = (call.span, call.position);
    let data = DataType::CharArray(TASK_NAME);
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    let empty = typed::Expr::new(ty, span, Typed::Allocate { data, parts: Vec::new() });
    let name = checker.stable_run(Run::new(empty), "comm");
    let values = vec![Value::Run(name.clone()), Value::literal(TASK_NAME.into(), span)];
    match checker.apply_builtin(&"bpf-get-current-comm".into(), values, position, span) {
        Value::Run(filled) => {
            checker.pending.push(Pending::Effect(filled.expr));
            Value::Run(name)
        }
        other => other,
    }
}

/// `(probe-read buffer address)`, `(probe-read buffer address :user)`, and the same of text: fills a buffer from the memory of the kernel,
/// or of the current process.
fn read(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let (span, position, name) = (call.span, call.position, call.name.to_owned());
    let of_process = match call.take(2) {
        None => false,
        Some(Value::Static(Static::Keyword(name), _)) if &*name == "user" => true,
        Some(other) => return neither(checker, &name, &other),
    };
    let (Some(buffer), Some(address)) = (call.take(0), call.take(1)) else { return Value::Error(span) };
    let Some(size) = size_of(checker, &name, &buffer) else { return Value::Error(span) };
    let text = name == "probe-read-str";
    let helper = match (of_process, text) {
        (false, false) => checker.reader("bpf-probe-read-kernel", "bpf-probe-read"),
        (false, true) => checker.reader("bpf-probe-read-kernel-str", "bpf-probe-read-str"),
        (true, false) => checker.reader("bpf-probe-read-user", "bpf-probe-read"),
        (true, true) => checker.reader("bpf-probe-read-user-str", "bpf-probe-read-str"),
    };
    let values = vec![buffer, Value::literal(size.into(), span), address];
    checker.apply_builtin(&helper.into(), values, position, span)
}

/// Reports what is no way to say whose memory is meant.
fn neither(checker: &mut Checker<'_>, name: &str, value: &Value) -> Value {
    let (what, place) = (checker.describe(value), value.span());
    let message = format!("`:user` is wanted here, or nothing, and this is {what}");
    checker.report(Diagnostic::error(catalogue::TYPE_MISMATCH, place, message).with_help(format!(
        "`({name} buffer address)` reads the kernel's memory, `({name} buffer address :user)` that of the process; \
         as many bytes as the buffer has"
    )))
}

/// How many bytes a buffer has; reports it where the value is none.
fn size_of(checker: &mut Checker<'_>, name: &str, buffer: &Value) -> Option<u32> {
    if let Value::Run(run) = buffer {
        match &run.expr.ty {
            Type::Ref(RefType { target: RefTarget::Data(data), .. }) => {
                return Some(checker.declarations.types.size(data));
            }
            Type::Ref(RefType { target: RefTarget::Header { size, .. }, .. }) => return Some(*size),
            Type::Optional(_) => {
                checker.maybe_absent(run);
                return None;
            }
            Type::Never => return None,
            _ => {}
        }
    }
    wrong_argument(checker, name, buffer, "a struct or an array to fill");
    None
}

impl Checker<'_> {
    /// The helper that reads one kind of memory, or where the program's oldest kernel has none, the one that read all kinds (commit
    /// 6ae08ae3dea2).
    fn reader(&self, one: &'static str, any: &'static str) -> &'static str {
        let program = self.program.program_type;
        let since = |name| helper::by_name(name).and_then(|helper| helper.since_in(program));
        let has_one = since(one).is_some_and(|since| since <= self.program.min_kernel);
        if has_one || since(any).is_none() { one } else { any }
    }
}
