//! Terminators: comparisons, edges, returns.
//!
//! An edge from a branch that passes arguments, or to a block with another way in, gets a block of its own, so that moves
//! have a place; layout takes those away again that stay empty. A jump to a block that only returns becomes the return.
//!
//! A branch both of whose edges lead to the same block chooses between values. One edge is kept empty: its constants are
//! made before the branch, so that only the other edge needs code.
//!
//! ```text
//!      if r1 > r2 goto b        r0 = 1
//!   a: r0 = 0                   if r1 > r2 goto c
//!      goto c              →    r0 = 0
//!   b: r0 = 1                c: …
//!   c: …
//! ```
//!
//! The same is done where one edge goes with constants to where the block at the end of the other edge goes, too.
//!
//! What is computed only for one edge is computed on it.

use regalloc2::{Operand, VReg};

use super::Selector;
use super::arithmetic::low_word;
use crate::bpf::code::Instruction;
use crate::bpf::instruction::{class, jump};
use crate::bpf::machine::{BlockId, MachineBlock, MachineInst, Operation, Template, physical};
use crate::ir::{Condition, Op, Target, Terminator, Value, ValueDef, Width};
use crate::kernel::IsaVersion;

/// A comparison as an instruction makes it.
struct Comparison {
    condition: Condition,
    class: u8,
    lhs: VReg,
    rhs: Right,
}

enum Right {
    Immediate(i32),
    Register(VReg),
}

impl Selector<'_> {
    pub(super) fn terminator(&mut self, home: BlockId, terminator: &Terminator) {
        match terminator {
            Terminator::Return(value) => self.ret(*value),
            Terminator::Jump(target) => match self.returned(target) {
                Some(value) => self.ret(value),
                None => self.jump(home, target),
            },
            Terminator::Branch { condition, width, lhs, rhs, then, otherwise } => {
                let (then, otherwise) = self.edges(then, otherwise);
                let swapped = self.compare(*condition, *width, *lhs, *rhs);
                let successors = if swapped { vec![otherwise, then] } else { vec![then, otherwise] };
                self.blocks.at_mut(home).successors = successors;
            }
        }
    }

    fn ret(&mut self, value: Value) {
        let value = self.fixed_register(value);
        self.push(Operation::Return, vec![Operand::reg_fixed_use(value, physical(0))]);
    }

    fn jump(&mut self, from: BlockId, target: &Target) {
        let arguments = self.arguments(target);
        let to = self.home(target.block);
        let block = self.blocks.at_mut(from);
        block.successors = vec![to];
        block.arguments = arguments;
        self.push(Operation::Jump, Vec::new());
    }

    fn arguments(&mut self, target: &Target) -> Vec<VReg> {
        target.arguments.iter().map(|argument| self.own_register(*argument)).collect()
    }

    /// What going to a target returns, where the blocks from there on do nothing else.
    fn returned(&self, target: &Target) -> Option<Value> {
        let function = self.function;
        let mut target = target.clone();
        // An endless loop of empty blocks returns nothing.
        for _ in 0..self.blocks.len() {
            let data = function.blocks.at(target.block);
            if !data.insts.iter().all(|inst| matches!(function.insts.at(*inst).op, Op::Const(_))) {
                return None;
            }
            let passed = |value: Value| match function.values.at(value).def {
                ValueDef::Param(block, position) if block == target.block => {
                    usize::try_from(position).ok().and_then(|position| target.arguments.get(position)).copied()
                }
                _ => Some(value),
            };
            match &data.terminator {
                Terminator::Return(value) => return passed(*value),
                Terminator::Jump(next) => {
                    let arguments = next.arguments.iter().map(|argument| passed(*argument)).collect::<Option<_>>()?;
                    target = Target::new(next.block, arguments);
                }
                Terminator::Branch { .. } => return None,
            }
        }
        None
    }

    /// The blocks that the edges of a branch lead to.
    fn edges(&mut self, then: &Target, otherwise: &Target) -> (BlockId, BlockId) {
        if then.block == otherwise.block && self.returned(then).is_none() {
            self.edges_to_one(then, otherwise)
        } else if self.is_short_cut(then, otherwise) {
            let arguments = self.arguments(then);
            (self.jump_edge(then, arguments), self.edge(otherwise))
        } else if self.is_short_cut(otherwise, then) {
            let arguments = self.arguments(otherwise);
            (self.edge(then), self.jump_edge(otherwise, arguments))
        } else {
            (self.edge(then), self.edge(otherwise))
        }
    }

    /// Whether an edge passes nothing but constants, to where the block that only the other edge leads to goes, too.
    fn is_short_cut(&self, edge: &Target, other: &Target) -> bool {
        let meets = |terminator: &Terminator| matches!(terminator, Terminator::Jump(to) if to.block == edge.block);
        !edge.arguments.is_empty()
            && edge.arguments.iter().all(|argument| self.constant(*argument).is_some())
            && self.cfg.predecessors(other.block).len() == 1
            && meets(&self.function.blocks.at(other.block).terminator)
            && self.returned(edge).is_none()
    }

    /// The blocks that the edges of a branch lead to, where both go to the same block.
    fn edges_to_one(&mut self, then: &Target, otherwise: &Target) -> (BlockId, BlockId) {
        // How many instructions it takes to have the arguments ready before the branch; `None` where that may do work
        // in vain or only moves work.
        let early = |this: &Self, target: &Target| {
            let constants = target.arguments.iter().filter(|argument| this.constant(**argument).is_some()).count();
            let sinks = target.arguments.iter().any(|argument| this.is_for_edge_only(*argument));
            (constants > 0 && !sinks).then_some(constants)
        };
        match (early(self, then), early(self, otherwise)) {
            (Some(first), second) if second.is_none_or(|second| first <= second) => {
                let arguments = self.arguments(then);
                (self.jump_edge(then, arguments), self.edge(otherwise))
            }
            (_, Some(_)) => {
                let arguments = self.arguments(otherwise);
                let then = self.edge(then);
                (then, self.jump_edge(otherwise, arguments))
            }
            _ => (self.edge(then), self.edge(otherwise)),
        }
    }

    /// The block that an edge of a branch leads to: the target, or one that passes its arguments.
    fn edge(&mut self, target: &Target) -> BlockId {
        if target.arguments.is_empty() && self.cfg.predecessors(target.block).len() < 2 {
            return self.home(target.block);
        }
        let outer: Vec<MachineInst> = std::mem::take(&mut self.group);
        let edge = match self.returned(target) {
            Some(value) => {
                self.ret(value);
                self.blocks.push(MachineBlock::default())
            }
            None => {
                let arguments = target.arguments.iter().map(|argument| self.edge_argument(*argument)).collect();
                self.jump_edge(target, arguments)
            }
        };
        // Constants and computations that only the edge wants are in it.
        let mut insts = std::mem::replace(&mut self.group, outer);
        insts.append(&mut self.blocks.at_mut(edge).insts);
        self.blocks.at_mut(edge).insts = insts;
        edge
    }

    /// A block that passes arguments that are in registers already.
    fn jump_edge(&mut self, target: &Target, arguments: Vec<VReg>) -> BlockId {
        let jump = MachineInst { operation: Operation::Jump, operands: Vec::new(), span: self.span };
        let successors = vec![self.home(target.block)];
        self.blocks.push(MachineBlock { params: Vec::new(), insts: vec![jump], successors, arguments })
    }

    fn edge_argument(&mut self, argument: Value) -> VReg {
        if !self.is_for_edge_only(argument) {
            return self.own_register(argument);
        }
        let function = self.function;
        let register = self.new_register();
        if let ValueDef::Inst(inst) = function.values.at(argument).def {
            let inst = function.insts.at(inst);
            let outer = std::mem::replace(&mut self.span, inst.span);
            self.result = Some(argument);
            self.operation(&inst.op, Some(register));
            self.result = None;
            self.span = outer;
        }
        register
    }

    /// Whether a value is computed in the block being selected, and an edge out of it is all it is for.
    fn is_for_edge_only(&self, value: Value) -> bool {
        let is_arithmetic = matches!(self.function.defining_op(value), Some(Op::Binary(..) | Op::Unary(..)));
        is_arithmetic
            && self.remade(value).is_none()
            && self.resolve(value) == value
            && *self.uses.at(value) == 1
            && self.local.contains(&value)
    }

    /// Emits a conditional jump; whether its condition is the opposite of what was asked.
    fn compare(&mut self, condition: Condition, width: Width, lhs: Value, rhs: Value) -> bool {
        let (condition, lhs, rhs) = if self.constant(lhs).is_some() && self.constant(rhs).is_none() {
            (swap_operands(condition), rhs, lhs)
        } else {
            (condition, lhs, rhs)
        };
        let Comparison { mut condition, class, mut lhs, mut rhs } = match width {
            Width::W64 => self.compare64(condition, lhs, rhs),
            Width::W32 => self.compare32(condition, lhs, rhs),
        };
        let mut swapped = false;
        if self.isa < IsaVersion::V2 && is_less(condition) {
            if let Right::Register(right) = rhs {
                condition = swap_operands(condition);
                rhs = Right::Register(lhs);
                lhs = right;
            } else if let Some(opposite) = opposite(condition) {
                condition = opposite;
                swapped = true;
            }
        }
        let mut operands = vec![Operand::reg_use(lhs)];
        let (instruction, source) = match rhs {
            Right::Immediate(immediate) => {
                (Instruction::jump_immediate(class, jump_code(condition), 0, immediate), None)
            }
            Right::Register(rhs) => {
                operands.push(Operand::reg_use(rhs));
                (Instruction::jump_register(class, jump_code(condition), 0, 0), Some(1))
            }
        };
        self.push(Operation::Branch(Template { instruction, destination: Some(0), source }), operands);
        swapped
    }

    fn compare64(&mut self, condition: Condition, lhs: Value, rhs: Value) -> Comparison {
        let rhs = match self.constant(rhs).and_then(|number| i32::try_from(number).ok()) {
            Some(immediate) => Right::Immediate(immediate),
            None => Right::Register(self.register(rhs)),
        };
        Comparison { condition, class: class::JMP, lhs: self.register(lhs), rhs }
    }

    fn compare32(&mut self, condition: Condition, lhs: Value, rhs: Value) -> Comparison {
        let (lhs, rhs) = (self.low(lhs, 32), self.low(rhs, 32));
        let number = self.constant(rhs).map(low_word);
        if self.isa >= IsaVersion::V3 {
            let rhs = match number {
                Some(number) => Right::Immediate(number),
                None => Right::Register(self.register(rhs)),
            };
            return Comparison { condition, class: class::JMP32, lhs: self.register(lhs), rhs };
        }
        // Both sides extended the same way; for a negative constant, the way in which it is an immediate.
        let signed = match condition {
            Condition::Less | Condition::LessEqual | Condition::Greater | Condition::GreaterEqual => true,
            Condition::Equal | Condition::NotEqual => number.is_some_and(|number| number < 0),
            _ => false,
        };
        let extended = |this: &mut Self, value| {
            if signed {
                let register = this.register(value);
                this.sign_extended(32, register)
            } else {
                this.zero_extended(value)
            }
        };
        let rhs = match number {
            Some(number) if signed || number >= 0 => Right::Immediate(number),
            Some(number) => Right::Register(self.number(i64::from(number.cast_unsigned()))),
            None => Right::Register(extended(self, rhs)),
        };
        Comparison { condition, class: class::JMP, lhs: extended(self, lhs), rhs }
    }
}

fn jump_code(condition: Condition) -> u8 {
    match condition {
        Condition::Equal => jump::JEQ,
        Condition::NotEqual => jump::JNE,
        Condition::Below => jump::JLT,
        Condition::BelowEqual => jump::JLE,
        Condition::Above => jump::JGT,
        Condition::AboveEqual => jump::JGE,
        Condition::Less => jump::JSLT,
        Condition::LessEqual => jump::JSLE,
        Condition::Greater => jump::JSGT,
        Condition::GreaterEqual => jump::JSGE,
        Condition::BitsSet => jump::JSET,
    }
}

/// Whether ISA v1 lacks the comparison.
fn is_less(condition: Condition) -> bool {
    matches!(condition, Condition::Below | Condition::BelowEqual | Condition::Less | Condition::LessEqual)
}

/// What holds of `b` and `a` when the condition holds of `a` and `b`.
fn swap_operands(condition: Condition) -> Condition {
    match condition {
        Condition::Below => Condition::Above,
        Condition::BelowEqual => Condition::AboveEqual,
        Condition::Above => Condition::Below,
        Condition::AboveEqual => Condition::BelowEqual,
        Condition::Less => Condition::Greater,
        Condition::LessEqual => Condition::GreaterEqual,
        Condition::Greater => Condition::Less,
        Condition::GreaterEqual => Condition::LessEqual,
        Condition::Equal | Condition::NotEqual | Condition::BitsSet => condition,
    }
}

/// What holds exactly where the condition does not.
fn opposite(condition: Condition) -> Option<Condition> {
    match condition {
        Condition::Equal => Some(Condition::NotEqual),
        Condition::NotEqual => Some(Condition::Equal),
        Condition::Below => Some(Condition::AboveEqual),
        Condition::BelowEqual => Some(Condition::Above),
        Condition::Above => Some(Condition::BelowEqual),
        Condition::AboveEqual => Some(Condition::Below),
        Condition::Less => Some(Condition::GreaterEqual),
        Condition::LessEqual => Some(Condition::Greater),
        Condition::Greater => Some(Condition::LessEqual),
        Condition::GreaterEqual => Some(Condition::Less),
        Condition::BitsSet => None,
    }
}
