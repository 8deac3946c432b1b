//! SSA with block parameters.
//!
//! Every value is one 64-bit word. There are no phi instructions: a jump passes arguments to the parameters of the block
//! it goes to. Pointers and integers are told apart by [`ValueType`], because the kernel's verifier does.

pub mod builder;
pub mod cfg;
pub mod function;
mod operands;
pub mod redundant_params;

pub use builder::{FunctionBuilder, Variable};
pub use cfg::Cfg;
pub use function::{
    ArithmeticOp, AtomicOp, Block, BlockData, Condition, Function, FunctionId, GlobalSection, Inst, InstData, MapId,
    MemorySize, Op, Slot, SlotData, Target, Terminator, UnaryOp, Value, ValueData, ValueDef, ValueType, Width,
};
