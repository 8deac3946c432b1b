//! Loops around a call of `map-for-each`: how often the verifier comes to the call.
//!
//! It goes through a procedure that the kernel calls until that gives nothing new, which it sees by the states that it remembers at the call.
//! One that it came by 64 times without use it forgets, and then it starts again and again (`is_state_visited` in `kernel/bpf/verifier.c`;
//! since Linux 6.7, commit ab5cfac139ab). A round of a loop comes by once.

use std::collections::BTreeMap;

use super::forks::goes_on;
use super::parts::parts;
use super::typed::{Argument, Expr, ExprKind as Typed, Function, FunctionId, LoopId, Program};
use crate::arena::Arena;
use crate::diagnostic::{Diagnostic, Diagnostics, catalogue};

/// Rounds at most.
const MOST: u64 = 64;

/// Reports calls in loops of too many rounds, each once.
pub(super) fn check(program: &Program, functions: &Arena<FunctionId, Function>, diagnostics: &mut Diagnostics) {
    let mut walk = Walk { functions, rounds: BTreeMap::new(), diagnostics };
    walk.function(&program.entry, Around::default());
}

/// The loops around an expression.
#[derive(Copy, Clone)]
struct Around {
    /// How often it is reached, but for the innermost loop.
    rounds: u64,
    innermost: Option<Innermost>,
}

#[derive(Copy, Clone)]
struct Innermost {
    id: LoopId,
    /// How often its body runs.
    trips: u64,
    /// The last time does not come here: it leaves the loop before.
    but_one: bool,
}

impl Default for Around {
    fn default() -> Self {
        Self { rounds: 1, innermost: None }
    }
}

impl Around {
    /// Where the innermost loop goes on.
    fn but_for_the_last(self) -> Self {
        Self { innermost: self.innermost.map(|innermost| Innermost { but_one: true, ..innermost }), ..self }
    }

    fn all(self) -> u64 {
        let innermost = self.innermost.map_or(1, |innermost| innermost.trips.saturating_sub(innermost.but_one.into()));
        self.rounds.saturating_mul(innermost)
    }
}

struct Walk<'u> {
    functions: &'u Arena<FunctionId, Function>,
    /// How often each call is reached that was met so far.
    rounds: BTreeMap<*const Expr, u64>,
    diagnostics: &'u mut Diagnostics,
}

impl Walk<'_> {
    fn function(&mut self, function: &Function, around: Around) {
        if self.calls_back(&function.body) {
            self.expr(&function.body, function, around);
        }
    }

    /// Whether such a call is in an expression, or in what it calls.
    fn calls_back(&self, expr: &Expr) -> bool {
        let mut found = match &expr.kind {
            Typed::Helper { arguments, .. } => arguments.iter().any(|part| matches!(part, Argument::Callback(_))),
            Typed::Call { function, .. } => {
                self.functions.get(*function).is_some_and(|function| self.calls_back(&function.body))
            }
            _ => false,
        };
        parts(expr, &mut |part| found = found || self.calls_back(part));
        found
    }

    fn expr(&mut self, expr: &Expr, function: &Function, around: Around) {
        match &expr.kind {
            Typed::Loop { id, variables, body } => {
                for (_, value) in variables {
                    self.expr(value, function, around);
                }
                let facts = function.loops.get(*id);
                // What is written out is a call of its own in each round.
                let innermost = facts.filter(|facts| !facts.unroll);
                let innermost = innermost.map(|facts| Innermost { id: *id, trips: facts.trips, but_one: false });
                self.expr(body, function, Around { rounds: around.all(), innermost });
            }
            Typed::If { test, then, otherwise } => {
                self.expr(test, function, around);
                let goes_on = |side| around.innermost.is_some_and(|innermost| goes_on(side, innermost.id));
                let (one, other) = (goes_on(then), goes_on(otherwise));
                self.expr(then, function, if one && !other { around.but_for_the_last() } else { around });
                self.expr(otherwise, function, if other && !one { around.but_for_the_last() } else { around });
            }
            Typed::Helper { arguments, .. } => {
                parts(expr, &mut |part| self.expr(part, function, around));
                for argument in arguments {
                    if let Argument::Callback(callback) = argument {
                        self.comes_to(expr, around.all());
                        self.called(*callback, Around::default());
                    }
                }
            }
            Typed::Call { function: callee, .. } => {
                parts(expr, &mut |part| self.expr(part, function, around));
                self.called(*callee, Around { rounds: around.all(), innermost: None });
            }
            _ => parts(expr, &mut |part| self.expr(part, function, around)),
        }
    }

    fn called(&mut self, callee: FunctionId, around: Around) {
        if let Some(function) = self.functions.get(callee) {
            self.function(function, around);
        }
    }

    fn comes_to(&mut self, call: &Expr, rounds: u64) {
        let all = self.rounds.entry(call).or_default();
        let before = *all;
        *all = before.saturating_add(rounds);
        if before > MOST || *all <= MOST {
            return;
        }
        let message = format!(
            "the loops around this call have up to {all} rounds, and the kernel's verifier gives up after {MOST} around a procedure that the kernel calls"
        );
        self.diagnostics
            .push(Diagnostic::error(catalogue::LOOP_TOO_LONG, call.span, message).with_help(
                "loop less often around it, or turn it inside out: loop in the procedure, for each element",
            ));
    }
}
