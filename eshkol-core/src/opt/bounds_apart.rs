//! Ends loops by a copy of the number up to which they run, where the number itself is used on.
//!
//! Before: `branch below v1, v0 -> b2, b3`, which ends a loop at `v0`, a number from outside that is used afterwards.
//! After: `v2 = apart v0` before the loop, and `branch below v1, v2 -> b2, b3`.
//!
//! The verifier learns of the number that it is the one of the round in which the loop ended: for each round one more way, to be followed through all
//! that comes after, and with the next such loop multiplied.
//!
//! What the verifier sees: it still knows of the copy what it knew of the number, so the loop ends. What it learns of the copy is lost with it. So
//! the number is none from which an address or what a call is given is computed, nor is compared with such a number.

use std::collections::BTreeSet;

use super::known_bits::{View, known_bits};
use super::loops::{NaturalLoop, natural_loops};
use super::verifier_ranges::add_sources;
use crate::arena::Id as _;
use crate::ir::{Block, Cfg, Function, InstData, Op, Terminator, UnaryOp, Value, ValueData, ValueDef, ValueType};

/// Up to here a number is the same signed and unsigned, and stays in its range when it is copied.
const LARGEST_BOUND: u64 = i64::MAX.cast_unsigned();

/// Takes copies for tests. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let loops = natural_loops(function, &cfg);
    if loops.is_empty() {
        return false;
    }
    let found = Finder::new(function, &cfg, &loops).found();
    for test in &found {
        write(function, test);
    }
    !found.is_empty()
}

/// A test that is to be one of a copy.
struct Test {
    block: Block,
    number: Value,
    /// At the end of which block the number is copied.
    copied: Block,
}

struct Finder<'f> {
    function: &'f Function,
    cfg: &'f Cfg,
    loops: &'f [NaturalLoop],
    homes: Vec<Option<Block>>,
    /// Numbers of which the verifier needs to know what it learns.
    needed: Vec<bool>,
}

impl<'f> Finder<'f> {
    fn new(function: &'f Function, cfg: &'f Cfg, loops: &'f [NaturalLoop]) -> Self {
        Self { function, cfg, loops, homes: homes(function), needed: needed(function, cfg) }
    }

    fn found(&self) -> Vec<Test> {
        let blocks = self.cfg.reverse_post_order().iter().copied();
        let tests = blocks.filter_map(|block| Some((block, compared(self.function, block)?)));
        let numbers = tests.flat_map(|(block, (lhs, rhs))| [(block, lhs), (block, rhs)]);
        numbers
            .filter(|(_, number)| {
                self.function.value_type(*number) == ValueType::Int
                    && self.function.constant(*number).is_none()
                    && !is(&self.needed, *number)
            })
            .filter_map(|(block, number)| self.at_the_end(block, number))
            .collect()
    }

    fn at_the_end(&self, block: Block, number: Value) -> Option<Test> {
        let ends = |found: &&NaturalLoop| self.leaves(block, found) && !self.is_made_in(number, found);
        let found = self.loops.iter().find(ends)?;
        let mut before = self.cfg.predecessors(found.head).iter().filter(|from| !found.inside.contains(from));
        let (Some(before), None) = (before.next(), before.next()) else { return None };
        // Copied there, it would not be known what that block's own test says of it.
        let is_tested = compared(self.function, *before).is_some_and(|(lhs, rhs)| lhs == number || rhs == number);
        let is_small = known_bits(self.function, number, View::Verifier).maximum() <= LARGEST_BOUND;
        let is_one = is_small && !is_tested && self.is_used_besides(number, block, found);
        is_one.then_some(Test { block, number, copied: *before })
    }

    fn is_made_in(&self, number: Value, found: &NaturalLoop) -> bool {
        self.homes.get(number.index()).copied().flatten().is_none_or(|home| found.inside.contains(&home))
    }

    fn leaves(&self, block: Block, found: &NaturalLoop) -> bool {
        let mut targets = self.function.blocks.at(block).terminator.targets();
        found.inside.contains(&block) && targets.any(|target| !found.inside.contains(&target.block))
    }

    /// Whether a number is used after a loop, or in it other than by a test that ends it.
    fn is_used_besides(&self, number: Value, test: Block, found: &NaturalLoop) -> bool {
        let mut seen = BTreeSet::new();
        let mut open: Vec<Block> = found.inside.iter().copied().collect();
        while let Some(block) = open.pop() {
            if !seen.insert(block) {
                continue;
            }
            let data = self.function.blocks.at(block);
            let mut is_used = false;
            let mut look = |value: Value| is_used |= value == number;
            data.insts.iter().for_each(|inst| self.function.insts.at(*inst).op.for_each_operand(&mut look));
            if block != test {
                data.terminator.for_each_operand(&mut look);
            }
            if is_used {
                return true;
            }
            open.extend(data.terminator.targets().map(|target| target.block));
        }
        false
    }
}

/// Numbers from which addresses are computed and what calls are given, and those that are compared with such numbers.
fn needed(function: &Function, cfg: &Cfg) -> Vec<bool> {
    let mut marked = vec![false; function.values.len()];
    let mut work = needed_by_use(function, cfg);
    while !work.is_empty() {
        while let Some(value) = work.pop() {
            match marked.get_mut(value.index()) {
                Some(flag) if !*flag => *flag = true,
                _ => continue,
            }
            add_sources(function, cfg, value, &mut work);
        }
        let tests = cfg.reverse_post_order().iter().filter_map(|block| compared(function, *block));
        for (lhs, rhs) in tests {
            match (is(&marked, lhs), is(&marked, rhs)) {
                (true, false) => work.push(rhs),
                (false, true) => work.push(lhs),
                _ => {}
            }
        }
    }
    marked
}

/// The numbers that are added to addresses, given to calls and returned.
fn needed_by_use(function: &Function, cfg: &Cfg) -> Vec<Value> {
    let mut needed = Vec::new();
    for block in cfg.reverse_post_order() {
        let data = function.blocks.at(*block);
        for inst in &data.insts {
            match &function.insts.at(*inst).op {
                Op::Binary(_, _, pointer, number) if function.value_type(*pointer) != ValueType::Int => {
                    needed.push(*number);
                }
                Op::CallHelper { arguments, .. } | Op::CallFunction { arguments, .. } => needed.extend(arguments),
                _ => {}
            }
        }
        if let Terminator::Return(value) = data.terminator {
            needed.push(value);
        }
    }
    needed
}

/// The numbers that a block's test compares.
fn compared(function: &Function, block: Block) -> Option<(Value, Value)> {
    match function.blocks.at(block).terminator {
        Terminator::Branch { lhs, rhs, .. } => Some((lhs, rhs)),
        Terminator::Jump(_) | Terminator::Return(_) => None,
    }
}

/// Where each value is made.
fn homes(function: &Function) -> Vec<Option<Block>> {
    let mut homes = vec![None; function.values.len()];
    let mut put = |value: Value, block: Block| {
        if let Some(home) = homes.get_mut(value.index()) {
            *home = Some(block);
        }
    };
    for block in function.blocks.ids() {
        let data = function.blocks.at(block);
        data.params.iter().for_each(|param| put(*param, block));
        data.insts.iter().filter_map(|inst| function.insts.at(*inst).result).for_each(|value| put(value, block));
    }
    homes
}

fn is(marked: &[bool], value: Value) -> bool {
    marked.get(value.index()).copied().unwrap_or(true)
}

/// Puts the copy in, and tests it.
fn write(function: &mut Function, test: &Test) {
    let span = function.blocks.at(test.block).span;
    let inst = function.insts.next_id();
    let copy = function.values.push(ValueData { ty: ValueType::Int, def: ValueDef::Inst(inst) });
    function.insts.push(InstData { op: Op::Unary(UnaryOp::Apart, test.number), result: Some(copy), span });
    function.blocks.at_mut(test.copied).insts.push(inst);
    if let Terminator::Branch { lhs, rhs, .. } = &mut function.blocks.at_mut(test.block).terminator {
        for operand in [lhs, rhs] {
            if *operand == test.number {
                *operand = copy;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::*;

    /// A loop up to `v2`, and what comes after it.
    fn looped(bound: &str, before: &str, tested: &str, after: &str) -> String {
        format!(
            "b0(v0, v9: map-value):
               v1 = const 7
               v2 = {bound}
               v3 = const 0
               {before}
             b1(v4):
               branch below v4, {tested} -> b2, b3
             b2:
               v5 = const 1
               v6 = add v4, v5
               jump b1(v6)
             b3:
               {after}
               return v7"
        )
    }

    const USED: &str = "store.8 v9 + 0, v2\nv7 = const 0";

    #[test]
    fn a_bound_that_is_used_after_the_loop() {
        let before = looped("and v0, v1", "jump b1(v3)", "v2", USED);
        gives(run, &before, &looped("and v0, v1", "v8 = apart v2\njump b1(v3)", "v8", USED));
    }

    #[test]
    fn bounds_that_stay() {
        // Not used any more; returned, which the verifier checks; tested right before; and not known to be small.
        for (bound, before, after) in [
            ("and v0, v1", "jump b1(v3)", "v7 = const 0"),
            ("and v0, v1", "jump b1(v3)", "v7 = add v2, v1"),
            ("and v0, v1", "branch below v2, v1 -> b1(v3), b3", USED),
            ("add v0, v1", "jump b1(v3)", USED),
        ] {
            let text = looped(bound, before, "v2", after);
            gives(run, &text, &text);
        }
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| run(function));
    }
}
