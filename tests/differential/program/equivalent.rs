//! A program, said in other words: forms that mean the same in place of those written.
//!
//! The evaluator takes the checker's word for what a program means. Where the checker reads a form wrongly, the program and its
//! double differ.

mod binding;
mod choice;
mod comparison;
mod looping;
mod tree;

use crate::choices::Random;
use tree::{Tree, atom};

/// The same program, with one in `rarity` of its forms in other words, as far as there are others.
pub(crate) fn equivalent(text: &str, seed: u64, rarity: usize) -> String {
    let mut rewriter = Rewriter { random: Random::new(seed), rarity, names: 0 };
    let mut whole = String::new();
    for tree in tree::read(text) {
        rewriter.rewritten(tree).print(&mut whole);
    }
    whole
}

struct Rewriter {
    random: Random,
    rarity: usize,
    names: usize,
}

impl Rewriter {
    fn below(&mut self, end: usize) -> usize {
        self.random.below(end)
    }

    /// A name that the generator does not give.
    fn name(&mut self) -> Tree {
        self.names += 1;
        atom(&format!("w{}", self.names))
    }

    /// From the inside out.
    fn rewritten(&mut self, tree: Tree) -> Tree {
        let Tree::List(items) = tree else { return tree };
        if items.first().is_some_and(|head| ["define-syntax", "syntax-rules", "quote"].iter().any(|name| head.is(name)))
        {
            return Tree::List(items);
        }
        let items: Vec<Tree> = items.into_iter().map(|item| self.rewritten(item)).collect();
        let other = (self.below(self.rarity) == 0).then(|| self.other(&items)).flatten();
        other.unwrap_or(Tree::List(items))
    }

    fn other(&mut self, items: &[Tree]) -> Option<Tree> {
        let (head, rest) = items.split_first()?;
        match (head.atom()?, rest) {
            (head @ ("=" | "<" | ">" | "<=" | ">="), _) => self.comparison(head, rest),
            (head @ ("zero?" | "positive?" | "negative?" | "even?" | "odd?"), [operand]) => self.of_one(head, operand),
            ("if", [test, then, otherwise]) => self.if_form(test, then, otherwise),
            ("cond", clauses) => self.cond(clauses),
            ("case", [key, clauses @ ..]) => self.case(key, clauses),
            (head @ ("when" | "unless"), [test, body @ ..]) => self.when(head, test, body),
            (head @ ("and" | "or" | "not"), operands) => self.and_or_not(head, operands),
            ("for", [clause, body @ ..]) => self.for_form(clause, body),
            ("for-each", [procedure, sequence]) => self.for_each(procedure, sequence),
            ("fold", [procedure, start, sequence]) => self.fold(procedure, start, sequence),
            ("do", [variables, exit, body @ ..]) => self.do_form(variables, exit, body),
            ("while", [test, body @ ..]) => self.while_form(test, body),
            ("let", [name @ Tree::Atom(_), bindings, body]) => self.named_let(name, bindings, body),
            ("let", [bindings, body @ ..]) => self.let_form(bindings, body),
            ("let*", [bindings, body @ ..]) => self.let_star(bindings, body),
            ("let-values", [bindings, body]) => self.let_values(bindings, body),
            ("set!", [variable, value]) => self.set(variable, value),
            ("define", [header, rest @ ..]) => self.procedure(header, rest),
            (
                head @ ("+" | "-" | "*" | "bitwise-and" | "bitwise-ior" | "bitwise-xor" | "quotient" | "remainder"
                | "modulo" | "arithmetic-shift" | "min" | "max"),
                operands,
            ) => self.operation(head, operands),
            _ => None,
        }
    }
}
