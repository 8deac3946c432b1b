//! Builds functions, instruction by instruction, in SSA from the start.
//!
//! Mutable variables become block parameters by the method of Braun et al., *Simple and Efficient Construction of Static
//! Single Assignment Form* (2013): [`FunctionBuilder::def_var`] and [`FunctionBuilder::use_var`] may be called in any
//! block, and a block is *sealed* once all jumps to it exist. Parameters that turn out to be needless are taken out by
//! [`FunctionBuilder::finish`].
//!
//! An optional pointer is a value of the pointer's type; absent is [`FunctionBuilder::null`] of that type. The optimiser
//! sees to it that no null is ever merged with a packet pointer in what reaches the kernel.
//!
//! After a block is terminated, more instructions go to a fresh block that nothing jumps to: code after a jump away needs
//! no care.

use std::collections::VecDeque;

use super::{
    ArithmeticOp, AtomicOp, Block, BlockData, Condition, Function, FunctionId, GlobalSection, InstData, MapId,
    MemorySize, Op, Slot, SlotData, Target, Terminator, UnaryOp, Value, ValueData, ValueDef, ValueType, Width,
    redundant_params,
};
use crate::arena::{Arena, Id as _, ids};
use crate::check::kernel_types::FactId;
use crate::kernel::HelperId;
use crate::source::Span;

ids! {
    /// A mutable variable of the function being built.
    Variable = "var";
}

/// A function being built.
#[derive(Debug)]
pub struct FunctionBuilder {
    function: Function,
    current: Block,
    blocks: Arena<Block, BlockState>,
    variables: Arena<Variable, ValueType>,
    /// Parameters that variables became, for which the predecessors do not give arguments yet.
    unfilled: VecDeque<(Block, Variable)>,
}

#[derive(Debug, Default)]
struct BlockState {
    terminated: bool,
    sealed: bool,
    /// Each once.
    predecessors: Vec<Block>,
    /// What each variable is at the end of the block, so far.
    definitions: Vec<Option<Value>>,
}

impl FunctionBuilder {
    /// A function with an empty entry block, which is the current one and sealed.
    pub fn new(name: impl Into<String>, span: Span) -> Self {
        let mut blocks = Arena::new();
        let entry = blocks.push(empty_block(blocks.next_id(), span));
        let mut states = Arena::new();
        states.push(BlockState { sealed: true, ..BlockState::default() });
        let function = Function {
            name: name.into(),
            span,
            values: Arena::new(),
            insts: Arena::new(),
            blocks,
            slots: Arena::new(),
            entry,
        };
        Self { function, current: entry, blocks: states, variables: Arena::new(), unfilled: VecDeque::new() }
    }

    /// What is built so far.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// The function. Every block is sealed.
    pub fn finish(mut self) -> Function {
        for block in self.function.blocks.ids() {
            self.seal_block(block);
        }
        self.fill_params();
        redundant_params::run(&mut self.function);
        self.function
    }

    // Blocks.

    /// The entry block.
    pub fn entry(&self) -> Block {
        self.function.entry
    }

    /// A new block: empty, without parameters, not sealed.
    pub fn create_block(&mut self) -> Block {
        let block = self.function.blocks.push(empty_block(self.function.blocks.next_id(), self.function.span));
        self.blocks.push(BlockState::default());
        block
    }

    /// A new parameter of a block. All of them must be there before anything jumps to the block and before any variable
    /// is used in it. Those of the entry are the function's.
    pub fn append_param(&mut self, block: Block, ty: ValueType) -> Value {
        let position = u32::try_from(self.function.blocks.at(block).params.len()).unwrap_or(u32::MAX);
        let value = self.function.values.push(ValueData { ty, def: ValueDef::Param(block, position) });
        self.function.blocks.at_mut(block).params.push(value);
        value
    }

    /// From now on instructions go to the end of this block.
    pub fn switch_to(&mut self, block: Block) {
        self.current = block;
    }

    /// The block to which instructions go.
    pub fn current(&self) -> Block {
        self.current
    }

    /// Whether the current block has its terminator, so that what comes now can't be reached.
    pub fn is_terminated(&self) -> bool {
        self.blocks.at(self.current).terminated
    }

    /// Says that no more jumps to this block will come.
    pub fn seal_block(&mut self, block: Block) {
        self.blocks.at_mut(block).sealed = true;
    }

    // Variables.

    /// A new variable.
    pub fn declare_variable(&mut self, ty: ValueType) -> Variable {
        self.variables.push(ty)
    }

    /// From here on, the variable is `value`.
    pub fn def_var(&mut self, variable: Variable, value: Value) {
        self.open();
        self.define(self.current, variable, value);
    }

    /// What the variable is here; 0 where it was never defined on the way.
    pub fn use_var(&mut self, variable: Variable) -> Value {
        self.open();
        self.read(self.current, variable)
    }

    fn define(&mut self, block: Block, variable: Variable, value: Value) {
        let definitions = &mut self.blocks.at_mut(block).definitions;
        if definitions.len() <= variable.index() {
            definitions.resize(variable.index() + 1, None);
        }
        if let Some(definition) = definitions.get_mut(variable.index()) {
            *definition = Some(value);
        }
    }

    fn definition(&self, block: Block, variable: Variable) -> Option<Value> {
        self.blocks.at(block).definitions.get(variable.index()).copied().flatten()
    }

    /// Walks up through blocks with one predecessor, iteratively: such chains can be long.
    fn read(&mut self, block: Block, variable: Variable) -> Value {
        let mut passed = Vec::new();
        let mut at = block;
        let value = loop {
            if let Some(value) = self.definition(at, variable) {
                break value;
            }
            let state = self.blocks.at(at);
            match state.predecessors.as_slice() {
                [only] if state.sealed && *only != at => {
                    passed.push(at);
                    at = *only;
                    if passed.len() > self.blocks.len() {
                        // A loop that nothing enters.
                        break self.undefined(at, variable);
                    }
                }
                [] if state.sealed => break self.undefined(at, variable),
                _ => break self.variable_param(at, variable),
            }
        };
        for block in passed {
            self.define(block, variable, value);
        }
        value
    }

    /// 0, at the very start of a block that nothing jumps to.
    fn undefined(&mut self, block: Block, variable: Variable) -> Value {
        let ty = *self.variables.at(variable);
        let inst = self.function.insts.next_id();
        let value = self.function.values.push(ValueData { ty, def: ValueDef::Inst(inst) });
        let span = self.function.span;
        self.function.insts.push(InstData { op: Op::Const(0), result: Some(value), span });
        self.function.blocks.at_mut(block).insts.insert(0, inst);
        self.define(block, variable, value);
        value
    }

    fn variable_param(&mut self, block: Block, variable: Variable) -> Value {
        let ty = *self.variables.at(variable);
        let value = self.append_param(block, ty);
        self.define(block, variable, value);
        self.unfilled.push_back((block, variable));
        value
    }

    /// Gives the predecessors the arguments for the parameters that variables became. Reading a variable may make more
    /// parameters, which come to the end of the queue: those of one block stay in order.
    fn fill_params(&mut self) {
        while let Some((block, variable)) = self.unfilled.pop_front() {
            for predecessor in self.blocks.at(block).predecessors.clone() {
                let value = self.read(predecessor, variable);
                for target in self.function.blocks.at_mut(predecessor).terminator.targets_mut() {
                    if target.block == block {
                        target.arguments.push(value);
                    }
                }
            }
        }
    }

    // Memory of the frame.

    /// Stack memory of `size` bytes whose address is a multiple of `align` (1, 2, 4 or 8).
    pub fn create_slot(&mut self, size: u32, align: u32) -> Slot {
        self.function.slots.push(SlotData { size, align })
    }

    // Instructions.

    /// Appends any instruction; `ty` is the type of its result, for those that have one.
    pub fn append(&mut self, op: Op, ty: Option<ValueType>, span: Span) -> Option<Value> {
        self.open();
        let inst = self.function.insts.next_id();
        let result = ty.map(|ty| self.function.values.push(ValueData { ty, def: ValueDef::Inst(inst) }));
        self.function.insts.push(InstData { op, result, span });
        self.function.blocks.at_mut(self.current).insts.push(inst);
        result
    }

    fn append_value(&mut self, op: Op, ty: ValueType, span: Span) -> Value {
        self.open();
        let inst = self.function.insts.next_id();
        let value = self.function.values.push(ValueData { ty, def: ValueDef::Inst(inst) });
        self.function.insts.push(InstData { op, result: Some(value), span });
        self.function.blocks.at_mut(self.current).insts.push(inst);
        value
    }

    /// A number.
    pub fn constant(&mut self, number: i64, span: Span) -> Value {
        self.append_value(Op::Const(number), ValueType::Int, span)
    }

    /// The absent pointer of a type.
    pub fn null(&mut self, ty: ValueType, span: Span) -> Value {
        self.append_value(Op::Const(0), ty, span)
    }

    /// 64-bit arithmetic. A pointer plus or minus a number is such a pointer; a number plus a pointer is turned round.
    pub fn binary(&mut self, op: ArithmeticOp, lhs: Value, rhs: Value, span: Span) -> Value {
        let is_pointer = |value| self.function.value_type(value) != ValueType::Int;
        let (lhs, rhs) = match (op, is_pointer(lhs), is_pointer(rhs)) {
            (ArithmeticOp::Add, false, true) => (rhs, lhs),
            _ => (lhs, rhs),
        };
        let ty = match (op, self.function.value_type(rhs)) {
            (ArithmeticOp::Add | ArithmeticOp::Sub, ValueType::Int) => self.function.value_type(lhs),
            _ => ValueType::Int,
        };
        self.append_value(Op::Binary(op, Width::W64, lhs, rhs), ty, span)
    }

    /// 32-bit arithmetic on numbers; the upper half of the result is zero.
    pub fn binary32(&mut self, op: ArithmeticOp, lhs: Value, rhs: Value, span: Span) -> Value {
        self.append_value(Op::Binary(op, Width::W32, lhs, rhs), ValueType::Int, span)
    }

    /// 64-bit arithmetic with a constant.
    pub fn binary_constant(&mut self, op: ArithmeticOp, lhs: Value, rhs: i64, span: Span) -> Value {
        let rhs = self.constant(rhs, span);
        self.binary(op, lhs, rhs, span)
    }

    /// Arithmetic on one number.
    pub fn unary(&mut self, op: UnaryOp, value: Value, span: Span) -> Value {
        self.append_value(Op::Unary(op, value), ValueType::Int, span)
    }

    /// Reads a number, zero-extended.
    pub fn load(&mut self, size: MemorySize, base: Value, offset: i32, span: Span) -> Value {
        self.append_value(Op::Load { size, signed: false, base, offset }, ValueType::Int, span)
    }

    /// Reads a number, sign-extended.
    pub fn load_signed(&mut self, size: MemorySize, base: Value, offset: i32, span: Span) -> Value {
        self.append_value(Op::Load { size, signed: true, base, offset }, ValueType::Int, span)
    }

    /// Reads a word of a type, such as the `data` of a context.
    pub fn load_as(&mut self, ty: ValueType, size: MemorySize, base: Value, offset: i32, span: Span) -> Value {
        self.append_value(Op::Load { size, signed: false, base, offset }, ty, span)
    }

    /// Writes the low bytes of `value`.
    pub fn store(&mut self, size: MemorySize, base: Value, offset: i32, value: Value, span: Span) {
        self.append(Op::Store { size, base, offset, value }, None, span);
    }

    /// Changes memory in one step.
    pub fn atomic(&mut self, op: AtomicOp, size: MemorySize, base: Value, offset: i32, value: Value, span: Span) {
        self.append(Op::Atomic { op, size, base, offset, value }, None, span);
    }

    /// Changes memory in one step and gives what it held before.
    pub fn atomic_fetch(
        &mut self,
        op: AtomicOp,
        size: MemorySize,
        base: Value,
        offset: i32,
        value: Value,
        span: Span,
    ) -> Value {
        self.append_value(Op::Atomic { op, size, base, offset, value }, ValueType::Int, span)
    }

    /// Where memory holds `expected`, makes it `value`; gives what it held before.
    pub fn compare_exchange(
        &mut self,
        size: MemorySize,
        base: Value,
        offset: i32,
        expected: Value,
        value: Value,
        span: Span,
    ) -> Value {
        self.append_value(Op::CompareExchange { size, base, offset, expected, value }, ValueType::Int, span)
    }

    /// The address of a slot.
    pub fn slot_address(&mut self, slot: Slot, span: Span) -> Value {
        self.append_value(Op::SlotAddress(slot), ValueType::Stack, span)
    }

    /// A zero that the verifier does not know.
    pub fn hidden_zero(&mut self, slot: Slot, span: Span) -> Value {
        self.append_value(Op::HiddenZero(slot), ValueType::Int, span)
    }

    /// A number, and the verifier does not know which; `zero` is a [`Self::hidden_zero`].
    pub fn hide(&mut self, value: Value, zero: Value, span: Span) -> Value {
        self.append_value(Op::Hide { value, zero }, ValueType::Int, span)
    }

    /// A number that the loader finds out about the running kernel.
    pub fn fact(&mut self, fact: FactId, local: i32, span: Span) -> Value {
        self.append_value(Op::Fact { fact, local }, ValueType::Int, span)
    }

    /// A map.
    pub fn map(&mut self, map: MapId, span: Span) -> Value {
        self.append_value(Op::Map(map), ValueType::Map, span)
    }

    /// A function, for a helper that calls it.
    pub fn function_address(&mut self, function: FunctionId, span: Span) -> Value {
        self.append_value(Op::FunctionAddress(function), ValueType::Function, span)
    }

    /// An address in a data section.
    pub fn global_address(&mut self, section: GlobalSection, offset: u32, span: Span) -> Value {
        self.append_value(Op::GlobalAddress { section, offset }, ValueType::Global, span)
    }

    /// Calls a helper; `ty` is what it gives.
    pub fn call_helper(&mut self, helper: HelperId, arguments: Vec<Value>, ty: ValueType, span: Span) -> Value {
        self.append_value(Op::CallHelper { helper, arguments }, ty, span)
    }

    /// Calls a function of the unit; it gives a number.
    pub fn call_function(&mut self, function: FunctionId, arguments: Vec<Value>, span: Span) -> Value {
        self.append_value(Op::CallFunction { function, arguments }, ValueType::Int, span)
    }

    // Terminators.

    /// Ends the current block: on to `block`.
    pub fn jump(&mut self, block: Block, arguments: &[Value], span: Span) {
        self.terminate(Terminator::Jump(Target::new(block, arguments.to_vec())), span);
    }

    /// Ends the current block: where the 64-bit comparison holds, on to `then`, else to `otherwise`.
    pub fn branch(
        &mut self,
        condition: Condition,
        lhs: Value,
        rhs: Value,
        then: (Block, &[Value]),
        otherwise: (Block, &[Value]),
        span: Span,
    ) {
        let then = Target::new(then.0, then.1.to_vec());
        let otherwise = Target::new(otherwise.0, otherwise.1.to_vec());
        self.terminate(Terminator::Branch { condition, width: Width::W64, lhs, rhs, then, otherwise }, span);
    }

    /// Ends the current block and the function.
    pub fn ret(&mut self, value: Value, span: Span) {
        self.terminate(Terminator::Return(value), span);
    }

    /// Ends the current block. Jumps give arguments only for the parameters of [`Self::append_param`].
    pub fn terminate(&mut self, terminator: Terminator, span: Span) {
        self.open();
        let from = self.current;
        for target in terminator.targets() {
            let state = self.blocks.at_mut(target.block);
            debug_assert!(!state.sealed, "jump to {}, which is sealed", target.block);
            if !state.predecessors.contains(&from) {
                state.predecessors.push(from);
            }
        }
        let data = self.function.blocks.at_mut(from);
        data.terminator = terminator;
        data.span = span;
        self.blocks.at_mut(from).terminated = true;
    }

    /// Makes sure that the current block takes instructions.
    fn open(&mut self) {
        if self.is_terminated() {
            let block = self.create_block();
            self.seal_block(block);
            self.switch_to(block);
        }
    }
}

fn empty_block(id: Block, span: Span) -> BlockData {
    let terminator = Terminator::Jump(Target::new(id, Vec::new()));
    BlockData { params: Vec::new(), insts: Vec::new(), terminator, span }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Endianness;
    use crate::ir::{check, interpret};
    use crate::source::SourceId;

    fn span() -> Span {
        Span::new(SourceId::new(0), 0, 0)
    }

    fn result(function: &Function, arguments: &[u64]) -> u64 {
        check(function).unwrap();
        let input = interpret::Input {
            arguments: arguments.to_vec(),
            packet_length: 0,
            seed: 0,
            endianness: Endianness::Little,
        };
        interpret::run(function, &input, 1000).unwrap().result
    }

    #[test]
    fn variables_become_parameters_of_loops() {
        let mut b = FunctionBuilder::new("factorial", span());
        let n = b.append_param(b.entry(), ValueType::Int);
        let (product, left, unchanged) = (
            b.declare_variable(ValueType::Int),
            b.declare_variable(ValueType::Int),
            b.declare_variable(ValueType::Int),
        );
        let one = b.constant(1, span());
        b.def_var(product, one);
        b.def_var(left, n);
        b.def_var(unchanged, n);
        let (head, body, end) = (b.create_block(), b.create_block(), b.create_block());
        b.jump(head, &[], span());
        b.switch_to(head);
        let current = b.use_var(left);
        b.branch(Condition::Equal, current, one, (end, &[]), (body, &[]), span());
        b.seal_block(body);
        b.switch_to(body);
        let (x, y) = (b.use_var(product), b.use_var(left));
        let next = b.binary(ArithmeticOp::Mul, x, y, span());
        b.def_var(product, next);
        let next = b.binary_constant(ArithmeticOp::Sub, y, 1, span());
        b.def_var(left, next);
        b.jump(head, &[], span());
        b.seal_block(head);
        b.switch_to(end);
        let (x, y) = (b.use_var(product), b.use_var(unchanged));
        let sum = b.binary(ArithmeticOp::Add, x, y, span());
        b.ret(sum, span());
        let function = b.finish();
        assert_eq!(result(&function, &[5]), 125);
        assert_eq!(function.blocks.at(head).params.len(), 2, "{function}");
    }

    #[test]
    fn explicit_parameters_come_before_those_of_variables() {
        let mut b = FunctionBuilder::new("choose", span());
        let n = b.append_param(b.entry(), ValueType::Int);
        let variable = b.declare_variable(ValueType::Int);
        let (left, right, join) = (b.create_block(), b.create_block(), b.create_block());
        let given = b.append_param(join, ValueType::Int);
        let zero = b.constant(0, span());
        b.branch(Condition::Equal, n, zero, (left, &[]), (right, &[]), span());
        for (block, number) in [(left, 10), (right, 20)] {
            b.seal_block(block);
            b.switch_to(block);
            let value = b.constant(number, span());
            b.def_var(variable, value);
            let value = b.constant(number + 1, span());
            b.jump(join, &[value], span());
        }
        b.seal_block(join);
        b.switch_to(join);
        let chosen = b.use_var(variable);
        let hundred = b.binary_constant(ArithmeticOp::Mul, chosen, 100, span());
        let sum = b.binary(ArithmeticOp::Add, hundred, given, span());
        b.ret(sum, span());
        let function = b.finish();
        assert_eq!((result(&function, &[0]), result(&function, &[1])), (1011, 2021));
    }

    #[test]
    fn code_after_a_jump_away_is_dropped() {
        let mut b = FunctionBuilder::new("early", span());
        let n = b.append_param(b.entry(), ValueType::Int);
        b.ret(n, span());
        assert!(b.is_terminated());
        let variable = b.declare_variable(ValueType::Int);
        let nothing = b.use_var(variable);
        b.ret(nothing, span());
        let function = b.finish();
        assert_eq!(result(&function, &[7]), 7);
        assert_eq!(function.to_string(), "function \"early\" {\nb0(v0):\n  return v0\n}\n");
    }

    #[test]
    fn pointers_stay_on_the_left() {
        let mut b = FunctionBuilder::new("address", span());
        let n = b.append_param(b.entry(), ValueType::Int);
        let slot = b.create_slot(16, 8);
        let address = b.slot_address(slot, span());
        let eight = b.constant(8, span());
        let sum = b.binary(ArithmeticOp::Add, eight, address, span());
        b.store(MemorySize::B8, sum, 0, n, span());
        let back = b.load(MemorySize::B8, address, 8, span());
        let distance = b.binary(ArithmeticOp::Sub, sum, address, span());
        let total = b.binary(ArithmeticOp::Add, back, distance, span());
        b.ret(total, span());
        assert_eq!(result(&b.finish(), &[30]), 38);
    }
}
