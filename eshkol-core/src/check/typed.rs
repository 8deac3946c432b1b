//! The typed tree: what the checker proves a program to mean. Lowering reads it, and so does anything that wants to
//! know what a program *means* without generating code.
//!
//! Guarantees, on which lowering relies without asking:
//!
//! * Every procedure used as a value has been specialised away: a call is either [`ExprKind::Call`] of a [`Function`],
//!   a helper, or the callee's body bound with [`ExprKind::Let`].
//! * No test is anything but a `Bool`. An optional is tested by [`ExprKind::IsPresent`], and used as a reference only
//!   through [`ExprKind::Present`] where it is known present.
//! * Every [`Place`] is in bounds of what its base points to, every divisor is non-zero, every shift is below 64, every
//!   loop ends.
//! * A local is bound once ([`ExprKind::Let`], [`ExprKind::LetValues`], [`ExprKind::Loop`], a parameter) and in scope where it is used.

mod declared;

use std::sync::Arc;

pub use declared::{
    Buckets, Constant, ConstantValue, Global, GlobalInit, HiddenGlobal, HiddenMap, Histogram, Kfunc, KfuncParameter,
    LogKind, LogLine, LogPart, Map,
};

use super::kernel_types::{Fact, FactId, KernelPointer};
use super::types::{DataType, Storage, StructId, Types};
use crate::arena::{Arena, ids};
use crate::kernel::program_type::AttachType;
use crate::kernel::{HelperId, KernelVersion, ProgramType};
use crate::source::Span;
use crate::syntax::Name;

ids! {
    /// A local variable of one function.
    LocalId = "local";
    /// A loop of one function.
    LoopId = "loop";
    /// A map of the unit.
    MapId = "map";
    /// A global variable of the unit.
    GlobalId = "global";
    /// A function that stays a function (BPF-to-BPF call).
    FunctionId = "fn";
    /// A function of the kernel that the unit declares.
    KfuncId = "kfunc";
}

/// A checked unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its name in kebab case: of the first program, or of `define-ebpf-object`.
    pub name: Name,
    /// The naming token.
    pub name_span: Span,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// `(license "…")`; the same for all programs of a unit, since they are loaded as one object.
    pub license: Arc<str>,
    /// `(min-kernel "…")`, the newest that any program of the unit asks for.
    pub min_kernel: KernelVersion,
    /// Structs and enums.
    pub types: Types,
    /// Maps, in order of definition.
    pub maps: Arena<MapId, Map>,
    /// Globals, in order of definition.
    pub globals: Arena<GlobalId, Global>,
    /// Constants, in order of definition: those that can be said in Rust, and have a name of their own there.
    pub constants: Vec<Constant>,
    /// Programs, in order of definition.
    pub programs: Vec<Program>,
    /// Functions that programs call.
    pub functions: Arena<FunctionId, Function>,
    /// Functions of the kernel that programs may call, in order of definition.
    pub kfuncs: Arena<KfuncId, Kfunc>,
    /// What programs ask of the running kernel.
    pub facts: Arena<FactId, Fact>,
    /// What programs log; a record begins with its number here.
    pub log: Vec<LogLine>,
}

/// A program: an entry point the kernel calls.
#[derive(Clone, Debug)]
pub struct Program {
    /// `(define-ebpf-program NAME …)`.
    pub name: Name,
    /// The naming token.
    pub name_span: Span,
    /// `;;;` text of the entry procedure, or else of the program.
    pub doc: Option<Arc<str>>,
    /// Its type.
    pub program_type: ProgramType,
    /// `(attach-point "…")`, in order.
    pub attach_points: Vec<(Arc<str>, Span)>,
    /// `(sleepable)`.
    pub sleepable: bool,
    /// `(frags)`.
    pub frags: bool,
    /// The entry procedure: one parameter, the context; its name is what Rust and the kernel see.
    pub entry: Function,
    /// For one that no text defines: the entry of the return probe for which it saves what functions are called with. It is attached wherever that is,
    /// and before it.
    pub saves_arguments_of: Option<Name>,
}

impl Program {
    /// The hook that it is made for, where its type has several and its attach points name one.
    pub fn attach_type(&self) -> Option<&'static AttachType> {
        self.program_type.hook(self.attach_points.iter().map(|(point, _)| &**point))
    }
}

/// A procedure that stays one: an entry point or a BPF-to-BPF function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name in the source.
    pub name: Name,
    /// The naming token.
    pub name_span: Span,
    /// The whole definition.
    pub span: Span,
    /// Parameters: at most five, each one machine word.
    pub parameters: Vec<LocalId>,
    /// Every local of the function.
    pub locals: Arena<LocalId, Local>,
    /// How many loops there are.
    pub loops: Arena<LoopId, Loop>,
    /// The value it returns: a scalar.
    pub body: Expr,
}

/// A local variable.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its spelling, for printing.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Whether an [`ExprKind::Set`] changes it after it is bound.
    pub mutated: bool,
}

/// What is known of a loop.
#[derive(Clone, Debug)]
pub struct Loop {
    /// The most times the body can run.
    pub trips: u64,
    /// The body was found small and `trips` few: write it out `trips` times.
    pub unroll: bool,
    /// By what the kernel's verifier is shown that each round is another, where it must be.
    pub numbered: Option<Numbered>,
    /// Numbers that are carried from round to round, and that the kernel's verifier must not know.
    pub forgotten: Vec<Forgotten>,
    /// It carries a place in the packet that ways through a round move differently, so that the verifier takes none of them for another.
    pub ways_multiply: bool,
}

/// A number that is another in each round, and that the kernel's verifier knows.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Numbered {
    /// A variable of the loop, and what it would be after the last round.
    By(LocalId, u64),
    /// The number of the round, which the loop has no variable for.
    Apart,
}

/// A number that the kernel's verifier must not know where a round begins.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Forgotten {
    /// The variable.
    pub local: LocalId,
    /// How many low bits it has.
    pub bits: u32,
    /// The verifier is to know that the others repeat the highest of them. Else that they are zero.
    pub signed: bool,
}

/// The type of a run-time value, and so how lowering holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Type {
    /// Nothing. No machine word.
    Unit,
    /// The expression does not return (`Continue`). Fits anywhere.
    Never,
    /// One word: an integer of this type, held zero- or sign-extended to 64 bits; a `Bool` (0 or 1), an enum (`U32`), an IPv4
    /// address (as a host-order number), a MAC address (its 6 bytes as a 48-bit number, first byte in memory lowest on a
    /// little-endian target; only loaded, stored and compared for equality), a verdict (`I32`). `DataType::{Int, Bool, Ipv4, Mac, Enum}`
    /// only, never an array or struct.
    Scalar(DataType),
    /// Two words: the 16 bytes of an IPv6 address as two native 64-bit loads would give them, first half first.
    Ipv6,
    /// What a program of this type returns: one word.
    Verdict(ProgramType),
    /// One word, never null: the address of a place.
    Ref(RefType),
    /// One word: such an address, or 0 for absent.
    Optional(RefType),
    /// One word: a place in the packet of which nothing is proven yet.
    Cursor,
    /// One word: the context pointer.
    Context(ProgramType),
    /// One word: an address in the kernel's memory, or 0. What is read there where there is nothing is 0.
    Kernel(KernelPointer),
    /// Several values at once, of `values`. Words of the parts in order.
    Values(Vec<Type>),
}

/// What a reference points to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefType {
    /// What is there.
    pub target: RefTarget,
    /// Whose memory it is.
    pub region: Region,
}

/// What is behind a reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefTarget {
    /// Data of a map, field or global.
    Data(DataType),
    /// A packet header: this many bytes are proven.
    Header {
        /// Which header.
        header: Name,
        /// Bytes proven.
        size: u32,
    },
}

/// Whose memory a reference points to.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Region {
    /// The value of a map.
    MapValue,
    /// The stack of this function.
    Stack,
    /// The packet.
    Packet,
    /// A global of the unit (the object's data sections).
    Global,
    /// A record of this ring buffer.
    RingBuffer(MapId),
    /// Any of these: the value of an `If` whose branches refer to different regions. Treat it as all of them at once
    /// (aligned accesses, aliases everything).
    Any,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Its type.
    pub ty: Type,
    /// Its place, for line information.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// Somewhere in memory: `base + offset + index * scale`, in bounds.
#[derive(Clone, Debug)]
pub struct Place {
    /// A `Ref`.
    pub base: Box<Expr>,
    /// Bytes from where `base` points.
    pub offset: u32,
    /// A dynamic element: its number and the bytes of one. The number is proven to stay in bounds by a range that the
    /// kernel's verifier can see, too.
    pub index: Option<(Box<Expr>, u32)>,
    /// What the whole address is a multiple of, as far as is known (the stack is checked for alignment by the kernel).
    pub align: u32,
}

/// An expression without type and place.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// No value.
    Unit,
    /// A word: an integer (its bits extended to 64), a boolean, an address, a verdict.
    Constant(u64),
    /// An IPv6 address, as it lies in memory.
    Ipv6Constant([u8; 16]),
    /// A MAC address, as it lies in memory (how that is one word depends on the target's byte order).
    MacConstant([u8; 6]),
    /// Reads a local.
    Local(LocalId),
    /// Binds a local in `body`.
    Let { local: LocalId, value: Box<Expr>, body: Box<Expr> },
    /// Binds the parts of a [`Type::Values`].
    LetValues { locals: Vec<LocalId>, value: Box<Expr>, body: Box<Expr> },
    /// Makes a [`Type::Values`].
    Values(Vec<Expr>),
    /// Changes a local. Gives no value.
    Set { local: LocalId, value: Box<Expr> },
    /// All in order; the value of the last. Never empty.
    Seq(Vec<Expr>),
    /// A choice; `test` is a `Bool`. The branches have the type of the whole, or `Never`; where the whole is `Unit` the
    /// branches' values are dropped.
    If { test: Box<Expr>, then: Box<Expr>, otherwise: Box<Expr> },
    /// Binds the loop's variables and runs the body; `Continue` binds them anew and runs it again. The value is the body's.
    Loop { id: LoopId, variables: Vec<(LocalId, Expr)>, body: Box<Expr> },
    /// The next round of an enclosing loop; all arguments are evaluated before any variable changes. In tail position
    /// of the loop's body.
    Continue { id: LoopId, arguments: Vec<Expr> },

    /// 64-bit arithmetic that wraps.
    Arithmetic { op: ArithmeticOp, lhs: Box<Expr>, rhs: Box<Expr> },
    /// The value kept to the low bits of this expression's scalar type, and extended as it says.
    Cast(Box<Expr>),
    /// Reverses the lowest 2, 4 or 8 bytes; what is above becomes zero.
    ByteSwap { bytes: u32, value: Box<Expr> },
    /// A number whose lowest 2, 4 or 8 bytes are as memory has them in network order, as the machine has it, or back; what is above
    /// becomes zero.
    NetworkOrder { bytes: u32, value: Box<Expr> },
    /// How many bits are set.
    BitCount(Box<Expr>),
    /// The same number, of which the kernel's verifier is to know nothing.
    Hidden(Box<Expr>),
    /// A copy of a number of which the kernel's verifier may learn what it is not to know of the number.
    Apart(Box<Expr>),
    /// A `Bool`. Words are compared as 64-bit numbers; `Equal` and `NotEqual` also compare two `Ipv6`.
    Compare { op: CompareOp, lhs: Box<Expr>, rhs: Box<Expr> },
    /// `Bool` negation.
    Not(Box<Expr>),

    /// `Bool`: whether an optional is there.
    IsPresent(Box<Expr>),
    /// An optional that is known to be there, as a reference.
    Present(Box<Expr>),
    /// A reference as an optional that is there.
    Some(Box<Expr>),
    /// The absent optional.
    Absent,

    /// Reads a scalar, IPv6 or MAC address; or, as a native 64-bit number, a reference that was stored as one.
    Load { place: Place, storage: Storage },
    /// Writes a scalar, IPv6 or MAC address (low bits). For a bit field, the other bits stay. Gives no value.
    Store { place: Place, storage: Storage, value: Box<Expr> },
    /// Copies `bytes` from one reference to another. Gives no value.
    Copy { to: Place, from: Place, bytes: u32 },
    /// The address of a part of what a reference points to.
    Address(Place),
    /// Fresh stack memory for a struct or array, all zero but for the given parts. A `Ref` to it.
    Allocate { data: DataType, parts: Vec<Part> },
    /// A read-modify-write in one step. With `fetch`, the old value.
    Atomic { op: AtomicOp, place: Place, storage: Storage, value: Box<Expr>, fetch: bool },
    /// Compares with `expected` and, where equal, stores `value`. The old value.
    CompareExchange { place: Place, storage: Storage, expected: Box<Expr>, value: Box<Expr> },
    /// A global. A `Ref`.
    Global(GlobalId),

    /// Reads a field of the context: bytes at an offset, as the kernel's context struct has them. 16 bytes are an `Ipv6`.
    ContextLoad { context: Box<Expr>, offset: u32, bytes: u32 },
    /// Writes a field of the context, or 16 bytes with an `Ipv6`. Gives no value.
    ContextStore { context: Box<Expr>, offset: u32, bytes: u32, value: Box<Expr> },
    /// Where the packet begins. A `Cursor`.
    PacketStart(Box<Expr>),
    /// The packet's length in bytes: end minus start. A `U64` scalar.
    PacketLength(Box<Expr>),
    /// How far a cursor is from where the packet begins. A `U64` scalar, of which the kernel's verifier knows nothing.
    PacketDistance {
        /// The context, to find the packet's start.
        context: Box<Expr>,
        /// The cursor.
        cursor: Box<Expr>,
    },
    /// A header at a cursor: present where `size` bytes are before the end of the packet. An `Optional`.
    Parse {
        /// The context, to find the packet's end.
        context: Box<Expr>,
        /// Where.
        cursor: Box<Expr>,
        /// Bytes wanted.
        size: u32,
    },
    /// A cursor so many bytes after a reference into the packet or another cursor. `maximum` is what `bytes` can be at most.
    Advance { from: Box<Expr>, bytes: Box<Expr>, maximum: u32 },

    /// Calls a helper of the kernel. The type says what is made of R0.
    Helper { helper: HelperId, arguments: Vec<Argument> },
    /// Calls a function of the unit.
    Call { function: FunctionId, arguments: Vec<Expr> },
    /// Something with the kernel's memory.
    Kernel(KernelOp),
}

/// Something with the kernel's memory. `base` is always a [`Type::Kernel`].
#[derive(Clone, Debug)]
pub enum KernelOp {
    /// What the loader fills in: a scalar.
    Fact(FactId),
    /// A number as an address of which the kernel's verifier knows nothing.
    Pointer(Box<Expr>),
    /// An address as a `U64`.
    Number(Box<Expr>),
    /// The address of a part of a struct: so many bytes behind it, which the loader fills in.
    Part { base: Box<Expr>, offset: FactId },
    /// The address of an element: so many bytes behind an address of which the verifier knows nothing.
    Element { base: Box<Expr>, bytes: Box<Expr> },
    /// Reads a scalar or an address there, or so many bytes behind it.
    Load { base: Box<Expr>, offset: Option<FactId>, storage: Storage },
    /// Reads a bit field of a struct.
    Bits { base: Box<Expr>, facts: Arc<BitField> },
    /// Copies data there, or so many bytes behind it, into fresh stack memory. A `Ref` to it.
    Copy { base: Box<Expr>, offset: Option<FactId>, data: DataType },
}

/// Where a bit field is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct BitField {
    /// Its bytes: from the start of the struct on, …
    pub offset: FactId,
    /// … and how many.
    pub size: FactId,
    /// How far to shift them left, as a number of 64 bits, …
    pub left: FactId,
    /// … and then right.
    pub right: FactId,
    /// Fill with the sign.
    pub signed: bool,
}

impl KernelOp {
    /// The direct parts, in order of evaluation.
    pub fn parts(&self) -> impl Iterator<Item = &Expr> {
        let (first, second) = match self {
            Self::Fact(_) => (None, None),
            Self::Pointer(base)
            | Self::Number(base)
            | Self::Part { base, .. }
            | Self::Load { base, .. }
            | Self::Bits { base, .. }
            | Self::Copy { base, .. } => (Some(base), None),
            Self::Element { base, bytes } => (Some(base), Some(bytes)),
        };
        first.into_iter().chain(second).map(|part| &**part)
    }

    /// The same, to change them.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let (first, second) = match self {
            Self::Fact(_) => (None, None),
            Self::Pointer(base)
            | Self::Number(base)
            | Self::Part { base, .. }
            | Self::Load { base, .. }
            | Self::Bits { base, .. }
            | Self::Copy { base, .. } => (Some(base), None),
            Self::Element { base, bytes } => (Some(base), Some(bytes)),
        };
        first.into_iter().chain(second).map(|part| &mut **part)
    }
}

/// A part of freshly allocated memory.
#[derive(Clone, Debug)]
pub struct Part {
    /// Bytes from its start.
    pub offset: u32,
    /// What is put there.
    pub value: PartValue,
}

/// What is put into a part of freshly allocated memory.
#[derive(Clone, Debug)]
pub enum PartValue {
    /// A scalar.
    Scalar(Storage, Expr),
    /// A copy of this many bytes behind a reference.
    Copy(Expr, u32),
    /// These bytes.
    Bytes(Arc<[u8]>),
}

/// An argument of a helper.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A word: a scalar, a reference, the context.
    Value(Expr),
    /// A map.
    Map(MapId),
    /// The address of stack memory that holds this scalar.
    Spilled(Storage, Expr),
    /// A function of the unit that the helper calls.
    Callback(FunctionId),
}

/// 64-bit arithmetic.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum ArithmeticOp {
    /// Addition.
    Add,
    /// Subtraction.
    Sub,
    /// Multiplication.
    Mul,
    /// Unsigned division; the divisor is not zero.
    UDiv,
    /// Unsigned remainder.
    URem,
    /// Signed division, toward zero.
    SDiv,
    /// Signed remainder, with the sign of the dividend.
    SRem,
    /// Bits of both.
    And,
    /// Bits of either.
    Or,
    /// Bits of one.
    Xor,
    /// Left shift by less than 64.
    Shl,
    /// Right shift, filling with zeros.
    LShr,
    /// Right shift, filling with the sign.
    AShr,
}

/// 64-bit comparison.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum CompareOp {
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
}

/// An operation on memory in one step; 4 or 8 bytes.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum AtomicOp {
    /// Addition.
    Add,
    /// Bits of both.
    And,
    /// Bits of either.
    Or,
    /// Bits of one.
    Xor,
    /// The new value.
    Exchange,
}

impl Expr {
    /// An expression.
    pub fn new(ty: Type, span: Span, kind: ExprKind) -> Self {
        Self { ty, span, kind }
    }
}

impl Type {
    /// A reference to a whole struct.
    pub fn struct_ref(id: StructId, region: Region) -> Self {
        Self::Ref(RefType { target: RefTarget::Data(DataType::Struct(id)), region })
    }
}
