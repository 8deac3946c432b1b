//! Leads jumps whose next branch is already decided straight to where that branch goes.
//!
//! Before: a header that may be absent, and its test:
//!
//! ```text
//! b0: … branch above v4, v2 -> b1(v9), b1(v1)        v9 is null, v1 comes from the context's `data`
//! b1(v5: packet): branch equal v5, v9 -> b2, b3
//! b3: v6 = load.1 v5 + 0
//! ```
//!
//! After: `b0: … branch above v4, v2 -> b2, b3`, and `b3` loads through `v1`. Booleans that are made as 0 or 1 and then tested
//! go the same way. Instructions before the branch are copied, where they are few. A block that passes on its own
//! parameter to the branch gets a copy of it, so that the jumps to *that* block can be led on.
//!
//! Heads of loops stay as they are: leading the entry of a loop past its head would take it apart.
//!
//! What the verifier sees: every path has the same instructions as before but for the test, whose outcome it knew on
//! that path, and for arithmetic on constants, which becomes its result: of a remainder the verifier knows nothing, even where both
//! sides are constants, and what bounds it may be the very test that is left out. And no absent header is ever in the same register as a packet pointer, which it would have to follow twice.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Test, edge_outcome};
use super::ssa_repair::{self, Redefined};
use crate::compile::Endianness;
use crate::ir::{
    Block, BlockData, Cfg, Dominators, Function, InstData, Op, Target, Terminator, Value, ValueData, ValueDef,
    ValueType, evaluate, redundant_params,
};

/// The most that a block may cost to be copied.
const BLOCK_COST: usize = 8;

/// Leads them on. Whether there were any.
pub(super) fn run(function: &mut Function, endianness: Endianness) -> bool {
    let mut budget = budget(function);
    let mut changed = false;
    while round(function, endianness, &mut budget) {
        changed = true;
    }
    changed
}

/// How much may be copied in all.
fn budget(function: &Function) -> usize {
    let size: usize = function.blocks.values().map(|block| block.insts.len() + 1).sum();
    64 + 2 * size
}

/// Leads on the jumps whose next branch is decided now. Whether there were any.
fn round(function: &mut Function, endianness: Endianness, budget: &mut usize) -> bool {
    let mut copied = Copied::default();
    for plan in find(function, endianness) {
        let cost = plan.edges.len() * (cost(function, plan.block) + 1);
        // A block that has changed is left to the next round.
        if let Some(rest) = budget.checked_sub(cost).filter(|_| !copied.changed.contains(&plan.block)) {
            *budget = rest;
            apply(function, &plan, endianness, &mut copied);
        }
    }
    if copied.changed.is_empty() {
        return false;
    }
    ssa_repair::run(function, copied.redefined);
    redundant_params::run(function);
    true
}

/// What a round has done.
#[derive(Default)]
struct Copied {
    /// The blocks where edges began that got a copy.
    changed: BTreeSet<Block>,
    /// What the copied blocks make.
    redefined: Vec<Redefined>,
}

/// Edges to a block that get a copy of it.
struct Plan {
    block: Block,
    edges: Vec<Edge>,
}

struct Edge {
    from: Block,
    /// The first (0) or second (1) way out.
    way: usize,
    /// How the branch goes; `None` to copy the branch, too.
    outcome: Option<bool>,
}

fn cost(function: &Function, block: Block) -> usize {
    let cost = |op: &Op| match op {
        Op::Const(_) => 0,
        Op::CallHelper { .. } | Op::CallFunction { .. } => 4,
        _ => 1,
    };
    function.blocks.at(block).insts.iter().map(|inst| cost(&function.insts.at(*inst).op)).sum()
}

/// What can be done. What is said of an edge stays true while other plans are applied, as long as the edge is there.
fn find(function: &Function, endianness: Endianness) -> Vec<Plan> {
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    let facts = Facts::new(function, &cfg, &dominators);
    let search = Search { function, cfg: &cfg, dominators: &dominators, facts: &facts, endianness };
    cfg.reverse_post_order().iter().filter_map(|block| search.plan(*block)).collect()
}

struct Search<'a> {
    function: &'a Function,
    cfg: &'a Cfg,
    dominators: &'a Dominators,
    facts: &'a Facts<'a>,
    endianness: Endianness,
}

/// What is known of a value after a path.
#[derive(Copy, Clone)]
enum Known {
    /// It is a value from before the path.
    Value(Value),
    Number(u64),
    Nothing,
}

impl Search<'_> {
    fn can_copy(&self, block: Block) -> bool {
        let is_head = || self.cfg.predecessors(block).iter().any(|before| self.dominators.dominates(block, *before));
        block != self.function.entry && cost(self.function, block) <= BLOCK_COST && !is_head()
    }

    fn plan(&self, block: Block) -> Option<Plan> {
        if !matches!(self.function.blocks.at(block).terminator, Terminator::Branch { .. }) || !self.can_copy(block) {
            return None;
        }
        let mut edges = Vec::new();
        for (from, way) in self.edges_to(block) {
            let outcome = self.outcome((from, way), &[block]);
            if outcome.is_some() || self.is_worth_copying(from, block) {
                edges.push(Edge { from, way, outcome });
            }
        }
        (!edges.is_empty()).then_some(Plan { block, edges })
    }

    fn edges_to(&self, block: Block) -> Vec<(Block, usize)> {
        let mut before = self.cfg.predecessors(block).to_vec();
        before.sort();
        before.dedup();
        let ways = |from: Block| {
            let targets = self.function.blocks.at(from).terminator.targets().enumerate();
            targets.filter(|(_, target)| target.block == block).map(move |(way, _)| (from, way)).collect::<Vec<_>>()
        };
        before.into_iter().flat_map(ways).collect()
    }

    /// Whether `from`, which jumps to `block`, could itself be copied for some jump to it if it had the branch.
    fn is_worth_copying(&self, from: Block, block: Block) -> bool {
        matches!(self.function.blocks.at(from).terminator, Terminator::Jump(_))
            && self.can_copy(from)
            && cost(self.function, from) + cost(self.function, block) <= BLOCK_COST
            && self.edges_to(from).into_iter().any(|edge| self.outcome(edge, &[from, block]).is_some())
    }

    /// How the branch at the end of a path goes that begins with an edge.
    fn outcome(&self, (from, way): (Block, usize), path: &[Block]) -> Option<bool> {
        let start = &self.function.blocks.at(from).terminator;
        let mut known: BTreeMap<Value, Known> = BTreeMap::new();
        let mut target = start.targets().nth(way)?;
        for block in path {
            let data = self.function.blocks.at(*block);
            let arguments: Vec<Known> = target.arguments.iter().map(|value| get(&known, *value)).collect();
            known.extend(data.params.iter().copied().zip(arguments));
            for inst in &data.insts {
                let inst = self.function.insts.at(*inst);
                if let Some(result) = inst.result {
                    let number = self.evaluate(&known, &inst.op);
                    known.insert(result, number.map_or(Known::Nothing, Known::Number));
                }
            }
            if let Some(next) = data.terminator.targets().next() {
                target = next;
            }
        }
        let Terminator::Branch { condition, width, lhs, rhs, .. } = &self.function.blocks.at(*path.last()?).terminator
        else {
            return None;
        };
        let (lhs, rhs) = (get(&known, *lhs), get(&known, *rhs));
        if let (Some(lhs), Some(rhs)) = (self.number(lhs), self.number(rhs)) {
            return Some(evaluate::condition(*condition, *width, lhs, rhs));
        }
        // Constants are made wherever they are used, perhaps on the path; where, does not matter.
        let value = |known: Known, original: Value| match known {
            Known::Value(value) => Some(value),
            _ => self.function.constant(original).map(|_| original),
        };
        let original = match &self.function.blocks.at(*path.last()?).terminator {
            Terminator::Branch { lhs, rhs, .. } => (*lhs, *rhs),
            _ => return None,
        };
        let test =
            Test { condition: *condition, width: *width, lhs: value(lhs, original.0)?, rhs: value(rhs, original.1)? };
        self.facts.decide(test, from, edge_outcome(start, way))
    }

    fn number(&self, known: Known) -> Option<u64> {
        match known {
            Known::Number(number) => Some(number),
            Known::Value(value) => self.function.constant(value).map(i64::cast_unsigned),
            Known::Nothing => None,
        }
    }

    fn evaluate(&self, known: &BTreeMap<Value, Known>, op: &Op) -> Option<u64> {
        evaluated(op, self.endianness, |value| self.number(get(known, value)))
    }
}

/// What an operation gives, where all that it works on is a number.
pub(super) fn evaluated(op: &Op, endianness: Endianness, number: impl Fn(Value) -> Option<u64>) -> Option<u64> {
    match op {
        Op::Const(number) => Some(number.cast_unsigned()),
        Op::Binary(op, width, lhs, rhs) => Some(evaluate::binary(*op, *width, number(*lhs)?, number(*rhs)?)),
        Op::Unary(op, value) => Some(evaluate::unary(*op, number(*value)?, endianness)),
        _ => None,
    }
}

fn get(known: &BTreeMap<Value, Known>, value: Value) -> Known {
    known.get(&value).copied().unwrap_or(Known::Value(value))
}

/// Gives the edges that are still there a copy of the block.
fn apply(function: &mut Function, plan: &Plan, endianness: Endianness, copied: &mut Copied) {
    let is_there = |edge: &&Edge| {
        let target = function.blocks.at(edge.from).terminator.targets().nth(edge.way);
        target.is_some_and(|target| target.block == plan.block)
    };
    let edges: Vec<&Edge> = plan.edges.iter().filter(is_there).collect();
    if edges.is_empty() {
        return;
    }
    let data = function.blocks.at(plan.block).clone();
    let made = data.insts.iter().filter_map(|inst| function.insts.at(*inst).result);
    let values: Vec<Value> = data.params.iter().copied().chain(made).collect();
    let mut redefined: Vec<Redefined> = values
        .iter()
        .map(|value| Redefined { value: *value, definitions: BTreeMap::from([(plan.block, *value)]) })
        .collect();
    for edge in edges {
        copied.changed.insert(edge.from);
        let (place, copies) = copy(function, &data, edge, endianness);
        for redefined in &mut redefined {
            if let Some(copy) = copies.get(&redefined.value) {
                redefined.definitions.insert(place, *copy);
            }
        }
    }
    copied.redefined.extend(redefined);
}

/// Copies a block onto an edge: to the end of the block where the edge begins, or, if another edge begins there, too, to a new
/// block. Gives where the copy is, and what stands there for the values of the original.
fn copy(
    function: &mut Function,
    data: &BlockData,
    edge: &Edge,
    endianness: Endianness,
) -> (Block, BTreeMap<Value, Value>) {
    let from = function.blocks.at(edge.from);
    let arguments = from.terminator.targets().nth(edge.way).map(|target| target.arguments.clone());
    let mut copies: BTreeMap<Value, Value> = data.params.iter().copied().zip(arguments.unwrap_or_default()).collect();
    let place = if matches!(from.terminator, Terminator::Jump(_)) {
        edge.from
    } else {
        let block = function.blocks.next_id();
        let target = Target::new(block, Vec::new());
        if let Some(way) = function.blocks.at_mut(edge.from).terminator.targets_mut().nth(edge.way) {
            *way = target.clone();
        }
        let terminator = Terminator::Jump(target);
        function.blocks.push(BlockData { params: Vec::new(), insts: Vec::new(), terminator, span: data.span })
    };
    let renamed = |copies: &BTreeMap<Value, Value>, value: &mut Value| {
        if let Some(copy) = copies.get(value) {
            *value = *copy;
        }
    };
    for inst in &data.insts {
        let mut inst: InstData = function.insts.at(*inst).clone();
        inst.op.for_each_operand_mut(|value| renamed(&copies, value));
        let number = |value| function.constant(value).map(i64::cast_unsigned);
        let is_number = inst.result.is_some_and(|result| function.value_type(result) == ValueType::Int);
        if let Some(number) = evaluated(&inst.op, endianness, number).filter(|_| is_number) {
            inst.op = Op::Const(number.cast_signed());
        }
        let id = function.insts.next_id();
        if let Some(result) = &mut inst.result {
            let ty = function.value_type(*result);
            let copy = function.values.push(ValueData { ty, def: ValueDef::Inst(id) });
            copies.insert(*result, copy);
            *result = copy;
        }
        function.insts.push(inst);
        function.blocks.at_mut(place).insts.push(id);
    }
    let mut terminator = match (&data.terminator, edge.outcome) {
        (Terminator::Branch { then, .. }, Some(true)) => Terminator::Jump(then.clone()),
        (Terminator::Branch { otherwise, .. }, Some(false)) => Terminator::Jump(otherwise.clone()),
        (terminator, _) => terminator.clone(),
    };
    terminator.for_each_operand_mut(|value| renamed(&copies, value));
    let end = function.blocks.at_mut(place);
    end.terminator = terminator;
    end.span = data.span;
    (place, copies)
}

#[cfg(test)]
mod tests {
    use super::super::control_flow;
    use super::super::testing::{differential, gives};
    use super::*;

    fn threaded(function: &mut Function) -> bool {
        let changed = run(function, Endianness::Little);
        control_flow::run(function) | changed
    }

    #[test]
    fn an_optional_header() {
        gives(
            threaded,
            "b0(v0: context):
               v1: packet = load.4 v0 + 0
               v2: packet-end = load.4 v0 + 4
               v3 = const 14
               v4: packet = add v1, v3
               v5: packet = const 0
               branch above v4, v2 -> b1(v5), b1(v1)
             b1(v6: packet):
               v7 = const 0
               branch equal v6, v7 -> b2, b3
             b2:
               return v3
             b3:
               v8 = load.1 v6 + 12
               return v8",
            "b0(v0: context):
               v1: packet = load.4 v0 + 0
               v2: packet-end = load.4 v0 + 4
               v3 = const 14
               v4: packet = add v1, v3
               v5: packet = const 0
               branch above v4, v2 -> b1, b2
             b1:
               v7 = const 0
               return v3
             b2:
               v9 = const 0
               v8 = load.1 v1 + 12
               return v8",
        );
    }

    #[test]
    fn one_of_two_lookups() {
        // The second lookup may fail, and its test stays; the first has been tested.
        gives(
            threaded,
            "b0(v0: stack):
               v1: map = map map0
               v2: map = map map1
               v3: map-value = const 0
               v4: map-value = helper 1(v1, v0)
               branch not-equal v4, v3 -> b2(v4), b1
             b1:
               v5: map-value = helper 1(v2, v0)
               jump b2(v5)
             b2(v6: map-value):
               branch equal v6, v3 -> b3, b4
             b3:
               v7 = const 0
               return v7
             b4:
               v8 = load.8 v6 + 0
               return v8",
            "b0(v0: stack):
               v1: map = map map0
               v2: map = map map1
               v3: map-value = const 0
               v4: map-value = helper 1(v1, v0)
               branch not-equal v4, v3 -> b4(v4), b1
             b1:
               v5: map-value = helper 1(v2, v0)
               branch equal v5, v3 -> b3, b4(v5)
             b3:
               v7 = const 0
               return v7
             b4(v6: map-value):
               v8 = load.8 v6 + 0
               return v8",
        );
    }

    #[test]
    fn booleans_through_two_blocks() {
        gives(
            threaded,
            "b0(v0, v1):
               v2 = const 0
               v3 = const 1
               branch below v0, v1 -> b1, b2(v2)
             b1:
               branch below v0, v3 -> b2(v3), b2(v2)
             b2(v4):
               v5 = xor v4, v3
               jump b3(v5)
             b3(v6):
               branch not-equal v6, v2 -> b4, b5
             b4:
               return v0
             b5:
               return v1",
            "b0(v0, v1):
               v2 = const 0
               v3 = const 1
               branch below v0, v1 -> b1, b2
             b1:
               branch below v0, v3 -> b3, b4
             b3:
               v7 = const 0
               return v1
             b4:
               v8 = const 1
               return v0
             b2:
               v9 = const 1
               return v0",
        );
    }

    #[test]
    fn a_chain_of_tests_takes_few_rounds() {
        // Each sets the number that the next ones test. Each round looks at the whole function.
        const TESTS: usize = 300;
        let mut text = "b0(v0):\n jump b1(v0)\n".to_owned();
        for number in 1..=TESTS {
            let (test, set, next) = (2 * number - 1, 2 * number, 2 * number + 1);
            let (param, wanted, new) = (3 * number, 3 * number + 1, 3 * number + 2);
            let (wanted_number, new_number) = (number % 7, number % 5);
            text += &format!(
                "b{test}(v{param}):\n v{wanted} = const {wanted_number}\n branch equal v{param}, v{wanted} -> b{set}, b{next}(v{param})
                 b{set}:\n v{new} = const {new_number}\n jump b{next}(v{new})\n"
            );
        }
        text += &format!("b{}(v2):\n return v2", 2 * TESTS + 1);
        let mut function = crate::ir::parse(&text).unwrap();
        crate::ir::check(&function).unwrap();
        let (mut budget, mut rounds) = (budget(&function), 0);
        while round(&mut function, Endianness::Little, &mut budget) {
            rounds += 1;
            assert!(rounds < 20, "{rounds} rounds, and it goes on");
        }
        crate::ir::check(&function).unwrap();
        assert!(rounds > 1);
    }

    #[test]
    fn heads_of_loops_stay() {
        let text = "b0(v0):
               v1 = const 0
               v2 = const 1
               v3 = const 9
               jump b1(v1)
             b1(v4):
               branch below v4, v3 -> b2, b3
             b2:
               v5 = helper 5()
               v6 = add v4, v2
               jump b1(v6)
             b3:
               return v4";
        gives(|function| run(function, Endianness::Little), text, text);
    }

    #[test]
    fn nothing_else_changes() {
        differential(run);
        differential(|function, endianness| run(function, endianness) | control_flow::run(function));
    }
}
