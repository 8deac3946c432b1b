//! Edges: where blocks go, and the arguments that they pass.
//!
//! An edge from a branch that passes arguments, or to a block with another way in, gets a block of its own, so that moves
//! have a place; layout takes those away again that stay empty. A jump to a block that only returns becomes the return.
//!
//! A branch that chooses between values keeps one of its ways empty: its constants are made before the branch, so that
//! only the other way needs code.
//!
//! ```text
//!      if r1 > r2 goto b        r0 = 1
//!   a: r0 = 0                   if r1 > r2 goto c
//!      goto c              →    r0 = 0
//!   b: r0 = 1                c: …
//!   c: …
//! ```
//!
//! What is computed only for one edge is computed on it, and the next value of a loop's variable where the loop goes
//! back: before that, both the old and the new one would need a register.

use regalloc2::VReg;

use super::Selector;
use crate::bpf::machine::{BlockId, MachineBlock, MachineInst, Operation};
use crate::ir::{Block, Op, Target, Terminator, Value, ValueDef};

/// Where the arguments of an edge are computed.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Place {
    /// In the block that goes on, whichever way it goes.
    Before,
    /// On the edge.
    Edge,
}

impl Selector<'_> {
    pub(super) fn jump(&mut self, from: BlockId, target: &Target) {
        let arguments = self.arguments(target, Place::Before);
        let to = self.home(target.block);
        let block = self.blocks.at_mut(from);
        block.successors = vec![to];
        block.arguments = arguments;
        self.push(Operation::Jump, Vec::new());
    }

    /// What going to a target returns, where the blocks from there on do nothing else.
    pub(super) fn returned(&self, target: &Target) -> Option<Value> {
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
    pub(super) fn edges(&mut self, then: &Target, otherwise: &Target) -> (BlockId, BlockId) {
        let chooses = self.end_of_jumps(then.block) == self.end_of_jumps(otherwise.block)
            && self.returned(then).is_none()
            && self.returned(otherwise).is_none();
        // How many instructions it takes to have the arguments ready before the branch; `None` where there is more to
        // do on this edge than that.
        let constants = |this: &Self, target: &Target, other: &Target| {
            let is_direct = chooses && this.end_of_jumps(other.block) == target.block;
            let constants = target.arguments.iter().filter(|argument| this.constant(**argument).is_some()).count();
            let computes = this.passed(target).any(|(argument, param)| this.is_for_edge(argument, param));
            // A certain register may not be free before the branch.
            let is_bound = this.passed(target).any(|(_, param)| this.bound.contains(&param));
            (is_direct && constants > 0 && !computes && !is_bound).then_some(constants)
        };
        match (constants(self, then, otherwise), constants(self, otherwise, then)) {
            (Some(first), second) if second.is_none_or(|second| first <= second) => {
                let arguments = self.arguments(then, Place::Before);
                (self.jump_edge(then, arguments), self.edge(otherwise))
            }
            (_, Some(_)) => {
                let arguments = self.arguments(otherwise, Place::Before);
                (self.edge(then), self.jump_edge(otherwise, arguments))
            }
            _ => (self.edge(then), self.edge(otherwise)),
        }
    }

    /// The block that control comes to from the start of a block without any choice, as far as no one else comes in
    /// between; the block itself where it ends in a branch or returns.
    fn end_of_jumps(&self, block: Block) -> Block {
        let mut at = block;
        for _ in 0..self.cfg.reverse_post_order().len() {
            if self.cfg.predecessors(at).len() > 1 {
                break;
            }
            let Terminator::Jump(target) = &self.function.blocks.at(at).terminator else { break };
            at = target.block;
        }
        at
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
                let arguments = self.arguments(target, Place::Edge);
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
        let jump = MachineInst { operation: Operation::Jump, operands: Vec::new(), rewritten: None, span: self.span };
        let successors = vec![self.home(target.block)];
        self.blocks.push(MachineBlock { params: Vec::new(), insts: vec![jump], successors, arguments })
    }

    /// The arguments of a target with the parameters they become.
    fn passed<'t>(&self, target: &'t Target) -> impl Iterator<Item = (Value, Value)> + use<'t, '_> {
        let params = &self.function.blocks.at(target.block).params;
        target.arguments.iter().copied().zip(params.iter().copied())
    }

    fn arguments(&mut self, target: &Target, place: Place) -> Vec<VReg> {
        let passed: Vec<(Value, Value)> = self.passed(target).collect();
        passed.into_iter().map(|(argument, param)| self.argument(argument, param, place)).collect()
    }

    fn argument(&mut self, argument: Value, param: Value, place: Place) -> VReg {
        self.destinations.entry(self.resolve(argument)).or_insert(param);
        let is_late = self.is_step(argument, param) || (place == Place::Edge && self.is_for_edge(argument, param));
        let ValueDef::Inst(inst) = self.function.values.at(argument).def else { return self.own_register(argument) };
        if !is_late {
            return self.own_register(argument);
        }
        let function = self.function;
        let register = self.new_register();
        let inst = function.insts.at(inst);
        let outer = std::mem::replace(&mut self.span, inst.span);
        self.result = Some(argument);
        self.operation(&inst.op, Some(register));
        self.result = None;
        self.span = outer;
        register
    }

    /// Whether an edge out of the block being selected is all that a value is for, and the place to compute it.
    fn is_for_edge(&self, value: Value, param: Value) -> bool {
        self.is_step(value, param) || (self.is_arithmetic_used_once(value) && self.local.contains(&value))
    }

    /// Whether a value is the next one of a variable: made of nothing but the variable and constants.
    fn is_step(&self, value: Value, param: Value) -> bool {
        if !self.is_arithmetic_used_once(value) {
            return false;
        }
        let mut is_step = true;
        if let Some(op) = self.function.defining_op(value) {
            op.for_each_operand(|operand| is_step &= operand == param || self.constant(operand).is_some());
        }
        is_step
    }

    fn is_arithmetic_used_once(&self, value: Value) -> bool {
        let is_arithmetic = matches!(self.function.defining_op(value), Some(Op::Binary(..) | Op::Unary(..)));
        is_arithmetic && self.remade(value).is_none() && self.resolve(value) == value && *self.uses.at(value) == 1
    }
}
