//! Tail calls beside functions, which old kernels do not allow in one program.

use super::parts::parts;
use super::typed::{Argument, Expr, ExprKind as Typed, Program};
use crate::diagnostic::{Diagnostic, Diagnostics, catalogue};
use crate::kernel::KernelVersion;
use crate::kernel::helper::TAIL_CALL;
use crate::source::Span;

/// Commit ebf7d1f508a7, for x86-64.
const BESIDE_FUNCTIONS_SINCE: KernelVersion = KernelVersion::new(5, 10);

/// Reports what the oldest kernel does not allow.
pub(super) fn check(program: &Program, min_kernel: KernelVersion, diagnostics: &mut Diagnostics) {
    if min_kernel >= BESIDE_FUNCTIONS_SINCE {
        return;
    }
    let (mut tail_call, mut function) = (None, None);
    look(&program.entry.body, &mut tail_call, &mut function);
    let (Some(tail_call), Some(function)) = (tail_call, function) else { return };
    let since = BESIDE_FUNCTIONS_SINCE;
    diagnostics.push(
        Diagnostic::error(
            catalogue::NEEDS_NEWER_KERNEL,
            tail_call,
            format!("a tail call in a program that has functions of its own needs kernel {since}, and this is to load on {min_kernel}"),
        )
        .with_note(function, "this becomes a function, since it is large and called more than once")
        .with_help(format!("say `(min-kernel \"{since}\")`, or make the procedure smaller")),
    );
}

fn look(expr: &Expr, tail_call: &mut Option<Span>, function: &mut Option<Span>) {
    match &expr.kind {
        Typed::Helper { helper: TAIL_CALL, .. } => {
            tail_call.get_or_insert(expr.span);
        }
        Typed::Call { .. } => {
            function.get_or_insert(expr.span);
        }
        Typed::Helper { arguments, .. }
            if arguments.iter().any(|argument| matches!(argument, Argument::Callback(_))) =>
        {
            function.get_or_insert(expr.span);
        }
        _ => {}
    }
    parts(expr, &mut |part| look(part, tail_call, function));
}
