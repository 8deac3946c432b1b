//! One function: its locals, and where the values of its expressions go.

use std::collections::BTreeSet;

use super::GlobalLayout;
use super::loops::ActiveLoop;
use super::packet::{Parsed, copies_headers};
use super::stack::{Allocations, SpillSlots};
use crate::arena::{Arena, Id as _};
use crate::bindings::symbol;
use crate::check::kernel_types::Access;
use crate::check::typed::{self, Expr, ExprKind, LocalId, LoopId, RefTarget, RefType, Region, Type, Unit};
use crate::compile::Endianness;
use crate::ir::{Block, Condition, Function, FunctionBuilder, Slot, Value, ValueType, Variable};
use crate::source::Span;

/// The words of a value: none, one, or several.
pub(super) type Words = Vec<Value>;

/// The state while a function is lowered.
pub(super) struct FunctionLowering<'u> {
    pub(super) unit: &'u Unit,
    pub(super) globals: &'u GlobalLayout,
    pub(super) endianness: Endianness,
    pub(super) builder: FunctionBuilder,
    pub(super) loops: Arena<LoopId, Option<ActiveLoop>>,
    pub(super) allocations: Allocations,
    pub(super) spills: SpillSlots,
    /// In a loop that makes the verifier forget numbers: a zero that it does not know, and where that comes from.
    pub(super) hidden_zero: Option<Value>,
    pub(super) hidden_zero_slot: Option<Slot>,
    /// Whether headers are copied out of the packet, and not read in place.
    pub(super) copies_headers: bool,
    source: &'u typed::Function,
    /// Whether a parameter refers to a caller's stack.
    has_callers_stack: bool,
    bindings: Arena<LocalId, Binding>,
    /// Blocks that a reachable block jumps to.
    reached: BTreeSet<Block>,
    /// Whether control can't come to where instructions go now.
    unreachable: bool,
}

/// What a local stands for.
#[derive(Clone, Debug)]
enum Binding {
    /// Values that stay.
    Words(Words),
    /// Variables that change.
    Variables(Vec<Variable>),
    /// A header that is there if the packet is long enough; whether it is, is asked where it is tested.
    Parsed(Parsed),
}

/// Where control goes with the value of an expression.
#[derive(Copy, Clone, Debug)]
pub(super) enum Destination {
    /// To a block, with the words for its parameters (none for a block without, whatever the value).
    Join(Block),
    /// To one of two blocks.
    Test {
        /// Where the value is true.
        then: Block,
        /// Where it is false.
        otherwise: Block,
    },
    /// To the caller.
    Return,
}

/// Lowers a function.
pub(super) fn lower(unit: &Unit, source: &typed::Function, globals: &GlobalLayout, endianness: Endianness) -> Function {
    let mut lowering = FunctionLowering {
        unit,
        globals,
        endianness,
        builder: FunctionBuilder::new(symbol(&source.name), source.name_span),
        loops: source.loops.ids().map(|_| None).collect(),
        allocations: Allocations::default(),
        spills: SpillSlots::default(),
        hidden_zero: None,
        hidden_zero_slot: None,
        copies_headers: copies_headers(source),
        source,
        has_callers_stack: source.parameters.iter().any(|parameter| {
            let ty = source.locals.get(*parameter).map(|local| &local.ty);
            ty.is_some_and(|ty| region(ty) == Some(Region::Stack))
        }),
        bindings: source.locals.ids().map(|_| Binding::Words(Words::new())).collect(),
        reached: BTreeSet::new(),
        unreachable: false,
    };
    let entry = lowering.builder.entry();
    let parameters: Vec<(LocalId, Words)> = source
        .parameters
        .iter()
        .map(|parameter| {
            let types = lowering.local_types(*parameter);
            (*parameter, types.into_iter().map(|ty| lowering.builder.append_param(entry, ty)).collect())
        })
        .collect();
    for (parameter, words) in parameters {
        lowering.bind(parameter, words);
    }
    if source.locals.values().any(|local| local.mutated && lowering.refers_to_stack(&local.ty)) {
        lowering.allocations.hold();
    }
    lowering.deliver(&source.body, Destination::Return);
    lowering.builder.finish()
}

/// The memory that a reference is into.
pub(super) fn region(ty: &Type) -> Option<Region> {
    match ty {
        Type::Ref(reference) | Type::Optional(reference) => Some(reference.region),
        _ => None,
    }
}

impl FunctionLowering<'_> {
    // Types.

    /// The types of the words of a value.
    pub(super) fn word_types(&self, ty: &Type) -> Vec<ValueType> {
        match ty {
            Type::Unit | Type::Never => Vec::new(),
            Type::Scalar(_) | Type::Verdict(_) => vec![ValueType::Int],
            Type::Ipv6 => vec![ValueType::Int, ValueType::Int],
            Type::Ref(RefType { target: RefTarget::Header { .. }, .. })
            | Type::Optional(RefType { target: RefTarget::Header { .. }, .. }) => self.header_types(),
            Type::Ref(reference) | Type::Optional(reference) => vec![self.pointer_type(reference.region)],
            Type::Kernel(pointer) if pointer.access == Access::Untyped => vec![ValueType::Int],
            Type::Kernel(pointer) if pointer.access == Access::Context => vec![ValueType::Context],
            Type::Kernel(_) => vec![ValueType::Kernel],
            Type::Cursor if self.copies_headers => vec![ValueType::Int],
            Type::Cursor => vec![ValueType::Packet],
            Type::Context(_) => vec![ValueType::Context],
            Type::Values(parts) => parts.iter().flat_map(|part| self.word_types(part)).collect(),
        }
    }

    fn pointer_type(&self, region: Region) -> ValueType {
        match region {
            Region::MapValue => ValueType::MapValue,
            // What a caller passes is on its stack, not in this function's frame.
            Region::Stack if self.has_callers_stack => ValueType::Memory,
            Region::Stack => ValueType::Stack,
            Region::Packet if self.copies_headers => ValueType::Stack,
            Region::Packet => ValueType::Packet,
            Region::Global => ValueType::Global,
            Region::RingBuffer(_) => ValueType::RingBuffer,
            Region::Any => ValueType::Memory,
        }
    }

    // Blocks.

    /// Ends the current block, if control comes to its end.
    pub(super) fn jump(&mut self, block: Block, arguments: &[Value], span: Span) {
        if !self.unreachable {
            self.builder.jump(block, arguments, span);
            self.leave_for(&[block]);
        }
    }

    /// Ends the current block, if control comes to its end.
    pub(super) fn branch(
        &mut self,
        condition: Condition,
        lhs: Value,
        rhs: Value,
        then: Block,
        otherwise: Block,
        span: Span,
    ) {
        if !self.unreachable {
            self.builder.branch(condition, lhs, rhs, (then, &[]), (otherwise, &[]), span);
            self.leave_for(&[then, otherwise]);
        }
    }

    /// Ends the current block, if control comes to its end.
    pub(super) fn ret(&mut self, value: Value, span: Span) {
        if !self.unreachable {
            self.builder.ret(value, span);
            self.unreachable = true;
        }
    }

    /// Whether control can't come to where instructions go now.
    pub(super) fn is_unreachable(&self) -> bool {
        self.unreachable
    }

    fn leave_for(&mut self, blocks: &[Block]) {
        self.reached.extend(blocks);
        self.unreachable = true;
    }

    /// Goes on in a block. Whether anything jumps to it yet.
    pub(super) fn enter(&mut self, block: Block) -> bool {
        self.builder.switch_to(block);
        self.unreachable = !self.reached.contains(&block);
        !self.unreachable
    }

    /// Goes on in a block to which all jumps were made. Whether there are any.
    pub(super) fn enter_sealed(&mut self, block: Block) -> bool {
        self.builder.seal_block(block);
        self.enter(block)
    }

    // Locals.

    fn local(&self, local: LocalId) -> Option<&typed::Local> {
        self.source.locals.get(local)
    }

    /// The types of the words of a local.
    pub(super) fn local_types(&self, local: LocalId) -> Vec<ValueType> {
        self.local(local).map(|local| self.word_types(&local.ty)).unwrap_or_default()
    }

    /// Whether a local may hold the address of memory of the frame.
    pub(super) fn local_refers_to_stack(&self, local: LocalId) -> bool {
        self.local(local).is_some_and(|local| self.refers_to_stack(&local.ty))
    }

    /// Whether a loop is left that is not written out, round by round.
    pub(super) fn has_loops(&self) -> bool {
        self.source.loops.values().any(|facts| !facts.unroll)
    }

    /// What is known of a loop.
    pub(super) fn loop_facts(&self, id: LoopId) -> Option<typed::Loop> {
        self.source.loops.get(id).cloned()
    }

    fn is_mutated(&self, local: LocalId) -> bool {
        self.local(local).is_some_and(|local| local.mutated)
    }

    /// The header that a local stands for, before it is known to be there.
    pub(super) fn parsed_local(&self, local: LocalId) -> Option<Parsed> {
        match self.bindings.get(local) {
            Some(Binding::Parsed(parsed)) => Some(*parsed),
            _ => None,
        }
    }

    fn set_binding(&mut self, local: LocalId, binding: Binding) {
        if local.index() < self.bindings.len() {
            *self.bindings.at_mut(local) = binding;
        }
    }

    /// Begins the life of a local.
    pub(super) fn bind(&mut self, local: LocalId, words: Words) {
        if self.is_mutated(local) {
            let types = self.local_types(local);
            let variables = self.declare(types);
            for (variable, word) in variables.iter().zip(words) {
                self.builder.def_var(*variable, word);
            }
            self.set_binding(local, Binding::Variables(variables));
        } else {
            self.set_binding(local, Binding::Words(words));
        }
    }

    /// Begins the life of a local with the value of an expression.
    fn bind_expression(&mut self, local: LocalId, value: &Expr) {
        if !self.is_mutated(local)
            && let ExprKind::Parse { context, cursor, size } = &value.kind
        {
            let parsed = self.parse(context, cursor, *size, value.span);
            self.set_binding(local, Binding::Parsed(parsed));
        } else {
            let mark = self.allocations.mark();
            let words = self.words(value);
            self.release(mark, &value.ty);
            self.bind(local, words);
        }
    }

    /// Begins the lives of locals with the parts of a value.
    fn bind_values(&mut self, locals: &[LocalId], value: &Expr) {
        let mut words = self.words(value).into_iter();
        for local in locals {
            let count = self.local_types(*local).len();
            let part = words.by_ref().take(count).collect();
            self.bind(*local, part);
        }
    }

    /// New variables.
    pub(super) fn declare(&mut self, types: Vec<ValueType>) -> Vec<Variable> {
        types.into_iter().map(|ty| self.builder.declare_variable(ty)).collect()
    }

    /// What a local is now.
    pub(super) fn read_local(&mut self, local: LocalId, span: Span) -> Words {
        match self.bindings.get(local) {
            Some(Binding::Words(words)) => words.clone(),
            Some(Binding::Variables(variables)) => {
                let variables = variables.clone();
                variables.into_iter().map(|variable| self.builder.use_var(variable)).collect()
            }
            Some(Binding::Parsed(parsed)) => {
                let parsed = *parsed;
                self.parsed_or_null(parsed, span)
            }
            None => Words::new(),
        }
    }

    /// Changes a local.
    pub(super) fn set_local(&mut self, local: LocalId, words: Words) {
        match self.bindings.get(local) {
            Some(Binding::Variables(variables)) => {
                let variables = variables.clone();
                for (variable, word) in variables.into_iter().zip(words) {
                    self.builder.def_var(variable, word);
                }
            }
            _ => self.set_binding(local, Binding::Words(words)),
        }
    }

    /// Lets a local that stays the same change for a while. Gives what it is until then; `None` where it may change anyway.
    pub(super) fn let_change(&mut self, local: LocalId) -> Option<Words> {
        let Some(Binding::Words(words)) = self.bindings.get(local).cloned() else { return None };
        let types = self.local_types(local);
        let variables = self.declare(types);
        self.set_binding(local, Binding::Variables(variables));
        self.set_local(local, words.clone());
        Some(words)
    }

    /// Lets a local be again what it was before [`Self::let_change`].
    pub(super) fn let_stay(&mut self, local: LocalId, words: Words) {
        self.set_binding(local, Binding::Words(words));
    }

    // Control.

    /// What comes before the value of a `Let` or `Seq`, and then the expression whose value it is.
    pub(super) fn prefix<'e>(&mut self, mut expression: &'e Expr) -> &'e Expr {
        loop {
            match &expression.kind {
                ExprKind::Let { local, value, body } => {
                    self.bind_expression(*local, value);
                    expression = body;
                }
                ExprKind::LetValues { locals, value, body } => {
                    self.bind_values(locals, value);
                    expression = body;
                }
                ExprKind::Seq(expressions) => match expressions.split_last() {
                    Some((last, before)) => {
                        before.iter().for_each(|expression| self.effect(expression));
                        expression = last;
                    }
                    None => return expression,
                },
                _ => return expression,
            }
        }
    }

    /// Does what an expression does, and drops its value.
    pub(super) fn effect(&mut self, expression: &Expr) {
        let mark = self.allocations.mark();
        let expression = self.prefix(expression);
        match &expression.kind {
            ExprKind::If { .. } | ExprKind::Loop { .. } => {
                let join = self.builder.create_block();
                self.deliver(expression, Destination::Join(join));
                self.enter_sealed(join);
            }
            _ => drop(self.words(expression)),
        }
        // The value is dropped, whatever it is.
        self.release(mark, &Type::Unit);
    }

    /// Lowers an expression whose value goes to `destination`. Where control is afterwards is up to the caller.
    pub(super) fn deliver(&mut self, mut expression: &Expr, destination: Destination) {
        // Chains of choices can be long: what is last is not a deeper call.
        loop {
            expression = self.prefix(expression);
            if self.unreachable {
                return;
            }
            match &expression.kind {
                ExprKind::If { test, then, otherwise } => match self.choice(test, then, otherwise, destination) {
                    Some(last) => expression = last,
                    None => return,
                },
                ExprKind::Loop { id, variables, body } => {
                    return self.lower_loop(*id, variables, body, destination, expression.span);
                }
                ExprKind::Continue { id, arguments } => return self.next_round(*id, arguments, expression.span),
                _ => return self.deliver_leaf(expression, destination),
            }
        }
    }

    fn deliver_leaf(&mut self, expression: &Expr, destination: Destination) {
        match destination {
            Destination::Join(block) => {
                let words = self.words(expression);
                self.join(block, words, expression.span);
            }
            Destination::Test { then, otherwise } => self.leaf_test(expression, then, otherwise),
            Destination::Return => {
                let word = self.word(expression);
                self.ret(word, expression.span);
            }
        }
    }

    /// Jumps to a block with as many words as it has parameters.
    fn join(&mut self, block: Block, words: Words, span: Span) {
        let params = self.builder.function().blocks.at(block).params.clone();
        let mut words = words.into_iter();
        let mut arguments = Words::new();
        for param in params {
            let ty = self.builder.function().value_type(param);
            arguments.push(words.next().unwrap_or_else(|| self.builder.null(ty, span)));
        }
        self.jump(block, &arguments, span);
    }

    /// Lowers the test and the first branch of a choice, and gives the other, for which everything is ready.
    fn choice<'e>(
        &mut self,
        test: &Expr,
        then: &'e Expr,
        otherwise: &'e Expr,
        destination: Destination,
    ) -> Option<&'e Expr> {
        let [first, second] = [then, otherwise].map(|branch| {
            let direct = self.direct_target(branch, destination);
            (branch, direct.is_none(), direct.unwrap_or_else(|| self.builder.create_block()))
        });
        self.test(test, first.2, second.2);
        if first.1 && self.enter_sealed(first.2) {
            let mark = self.allocations.mark();
            self.deliver(first.0, destination);
            self.release(mark, &first.0.ty);
        }
        (second.1 && self.enter_sealed(second.2)).then_some(second.0)
    }

    /// The block to which a branch would jump at once.
    fn direct_target(&self, branch: &Expr, destination: Destination) -> Option<Block> {
        match (&branch.kind, destination) {
            (ExprKind::Unit | ExprKind::Constant(_), Destination::Join(block)) => {
                self.builder.function().blocks.at(block).params.is_empty().then_some(block)
            }
            (ExprKind::Constant(number), Destination::Test { then, otherwise }) => {
                Some(if *number == 0 { otherwise } else { then })
            }
            _ => None,
        }
    }
}
