//! Loops: named `let`, `do`, `while`, `for`, and the bound on how often each runs.
//!
//! A loop's body is checked three times. First with nothing known of what changes in it; then with what the first round
//! showed every next round to begin with; then, for good, with what the second showed. Each of these is true of every round,
//! so what is proven with them is.

mod bound;
mod entry;
mod forget;
mod form;
mod leaving;
mod stepped;

use std::collections::BTreeSet;
use std::sync::Arc;

use bound::{Counted, Counter, found_counters};
use forget::{Carried, Hiding, forget_outer};
pub(super) use form::{CountedLoop, ElementKind, Elements};
pub(super) use leaving::LeavingTest;

use super::call::CALLS_IN_LOOPS;
use super::checker::{Checker, Position, local_of};
use super::flow::Flow;
use super::functions::called;
use super::range::Range;
use super::typed::{self, ExprKind as Typed, LocalId, LoopId, Region, Type};
use super::value::{Environment, Run, Value, full_range};
use crate::arena::Id;
use crate::diagnostic::{Diagnostic, Severity, catalogue};
use crate::expand::form::Lambda;
use crate::kernel::KernelVersion;
use crate::kernel::program_type::PacketAccess;
use crate::source::Span;

/// The most rounds the kernel's verifier can be asked to follow: it gives up at a million instructions or 8,192 open branches
/// (`BPF_COMPLEXITY_LIMIT_INSNS`, `BPF_COMPLEXITY_LIMIT_JMP_SEQ` in `kernel/bpf/verifier.c`).
const MAX_TRIPS: i128 = 4096;
/// A counter that begins below this one, and makes the largest steps that are looked at ([`Checker::step`]), in [`MAX_TRIPS`] rounds stays
/// below the largest signed number: compared with a signed one, it is the same number.
const LATE_START: i128 = 1 << 62;
const NEVER_REACHED: i128 = i64::MAX as i128;
/// The verifier follows loops since this version; before, they are written out.
const BOUNDED_LOOPS: KernelVersion = KernelVersion::new(5, 3);
/// Loops of so few rounds and so small a body are written out.
const UNROLL_TRIPS: u64 = 4;
const UNROLL_WEIGHT: usize = 24;
/// The most expressions that writing out may give, where the kernel leaves no choice.
const UNROLL_LIMIT: u64 = 4000;

/// A loop whose body is being checked.
#[derive(Debug)]
pub(super) struct ActiveLoop {
    id: LoopId,
    /// The procedure whose tail calls are the loop's next rounds.
    procedure: Option<Itself>,
    /// For that procedure: which parameters are loop variables.
    varying: Vec<bool>,
    locals: Vec<LocalId>,
    /// Which of them the kernel's verifier knows exactly in every round.
    exact: Vec<bool>,
    /// Locals from this one on are bound inside.
    inside: usize,
    counters: Vec<Counter>,
    /// What the kernel's verifier is made to forget where a round begins.
    forgotten: Vec<LocalId>,
    /// Whether it is to learn nothing from the tests in it, either.
    tests_teach_nothing: bool,
    /// The tests that end it, as far as the body was checked before.
    leaving: BTreeSet<LeavingTest>,
    /// Whether no variable has been set in the round yet.
    at_start: bool,
    rounds: Vec<Round>,
}

/// What a next round begins with.
#[derive(Clone, Debug)]
struct Round {
    values: Vec<Run>,
    /// By how much each value differs from the loop variable, and the variable's range.
    steps: Vec<Option<(i128, Range)>>,
    /// Whether the kernel's verifier knows each value exactly, where it knows the loop variable.
    exact: Vec<bool>,
    flow: Flow,
}

/// A procedure that is a loop, and the scope in which it was bound: bound once more, it is another one.
#[derive(Clone, Debug)]
struct Itself {
    lambda: Arc<Lambda>,
    bound_in: Environment,
}

/// What a loop is made of.
pub(super) struct LoopSpec {
    pub(super) span: Span,
    pub(super) variables: Vec<(String, Run)>,
    /// How many expressions the body has.
    pub(super) weight: usize,
    procedure: Option<Itself>,
    varying: Vec<bool>,
    /// Locals that the body changes by a constant in every round.
    counters: Vec<(LocalId, i128)>,
}

impl LoopSpec {
    /// A loop with these variables.
    pub(super) fn new(span: Span, variables: Vec<(String, Run)>, weight: usize) -> Self {
        Self { span, variables, weight, procedure: None, varying: Vec::new(), counters: Vec::new() }
    }
}

/// Checks one round, given the loop's variables and its index.
type Body<'b> = dyn FnMut(&mut Checker<'_>, &[LocalId], usize) -> Value + 'b;

impl Checker<'_> {
    /// Checks a loop. `body` checks one round, given the loop's variables and index; it goes on with [`Self::next_round`].
    pub(super) fn run_loop(&mut self, spec: LoopSpec, position: Position, body: &mut Body<'_>) -> Value {
        let span = spec.span;
        let messages = self.diagnostics.len();
        let mut spec = spec;
        for (_, init) in &mut spec.variables {
            *init = self.visible(init.clone());
        }
        let entry = self.flow.clone();
        let function = self.function.clone();
        let pending = self.pending.len();
        let mut types: Vec<Type> = spec.variables.iter().map(|(_, run)| run.expr.ty.clone()).collect();
        let mut counters = self.declared_counters(&spec);
        let mut rounds: Option<Vec<Round>> = None;
        let mut pass = 0;
        let mut hiding = Hiding::default();
        let mut alternatives: Vec<Hiding> = Vec::new();
        // The outer locals that the body sets, as far as that is known.
        let mut set: Option<BTreeSet<LocalId>> = None;
        loop {
            let last = pass >= 2;
            self.flow = self.loop_entry(&entry, rounds.as_deref(), set.as_ref());
            forget_outer(&mut self.flow, &hiding.carried);
            if rounds.is_some() {
                self.bound_outer_counters(&counters);
            }
            let start = self.flow.clone();
            let id = self.function.loops.push(typed::Loop {
                trips: 1,
                unroll: false,
                numbered: None,
                forgotten: Vec::new(),
                ways_multiply: false,
            });
            let inside = self.function.locals.len();
            let locals = self.bind_loop_variables(&spec, &types, &counters, &hiding.carried, rounds.as_deref());
            let active = ActiveLoop {
                id,
                procedure: spec.procedure.clone(),
                varying: spec.varying.clone(),
                locals: locals.clone(),
                exact: self.exact_variables(&spec, rounds.as_deref()),
                inside,
                counters: counters.iter().map(|counter| Counter { seen: None, ..*counter }).collect(),
                forgotten: Self::forgotten(&hiding.carried, &locals).iter().map(|forgotten| forgotten.local).collect(),
                tests_teach_nothing: hiding.tests_teach_nothing,
                leaving: rounds.as_deref().map(leaving::leaving).unwrap_or_default(),
                at_start: false,
                rounds: Vec::new(),
            };
            self.loops.push(active);
            let index = self.loops.len() - 1;
            let mark = self.pending.len();
            let value = body(self, &locals, index);
            let value = self.close_round(mark, value, position);
            let Some(done) = self.loops.pop() else { return Value::Error(span) };
            if let Some(wider) = self.wider_types(&types, &done.rounds) {
                types = wider;
                rounds = None;
                self.undo(messages, &function, pending);
                pass = 0;
                counters.retain(|counter| matches!(counter.what, Counted::Outer(_)));
                continue;
            }
            // A warning about the body is none about what it needs to know.
            let is_clean = self.diagnostics.iter().skip(messages).all(|message| message.severity != Severity::Error);
            // With something hidden, a test may not be decided any more that kept the loop from going on somewhere.
            let goes_on_as_before = rounds.as_ref().is_none_or(|before| done.rounds.len() <= before.len());
            if last && (is_clean && goes_on_as_before || hiding.is_nothing()) {
                return self.finish_loop(&spec, id, &locals, &types, &done, &hiding.carried, value, position);
            }
            if last {
                // The body needs to know more.
                hiding = alternatives.pop().unwrap_or_default();
            } else {
                if pass == 1 {
                    alternatives = self.hidings(&spec, &types, &start, &done, &value);
                    hiding = alternatives.pop().unwrap_or_default();
                }
                counters = found_counters(&spec, &done);
                set = forget::set_outside(&value, done.inside);
                rounds = Some(done.rounds);
                pass += 1;
            }
            self.undo(messages, &function, pending);
        }
    }

    /// The value of a round, with all that is done before: a test that ends the loop at once, too, where it comes to nothing.
    fn close_round(&mut self, mark: usize, value: Value, position: Position) -> Value {
        let value = match value {
            Value::Static(..) if position.effect && self.pending.len() > mark => {
                let span = value.span();
                let effect = self.effect(value);
                Value::Run(Run::new(effect.unwrap_or_else(|| typed::Expr::new(Type::Unit, span, Typed::Unit))))
            }
            other => other,
        };
        self.close(mark, value)
    }

    fn undo(&mut self, messages: usize, function: &super::checker::FunctionState, pending: usize) {
        self.diagnostics.truncate(messages);
        self.function = function.clone();
        self.pending.truncate(pending);
    }

    fn wider_types(&self, types: &[Type], rounds: &[Round]) -> Option<Vec<Type>> {
        let mut wider = types.to_vec();
        for round in rounds {
            for (ty, run) in wider.iter_mut().zip(&round.values) {
                if let Some(joined) = join_types(ty, run) {
                    *ty = joined;
                }
            }
        }
        (wider != types).then_some(wider)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one loop, put together in one place")]
    fn finish_loop(
        &mut self,
        spec: &LoopSpec,
        id: LoopId,
        locals: &[LocalId],
        types: &[Type],
        done: &ActiveLoop,
        carried: &[Carried],
        value: Value,
        position: Position,
    ) -> Value {
        let span = spec.span;
        let trips = self.trips(spec, done);
        let Some(trips) = trips else { return Value::Error(span) };
        let small = is_small(spec, trips);
        let must = self.program.min_kernel < BOUNDED_LOOPS && !done.rounds.is_empty();
        let weight = u64::try_from(spec.weight).unwrap_or(u64::MAX);
        if must && trips.saturating_mul(weight) > UNROLL_LIMIT {
            self.push(
                Diagnostic::error(
                    catalogue::LOOP_TOO_LONG,
                    span,
                    format!(
                        "a kernel before {BOUNDED_LOOPS} has no loops, and {trips} rounds are too many to write out"
                    ),
                )
                .with_help(format!("say `(min-kernel \"{BOUNDED_LOOPS}\")`, or loop less often")),
            );
            return Value::Error(span);
        }
        let calls = !done.rounds.is_empty() && matches!(&value, Value::Run(run) if calls(&run.expr));
        let numbered =
            (calls && self.program.min_kernel < CALLS_IN_LOOPS).then(|| bound::numbered(spec, done, locals, trips));
        *self.function.loops.at_mut(id) = typed::Loop {
            trips,
            unroll: small || must,
            numbered,
            forgotten: Self::forgotten(carried, locals),
            ways_multiply: false,
        };
        let mut variables = Vec::new();
        for (((_, init), local), ty) in spec.variables.iter().zip(locals).zip(types) {
            let expr = if init.expr.ty == *ty { Some(init.expr.clone()) } else { self.assign_to(*local, init.clone()) };
            let Some(expr) = expr else { return Value::Error(span) };
            variables.push((*local, expr));
        }
        let value = if position.effect {
            let effect = self.effect(value);
            let expr = effect.unwrap_or_else(|| typed::Expr::new(Type::Unit, span, Typed::Unit));
            Value::Run(Run::new(expr))
        } else {
            value
        };
        let Some(run) = self.run(value) else { return Value::Error(span) };
        let ty = match &run.expr.ty {
            // All that it comes to is the next round of a loop around it.
            Type::Never => Type::Never,
            _ if position.effect => Type::Unit,
            other => other.clone(),
        };
        let kind = Typed::Loop { id, variables, body: Box::new(run.expr) };
        Value::Run(Run { expr: typed::Expr::new(ty, span, kind), ..run })
    }

    /// Goes on with the next round of an active loop.
    pub(super) fn next_round(&mut self, index: usize, values: Vec<Value>, span: Span) -> Value {
        let Some(active) = self.loops.get(index) else { return Value::Error(span) };
        let (id, locals, inside) = (active.id, active.locals.clone(), active.inside + active.locals.len());
        let mut runs = Vec::new();
        let mut mistaken = false;
        for (value, local) in values.into_iter().zip(&locals) {
            // A mistake in one value, which may only be one as long as nothing is known of the others, is none in those.
            runs.push(self.run(value).unwrap_or_else(|| {
                mistaken = true;
                self.anything_of(*local, span)
            }));
        }
        let is_variable = |local: LocalId| locals.contains(&local) || self.function.locals.at(local).mutated;
        let kept = runs.iter().zip(&locals).find(|(run, local)| {
            local_of(&run.expr) != Some(**local) && self.lives_one_round(&run.expr, inside, &is_variable)
        });
        if let Some((run, _)) = kept {
            let (ty, span) = (run.expr.ty.clone(), run.expr.span);
            return self.overwritten(&ty, span);
        }
        let steps = runs.iter().zip(&locals).map(|(run, local)| self.step(run, *local)).collect();
        let exact = runs.iter().zip(&locals).map(|(run, local)| self.hands_on_exactly(index, run, *local)).collect();
        self.see_stepped(index);
        let flow = self.flow.clone();
        let reachable = flow.reachable;
        if let Some(active) = self.loops.get_mut(index)
            && reachable
        {
            active.rounds.push(Round { values: runs.clone(), steps, exact, flow });
        }
        if mistaken {
            self.flow.reachable = false;
            return Value::Error(span);
        }
        let mut arguments = Vec::new();
        for (run, local) in runs.into_iter().zip(&locals) {
            // Types that don't fit yet are widened in the next pass; what can never fit is reported in the last.
            let Some(expr) = self.assign_to(*local, run) else { return Value::Error(span) };
            arguments.push(expr);
        }
        self.flow.reachable = false;
        Value::run(Type::Never, span, Typed::Continue { id, arguments })
    }

    /// A value of a variable's type of which nothing is known.
    fn anything_of(&self, local: LocalId, span: Span) -> Run {
        let ty = self.function.locals.at(local).ty.clone();
        let range = full_range(&ty);
        Run::new(typed::Expr::new(ty, span, Typed::Unit)).in_range(range)
    }

    /// Reports a struct, or a copy of a header, that the next round would overwrite.
    fn overwritten(&mut self, ty: &Type, span: Span) -> Value {
        let (message, help) = if self.is_copied_header(ty) {
            (
                "this header is copied out of the packet in a loop, and the next round copies the next one to the same memory",
                "keep the number that is wanted of it, or the place after it: `(eth-payload h)`",
            )
        } else {
            (
                "this struct is made in a loop, and the next round makes it anew in the same memory",
                "make it before the loop, and set its fields inside",
            )
        };
        self.report(Diagnostic::error(catalogue::STRUCT_OUTLIVES_ROUND, span, message).with_help(help))
    }

    /// Whether a value refers to a header that the program has no pointer to in the packet.
    fn is_copied_header(&self, ty: &Type) -> bool {
        let (Type::Ref(reference) | Type::Optional(reference)) = ty else { return false };
        reference.region == Region::Packet && self.program.program_type.facts().packet == PacketAccess::Copied
    }

    /// Whether a value refers to stack memory that is made in every round, where locals are bound from `inside` on. A struct that is made right
    /// where it replaces the one before is fine: its parts are computed before its memory is written. What another variable holds may have been
    /// made in the round before.
    fn lives_one_round(&self, expr: &typed::Expr, inside: usize, is_variable: &dyn Fn(LocalId) -> bool) -> bool {
        let (Type::Ref(reference) | Type::Optional(reference)) = &expr.ty else { return false };
        if !matches!(reference.region, Region::Stack | Region::Any) && !self.is_copied_header(&expr.ty) {
            return false;
        }
        let lives = |expr: &typed::Expr| self.lives_one_round(expr, inside, is_variable);
        match &expr.kind {
            Typed::Local(local) => local.index() >= inside || is_variable(*local),
            Typed::Present(value) | Typed::Some(value) => lives(value),
            Typed::Let { body, .. } => lives(body),
            Typed::Seq(items) => items.last().is_some_and(lives),
            Typed::Allocate { .. } | Typed::Parse { .. } | Typed::Absent => false,
            _ => true,
        }
    }

    /// Whether a local that lives longer than a round would keep a struct that the next round overwrites; reports it.
    pub(super) fn keeps_struct_of_round(&mut self, local: LocalId, value: &typed::Expr) -> bool {
        let is_variable = |other: LocalId| other != local && self.function.locals.at(other).mutated;
        let kept = self.loops.last().is_some_and(|active| {
            local.index() < active.inside && self.lives_one_round(value, active.inside, &is_variable)
        });
        if kept {
            self.overwritten(&value.ty, value.span);
        }
        kept
    }
}

/// Whether a body calls a function, or gives one to a helper to call.
fn calls(body: &typed::Expr) -> bool {
    let mut any = false;
    called(body, &mut |_| any = true);
    any
}

/// Whether a loop is written out on every kernel.
fn is_small(spec: &LoopSpec, trips: u64) -> bool {
    trips <= UNROLL_TRIPS && spec.weight <= UNROLL_WEIGHT
}

/// A wider type, where a next round's value does not fit the variable's.
fn join_types(ty: &Type, run: &Run) -> Option<Type> {
    use super::types::{DataType, IntType};
    match (ty, &run.expr.ty) {
        (a, b) if a == b => None,
        (Type::Scalar(a), Type::Scalar(_)) => {
            let (have, new) = (super::value::scalar_int(a)?, run.int_type()?);
            let fits = run.range.within(Range::of(have)) && (run.literal || new.signed == have.signed);
            let int = if fits && (run.literal || new.bits <= have.bits) {
                have
            } else if have.signed == new.signed || run.literal {
                IntType { bits: 64, signed: have.signed || run.range.low < 0 }
            } else {
                IntType::I64
            };
            (int != have).then_some(Type::Scalar(DataType::Int(int)))
        }
        (Type::Ref(a), Type::Optional(b)) if a.target == b.target => Some(Type::Optional(b.clone())),
        (Type::Optional(_), Type::Ref(_)) => None,
        _ => None,
    }
}
