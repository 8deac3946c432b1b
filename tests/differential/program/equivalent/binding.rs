//! Names for things, in other words.

use super::Rewriter;
use super::tree::{Tree, atom, form, let_one, list};

impl Rewriter {
    /// Names what is computed, in order, and makes something of the names; what is written as a number stays so.
    pub(super) fn bound(&mut self, operands: &[Tree], make: impl FnOnce(&[Tree]) -> Tree) -> Tree {
        let (mut names, mut bindings) = (vec![], vec![]);
        for operand in operands {
            if operand.is_literal() || operand.atom().is_some() && operands.iter().all(Tree::is_pure) {
                names.push(operand.clone());
            } else {
                let name = self.name();
                // A name for what a map holds would be read later.
                let value = if operand.mentions_entry() {
                    form("bitwise-ior", [operand.clone(), atom("0")])
                } else {
                    operand.clone()
                };
                bindings.push(list([name.clone(), value]));
                names.push(name);
            }
        }
        let body = make(&names);
        if bindings.is_empty() { body } else { form("let*", [Tree::List(bindings), body]) }
    }

    /// `(let ((x e)) body …)` as a call.
    pub(super) fn let_form(&mut self, bindings: &Tree, body: &[Tree]) -> Option<Tree> {
        let bindings = bindings.items()?;
        if bindings.is_empty() || self.below(3) > 0 {
            return None;
        }
        let (mut parameters, mut arguments) = (vec![], vec![]);
        for binding in bindings {
            let (value, name) = binding.items()?.split_last()?;
            match name {
                [name] => parameters.push(name.clone()),
                _ => parameters.push(Tree::List(name.to_vec())),
            }
            arguments.push(value.clone());
        }
        let lambda = form("lambda", [Tree::List(parameters)].into_iter().chain(body.iter().cloned()));
        Some(list([lambda].into_iter().chain(arguments)))
    }

    /// `let*` as one `let` in another.
    pub(super) fn let_star(&mut self, bindings: &Tree, body: &[Tree]) -> Option<Tree> {
        if self.below(2) == 0 {
            return None;
        }
        let innermost = form("let", [list([])].into_iter().chain(body.iter().cloned()));
        let nested = |body, binding: &Tree| form("let", [list([binding.clone()]), body]);
        Some(bindings.items()?.iter().rev().fold(innermost, nested))
    }

    /// `(let-values (((a b) e)) body)` as two procedures.
    pub(super) fn let_values(&mut self, bindings: &Tree, body: &Tree) -> Option<Tree> {
        let [binding] = bindings.items()? else { return None };
        let [names, values] = binding.items()? else { return None };
        if self.below(2) == 0 {
            return None;
        }
        let producer = form("lambda", [list([]), values.clone()]);
        Some(form("call-with-values", [producer, form("lambda", [names.clone(), body.clone()])]))
    }

    /// An operation on numbers.
    pub(super) fn operation(&mut self, head: &str, operands: &[Tree]) -> Option<Tree> {
        let commutes = matches!(head, "+" | "*" | "bitwise-and" | "bitwise-ior" | "bitwise-xor");
        Some(match (self.below(5), operands) {
            (0, [a, b]) if commutes && a.is_pure() && b.is_pure() => form(head, [b.clone(), a.clone()]),
            (1, _) => self.bound(operands, |operands| form(head, operands.to_vec())),
            (2, [a, b, c]) if commutes => form(head, [form(head, [a.clone(), b.clone()]), c.clone()]),
            _ => return None,
        })
    }

    /// `(set! x e)`
    pub(super) fn set(&mut self, variable: &Tree, value: &Tree) -> Option<Tree> {
        let name = self.name();
        (self.below(3) == 0).then(|| let_one(&name, value.clone(), form("set!", [variable.clone(), name.clone()])))
    }

    /// A procedure as a macro, which is put in place of every call.
    pub(super) fn procedure(&mut self, header: &Tree, rest: &[Tree]) -> Option<Tree> {
        let (name, parameters) = header.items()?.split_first()?;
        let is_numbered = name.atom()?.strip_prefix('p').is_some_and(|rest| rest.parse::<u32>().is_ok());
        if !is_numbered || self.below(3) > 0 {
            return None;
        }
        let (body, result) = match rest {
            [colon, ty, body @ ..] if colon.is(":") => (body, Some(ty)),
            body => (body, None),
        };
        let inner = form("let", [list([])].into_iter().chain(body.iter().cloned()));
        let inner = match result {
            Some(ty) => form("the", [ty.clone(), inner]),
            None => inner,
        };
        let lambda = form("lambda", [list(parameters.iter().cloned()), inner]);
        let arguments: Vec<Tree> = parameters.iter().map(|_| self.name()).collect();
        let pattern = list([atom("_")].into_iter().chain(arguments.clone()));
        let template = list([lambda].into_iter().chain(arguments));
        Some(form("define-syntax", [name.clone(), form("syntax-rules", [list([]), list([pattern, template])])]))
    }
}
