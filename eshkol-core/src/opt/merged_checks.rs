//! Makes one check of the packet's end of two, where failing either ends the same.
//!
//! Before: 14 bytes are checked, a field is compared, and 34 bytes are checked.
//!
//! ```text
//! b0: … v3: packet = add v1, 14;  branch above v3, v2 -> b9, b1
//! b1: v4 = load.2 v1 + 12;        branch equal v4, 8 -> b2, b9
//! b2: v5: packet = add v1, 34;    branch above v5, v2 -> b9, b3
//! ```
//!
//! After: `b0` checks 34 bytes, and the check of `b2` is decided ([`super::known_tests`]). A packet that is too short for the second
//! check came to `b9` before, too, if not by the first then by one of the ways between, which all lead there or to the second;
//! and between the two, nothing is done that is seen outside.
//!
//! What the verifier sees: the larger check, which says of the same pointer that more of it is within the packet.

use super::facts::{Test, bounds_check};
use crate::ir::{
    ArithmeticOp, Block, Cfg, Function, InstData, Op, Target, Terminator, Value, ValueData, ValueDef, ValueType, Width,
};

/// How many blocks are looked at behind a check.
const REACH: usize = 64;

/// Makes checks as large as those behind them. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let mut changed = false;
    for block in cfg.reverse_post_order() {
        let Some(check) = Check::of(function, *block) else { continue };
        let most = behind(function, &cfg, &check);
        if most > check.bytes {
            enlarge(function, *block, &check, most);
            changed = true;
        }
    }
    changed
}

/// A check that so many bytes from `base` on are in the packet.
struct Check {
    pointer: Value,
    base: Value,
    bytes: i64,
    end: Value,
    pass: Target,
    fail: Target,
}

impl Check {
    fn of(function: &Function, block: Block) -> Option<Self> {
        let Terminator::Branch { condition, width, lhs, rhs, then, otherwise } = &function.blocks.at(block).terminator
        else {
            return None;
        };
        let test = Test { condition: *condition, width: *width, lhs: *lhs, rhs: *rhs };
        let (pointer, end, inside) = bounds_check(function, test)?;
        let (base, bytes) = function.address(pointer, 0);
        let (pass, fail) = if inside { (then, otherwise) } else { (otherwise, then) };
        Some(Self { pointer, base, bytes, end, pass: pass.clone(), fail: fail.clone() })
    }
}

/// The most bytes that are checked on the way on, as long as every other way out is that of a failed check.
fn behind(function: &Function, cfg: &Cfg, check: &Check) -> i64 {
    let mut most = check.bytes;
    let mut at = check.pass.block;
    for _ in 0..REACH {
        let data = function.blocks.at(at);
        let is_harmless = data.insts.iter().all(|inst| function.insts.at(*inst).op.is_removable());
        if cfg.predecessors(at).len() != 1 || !is_harmless {
            break;
        }
        if let Some(next) = Check::of(function, at)
            && (next.base, next.end, &next.fail) == (check.base, check.end, &check.fail)
        {
            most = most.max(next.bytes);
            at = next.pass.block;
            continue;
        }
        at = match &data.terminator {
            Terminator::Jump(target) => target.block,
            Terminator::Branch { then, otherwise, .. } if *then == check.fail => otherwise.block,
            Terminator::Branch { then, otherwise, .. } if *otherwise == check.fail => then.block,
            Terminator::Branch { .. } | Terminator::Return(_) => break,
        };
    }
    most
}

fn enlarge(function: &mut Function, block: Block, check: &Check, bytes: i64) {
    let span = function.blocks.at(block).span;
    let mut make = |op: Op, ty: ValueType| {
        let inst = function.insts.next_id();
        let value = function.values.push(ValueData { ty, def: ValueDef::Inst(inst) });
        function.insts.push(InstData { op, result: Some(value), span });
        function.blocks.at_mut(block).insts.push(inst);
        value
    };
    let bytes = make(Op::Const(bytes), ValueType::Int);
    let larger = make(Op::Binary(ArithmeticOp::Add, Width::W64, check.base, bytes), ValueType::Packet);
    if let Terminator::Branch { lhs, rhs, .. } = &mut function.blocks.at_mut(block).terminator {
        for side in [lhs, rhs] {
            if *side == check.pointer {
                *side = larger;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::super::{dead_code, known_tests, thread_jumps};
    use super::*;

    fn merge(function: &mut Function) -> bool {
        run(function) | known_tests::run(function) | dead_code::run(function)
    }

    /// A check of 14 bytes, something between, and a check of 34.
    fn checks(between: &str, way: &str) -> String {
        format!(
            "b0(v0, v1: packet, v2: packet-end, v20: map-value):
               v3 = const 14
               v4: packet = add v1, v3
               branch above v4, v2 -> b9, b1
             b1:
               v5 = load.2 v1 + 12
               {between}
               branch equal v5, v0 -> {way}
             b2:
               v6 = const 34
               v7: packet = add v1, v6
               branch below-equal v7, v2 -> b3, b9
             b3:
               v8 = load.1 v1 + 33
               return v8
             b8:
               v10 = const 1
               return v10
             b9:
               v9 = const 2
               return v9"
        )
    }

    #[test]
    fn failing_either_ends_the_same() {
        gives(
            merge,
            &checks("", "b2, b9"),
            "b0(v0, v1: packet, v2: packet-end, v20: map-value):
               v3 = const 34
               v4: packet = add v1, v3
               branch above v4, v2 -> b9, b1
             b1:
               v5 = load.2 v1 + 12
               branch equal v5, v0 -> b2, b9
             b2:
               jump b3
             b3:
               v8 = load.1 v1 + 33
               return v8
             b9:
               v9 = const 2
               return v9",
        );
    }

    #[test]
    fn another_way_out_between() {
        let text = checks("", "b2, b8");
        gives(run, &text, &text);
    }

    #[test]
    fn something_is_done_between() {
        for between in ["store.2 v20 + 0, v5", "v21 = helper 9999(v5)"] {
            let text = checks(between, "b2, b9");
            gives(run, &text, &text);
        }
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, endianness| {
            let threaded = thread_jumps::run(function, endianness);
            merge(function) | threaded
        });
    }
}
