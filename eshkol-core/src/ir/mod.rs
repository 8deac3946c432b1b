//! SSA with block parameters.
//!
//! Every value is one 64-bit word. There are no phi instructions: a jump passes arguments to the parameters of the block
//! it goes to. Pointers and integers are told apart by [`ValueType`], because the kernel's verifier does.

mod address;
pub mod builder;
pub mod cfg;
pub mod check;
pub mod dominators;
pub mod evaluate;
pub mod function;
#[cfg(test)]
pub(crate) mod interpret;
mod mnemonic;
mod operands;
pub mod parse;
pub mod print;
pub mod redundant_params;
pub mod substitution;

pub use builder::{FunctionBuilder, Variable};
pub use cfg::Cfg;
pub use check::check;
pub use dominators::Dominators;
pub use function::{
    ArithmeticOp, AtomicOp, Block, BlockData, Condition, Function, FunctionId, GlobalId, GlobalSection, Inst, InstData,
    MapId, MemorySize, Op, Slot, SlotData, Target, Terminator, UnaryOp, Value, ValueData, ValueDef, ValueType, Width,
};
pub use parse::parse;
pub use substitution::Substitution;
