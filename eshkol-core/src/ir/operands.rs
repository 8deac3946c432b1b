//! The values that instructions and terminators use, and the ways out of a block.

use super::{Block, Function, Op, Target, Terminator, Value, ValueDef, ValueType};

impl Op {
    /// Calls `visit` with every value used, in order.
    pub fn for_each_operand(&self, mut visit: impl FnMut(Value)) {
        match self {
            Self::Const(_)
            | Self::SlotAddress(_)
            | Self::HiddenZero(_)
            | Self::Fact { .. }
            | Self::Map(_)
            | Self::FunctionAddress(_)
            | Self::GlobalAddress { .. } => {}
            Self::Unary(_, value) | Self::Load { base: value, .. } => visit(*value),
            Self::Binary(_, _, first, second)
            | Self::Hide { value: first, zero: second }
            | Self::Store { base: first, value: second, .. }
            | Self::Atomic { base: first, value: second, .. } => {
                visit(*first);
                visit(*second);
            }
            Self::CompareExchange { base, expected, value, .. } => {
                visit(*base);
                visit(*expected);
                visit(*value);
            }
            Self::CallHelper { arguments, .. } | Self::CallFunction { arguments, .. } => {
                arguments.iter().copied().for_each(visit);
            }
        }
    }

    /// Calls `visit` with every place that holds a used value, in order.
    pub fn for_each_operand_mut(&mut self, mut visit: impl FnMut(&mut Value)) {
        match self {
            Self::Const(_)
            | Self::SlotAddress(_)
            | Self::HiddenZero(_)
            | Self::Fact { .. }
            | Self::Map(_)
            | Self::FunctionAddress(_)
            | Self::GlobalAddress { .. } => {}
            Self::Unary(_, value) | Self::Load { base: value, .. } => visit(value),
            Self::Binary(_, _, first, second)
            | Self::Hide { value: first, zero: second }
            | Self::Store { base: first, value: second, .. }
            | Self::Atomic { base: first, value: second, .. } => {
                visit(first);
                visit(second);
            }
            Self::CompareExchange { base, expected, value, .. } => {
                visit(base);
                visit(expected);
                visit(value);
            }
            Self::CallHelper { arguments, .. } | Self::CallFunction { arguments, .. } => {
                arguments.iter_mut().for_each(visit);
            }
        }
    }

    /// Whether doing it again, or not at all, changes nothing but its result. Loads are not pure: memory changes.
    pub fn is_pure(&self) -> bool {
        match self {
            Self::Const(_)
            | Self::Binary(..)
            | Self::Unary(..)
            | Self::Hide { .. }
            | Self::SlotAddress(_)
            | Self::HiddenZero(_)
            | Self::Fact { .. }
            | Self::Map(_)
            | Self::FunctionAddress(_)
            | Self::GlobalAddress { .. } => true,
            Self::Load { .. }
            | Self::Store { .. }
            | Self::Atomic { .. }
            | Self::CompareExchange { .. }
            | Self::CallHelper { .. }
            | Self::CallFunction { .. } => false,
        }
    }

    /// Whether it only makes its result: without a use, it can go.
    pub fn is_removable(&self) -> bool {
        self.is_pure() || matches!(self, Self::Load { .. })
    }
}

impl Target {
    /// A block to go to with arguments.
    pub fn new(block: Block, arguments: Vec<Value>) -> Self {
        Self { block, arguments }
    }
}

impl Terminator {
    /// The ways out: none, one, or two (`then` first), which may lead to the same block.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let (first, second) = match self {
            Self::Jump(target) => (Some(target), None),
            Self::Branch { then, otherwise, .. } => (Some(then), Some(otherwise)),
            Self::Return(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The ways out, to be changed.
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        let (first, second) = match self {
            Self::Jump(target) => (Some(target), None),
            Self::Branch { then, otherwise, .. } => (Some(then), Some(otherwise)),
            Self::Return(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Calls `visit` with every value used, the arguments of targets included.
    pub fn for_each_operand(&self, mut visit: impl FnMut(Value)) {
        match self {
            Self::Branch { lhs, rhs, .. } => {
                visit(*lhs);
                visit(*rhs);
            }
            Self::Return(value) => visit(*value),
            Self::Jump(_) => {}
        }
        self.targets().flat_map(|target| &target.arguments).for_each(|value| visit(*value));
    }

    /// Calls `visit` with every place that holds a used value, the arguments of targets included.
    pub fn for_each_operand_mut(&mut self, mut visit: impl FnMut(&mut Value)) {
        match self {
            Self::Branch { lhs, rhs, .. } => {
                visit(lhs);
                visit(rhs);
            }
            Self::Return(value) => visit(value),
            Self::Jump(_) => {}
        }
        self.targets_mut().flat_map(|target| &mut target.arguments).for_each(visit);
    }
}

impl Function {
    /// Changes every use of a value, in every block.
    pub fn rewrite_uses(&mut self, mut rewrite: impl FnMut(Value) -> Value) {
        for block in self.blocks.ids() {
            let data = self.blocks.at_mut(block);
            data.terminator.for_each_operand_mut(|value| *value = rewrite(*value));
            for inst in &data.insts {
                self.insts.at_mut(*inst).op.for_each_operand_mut(|value| *value = rewrite(*value));
            }
        }
    }

    /// The number that a value is, where an instruction says so.
    pub fn constant(&self, value: Value) -> Option<i64> {
        match self.defining_op(value) {
            Some(Op::Const(number)) => Some(*number),
            _ => None,
        }
    }

    /// The operation that makes a value; `None` for a parameter of a block.
    pub fn defining_op(&self, value: Value) -> Option<&Op> {
        match self.values.at(value).def {
            ValueDef::Inst(inst) => Some(&self.insts.at(inst).op),
            ValueDef::Param(..) => None,
        }
    }

    /// What a value is.
    pub fn value_type(&self, value: Value) -> ValueType {
        self.values.at(value).ty
    }
}
