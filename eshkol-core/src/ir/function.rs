//! The data structures of the IR.

use crate::arena::{Arena, ids};
use crate::check::kernel_types::FactId;
pub use crate::check::typed::{ArithmeticOp, AtomicOp, FunctionId, GlobalId, MapId};
use crate::kernel::HelperId;
use crate::source::Span;

ids! {
    /// An SSA value.
    Value = "v";
    /// A basic block.
    Block = "b";
    /// An instruction.
    Inst = "i";
    /// A piece of the stack frame whose address is taken.
    Slot = "s";
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its symbol: a C identifier.
    pub name: String,
    /// The name and place of its definition, for line information.
    pub span: Span,
    /// Every value.
    pub values: Arena<Value, ValueData>,
    /// Every instruction that was ever made; those in no block are dead.
    pub insts: Arena<Inst, InstData>,
    /// Every block that was ever made; those not reachable from `entry` are dead.
    pub blocks: Arena<Block, BlockData>,
    /// Stack memory.
    pub slots: Arena<Slot, SlotData>,
    /// Where it begins; its parameters are the function's (R1 … R5 in order). Nothing jumps to it.
    pub entry: Block,
}

/// What makes a value, and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueData {
    /// What it is.
    pub ty: ValueType,
    /// What makes it.
    pub def: ValueDef,
}

/// What makes a value.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ValueDef {
    /// The result of an instruction.
    Inst(Inst),
    /// The parameter of a block, by position.
    Param(Block, u32),
}

/// What kind of word a value is. Two pointers of different regions never alias (except `Memory`, which aliases all).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum ValueType {
    /// A number.
    Int,
    /// The context.
    Context,
    /// An address in this function's frame.
    Stack,
    /// An address in a map value, or null right after a lookup.
    MapValue,
    /// An address in the packet, or null.
    Packet,
    /// The end of the packet: only compared.
    PacketEnd,
    /// A map itself.
    Map,
    /// A function of the unit, as helpers that call it take it.
    Function,
    /// An address in a global data section.
    Global,
    /// An address in a ring buffer record, or null.
    RingBuffer,
    /// An address in the kernel of which the verifier knows what is there, or null. Only read.
    Kernel,
    /// Any other address.
    Memory,
}

/// An instruction: what it does, the value it makes, where it comes from.
#[derive(Clone, Debug)]
pub struct InstData {
    /// What it does.
    pub op: Op,
    /// The value it makes; `None` for stores and other instructions without one.
    pub result: Option<Value>,
    /// The source it comes from.
    pub span: Span,
}

/// 64-bit operation, or 32-bit with the upper half of the result zero.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Width {
    /// 32 bits.
    W32,
    /// 64 bits.
    W64,
}

/// Operations on one value.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum UnaryOp {
    /// Two's complement negation.
    Neg,
    /// The low 8 bits, zero-extended.
    ZExt8,
    /// The low 16 bits, zero-extended.
    ZExt16,
    /// The low 32 bits, zero-extended.
    ZExt32,
    /// The low 8 bits, sign-extended to 64.
    SExt8,
    /// The low 16 bits, sign-extended to 64.
    SExt16,
    /// The low 32 bits, sign-extended to 64.
    SExt32,
    /// The low 16 bits from host to network order or back, zero-extended.
    ToBig16,
    /// The low 32 bits from host to network order or back, zero-extended.
    ToBig32,
    /// All 64 bits from host to network order or back.
    ToBig64,
    /// The low 16 bits with their bytes reversed, zero-extended.
    Swap16,
    /// The low 32 bits with their bytes reversed, zero-extended.
    Swap32,
    /// All bytes reversed.
    Swap64,
    /// The same number, and what the verifier learns of either it does not know of the other.
    Apart,
}

/// Bytes of a memory access.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum MemorySize {
    /// 1
    B1,
    /// 2
    B2,
    /// 4
    B4,
    /// 8
    B8,
}

impl MemorySize {
    /// Bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Self::B1 => 1,
            Self::B2 => 2,
            Self::B4 => 4,
            Self::B8 => 8,
        }
    }
}

/// A section of global data; each becomes one map.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum GlobalSection {
    /// All that is read-only in programs.
    Rodata,
    /// A global that is read and written. It has a section, and so a map, of its own: user space writes a map's value as a
    /// whole, and must not undo what a program does to another global meanwhile.
    Data(GlobalId),
}

/// What an instruction does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// A number; where the result is a pointer, 0: the absent one.
    Const(i64),
    /// Arithmetic. A pointer plus or minus a number is a pointer of the same type; two pointers can only be subtracted.
    Binary(ArithmeticOp, Width, Value, Value),
    /// Arithmetic on one value.
    Unary(UnaryOp, Value),
    /// Reads memory, zero-extended, or sign-extended to 64 bits where `signed`. The result's type says what was read
    /// (a context's `data` field gives a `Packet`).
    Load { size: MemorySize, signed: bool, base: Value, offset: i32 },
    /// Writes the low bytes of `value`.
    Store { size: MemorySize, base: Value, offset: i32, value: Value },
    /// A read-modify-write of 4 or 8 bytes (B4, B8). A result is the old value (fetching).
    Atomic { op: AtomicOp, size: MemorySize, base: Value, offset: i32, value: Value },
    /// Compare and exchange of 4 or 8 bytes; the result is the old value.
    CompareExchange { size: MemorySize, base: Value, offset: i32, expected: Value, value: Value },
    /// The address of a stack slot.
    SlotAddress(Slot),
    /// The number 0, of which the kernel's verifier can't know that it is: read from a slot of at least 4 bytes, aligned to 8,
    /// that nothing else uses.
    HiddenZero(Slot),
    /// The same number, of which the verifier knows nothing: `zero` is a [`Self::HiddenZero`].
    Hide { value: Value, zero: Value },
    /// A number that the loader finds out about the running kernel. `local` is what it is for the declared types.
    Fact { fact: FactId, local: i32 },
    /// A map, as helpers take it.
    Map(MapId),
    /// A function of the unit, as helpers that call it take it.
    FunctionAddress(FunctionId),
    /// An address in a global data section.
    GlobalAddress { section: GlobalSection, offset: u32 },
    /// A helper of the kernel: at most five arguments. May read and write all memory whose address it is given.
    CallHelper { helper: HelperId, arguments: Vec<Value> },
    /// A function of the unit: at most five arguments.
    CallFunction { function: FunctionId, arguments: Vec<Value> },
}

/// How two words are compared.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Condition {
    /// `=`
    Equal,
    /// `≠`
    NotEqual,
    /// unsigned `<`
    Below,
    /// unsigned `≤`
    BelowEqual,
    /// unsigned `>`
    Above,
    /// unsigned `≥`
    AboveEqual,
    /// signed `<`
    Less,
    /// signed `≤`
    LessEqual,
    /// signed `>`
    Greater,
    /// signed `≥`
    GreaterEqual,
    /// The bits in common are not all zero.
    BitsSet,
}

/// A block to go to, and the arguments for its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Where to.
    pub block: Block,
    /// One for each parameter.
    pub arguments: Vec<Value>,
}

/// How a block ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Terminator {
    /// Always to one block.
    Jump(Target),
    /// To one of two blocks.
    Branch {
        /// What is asked of `lhs` and `rhs`.
        condition: Condition,
        /// Of how many low bits.
        width: Width,
        /// Left.
        lhs: Value,
        /// Right.
        rhs: Value,
        /// Where it holds.
        then: Target,
        /// Where it does not.
        otherwise: Target,
    },
    /// Ends the function with a value.
    Return(Value),
}

/// A basic block.
#[derive(Clone, Debug)]
pub struct BlockData {
    /// Values bound by the jumps to it.
    pub params: Vec<Value>,
    /// Instructions in order.
    pub insts: Vec<Inst>,
    /// How it ends. While a function is being built this may be a placeholder `Jump` to itself.
    pub terminator: Terminator,
    /// Where the terminator comes from.
    pub span: Span,
}

/// Stack memory whose address is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotData {
    /// Bytes.
    pub size: u32,
    /// What its address is a multiple of: 1, 2, 4 or 8.
    pub align: u32,
}
