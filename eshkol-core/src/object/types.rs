//! The types of the language as BTF types.

use std::collections::BTreeMap;

use super::Error;
use super::btf::{Btf, Encoding, Member, Type, TypeId};
use crate::bindings::symbol;
use crate::check::types::{DataType, EnumId, IntType, StructId, Types};

/// Types of data that are in the table already.
#[derive(Debug)]
pub(super) struct DataTypes<'a> {
    types: &'a Types,
    structs: BTreeMap<StructId, TypeId>,
}

impl<'a> DataTypes<'a> {
    /// None yet.
    pub(super) fn new(types: &'a Types) -> Self {
        Self { types, structs: BTreeMap::new() }
    }

    /// Bytes of a type.
    pub(super) fn size(&self, ty: &DataType) -> u32 {
        self.types.size(ty)
    }

    /// The BTF type of a type, whose size is the same.
    pub(super) fn id(&mut self, btf: &mut Btf, ty: &DataType) -> Result<TypeId, Error> {
        match ty {
            DataType::Int(int) => integer(btf, *int),
            DataType::Bool => btf.int("bool", 1, Encoding::Bool),
            DataType::BigEndian(int) => {
                let number = integer(btf, IntType { signed: false, ..*int })?;
                typedef(btf, &format!("be{}", int.bits), number)
            }
            DataType::Ipv4 => {
                let number = integer(btf, IntType::U32)?;
                typedef(btf, "ipv4_addr", number)
            }
            DataType::Ipv6 => {
                let bytes = byte_array(btf, 16)?;
                typedef(btf, "ipv6_addr", bytes)
            }
            DataType::Mac => {
                let bytes = byte_array(btf, 6)?;
                typedef(btf, "mac_addr", bytes)
            }
            DataType::Array(element, count) => {
                let element = self.id(btf, element)?;
                btf.array(element, *count)
            }
            DataType::CharArray(count) => {
                let element = btf.int("char", 1, Encoding::Char)?;
                btf.array(element, *count)
            }
            DataType::Struct(id) => self.structure(btf, *id),
            DataType::Enum(id) => self.enumeration(btf, *id),
        }
    }

    fn structure(&mut self, btf: &mut Btf, id: StructId) -> Result<TypeId, Error> {
        if let Some(known) = self.structs.get(&id) {
            return Ok(*known);
        }
        let types = self.types;
        let data = types.structs.at(id);
        let mut members = Vec::new();
        for field in &data.fields {
            let ty = self.id(btf, &field.ty)?;
            members.push(Member { name: btf.name(&symbol(&field.name))?, ty, offset: field.offset });
        }
        let name = btf.name(&symbol(&data.name))?;
        let ty = btf.add(Type::Struct { name, bytes: data.size, members })?;
        self.structs.insert(id, ty);
        Ok(ty)
    }

    fn enumeration(&self, btf: &mut Btf, id: EnumId) -> Result<TypeId, Error> {
        let data = self.types.enums.at(id);
        let mut variants = Vec::new();
        for (variant, value) in &data.variants {
            variants.push((btf.name(&symbol(variant))?, *value));
        }
        let name = btf.name(&symbol(&data.name))?;
        // An enum without variants would be a forward declaration, which has no size.
        if variants.is_empty() {
            let number = integer(btf, IntType::U32)?;
            return btf.add(Type::Typedef { name, ty: number });
        }
        btf.add(Type::Enum { name, variants })
    }
}

/// `u8` … `i64`.
pub(super) fn integer(btf: &mut Btf, int: IntType) -> Result<TypeId, Error> {
    let encoding = if int.signed { Encoding::Signed } else { Encoding::Unsigned };
    btf.int(&int.to_string(), int.bytes(), encoding)
}

fn byte_array(btf: &mut Btf, count: u32) -> Result<TypeId, Error> {
    let byte = integer(btf, IntType::U8)?;
    btf.array(byte, count)
}

fn typedef(btf: &mut Btf, name: &str, ty: TypeId) -> Result<TypeId, Error> {
    let name = btf.name(name)?;
    btf.add(Type::Typedef { name, ty })
}
