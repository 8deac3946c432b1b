//! The state of checking one unit, and the small steps every part of the checker takes: making locals, binding, reporting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::call::SelfCallTable;
use super::declare::{Declarations, DeclaredProgram};
use super::flow::{Epoch, Flow};
use super::kernel_types::{Fact, FactId};
use super::loops::ActiveLoop;
use super::range::Range;
use super::two_numbers::TwoNumbers;
use super::typed::{
    self, ExprKind, Function, FunctionId, Local, LocalId, LogLine, Loop, LoopId, Map, MapId, Program, Type,
};
use super::types::{DataType, IntType, StructId};
use super::value::{self, Environment, Meaning, Run, Static, Value};
use crate::arena::Arena;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, catalogue};
use crate::expand::form::{self, DefId, Lambda, VarId};
use crate::kernel::Architecture;
use crate::source::{Origin, Sources, Span};

/// How many typed expressions a unit may grow to: a bound on what inlining and unrolling can do.
const BUDGET: usize = 200_000;
/// How deep expressions may nest, procedures in place of their calls included: less than half of what the deep stack has room for
/// in an unoptimised compiler.
const DEPTH: usize = 3_000;

/// Where an expression stands.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Position {
    /// Nobody looks at the value.
    pub(super) effect: bool,
    /// In tail position of the active loops from this index on: their names can be called for the next round.
    pub(super) tail: Option<usize>,
}

impl Position {
    /// The value is used.
    pub(super) const VALUE: Self = Self { effect: false, tail: None };
    /// The value is not used.
    pub(super) const EFFECT: Self = Self { effect: true, tail: None };
}

/// What is the same for all that is checked of a unit.
#[derive(Copy, Clone)]
pub(super) struct Given<'a> {
    pub(super) unit: &'a form::Unit,
    pub(super) sources: &'a Sources,
    pub(super) declarations: &'a Declarations,
    pub(super) self_calls: &'a SelfCallTable,
    /// The machine that will run the programs.
    pub(super) architecture: Architecture,
}

/// The state of checking.
pub(super) struct Checker<'a> {
    pub(super) unit: &'a form::Unit,
    sources: &'a Sources,
    pub(super) declarations: &'a Declarations,
    pub(super) program: &'a DeclaredProgram,
    pub(super) diagnostics: &'a mut Diagnostics,
    /// Functions that stay functions, and under which definition and parameter types.
    pub(super) functions: &'a mut Functions,
    pub(super) function: FunctionState,
    pub(super) flow: Flow,
    pub(super) environment: Environment,
    /// What has to happen before the expression being checked: bindings and effects, in order.
    pub(super) pending: Vec<Pending>,
    /// Procedures being inlined, outermost first.
    pub(super) frames: Vec<Frame>,
    pub(super) loops: Vec<ActiveLoop>,
    /// How many of the branches being checked are looked at for their type alone.
    pub(super) for_type_alone: usize,
    /// For each state of the packet, what began it.
    pub(super) epochs: Vec<Option<Span>>,
    pub(super) spent: usize,
    /// Where the budget was used up.
    spent_at: Option<Span>,
    /// How deep the expression being checked is nested.
    depth: usize,
    /// Constants whose value is being found.
    pub(super) constants: Vec<DefId>,
    pub(super) self_calls: &'a SelfCallTable,
    /// The machine that will run the program.
    pub(super) architecture: Architecture,
}

/// Functions that stay functions.
#[derive(Debug, Default)]
pub(super) struct Functions {
    pub(super) arena: Arena<FunctionId, Function>,
    /// Where a function was tried, for which parameter types, and what came of it.
    pub(super) known: BTreeMap<(DefId, String), Option<Outlined>>,
    /// How often each definition is named.
    pub(super) uses: BTreeMap<DefId, usize>,
    /// Constants that are defined by themselves, and reported.
    pub(super) cyclic: BTreeSet<DefId>,
    /// Procedures that were looked into.
    pub(super) entered: BTreeSet<*const Lambda>,
    /// The structs that go through each ring buffer.
    pub(super) events: BTreeMap<MapId, Vec<StructId>>,
    /// What programs ask of the running kernel, each once.
    pub(super) facts: Arena<FactId, Fact>,
    /// Programs that save what functions are called with, for return probes.
    pub(super) entry_probes: Vec<Program>,
    /// The maps that it is in, which come after those that are declared.
    pub(super) argument_maps: Vec<Map>,
    /// What is logged.
    pub(super) log: Vec<LogLine>,
}

/// A function that stays a function, as its callers see it.
#[derive(Clone, Debug)]
pub(super) struct Outlined {
    pub(super) id: FunctionId,
    pub(super) result: Run,
}

/// What belongs to the function being checked.
#[derive(Clone, Debug, Default)]
pub(super) struct FunctionState {
    pub(super) locals: Arena<LocalId, Local>,
    pub(super) loops: Arena<LoopId, Loop>,
    /// Which state of the packet a local belongs to.
    pub(super) epochs: BTreeMap<LocalId, Epoch>,
    /// Integer locals whose range the kernel's verifier may not know.
    pub(super) opaque: BTreeSet<LocalId>,
    /// Locals that hold what is written as numbers, and so take the type of what they meet.
    pub(super) literals: BTreeSet<LocalId>,
    /// Locals that hold what a helper gives that puts two numbers in one.
    pub(super) two_numbers: BTreeMap<LocalId, &'static TwoNumbers>,
    /// The local that holds the context, where there is one.
    pub(super) context: Option<LocalId>,
    /// In the entry of a return probe: the locals that hold what the function was called with.
    pub(super) called_with: Vec<LocalId>,
}

/// A procedure being inlined.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) lambda: Arc<Lambda>,
    /// What the procedure closes over, once its parameters are bound.
    pub(super) closed_over: Option<Environment>,
    pub(super) call: Span,
}

/// What has to happen before an expression.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    /// A binding.
    Let(LocalId, typed::Expr),
    /// A binding of several values.
    LetValues(Vec<LocalId>, typed::Expr),
    /// Something done for its effect.
    Effect(typed::Expr),
}

impl<'a> Checker<'a> {
    /// A checker for one program of a unit.
    pub(super) fn new(
        given: Given<'a>,
        program: &'a DeclaredProgram,
        diagnostics: &'a mut Diagnostics,
        functions: &'a mut Functions,
    ) -> Self {
        let Given { unit, sources, declarations, self_calls, architecture } = given;
        Self {
            unit,
            sources,
            declarations,
            program,
            diagnostics,
            functions,
            function: FunctionState::default(),
            flow: Flow::new(),
            environment: Environment::default(),
            pending: Vec::new(),
            frames: Vec::new(),
            loops: Vec::new(),
            for_type_alone: 0,
            epochs: vec![None],
            spent: 0,
            spent_at: None,
            depth: 0,
            constants: Vec::new(),
            self_calls,
            architecture,
        }
    }
}

impl Checker<'_> {
    /// Reports an error and gives the value that silences what follows from it.
    pub(super) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> Value {
        self.report(Diagnostic::error(code, span, message))
    }

    /// Reports a message and gives the value that silences what follows from it.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) -> Value {
        let span = diagnostic.span;
        self.push(diagnostic);
        Value::Error(span)
    }

    /// Adds a message. One that stands in the prelude is moved to the user's call that led there.
    pub(super) fn push(&mut self, mut diagnostic: Diagnostic) {
        if self.is_prelude(diagnostic.span)
            && let Some(call) = self.frames.iter().rev().map(|frame| frame.call).find(|call| !self.is_prelude(*call))
        {
            diagnostic.span = call;
        }
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn is_prelude(&self, span: Span) -> bool {
        self.sources.get(span.source).origin == Origin::Prelude
    }

    /// What a type is called in messages.
    pub(super) fn type_name(&self, data: &DataType) -> String {
        self.declarations.types.name(data)
    }

    /// What a value is called in messages.
    pub(super) fn describe(&self, value: &Value) -> String {
        value::describe(value, &|data| self.type_name(data))
    }

    /// Counts an expression against the budget; false when it is used up.
    pub(super) fn spend(&mut self, span: Span) -> bool {
        self.spent += 1;
        if self.spent < BUDGET {
            return true;
        }
        let span = *self.spent_at.get_or_insert(span);
        // Said of something that is looked at once more, it is forgotten.
        if self.diagnostics.iter().all(|diagnostic| diagnostic.code != catalogue::PROGRAM_TOO_LARGE) {
            self.push(
                Diagnostic::error(
                    catalogue::PROGRAM_TOO_LARGE,
                    span,
                    "this program grows too large when its procedures are inlined",
                )
                .with_help("call large procedures less often, or use loops instead of repeated calls"),
            );
        }
        false
    }

    /// Goes one level deeper; `None`, reported once, where that is too deep.
    pub(super) fn nested<T>(&mut self, span: Span, inner: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth == DEPTH {
            self.report_depth(span);
            return None;
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        Some(result)
    }

    fn report_depth(&mut self, span: Span) {
        // What the reader has found too deep already, and cut off, is not said twice; nor is each part that is too deep.
        let reported = [catalogue::NESTED_TOO_DEEPLY, catalogue::PROGRAM_TOO_LARGE, catalogue::RECURSION];
        if self.diagnostics.iter().any(|diagnostic| reported.contains(&diagnostic.code)) {
            return;
        }
        if self.report_recursion_at_depth() {
            return;
        }
        self.push(
            Diagnostic::error(
                catalogue::PROGRAM_TOO_LARGE,
                span,
                format!("expressions nest deeper than {DEPTH} here, procedures in place of their calls included"),
            )
            .with_help("bind inner parts with `let`, or make loops of procedures that call themselves"),
        );
    }

    /// Makes a local. Nothing is bound yet.
    pub(super) fn new_local(&mut self, name: &str, run: &Run, mutated: bool) -> LocalId {
        let local = self.function.locals.push(Local { name: name.into(), ty: run.expr.ty.clone(), mutated });
        if let Some(epoch) = run.epoch {
            self.function.epochs.insert(local, epoch);
        }
        if run.int_type().is_some() {
            self.flow.ranges.insert(local, run.range);
        }
        if let Some(helper) = self.gives_two_numbers(&run.expr) {
            self.function.two_numbers.insert(local, helper);
        }
        if run.opaque {
            self.function.opaque.insert(local);
        }
        if !mutated && run.literal {
            self.function.literals.insert(local);
        }
        if !mutated && !run.implied.is_empty() {
            self.flow.implied.insert(local, run.implied.clone());
        }
        local
    }

    /// Reads a local, with what is known of it here.
    pub(super) fn read_local(&self, local: LocalId, span: Span) -> Run {
        let ty = self.function.locals.at(local).ty.clone();
        let expr = typed::Expr::new(ty.clone(), span, ExprKind::Local(local));
        let expr = match &ty {
            Type::Optional(reference) if self.flow.present.contains(&local) => {
                typed::Expr::new(Type::Ref(reference.clone()), span, ExprKind::Present(Box::new(expr)))
            }
            _ => expr,
        };
        let mut run = Run::new(expr);
        if let Some(range) = self.flow.ranges.get(&local) {
            run.range = *range;
        }
        run.literal = self.function.literals.contains(&local);
        run.epoch = self.function.epochs.get(&local).copied();
        run.implied = self.flow.implied.get(&local).cloned().unwrap_or_default();
        run.opaque = self.function.opaque.contains(&local) && !self.flow.visible.contains(&local);
        run
    }

    /// Whether a value can be repeated without doing work, and means the same wherever its locals are in scope.
    pub(super) fn is_stable(&self, value: &Value) -> bool {
        let Value::Run(run) = value else { return true };
        run.is_atom() && local_of(&run.expr).is_none_or(|local| !self.function.locals.at(local).mutated)
    }

    /// Makes a value repeatable: binds it to a fresh local where it does work.
    pub(super) fn stable(&mut self, value: Value, name: &str) -> Value {
        if self.is_stable(&value) {
            return value;
        }
        match value {
            Value::Run(run) => Value::Run(self.stable_run(run, name)),
            other => other,
        }
    }

    /// Makes a run-time value repeatable.
    pub(super) fn stable_run(&mut self, run: Run, name: &str) -> Run {
        let span = run.expr.span;
        let value = Value::Run(run);
        let stable = self.is_stable(&value);
        let Value::Run(run) = value else { return Run::new(typed::Expr::new(Type::Unit, span, ExprKind::Unit)) };
        if stable {
            return run;
        }
        let local = self.new_local(name, &run, false);
        self.pending.push(Pending::Let(local, run.expr));
        self.read_local(local, span)
    }

    /// Binds a source variable in the environment.
    pub(super) fn bind(&mut self, variable: VarId, value: Value) {
        let information = self.unit.variables.at(variable);
        let (name, mutated) = (information.name.clone(), information.mutated);
        let value = match &information.annotation {
            Some(annotation) => self.convert_to_annotation(value, annotation),
            None => value,
        };
        let meaning = match value {
            Value::Run(run) if mutated => {
                let local = self.new_local(&name, &run, true);
                self.pending.push(Pending::Let(local, run.expr));
                Meaning::Local(local)
            }
            Value::Run(run) => {
                let run = self.stable_run(run, &name);
                match run.expr.kind {
                    ExprKind::Local(local) => Meaning::Local(local),
                    _ => Meaning::Value(Value::Run(run)),
                }
            }
            Value::Static(_, span) if mutated => {
                self.error(
                    catalogue::NOT_A_RUN_TIME_VALUE,
                    span,
                    format!("`{name}` is changed by `set!`, but what it holds exists only while compiling"),
                );
                Meaning::Value(Value::Error(span))
            }
            other => Meaning::Value(other),
        };
        self.environment = self.environment.with(variable, meaning);
    }

    /// Puts what is pending since `mark` in front of an expression.
    pub(super) fn wrap(&mut self, mark: usize, mut expr: typed::Expr) -> typed::Expr {
        while self.pending.len() > mark {
            let Some(pending) = self.pending.pop() else { break };
            let (ty, span) = (expr.ty.clone(), expr.span);
            let kind = match pending {
                Pending::Let(local, value) => ExprKind::Let { local, value: Box::new(value), body: Box::new(expr) },
                Pending::LetValues(locals, value) => {
                    ExprKind::LetValues { locals, value: Box::new(value), body: Box::new(expr) }
                }
                Pending::Effect(effect) => match expr.kind {
                    ExprKind::Seq(mut items) => {
                        items.insert(0, effect);
                        ExprKind::Seq(items)
                    }
                    kind => ExprKind::Seq(vec![effect, typed::Expr::new(ty.clone(), span, kind)]),
                },
            };
            expr = typed::Expr::new(ty, span, kind);
        }
        expr
    }

    /// The context of the function being checked.
    pub(super) fn context(&mut self, span: Span) -> Option<typed::Expr> {
        let local = self.function.context?;
        Some(self.read_local(local, span).expr)
    }

    /// Begins a new state of the packet: whatever was parsed before can't be used any more.
    pub(super) fn new_epoch(&mut self, cause: Option<Span>) -> Epoch {
        self.epochs.push(cause);
        Epoch(self.epochs.len() - 1)
    }

    /// Whether the packet may begin elsewhere than at first.
    pub(super) fn has_moved(&self) -> bool {
        self.epochs.get(self.flow.epoch.0).copied().flatten().is_some()
    }

    /// What holds after either of two ways.
    pub(super) fn join_flows(&mut self, one: Flow, other: Flow) -> Flow {
        let epochs = &mut self.epochs;
        one.join(other, |a, b| {
            let cause = [b, a].iter().find_map(|epoch| epochs.get(epoch.0).copied().flatten());
            epochs.push(cause);
            Epoch(epochs.len() - 1)
        })
    }

    /// Whether what was made in `epoch` can still be used; reports it where not.
    pub(super) fn check_epoch(&mut self, epoch: Option<Epoch>, span: Span) -> bool {
        let Some(epoch) = epoch else { return true };
        if epoch == self.flow.epoch || !self.flow.reachable {
            return true;
        }
        let mut diagnostic = Diagnostic::error(
            catalogue::PACKET_MOVED,
            span,
            "this part of the packet was parsed before the packet moved",
        )
        .with_help("parse the header again after what moved the packet");
        if let Some(cause) = self.epochs.get(self.flow.epoch.0).copied().flatten() {
            diagnostic = diagnostic.with_note(cause, "the packet moves here");
        }
        self.push(diagnostic);
        false
    }

    /// A run-time value; reports what exists only while compiling.
    pub(super) fn run(&mut self, value: Value) -> Option<Run> {
        match value {
            Value::Run(run) => Some(run),
            Value::Static(Static::PacketStart(context, epoch), span) => {
                let kind = ExprKind::PacketStart(context);
                Some(Run::new(typed::Expr::new(Type::Cursor, span, kind)).in_epoch(epoch))
            }
            Value::Static(Static::Unspecified, span) => {
                Some(Run::new(typed::Expr::new(Type::Unit, span, ExprKind::Unit)))
            }
            Value::Static(Static::Values(parts), span) => {
                let parts: Option<Vec<Run>> = parts.into_iter().map(|part| self.run(part)).collect();
                let parts = parts?;
                let epoch = parts.iter().find_map(|part| part.epoch);
                let ty = Type::Values(parts.iter().map(|part| part.expr.ty.clone()).collect());
                let kind = ExprKind::Values(parts.into_iter().map(|part| part.expr).collect());
                Some(Run { epoch, ..Run::new(typed::Expr::new(ty, span, kind)) })
            }
            Value::Error(_) => None,
            other => {
                let what = self.describe(&other);
                let mut diagnostic = Diagnostic::error(
                    catalogue::NOT_A_RUN_TIME_VALUE,
                    other.span(),
                    format!("{what} exists only while compiling, and a value at run time is wanted here"),
                );
                if let Value::Static(Static::PacketEnd(..), _) = other {
                    diagnostic = diagnostic.with_help(
                        "subtract `(ctx-data ctx)` from it for the packet's length, or use `(packet-length ctx)`",
                    );
                }
                self.report(diagnostic);
                None
            }
        }
    }

    /// The expression of a value that nobody looks at.
    pub(super) fn effect(&mut self, value: Value) -> Option<typed::Expr> {
        match value {
            Value::Run(run) if run.is_atom() => None,
            Value::Run(run) => Some(run.expr),
            Value::Static(..) | Value::Error(_) => None,
        }
    }

    /// An integer of a type and range.
    pub(super) fn integer(&self, int: IntType, range: Range, span: Span, kind: ExprKind) -> Value {
        let run = Run::new(typed::Expr::new(Type::Scalar(DataType::Int(int)), span, kind));
        Value::Run(run.in_range(range.wrapped_to(int)))
    }
}

/// The local that an expression reads, where it does nothing else.
pub(super) fn local_of(expr: &typed::Expr) -> Option<LocalId> {
    match &expr.kind {
        ExprKind::Local(local) => Some(*local),
        ExprKind::Present(inner) | ExprKind::Some(inner) => local_of(inner),
        _ => None,
    }
}
