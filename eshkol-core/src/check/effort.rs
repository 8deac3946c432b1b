//! How much a program makes the kernel's verifier do: whether it gets to the end.
//!
//! The verifier goes through loops round by round. It gives up after so many instructions, and where so many choices are open at once:
//! at each branch that it can't decide it puts one way aside until it has come to the end by the other. So a loop counts as often as it
//! runs, inside another as often as both together, and what stands behind a loop comes on top of the choices that are still open there.
//!
//! This is an estimate from the typed tree. It is on the safe side: what passes here, the verifier gets through.

use super::forks::{forks, goes_on};
use super::parts::parts;
use super::typed::{Argument, Expr, ExprKind as Typed, Function, FunctionId, Program};
use crate::arena::Arena;
use crate::diagnostic::{Diagnostic, Diagnostics, catalogue};
use crate::kernel::KernelVersion;
use crate::source::Span;

/// `BPF_COMPLEXITY_LIMIT_INSNS` and `BPF_COMPLEXITY_LIMIT_JMP_SEQ` in `kernel/bpf/verifier.c`.
const LIMIT: Effort = Effort { instructions: 1_000_000, choices: 8192 };
/// The same before 5.2, where the second is `BPF_COMPLEXITY_LIMIT_STACK`.
const OLD_LIMIT: Effort = Effort { instructions: 131_072, choices: 1024 };
const NEW_LIMIT_SINCE: KernelVersion = KernelVersion::new(5, 2);

/// What the verifier does, at most.
#[derive(Copy, Clone, Default, PartialEq, Eq, Debug)]
struct Effort {
    instructions: u64,
    /// Choices that are open at the end of the first way through.
    choices: u64,
}

impl Effort {
    fn instructions(instructions: u64) -> Self {
        Self { instructions, choices: 0 }
    }

    fn and(self, other: Self) -> Self {
        Self {
            instructions: self.instructions.saturating_add(other.instructions),
            choices: self.choices.saturating_add(other.choices),
        }
    }

    fn times(self, times: u64) -> Self {
        Self { instructions: self.instructions.saturating_mul(times), choices: self.choices.saturating_mul(times) }
    }

    /// The larger share of a limit that this takes, in thousandths.
    fn share(self, limit: Self) -> u64 {
        let share = |part: u64, whole: u64| part.saturating_mul(1000) / whole.max(1);
        share(self.instructions, limit.instructions).max(share(self.choices, limit.choices))
    }
}

/// Reports programs that the verifier would not get through.
pub(super) fn check(
    program: &Program,
    functions: &Arena<FunctionId, Function>,
    min_kernel: KernelVersion,
    diagnostics: &mut Diagnostics,
) {
    let limit = if min_kernel < NEW_LIMIT_SINCE { OLD_LIMIT } else { LIMIT };
    let mut estimate = Estimate { functions, worst: None, limit };
    let effort = estimate.expr(&program.entry.body, &program.entry);
    if effort.share(limit) <= 1000 {
        return;
    }
    // Without a loop it is only long; then it has too many instructions anyway.
    let Some(Worst { span, rounds, ways_multiply, .. }) = estimate.worst else { return };
    let message = if effort.instructions > limit.instructions {
        format!(
            "the kernel's verifier has to follow about {} instructions through the {rounds} rounds of this loop and what is in it, and gives up at {}",
            effort.instructions, limit.instructions
        )
    } else {
        format!(
            "the kernel's verifier has to keep about {} choices open through the {rounds} rounds of this loop, and gives up at {}",
            effort.choices, limit.choices
        )
    };
    let diagnostic = Diagnostic::error(catalogue::LOOP_TOO_LONG, span, message);
    diagnostics.push(if ways_multiply {
        diagnostic
            .with_help("this loop carries a place in the packet that it moves by different steps, so that it comes to another place on every way through its rounds")
            .with_help("let that be a variable of the loop and a place (`advance`), not a header that is set with `set!`, and move the packet outside of the loop; or loop less often")
    } else {
        diagnostic.with_help("loop less often, or do and test less in each round")
    });
}

/// A loop that takes much.
#[derive(Copy, Clone, Debug)]
struct Worst {
    span: Span,
    rounds: u64,
    share: u64,
    ways_multiply: bool,
}

struct Estimate<'u> {
    functions: &'u Arena<FunctionId, Function>,
    limit: Effort,
    /// The loop that takes the most.
    worst: Option<Worst>,
}

impl Estimate<'_> {
    fn expr(&mut self, expr: &Expr, function: &Function) -> Effort {
        match &expr.kind {
            Typed::If { test, then, otherwise } => {
                let (then, otherwise) = (self.expr(then, function), self.expr(otherwise, function));
                let ways = Effort {
                    instructions: then.instructions.saturating_add(otherwise.instructions),
                    choices: then.choices.max(otherwise.choices),
                };
                let decided = matches!(test.kind, Typed::Constant(_));
                let choice = Effort { instructions: 1, choices: u64::from(!decided) };
                self.expr(test, function).and(ways).and(choice)
            }
            Typed::Loop { id, variables, body } => {
                let start =
                    variables.iter().fold(Effort::default(), |sum, (_, value)| sum.and(self.expr(value, function)));
                let rounds = function.loops.get(*id).map_or(1, |facts| facts.trips);
                let mut round = self.expr(body, function);
                if goes_on(body, *id) {
                    // The test that ends the loop is decided in every round.
                    round.choices = round.choices.saturating_sub(1);
                }
                if forks(body, *id) {
                    // Measured: not every way is cut off where it meets another.
                    round.instructions = round.instructions.saturating_mul(2);
                }
                let mut all = round.times(rounds);
                let ways_multiply = function.loops.get(*id).is_some_and(|facts| facts.ways_multiply);
                if ways_multiply {
                    let ways = u32::try_from(rounds).ok().and_then(|rounds| 2_u64.checked_pow(rounds));
                    all.instructions = round.instructions.saturating_mul(ways.unwrap_or(u64::MAX));
                }
                let share = all.share(self.limit);
                if self.worst.is_none_or(|worst| share >= worst.share) {
                    self.worst = Some(Worst { span: expr.span, rounds, share, ways_multiply });
                }
                start.and(all)
            }
            Typed::Helper { arguments, .. } => {
                let mut sum = Effort::instructions(2);
                for argument in arguments {
                    sum = sum.and(match argument {
                        Argument::Value(value) => self.expr(value, function).and(Effort::instructions(1)),
                        Argument::Spilled(_, value) => self.expr(value, function).and(Effort::instructions(3)),
                        Argument::Map(_) => Effort::instructions(1),
                        Argument::Callback(callback) => self.function(*callback),
                    });
                }
                sum
            }
            Typed::Call { function: callee, .. } => self.parts(expr, function).and(self.function(*callee)),
            Typed::Unit | Typed::Constant(_) | Typed::Local(_) | Typed::Absent => Effort::default(),
            Typed::Let { .. } | Typed::LetValues { .. } | Typed::Seq(_) | Typed::Present(_) | Typed::Some(_) => {
                self.parts(expr, function)
            }
            _ => self.parts(expr, function).and(Effort::instructions(1)),
        }
    }

    fn parts(&mut self, expr: &Expr, function: &Function) -> Effort {
        let mut sum = Effort::default();
        parts(expr, &mut |part| sum = sum.and(self.expr(part, function)));
        sum
    }

    fn function(&mut self, id: FunctionId) -> Effort {
        match self.functions.get(id) {
            Some(function) => self.expr(&function.body, function).and(Effort::instructions(2)),
            None => Effort::default(),
        }
    }
}
