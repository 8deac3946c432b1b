//! Lowering: typed tree → SSA. Never fails.

pub mod global;

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
pub fn lower(_unit: &typed::Unit, _endianness: Endianness) -> Module {
    Module { programs: Vec::new(), functions: Arena::new(), globals: GlobalLayout::default() }
}
