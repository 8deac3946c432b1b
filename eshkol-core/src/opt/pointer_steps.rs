//! Steps a pointer where it is, instead of keeping it beside the sum.
//!
//! * A pointer that was compared with a constant added to it is not kept when the sum is there to reach the same bytes from.
//!   Before: `v2: packet = add v1, 34; branch above v2, v9 -> …; v3 = load.2 v1 + 12`.
//!   After: `v2: packet = add v1, 34; branch above v2, v9 -> …; v3 = load.2 v2 - 22`, which needs one register, and no copy.
//! * A number is added before a constant, which then goes into the offsets.
//!   Before: `v2: packet = add v1, 14; v4: packet = add v2, v3; v5 = load.1 v4 + 1`.
//!   After: `v4: packet = add v1, v3; v5 = load.1 v4 + 15`.
//!
//! It is the last of all passes, since [`super::simplify`] brings each access to the nearest base.
//!
//! What the verifier sees: it keeps the constants that were added to a pointer beside the pointer, and adds the offset of an access to
//! them before it looks whether that is within what was checked (`check_mem_access`, `find_good_pkt_pointers` in `kernel/bpf/verifier.c`).
//! So the same bytes are proven from either base. Only pointers to packets are stepped, of which all this is true on every kernel. Where
//! a pointer was found to be past the end, nothing may be reached from it any more (since Linux 5.11, `mark_pkt_end`): what the pointer
//! before it is needed for there keeps that one.

use std::collections::BTreeSet;

use crate::arena::Id as _;
use crate::ir::{
    ArithmeticOp, Block, Cfg, Condition, Dominators, Function, Inst, InstData, Op, Terminator, Value, ValueData,
    ValueDef, ValueType, Width,
};

/// Steps pointers. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    let mut stepper = Stepper::new(function, &cfg, &dominators);
    let values: Vec<Value> = stepper.function.values.ids().collect();
    let mut changed = false;
    for value in &values {
        changed |= stepper.add_number_first(*value);
    }
    // In the order of the program, so that each step goes on from the one before.
    for block in dominators.preorder() {
        for inst in stepper.function.blocks.at(*block).insts.clone() {
            if let Some(sum) = stepper.function.insts.at(inst).result {
                changed |= stepper.step(sum);
            }
        }
    }
    stepper.finish();
    changed
}

/// Where a value is used.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Use {
    at: Point,
    /// `None` for the end of the block.
    inst: Option<Inst>,
}

/// A place in the program.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Point {
    block: Block,
    position: usize,
}

/// How far sums of sums are followed.
const DEPTH: u32 = 8;

struct Stepper<'a> {
    function: &'a mut Function,
    cfg: &'a Cfg,
    dominators: &'a Dominators,
    /// By value.
    uses: Vec<Vec<Use>>,
    /// By value; `None` for parameters and for what is not reachable.
    points: Vec<Option<Point>>,
    /// New constants, which go to the start of the function.
    constants: Vec<Inst>,
}

impl<'a> Stepper<'a> {
    fn new(function: &'a mut Function, cfg: &'a Cfg, dominators: &'a Dominators) -> Self {
        let mut uses = vec![Vec::new(); function.values.len()];
        let mut points = vec![None; function.values.len()];
        for block in cfg.reverse_post_order() {
            let data = function.blocks.at(*block);
            let mut used = |value: Value, position: usize, inst: Option<Inst>| {
                if let Some(uses) = uses.get_mut(value.index()) {
                    uses.push(Use { at: Point { block: *block, position }, inst });
                }
            };
            for (position, inst) in data.insts.iter().enumerate() {
                let InstData { op, result, .. } = function.insts.at(*inst);
                op.for_each_operand(|value| used(value, position, Some(*inst)));
                if let Some(point) = result.and_then(|result| points.get_mut(result.index())) {
                    *point = Some(Point { block: *block, position });
                }
            }
            data.terminator.for_each_operand(|value| used(value, data.insts.len(), None));
        }
        Self { function, cfg, dominators, uses, points, constants: Vec::new() }
    }

    fn finish(self) {
        let entry = self.function.entry;
        self.function.blocks.at_mut(entry).insts.splice(0..0, self.constants);
    }

    fn constant(&mut self, number: i64) -> Value {
        let inst = self.function.insts.next_id();
        let value = self.function.values.push(ValueData { ty: ValueType::Int, def: ValueDef::Inst(inst) });
        let span = self.function.span;
        self.function.insts.push(InstData { op: Op::Const(number), result: Some(value), span });
        self.constants.push(inst);
        value
    }

    fn uses(&self, value: Value) -> &[Use] {
        self.uses.get(value.index()).map_or(&[], Vec::as_slice)
    }

    /// The pointer and the constant that were added, where a value is such a sum in a packet.
    fn sum(&self, value: Value) -> Option<(Value, i64)> {
        match self.function.defining_op(value)? {
            Op::Binary(ArithmeticOp::Add, Width::W64, pointer, number) if self.is_packet(*pointer) => {
                Some((*pointer, self.function.constant(*number)?))
            }
            _ => None,
        }
    }

    fn is_packet(&self, value: Value) -> bool {
        self.function.value_type(value) == ValueType::Packet
    }

    /// `add (add p, constant), number` becomes `add p, number`, with the constant in the offsets behind it.
    fn add_number_first(&mut self, result: Value) -> bool {
        let ValueDef::Inst(inst) = self.function.values.at(result).def else { return false };
        let (Some(at), Op::Binary(ArithmeticOp::Add, Width::W64, near, number)) =
            (self.points.get(result.index()).copied().flatten(), self.function.insts.at(inst).op.clone())
        else {
            return false;
        };
        let Some((base, constant)) = self.sum(near).filter(|_| self.function.constant(number).is_none()) else {
            return false;
        };
        if self.uses(near).len() != 1 || !self.can_move(result, constant, at, DEPTH) {
            return false;
        }
        self.function.insts.at_mut(inst).op = Op::Binary(ArithmeticOp::Add, Width::W64, base, number);
        self.forget_use(near, inst);
        self.remember_use(base, Use { at, inst: Some(inst) });
        self.shift(result, constant);
        true
    }

    /// Reaches from a sum that is compared what was reached from the pointer.
    fn step(&mut self, sum: Value) -> bool {
        let (Some((base, constant)), Some(at)) = (self.sum(sum), self.points.get(sum.index()).copied().flatten())
        else {
            return false;
        };
        let ValueDef::Inst(inst) = self.function.values.at(sum).def else { return false };
        let is_compared = self.uses(sum).iter().any(|used| used.inst.is_none() && self.is_compared(used.at.block, sum));
        let is_behind = |used: &&Use| used.inst != Some(inst) && self.comes_after(at, used.at);
        let behind: Vec<Use> = self.uses(base).iter().filter(is_behind).copied().collect();
        let Some(back) = constant.checked_neg() else { return false };
        if !is_compared || behind.is_empty() || !self.can_leave(base, inst, at) {
            return false;
        }
        let past = self.past_the_end(sum, at.block);
        let can_change = |used: &Use| !past.contains(&used.at.block) && self.can_change(*used, base, back, DEPTH);
        if !behind.iter().all(can_change) {
            return false;
        }
        for used in behind {
            self.change(used, base, sum, back);
        }
        true
    }

    /// The blocks that are reached where a pointer is past the end, without coming to where it is made again.
    fn past_the_end(&self, pointer: Value, home: Block) -> BTreeSet<Block> {
        let mut open = Vec::new();
        for used in self.uses(pointer).iter().filter(|used| used.inst.is_none()) {
            if let Terminator::Branch { condition, lhs, then, otherwise, .. } =
                &self.function.blocks.at(used.at.block).terminator
            {
                let (above, below) = match condition {
                    Condition::Above | Condition::AboveEqual => (then.block, otherwise.block),
                    _ => (otherwise.block, then.block),
                };
                open.push(if *lhs == pointer { above } else { below });
            }
        }
        let mut reached = BTreeSet::new();
        while let Some(block) = open.pop() {
            if block != home && reached.insert(block) {
                open.extend(self.successors(block));
            }
        }
        reached
    }

    fn is_compared(&self, block: Block, value: Value) -> bool {
        let terminator = &self.function.blocks.at(block).terminator;
        let is_argument = terminator.targets().any(|target| target.arguments.contains(&value));
        matches!(terminator, Terminator::Branch { .. }) && !is_argument
    }

    fn comes_after(&self, point: Point, other: Point) -> bool {
        if point.block == other.block {
            other.position > point.position
        } else {
            self.dominators.dominates(point.block, other.block)
        }
    }

    /// Whether no use of a pointer is reached from a point, but those that this point dominates: what is reached by going round to where the
    /// pointer is made is another one.
    fn can_leave(&self, pointer: Value, except: Inst, from: Point) -> bool {
        let home = match self.function.values.at(pointer).def {
            ValueDef::Param(block, _) => Some(block),
            ValueDef::Inst(_) => self.points.get(pointer.index()).copied().flatten().map(|point| point.block),
        };
        let others: Vec<Block> = self
            .uses(pointer)
            .iter()
            .filter(|used| used.inst != Some(except) && !self.comes_after(from, used.at))
            .map(|used| used.at.block)
            .collect();
        if others.is_empty() {
            return true;
        }
        let mut seen = vec![false; self.function.blocks.len()];
        let mut open: Vec<Block> = self.successors(from.block);
        while let Some(block) = open.pop() {
            if Some(block) == home {
                continue;
            }
            match seen.get_mut(block.index()) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            if others.contains(&block) {
                return false;
            }
            open.extend(self.successors(block));
        }
        true
    }

    fn successors(&self, block: Block) -> Vec<Block> {
        debug_assert!(self.cfg.is_reachable(block));
        self.function.blocks.at(block).terminator.targets().map(|target| target.block).collect()
    }

    /// Whether every use of a value, all of them behind a point, can take another that is so many bytes before it.
    fn can_move(&self, value: Value, bytes: i64, at: Point, depth: u32) -> bool {
        self.uses(value).iter().all(|used| self.comes_after(at, used.at) && self.can_change(*used, value, bytes, depth))
    }

    /// Whether a use of a pointer can use one that is so many bytes before it.
    fn can_change(&self, used: Use, pointer: Value, bytes: i64, depth: u32) -> bool {
        let Some(inst) = used.inst else { return false };
        let InstData { op, result, .. } = self.function.insts.at(inst);
        let in_reach = |offset: i32| i64::from(offset).checked_add(bytes).is_some_and(|sum| i16::try_from(sum).is_ok());
        match op {
            Op::Load { base, offset, .. } => *base == pointer && in_reach(*offset),
            Op::Store { base, offset, value, .. } | Op::Atomic { base, offset, value, .. } => {
                *base == pointer && *value != pointer && in_reach(*offset)
            }
            Op::Binary(ArithmeticOp::Add, Width::W64, base, number) if *base == pointer => {
                match self.function.constant(*number) {
                    Some(number) => number.checked_add(bytes).is_some_and(|sum| i32::try_from(sum).is_ok()),
                    None => {
                        let point = result.and_then(|result| self.points.get(result.index()).copied().flatten());
                        match (result, point, depth.checked_sub(1)) {
                            (Some(result), Some(at), Some(depth)) => self.can_move(*result, bytes, at, depth),
                            _ => false,
                        }
                    }
                }
            }
            _ => false,
        }
    }

    /// Every use of a value counts its bytes from so many before.
    fn shift(&mut self, value: Value, bytes: i64) {
        for used in self.uses(value).to_vec() {
            self.change(used, value, value, bytes);
        }
    }

    /// A use takes `new`, which is so many bytes before `old`.
    fn change(&mut self, used: Use, old: Value, new: Value, bytes: i64) {
        let Some(inst) = used.inst else { return };
        let mut op = self.function.insts.at(inst).op.clone();
        match &mut op {
            Op::Load { base, offset, .. } | Op::Store { base, offset, .. } | Op::Atomic { base, offset, .. } => {
                *base = new;
                *offset = i32::try_from(i64::from(*offset).saturating_add(bytes)).unwrap_or(*offset);
            }
            Op::Binary(_, _, base, number) => {
                *base = new;
                let result = self.function.insts.at(inst).result;
                match (self.function.constant(*number), result) {
                    (Some(constant), Some(result)) if constant.saturating_add(bytes) == 0 => {
                        self.forget_use(old, inst);
                        self.use_instead(result, new);
                        return;
                    }
                    (Some(constant), _) => *number = self.constant(constant.saturating_add(bytes)),
                    // The sum moves with its pointer.
                    (None, Some(result)) => self.shift(result, bytes),
                    (None, None) => {}
                }
            }
            _ => return,
        }
        self.function.insts.at_mut(inst).op = op;
        if old != new {
            self.forget_use(old, inst);
            self.remember_use(new, used);
        }
    }

    /// Every use of a value becomes one of another.
    fn use_instead(&mut self, value: Value, by: Value) {
        let uses = self.uses.get_mut(value.index()).map(std::mem::take).unwrap_or_default();
        for used in uses {
            let mut replace = |operand: &mut Value| {
                if *operand == value {
                    *operand = by;
                }
            };
            match used.inst {
                Some(inst) => self.function.insts.at_mut(inst).op.for_each_operand_mut(&mut replace),
                None => self.function.blocks.at_mut(used.at.block).terminator.for_each_operand_mut(&mut replace),
            }
            self.remember_use(by, used);
        }
    }

    fn forget_use(&mut self, value: Value, inst: Inst) {
        if let Some(uses) = self.uses.get_mut(value.index()) {
            uses.retain(|used| used.inst != Some(inst));
        }
    }

    fn remember_use(&mut self, value: Value, used: Use) {
        if let Some(uses) = self.uses.get_mut(value.index()) {
            uses.push(used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dead_code;
    use super::super::testing::{differential, gives};
    use super::*;

    fn step(function: &mut Function) -> bool {
        run(function) | dead_code::run(function)
    }

    #[test]
    fn from_the_sum_that_was_compared() {
        gives(
            step,
            "b0(v0, v1: packet, v2: packet-end):
               v9 = load.1 v1 + 0
               v3 = const 34
               v4: packet = add v1, v3
               branch above v4, v2 -> b9, b1
             b1:
               v5 = load.2 v1 + 12
               v6 = const 15
               v7 = and v5, v6
               v8: packet = add v1, v7
               v10 = const 38
               v11: packet = add v8, v10
               branch above v11, v2 -> b9, b2
             b2:
               v12 = load.4 v8 + 34
               store.2 v8 + 36, v9
               return v12
             b9:
               return v0",
            "b0(v0, v1: packet, v2: packet-end):
               v13 = const 4
               v9 = load.1 v1 + 0
               v3 = const 34
               v4: packet = add v1, v3
               branch above v4, v2 -> b9, b1
             b1:
               v5 = load.2 v4 - 22
               v6 = const 15
               v7 = and v5, v6
               v8: packet = add v4, v7
               v11: packet = add v8, v13
               branch above v11, v2 -> b9, b2
             b2:
               v12 = load.4 v11 - 4
               store.2 v11 - 2, v9
               return v12
             b9:
               return v0",
        );
    }

    #[test]
    fn a_number_before_a_constant() {
        gives(
            step,
            "b0(v0, v1: packet, v2: packet-end):
               v3 = const 14
               v4: packet = add v1, v3
               v5 = load.1 v1 + 0
               v6: packet = add v4, v5
               v7 = const 20
               v8: packet = add v6, v7
               branch above v8, v2 -> b9, b1
             b1:
               v10 = load.1 v1 + 1
               v11 = load.1 v6 + 2
               v12 = add v10, v11
               return v12
             b9:
               return v0",
            "b0(v0, v1: packet, v2: packet-end):
               v14 = const 34
               v5 = load.1 v1 + 0
               v6: packet = add v1, v5
               v8: packet = add v6, v14
               branch above v8, v2 -> b9, b1
             b1:
               v10 = load.1 v1 + 1
               v11 = load.1 v8 - 18
               v12 = add v10, v11
               return v12
             b9:
               return v0",
        );
    }

    #[test]
    fn a_pointer_that_is_needed_itself() {
        for end in ["v6 = helper 9999(v1)", "store.8 v1 + 0, v1"] {
            let text = format!(
                "b0(v0, v1: packet, v2: packet-end):
                   v3 = const 34
                   v4: packet = add v1, v3
                   branch above v4, v2 -> b9, b1
                 b1:
                   {end}
                   v5 = load.2 v1 + 12
                   return v5
                 b9:
                   return v0"
            );
            gives(run, &text, &text);
        }
    }

    #[test]
    fn a_pointer_that_is_needed_where_the_sum_is_not() {
        let text = "b0(v0, v1: packet, v2: packet-end):
               v3 = const 34
               branch above v0, v3 -> b1, b2
             b1:
               v4: packet = add v1, v3
               branch above v4, v2 -> b9, b3
             b3:
               v5 = load.2 v1 + 12
               branch above v5, v3 -> b2, b9
             b2:
               v6 = load.1 v1 + 0
               return v6
             b9:
               return v0";
        gives(run, text, text);
    }

    #[test]
    fn a_pointer_that_is_needed_where_the_sum_is_past_the_end() {
        for branch in ["above v5, v2 -> b2, b3", "below-equal v5, v2 -> b3, b2", "below v2, v5 -> b2, b3"] {
            let text = format!(
                "b0(v0, v1: packet, v2: packet-end):
                   v3 = const 14
                   v4: packet = add v1, v3
                   branch above v4, v2 -> b9, b1
                 b1:
                   v6 = const 34
                   v5: packet = add v1, v6
                   branch {branch}
                 b2:
                   v7 = load.2 v1 + 12
                   return v7
                 b3:
                   v8 = load.2 v1 + 22
                   return v8
                 b9:
                   return v0"
            );
            // The first sum is stepped from: it is not past the end where the second one is.
            let after = text
                .replace("v3 = const 14", "v9 = const 20\n v3 = const 14")
                .replace("                   v6 = const 34\n", "")
                .replace("add v1, v6", "add v4, v9")
                .replace("v1 + 12", "v4 - 2")
                .replace("v1 + 22", "v4 + 8");
            gives(step, &text, &after);
        }
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| step(function));
    }
}
