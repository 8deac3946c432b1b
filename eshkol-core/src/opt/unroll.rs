//! Writes the rounds of short loops one after the other, where that needs no more instructions than the loop.
//!
//! Before: `b1(v1): branch below v1, 3 -> b2, b3` and `b2: store.8 v0 + 0, v1; v2 = add v1, 1; jump b1(v2)`, which begins with 0.
//! After: `store.8 v0 + 0, 0; store.8 v0 + 0, 1; store.8 v0 + 0, 2; jump b3`.
//!
//! How often the loop goes round must be known, so its rounds are gone through with what is known of numbers. What is decided by
//! them, as which of six arguments the third round reads, is left out of the copies, and so a loop that does something else
//! in each round becomes shorter than it was.
//!
//! What the verifier sees: the instructions that it came by in the loop, round by round, with numbers in place of the counter.

use std::collections::{BTreeMap, BTreeSet};

use super::loops::{NaturalLoop, natural_loops};
use super::ssa_repair::{self, Redefined};
use super::thread_jumps::evaluated;
use crate::compile::Endianness;
use crate::ir::{
    Block, BlockData, Cfg, Function, InstData, Op, Target, Terminator, Value, ValueData, ValueDef, ValueType, evaluate,
    redundant_params,
};

/// The most rounds that are gone through to see whether a loop ends.
const ROUNDS: usize = 16;

/// Unrolls what pays. Whether there was anything.
pub(super) fn run(function: &mut Function, endianness: Endianness) -> bool {
    let mut changed = false;
    let mut tried = BTreeSet::new();
    loop {
        let cfg = Cfg::new(function);
        let loops = innermost(function, &cfg);
        let Some(found) = loops.into_iter().find(|found| tried.insert(found.head)) else { return changed };
        if let Some(rounds) = rounds(function, endianness, &found) {
            write(function, endianness, &found, &rounds);
            redundant_params::run(function);
            changed = true;
        }
    }
}

/// A loop with one way in and one way back, which has no other in it.
struct Loop {
    head: Block,
    /// The block from which it is entered.
    before: Block,
    /// Its blocks, each before its successors; the head is first.
    blocks: Vec<Block>,
}

fn innermost(function: &Function, cfg: &Cfg) -> Vec<Loop> {
    let loops = natural_loops(function, cfg);
    let heads: BTreeSet<Block> = loops.iter().map(|found| found.head).collect();
    let found = loops.iter().filter_map(|NaturalLoop { head, inside, latches }| {
        let ([one, other], [latch]) = (cfg.predecessors(*head), latches.as_slice()) else { return None };
        let before = if one == latch { *other } else { *one };
        let is_innermost = inside.iter().all(|block| block == head || !heads.contains(block));
        let blocks = cfg.reverse_post_order().iter().copied().filter(|block| inside.contains(block)).collect();
        is_innermost.then_some(Loop { head: *head, before, blocks })
    });
    found.collect()
}

/// What is known of a round.
struct Round {
    /// The numbers that are known.
    numbers: BTreeMap<Value, u64>,
    /// The blocks that it may come by.
    blocks: BTreeSet<Block>,
}

/// The rounds of a loop, if it ends and they need no more instructions than it.
fn rounds(function: &Function, endianness: Endianness, found: &Loop) -> Option<Vec<Round>> {
    let head = function.blocks.at(found.head);
    let known = |numbers: &BTreeMap<Value, u64>, value: Value| {
        numbers.get(&value).copied().or_else(|| function.constant(value).map(i64::cast_unsigned))
    };
    let whole = Round { numbers: BTreeMap::new(), blocks: found.blocks.iter().copied().collect() };
    // And the jump back.
    let mut budget = cost(function, &whole) + 1;
    let entry = function.blocks.at(found.before).terminator.targets().find(|target| target.block == found.head)?;
    let mut start: Vec<Option<u64>> = entry.arguments.iter().map(|value| known(&BTreeMap::new(), *value)).collect();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = Round { numbers: BTreeMap::new(), blocks: BTreeSet::from([found.head]) };
        round
            .numbers
            .extend(head.params.iter().copied().zip(&start).filter_map(|(param, known)| Some((param, (*known)?))));
        let mut next = None;
        for block in &found.blocks {
            if !round.blocks.contains(block) {
                continue;
            }
            let data = function.blocks.at(*block);
            for inst in &data.insts {
                let InstData { op, result, .. } = function.insts.at(*inst);
                let number = evaluated(op, endianness, |value| known(&round.numbers, value));
                if let (Some(result), Some(number)) = (result, number) {
                    round.numbers.insert(*result, number);
                }
            }
            let decided = decided(&data.terminator, |value| known(&round.numbers, value));
            for (_, target) in ways(&data.terminator, decided) {
                if target.block == found.head {
                    next = Some(target.arguments.iter().map(|value| known(&round.numbers, *value)).collect());
                } else if found.blocks.contains(&target.block) {
                    round.blocks.insert(target.block);
                }
            }
        }
        budget = budget.checked_sub(cost(function, &round))?;
        rounds.push(round);
        match next {
            Some(next) => start = next,
            None => return Some(rounds),
        }
    }
    None
}

/// How a branch goes.
fn decided(terminator: &Terminator, known: impl Fn(Value) -> Option<u64>) -> Option<bool> {
    match terminator {
        Terminator::Branch { condition, width, lhs, rhs, .. } => {
            Some(evaluate::condition(*condition, *width, known(*lhs)?, known(*rhs)?))
        }
        _ => None,
    }
}

/// The ways out of a block that may be taken.
fn ways(terminator: &Terminator, decided: Option<bool>) -> impl Iterator<Item = (usize, &Target)> {
    terminator.targets().enumerate().filter(move |(way, _)| decided.is_none_or(|holds| (*way == 0) == holds))
}

/// About how many instructions a round is.
fn cost(function: &Function, round: &Round) -> usize {
    let known = |value: Value| round.numbers.get(&value).copied().or(function.constant(value).map(i64::cast_unsigned));
    let of_inst = |data: &InstData| match &data.op {
        Op::Const(_) | Op::SlotAddress(_) => 0,
        // A number beside a pointer is part of the accesses through it.
        Op::Binary(_, _, pointer, number)
            if function.value_type(*pointer) != ValueType::Int && known(*number).is_some() =>
        {
            0
        }
        Op::CallHelper { arguments, .. } | Op::CallFunction { arguments, .. } => 1 + arguments.len(),
        _ if data.result.is_some_and(|result| known(result).is_some()) => 0,
        _ => 1,
    };
    let of_block = |block: &Block| {
        let data = function.blocks.at(*block);
        let insts: usize = data.insts.iter().map(|inst| of_inst(function.insts.at(*inst))).sum();
        let is_test =
            matches!(data.terminator, Terminator::Branch { .. }) && decided(&data.terminator, known).is_none();
        insts + usize::from(is_test)
    };
    round.blocks.iter().map(of_block).sum()
}

/// Writes the rounds in place of the loop.
fn write(function: &mut Function, endianness: Endianness, found: &Loop, rounds: &[Round]) {
    let mut copies = Copies { function, endianness, head: found.head, redefined: BTreeMap::new() };
    // All blocks first, since they name each other.
    let places: Vec<BTreeMap<Block, Block>> = rounds
        .iter()
        .map(|round| {
            found
                .blocks
                .iter()
                .filter(|block| round.blocks.contains(block))
                .map(|block| (*block, copies.empty(*block)))
                .collect()
        })
        .collect();
    let first = places.first().and_then(|places| places.get(&found.head)).copied();
    let mut arguments = Vec::new();
    for target in copies.function.blocks.at_mut(found.before).terminator.targets_mut() {
        if let Some(first) = first.filter(|_| target.block == found.head) {
            arguments = std::mem::replace(target, Target::new(first, Vec::new())).arguments;
        }
    }
    let after = places.iter().skip(1).map(|places| places.get(&found.head).copied()).chain([None]);
    for ((round, places), next) in rounds.iter().zip(&places).zip(after) {
        arguments = copies.round(found, round, places, next, arguments);
    }
    let redefined = copies.redefined.into_iter().map(|(value, definitions)| Redefined { value, definitions }).collect();
    // Nothing comes here any more.
    for block in &found.blocks {
        let data = function.blocks.at_mut(*block);
        (data.params, data.insts) = (Vec::new(), Vec::new());
        data.terminator = Terminator::Jump(Target::new(*block, Vec::new()));
    }
    ssa_repair::run(function, redefined);
}

struct Copies<'a> {
    function: &'a mut Function,
    endianness: Endianness,
    head: Block,
    /// What stands for the loop's values, and where.
    redefined: BTreeMap<Value, BTreeMap<Block, Value>>,
}

impl Copies<'_> {
    fn empty(&mut self, block: Block) -> Block {
        let span = self.function.blocks.at(block).span;
        let next = self.function.blocks.next_id();
        let terminator = Terminator::Jump(Target::new(next, Vec::new()));
        self.function.blocks.push(BlockData { params: Vec::new(), insts: Vec::new(), terminator, span })
    }

    /// Writes a round, which begins with these arguments. Gives those of the next one.
    fn round(
        &mut self,
        found: &Loop,
        round: &Round,
        places: &BTreeMap<Block, Block>,
        next: Option<Block>,
        arguments: Vec<Value>,
    ) -> Vec<Value> {
        let mut copies: BTreeMap<Value, Value> = BTreeMap::new();
        let mut passed = Vec::new();
        let head_params = self.function.blocks.at(found.head).params.clone();
        for (param, argument) in head_params.into_iter().zip(arguments) {
            copies.insert(param, argument);
        }
        for block in &found.blocks {
            let Some(place) = places.get(block).copied() else { continue };
            let data = self.function.blocks.at(*block).clone();
            if *block != self.head {
                for (position, param) in (0..).zip(&data.params) {
                    let ty = self.function.value_type(*param);
                    let copy = self.function.values.push(ValueData { ty, def: ValueDef::Param(place, position) });
                    self.function.blocks.at_mut(place).params.push(copy);
                    copies.insert(*param, copy);
                }
            }
            for inst in &data.insts {
                self.inst(self.function.insts.at(*inst).clone(), place, &mut copies);
            }
            let known = |value: Value| {
                round.numbers.get(&value).copied().or(self.function.constant(value).map(i64::cast_unsigned))
            };
            let decided = decided(&data.terminator, known);
            let kept = ways(&data.terminator, decided).next().filter(|_| decided.is_some());
            let mut terminator = match kept {
                Some((_, target)) => Terminator::Jump(target.clone()),
                None => data.terminator.clone(),
            };
            terminator.for_each_operand_mut(|value| renamed(&copies, value));
            for target in terminator.targets_mut() {
                if target.block == self.head {
                    passed = std::mem::take(&mut target.arguments);
                    target.block = next.unwrap_or(place);
                } else if let Some(copy) = places.get(&target.block) {
                    target.block = *copy;
                }
            }
            self.function.blocks.at_mut(place).terminator = terminator;
            let made = data.insts.iter().filter_map(|inst| self.function.insts.at(*inst).result);
            for value in data.params.iter().copied().chain(made) {
                if let Some(copy) = copies.get(&value) {
                    self.redefined.entry(value).or_default().insert(place, *copy);
                }
            }
        }
        passed
    }

    fn inst(&mut self, mut inst: InstData, place: Block, copies: &mut BTreeMap<Value, Value>) {
        inst.op.for_each_operand_mut(|value| renamed(copies, value));
        let number = |value| self.function.constant(value).map(i64::cast_unsigned);
        let is_number = inst.result.is_some_and(|result| self.function.value_type(result) == ValueType::Int);
        if let Some(number) = evaluated(&inst.op, self.endianness, number).filter(|_| is_number) {
            inst.op = Op::Const(number.cast_signed());
        }
        let id = self.function.insts.next_id();
        if let Some(result) = &mut inst.result {
            let ty = self.function.value_type(*result);
            let copy = self.function.values.push(ValueData { ty, def: ValueDef::Inst(id) });
            copies.insert(*result, copy);
            *result = copy;
        }
        self.function.insts.push(inst);
        self.function.blocks.at_mut(place).insts.push(id);
    }
}

fn renamed(copies: &BTreeMap<Value, Value>, value: &mut Value) {
    if let Some(copy) = copies.get(value) {
        *value = *copy;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::super::{control_flow, dead_code};
    use super::*;

    fn unrolled(function: &mut Function) -> bool {
        let changed = run(function, Endianness::Little);
        control_flow::run(function) | dead_code::run(function) | changed
    }

    #[test]
    fn a_loop_that_does_something_else_in_each_round() {
        gives(
            unrolled,
            "b0(v0: context, v1: map-value):
               v2 = const 0
               v3 = const 1
               v4 = const 2
               v5 = const 3
               jump b1(v2)
             b1(v6):
               branch below v6, v4 -> b2, b5
             b2:
               v7: map-value = add v1, v6
               branch equal v6, v2 -> b3, b4
             b3:
               v8 = load.8 v0 + 0
               jump b6(v8)
             b4:
               v9 = load.8 v0 + 16
               jump b6(v9)
             b6(v10):
               v11 = xor v10, v5
               store.8 v7 + 8, v11
               v12 = add v6, v3
               jump b1(v12)
             b5:
               return v6",
            "b0(v0: context, v1: map-value):
               v2 = const 0
               v5 = const 3
               v7: map-value = add v1, v2
               v8 = load.8 v0 + 0
               v11 = xor v8, v5
               store.8 v7 + 8, v11
               v6 = const 1
               v17: map-value = add v1, v6
               v19 = load.8 v0 + 16
               v21 = xor v19, v5
               store.8 v17 + 8, v21
               v22 = const 2
               return v22",
        );
    }

    /// A loop of so many rounds whose body is the same in each.
    fn same_in_each(rounds: u32) -> String {
        format!(
            "b0(v0: map-value):
               v1 = const 0
               v2 = const 1
               v3 = const {rounds}
               jump b1(v1)
             b1(v4):
               branch below v4, v3 -> b2, b3
             b2:
               v5 = helper 5()
               store.8 v0 + 0, v5
               v6 = add v4, v2
               jump b1(v6)
             b3:
               return v4"
        )
    }

    #[test]
    fn no_more_instructions_than_the_loop() {
        let count = |rounds: u32| {
            let mut function = crate::ir::parse(&same_in_each(rounds)).unwrap();
            unrolled(&mut function);
            function.to_string().matches("helper").count()
        };
        assert_eq!([0, 1, 2, 3, 100].map(count), [0, 1, 2, 1, 1]);
    }

    #[test]
    fn nothing_else_changes() {
        differential(run);
        differential(|function, endianness| run(function, endianness) | control_flow::run(function));
    }
}
