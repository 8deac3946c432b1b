//! Definitions of maps as loaders read them from BTF: a variable in `.maps` whose struct type says everything. A number is a
//! pointer to an array of so many elements; a key and a value are pointers to their types.

use super::Error;
use super::btf::{Btf, Encoding, Linkage, Member, SectionVariable, StringOffset, Type, TypeId};
use super::types::DataTypes;
use crate::bindings::symbol;
use crate::check::typed::{Map, Unit};
use crate::check::types::{DataType, IntType};
use crate::kernel::map_kind::KeyRule;

/// The section of the definitions.
pub(super) const MAPS: &str = ".maps";

/// `LIBBPF_PIN_BY_NAME`
const PIN_BY_NAME: u32 = 1;

/// Bytes of a pointer.
const POINTER: u32 = 8;

/// The definition of a map.
#[derive(Debug)]
pub(super) struct Definition {
    /// The map's symbol.
    pub(super) symbol: String,
    /// Bytes from the start of the section.
    pub(super) offset: u32,
    /// Bytes of the variable.
    pub(super) bytes: u32,
}

/// Bytes of a key.
pub(super) fn key_size(types: &DataTypes<'_>, map: &Map) -> u32 {
    let data = types.size(&map.key);
    if map.kind.facts().key == KeyRule::Prefix { data.saturating_add(IntType::U32.bytes()) } else { data }
}

/// Defines every map of a unit.
pub(super) fn define(btf: &mut Btf, types: &mut DataTypes<'_>, unit: &Unit) -> Result<Vec<Definition>, Error> {
    let mut definitions = Vec::new();
    let mut variables = Vec::new();
    let mut offset: u32 = 0;
    for map in unit.maps.values() {
        let members = members(btf, types, map)?;
        let bytes = members.last().map_or(0, |last| last.offset.saturating_add(POINTER));
        let ty = btf.add(Type::Struct { name: StringOffset::EMPTY, bytes, members })?;
        let symbol = symbol(&map.name);
        let variable = Type::Variable { name: btf.name(&symbol)?, ty, linkage: Linkage::Global };
        variables.push(SectionVariable { variable: btf.add(variable)?, offset, bytes });
        definitions.push(Definition { symbol, offset, bytes });
        offset = offset.saturating_add(bytes);
    }
    if !variables.is_empty() {
        let name = btf.string(MAPS)?;
        btf.add(Type::Section { name, bytes: offset, variables })?;
    }
    Ok(definitions)
}

/// What the definition of a map says of it.
fn members(btf: &mut Btf, types: &mut DataTypes<'_>, map: &Map) -> Result<Vec<Member>, Error> {
    if map.kind.facts().key == KeyRule::None {
        return without_elements(btf, map);
    }
    let key = key_type(btf, types, map)?;
    let value = types.id(btf, &map.value)?;
    let mut members = Members { btf, members: Vec::new() };
    members.number("type", map.kind.number())?;
    // The sizes come after the types they are the sizes of: aya takes the last it reads, and computes the size of an array
    // of arrays wrongly.
    members.pointer("key", key)?;
    members.number("key_size", key_size(types, map))?;
    members.pointer("value", value)?;
    members.number("value_size", types.size(&map.value))?;
    members.number("max_entries", map.max_entries)?;
    if map.flags != 0 {
        members.number("map_flags", map.flags)?;
    }
    if map.pin_by_name {
        members.number("pinning", PIN_BY_NAME)?;
    }
    Ok(members.members)
}

/// The same for a kind without keys and values.
fn without_elements(btf: &mut Btf, map: &Map) -> Result<Vec<Member>, Error> {
    let mut members = Members { btf, members: Vec::new() };
    members.number("type", map.kind.number())?;
    members.number("max_entries", map.max_entries)?;
    if map.pin_by_name {
        members.number("pinning", PIN_BY_NAME)?;
    }
    Ok(members.members)
}

fn key_type(btf: &mut Btf, types: &mut DataTypes<'_>, map: &Map) -> Result<TypeId, Error> {
    match map.kind.facts().key {
        KeyRule::Any | KeyRule::None => types.id(btf, &map.key),
        // `array_map_check_btf` in `kernel/bpf/arraymap.c` takes no enum.
        KeyRule::Index | KeyRule::Number => types.id(btf, &DataType::Int(IntType::U32)),
        KeyRule::Prefix => {
            // Packed: the kernel counts the bytes after the prefix length.
            let prefix = btf.int("u32", 4, Encoding::Unsigned)?;
            let data = types.id(btf, &map.key)?;
            let members = vec![
                Member { name: btf.name("prefixlen")?, ty: prefix, offset: 0 },
                Member { name: btf.name("data")?, ty: data, offset: IntType::U32.bytes() },
            ];
            btf.add(Type::Struct { name: StringOffset::EMPTY, bytes: key_size(types, map), members })
        }
    }
}

/// Members of a definition; each is a pointer.
struct Members<'b> {
    btf: &'b mut Btf,
    members: Vec<Member>,
}

impl Members<'_> {
    fn pointer(&mut self, name: &str, to: TypeId) -> Result<(), Error> {
        let ty = self.btf.pointer(to)?;
        let offset = self.members.last().map_or(0, |last| last.offset.saturating_add(POINTER));
        self.members.push(Member { name: self.btf.name(name)?, ty, offset });
        Ok(())
    }

    fn number(&mut self, name: &str, number: u32) -> Result<(), Error> {
        let int = self.btf.int("int", 4, Encoding::Signed)?;
        let array = self.btf.array(int, number)?;
        self.pointer(name, array)
    }
}
