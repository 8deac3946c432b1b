//! Helpers that give two numbers in one: keeping the lower half alone is probably not what was meant, or better said otherwise.

use super::checker::{Checker, local_of};
use super::typed::{Expr, ExprKind};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::HelperId;

/// A helper that gives two numbers in one.
#[derive(Debug)]
pub(super) struct TwoNumbers {
    helper: HelperId,
    name: &'static str,
    /// What is in the lower half, and the procedure that gives it.
    lower: (&'static str, &'static str),
    upper: (&'static str, &'static str),
}

static HELPERS: &[TwoNumbers] = &[
    TwoNumbers {
        helper: HelperId(14),
        name: "bpf-get-current-pid-tgid",
        lower: ("the thread id", "current-tid"),
        upper: ("the process id", "current-pid"),
    },
    TwoNumbers {
        helper: HelperId(15),
        name: "bpf-get-current-uid-gid",
        lower: ("the user id", "current-uid"),
        upper: ("the group id", "current-gid"),
    },
];

impl Checker<'_> {
    /// The helper that gave the value of an expression, if it is one of these.
    pub(super) fn gives_two_numbers(&self, expr: &Expr) -> Option<&'static TwoNumbers> {
        match &expr.kind {
            ExprKind::Helper { helper, .. } => HELPERS.iter().find(|known| known.helper == *helper),
            _ => self.function.two_numbers.get(&local_of(expr)?).copied(),
        }
    }

    /// Warns where a place of at most 32 bits gets such a value.
    pub(super) fn keeps_half(&mut self, expr: &Expr) {
        let Some(TwoNumbers { name, lower, upper, .. }) = self.gives_two_numbers(expr) else { return };
        // What the prelude does, it does on purpose.
        if self.is_prelude(expr.span) {
            return;
        }
        let message = format!("`{name}` gives two numbers in one, and this keeps the lower half, {}", lower.0);
        self.push(
            Diagnostic::warning(catalogue::HALF_OF_TWO, expr.span, message)
                .with_help(format!("`({})` gives {}, `({})` {}", lower.1, lower.0, upper.1, upper.0)),
        );
    }
}
