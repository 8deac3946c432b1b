//! Loops around a call of `map-for-each`: how often the verifier comes to the call.
//!
//! It goes through a procedure that the kernel calls until that gives nothing new, which it sees by the states that it remembers at the call.
//! One that it came by 64 times without use it forgets, and then it starts again and again (`is_state_visited` in `kernel/bpf/verifier.c`;
//! since Linux 6.7, commit ab5cfac139ab). A round of a loop comes by once; but where a round may leave the loop, other than by its count, the kernels
//! before 6.18 come by once for each way through a round: measured on 6.12.

use std::collections::BTreeMap;

use super::forks::{choices, goes_on};
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
    /// In how many ways that the verifier tells apart, each time.
    ways: u64,
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
        Self { rounds: 1, ways: 1, innermost: None }
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
                let ways = if facts.is_some_and(|facts| facts.unroll) { 1 } else { ways(body, *id) };
                let ways = around.ways.saturating_mul(ways);
                self.expr(body, function, Around { rounds: around.all(), ways, innermost });
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
                        self.comes_to(expr, around);
                        self.called(*callback, Around::default());
                    }
                }
            }
            Typed::Call { function: callee, .. } => {
                parts(expr, &mut |part| self.expr(part, function, around));
                self.called(*callee, Around { rounds: around.all(), ways: around.ways, innermost: None });
            }
            _ => parts(expr, &mut |part| self.expr(part, function, around)),
        }
    }

    fn called(&mut self, callee: FunctionId, around: Around) {
        if let Some(function) = self.functions.get(callee) {
            self.function(function, around);
        }
    }

    fn comes_to(&mut self, call: &Expr, around: Around) {
        let all = self.rounds.entry(call).or_default();
        let before = *all;
        *all = before.saturating_add(around.all().saturating_mul(around.ways));
        if before > MOST || *all <= MOST {
            return;
        }
        let (rounds, most) = (*all / around.ways.max(1), MOST / around.ways.max(1));
        let leaving = if around.ways > 1 { " that may leave them early" } else { "" };
        let message = format!(
            "the loops around this call have up to {rounds} rounds{leaving}, and the kernel's verifier gives up after {most} around a procedure that the kernel calls"
        );
        self.diagnostics
            .push(Diagnostic::error(catalogue::LOOP_TOO_LONG, call.span, message).with_help(
                "loop less often around it, or turn it inside out: loop in the procedure, for each element",
            ));
    }
}

/// In how many ways the verifier comes through a round of a loop, as far as it tells them apart: each choice doubles them where one leaves the
/// loop. The test of a counter is none.
fn ways(body: &Expr, id: LoopId) -> u64 {
    let mut exits = Exits { tests: 0, forks: false };
    exits.count(body, id);
    let counted = match exits {
        Exits { forks: true, .. } => choices(body),
        Exits { tests: 0 | 1, .. } => 0,
        Exits { .. } => choices(body).saturating_sub(1),
    };
    u32::try_from(counted).ok().and_then(|counted| 1_u64.checked_shl(counted)).unwrap_or(u64::MAX)
}

/// The choices of a loop's body one side of which leaves the loop.
struct Exits {
    tests: usize,
    /// Whether such a test is made of others.
    forks: bool,
}

impl Exits {
    fn count(&mut self, expr: &Expr, id: LoopId) {
        if let Typed::If { test, then, otherwise } = &expr.kind
            && goes_on(then, id) != goes_on(otherwise, id)
        {
            self.tests += 1;
            self.forks |= choices(test) > 0;
        }
        parts(expr, &mut |part| self.count(part, id));
    }
}
