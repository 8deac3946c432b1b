//! The ELF file: 64-bit, relocatable, `EM_BPF`, in the target's byte order.
//!
//! Sections: code (`xdp` …, `.text`), `license`, `.maps`, data, `.BTF`, `.BTF.ext`, and `SHT_REL` relocations of the code.
//! Programs, maps and globals are global symbols; functions are local ones, as they are static in BTF.

use object::elf::{R_BPF_64_32, R_BPF_64_64};
use object::write::{Object, Relocation, RelocationFlags, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness as ObjectEndianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use super::Error;
use super::byte_order::Bytes;
use super::data::DataSection;
use super::instruction::{self, CALL, LOAD_IMMEDIATE_64, PSEUDO_CALL, SLOT};
use super::layout::{CodeSection, Layout, Role};
use super::maps::{Definition, MAPS};
use crate::arena::{Arena, Id};
use crate::bpf::{self, RelocationTarget};
use crate::check::typed::{Kfunc, KfuncId};
use crate::compile::Endianness;
use crate::ir::GlobalSection;

/// Alignment of what holds 64-bit words.
const WORD: u64 = 8;

/// What goes into the file.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) layout: &'a Layout<'a>,
    pub(super) license: &'a str,
    /// In the order of the unit.
    pub(super) maps: &'a [Definition],
    pub(super) data: &'a [DataSection<'a>],
    pub(super) btf: &'a [u8],
    pub(super) ext: &'a [u8],
    pub(super) endianness: Endianness,
    /// The functions of the kernel, where they are externs.
    pub(super) externs: Option<&'a Arena<KfuncId, Kfunc>>,
}

/// What relocations can refer to.
struct Symbols {
    maps: Vec<SymbolId>,
    /// By the number of the function: the symbol of its section, its own, and where it is in the section.
    functions: Vec<(SymbolId, SymbolId, u32)>,
    /// Of each data section: the section, its own symbol and those of its globals.
    data: Vec<(SymbolId, Vec<SymbolId>)>,
    /// Of each function of the kernel, where they are externs.
    kfuncs: Vec<SymbolId>,
}

/// Writes the file.
pub(super) fn write(parts: &Parts<'_>) -> Result<Vec<u8>, Error> {
    let endianness = match parts.endianness {
        Endianness::Little => ObjectEndianness::Little,
        Endianness::Big => ObjectEndianness::Big,
    };
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, endianness);
    let sections = parts.layout.sections.iter();
    let code: Vec<SectionId> =
        sections.map(|section| add_section(&mut object, &section.name, SectionKind::Text)).collect();
    let mut license = parts.license.as_bytes().to_vec();
    license.push(0);
    let section = add_section(&mut object, "license", SectionKind::Data);
    object.append_section_data(section, &license, 1);

    let mut symbols = Symbols {
        maps: add_maps(&mut object, parts.maps),
        functions: Vec::new(),
        data: Vec::new(),
        kfuncs: Vec::new(),
    };
    for section in parts.data {
        symbols.data.push(add_data(&mut object, section));
    }
    for function in parts.externs.into_iter().flat_map(Arena::values) {
        symbols.kfuncs.push(add_extern(&mut object, &function.symbol));
    }
    for (section, id) in parts.layout.sections.iter().zip(&code) {
        add_code_symbols(&mut object, section, *id, &mut symbols);
    }
    for (section, id) in parts.layout.sections.iter().zip(&code) {
        add_code(&mut object, section, *id, &symbols, parts)?;
    }
    for (name, contents) in [(".BTF", parts.btf), (".BTF.ext", parts.ext)] {
        let section = add_section(&mut object, name, SectionKind::Other);
        object.append_section_data(section, contents, 4);
    }
    object.write().map_err(|error| Error::new(format!("the ELF file can't be written: {error}")))
}

fn add_section(object: &mut Object<'_>, name: &str, kind: SectionKind) -> SectionId {
    object.add_section(Vec::new(), name.as_bytes().to_vec(), kind)
}

fn add_symbol(
    object: &mut Object<'_>,
    name: &str,
    section: SectionId,
    (offset, bytes): (u32, u32),
    kind: SymbolKind,
    scope: SymbolScope,
) -> SymbolId {
    object.add_symbol(Symbol {
        name: name.as_bytes().to_vec(),
        value: u64::from(offset),
        size: u64::from(bytes),
        kind,
        scope,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    })
}

/// A symbol that is in no section.
fn add_extern(object: &mut Object<'_>, name: &str) -> SymbolId {
    object.add_symbol(Symbol {
        name: name.as_bytes().to_vec(),
        value: 0,
        size: 0,
        kind: SymbolKind::Unknown,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Undefined,
        flags: SymbolFlags::None,
    })
}

/// `.maps`: definitions are in BTF, so there are only zeros here, as many as the variables have bytes.
fn add_maps(object: &mut Object<'_>, maps: &[Definition]) -> Vec<SymbolId> {
    if maps.is_empty() {
        return Vec::new();
    }
    let section = add_section(object, MAPS, SectionKind::Data);
    let mut symbols = Vec::new();
    for map in maps {
        object.append_section_data(section, &vec![0; map.bytes as usize], WORD);
        let place = (map.offset, map.bytes);
        symbols.push(add_symbol(object, &map.symbol, section, place, SymbolKind::Data, SymbolScope::Dynamic));
    }
    symbols
}

fn add_data(object: &mut Object<'_>, data: &DataSection<'_>) -> (SymbolId, Vec<SymbolId>) {
    let kind = match data.section {
        GlobalSection::Rodata => SectionKind::ReadOnlyData,
        GlobalSection::Data(_) => SectionKind::Data,
    };
    let section = add_section(object, &data.name, kind);
    object.append_section_data(section, data.contents, WORD);
    let globals = data.globals.iter().map(|global| {
        let place = (global.offset, global.bytes);
        add_symbol(object, &global.symbol, section, place, SymbolKind::Data, SymbolScope::Dynamic)
    });
    let globals = globals.collect();
    (object.section_symbol(section), globals)
}

/// Symbols of the code of a section.
fn add_code_symbols(object: &mut Object<'_>, section: &CodeSection<'_>, id: SectionId, symbols: &mut Symbols) {
    for placed in &section.code {
        let scope = match placed.role {
            Role::Program(_) => SymbolScope::Dynamic,
            Role::Function => SymbolScope::Compilation,
        };
        let place = (placed.offset, placed.bytes);
        let symbol = add_symbol(object, &placed.symbol, id, place, SymbolKind::Text, scope);
        if let Role::Function = placed.role {
            symbols.functions.push((object.section_symbol(id), symbol, placed.offset));
        }
    }
}

fn add_code(
    object: &mut Object<'_>,
    section: &CodeSection<'_>,
    id: SectionId,
    symbols: &Symbols,
    parts: &Parts<'_>,
) -> Result<(), Error> {
    let mut bytes = Bytes::new(parts.endianness);
    for placed in &section.code {
        let mut instructions = placed.code.instructions.clone();
        for relocation in &placed.code.relocations {
            match relocation.target {
                // Those are in BTF.ext.
                RelocationTarget::Fact(_) => continue,
                // Those are filled in by the runtime.
                RelocationTarget::Kfunc(_) if parts.externs.is_none() => continue,
                _ => {}
            }
            let error = || {
                let at = relocation.instruction;
                Error::new(format!("slot {at} of `{}` can't be relocated to {:?}", placed.symbol, relocation.target))
            };
            let slot = instructions.get_mut(relocation.instruction as usize).ok_or_else(error)?;
            let (symbol, kind) = resolve(slot, relocation.target, symbols, parts).ok_or_else(error)?;
            let offset = placed.offset.saturating_add(relocation.instruction.saturating_mul(SLOT));
            let flags = RelocationFlags::Elf { r_type: kind };
            let entry = Relocation { offset: u64::from(offset), symbol, addend: 0, flags };
            object.add_relocation(id, entry).map_err(|_| error())?;
        }
        for slot in instructions {
            instruction::encode(slot, parts.endianness, &mut bytes);
        }
    }
    object.append_section_data(id, &bytes.into_vec(), WORD);
    Ok(())
}

/// The symbol that the loader puts into an instruction, and how. The instruction itself gets what the loader adds to it.
fn resolve(
    slot: &mut bpf::Instruction,
    target: RelocationTarget,
    symbols: &Symbols,
    parts: &Parts<'_>,
) -> Option<(SymbolId, u32)> {
    match (target, slot.opcode) {
        (RelocationTarget::Map(map), LOAD_IMMEDIATE_64) => {
            slot.source = 0;
            slot.immediate = 0;
            Some((*symbols.maps.get(map.index())?, R_BPF_64_64))
        }
        (RelocationTarget::Global { section, offset }, LOAD_IMMEDIATE_64) => {
            let index = parts.data.iter().position(|data| data.section == section)?;
            let (data, (own, globals)) = (parts.data.get(index)?, symbols.data.get(index)?);
            let mut candidates = data.globals.iter().zip(globals);
            let global = candidates.find_map(|(global, symbol)| Some((*symbol, global.offset_of(offset)?)));
            // What belongs to no global, such as text, is counted from the section's start.
            let (symbol, rest) = global.unwrap_or((*own, offset));
            slot.source = 0;
            slot.immediate = i32::try_from(rest).ok()?;
            (offset < data.bytes).then_some((symbol, R_BPF_64_64))
        }
        (RelocationTarget::Kfunc(function), CALL) => {
            slot.source = PSEUDO_CALL;
            slot.immediate = -1;
            Some((*symbols.kfuncs.get(function.index())?, R_BPF_64_32))
        }
        (RelocationTarget::Function(function), CALL) => {
            slot.source = PSEUDO_CALL;
            // Calls count from the next instruction.
            slot.immediate = -1;
            let (_, symbol, _) = symbols.functions.get(function.index())?;
            Some((*symbol, R_BPF_64_32))
        }
        (RelocationTarget::Function(function), LOAD_IMMEDIATE_64) => {
            // libbpf takes the address of a local function only in this way.
            let (section, _, offset) = symbols.functions.get(function.index())?;
            slot.source = 0;
            slot.immediate = i32::try_from(*offset).ok()?;
            Some((*section, R_BPF_64_64))
        }
        _ => None,
    }
}
