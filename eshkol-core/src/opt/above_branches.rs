//! Stores above a branch what is stored below it whichever way is taken, so that the kernel's verifier follows it once and not on every way.
//!
//! | before | after |
//! |---|---|
//! | `branch equal v0, 0 -> b1(v1), b1(v2)`; `b1(v3): store.1 v4 + 0, v3; v5 = load.8 v4 + 8; store.8 v4 + 16, v5` | `v5 = load.8 v4 + 8; store.8 v4 + 16, v5; branch equal v0, 0 -> b1(v1), b1(v2)`; `b1(v3): store.1 v4 + 0, v3` |
//!
//! On the ways in between nothing is called or written, and nothing is read of what is stored. What is moved there with a store is what makes
//! its value, if that is all it is for: no value is kept in a register over the branch that was not kept before.
//!
//! What the verifier sees: the same accesses, each before the tests that it does not depend on. Every way from the branch leads here, so none of
//! its tests can be what allows an access.

use std::collections::{BTreeMap, BTreeSet};

use super::alias::Place;
use super::uses::count_uses;
use crate::arena::Id as _;
use crate::ir::{Block, Cfg, Dominators, Function, Inst, Op, Value, ValueDef};

/// As many blocks are looked at between a branch and where its ways meet: more are rare, and would take time.
const BETWEEN: usize = 32;
/// And as many instructions of the block where they meet.
const HEAD: usize = 64;

/// Moves them. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    let uses = count_uses(function);
    let mut changed = false;
    // From the last on: what comes above one branch may stand below another, and move on.
    for join in cfg.reverse_post_order().iter().rev() {
        let Some(branch) = dominators.parent(*join).filter(|_| cfg.predecessors(*join).len() > 1) else { continue };
        let Some(between) = between(function, &cfg, branch, *join) else { continue };
        let Some(read) = places_read(function, &between) else { continue };
        let head: Vec<Inst> = function.blocks.at(*join).insts.iter().take(HEAD).copied().collect();
        let moved = Finder { function, join: *join, head: &head, read: &read, uses: &uses }.moved();
        if !moved.is_empty() {
            function.blocks.at_mut(*join).insts.retain(|inst| !moved.contains(inst));
            // In the order in which they were.
            function.blocks.at_mut(branch).insts.extend(moved);
            changed = true;
        }
    }
    changed
}

/// The blocks between a branch and where all its ways meet; `None` where one of them goes elsewhere.
fn between(function: &Function, cfg: &Cfg, branch: Block, join: Block) -> Option<BTreeSet<Block>> {
    let mut between = BTreeSet::new();
    let mut open = vec![join];
    while let Some(block) = open.pop() {
        for before in cfg.predecessors(block) {
            // Loops come back from behind.
            if cfg.position(*before) >= cfg.position(block) {
                return None;
            }
            if *before != branch && between.insert(*before) {
                open.push(*before);
            }
        }
        if between.len() > BETWEEN {
            return None;
        }
    }
    let all_meet = between.iter().chain([&branch]).all(|block| {
        let mut targets = function.blocks.at(*block).terminator.targets();
        targets.all(|target| target.block == join || between.contains(&target.block))
    });
    all_meet.then_some(between)
}

/// What some blocks read; `None` where they write or call.
fn places_read(function: &Function, blocks: &BTreeSet<Block>) -> Option<Vec<Place>> {
    let mut places = Vec::new();
    for inst in blocks.iter().flat_map(|block| &function.blocks.at(*block).insts) {
        match &function.insts.at(*inst).op {
            Op::Load { size, base, offset, .. } => places.push(Place::new(function, *base, *offset, size.bytes())),
            op if op.is_pure() => {}
            _ => return None,
        }
    }
    Some(places)
}

/// Finds what can be moved above the branch.
struct Finder<'a> {
    function: &'a Function,
    join: Block,
    /// Its first instructions.
    head: &'a [Inst],
    /// What is read on the ways from the branch to here.
    read: &'a [Place],
    uses: &'a [u32],
}

impl Finder<'_> {
    /// What is moved, in its order.
    fn moved(&self) -> Vec<Inst> {
        let mut staying = BTreeSet::new();
        loop {
            let movable = self.movable(&staying);
            let before = staying.len();
            staying.extend(self.not_only_for_stores(&movable));
            if staying.len() == before {
                return movable;
            }
        }
    }

    /// What could stand above the branch if some instructions stay.
    fn movable(&self, staying: &BTreeSet<Inst>) -> Vec<Inst> {
        let mut movable = Vec::new();
        let (mut read, mut written) = (self.read.to_vec(), Vec::new());
        let overlaps = |place: &Place, others: &[Place]| others.iter().any(|it| it.may_overlap(place, self.function));
        for inst in self.head {
            let op = &self.function.insts.at(*inst).op;
            let is_free = !staying.contains(inst) && self.is_made_before(op, &movable);
            let moves = match op {
                Op::Load { size, base, offset, .. } => {
                    let place = Place::new(self.function, *base, *offset, size.bytes());
                    let moves = is_free && !overlaps(&place, &written);
                    if !moves {
                        read.push(place);
                    }
                    moves
                }
                Op::Store { size, base, offset, .. } => {
                    let place = Place::new(self.function, *base, *offset, size.bytes());
                    let moves = is_free && !overlaps(&place, &written) && !overlaps(&place, &read);
                    if !moves {
                        written.push(place);
                    }
                    moves
                }
                // Where the running kernel lacks what is asked for, it must not be come by.
                Op::Fact { .. } => false,
                op if op.is_pure() => is_free,
                _ => break,
            };
            if moves {
                movable.push(*inst);
            }
        }
        movable
    }

    /// Whether all that an instruction needs is there at the branch, or moves there.
    fn is_made_before(&self, op: &Op, movable: &[Inst]) -> bool {
        let mut is_there = true;
        op.for_each_operand(|operand| {
            is_there &= match self.function.values.at(operand).def {
                ValueDef::Param(block, _) => block != self.join,
                ValueDef::Inst(inst) => movable.contains(&inst) || !self.head.contains(&inst),
            };
        });
        is_there
    }

    /// What makes values that are needed elsewhere, or not at all by what moves.
    fn not_only_for_stores(&self, movable: &[Inst]) -> Vec<Inst> {
        let mut needed: BTreeMap<Value, u32> = BTreeMap::new();
        let mut stay = Vec::new();
        for inst in movable.iter().rev() {
            let data = self.function.insts.at(*inst);
            let moves = data.result.is_none_or(|value| {
                let moved_uses = needed.get(&value).copied().unwrap_or(0);
                // What is made anew wherever it is needed may be needed elsewhere.
                moved_uses > 0 && (is_constant(&data.op) || self.uses.get(value.index()) == Some(&moved_uses))
            });
            if moves {
                data.op.for_each_operand(|operand| *needed.entry(operand).or_default() += 1);
            } else {
                stay.push(*inst);
            }
        }
        stay
    }
}

/// What needs no register until it is used.
fn is_constant(op: &Op) -> bool {
    matches!(op, Op::Const(_) | Op::SlotAddress(_) | Op::GlobalAddress { .. } | Op::Map(_) | Op::FunctionAddress(_))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::*;

    #[test]
    fn what_is_stored_whichever_way_is_taken() {
        // The first store is of what was chosen, the third of what is needed afterwards, and the fourth goes where it is read before.
        gives(
            run,
            "b0(v0, v1: map-value):
               v2 = const 3
               branch bits-set v0, v2 -> b1(v2), b2
             b2:
               v3 = load.8 v1 + 32
               jump b1(v3)
             b1(v4):
               store.1 v1 + 0, v4
               v5 = load.8 v1 + 8
               v6 = const 1
               v7 = add v5, v6
               store.8 v1 + 8, v7
               v8 = load.8 v1 + 16
               store.8 v1 + 24, v8
               store.8 v1 + 32, v0
               v9 = add v8, v6
               return v9",
            "b0(v0, v1: map-value):
               v2 = const 3
               v5 = load.8 v1 + 8
               v6 = const 1
               v7 = add v5, v6
               store.8 v1 + 8, v7
               branch bits-set v0, v2 -> b1(v2), b2
             b2:
               v3 = load.8 v1 + 32
               jump b1(v3)
             b1(v4):
               store.1 v1 + 0, v4
               v8 = load.8 v1 + 16
               store.8 v1 + 24, v8
               store.8 v1 + 32, v0
               v9 = add v8, v6
               return v9",
        );
    }

    #[test]
    fn above_one_branch_after_the_other() {
        gives(
            run,
            "b0(v0, v1: map-value):
               v2 = const 3
               branch equal v0, v2 -> b1(v2), b1(v0)
             b1(v3):
               branch bits-set v0, v2 -> b2(v2), b2(v0)
             b2(v4):
               store.8 v1 + 0, v0
               v5 = add v3, v4
               return v5",
            "b0(v0, v1: map-value):
               v2 = const 3
               store.8 v1 + 0, v0
               branch equal v0, v2 -> b1(v2), b1(v0)
             b1(v3):
               branch bits-set v0, v2 -> b2(v2), b2(v0)
             b2(v4):
               v5 = add v3, v4
               return v5",
        );
    }

    #[test]
    fn not_past_what_may_be_the_same_place() {
        let text = "b0(v0, v1: map-value, v2: map-value):
               v3 = const 3
               branch equal v0, v3 -> b1(v3), b1(v0)
             b1(v4):
               store.8 v2 + 0, v4
               store.8 v1 + 0, v0
               return v0";
        gives(run, text, text);
    }

    #[test]
    fn not_where_one_way_ends_or_calls_or_comes_back() {
        let ends = "b0(v0, v1: map-value):
               v2 = const 3
               branch equal v0, v2 -> b1, b2
             b1:
               branch bits-set v0, v2 -> b2, b3
             b3:
               return v0
             b2:
               store.8 v1 + 0, v0
               return v2";
        let calls = "b0(v0, v1: map-value):
               v2 = const 3
               branch equal v0, v2 -> b1, b2
             b1:
               v3 = helper 5()
               jump b2
             b2:
               store.8 v1 + 0, v0
               return v2";
        let comes_back = "b0(v0, v1: map-value):
               v2 = const 3
               jump b1(v0)
             b1(v3):
               store.8 v1 + 0, v0
               v4 = sub v3, v2
               branch above v4, v2 -> b1(v4), b2
             b2:
               return v2";
        for text in [ends, calls, comes_back] {
            gives(run, text, text);
        }
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| run(function));
    }
}
