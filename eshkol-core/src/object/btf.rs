//! BTF, the kernel's type format (`Documentation/bpf/btf.rst`, `include/uapi/linux/btf.h`): a table of types and one of strings.
//!
//! Equal types and equal strings are there once. Types are numbered in the order in which they are first asked for, so
//! the same calls give the same bytes. Every name but that of a section is a C identifier of at most 127 characters, since
//! the kernel refuses the whole table for one that is not.

use std::collections::BTreeMap;

use super::Error;
use super::byte_order::{Bytes, size};
use crate::compile::Endianness;

/// The longest name the kernel takes (`KSYM_NAME_LEN` less the NUL, before 6.1).
const NAME_MAX: usize = 127;

/// `BTF_MAGIC`, of `.BTF` and `.BTF.ext`.
pub(super) const MAGIC: u16 = 0xeb9f;
/// `BTF_VERSION`.
pub(super) const VERSION: u8 = 1;

const HEADER: u32 = 24;

/// The number of a type.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct TypeId(u32);

impl TypeId {
    /// No type: what a pointer to anything points to.
    pub(super) const VOID: Self = Self(0);

    /// As it is written.
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// Where a string is in the table of strings.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct StringOffset(u32);

impl StringOffset {
    /// The empty string: no name.
    pub(super) const EMPTY: Self = Self(0);

    /// As it is written.
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// How the bits of an integer are to be understood.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Encoding {
    Unsigned = 0,
    Signed = 1,
    Char = 2,
    Bool = 4,
}

/// Who can see a function or variable.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Linkage {
    /// Only its object. The kernel verifies a static function anew at each call.
    Static = 0,
    /// Everyone.
    Global = 1,
    /// It is elsewhere.
    Extern = 2,
}

/// A type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Type {
    Int {
        name: StringOffset,
        bytes: u32,
        encoding: Encoding,
    },
    Pointer(TypeId),
    Array {
        element: TypeId,
        index: TypeId,
        count: u32,
    },
    Struct {
        name: StringOffset,
        bytes: u32,
        members: Vec<Member>,
    },
    /// 4 bytes.
    Enum {
        name: StringOffset,
        variants: Vec<(StringOffset, u32)>,
    },
    Typedef {
        name: StringOffset,
        ty: TypeId,
    },
    Prototype {
        result: TypeId,
        parameters: Vec<(StringOffset, TypeId)>,
    },
    Function {
        name: StringOffset,
        prototype: TypeId,
        linkage: Linkage,
    },
    Variable {
        name: StringOffset,
        ty: TypeId,
        linkage: Linkage,
    },
    /// The variables of a section, by rising offset.
    Section {
        name: StringOffset,
        bytes: u32,
        variables: Vec<SectionVariable>,
    },
}

/// A member of a struct.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Member {
    pub(super) name: StringOffset,
    pub(super) ty: TypeId,
    /// Bytes from the start of the struct.
    pub(super) offset: u32,
}

/// A variable of a section.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SectionVariable {
    pub(super) variable: TypeId,
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

/// The tables.
#[derive(Debug)]
pub(super) struct Btf {
    types: Vec<Type>,
    ids: BTreeMap<Type, TypeId>,
    strings: Vec<u8>,
    offsets: BTreeMap<String, StringOffset>,
}

impl Btf {
    /// No type but `void`, no string but the empty one.
    pub(super) fn new() -> Self {
        Self {
            types: Vec::new(),
            ids: BTreeMap::new(),
            strings: vec![0],
            offsets: BTreeMap::from([(String::new(), StringOffset::EMPTY)]),
        }
    }

    /// A string. A NUL would end it, so one in the text becomes a blank.
    pub(super) fn string(&mut self, text: &str) -> Result<StringOffset, Error> {
        let text = text.replace('\0', " ");
        if let Some(offset) = self.offsets.get(&text) {
            return Ok(*offset);
        }
        let offset = StringOffset(size(self.strings.len())?);
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        self.offsets.insert(text, offset);
        Ok(offset)
    }

    /// A name that the kernel will take.
    pub(super) fn name(&mut self, name: &str) -> Result<StringOffset, Error> {
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let identifier = starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !identifier || name.len() > NAME_MAX {
            return Err(Error::new(format!(
                "`{name}` can't be a name in BTF: it must be a C identifier of at most {NAME_MAX} characters"
            )));
        }
        self.string(name)
    }

    /// A type.
    pub(super) fn add(&mut self, ty: Type) -> Result<TypeId, Error> {
        if let Some(id) = self.ids.get(&ty) {
            return Ok(*id);
        }
        self.types.push(ty.clone());
        let id = TypeId(size(self.types.len())?);
        self.ids.insert(ty, id);
        Ok(id)
    }

    /// The number of a type that refers to itself, before the type is known: [`Self::fill`] says it.
    pub(super) fn reserve(&mut self) -> Result<TypeId, Error> {
        self.types.push(Type::Pointer(TypeId::VOID));
        Ok(TypeId(size(self.types.len())?))
    }

    /// Says what a reserved type is.
    pub(super) fn fill(&mut self, id: TypeId, ty: Type) {
        let place = usize::try_from(id.0).ok().and_then(|number| number.checked_sub(1));
        if let Some(place) = place.and_then(|place| self.types.get_mut(place)) {
            *place = ty;
        }
    }

    /// An integer.
    pub(super) fn int(&mut self, name: &str, bytes: u32, encoding: Encoding) -> Result<TypeId, Error> {
        let name = self.name(name)?;
        self.add(Type::Int { name, bytes, encoding })
    }

    /// A pointer.
    pub(super) fn pointer(&mut self, to: TypeId) -> Result<TypeId, Error> {
        self.add(Type::Pointer(to))
    }

    /// An array.
    pub(super) fn array(&mut self, element: TypeId, count: u32) -> Result<TypeId, Error> {
        let index = self.int("u32", 4, Encoding::Unsigned)?;
        self.add(Type::Array { element, index, count })
    }

    /// The `.BTF` section.
    pub(super) fn encode(&self, endianness: Endianness) -> Result<Vec<u8>, Error> {
        let mut types = Bytes::new(endianness);
        for ty in &self.types {
            encode_type(ty, &mut types)?;
        }
        let types_length = types.len()?;
        let mut bytes = Bytes::new(endianness);
        bytes.u16(MAGIC);
        bytes.u8(VERSION);
        bytes.u8(0);
        bytes.u32(HEADER);
        bytes.u32(0);
        bytes.u32(types_length);
        bytes.u32(types_length);
        bytes.u32(size(self.strings.len())?);
        bytes.raw(&types.into_vec());
        bytes.raw(&self.strings);
        Ok(bytes.into_vec())
    }
}

/// `struct btf_type` and what follows it.
fn encode_type(ty: &Type, bytes: &mut Bytes) -> Result<(), Error> {
    // `kind` is `BTF_KIND_…`; `last` is a size or a type.
    let mut header = |name: StringOffset, kind: u32, length: usize, last: u32| {
        let length = u16::try_from(length).map_err(|_| Error::new("a type has more than 65535 parts"))?;
        bytes.u32(name.0);
        bytes.u32(kind << 24 | u32::from(length));
        bytes.u32(last);
        Ok(())
    };
    match ty {
        Type::Int { name, bytes: width, encoding } => {
            header(*name, 1, 0, *width)?;
            bytes.u32((*encoding as u32) << 24 | width.saturating_mul(8));
        }
        Type::Pointer(to) => header(StringOffset::EMPTY, 2, 0, to.0)?,
        Type::Array { element, index, count } => {
            header(StringOffset::EMPTY, 3, 0, 0)?;
            for word in [element.0, index.0, *count] {
                bytes.u32(word);
            }
        }
        Type::Struct { name, bytes: width, members } => {
            header(*name, 4, members.len(), *width)?;
            for member in members {
                bytes.u32(member.name.0);
                bytes.u32(member.ty.0);
                bytes.u32(member.offset.checked_mul(8).ok_or_else(|| Error::new("a struct is larger than 512 MiB"))?);
            }
        }
        Type::Enum { name, variants } => {
            header(*name, 6, variants.len(), 4)?;
            for (variant, value) in variants {
                bytes.u32(variant.0);
                bytes.u32(*value);
            }
        }
        Type::Typedef { name, ty } => header(*name, 8, 0, ty.0)?,
        Type::Function { name, prototype, linkage } => header(*name, 12, *linkage as usize, prototype.0)?,
        Type::Prototype { result, parameters } => {
            header(StringOffset::EMPTY, 13, parameters.len(), result.0)?;
            for (name, ty) in parameters {
                bytes.u32(name.0);
                bytes.u32(ty.0);
            }
        }
        Type::Variable { name, ty, linkage } => {
            header(*name, 14, 0, ty.0)?;
            bytes.u32(*linkage as u32);
        }
        Type::Section { name, bytes: width, variables } => {
            header(*name, 15, variables.len(), *width)?;
            for variable in variables {
                bytes.u32(variable.variable.0);
                bytes.u32(variable.offset);
                bytes.u32(variable.bytes);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_types_and_strings_are_there_once() {
        let mut btf = Btf::new();
        let a = btf.int("u8", 1, Encoding::Unsigned).unwrap();
        let b = btf.int("u8", 1, Encoding::Unsigned).unwrap();
        let c = btf.int("i8", 1, Encoding::Signed).unwrap();
        assert_eq!((a.number(), b.number(), c.number()), (1, 1, 2));
        assert_eq!(btf.strings, b"\0u8\0i8\0");
    }

    #[test]
    fn names_are_what_the_kernel_takes() {
        let mut btf = Btf::new();
        for bad in ["", "a-b", "1a", "é", &"x".repeat(128)] {
            assert!(btf.name(bad).is_err(), "{bad}");
        }
        for good in ["a", "_1", &"x".repeat(127)] {
            assert!(btf.name(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_table_in_both_byte_orders() {
        let mut btf = Btf::new();
        btf.int("i", 4, Encoding::Signed).unwrap();
        let little = btf.encode(Endianness::Little).unwrap();
        let big = btf.encode(Endianness::Big).unwrap();
        assert_eq!(little[..8], [0x9f, 0xeb, 1, 0, 24, 0, 0, 0]);
        assert_eq!(big[..8], [0xeb, 0x9f, 1, 0, 0, 0, 0, 24]);
        assert_eq!(little[24..], [1, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 32, 0, 0, 1, 0, b'i', 0]);
        assert_eq!(big[24..], [0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 32, 0, b'i', 0]);
    }
}
