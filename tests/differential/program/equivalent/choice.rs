//! Choices in other words.

use super::Rewriter;
use super::tree::{Tree, atom, form, let_one, list};

const TESTS: [&str; 13] =
    ["=", "<", ">", "<=", ">=", "zero?", "positive?", "negative?", "even?", "odd?", "not", "eqv?", "equal?"];

/// Whether a test is a boolean, and no optional that is looked for.
fn is_boolean(test: &Tree) -> bool {
    TESTS.iter().any(|name| test.form(name).is_some())
}

impl Rewriter {
    pub(super) fn if_form(&mut self, test: &Tree, then: &Tree, otherwise: &Tree) -> Option<Tree> {
        let (test, then, otherwise) = (test.clone(), then.clone(), otherwise.clone());
        Some(match self.below(8) {
            0 => form("if", [form("not", [test]), otherwise, then]),
            1 => form("cond", [list([test, then]), form("else", [otherwise])]),
            2 => form("begin", [form("if", [test, then, otherwise])]),
            3 if is_boolean(&test) => {
                let name = self.name();
                let_one(&name, test, form("if", [name.clone(), then, otherwise]))
            }
            4 => form("cond", [list([form("not", [test]), otherwise]), form("else", [then])]),
            5 => form("if", [test, form("let", [list([]), then]), form("begin", [otherwise])]),
            _ => return None,
        })
    }

    /// `cond` as `if`s.
    pub(super) fn cond(&mut self, clauses: &[Tree]) -> Option<Tree> {
        if self.below(2) == 0 {
            return None;
        }
        let (last, rest) = clauses.split_last()?;
        let [otherwise] = last.form("else")? else { return None };
        rest.iter().rev().try_fold(otherwise.clone(), |otherwise, clause| match clause.items()? {
            [test, then] => Some(form("if", [test.clone(), then.clone(), otherwise])),
            _ => None,
        })
    }

    /// `case` as comparisons.
    pub(super) fn case(&mut self, key: &Tree, clauses: &[Tree]) -> Option<Tree> {
        if self.below(2) == 0 {
            return None;
        }
        let name = self.name();
        let clauses: Option<Vec<Tree>> = clauses
            .iter()
            .map(|clause| {
                let (data, body) = clause.items()?.split_first()?;
                if data.is("else") {
                    return Some(clause.clone());
                }
                let tests = data.items()?.iter().map(|datum| form("=", [name.clone(), datum.clone()]));
                Some(list([form("or", tests)].into_iter().chain(body.iter().cloned())))
            })
            .collect();
        Some(let_one(&name, key.clone(), form("cond", clauses?)))
    }

    /// `when` and `unless`.
    pub(super) fn when(&mut self, head: &str, test: &Tree, body: &[Tree]) -> Option<Tree> {
        let (body, nothing) = (form("begin", body.iter().cloned()), form("void", []));
        let (test, not) = (test.clone(), form("not", [test.clone()]));
        Some(match (head, self.below(4)) {
            ("when", 0) => form("if", [test, body, nothing]),
            (_, 0) => form("if", [test, nothing, body]),
            ("when", 1) => form("unless", [not, body]),
            (_, 1) => form("when", [not, body]),
            ("when", 2) => form("cond", [list([test, body]), form("else", [nothing])]),
            (_, 2) => form("cond", [list([not, body]), form("else", [nothing])]),
            _ => return None,
        })
    }

    pub(super) fn and_or_not(&mut self, head: &str, operands: &[Tree]) -> Option<Tree> {
        // Of something that may be absent, `or` gives what is there.
        if self.below(2) == 0 || operands.iter().any(|operand| operand.form("map-lookup").is_some()) {
            return None;
        }
        Some(match (head, operands) {
            ("and", [a, b]) => form("if", [a.clone(), b.clone(), atom("#f")]),
            ("or", [a, b]) => form("if", [a.clone(), atom("#t"), b.clone()]),
            ("not", [a]) => form("if", [a.clone(), atom("#f"), atom("#t")]),
            _ => return None,
        })
    }
}
