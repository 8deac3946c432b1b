//! Loops: named `let`, `do`, `while`, `for`, and the bound on how often each runs.
//!
//! A loop's body is checked three times. First with nothing known of what changes in it; then with what the first round
//! showed every next round to begin with; then, for good, with what the second showed. Each of these is true of every round,
//! so what is proven with them is.

use std::rc::Rc;

use super::checker::{Checker, Position, local_of};
use super::flow::Flow;
use super::range::Range;
use super::test::Comparison;
use super::typed::{self, ArithmeticOp, ExprKind as Typed, LocalId, LoopId, Region, Type};
use super::value::{Environment, Meaning, Run, Static, Value, full_range};
use crate::arena::Id;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::{Expr, ExprKind, Lambda, VarId};
use crate::kernel::KernelVersion;
use crate::source::Span;

/// The most rounds the kernel's verifier can be asked to follow: it gives up at a million instructions or 8,192 open branches
/// (`BPF_COMPLEXITY_LIMIT_INSNS`, `BPF_COMPLEXITY_LIMIT_JMP_SEQ` in `kernel/bpf/verifier.c`).
const MAX_TRIPS: i128 = 4096;
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
    lambda: Option<*const Lambda>,
    /// For that procedure: which parameters are loop variables.
    varying: Vec<bool>,
    locals: Vec<LocalId>,
    /// Locals from this one on are bound inside.
    inside: usize,
    counters: Vec<Counter>,
    rounds: Vec<Round>,
}

/// What counts.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Counted {
    /// The loop's variable at this position.
    Variable(usize),
    /// A local bound outside, that the body sets.
    Outer(LocalId),
}

/// Something that changes by the same amount from round to round.
#[derive(Clone, Debug)]
struct Counter {
    what: Counted,
    step: i128,
    init: Range,
    /// What it can be in a round that is followed by another.
    seen: Option<Range>,
}

impl ActiveLoop {
    fn counter_local(&self, counter: &Counter) -> Option<LocalId> {
        match counter.what {
            Counted::Variable(index) => self.locals.get(index).copied(),
            Counted::Outer(local) => Some(local),
        }
    }
}

/// What a next round begins with.
#[derive(Clone, Debug)]
struct Round {
    values: Vec<Run>,
    /// By how much each value differs from the loop variable, and the variable's range.
    steps: Vec<Option<(i128, Range)>>,
    flow: Flow,
}

/// What a loop is made of.
pub(super) struct LoopSpec {
    pub(super) span: Span,
    pub(super) variables: Vec<(String, Run)>,
    /// How many expressions the body has.
    pub(super) weight: usize,
    lambda: Option<*const Lambda>,
    varying: Vec<bool>,
    /// Locals that the body changes by a constant in every round.
    counters: Vec<(LocalId, i128)>,
}

impl LoopSpec {
    /// A loop with these variables.
    pub(super) fn new(span: Span, variables: Vec<(String, Run)>, weight: usize) -> Self {
        Self { span, variables, weight, lambda: None, varying: Vec::new(), counters: Vec::new() }
    }
}

/// Checks one step of going through a sequence: given the element and what has come together, what comes together next.
type FoldBody<'b> = dyn FnMut(&mut Checker<'_>, Value, Vec<Value>) -> Vec<Value> + 'b;

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
        loop {
            let last = pass >= 2;
            self.flow = self.loop_entry(&entry, rounds.as_deref());
            let id = self.function.loops.push(typed::Loop { trips: 1, unroll: false });
            let inside = self.function.locals.len();
            let locals = self.bind_loop_variables(&spec, &types, &counters, rounds.as_deref());
            let active = ActiveLoop {
                id,
                lambda: spec.lambda,
                varying: spec.varying.clone(),
                locals: locals.clone(),
                inside,
                counters: counters.clone(),
                rounds: Vec::new(),
            };
            self.loops.push(active);
            let index = self.loops.len() - 1;
            let mark = self.pending.len();
            let value = body(self, &locals, index);
            let value = self.close(mark, value);
            let Some(done) = self.loops.pop() else { return Value::Error(span) };
            if let Some(wider) = self.wider_types(&types, &done.rounds) {
                types = wider;
                rounds = None;
                self.undo(messages, &function, pending);
                pass = 0;
                counters.retain(|counter| matches!(counter.what, Counted::Outer(_)));
                continue;
            }
            if last {
                return self.finish_loop(&spec, id, &locals, &types, &done, value, position);
            }
            counters = found_counters(&spec, &done);
            rounds = Some(done.rounds);
            self.undo(messages, &function, pending);
            pass += 1;
        }
    }

    fn undo(&mut self, messages: usize, function: &super::checker::FunctionState, pending: usize) {
        self.diagnostics.truncate(messages);
        self.function = function.clone();
        self.pending.truncate(pending);
    }

    fn declared_counters(&self, spec: &LoopSpec) -> Vec<Counter> {
        let counter = |(local, step): &(LocalId, i128)| Counter {
            what: Counted::Outer(*local),
            step: *step,
            init: self.flow.ranges.get(local).copied().unwrap_or(Range::of(super::types::IntType::U64)),
            seen: None,
        };
        spec.counters.iter().map(counter).collect()
    }

    /// What holds at the start of every round.
    fn loop_entry(&mut self, entry: &Flow, rounds: Option<&[Round]>) -> Flow {
        match rounds {
            None => {
                let mut flow = entry.clone();
                for (local, information) in self.function.locals.iter() {
                    if information.mutated {
                        flow.present.remove(&local);
                        flow.nonzero.remove(&local);
                        if flow.ranges.contains_key(&local) {
                            flow.ranges.insert(local, full_range(&information.ty));
                        }
                    }
                }
                flow
            }
            Some(rounds) => rounds.iter().fold(entry.clone(), |flow, round| {
                let mut joined = self.join_flows(flow, round.flow.clone());
                joined.reachable = entry.reachable;
                joined
            }),
        }
    }

    fn bind_loop_variables(
        &mut self,
        spec: &LoopSpec,
        types: &[Type],
        counters: &[Counter],
        rounds: Option<&[Round]>,
    ) -> Vec<LocalId> {
        let mut locals = Vec::new();
        for (index, ((name, init), ty)) in spec.variables.iter().zip(types).enumerate() {
            let full = full_range(ty);
            let next = rounds.map(|rounds| {
                rounds
                    .iter()
                    .filter_map(|round| round.values.get(index))
                    .fold(init.range, |range, run| range.union(run.range))
            });
            let mut range = next.filter(|range| range.within(full)).unwrap_or(full);
            if rounds.is_some() {
                let counter = counters.iter().find(|counter| counter.what == Counted::Variable(index));
                match counter {
                    Some(counter) if counter.step > 0 => range.low = init.range.low.max(full.low),
                    Some(counter) if counter.step < 0 => range.high = init.range.high.min(full.high),
                    _ => {}
                }
            }
            let epoch = init.epoch.map(|epoch| {
                let stale = rounds.is_some_and(|rounds| {
                    rounds
                        .iter()
                        .any(|round| round.values.get(index).is_some_and(|run| run.epoch != Some(round.flow.epoch)))
                });
                if stale || epoch != self.flow.epoch { epoch } else { self.flow.epoch }
            });
            let opaque = rounds
                .is_some_and(|rounds| rounds.iter().any(|round| round.values.get(index).is_some_and(|run| run.opaque)));
            let expr = typed::Expr::new(ty.clone(), init.expr.span, Typed::Unit);
            let run = Run { expr, range, literal: false, epoch, opaque };
            locals.push(self.new_local(name, &run, false));
        }
        // A cursor that every round sets anew belongs to the packet as it is at the start of the round.
        if let Some(rounds) = rounds
            && rounds.iter().any(|round| round.flow.epoch != self.flow.epoch)
        {
            for (index, local) in locals.iter().enumerate() {
                let fresh = rounds.iter().all(|round| {
                    round.values.get(index).is_none_or(|run| run.epoch.is_none_or(|epoch| epoch == round.flow.epoch))
                });
                if fresh && self.function.epochs.contains_key(local) {
                    self.function.epochs.insert(*local, self.flow.epoch);
                }
            }
        }
        locals
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
        value: Value,
        position: Position,
    ) -> Value {
        let span = spec.span;
        let trips = self.trips(spec, done);
        let Some(trips) = trips else { return Value::Error(span) };
        let small = trips <= UNROLL_TRIPS && spec.weight <= UNROLL_WEIGHT;
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
        *self.function.loops.at_mut(id) = typed::Loop { trips, unroll: small || must };
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
        let ty = if run.expr.ty == Type::Never || position.effect { Type::Unit } else { run.expr.ty.clone() };
        let kind = Typed::Loop { id, variables, body: Box::new(run.expr) };
        Value::Run(Run { expr: typed::Expr::new(ty, span, kind), ..run })
    }

    /// How often the body runs at most; reports it where there is no bound.
    fn trips(&mut self, spec: &LoopSpec, done: &ActiveLoop) -> Option<u64> {
        if done.rounds.is_empty() {
            return Some(1);
        }
        let counters = found_counters(spec, done);
        let bounds = counters.iter().filter_map(|counter| {
            let seen = counter.seen?;
            let full = full_range(&self.function.locals.at(done.counter_local(counter)?).ty);
            if let Counted::Outer(local) = counter.what
                && counter.step < 0
                && self.function.opaque.contains(&local)
            {
                // Where it begins is not known to the verifier.
                return None;
            }
            if counter.step > 0 {
                // It must not wrap around on its way.
                (seen.high + counter.step <= full.high).then(|| (seen.high - counter.init.low) / counter.step + 2)
            } else {
                (seen.low + counter.step >= full.low).then(|| (counter.init.high - seen.low) / -counter.step + 2)
            }
        });
        let bound = bounds.min();
        match bound {
            Some(trips) if trips <= MAX_TRIPS => u64::try_from(trips.max(1)).ok(),
            Some(trips) => {
                self.push(
                    Diagnostic::error(
                        catalogue::LOOP_TOO_LONG,
                        spec.span,
                        format!(
                            "this loop can run {} times, and the kernel follows {MAX_TRIPS} rounds at most",
                            trips - 1
                        ),
                    )
                    .with_help("test the count before: `(if (< n 1000) …)` bounds what comes after it"),
                );
                None
            }
            None => {
                self.push(
                    Diagnostic::error(catalogue::UNBOUNDED_LOOP, spec.span, "no bound is known for how often this loop runs")
                        .with_help("count with `(for (i in (range 0 n)) …)`, where `n` is a constant or has been tested: `(if (< n 64) …)`")
                        .with_help("in a named `let`, `do` or `while`, step a variable by a constant and compare it with such a bound"),
                );
                None
            }
        }
    }

    /// Goes on with the next round of an active loop.
    pub(super) fn next_round(&mut self, index: usize, values: Vec<Value>, span: Span) -> Value {
        let Some(active) = self.loops.get(index) else { return Value::Error(span) };
        let (id, locals, inside) = (active.id, active.locals.clone(), active.inside + active.locals.len());
        let mut runs = Vec::new();
        for value in values {
            let Some(run) = self.run(value) else { return Value::Error(span) };
            runs.push(run);
        }
        if let Some(run) = runs.iter().find(|run| lives_one_round(&run.expr, inside)) {
            return self.overwritten(run.expr.span);
        }
        let steps = runs.iter().zip(&locals).map(|(run, local)| self.step(run, *local)).collect();
        let flow = self.flow.clone();
        let reachable = flow.reachable;
        if let Some(active) = self.loops.get_mut(index)
            && reachable
        {
            active.rounds.push(Round { values: runs.clone(), steps, flow });
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

    /// Reports a struct that the next round would overwrite.
    fn overwritten(&mut self, span: Span) -> Value {
        self.report(
            Diagnostic::error(
                catalogue::STRUCT_OUTLIVES_ROUND,
                span,
                "this struct is made in a loop, and the next round makes it anew in the same memory",
            )
            .with_help("make it before the loop, and set its fields inside"),
        )
    }

    /// Whether a local that lives longer than a round would keep a struct that the next round overwrites; reports it.
    pub(super) fn keeps_struct_of_round(&mut self, local: LocalId, value: &typed::Expr) -> bool {
        let kept = self
            .loops
            .last()
            .is_some_and(|active| local.index() < active.inside && lives_one_round(value, active.inside));
        if kept {
            self.overwritten(value.span);
        }
        kept
    }

    /// By how much a value differs from a loop variable.
    fn step(&self, run: &Run, local: LocalId) -> Option<(i128, Range)> {
        let range = self.flow.ranges.get(&local).copied()?;
        let sum = match &run.expr.kind {
            // Whether it wraps in the variable's own type is seen to where rounds are counted.
            Typed::Cast(inner) if run.expr.ty == self.function.locals.at(local).ty => inner,
            _ => &run.expr,
        };
        let (op, lhs, rhs) = match &sum.kind {
            Typed::Arithmetic { op, lhs, rhs } => (*op, lhs, rhs),
            _ => return None,
        };
        let number = |expr: &typed::Expr| match (&expr.kind, &expr.ty) {
            (Typed::Constant(bits), Type::Scalar(_)) => {
                let signed = i128::from(i64::from_le_bytes(bits.to_le_bytes()));
                (signed.abs() < 1 << 40).then_some(signed)
            }
            _ => None,
        };
        let step = match op {
            ArithmeticOp::Add if local_of(lhs) == Some(local) => number(rhs)?,
            ArithmeticOp::Add if local_of(rhs) == Some(local) => number(lhs)?,
            ArithmeticOp::Sub if local_of(lhs) == Some(local) => -number(rhs)?,
            _ => return None,
        };
        (step != 0).then_some((step, range))
    }

    /// Two numbers to be compared; where one counts a loop, the other is a bound that the kernel's verifier must know.
    pub(super) fn visible_bounds(&mut self, a: Run, b: Run) -> (Run, Run) {
        match (self.is_loop_variable(&a), self.is_loop_variable(&b)) {
            (true, false) => {
                let b = self.visible(b);
                (a, b)
            }
            (false, true) => (self.visible(a), b),
            _ => (a, b),
        }
    }

    /// Whether an expression reads a variable that counts an active loop: the kernel knows its exact value in every round.
    pub(super) fn is_loop_variable(&self, run: &Run) -> bool {
        local_of(&run.expr).is_some_and(|local| {
            let counts = |active: &ActiveLoop| {
                active.locals.contains(&local)
                    || active.counters.iter().any(|counter| active.counter_local(counter) == Some(local))
            };
            self.loops.iter().any(counts)
        })
    }

    /// What `(= counter bound)` amounts to in a loop that counts toward the bound without passing over it: a comparison that
    /// also holds beyond it, which gives everyone, the kernel included, a bound.
    pub(super) fn counting_test(&self, a: &Run, b: &Run) -> Option<Comparison> {
        let toward = |counter: &Counter, bound: &Run, inside: usize| {
            let fixed = bound.constant().is_some()
                || local_of(&bound.expr)
                    .is_some_and(|local| local.index() < inside && !self.function.locals.at(local).mutated);
            let exact = counter.step.abs() == 1
                || matches!((counter.init.single(), bound.range.single()), (Some(from), Some(to)) if (to - from) % counter.step == 0);
            if !fixed || !exact {
                None
            } else if counter.step > 0 && counter.init.high <= bound.range.low {
                Some(Comparison::GreaterEqual)
            } else if counter.step < 0 && counter.init.low >= bound.range.high {
                Some(Comparison::LessEqual)
            } else {
                None
            }
        };
        for active in self.loops.iter().rev() {
            for counter in &active.counters {
                let Some(local) = active.counter_local(counter) else { continue };
                if local_of(&a.expr) == Some(local) {
                    return toward(counter, b, active.inside);
                }
                if local_of(&b.expr) == Some(local) {
                    return toward(counter, a, active.inside).map(|comparison| match comparison {
                        Comparison::GreaterEqual => Comparison::LessEqual,
                        _ => Comparison::GreaterEqual,
                    });
                }
            }
        }
        None
    }

    /// Where a procedure's tail call of itself is the next round of its loop.
    pub(super) fn continue_closure(
        &mut self,
        lambda: &Rc<Lambda>,
        values: &[Value],
        position: Position,
        span: Span,
    ) -> Option<Value> {
        let from = position.tail?;
        let pointer = Rc::as_ptr(lambda);
        let index =
            self.loops.iter().enumerate().skip(from).rev().find(|(_, active)| active.lambda == Some(pointer))?.0;
        if !self.arity_fits(lambda, values.len(), span) {
            return Some(Value::Error(span));
        }
        let varying = self.loops.get(index)?.varying.clone();
        let mut next = Vec::new();
        for ((value, parameter), varies) in values.iter().zip(&lambda.parameters).zip(varying) {
            if varies {
                let value = match &self.unit.variables.at(*parameter).annotation {
                    Some(annotation) => self.convert_to_annotation(value.clone(), annotation),
                    None => value.clone(),
                };
                next.push(value);
            }
        }
        Some(self.next_round(index, next, span))
    }

    /// A procedure that calls itself last: a loop over its parameters.
    pub(super) fn closure_loop(
        &mut self,
        lambda: &Rc<Lambda>,
        environment: Environment,
        unchanged: &[bool],
        values: Vec<Value>,
        position: Position,
        span: Span,
    ) -> Value {
        if !self.arity_fits(lambda, values.len(), span) {
            return Value::Error(span);
        }
        self.enter(lambda, span, |checker| {
            checker.in_environment(environment, |checker| {
                let mut variables = Vec::new();
                let mut varying = Vec::new();
                let mut parameters: Vec<VarId> = Vec::new();
                for ((parameter, value), same) in lambda.parameters.iter().zip(values).zip(unchanged) {
                    let information = checker.unit.variables.at(*parameter);
                    let name = information.name.to_string();
                    let fixed = *same && !information.mutated;
                    varying.push(!fixed);
                    if fixed {
                        checker.bind(*parameter, value);
                        continue;
                    }
                    let value = match &information.annotation {
                        Some(annotation) => checker.convert_to_annotation(value, annotation),
                        None => value,
                    };
                    let Some(run) = checker.run(value) else { return Value::Error(span) };
                    variables.push((name, run));
                    parameters.push(*parameter);
                }
                let weight = super::value::weight(&lambda.body, UNROLL_WEIGHT * 8);
                let spec =
                    LoopSpec { lambda: Some(Rc::as_ptr(lambda)), varying, ..LoopSpec::new(span, variables, weight) };
                let outer = checker.environment.clone();
                let tail = position.tail;
                let value = checker.run_loop(spec, position, &mut |checker, locals, index| {
                    checker.environment = outer.clone();
                    checker.bind_to_locals(&parameters, locals);
                    let position = Position { effect: position.effect, tail: Some(tail.unwrap_or(index)) };
                    checker.check(&lambda.body, position)
                });
                checker.environment = outer;
                match &lambda.result {
                    Some(annotation) if !position.effect => checker.convert_to_annotation(value, annotation),
                    _ => value,
                }
            })
        })
    }

    /// Makes source variables stand for loop variables.
    fn bind_to_locals(&mut self, variables: &[VarId], locals: &[LocalId]) {
        for (variable, local) in variables.iter().zip(locals) {
            if self.unit.variables.at(*variable).mutated {
                let span = self.unit.variables.at(*variable).span;
                let run = self.read_local(*local, span);
                self.bind(*variable, Value::Run(run));
            } else {
                self.environment = self.environment.with(*variable, Meaning::Local(*local));
            }
        }
    }

    /// `(while test body …)`
    pub(super) fn check_while(&mut self, test: &Expr, body: &Expr, span: Span) -> Value {
        let counters = self.while_counters(body);
        let weight = super::value::weight(body, UNROLL_WEIGHT * 8);
        let spec = LoopSpec { counters, ..LoopSpec::new(span, Vec::new(), weight) };
        self.run_loop(spec, Position::EFFECT, &mut |checker, _, index| {
            let test = checker.test(test);
            checker.choose(
                test,
                Position::EFFECT,
                span,
                |checker| {
                    checker.see_counters(index);
                    let mark = checker.pending.len();
                    let value = checker.check(body, Position::EFFECT);
                    if let Some(effect) = checker.effect(value) {
                        checker.pending.push(super::checker::Pending::Effect(effect));
                    }
                    let next = checker.next_round(index, Vec::new(), span);
                    checker.close(mark, next)
                },
                |_| Value::unspecified(span),
            )
        })
    }

    /// Notes what the counters of a `while` are where its test holds.
    fn see_counters(&mut self, index: usize) {
        let flow = &self.flow;
        if let Some(active) = self.loops.get_mut(index) {
            for counter in &mut active.counters {
                if let Counted::Outer(local) = counter.what {
                    counter.seen = flow.ranges.get(&local).copied();
                }
            }
        }
    }

    /// Variables that the body of a `while` changes exactly once, in every round, by a constant.
    fn while_counters(&self, body: &Expr) -> Vec<(LocalId, i128)> {
        let items = match &body.kind {
            ExprKind::Begin(items) => items.as_slice(),
            _ => std::slice::from_ref(body),
        };
        let mut counters = Vec::new();
        for item in items {
            let ExprKind::SetLocal(variable, value) = &item.kind else { continue };
            let Some(step) = constant_step(*variable, value) else { continue };
            let target = Expr { span: item.span, kind: ExprKind::Local(*variable) };
            if let Some(local) = self.meaning_local(&target)
                && assignments(body, *variable) == 1
            {
                counters.push((local, step));
            }
        }
        counters
    }

    /// `(for (x in sequence) body …)`
    pub(super) fn check_for(&mut self, variable: VarId, sequence: &Expr, body: &Expr, span: Span) -> Value {
        let sequence = self.value(sequence);
        let weight = super::value::weight(body, UNROLL_WEIGHT * 8);
        self.for_each(sequence, weight, span, &mut |checker, element| {
            checker.scoped(|checker| {
                checker.bind(variable, element);
                checker.check(body, Position::EFFECT)
            })
        })
    }

    /// Does something with each element of a sequence.
    pub(super) fn for_each(
        &mut self,
        sequence: Value,
        weight: usize,
        span: Span,
        body: &mut dyn FnMut(&mut Checker<'_>, Value) -> Value,
    ) -> Value {
        self.fold(sequence, Vec::new(), weight, span, &mut |checker, element, _| {
            let value = body(checker, element);
            if let Some(effect) = checker.effect(value) {
                checker.pending.push(super::checker::Pending::Effect(effect));
            }
            Vec::new()
        });
        Value::unspecified(span)
    }

    /// Goes through a sequence with values that each element changes; what they are at the end.
    pub(super) fn fold(
        &mut self,
        sequence: Value,
        values: Vec<Value>,
        weight: usize,
        span: Span,
        body: &mut FoldBody<'_>,
    ) -> Vec<Value> {
        match self.elements(sequence, span) {
            Some(Elements::Listed(elements)) => elements.into_iter().fold(values, |values, element| {
                let values = values.into_iter().map(|value| self.stable(value, "accumulator")).collect();
                body(self, element, values)
            }),
            Some(Elements::Counted(counted)) => self.counted(&counted, values, weight, span, body),
            None => values.into_iter().map(|_| Value::Error(span)).collect(),
        }
    }

    fn counted(
        &mut self,
        counted: &CountedLoop,
        values: Vec<Value>,
        weight: usize,
        span: Span,
        body: &mut FoldBody<'_>,
    ) -> Vec<Value> {
        let count = values.len();
        let mut variables = vec![("i".to_owned(), counted.from.clone())];
        for value in values {
            let Some(run) = self.scalar(value) else { return vec![Value::Error(span); count] };
            variables.push(("accumulator".to_owned(), run));
        }
        let position = if count == 0 { Position::EFFECT } else { Position::VALUE };
        let comparison = if counted.step > 0 { Comparison::Less } else { Comparison::Greater };
        let value = self.run_loop(LoopSpec::new(span, variables, weight), position, &mut |checker, locals, index| {
            let Some((counter, accumulators)) = locals.split_first() else { return Value::Error(span) };
            let now = Value::Run(checker.read_local(*counter, span));
            let test = checker.compare(comparison, now, Value::Run(counted.to.clone()), span);
            checker.choose(
                test,
                position,
                span,
                |checker| {
                    let mark = checker.pending.len();
                    let now = checker.read_local(*counter, span);
                    let element = counted.element_at(checker, now.clone(), span);
                    let element = checker.stable(element, "element");
                    let values =
                        accumulators.iter().map(|local| Value::Run(checker.read_local(*local, span))).collect();
                    let mut next = body(checker, element, values);
                    let advance = checker.add_constant(now, counted.step, span);
                    next.insert(0, advance);
                    let value = checker.next_round(index, next, span);
                    checker.close(mark, value)
                },
                |checker| match accumulators {
                    [] => Value::unspecified(span),
                    [only] => Value::Run(checker.read_local(*only, span)),
                    several => {
                        let parts = several.iter().map(|local| Value::Run(checker.read_local(*local, span))).collect();
                        Value::Static(Static::Values(parts), span)
                    }
                },
            )
        });
        match count {
            0 => {
                if let Some(effect) = self.effect(value) {
                    self.pending.push(super::checker::Pending::Effect(effect));
                }
                Vec::new()
            }
            _ => vec![value],
        }
    }
}

/// What a sequence is made of.
pub(super) enum Elements {
    /// So many values, known one by one.
    Listed(Vec<Value>),
    /// Numbers from one to another, or what stands at those places.
    Counted(Box<CountedLoop>),
}

/// What an element of a counted sequence is.
#[derive(Clone, Debug)]
pub(super) enum ElementKind {
    /// The number itself.
    Number,
    /// What stands there in an array.
    ArrayElement(Run),
}

/// Going from one number up to, but not including, another.
pub(super) struct CountedLoop {
    pub(super) from: Run,
    pub(super) to: Run,
    pub(super) step: i64,
    pub(super) element: ElementKind,
}

impl CountedLoop {
    fn element_at(&self, checker: &mut Checker<'_>, now: Run, span: Span) -> Value {
        match &self.element {
            ElementKind::Number => Value::Run(now),
            ElementKind::ArrayElement(array) => checker.array_element(array.clone(), Value::Run(now), span),
        }
    }
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

/// What changes by the same constant in every round: what the loop was made with, and the variables found to do so.
fn found_counters(spec: &LoopSpec, done: &ActiveLoop) -> Vec<Counter> {
    let outer = done.counters.iter().filter(|counter| matches!(counter.what, Counted::Outer(_)));
    let mut counters: Vec<Counter> = outer.cloned().collect();
    for (index, (_, init)) in spec.variables.iter().enumerate() {
        let mut steps = done.rounds.iter().map(|round| round.steps.get(index).copied().flatten());
        let Some(Some((step, mut seen))) = steps.next() else { continue };
        let same = steps.all(|next| match next {
            Some((other, range)) => {
                seen = seen.union(range);
                other == step
            }
            None => false,
        });
        if same {
            counters.push(Counter { what: Counted::Variable(index), step, init: init.range, seen: Some(seen) });
        }
    }
    counters
}

/// Whether a value refers to stack memory that is made in every round, where locals are bound from `inside` on. A struct that is made right where
/// it replaces the one before is fine: its parts are computed before its memory is written.
fn lives_one_round(expr: &typed::Expr, inside: usize) -> bool {
    let (Type::Ref(reference) | Type::Optional(reference)) = &expr.ty else { return false };
    if !matches!(reference.region, Region::Stack | Region::Any) {
        return false;
    }
    match &expr.kind {
        Typed::Local(local) => local.index() >= inside,
        Typed::Present(value) | Typed::Some(value) => lives_one_round(value, inside),
        Typed::Let { body, .. } => lives_one_round(body, inside),
        Typed::Seq(items) => items.last().is_some_and(|last| lives_one_round(last, inside)),
        Typed::Allocate { .. } | Typed::Absent => false,
        _ => true,
    }
}

fn constant_step(variable: VarId, value: &Expr) -> Option<i128> {
    let ExprKind::Call(callee, arguments) = &value.kind else { return None };
    let ExprKind::Builtin(name) = &callee.kind else { return None };
    let [a, b] = arguments.as_slice() else { return None };
    match (&**name, &a.kind, &b.kind) {
        ("+", ExprKind::Local(v), ExprKind::Integer(n)) | ("+", ExprKind::Integer(n), ExprKind::Local(v)) => {
            (*v == variable && *n != 0).then_some(*n)
        }
        ("-", ExprKind::Local(v), ExprKind::Integer(n)) => (*v == variable && *n != 0).then_some(-*n),
        _ => None,
    }
}

fn assignments(expr: &Expr, variable: VarId) -> usize {
    let here = usize::from(matches!(&expr.kind, ExprKind::SetLocal(set, _) if *set == variable));
    let mut count = here;
    super::walk::children(expr, &mut |child| count += assignments(child, variable));
    count
}
