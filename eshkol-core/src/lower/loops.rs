//! Loops: written out, or with a jump back that the kernel's verifier follows round by round.

use super::function::{Destination, FunctionLowering, Words};
use crate::check::typed::{Expr, Forgotten, LocalId, Loop, LoopId, Numbered, Type};
use crate::check::types::IntType;
use crate::ir::{ArithmeticOp, Block, Condition, Value, ValueType, Variable};
use crate::source::Span;

/// A loop whose body is being lowered.
#[derive(Clone, Debug)]
pub(super) enum ActiveLoop {
    /// The next round is a jump back.
    Back {
        /// Where to.
        header: Block,
        /// What the words of the loop's variables are.
        types: Vec<ValueType>,
        /// The loop's variables.
        locals: Vec<(LocalId, Vec<ValueType>)>,
        /// What the verifier is to forget where a round begins.
        forgotten: Vec<Forgotten>,
        /// The number of the round, where it has one of its own.
        round: Option<Value>,
    },
    /// The next round is the next copy of the body.
    Unrolled {
        /// Where it begins, once something goes there.
        next: Option<Block>,
        /// What the loop's variables become, word by word.
        variables: Vec<Variable>,
        /// The words that each `Continue` gave.
        rounds: Vec<Words>,
        /// The loop's variables.
        locals: Vec<(LocalId, Vec<ValueType>)>,
        /// What the verifier is to forget where a round begins.
        forgotten: Vec<Forgotten>,
    },
}

impl FunctionLowering<'_> {
    pub(super) fn lower_loop(
        &mut self,
        id: LoopId,
        variables: &[(LocalId, Expr)],
        body: &Expr,
        destination: Destination,
        span: Span,
    ) {
        let locals: Vec<(LocalId, Vec<ValueType>)> =
            variables.iter().map(|(local, _)| (*local, self.local_types(*local))).collect();
        let mut words = Words::new();
        for ((_, initial), (_, types)) in variables.iter().zip(&locals) {
            let initial = self.words(initial);
            self.extend_words(&mut words, initial, types, span);
        }
        // A round may hand on the memory that it made, to the next or to what comes after the loop.
        let holds =
            self.refers_to_stack(&body.ty) || variables.iter().any(|(local, _)| self.local_refers_to_stack(*local));
        if holds {
            self.allocations.hold();
        }
        let unknown = Loop { trips: 1, unroll: false, numbered: None, forgotten: Vec::new(), ways_multiply: false };
        let facts = self.loop_facts(id).unwrap_or(unknown);
        let forgotten = facts.forgotten.clone();
        let outer_zero = self.hidden_zero;
        if !forgotten.is_empty() && outer_zero.is_none() && !self.is_unreachable() {
            let slot = self.hidden_zero_slot();
            self.hidden_zero = Some(self.builder.hidden_zero(slot, span));
        }
        let outside =
            forgotten.iter().map(|forgotten| forgotten.local).filter(|local| position_of(*local, &locals).is_none());
        let unchanged: Vec<_> = outside.filter_map(|local| Some((local, self.let_change(local)?))).collect();
        // Ways that come to the loop with different numbers are one from here on, too. What its variables begin with is often a
        // constant, and known then.
        self.forget_outside(&forgotten, &locals, span);
        if facts.unroll {
            self.unroll(id, &locals, words, facts.trips, forgotten, body, destination, span);
        } else {
            self.turn(id, &locals, words, facts, body, destination, span);
        }
        for (local, words) in unchanged {
            self.let_stay(local, words);
        }
        self.hidden_zero = outer_zero;
        if holds {
            self.allocations.let_go();
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a loop has that many parts")]
    fn turn(
        &mut self,
        id: LoopId,
        locals: &[(LocalId, Vec<ValueType>)],
        mut initial: Words,
        facts: Loop,
        body: &Expr,
        destination: Destination,
        span: Span,
    ) {
        let header = self.builder.create_block();
        let types: Vec<ValueType> = locals.iter().flat_map(|(_, types)| types.iter().copied()).collect();
        let params: Words = types.iter().map(|ty| self.builder.append_param(header, *ty)).collect();
        let round = (facts.numbered == Some(Numbered::Apart)).then(|| {
            initial.push(self.constant(0, span));
            self.builder.append_param(header, ValueType::Int)
        });
        self.jump(header, &initial, span);
        self.enter(header);
        self.bind_variables(locals, params);
        match (facts.numbered, round) {
            (Some(Numbered::By(local, end)), _) => {
                if let [number] = *self.read_local(local, span) {
                    self.decide_round(number, end, span);
                }
            }
            (_, Some(round)) => self.decide_round(round, facts.trips, span),
            _ => {}
        }
        let locals = locals.to_vec();
        let active = ActiveLoop::Back { header, types, locals, forgotten: facts.forgotten, round };
        let outer = self.set_loop(id, Some(active));
        self.deliver(body, destination);
        self.set_loop(id, outer);
        self.builder.seal_block(header);
    }

    /// Compares what is another number in each round with what it would be after the last. The verifier knows both, so it can decide the test,
    /// and from there on does not take one round for another that it has seen (`mark_chain_precision` in `kernel/bpf/verifier.c`).
    fn decide_round(&mut self, number: Value, end: u64, span: Span) {
        let (again, never) = (self.builder.create_block(), self.builder.create_block());
        let end = self.constant(end, span);
        self.branch(Condition::Equal, number, end, never, again, span);
        if self.enter_sealed(never) {
            let zero = self.constant(0, span);
            self.ret(zero, span);
        }
        self.enter_sealed(again);
    }

    /// Makes the verifier forget numbers before a next round begins: in the words for the loop's variables, and in outer variables.
    fn forget(&mut self, forgotten: &[Forgotten], locals: &[(LocalId, Vec<ValueType>)], words: &mut Words, span: Span) {
        let Some(zero) = self.hidden_zero.filter(|_| !self.is_unreachable()) else { return };
        for forgotten in forgotten {
            let position = position_of(forgotten.local, locals);
            if let Some(word) = position.and_then(|position| words.get_mut(position)) {
                *word = self.hide(*word, *forgotten, zero, span);
            }
        }
        self.forget_outside(forgotten, locals, span);
    }

    /// Makes the verifier forget the numbers that are bound outside of a loop with these variables.
    fn forget_outside(&mut self, forgotten: &[Forgotten], locals: &[(LocalId, Vec<ValueType>)], span: Span) {
        let Some(zero) = self.hidden_zero.filter(|_| !self.is_unreachable()) else { return };
        for forgotten in forgotten {
            if position_of(forgotten.local, locals).is_none()
                && let [word] = *self.read_local(forgotten.local, span)
            {
                let word = self.hide(word, *forgotten, zero, span);
                self.set_local(forgotten.local, vec![word]);
            }
        }
    }

    /// The same number, of which the verifier knows only how many bits it has.
    fn hide(&mut self, word: Value, forgotten: Forgotten, zero: Value, span: Span) -> Value {
        let Forgotten { bits, signed, .. } = forgotten;
        let hidden = self.builder.hide(word, zero, span);
        if let (true, Ok(bits)) = (signed, u8::try_from(bits)) {
            return self.extended(hidden, IntType { bits, signed }, span);
        }
        match u64::MAX.checked_shr(64_u32.saturating_sub(bits)) {
            Some(mask) if mask != u64::MAX => {
                let mask = self.constant(mask, span);
                self.builder.binary(ArithmeticOp::And, hidden, mask, span)
            }
            _ => hidden,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a loop has that many parts")]
    fn unroll(
        &mut self,
        id: LoopId,
        locals: &[(LocalId, Vec<ValueType>)],
        initial: Words,
        trips: u64,
        forgotten: Vec<Forgotten>,
        body: &Expr,
        destination: Destination,
        span: Span,
    ) {
        let variables = self.declare(locals.iter().flat_map(|(_, types)| types.iter().copied()).collect());
        let mut words = initial;
        for _ in 0..trips.max(1) {
            self.bind_variables(locals, words);
            let active = ActiveLoop::Unrolled {
                next: None,
                variables: variables.clone(),
                rounds: Vec::new(),
                locals: locals.to_vec(),
                forgotten: forgotten.clone(),
            };
            let outer = self.set_loop(id, Some(active));
            let mark = self.allocations.mark();
            self.deliver(body, destination);
            self.release(mark, &Type::Unit);
            let Some(ActiveLoop::Unrolled { next: Some(next), rounds, .. }) = self.set_loop(id, outer) else {
                return;
            };
            self.enter_sealed(next);
            words = self.merged(&variables, &rounds, span);
        }
        // There is no round after the last.
        let zero = self.constant(0, span);
        self.ret(zero, span);
    }

    /// What the variables are at the start of a round. What is the same number on all ways stays a number.
    fn merged(&mut self, variables: &[Variable], rounds: &[Words], span: Span) -> Words {
        let mut words = Words::new();
        for (position, variable) in variables.iter().enumerate() {
            let mut numbers = rounds.iter().map(|round| round.get(position).and_then(|word| self.number(*word)));
            let first = numbers.next().flatten();
            let is_pointer = rounds
                .first()
                .and_then(|round| round.get(position))
                .is_some_and(|word| self.builder.function().value_type(*word) != ValueType::Int);
            words.push(match first {
                Some(number) if !is_pointer && numbers.all(|other| other == Some(number)) => {
                    self.constant(number, span)
                }
                _ => self.builder.use_var(*variable),
            });
        }
        words
    }

    /// The next round of a loop.
    pub(super) fn next_round(&mut self, id: LoopId, arguments: &[Expr], span: Span) {
        let values: Vec<Words> = arguments.iter().map(|argument| self.words(argument)).collect();
        let mut words: Words = values.into_iter().flatten().collect();
        if self.is_unreachable() {
            return;
        }
        match self.loops.get(id).cloned().flatten() {
            Some(ActiveLoop::Back { header, types, locals, forgotten, round }) => {
                let mut given = Words::new();
                self.extend_words(&mut given, words, &types, span);
                self.forget(&forgotten, &locals, &mut given, span);
                if let Some(round) = round {
                    given.push(self.arithmetic_constant(ArithmeticOp::Add, round, 1, span));
                }
                self.jump(header, &given, span);
            }
            Some(ActiveLoop::Unrolled { next, variables, mut rounds, locals, forgotten }) => {
                self.forget(&forgotten, &locals, &mut words, span);
                let block = next.unwrap_or_else(|| self.builder.create_block());
                for (variable, word) in variables.iter().zip(&words) {
                    self.builder.def_var(*variable, *word);
                }
                self.jump(block, &[], span);
                rounds.push(words);
                let active = ActiveLoop::Unrolled { next: Some(block), variables, rounds, locals, forgotten };
                self.set_loop(id, Some(active));
            }
            None => {
                let zero = self.constant(0, span);
                self.ret(zero, span);
            }
        }
    }

    /// Binds the variables of a loop to their words.
    fn bind_variables(&mut self, locals: &[(LocalId, Vec<ValueType>)], words: Words) {
        let mut words = words.into_iter();
        for (local, types) in locals {
            let part = words.by_ref().take(types.len()).collect();
            self.bind(*local, part);
        }
    }

    /// Appends as many words as there are types.
    fn extend_words(&mut self, words: &mut Words, value: Words, types: &[ValueType], span: Span) {
        let mut value = value.into_iter();
        for ty in types {
            words.push(value.next().unwrap_or_else(|| self.builder.null(*ty, span)));
        }
    }

    fn set_loop(&mut self, id: LoopId, active: Option<ActiveLoop>) -> Option<ActiveLoop> {
        if self.loops.get(id).is_some() { std::mem::replace(self.loops.at_mut(id), active) } else { None }
    }
}

/// Where a local's words begin among those of a loop's variables; `None` where it is none of these.
fn position_of(local: LocalId, locals: &[(LocalId, Vec<ValueType>)]) -> Option<usize> {
    let mut before = 0;
    locals.iter().find_map(|(other, types)| {
        let position = before;
        before += types.len();
        (*other == local).then_some(position)
    })
}
