//! Trees made by hand, lowered: what the IR is, and what it does when it runs.

mod calls;
mod control;
mod global;
mod memory;
mod packet;
mod random;
mod stack;
mod tree;

use tree::{Scope, unit_of};

use crate::arena::Id as _;
use crate::check::typed::{Expr, Function, LocalId};
use crate::compile::Endianness;
use crate::ir;
use crate::ir::interpret::{Input, Outcome, run};

const BOTH: [Endianness; 2] = [Endianness::Little, Endianness::Big];

/// Lowers an entry procedure and checks what comes out.
fn lowered(entry: &Function, endianness: Endianness) -> ir::Function {
    let mut module = super::lower(&unit_of(entry.clone()), endianness);
    let function = module.programs.remove(0);
    if let Err(errors) = ir::check(&function) {
        panic!("{}\n{function}", errors.join("\n"));
    }
    function
}

/// The text of a lowered entry procedure, without the frame around it.
fn text(entry: &Function) -> String {
    lowered(entry, Endianness::Little).to_string()
}

/// What a procedure does with a seed for what memory holds.
fn outcome(entry: &Function, arguments: &[u64], seed: u64, packet_length: u64, endianness: Endianness) -> Outcome {
    let function = lowered(entry, endianness);
    let input = Input { arguments: arguments.to_vec(), packet_length, seed, endianness };
    run(&function, &input, 100_000).unwrap_or_else(|| panic!("does not end:\n{function}"))
}

/// What a procedure with these parameters returns.
fn result(entry: &Function, arguments: &[u64], endianness: Endianness) -> u64 {
    outcome(entry, arguments, 1, 0, endianness).result
}

/// The same, where the byte order doesn't matter.
fn result_of_both(entry: &Function, arguments: &[u64]) -> u64 {
    let results = BOTH.map(|endianness| result(entry, arguments, endianness));
    assert_eq!(results[0], results[1]);
    results[0]
}

/// A procedure whose parameters are numbers.
fn of_numbers(count: usize, body: impl FnOnce(&mut Scope, Vec<Expr>) -> Expr) -> Function {
    let mut scope = Scope::default();
    let parameters: Vec<LocalId> = (0..count).map(|_| scope.parameter(tree::u64_type())).collect();
    assert!(parameters.iter().enumerate().all(|(index, local)| local.index() == index));
    let parameters = parameters.into_iter().map(|local| scope.read(local)).collect();
    let body = body(&mut scope, parameters);
    scope.function(body)
}
