//! Types of the kernel, as far as a unit declares them, and what is asked of the running kernel about them.
//!
//! A unit declares only the members it reads; they lie one after the other here, and elsewhere in the kernel. So what code needs
//! to know of them (where a field is, how large a struct is) is a [`Fact`] that the loader fills in, by the names of struct and
//! field (CO-RE: `Documentation/bpf/llvm_reloc.rst`, `enum bpf_core_relo_kind` in `include/uapi/linux/bpf.h`).

use std::sync::Arc;

use super::types::{DataType, IntType, Types};
use crate::arena::ids;
use crate::source::Span;
use crate::syntax::Name;

ids! {
    /// A struct of `define-kernel-struct`.
    KernelStructId = "kernel-struct";
    /// An enum of `define-kernel-enum`.
    KernelEnumId = "kernel-enum";
    /// Something that the loader finds out about the running kernel.
    FactId = "fact";
}

/// A struct of the kernel.
#[derive(Clone, Debug)]
pub struct KernelStruct {
    /// Its name; the kernel's has `_` for `-`.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// The declared members, in order.
    pub fields: Vec<KernelField>,
    /// Bytes of the declared members, one after the other as in C.
    pub size: u32,
    /// A power of two.
    pub align: u32,
}

/// A member of a struct of the kernel.
#[derive(Clone, Debug)]
pub struct KernelField {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// What it holds.
    pub ty: KernelType,
    /// Bytes from the start of the declared members.
    pub offset: u32,
}

/// An enum of the kernel.
#[derive(Clone, Debug)]
pub struct KernelEnum {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// The declared variants, in order.
    pub variants: Vec<Name>,
}

/// What is at an address in the kernel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum KernelType {
    /// A number, address, boolean, or an array of these: as a program's own data. Never a struct or enum of the unit.
    Data(DataType),
    /// `(bits T)`: a bit field, read as a number of this type.
    Bits(IntType),
    /// An enum: a `u32`.
    Enum(KernelEnumId),
    /// `(ref T)`
    Pointer(Arc<KernelType>),
    /// A struct.
    Struct(KernelStructId),
    /// An array of anything but data.
    Array(Arc<KernelType>, u32),
}

/// An address in the kernel's memory, or 0.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct KernelPointer {
    /// What is there.
    pub target: KernelType,
    /// How it is read.
    pub access: Access,
}

/// How what is at an address of the kernel is read.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// The kernel's verifier knows what is there, and that it is there: by plain loads.
    Typed,
    /// The same, but it may not be there. The verifier of some kernels wants a test before a load.
    TypedOrNull,
    /// It is the program's context: numbers by plain loads at offsets that are part of the instruction, all else as `Untyped`.
    Context,
    /// To the verifier it is a number: by a helper.
    Untyped,
}

/// What is asked of the running kernel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fact {
    /// The question.
    pub kind: FactKind,
    /// About what.
    pub subject: Subject,
    /// The answer for the declared types.
    pub local: i32,
}

/// What a [`Fact`] is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// A struct and the way from its start: members by position, elements of arrays by index. An empty way is the struct itself.
    Struct(KernelStructId, Vec<u32>),
    /// A variant of an enum, by position.
    Enum(KernelEnumId, u32),
}

/// A question about the running kernel: `enum bpf_core_relo_kind`.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum FactKind {
    /// Where a field is. Of a bit field: the bytes around it.
    ByteOffset = 0,
    /// How many bytes to read for it.
    ByteSize = 1,
    /// Whether it is there.
    FieldExists = 2,
    /// How far to shift the bytes of a bit field left, as a number of 64 bits, …
    LeftShift = 4,
    /// … and then right.
    RightShift = 5,
    /// Whether a struct is there.
    TypeExists = 8,
    /// Bytes of a struct.
    TypeSize = 9,
    /// Whether a variant is there.
    VariantExists = 10,
    /// Its number.
    VariantValue = 11,
}

/// The kernel's name of something: as it is written, with `_` for `-`. `None` where that is no name in C.
pub fn kernel_symbol(name: &str) -> Option<String> {
    let symbol = name.replace('-', "_");
    let starts = symbol.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts && symbol.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some(symbol)
}

impl KernelType {
    /// What reading it gives as data of a program: a scalar, or an array to copy. `None` for structs, pointers and their arrays.
    pub fn as_data(&self) -> Option<DataType> {
        match self {
            Self::Data(data) => Some(data.clone()),
            Self::Bits(int) => Some(DataType::Int(*int)),
            Self::Enum(_) => Some(DataType::Int(IntType::U32)),
            Self::Pointer(_) | Self::Struct(_) | Self::Array(..) => None,
        }
    }

    /// The type of an element and how many there are, of an array.
    pub fn element(&self) -> Option<(Self, u32)> {
        match self {
            Self::Array(element, count) => Some(((**element).clone(), *count)),
            Self::Data(DataType::Array(element, count)) => Some((Self::Data((**element).clone()), *count)),
            Self::Data(DataType::CharArray(count)) => Some((Self::Data(DataType::Int(IntType::U8)), *count)),
            _ => None,
        }
    }
}

impl Types {
    /// Bytes and alignment of a type of the kernel, as far as it is declared.
    pub fn kernel_layout(&self, ty: &KernelType) -> (u32, u32) {
        match ty {
            KernelType::Data(data) => self.layout(data),
            KernelType::Bits(int) => (int.bytes(), int.bytes()),
            KernelType::Enum(_) => (4, 4),
            KernelType::Pointer(_) => (8, 8),
            KernelType::Struct(id) => {
                let data = self.kernel_structs.at(*id);
                (data.size, data.align)
            }
            KernelType::Array(element, count) => {
                let (size, align) = self.kernel_layout(element);
                (size.saturating_mul(*count), align)
            }
        }
    }

    /// A type of the kernel as the user would write it.
    pub fn kernel_name(&self, ty: &KernelType) -> String {
        match ty {
            KernelType::Data(data) => self.name(data),
            KernelType::Bits(int) => format!("(bits {int})"),
            KernelType::Enum(id) => self.kernel_enums.at(*id).name.to_string(),
            KernelType::Pointer(target) => format!("(ref {})", self.kernel_name(target)),
            KernelType::Struct(id) => self.kernel_structs.at(*id).name.to_string(),
            KernelType::Array(element, count) => format!("(array {} {count})", self.kernel_name(element)),
        }
    }

    /// What is at the end of a way into a struct, and how many bytes from its start, by the declared members.
    pub fn kernel_member(&self, root: KernelStructId, way: &[u32]) -> Option<(KernelType, u32)> {
        let mut ty = KernelType::Struct(root);
        let mut offset: u32 = 0;
        for step in way {
            let (next, distance) = match &ty {
                KernelType::Struct(id) => {
                    let field = self.kernel_structs.get(*id)?.fields.get(usize::try_from(*step).ok()?)?;
                    (field.ty.clone(), field.offset)
                }
                other => {
                    let (element, _) = other.element()?;
                    let bytes = self.kernel_layout(&element).0;
                    (element, bytes.checked_mul(*step)?)
                }
            };
            ty = next;
            offset = offset.checked_add(distance)?;
        }
        Some((ty, offset))
    }

    /// What a fact is about in words: `task-struct.pid`, `pid-type.PIDTYPE_MAX`.
    pub fn kernel_subject(&self, subject: &Subject) -> String {
        match subject {
            Subject::Struct(root, way) => self.kernel_path(*root, way),
            Subject::Enum(id, variant) => {
                let data = self.kernel_enums.at(*id);
                let variant = usize::try_from(*variant).ok().and_then(|variant| data.variants.get(variant));
                format!("{}.{}", data.name, variant.map_or("?", |variant| variant))
            }
        }
    }

    /// A way into a struct in words: `task-struct.signal.rlim[3]`.
    pub fn kernel_path(&self, root: KernelStructId, way: &[u32]) -> String {
        let mut text = self.kernel_structs.at(root).name.to_string();
        for (position, step) in way.iter().enumerate() {
            let so_far = way.get(..position).unwrap_or_default();
            match self.kernel_member(root, so_far) {
                Some((KernelType::Struct(id), _)) => {
                    let field =
                        usize::try_from(*step).ok().and_then(|step| self.kernel_structs.at(id).fields.get(step));
                    text.push('.');
                    text.push_str(field.map_or("?", |field| &field.name));
                }
                _ => text.push_str(&format!("[{step}]")),
            }
        }
        text
    }
}
