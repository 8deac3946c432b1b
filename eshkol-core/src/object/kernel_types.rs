//! BTF of the kernel's types that a unit declares, and the ways through them (`struct bpf_core_relo`). Loaders find the kernel's
//! by the names of struct and member, and compare only the kinds of members: a number with a number, a pointer with a pointer.

use std::collections::BTreeMap;

use super::Error;
use super::btf::{Btf, Member, StringOffset, Type, TypeId};
use super::types::{DataTypes, integer};
use crate::check::kernel_types::{FactId, FactKind, KernelEnumId, KernelStructId, KernelType, Subject, kernel_symbol};
use crate::check::typed::Unit;
use crate::check::types::{DataType, IntType};

/// Types of the kernel that are in the table already.
#[derive(Debug)]
pub(super) struct KernelTypes<'a> {
    unit: &'a Unit,
    structs: BTreeMap<KernelStructId, TypeId>,
    enums: BTreeMap<KernelEnumId, TypeId>,
}

impl<'a> KernelTypes<'a> {
    /// None yet.
    pub(super) fn new(unit: &'a Unit) -> Self {
        Self { unit, structs: BTreeMap::new(), enums: BTreeMap::new() }
    }

    /// What is asked, of which type, and the way from it, as numbers between colons; the first counts structs of an array.
    pub(super) fn subject(
        &mut self,
        btf: &mut Btf,
        types: &mut DataTypes<'_>,
        fact: FactId,
    ) -> Result<(FactKind, TypeId, StringOffset), Error> {
        let fact = self.unit.facts.get(fact).ok_or_else(|| Error::new("a fact is not in the table"))?;
        let (ty, way) = match &fact.subject {
            Subject::Struct(root, way) => {
                let way: String = way.iter().map(|step| format!(":{step}")).collect();
                (self.structure(btf, types, *root)?, format!("0{way}"))
            }
            Subject::Enum(id, variant) => (self.enumeration(btf, *id)?, variant.to_string()),
        };
        Ok((fact.kind, ty, btf.string(&way)?))
    }

    fn structure(&mut self, btf: &mut Btf, types: &mut DataTypes<'_>, id: KernelStructId) -> Result<TypeId, Error> {
        if let Some(known) = self.structs.get(&id) {
            return Ok(*known);
        }
        let data = self.unit.types.kernel_structs.at(id);
        let name = name_of(btf, &data.name)?;
        let ty = btf.reserve()?;
        self.structs.insert(id, ty);
        let mut members = Vec::new();
        for field in &data.fields {
            let ty = self.id(btf, types, &field.ty)?;
            members.push(Member { name: name_of(btf, &field.name)?, ty, offset: field.offset });
        }
        btf.fill(ty, Type::Struct { name, bytes: data.size, members });
        Ok(ty)
    }

    fn enumeration(&mut self, btf: &mut Btf, id: KernelEnumId) -> Result<TypeId, Error> {
        if let Some(known) = self.enums.get(&id) {
            return Ok(*known);
        }
        let data = self.unit.types.kernel_enums.at(id);
        let mut variants = Vec::new();
        for (variant, position) in data.variants.iter().zip(0..) {
            variants.push((name_of(btf, variant)?, position));
        }
        let name = name_of(btf, &data.name)?;
        let ty = btf.add(Type::Enum { name, variants })?;
        self.enums.insert(id, ty);
        Ok(ty)
    }

    fn id(&mut self, btf: &mut Btf, types: &mut DataTypes<'_>, ty: &KernelType) -> Result<TypeId, Error> {
        match ty {
            // To the kernel an IPv6 address is a struct, and a struct is only like a struct.
            KernelType::Data(DataType::Ipv6) => {
                let byte = integer(btf, IntType::U8)?;
                let bytes = btf.array(byte, 16)?;
                let members = vec![Member { name: btf.name("in6_u")?, ty: bytes, offset: 0 }];
                let name = btf.name("in6_addr")?;
                btf.add(Type::Struct { name, bytes: 16, members })
            }
            KernelType::Data(data) => types.id(btf, data),
            KernelType::Bits(int) => integer(btf, *int),
            KernelType::Enum(id) => self.enumeration(btf, *id),
            KernelType::Pointer(target) => {
                let target = self.id(btf, types, target)?;
                btf.pointer(target)
            }
            KernelType::Struct(id) => self.structure(btf, types, *id),
            KernelType::Array(element, count) => {
                let element = self.id(btf, types, element)?;
                btf.array(element, *count)
            }
        }
    }
}

/// The kernel's name of something.
fn name_of(btf: &mut Btf, name: &str) -> Result<StringOffset, Error> {
    btf.name(&kernel_symbol(name).unwrap_or_default())
}
