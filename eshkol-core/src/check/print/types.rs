//! Types in the text form.

use super::Printer;
use super::tree::{Tree, list};
use crate::check::kernel_types::Access;
use crate::check::typed::{RefTarget, RefType, Region, Type};
use crate::check::types::{DataType, Storage};

impl Printer<'_> {
    /// A type of data.
    pub(super) fn data_type(self, ty: &DataType) -> Tree {
        match ty {
            DataType::Int(int) => Tree::atom(int),
            DataType::Bool => Tree::atom("bool"),
            DataType::BigEndian(int) => Tree::atom(format_args!("be{}", int.bits)),
            DataType::Ipv4 => Tree::atom("ipv4-addr"),
            DataType::Ipv6 => Tree::atom("ipv6-addr"),
            DataType::Mac => Tree::atom("mac-addr"),
            DataType::Array(element, count) => list![Tree::atom("array"), self.data_type(element), Tree::atom(count)],
            DataType::CharArray(count) => list![Tree::atom("array"), Tree::atom("char"), Tree::atom(count)],
            DataType::Struct(id) => Tree::atom(&self.unit.types.structs.at(*id).name),
            DataType::Enum(id) => Tree::atom(&self.unit.types.enums.at(*id).name),
        }
    }

    /// The type of a value.
    pub(super) fn ty(self, ty: &Type) -> Tree {
        match ty {
            Type::Unit => Tree::atom("unit"),
            Type::Never => Tree::atom("never"),
            Type::Scalar(data) => self.data_type(data),
            Type::Ipv6 => Tree::atom("ipv6-addr"),
            Type::Verdict(program) => list![Tree::atom("verdict"), Tree::atom(format_args!(":{}", program.keyword()))],
            Type::Ref(reference) => self.reference("ref", reference),
            Type::Optional(reference) => self.reference("optional", reference),
            Type::Cursor => Tree::atom("cursor"),
            Type::Context(program) => list![Tree::atom("context"), Tree::atom(format_args!(":{}", program.keyword()))],
            Type::Kernel(pointer) => {
                let access = match pointer.access {
                    Access::Typed => "typed",
                    Access::TypedOrNull => "typed-or-null",
                    Access::Context => "context",
                    Access::Untyped => "untyped",
                };
                let target = self.unit.types.kernel_name(&pointer.target);
                list![Tree::atom("kernel"), Tree::atom(target), Tree::atom(access)]
            }
            Type::Values(types) => {
                Tree::List(std::iter::once(Tree::atom("values")).chain(types.iter().map(|ty| self.ty(ty))).collect())
            }
        }
    }

    fn reference(self, word: &str, reference: &RefType) -> Tree {
        let target = match &reference.target {
            RefTarget::Data(data) => self.data_type(data),
            RefTarget::Header { header, size } => Tree::atom(format_args!("{header}/{size}")),
        };
        let region = match reference.region {
            Region::MapValue => "map-value",
            Region::Stack => "stack",
            Region::Packet => "packet",
            Region::Global => "global",
            Region::RingBuffer(_) => "ring-buffer",
            Region::Any => "any",
        };
        list![Tree::atom(word), target, Tree::atom(region)]
    }
}

/// How a scalar lies in memory.
pub(super) fn storage(storage: Storage) -> Tree {
    let Storage { bytes, big_endian, signed, bits } = storage;
    let prefix = match (big_endian, signed) {
        (true, _) => "be",
        (false, true) => "i",
        (false, false) => "u",
    };
    let size = bytes.saturating_mul(8);
    match bits {
        Some((shift, count)) => {
            Tree::atom(format_args!("{prefix}{size}[{shift}..{}]", u32::from(shift) + u32::from(count)))
        }
        None => Tree::atom(format_args!("{prefix}{size}")),
    }
}
