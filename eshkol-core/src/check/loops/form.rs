//! The forms that loop: procedures that call themselves last, `while`, `for`, and going through a sequence.

use std::sync::Arc;

use super::super::checker::{Checker, Position};
use super::super::comparison::Comparison;
use super::super::typed::LocalId;
use super::super::value::{Environment, Meaning, Run, Static, Value};
use super::{Itself, LoopSpec, UNROLL_WEIGHT};
use crate::expand::form::{Expr, Lambda, VarId};
use crate::source::Span;

/// Checks one step of going through a sequence: given the element and what has come together, what comes together next.
type FoldBody<'b> = dyn FnMut(&mut Checker<'_>, Value, Vec<Value>) -> Vec<Value> + 'b;

impl Checker<'_> {
    /// Where a procedure's tail call of itself is the next round of its loop.
    pub(in super::super) fn continue_closure(
        &mut self,
        lambda: &Arc<Lambda>,
        environment: &Environment,
        values: &[Value],
        position: Position,
        span: Span,
    ) -> Option<Value> {
        let from = position.tail?;
        let bound_in = environment.binding(lambda);
        let is_it = |itself: &Itself| Arc::ptr_eq(&itself.lambda, lambda) && itself.bound_in.is_same(&bound_in);
        let mut active = self.loops.iter().enumerate().skip(from).rev();
        let index = active.find(|(_, active)| active.procedure.as_ref().is_some_and(is_it))?.0;
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
    pub(in super::super) fn closure_loop(
        &mut self,
        lambda: &Arc<Lambda>,
        environment: Environment,
        unchanged: &[bool],
        values: Vec<Value>,
        position: Position,
        span: Span,
    ) -> Value {
        if !self.arity_fits(lambda, values.len(), span) {
            return Value::Error(span);
        }
        let itself = Itself { lambda: lambda.clone(), bound_in: environment.binding(lambda) };
        self.enter(lambda, span, |checker| {
            checker.in_environment(environment, |checker| {
                let mut variables = Vec::new();
                let mut varying = Vec::new();
                let mut parameters: Vec<VarId> = Vec::new();
                let mut set: Vec<VarId> = Vec::new();
                for ((parameter, value), same) in lambda.parameters.iter().zip(values).zip(unchanged) {
                    let information = checker.unit.variables.at(*parameter);
                    let name = information.name.to_string();
                    // A number that is only ever set, and handed on as it is, may as well be bound outside.
                    let is_number = matches!(&value, Value::Run(run) if run.int_type().is_some());
                    let fixed = *same && (!information.mutated || is_number);
                    varying.push(!fixed);
                    if fixed {
                        if information.mutated {
                            set.push(*parameter);
                        }
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
                let weight = super::super::value::weight(&lambda.body, UNROLL_WEIGHT * 8);
                let counters = checker.parameter_counters(lambda, &set);
                let spec =
                    LoopSpec { procedure: Some(itself), varying, counters, ..LoopSpec::new(span, variables, weight) };
                let outer = checker.environment.clone();
                let tail = position.tail;
                let value = checker.run_loop(spec, position, &mut |checker, locals, index| {
                    checker.environment = outer.clone();
                    checker.bind_to_locals(&parameters, locals);
                    let position = Position { effect: position.effect, tail: Some(tail.unwrap_or(index)) };
                    checker.at_start(index, true);
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
    pub(in super::super) fn check_while(&mut self, test: &Expr, body: &Expr, span: Span) -> Value {
        let counters = self.while_counters(body);
        let weight = super::super::value::weight(body, UNROLL_WEIGHT * 8);
        let spec = LoopSpec { counters, ..LoopSpec::new(span, Vec::new(), weight) };
        self.run_loop(spec, Position::EFFECT, &mut |checker, _, index| {
            checker.at_start(index, true);
            let test = checker.test(test);
            checker.at_start(index, false);
            checker.choose(
                test,
                Position::EFFECT,
                span,
                |checker| {
                    checker.see_counters(index);
                    let mark = checker.pending.len();
                    let value = checker.check(body, Position::EFFECT);
                    if let Some(effect) = checker.effect(value) {
                        checker.pending.push(super::super::checker::Pending::Effect(effect));
                    }
                    let next = checker.next_round(index, Vec::new(), span);
                    checker.close(mark, next)
                },
                |_| Value::unspecified(span),
            )
        })
    }

    /// `(for (x in sequence) body …)`
    pub(in super::super) fn check_for(&mut self, variable: VarId, sequence: &Expr, body: &Expr, span: Span) -> Value {
        let sequence = self.value(sequence);
        let weight = super::super::value::weight(body, UNROLL_WEIGHT * 8);
        self.for_each(sequence, weight, span, &mut |checker, element| {
            checker.scoped(|checker| {
                checker.bind(variable, element);
                checker.check(body, Position::EFFECT)
            })
        })
    }

    /// Does something with each element of a sequence.
    pub(in super::super) fn for_each(
        &mut self,
        sequence: Value,
        weight: usize,
        span: Span,
        body: &mut dyn FnMut(&mut Checker<'_>, Value) -> Value,
    ) -> Value {
        self.fold(sequence, Vec::new(), weight, span, &mut |checker, element, _| {
            let value = body(checker, element);
            if let Some(effect) = checker.effect(value) {
                checker.pending.push(super::super::checker::Pending::Effect(effect));
            }
            Vec::new()
        });
        Value::unspecified(span)
    }

    /// Goes through a sequence with values that each element changes; what they are at the end.
    pub(in super::super) fn fold(
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
                    self.pending.push(super::super::checker::Pending::Effect(effect));
                }
                Vec::new()
            }
            _ => vec![value],
        }
    }
}

/// What a sequence is made of.
pub(in super::super) enum Elements {
    /// So many values, known one by one.
    Listed(Vec<Value>),
    /// Numbers from one to another, or what stands at those places.
    Counted(Box<CountedLoop>),
}

/// What an element of a counted sequence is.
#[derive(Clone, Debug)]
pub(in super::super) enum ElementKind {
    /// The number itself.
    Number,
    /// What stands there in an array.
    ArrayElement(Run),
}

/// Going from one number up to, but not including, another.
pub(in super::super) struct CountedLoop {
    pub(in super::super) from: Run,
    pub(in super::super) to: Run,
    pub(in super::super) step: i64,
    pub(in super::super) element: ElementKind,
}

impl CountedLoop {
    fn element_at(&self, checker: &mut Checker<'_>, now: Run, span: Span) -> Value {
        match &self.element {
            ElementKind::Number => Value::Run(now),
            ElementKind::ArrayElement(array) => checker.array_element(array.clone(), Value::Run(now), span),
        }
    }
}
