//! Makes one test of several tests of bits of the same number.
//!
//! Before: `b1: branch bits-set v0, 2 -> b2, b4` and `b2: branch bits-set v0, 16 -> b4, b3`.
//! After: `b1: v1 = and v0, 18; branch equal v1, 2 -> b3, b4`.
//!
//! What the verifier sees: it learns nothing of a number from a test of its bits that a proof of bounds would rest on;
//! numbers whose range it needs are left alone ([`super::verifier_ranges`]).

use super::verifier_ranges::VerifierRanges;
use crate::ir::{
    ArithmeticOp, Block, Cfg, Condition, Function, Inst, InstData, Op, Target, Terminator, Value, ValueData, ValueDef,
    ValueType, Width,
};

/// Joins tests until none is left to join. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let ranges = VerifierRanges::new(function);
    let mut cfg = Cfg::new(function);
    let mut changed = false;
    // The later tests first, so that a chain becomes one.
    let blocks: Vec<Block> = cfg.reverse_post_order().iter().rev().copied().collect();
    for block in blocks {
        while let Some((after, test)) = join(function, &cfg, &ranges, block) {
            replace(function, block, after, test);
            cfg = Cfg::new(function);
            changed = true;
        }
    }
    changed
}

/// Whether some bits of a number are as wanted.
struct BitTest {
    number: Value,
    /// The bits that are looked at.
    mask: u64,
    /// What they must be.
    wanted: u64,
    /// Where they are so.
    pass: Target,
    /// Where not.
    fail: Target,
}

/// The two tests of bits that a branch can be understood as: one that passes where its condition holds, and one that passes where not.
fn bit_tests(function: &Function, block: Block) -> Vec<BitTest> {
    let Terminator::Branch { condition, width: Width::W64, lhs, rhs, then, otherwise } =
        &function.blocks.at(block).terminator
    else {
        return Vec::new();
    };
    let Some(constant) = function.constant(*rhs).map(i64::cast_unsigned) else { return Vec::new() };
    let test = |number, mask, wanted, pass: &Target, fail: &Target| BitTest {
        number,
        mask,
        wanted,
        pass: pass.clone(),
        fail: fail.clone(),
    };
    match condition {
        Condition::BitsSet => {
            let mut tests = vec![test(*lhs, constant, 0, otherwise, then)];
            if constant.is_power_of_two() {
                tests.push(test(*lhs, constant, constant, then, otherwise));
            }
            tests
        }
        Condition::Equal | Condition::NotEqual => {
            let Some(Op::Binary(ArithmeticOp::And, Width::W64, number, mask)) = function.defining_op(*lhs) else {
                return Vec::new();
            };
            let Some(mask) = function.constant(*mask).map(i64::cast_unsigned) else { return Vec::new() };
            let (pass, fail) = if *condition == Condition::Equal { (then, otherwise) } else { (otherwise, then) };
            vec![test(*number, mask, constant, pass, fail)]
        }
        _ => Vec::new(),
    }
}

/// The test of a block together with that of the block where it passes, if that does nothing else and fails to the same place.
fn join(function: &Function, cfg: &Cfg, ranges: &VerifierRanges, block: Block) -> Option<(Block, BitTest)> {
    for first in bit_tests(function, block) {
        let after = first.pass.block;
        if ranges.matter(first.number)
            || after == block
            || cfg.predecessors(after) != [block]
            || !only_tests(function, after)
        {
            continue;
        }
        for second in bit_tests(function, after) {
            let agree = first.wanted & second.mask == second.wanted & first.mask
                && first.wanted & !first.mask == 0
                && second.wanted & !second.mask == 0;
            let mask = first.mask | second.mask;
            // What an instruction can hold.
            let fits = mask <= i32::MAX.cast_unsigned().into();
            if second.number == first.number && second.fail == first.fail && agree && fits {
                let wanted = first.wanted | second.wanted;
                return Some((after, BitTest { mask, wanted, ..second }));
            }
        }
    }
    None
}

/// Whether a block makes nothing but what its own branch compares.
fn only_tests(function: &Function, block: Block) -> bool {
    let data = function.blocks.at(block);
    let is_compared = |value: Value| match data.terminator {
        Terminator::Branch { lhs, rhs, .. } => value == lhs || value == rhs,
        _ => false,
    };
    let only_tests = |inst: &Inst| {
        let InstData { op, result, .. } = function.insts.at(*inst);
        match op {
            Op::Const(_) => true,
            Op::Binary(ArithmeticOp::And, ..) => result.is_some_and(is_compared),
            _ => false,
        }
    };
    data.params.is_empty() && data.insts.iter().all(only_tests)
}

/// Makes `test` the branch of a block, instead of its own and that of the block after.
fn replace(function: &mut Function, block: Block, after: Block, test: BitTest) {
    let BitTest { number, mask, wanted, pass, fail } = test;
    // Nothing comes here any more; what was made here may be used further on.
    let unreachable = function.blocks.at_mut(after);
    let (insts, span) = (std::mem::take(&mut unreachable.insts), unreachable.span);
    unreachable.terminator = Terminator::Jump(Target::new(after, Vec::new()));
    function.blocks.at_mut(block).insts.extend(insts);
    let mut make = |op| {
        let inst = function.insts.next_id();
        let value = function.values.push(ValueData { ty: ValueType::Int, def: ValueDef::Inst(inst) });
        function.insts.push(InstData { op, result: Some(value), span });
        function.blocks.at_mut(block).insts.push(inst);
        value
    };
    let mask = make(Op::Const(mask.cast_signed()));
    let lhs = make(Op::Binary(ArithmeticOp::And, Width::W64, number, mask));
    let rhs = make(Op::Const(wanted.cast_signed()));
    function.blocks.at_mut(block).terminator =
        Terminator::Branch { condition: Condition::Equal, width: Width::W64, lhs, rhs, then: pass, otherwise: fail };
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::super::{control_flow, dead_code};
    use super::*;

    fn joined(function: &mut Function) -> bool {
        let changed = run(function);
        control_flow::run(function) | dead_code::run(function) | changed
    }

    /// What becomes of a first test, and a second one where that does not lead to `b3`.
    #[track_caller]
    fn becomes(first: &str, between: &str, second: &str, after: &str) {
        let before = format!(
            "b0(v0: packet):
               v1 = load.1 v0 + 13
               v2 = const 2
               v3 = const 16
               branch {first}
             b1:
               v4 = const 12
               {between}
               branch {second}
             b2:
               store.1 v0 + 0, v4
               return v4
             b3:
               return v1"
        );
        gives(joined, &before, after);
    }

    fn test(mask: u32, wanted: u32) -> String {
        format!(
            "b0(v0: packet):
               v1 = load.1 v0 + 13
               v4 = const 12
               v5 = const {mask}
               v6 = and v1, v5
               v7 = const {wanted}
               branch equal v6, v7 -> b2, b3
             b2:
               store.1 v0 + 0, v4
               return v4
             b3:
               return v1"
        )
    }

    #[test]
    fn two_bits() {
        becomes("bits-set v1, v2 -> b1, b3", "", "bits-set v1, v3 -> b3, b2", &test(18, 2));
        becomes("bits-set v1, v2 -> b3, b1", "", "bits-set v1, v3 -> b2, b3", &test(18, 16));
        becomes("bits-set v1, v2 -> b3, b1", "", "bits-set v1, v3 -> b3, b2", &test(18, 0));
    }

    #[test]
    fn a_bit_and_some_more() {
        becomes("bits-set v1, v3 -> b1, b3", "v5 = and v1, v4", "equal v5, v4 -> b2, b3", &test(28, 28));
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| joined(function));
    }
}
