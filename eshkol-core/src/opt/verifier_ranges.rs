//! Numbers of which the kernel's verifier needs to know the range: those that are added to a pointer, given to a call, carried
//! from one round of a loop to the next or compared in a loop, and all they are computed from.
//!
//! The verifier follows ranges through registers, and learns from comparisons of the very register it follows. So of
//! these numbers a pass may remove a mask only where the verifier itself knows that it does nothing, and may look through
//! an operation only where nothing else uses its result, which might be what was compared.

use crate::arena::Id as _;
use crate::ir::{Cfg, Function, Op, Terminator, Value, ValueDef, ValueType};

/// The numbers whose range matters.
pub(super) struct VerifierRanges {
    matters: Vec<bool>,
}

impl VerifierRanges {
    pub(super) fn new(function: &Function) -> Self {
        let cfg = Cfg::new(function);
        let mut work = Vec::new();
        for block in cfg.reverse_post_order() {
            for inst in &function.blocks.at(*block).insts {
                match &function.insts.at(*inst).op {
                    Op::Binary(_, _, pointer, number) if function.value_type(*pointer) != ValueType::Int => {
                        work.push(*number);
                    }
                    Op::CallHelper { arguments, .. } | Op::CallFunction { arguments, .. } => work.extend(arguments),
                    _ => {}
                }
            }
            // It follows each round, and ends when one of these numbers must have reached its bound, which it must know, too.
            for target in function.blocks.at(*block).terminator.targets() {
                if let (Some(head), Some(end)) = (cfg.position(target.block), cfg.position(*block))
                    && head <= end
                {
                    work.extend(&function.blocks.at(target.block).params);
                    let rounds = cfg.reverse_post_order().get(head as usize..=end as usize);
                    for inside in rounds.into_iter().flatten() {
                        if let Terminator::Branch { lhs, rhs, .. } = function.blocks.at(*inside).terminator {
                            work.extend([lhs, rhs]);
                        }
                    }
                }
            }
        }
        let mut matters = vec![false; function.values.len()];
        while let Some(value) = work.pop() {
            if function.value_type(value) != ValueType::Int {
                continue;
            }
            match matters.get_mut(value.index()) {
                Some(flag) if !*flag => *flag = true,
                _ => continue,
            }
            add_sources(function, &cfg, value, &mut work);
        }
        Self { matters }
    }

    /// Whether the range of a value matters. Values made after the analysis are taken to matter.
    pub(super) fn matter(&self, value: Value) -> bool {
        self.matters.get(value.index()) != Some(&false)
    }
}

/// Adds what a number is computed from.
pub(super) fn add_sources(function: &Function, cfg: &Cfg, value: Value, work: &mut Vec<Value>) {
    match function.values.at(value).def {
        ValueDef::Inst(inst) => {
            if let op @ (Op::Binary(..) | Op::Unary(..)) = &function.insts.at(inst).op {
                op.for_each_operand(|operand| work.push(operand));
            }
        }
        ValueDef::Param(block, position) => {
            for before in cfg.predecessors(block) {
                for target in function.blocks.at(*before).terminator.targets() {
                    if target.block == block {
                        work.extend(target.arguments.get(position as usize));
                    }
                }
            }
        }
    }
}
