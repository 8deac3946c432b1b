//! Types, and how they lie in memory.

use std::fmt;
use std::sync::Arc;

use super::kernel_types::{KernelEnum, KernelEnumId, KernelStruct, KernelStructId};
use crate::arena::{Arena, ids};
use crate::source::Span;
use crate::syntax::Name;

ids! {
    /// A struct of `define-struct` or a predefined one.
    StructId = "struct";
    /// An enum of `define-enum`.
    EnumId = "enum";
}

/// Structs and enums of a unit, and those of the kernel that it declares.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// Every struct.
    pub structs: Arena<StructId, Struct>,
    /// Every enum.
    pub enums: Arena<EnumId, Enum>,
    /// Every struct of the kernel.
    pub kernel_structs: Arena<KernelStructId, KernelStruct>,
    /// Every enum of the kernel.
    pub kernel_enums: Arena<KernelEnumId, KernelEnum>,
}

/// A type of data: what a map, a field or a global can hold.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DataType {
    /// `:u8` … `:i64`.
    Int(IntType),
    /// `:bool`: one byte, 0 or 1.
    Bool,
    /// `:be16 :be32 :be64`: an unsigned number in network byte order.
    BigEndian(IntType),
    /// `:ipv4-addr`: 4 bytes, network order.
    Ipv4,
    /// `:ipv6-addr`: 16 bytes, network order.
    Ipv6,
    /// `:mac-addr`: 6 bytes.
    Mac,
    /// `(array T n)`.
    Array(Arc<DataType>, u32),
    /// `:char-array n`: bytes that hold text, NUL-terminated where shorter.
    CharArray(u32),
    /// A struct.
    Struct(StructId),
    /// An enum: a `u32`.
    Enum(EnumId),
}

impl DataType {
    /// What a map holds that has no keys, or no values.
    pub const NOTHING: Self = Self::CharArray(0);
}

/// Width and signedness of an integer.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct IntType {
    /// 8, 16, 32 or 64.
    pub bits: u8,
    /// Two's complement.
    pub signed: bool,
}

impl IntType {
    /// `:u8`
    pub const U8: Self = Self { bits: 8, signed: false };
    /// `:u16`
    pub const U16: Self = Self { bits: 16, signed: false };
    /// `:u32`
    pub const U32: Self = Self { bits: 32, signed: false };
    /// `:u64`
    pub const U64: Self = Self { bits: 64, signed: false };
    /// `:i32`
    pub const I32: Self = Self { bits: 32, signed: true };
    /// `:i64`
    pub const I64: Self = Self { bits: 64, signed: true };

    /// Bytes in memory.
    pub fn bytes(self) -> u32 {
        u32::from(self.bits) / 8
    }
}

impl fmt::Display for IntType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.signed { 'i' } else { 'u' }, self.bits)
    }
}

/// A struct with its C layout.
#[derive(Clone, Debug)]
pub struct Struct {
    /// Its name.
    pub name: Name,
    /// The defining token; `None` for predefined ones.
    pub span: Option<Span>,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// Fields in order; the gaps between them are padding and always zero.
    pub fields: Vec<Field>,
    /// Bytes, padding at the end included.
    pub size: u32,
    /// A power of two.
    pub align: u32,
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// The defining token; `None` in predefined structs.
    pub span: Option<Span>,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// What it holds.
    pub ty: DataType,
    /// Bytes from the start of the struct.
    pub offset: u32,
}

/// An enum.
#[derive(Clone, Debug)]
pub struct Enum {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// Names and values, in order.
    pub variants: Vec<(Name, u32)>,
}

impl Types {
    /// Bytes and alignment of a type, as in C (`Ipv6` and `Mac` are byte arrays: alignment 1; `Ipv4` is aligned to 4).
    pub fn layout(&self, ty: &DataType) -> (u32, u32) {
        match ty {
            DataType::Int(int) | DataType::BigEndian(int) => (int.bytes(), int.bytes()),
            DataType::Bool => (1, 1),
            DataType::Ipv4 | DataType::Enum(_) => (4, 4),
            DataType::Ipv6 => (16, 1),
            DataType::Mac => (6, 1),
            DataType::Array(element, count) => {
                let (size, align) = self.layout(element);
                (size.saturating_mul(*count), align)
            }
            DataType::CharArray(count) => (*count, 1),
            DataType::Struct(id) => {
                let data = self.structs.at(*id);
                (data.size, data.align)
            }
        }
    }

    /// A type as the user would write it.
    pub fn name(&self, ty: &DataType) -> String {
        match ty {
            DataType::Int(int) => int.to_string(),
            DataType::Bool => "bool".to_owned(),
            DataType::BigEndian(int) => format!("be{}", int.bits),
            DataType::Ipv4 => "ipv4-addr".to_owned(),
            DataType::Ipv6 => "ipv6-addr".to_owned(),
            DataType::Mac => "mac-addr".to_owned(),
            DataType::Array(element, count) => format!("(array {} {count})", self.name(element)),
            DataType::CharArray(count) => format!("(char-array {count})"),
            DataType::Struct(id) => self.structs.at(*id).name.to_string(),
            DataType::Enum(id) => self.enums.at(*id).name.to_string(),
        }
    }

    /// Bytes of a type.
    pub fn size(&self, ty: &DataType) -> u32 {
        self.layout(ty).0
    }
}

/// How one scalar lies in memory, at an offset that the user of this type knows.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Storage {
    /// 1, 2, 4 or 8; 6 for a MAC address, 16 for an IPv6 address.
    pub bytes: u32,
    /// Network byte order; else the machine's. (MAC and IPv6 addresses are kept as they lie in memory: `false`.)
    pub big_endian: bool,
    /// Sign-extended when read.
    pub signed: bool,
    /// Only these bits of the number that the bytes make (after the byte order is undone): how many bits to shift it
    /// right, and how many are left. For fields of packet headers that are not whole bytes.
    pub bits: Option<(u8, u8)>,
}

impl Storage {
    /// A whole integer in the machine's byte order.
    pub fn native(int: IntType) -> Self {
        Self { bytes: int.bytes(), big_endian: false, signed: int.signed, bits: None }
    }

    /// A whole unsigned integer in network byte order.
    pub fn network(bytes: u32) -> Self {
        Self { bytes, big_endian: true, signed: false, bits: None }
    }
}

impl DataType {
    /// How a value of this type is read and written, where it is one scalar.
    pub fn storage(&self) -> Option<Storage> {
        match self {
            Self::Int(int) => Some(Storage::native(*int)),
            Self::Bool => Some(Storage::native(IntType::U8)),
            Self::Enum(_) => Some(Storage::native(IntType::U32)),
            Self::BigEndian(int) => Some(Storage::network(int.bytes())),
            Self::Ipv4 => Some(Storage::network(4)),
            Self::Mac => Some(Storage { bytes: 6, big_endian: false, signed: false, bits: None }),
            Self::Ipv6 => Some(Storage { bytes: 16, big_endian: false, signed: false, bits: None }),
            Self::Array(..) | Self::CharArray(_) | Self::Struct(_) => None,
        }
    }
}
