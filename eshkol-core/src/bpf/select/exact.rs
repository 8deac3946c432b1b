//! Numbers that the verifier knows exactly, on each way that it follows: those that are computed from constants alone, such as what
//! counts the rounds of a loop.
//!
//! Before Linux 6.8 it decides a comparison only where it knows the number on the right exactly (`is_branch_taken` and its call
//! in `check_cond_jmp_op`, `kernel/bpf/verifier.c`), and a loop whose test it never decides has no end for it. So where two numbers are
//! compared, the one that is known comes to the right.

use crate::arena::Arena;
use crate::ir::{ArithmeticOp, Cfg, Function, Op, Value, ValueType};

/// Finds them among the results of instructions and the parameters of blocks.
pub(super) fn find_exact(function: &Function, cfg: &Cfg) -> Arena<Value, bool> {
    // All are taken for known, until an input is found that is not.
    let mut exact: Arena<Value, bool> = function.values.ids().map(|_| false).collect();
    for block in cfg.reverse_post_order() {
        let data = function.blocks.at(*block);
        let params = data.params.iter().filter(|_| *block != function.entry).copied();
        let results = data.insts.iter().filter_map(|inst| {
            let inst = function.insts.at(*inst);
            inst.result.filter(|_| is_followed(&inst.op))
        });
        for value in params.chain(results).filter(|value| function.value_type(*value) == ValueType::Int) {
            *exact.at_mut(value) = true;
        }
    }
    loop {
        let mut changed = false;
        let mut forget = |exact: &mut Arena<Value, bool>, value| changed |= std::mem::take(exact.at_mut(value));
        for block in cfg.reverse_post_order() {
            let data = function.blocks.at(*block);
            for inst in data.insts.iter().map(|inst| function.insts.at(*inst)) {
                let mut all = true;
                inst.op.for_each_operand(|operand| all &= *exact.at(operand));
                if let Some(result) = inst.result.filter(|_| !all) {
                    forget(&mut exact, result);
                }
            }
            for target in data.terminator.targets() {
                for (param, argument) in function.blocks.at(target.block).params.iter().zip(&target.arguments) {
                    if !exact.at(*argument) {
                        forget(&mut exact, *param);
                    }
                }
            }
        }
        if !changed {
            return exact;
        }
    }
}

/// Whether the verifier computes the result of an operation exactly, given exact operands.
fn is_followed(op: &Op) -> bool {
    use ArithmeticOp::{Add, And, Mul, Or, Sub};
    matches!(op, Op::Const(_) | Op::Binary(Add | Sub | Mul | And | Or, ..))
}
