//! What a unit declares beside its programs: maps, globals, constants, functions of the kernel, and what is logged.

use std::sync::Arc;

use super::super::types::{DataType, EnumId, IntType, StructId};
use super::MapId;
use crate::kernel::MapKind;
use crate::source::Span;
use crate::syntax::Name;

/// A map.
#[derive(Clone, Debug)]
pub struct Map {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// What kind of map the kernel makes.
    pub kind: MapKind,
    /// The key's type (for `:lpm-trie`, what follows the 32-bit prefix length).
    pub key: DataType,
    /// The value's type.
    pub value: DataType,
    /// Elements at most; for `:perf-event-array`, 0 stands for one for each CPU.
    pub max_entries: u32,
    /// `BPF_F_…` bits.
    pub flags: u32,
    /// `(pinning :by-name)`.
    pub pin_by_name: bool,
    /// For `:ringbuf` and `:perf-event-array`: the structs that programs send through it, each once, no two of one
    /// [`event_size`](MapKind::event_size).
    pub events: Vec<StructId>,
    /// For one that no text defines: what it is there for.
    pub hidden: Option<HiddenMap>,
    /// For `:histogram`, which is a per-CPU array or hash to the kernel: what is counted together.
    pub histogram: Option<Histogram>,
}

/// A function of the kernel that is no helper: the running kernel is asked for it by name when the unit is loaded.
#[derive(Clone, Debug)]
pub struct Kfunc {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// Its name in the kernel.
    pub symbol: String,
    /// The names of its parameters, and what they take.
    pub parameters: Vec<(Name, KfuncParameter)>,
    /// What it gives, where it gives anything.
    pub result: Option<IntType>,
}

/// What a function of the kernel takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KfuncParameter {
    /// A number.
    Int(IntType),
    /// A map.
    Map,
    /// The context.
    Context,
    /// Memory of the program in which this is, which the function may read and write.
    Memory(DataType),
    /// Such memory of any size: the next parameter is a number, and says how many bytes of it there are.
    SizedMemory,
    /// Text that ends with a NUL, which the function reads and the verifier does not look at.
    String,
}

/// What a map is there for that no text defines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HiddenMap {
    /// `(tail-call ctx program)`: the loader puts a program of the unit at each index.
    Programs(Vec<usize>),
    /// `log-info` and its kin: a ring buffer of what they write.
    Log,
    /// `get-kprobe-arg` where a function returns: what it was called with.
    Arguments,
}

/// A histogram, or a family of them.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    /// What is counted together.
    pub buckets: Buckets,
    /// For a family: the type of the keys, each of which has a histogram.
    pub by: Option<IntType>,
}

/// Which numbers a histogram counts together.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Buckets {
    /// Those of as many bits: 0; 1; 2 and 3; 4 to 7; …
    Log2,
    /// So many, one after the other.
    Linear(u64),
}

/// A global variable.
#[derive(Clone, Debug)]
pub struct Global {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// What it holds.
    pub ty: DataType,
    /// The bytes it starts with, in the target's byte order, padding zero.
    pub init: GlobalInit,
    /// Live in both worlds; else set before loading and read-only in the program.
    pub mutable: bool,
    /// For one that no text defines: what it is there for.
    pub hidden: Option<HiddenGlobal>,
}

/// What a global is there for that no text defines.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum HiddenGlobal {
    /// It counts what a ring buffer had no room for.
    LostEventsOf(MapId),
    /// Up to which level is logged.
    LogLevel,
}

/// A line that a program logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// From 1, an error, to 5, a trace.
    pub level: u8,
    /// Where it is logged.
    pub span: Span,
    /// What it is made of.
    pub parts: Vec<LogPart>,
}

/// A part of a line that a program logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogPart {
    /// Always the same.
    Text(String),
    /// A value, and where in the record it lies.
    Value {
        /// How it is read and written.
        kind: LogKind,
        /// Bytes from the start of the record.
        offset: u32,
    },
}

/// How a logged value is read from the record, and written.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum LogKind {
    /// 8 bytes without a sign, in decimal.
    Unsigned,
    /// 8 bytes with a sign, in decimal.
    Signed,
    /// 8 bytes, in hexadecimal.
    Hex,
    /// 8 bytes, `true` or `false`.
    Bool,
    /// 8 bytes, of which the low four are an IPv4 address in host order.
    Ipv4,
    /// 16 bytes.
    Ipv6,
    /// 6 bytes.
    Mac,
    /// So many bytes of text, up to its NUL.
    Text(u32),
}

/// A constant of `define`.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// What it is.
    pub value: ConstantValue,
}

/// A value that Rust can say, too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConstantValue {
    /// A number of an integer type; `:u64`, or `:i64` for a negative one, where none is said.
    Number(IntType, i128),
    /// A boolean.
    Bool(bool),
    /// Text.
    Text(Arc<str>),
    /// An IPv4 address as a number in host order.
    Ipv4(u32),
    /// An IPv6 address as it lies in memory.
    Ipv6([u8; 16]),
    /// A MAC address as it lies in memory.
    Mac([u8; 6]),
    /// A variant of an enum, by its number.
    Enum(EnumId, u32),
}

/// What a global starts with, free of the target's byte order.
#[derive(Clone, Debug)]
pub enum GlobalInit {
    /// All zero.
    Zero,
    /// One scalar, as the number the language sees (`Storage` of its type says how it lies in memory).
    Scalar(u64),
    /// Bytes as they lie in memory (addresses, text).
    Bytes(Vec<u8>),
}
