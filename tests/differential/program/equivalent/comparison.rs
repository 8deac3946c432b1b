//! Comparisons in other words.

use super::Rewriter;
use super::tree::{Tree, atom, form};

impl Rewriter {
    /// `=` and what orders numbers. `None` for it as it stands.
    pub(super) fn comparison(&mut self, head: &str, operands: &[Tree]) -> Option<Tree> {
        let [a, b] = operands else { return None };
        let same = |head: &str| form(head, [a.clone(), b.clone()]);
        let (opposite, mirrored) = match head {
            "<" => (">=", ">"),
            ">" => ("<=", "<"),
            "<=" => (">", ">="),
            ">=" => ("<", "<="),
            _ => ("", "="),
        };
        let may_swap = a.is_literal() || b.is_literal() || a.is_pure() && b.is_pure();
        // What is equal has the most other words, and the most ways to be taken for something else.
        Some(match self.below(if opposite.is_empty() { 8 } else { 12 }) {
            0 => form("not", [form("not", [same(head)])]),
            1 => form("if", [same(head), atom("#t"), atom("#f")]),
            2 if may_swap => form(mirrored, [b.clone(), a.clone()]),
            3 if opposite.is_empty() => self.bound(operands, |operands| {
                form("and", [form("<=", operands.to_vec()), form(">=", operands.to_vec())])
            }),
            3 => form("not", [same(opposite)]),
            4 if opposite.is_empty() => self.bound(operands, |operands| {
                form("not", [form("or", [form("<", operands.to_vec()), form(">", operands.to_vec())])])
            }),
            4 if head.len() == 2 => self.bound(operands, |operands| {
                form("or", [form(&head[..1], operands.to_vec()), form("=", operands.to_vec())])
            }),
            4 => self.bound(operands, |operands| {
                form("and", [form(&format!("{head}="), operands.to_vec()), form("not", [form("=", operands.to_vec())])])
            }),
            // The datum of `case` is compared as by `=`.
            5 if opposite.is_empty() && b.is_literal() && !a.is_literal() => {
                let clauses = [Tree::List(vec![Tree::List(vec![b.clone()]), atom("#t")]), form("else", [atom("#f")])];
                form("case", [a.clone()].into_iter().chain(clauses))
            }
            6 if opposite.is_empty() => same(["eq?", "eqv?", "equal?"][self.below(3)]),
            7 => {
                let names = [self.name(), self.name()];
                let lambda = form("lambda", [Tree::List(names.to_vec()), form(head, names)]);
                Tree::List(vec![lambda, a.clone(), b.clone()])
            }
            _ => return None,
        })
    }

    /// `(zero? x)` and its kin.
    pub(super) fn of_one(&mut self, head: &str, operand: &Tree) -> Option<Tree> {
        let with_zero = |head: &str| form(head, [operand.clone(), atom("0")]);
        let lowest = || form("bitwise-and", [operand.clone(), atom("1")]);
        Some(match (head, self.below(3)) {
            ("zero?", 0) => with_zero("="),
            ("positive?", 0) => with_zero(">"),
            ("negative?", 0) => with_zero("<"),
            ("even?", 0) => form("=", [lowest(), atom("0")]),
            ("odd?", 0) => form("=", [lowest(), atom("1")]),
            (_, 1) => form("not", [form("not", [form(head, [operand.clone()])])]),
            _ => return None,
        })
    }
}
