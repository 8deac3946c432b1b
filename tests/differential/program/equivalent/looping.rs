//! Loops in other words.

use super::Rewriter;
use super::tree::{Tree, atom, form, let_one, list};

/// `0` and the end, of `(range 0 end)`.
fn bounds(range: &Tree) -> Option<(Tree, Tree)> {
    match range.form("range")? {
        [start, end] => Some((start.clone(), end.clone())),
        _ => None,
    }
}

fn next(variable: &Tree) -> Tree {
    form("+", [variable.clone(), atom("1")])
}

impl Rewriter {
    /// `(for (x in (range a b)) body …)`
    pub(super) fn for_form(&mut self, clause: &Tree, body: &[Tree]) -> Option<Tree> {
        let [variable, _, sequence] = clause.items()? else { return None };
        let body = body.iter().cloned();
        let (start, end) = bounds(sequence)?;
        let (name, last) = (self.name(), self.name());
        let variable = variable.clone();
        let past = form(">=", [variable.clone(), last.clone()]);
        Some(match self.below(5) {
            0 => {
                let loop_form = form(
                    "do",
                    [list([list([variable.clone(), start, next(&variable)])]), list([past])].into_iter().chain(body),
                );
                let_one(&last, end, loop_form)
            }
            1 => {
                let again = list([name.clone(), next(&variable)]);
                let round = form("unless", [past].into_iter().chain(body).chain([again]));
                let loop_form = form("let", [name, list([list([variable, start])]), round]);
                let_one(&last, end, loop_form)
            }
            2 => form("for-each", [form("lambda", [list([variable])].into_iter().chain(body)), sequence.clone()]),
            3 => {
                let inside = let_one(&variable, name.clone(), form("begin", body));
                let step = form("set!", [name.clone(), next(&name)]);
                let test = form("<", [name.clone(), last.clone()]);
                let loop_form = form("while", [test, inside, step]);
                let_one(&last, end, let_one(&name, start, loop_form))
            }
            _ => return None,
        })
    }

    /// `(fold (lambda (x sum) step) start (range a b))`
    pub(super) fn fold(&mut self, procedure: &Tree, start: &Tree, sequence: &Tree) -> Option<Tree> {
        let [parameters, step] = procedure.form("lambda")? else { return None };
        let [variable, sum] = parameters.items()? else { return None };
        let (from, end) = bounds(sequence)?;
        if self.below(2) == 0 || !end.is_pure() {
            return None;
        }
        let (first, last) = (self.name(), self.name());
        let test = form(">=", [variable.clone(), last.clone()]);
        let variables =
            [list([variable.clone(), from, next(variable)]), list([sum.clone(), first.clone(), step.clone()])];
        let loop_form = form("do", [list(variables), list([test, sum.clone()])]);
        Some(let_one(&first, start.clone(), let_one(&last, end, loop_form)))
    }

    /// `(do ((x init step) …) (test result) body …)` as a procedure that calls itself.
    pub(super) fn do_form(&mut self, variables: &Tree, exit: &Tree, body: &[Tree]) -> Option<Tree> {
        let [test, result] = exit.items()? else { return None };
        let name = self.name();
        let (mut first, mut again) = (vec![], vec![name.clone()]);
        for variable in variables.items()? {
            let [variable, start, step] = variable.items()? else { return None };
            first.push(list([variable.clone(), start.clone()]));
            again.push(step.clone());
        }
        let round = form("begin", body.iter().cloned().chain([Tree::List(again)]));
        Some(match self.below(3) {
            0 => form("let", [name, Tree::List(first), form("if", [test.clone(), result.clone(), round])]),
            1 => {
                let round = form("if", [form("not", [test.clone()]), round, result.clone()]);
                form("let", [name, Tree::List(first), round])
            }
            _ => return None,
        })
    }

    /// `(let name ((x init) …) body)` as what R7RS says it is.
    pub(super) fn named_let(&mut self, name: &Tree, bindings: &Tree, body: &Tree) -> Option<Tree> {
        let (mut parameters, mut arguments) = (vec![], vec![]);
        for binding in bindings.items()? {
            let [variable, start] = binding.items()? else { return None };
            parameters.push(variable.clone());
            arguments.push(start.clone());
        }
        let call = |callee: Tree| list([callee].into_iter().chain(arguments.clone()));
        Some(match self.below(4) {
            0 => {
                let header = list([name.clone()].into_iter().chain(parameters));
                form("let", [list([]), form("define", [header, body.clone()]), call(name.clone())])
            }
            1 => {
                let lambda = form("lambda", [Tree::List(parameters), body.clone()]);
                form("letrec", [list([list([name.clone(), lambda])]), call(name.clone())])
            }
            2 => self.counted(name, bindings, body)?,
            _ => return None,
        })
    }

    /// A named `let` that goes on while a comparison holds, as `do`.
    fn counted(&mut self, name: &Tree, bindings: &Tree, body: &Tree) -> Option<Tree> {
        let [test, again, result] = body.form("if")? else { return None };
        let (callee, steps) = again.items()?.split_first()?;
        if callee != name {
            return None;
        }
        let variables: Option<Vec<Tree>> = bindings
            .items()?
            .iter()
            .zip(steps)
            .map(|(binding, step)| Some(list(binding.items()?.iter().cloned().chain([step.clone()]))))
            .collect();
        Some(form("do", [Tree::List(variables?), list([form("not", [test.clone()]), result.clone()])]))
    }

    /// `(while test body …)`
    pub(super) fn while_form(&mut self, test: &Tree, body: &[Tree]) -> Option<Tree> {
        let name = self.name();
        let body = body.iter().cloned();
        Some(match self.below(3) {
            0 => {
                let round = form("when", [test.clone()].into_iter().chain(body).chain([list([name.clone()])]));
                form("let", [name, list([]), round])
            }
            1 => form("do", [list([]), list([form("not", [test.clone()])])].into_iter().chain(body)),
            _ => return None,
        })
    }

    /// `(for-each (lambda (x) body) (list a b …))`, each written out.
    pub(super) fn for_each(&mut self, procedure: &Tree, sequence: &Tree) -> Option<Tree> {
        let elements = sequence.form("list")?;
        if self.below(2) == 0 {
            return None;
        }
        let names: Vec<Tree> = elements.iter().map(|_| self.name()).collect();
        let bindings = names.iter().zip(elements).map(|(name, element)| list([name.clone(), element.clone()]));
        let calls = names.iter().map(|name| list([procedure.clone(), name.clone()]));
        Some(form("let*", [list(bindings)].into_iter().chain(calls)))
    }
}
