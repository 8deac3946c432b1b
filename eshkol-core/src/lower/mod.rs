//! Lowering: typed tree → SSA. Never fails.
//!
//! What the checker guarantees ([`typed`]) is taken for granted; where it is broken all the same, the result is code that
//! does something harmless, never a panic.
//!
//! One traversal, aimed at a destination: `function` says where the value of an expression in tail position goes (a
//! block that takes it, two blocks for the two outcomes of a test, the caller), so that choices nested in tests or in
//! each other's branches become jumps and no values. `expression` is what remains: expressions whose value is wanted
//! here. Every instruction carries the span of the expression it comes from.

mod arithmetic;
mod call;
mod expression;
mod fresh;
mod function;
pub mod global;
mod kernel;
mod loops;
mod memory;
mod packet;
mod place;
mod stack;
mod test;
#[cfg(test)]
mod tests;

use crate::arena::Arena;
use crate::check::typed;
use crate::compile::Endianness;
use crate::ir::{Function, FunctionId};
pub use global::GlobalLayout;

/// A unit as SSA.
#[derive(Clone, Debug)]
pub struct Module {
    /// One for each program of the unit, in order.
    pub programs: Vec<Function>,
    /// One for each function of the unit.
    pub functions: Arena<FunctionId, Function>,
    /// Where globals lie.
    pub globals: GlobalLayout,
}

impl Module {
    /// Every function: the programs' first.
    pub fn functions_mut(&mut self) -> impl Iterator<Item = &mut Function> {
        self.programs.iter_mut().chain(self.functions.iter_mut().map(|(_, function)| function))
    }
}

/// Lowers a unit.
pub fn lower(unit: &typed::Unit, endianness: Endianness) -> Module {
    let globals = GlobalLayout::new(unit, endianness);
    let lower = |function| function::lower(unit, function, &globals, endianness);
    let programs = unit.programs.iter().map(|program| lower(&program.entry)).collect();
    let functions = unit.functions.values().map(lower).collect();
    Module { programs, functions, globals }
}
