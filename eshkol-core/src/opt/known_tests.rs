//! Replaces branches whose outcome is known from branches before by jumps.
//!
//! Before: `b1: branch equal v0, 0 -> b2, b3`, where only `branch above v0, 5 -> b1, b4` leads to `b1`. After: `b1: jump b3`.
//!
//! What the verifier sees: it knows the outcome from the same test, so the branch told it nothing new ([`super::facts`]).

use super::facts::{Facts, Test};
use crate::ir::{Cfg, Dominators, Function, Terminator};

/// Replaces them. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    let facts = Facts::new(function, &cfg, &dominators);
    let mut decided = Vec::new();
    for block in cfg.reverse_post_order() {
        if let Terminator::Branch { condition, width, lhs, rhs, then, otherwise } =
            &function.blocks.at(*block).terminator
        {
            let test = Test { condition: *condition, width: *width, lhs: *lhs, rhs: *rhs };
            if let Some(holds) = facts.decide(test, *block, None) {
                decided.push((*block, if holds { then } else { otherwise }.clone()));
            }
        }
    }
    let changed = !decided.is_empty();
    for (block, target) in decided {
        function.blocks.at_mut(block).terminator = Terminator::Jump(target);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::*;

    /// Whether, where `first` holds (or not), `second` is decided, and how.
    fn decided(first: &str, holds: bool, second: &str) -> Option<bool> {
        let ways = if holds { "b1, b2" } else { "b2, b1" };
        let text = format!(
            "b0(v0, v1, v8: packet, v9: packet-end):
               v2 = const 5
               v3 = const 7
               v4 = const -1
               v5 = const 0
               v6 = load.1 v8 + 0
               branch {first} -> {ways}
             b1:
               branch {second} -> b3, b4
             b2:
               return v0
             b3:
               v10 = const 1
               return v10
             b4:
               v11 = const 2
               return v11"
        );
        let mut function = crate::ir::parse(&text).unwrap();
        crate::ir::check(&function).unwrap();
        if !run(&mut function) {
            return None;
        }
        let text = function.to_string();
        Some(text.contains("const 1\n"))
    }

    #[test]
    fn tests_of_the_same_words() {
        assert_eq!(decided("below v0, v1", true, "above v1, v0"), Some(true));
        assert_eq!(decided("below v0, v1", true, "equal v0, v1"), Some(false));
        assert_eq!(decided("below v0, v1", false, "above-equal v0, v1"), Some(true));
        assert_eq!(decided("below v0, v1", true, "less v0, v1"), None);
        assert_eq!(decided("equal v0, v1", true, "less-equal v0, v1"), Some(true));
        assert_eq!(decided("equal.32 v0, v1", true, "equal v0, v1"), None);
        assert_eq!(decided("bits-set v0, v1", false, "bits-set v1, v0"), Some(false));
        assert_eq!(decided("above v8, v9", false, "below-equal v8, v9"), Some(true));
        assert_eq!(decided("above v0, v1", true, "greater-equal v0, v0"), Some(true));
    }

    #[test]
    fn tests_against_numbers() {
        assert_eq!(decided("above v0, v2", true, "equal v0, v5"), Some(false));
        assert_eq!(decided("below v0, v2", true, "below v0, v3"), Some(true));
        assert_eq!(decided("below v0, v3", true, "below v0, v2"), None);
        assert_eq!(decided("below v0, v3", true, "less v0, v5"), Some(false));
        assert_eq!(decided("less v0, v3", true, "below v0, v3"), None);
        assert_eq!(decided("equal v0, v2", true, "not-equal v0, v3"), Some(true));
        // Old verifiers do not know.
        assert_eq!(decided("equal v0, v5", false, "above v0, v5"), None);
        assert_eq!(decided("equal v0, v5", false, "not-equal v0, v5"), Some(true));
        assert_eq!(decided("greater v0, v4", true, "below v0, v5"), Some(false));
        assert_eq!(decided("equal v8, v5", false, "not-equal v8, v5"), Some(true));
        assert_eq!(decided("equal v0, v0", true, "greater v6, v4"), Some(true));
        assert_eq!(decided("below.32 v0, v2", true, "below v0, v3"), None);
        assert_eq!(decided("below.32 v6, v2", true, "below v6, v3"), Some(true));
    }

    #[test]
    fn checks_of_fewer_and_of_more_bytes() {
        let text = |first: i32, inside: bool, second: i32, branch: &str| {
            let (yes, no) = if inside { ("b2", "b1") } else { ("b1", "b2") };
            format!(
                "b0(v0: packet, v1: packet-end):
                   v2 = const {first}
                   v3: packet = add v0, v2
                   v4 = const {second}
                   v5: packet = add v0, v4
                   branch above v3, v1 -> {no}, {yes}
                 b1:
                   return v2
                 b2:
                   {branch}
                 b3:
                   v6 = helper 5()
                   return v6
                 b4:
                   return v4"
            )
        };
        let branch = "branch below-equal v5, v1 -> b3, b4";
        let gives = |first, inside, second, after| {
            gives(run, &text(first, inside, second, branch), &text(first, inside, second, after));
        };
        gives(34, true, 14, "jump b3");
        gives(34, true, 34, "jump b3");
        gives(34, true, 35, branch);
        gives(34, false, 54, "jump b4");
        gives(34, false, 14, branch);
    }

    #[test]
    fn a_second_check_of_the_same_bounds() {
        gives(
            run,
            "b0(v0: context):
               v1: packet = load.4 v0 + 0
               v2: packet-end = load.4 v0 + 4
               v3 = const 14
               v4: packet = add v1, v3
               branch above v4, v2 -> b1(v3), b2
             b1(v5):
               return v5
             b2:
               v6 = load.1 v1 + 0
               branch above v4, v2 -> b1(v3), b3
             b3:
               return v6",
            "b0(v0: context):
               v1: packet = load.4 v0 + 0
               v2: packet-end = load.4 v0 + 4
               v3 = const 14
               v4: packet = add v1, v3
               branch above v4, v2 -> b1(v3), b2
             b1(v5):
               return v5
             b2:
               v6 = load.1 v1 + 0
               jump b3
             b3:
               return v6",
        );
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| run(function));
    }
}
