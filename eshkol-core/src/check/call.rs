//! Calls: procedures are put in place of their calls, so that what is known of the arguments is known in the body.
//! Large ones used more than once stay functions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::checker::{Checker, Frame, FunctionState, Outlined, Position};
use super::flow::Flow;
use super::implied::Implied;
use super::typed::{self, ExprKind as Typed, Function, Type};
use super::value::{Closure, Environment, Procedure, Run, Static, Value};
use super::walk;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::{Binding, DefId, DefinitionKind, Expr, ExprKind, Lambda, Unit, VarId};
use crate::kernel::KernelVersion;
use crate::source::Span;

/// How deep a procedure may call itself while compiling.
const RECURSION_LIMIT: usize = 500;
/// How many calls of a procedure that is given another may be in each other.
const NESTING_LIMIT: usize = 16;
/// From so many calls of a procedure in each other on, they and not the text are what is deep.
const DEEP_RECURSION: usize = 50;
/// From this many expressions on, a procedure that is used more than once stays a function.
const OUTLINE_WEIGHT: usize = 60;

/// From this version on, a function may be called from any loop. Verifiers before compare states without the exact numbers of the caller,
/// and take the second round that calls a function with what looks like the same arguments for an endless loop (`is_state_visited` in
/// `kernel/bpf/verifier.c`; 5.10 and 6.1 do so, 6.12 does not).
pub(super) const CALLS_IN_LOOPS: KernelVersion = KernelVersion::new(6, 12);

/// What a procedure does with its own name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SelfCalls {
    /// Nothing.
    None,
    /// Calls itself last only, so it is a loop. For each parameter: whether every such call passes it on unchanged.
    Tail { unchanged: Vec<bool> },
    /// Anything else.
    Other,
}

/// What every procedure of a unit does with its own name, by the address of its `lambda`.
#[derive(Debug, Default)]
pub(super) struct SelfCallTable {
    calls: BTreeMap<*const Lambda, SelfCalls>,
    /// Procedures bound inside others that are only ever called, and only as the last thing that is done where they are bound: what they do last
    /// is the last thing there.
    called_last: BTreeSet<*const Lambda>,
}

impl SelfCallTable {
    /// Looks at every procedure of a unit.
    pub(super) fn of(unit: &Unit) -> Self {
        let mut table = Self::default();
        for (id, definition) in unit.definitions.iter() {
            if let DefinitionKind::Value { value, .. } = &definition.kind {
                table.add_inner(value);
                if let ExprKind::Lambda(lambda) = &value.kind {
                    table.add(lambda, Name::Definition(id));
                }
            }
        }
        table
    }

    /// Inner procedures first: what an outer one does with its name in them depends on how they are called.
    fn add_inner(&mut self, expr: &Expr) {
        walk::children(expr, &mut |child| self.add_inner(child));
        if let ExprKind::Letrec(bindings, body) = &expr.kind {
            for binding in bindings {
                if let ExprKind::Lambda(lambda) = &binding.value.kind {
                    self.add(lambda, Name::Variable(binding.variable));
                    if self.is_called_last(binding.variable, bindings, body) {
                        self.called_last.insert(Arc::as_ptr(lambda));
                    }
                }
            }
        }
    }

    fn is_called_last(&self, variable: VarId, bindings: &[Binding], body: &Expr) -> bool {
        bindings.iter().all(|binding| {
            let ExprKind::Lambda(lambda) = &binding.value.kind else { return false };
            let itself = binding.variable == variable;
            let mut scan = self.scan(Name::Variable(variable), lambda);
            scan.visit(&lambda.body, itself);
            if itself {
                scan.visit(body, true);
            }
            !scan.other && (itself || scan.calls.is_empty())
        })
    }

    fn scan<'a>(&'a self, name: Name, lambda: &'a Lambda) -> Scan<'a> {
        Scan { name, lambda, called_last: &self.called_last, calls: Vec::new(), other: false }
    }

    fn add(&mut self, lambda: &Arc<Lambda>, name: Name) {
        let mut scan = self.scan(name, lambda);
        scan.visit(&lambda.body, true);
        let result = if scan.other {
            SelfCalls::Other
        } else if scan.calls.is_empty() {
            SelfCalls::None
        } else {
            let unchanged = lambda.parameters.iter().enumerate().map(|(index, parameter)| {
                scan.calls.iter().all(|call| {
                    matches!(call.get(index), Some(Expr { kind: ExprKind::Local(passed), .. }) if passed == parameter)
                })
            });
            SelfCalls::Tail { unchanged: unchanged.collect() }
        };
        self.calls.insert(Arc::as_ptr(lambda), result);
    }

    fn get(&self, lambda: &Arc<Lambda>) -> &SelfCalls {
        self.calls.get(&Arc::as_ptr(lambda)).unwrap_or(&SelfCalls::None)
    }
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Name {
    Definition(DefId),
    Variable(VarId),
}

struct Scan<'a> {
    name: Name,
    lambda: &'a Lambda,
    called_last: &'a BTreeSet<*const Lambda>,
    calls: Vec<&'a [Expr]>,
    other: bool,
}

impl<'a> Scan<'a> {
    fn is_name(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Definition(id) => self.name == Name::Definition(*id),
            ExprKind::Local(variable) => self.name == Name::Variable(*variable),
            _ => false,
        }
    }

    fn visit(&mut self, expr: &'a Expr, tail: bool) {
        match &expr.kind {
            _ if self.is_name(expr) => self.other = true,
            ExprKind::Call(callee, arguments) => {
                if self.is_name(callee) {
                    let whole = arguments.len() == self.lambda.parameters.len() && self.lambda.rest.is_none();
                    if tail && whole { self.calls.push(arguments) } else { self.other = true }
                } else {
                    self.visit(callee, false);
                }
                for argument in arguments {
                    self.visit(argument, false);
                }
            }
            ExprKind::If(test, then, otherwise) => {
                self.visit(test, false);
                self.visit(then, tail);
                self.visit(otherwise, tail);
            }
            ExprKind::Let(bindings, body) => {
                for binding in bindings {
                    self.visit(&binding.value, false);
                }
                self.visit(body, tail);
            }
            ExprKind::Letrec(bindings, body) => {
                for binding in bindings {
                    match &binding.value.kind {
                        // An inner loop that goes on with the outer one.
                        ExprKind::Lambda(inner) if self.called_last.contains(&Arc::as_ptr(inner)) => {
                            self.visit(&inner.body, tail);
                        }
                        _ => self.visit(&binding.value, false),
                    }
                }
                self.visit(body, tail);
            }
            ExprKind::LetValues { value, body, .. } => {
                self.visit(value, false);
                self.visit(body, tail);
            }
            ExprKind::Begin(items) => {
                if let Some((last, first)) = items.split_last() {
                    for item in first {
                        self.visit(item, false);
                    }
                    self.visit(last, tail);
                }
            }
            ExprKind::Case { key, clauses, otherwise } => {
                self.visit(key, false);
                for (_, body) in clauses {
                    self.visit(body, tail);
                }
                self.visit(otherwise, tail);
            }
            _ => {
                let mut inner = Vec::new();
                walk::children(expr, &mut |child| inner.push(child));
                for child in inner {
                    self.visit(child, false);
                }
            }
        }
    }
}

/// How many arguments a call has, in a message: "1 is given".
pub(super) fn are_given(count: usize) -> String {
    match count {
        0 => "none is given".to_owned(),
        1 => "1 is given".to_owned(),
        _ => format!("{count} are given"),
    }
}

impl Checker<'_> {
    /// Checks a call.
    pub(super) fn call(&mut self, callee: &Expr, arguments: &[Expr], position: Position, span: Span) -> Value {
        let procedure = self.value(callee);
        let values = self.values_in_order(&procedure, arguments);
        match procedure {
            Value::Static(Static::Procedure(procedure), _) => self.apply(&procedure, values, position, span),
            Value::Error(_) => Value::Error(span),
            other => {
                let what = self.describe(&other);
                let message = format!("this is {what}, and only a procedure can be called");
                let diagnostic = Diagnostic::error(catalogue::NOT_A_PROCEDURE, other.span(), message);
                self.report(match arguments.first().map(|argument| &argument.kind) {
                    Some(ExprKind::Builtin(operator)) if arguments.len() == 2 => {
                        diagnostic.with_help(format!("the operation comes first: `({operator} a b)`"))
                    }
                    _ => diagnostic
                        .with_help("parentheses call what stands first in them: leave them out around a plain value"),
                })
            }
        }
    }

    /// Applies a procedure to values.
    pub(super) fn apply(&mut self, procedure: &Procedure, values: Vec<Value>, position: Position, span: Span) -> Value {
        match procedure {
            Procedure::Builtin(name) => self.apply_builtin(name, values, position, span),
            Procedure::Struct(definition, which) => self.apply_struct(*definition, which, values, span),
            Procedure::Kfunc(kfunc) => self.call_kfunc(*kfunc, values, span),
            Procedure::Composed(procedures) => {
                let mut values = values;
                for procedure in procedures.iter().rev() {
                    let value = self.apply_value(procedure, values, Position::VALUE, span);
                    values = vec![value];
                }
                values.into_iter().next().unwrap_or(Value::Error(span))
            }
            Procedure::Defined(_) | Procedure::Closure(_) => {
                let Some((lambda, environment)) = self.body_of(procedure) else { return Value::Error(span) };
                if self.for_type_alone > 0 && self.frames.iter().any(|frame| Arc::ptr_eq(&frame.lambda, &lambda)) {
                    // A recursion ends in front of the branch that is not taken.
                    return Value::Error(span);
                }
                if let Some(value) = self.continue_closure(&lambda, &environment, &values, position, span) {
                    return value;
                }
                if let Procedure::Defined(definition) = procedure
                    && let Some(value) = self.call_function(*definition, &lambda, &values, span)
                {
                    return value;
                }
                self.inline(&lambda, environment, values, position, span)
            }
        }
    }

    /// Applies whatever a value is, if it is a procedure.
    pub(super) fn apply_value(
        &mut self,
        procedure: &Value,
        values: Vec<Value>,
        position: Position,
        span: Span,
    ) -> Value {
        match procedure {
            Value::Static(Static::Procedure(procedure), _) => {
                let procedure = procedure.clone();
                let mark = self.pending.len();
                let value = self.apply(&procedure, values, position, span);
                self.close(mark, value)
            }
            Value::Error(_) => Value::Error(span),
            other => {
                let what = self.describe(other);
                self.error(
                    catalogue::NOT_A_PROCEDURE,
                    other.span(),
                    format!("a procedure is wanted here, and this is {what}"),
                )
            }
        }
    }

    /// The code of a procedure and what it sees.
    pub(super) fn body_of(&self, procedure: &Procedure) -> Option<(Arc<Lambda>, Environment)> {
        match procedure {
            Procedure::Closure(Closure { lambda, environment, .. }) => Some((lambda.clone(), environment.clone())),
            Procedure::Defined(definition) => match &self.unit.definitions.at(*definition).kind {
                DefinitionKind::Value { value: Expr { kind: ExprKind::Lambda(lambda), .. }, .. } => {
                    Some((lambda.clone(), Environment::default()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// What a procedure does with its own name.
    pub(super) fn self_calls(&self, lambda: &Arc<Lambda>) -> SelfCalls {
        self.self_calls.get(lambda).clone()
    }

    /// Whether a procedure names itself.
    pub(super) fn calls_itself(&self, lambda: &Arc<Lambda>) -> bool {
        *self.self_calls.get(lambda) != SelfCalls::None
    }

    fn inline(
        &mut self,
        lambda: &Arc<Lambda>,
        environment: Environment,
        values: Vec<Value>,
        position: Position,
        span: Span,
    ) -> Value {
        if let SelfCalls::Tail { unchanged } = self.self_calls(lambda) {
            return self.closure_loop(lambda, environment, &unchanged, values, position, span);
        }
        self.enter(lambda, span, |checker| {
            checker.in_environment(environment, |checker| {
                if !checker.bind_parameters(lambda, values, span) {
                    return Value::Error(span);
                }
                let value = checker.check(&lambda.body, position);
                match &lambda.result {
                    Some(annotation) if !position.effect => checker.convert_to_annotation(value, annotation),
                    _ => value,
                }
            })
        })
    }

    /// Notes that a procedure is being looked into.
    pub(super) fn enter<T>(&mut self, lambda: &Arc<Lambda>, call: Span, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.functions.entered.insert(Arc::as_ptr(lambda));
        self.frames.push(Frame { lambda: lambda.clone(), closed_over: None, call });
        let result = inner(self);
        self.frames.pop();
        result
    }

    /// Binds a procedure's parameters; false, reported, where the arguments don't fit or it would never end.
    pub(super) fn bind_parameters(&mut self, lambda: &Arc<Lambda>, values: Vec<Value>, span: Span) -> bool {
        if !self.arity_fits(lambda, values.len(), span) || !self.recursion_ends(lambda, &values, span) {
            return false;
        }
        let mut values = values.into_iter();
        for parameter in &lambda.parameters {
            let value = values.next().unwrap_or(Value::Error(span));
            self.bind(*parameter, value);
        }
        if let Some(rest) = lambda.rest {
            let values = values.map(|value| self.stable(value, "argument")).collect();
            self.bind(rest, Value::Static(Static::List(values), span));
        }
        true
    }

    /// Whether a procedure takes so many arguments; reports it where not.
    pub(super) fn arity_fits(&mut self, lambda: &Lambda, given: usize, span: Span) -> bool {
        let wanted = lambda.parameters.len();
        if given == wanted || (given > wanted && lambda.rest.is_some()) {
            return true;
        }
        let name = lambda.name.as_ref().map_or_else(|| "this procedure".to_owned(), |name| format!("`{}`", name.name));
        let least = if lambda.rest.is_some() { "at least " } else { "" };
        let plural = if wanted == 1 { "" } else { "s" };
        let message = format!("{name} takes {least}{wanted} argument{plural}, and {}", are_given(given));
        let place = lambda.name.as_ref().map_or(lambda.span, |name| name.span);
        self.push(Diagnostic::error(catalogue::WRONG_ARITY, span, message).with_note(place, "defined here"));
        false
    }

    fn recursion_ends(&mut self, lambda: &Arc<Lambda>, values: &[Value], span: Span) -> bool {
        // The call itself has put a frame. Closures of one `lambda` over different variables are different procedures.
        let environment = self.environment.clone();
        if let Some(frame) = self.frames.last_mut() {
            frame.closed_over = Some(environment.clone());
        }
        let of_lambda = self.frames.iter().filter(|frame| Arc::ptr_eq(&frame.lambda, lambda));
        let is_same = |frame: &&Frame| frame.closed_over.as_ref().is_none_or(|other| other.is_same(&environment));
        let (all, depth) = (of_lambda.clone().count(), of_lambda.filter(is_same).count());
        let counts = values.iter().any(|value| matches!(value, Value::Run(run) if run.constant().is_some()))
            || values.iter().any(|value| matches!(value, Value::Static(Static::List(_), _)));
        // What it is given to call may come to it again, with something else to call: `(twice (lambda (x) (twice g x)) v)`.
        let nests = values.iter().any(|value| matches!(value, Value::Static(Static::Procedure(_), _)));
        if all <= RECURSION_LIMIT && (counts || depth <= 1) || nests && all <= NESTING_LIMIT {
            return true;
        }
        self.report_recursion(lambda, span);
        false
    }

    fn report_recursion(&mut self, lambda: &Lambda, span: Span) {
        let name = lambda.name.as_ref().map_or_else(|| "this procedure".to_owned(), |name| format!("`{}`", name.name));
        self.push(
            Diagnostic::error(catalogue::RECURSION, span, format!("{name} calls itself without a bound known while compiling"))
                .with_help("eBPF has no unbounded recursion: write a loop, `(for (i in (range 0 n)) …)` or a named `let` that counts")
                .with_help(format!(
                    "a recursion is fine where an argument is a constant that counts down to its end in at most {RECURSION_LIMIT} calls"
                )),
        );
    }

    /// Where it is a recursion that has come too deep, reports that.
    pub(super) fn report_recursion_at_depth(&mut self) -> bool {
        let Some(last) = self.frames.last().cloned() else { return false };
        let calls = self.frames.iter().filter(|frame| Arc::ptr_eq(&frame.lambda, &last.lambda));
        if calls.count() < DEEP_RECURSION {
            return false;
        }
        self.report_recursion(&last.lambda, last.call);
        true
    }

    /// Calls a procedure as a function of its own, where that is worth it and possible.
    fn call_function(
        &mut self,
        definition: DefId,
        lambda: &Arc<Lambda>,
        values: &[Value],
        span: Span,
    ) -> Option<Value> {
        let worth = self.functions.uses.get(&definition).copied().unwrap_or(0) > 1
            && super::value::weight(&lambda.body, OUTLINE_WEIGHT) == OUTLINE_WEIGHT;
        let possible = worth
            && lambda.rest.is_none()
            && values.len() == lambda.parameters.len()
            && values.len() <= 5
            && self.for_type_alone == 0
            && (self.loops.is_empty() || self.program.min_kernel >= CALLS_IN_LOOPS)
            && !self.calls_itself(lambda)
            && !self.frames.iter().any(|frame| Arc::ptr_eq(&frame.lambda, lambda));
        if !possible {
            return None;
        }
        let mut arguments = Vec::new();
        for value in values {
            let Value::Run(run) = value else { return None };
            if !matches!(run.expr.ty, Type::Scalar(_) | Type::Context(_)) {
                return None;
            }
            arguments.push(run.clone());
        }
        let signature: Vec<String> = arguments.iter().map(|run| format!("{:?} {}", run.expr.ty, run.literal)).collect();
        let key = (definition, signature.join(","));
        let known = match self.functions.known.get(&key) {
            Some(known) => known.clone(),
            None => {
                let outlined = self.outline(lambda, &arguments, span);
                self.functions.known.insert(key, outlined.clone());
                outlined
            }
        };
        let outlined = known?;
        let arguments = arguments.into_iter().map(|run| run.expr).collect();
        let mut result = outlined.result;
        result.expr = typed::Expr::new(result.expr.ty, span, Typed::Call { function: outlined.id, arguments });
        Some(Value::Run(result))
    }

    /// Checks a procedure by itself, knowing nothing of its arguments but their types. `None` where it only works in place.
    fn outline(&mut self, lambda: &Arc<Lambda>, arguments: &[Run], span: Span) -> Option<Outlined> {
        let messages = self.diagnostics.len();
        let function = std::mem::take(&mut self.function);
        let flow = std::mem::replace(&mut self.flow, Flow::new());
        let pending = std::mem::take(&mut self.pending);
        let loops = std::mem::take(&mut self.loops);
        let epoch = self.new_epoch(None);
        self.flow.epoch = epoch;
        let mut parameters = Vec::new();
        let mut values = Vec::new();
        for (argument, parameter) in arguments.iter().zip(&lambda.parameters) {
            let unknown = Run::new(typed::Expr::new(argument.expr.ty.clone(), span, Typed::Unit));
            let run = Run { literal: argument.literal, ..unknown };
            let name = self.unit.variables.at(*parameter).name.clone();
            let local = self.new_local(&name, &run, false);
            if matches!(run.expr.ty, Type::Context(_)) {
                self.function.context = Some(local);
            }
            parameters.push(local);
            values.push(Value::Run(self.read_local(local, span)));
        }
        let result = self.inline(lambda, Environment::default(), values, Position::VALUE, span);
        let moved = self.flow.epoch != epoch;
        let result = self.close(0, result);
        let state: FunctionState = std::mem::replace(&mut self.function, function);
        self.flow = flow;
        self.pending = pending;
        self.loops = loops;
        // Nor is a warning let pass: it may not be true where more is known of the arguments, which shows in place.
        let failed = self.diagnostics.len() > messages;
        let Value::Run(run) = result else {
            self.diagnostics.truncate(messages);
            return None;
        };
        let scalar = matches!(run.expr.ty, Type::Scalar(_) | Type::Verdict(_));
        if failed || moved || !scalar {
            self.diagnostics.truncate(messages);
            return None;
        }
        let name = lambda.name.as_ref();
        let id = self.functions.arena.push(Function {
            name: name.map_or_else(|| "procedure".into(), |name| name.name.clone()),
            name_span: name.map_or(lambda.span, |name| name.span),
            span: lambda.span,
            parameters,
            locals: state.locals,
            loops: state.loops,
            body: run.expr.clone(),
        });
        let result = Run { epoch: None, implied: Implied::default(), ..run };
        Some(Outlined { id, result })
    }
}
