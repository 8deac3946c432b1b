//! Data sections: the bytes of globals, where each global is, and the BTF of both.

use super::btf::{Btf, Linkage, SectionVariable, Type, TypeId};
use super::byte_order::size;
use super::types::DataTypes;
use super::{Error, Input};
use crate::bindings::symbol;
use crate::check::typed::Unit;
use crate::ir::GlobalSection;

/// A data section that is not empty.
#[derive(Debug)]
pub(super) struct DataSection<'a> {
    /// Which.
    pub(super) section: GlobalSection,
    /// Its name in the object.
    pub(super) name: String,
    /// What is in it at first.
    pub(super) contents: &'a [u8],
    /// Bytes.
    pub(super) bytes: u32,
    /// The globals in it, by rising offset. There may be other data between them.
    pub(super) globals: Vec<PlacedGlobal>,
}

/// A global in a section.
#[derive(Debug)]
pub(super) struct PlacedGlobal {
    /// Its symbol.
    pub(super) symbol: String,
    /// Bytes from the start of the section.
    pub(super) offset: u32,
    /// Bytes.
    pub(super) bytes: u32,
    variable: TypeId,
}

/// The name of a data section in the object: loaders know by its beginning what it is (libbpf since 0.6, aya).
pub fn section_name(unit: &Unit, section: GlobalSection) -> String {
    match section {
        GlobalSection::Rodata => ".rodata".to_owned(),
        GlobalSection::Data(global) => {
            let name = unit.globals.get(global).map(|global| symbol(&global.name)).unwrap_or_default();
            format!(".data.{name}")
        }
    }
}

impl PlacedGlobal {
    /// Where the bytes at an offset of the section are in this global, if they are.
    pub(super) fn offset_of(&self, section_offset: u32) -> Option<u32> {
        section_offset.checked_sub(self.offset).filter(|offset| *offset < self.bytes)
    }
}

/// Every data section of a unit that is not empty.
pub(super) fn sections<'a>(
    btf: &mut Btf,
    types: &mut DataTypes<'_>,
    input: &Input<'a>,
) -> Result<Vec<DataSection<'a>>, Error> {
    let layout = input.globals;
    let mut sections = vec![section(input.unit, GlobalSection::Rodata, &layout.rodata)?];
    for (global, contents) in &layout.mutable {
        sections.push(section(input.unit, GlobalSection::Data(*global), contents)?);
    }
    for (id, global) in input.unit.globals.iter() {
        let misplaced = || Error::new(format!("the global `{}` is not in its section", global.name));
        let (section, offset) = layout.places.get(id).copied().ok_or_else(misplaced)?;
        let section = sections.iter_mut().find(|candidate| candidate.section == section).ok_or_else(misplaced)?;
        let bytes = types.size(&global.ty);
        if offset.checked_add(bytes).is_none_or(|end| end > section.bytes) {
            return Err(misplaced());
        }
        let symbol = symbol(&global.name);
        let ty = types.id(btf, &global.ty)?;
        let variable = Type::Variable { name: btf.name(&symbol)?, ty, linkage: Linkage::Global };
        let variable = btf.add(variable)?;
        section.globals.push(PlacedGlobal { symbol, offset, bytes, variable });
    }
    sections.retain(|section| section.bytes != 0);
    for section in &mut sections {
        section.globals.sort_by_key(|global| global.offset);
        describe(btf, section)?;
    }
    Ok(sections)
}

fn section<'a>(unit: &Unit, section: GlobalSection, contents: &'a [u8]) -> Result<DataSection<'a>, Error> {
    let name = section_name(unit, section);
    Ok(DataSection { section, name, contents, bytes: size(contents.len())?, globals: Vec::new() })
}

/// Adds the BTF of a section. Kernels before 5.12 refuse that of a section without variables.
fn describe(btf: &mut Btf, section: &DataSection<'_>) -> Result<(), Error> {
    let mut end = 0;
    let mut variables = Vec::new();
    for global in &section.globals {
        if global.offset < end {
            return Err(Error::new(format!("the global `{}` overlaps another", global.symbol)));
        }
        end = global.offset.saturating_add(global.bytes);
        variables.push(SectionVariable { variable: global.variable, offset: global.offset, bytes: global.bytes });
    }
    if !variables.is_empty() {
        let name = btf.string(&section.name)?;
        btf.add(Type::Section { name, bytes: section.bytes, variables })?;
    }
    Ok(())
}
