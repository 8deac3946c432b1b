//! Reads an object back as aya does, links it as aya does, and compares the result with what was to be written.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use aya_obj::generated::bpf_insn;
use aya_obj::maps::PinningType;
use aya_obj::{Function, Map, Object};

use super::data::section_name;
use super::instruction::SLOT;
use super::layout::{Layout, PlacedCode, Role};
use super::{Error, Input, maps};
use crate::arena::Id;
use crate::bindings::symbol;
use crate::bpf::{Code, RelocationTarget};
use crate::ir::GlobalSection;
use crate::object::types::DataTypes;

/// `BPF_PSEUDO_MAP_FD`
const PSEUDO_MAP: u8 = 1;
/// `BPF_PSEUDO_MAP_VALUE`
const PSEUDO_MAP_VALUE: u8 = 2;

/// Compares an object in the host's byte order with its input.
pub(super) fn check(input: &Input<'_>, layout: &Layout<'_>, bytes: &[u8]) -> Result<(), Error> {
    let mut object = Object::parse(bytes).map_err(|error| Error::new(format!("aya can't read the object: {error}")))?;
    expect("the license", object.license.to_bytes(), input.unit.license.as_bytes())?;
    check_maps(input, &object)?;
    check_code(layout, &object)?;
    check_relocations(input, layout, &mut object)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::new(format!("the object is wrong: {what} is {found:?} and not {expected:?}")))
    }
}

fn missing(what: &str) -> Error {
    Error::new(format!("the object is wrong: `{what}` is missing"))
}

fn check_maps(input: &Input<'_>, object: &Object) -> Result<(), Error> {
    let types = DataTypes::new(&input.unit.types);
    for map in input.unit.maps.values() {
        let name = symbol(&map.name);
        let found = object.maps.get(&name).ok_or_else(|| missing(&name))?;
        let pinning = if map.pin_by_name { PinningType::ByName } else { PinningType::None };
        let what = format!("the definition of the map `{name}`");
        let expected = [
            map.kind.number(),
            maps::key_size(&types, map),
            types.size(&map.value),
            map.max_entries,
            map.flags,
            pinning as u32,
        ];
        expect(&what, definition(found), expected)?;
    }
    let mut count = input.unit.maps.len();
    for (name, contents) in data_sections(input) {
        let found = object.maps.get(&name).ok_or_else(|| missing(&name))?;
        expect(&name, found.data(), contents)?;
        count = count.saturating_add(1);
    }
    expect("the number of maps", object.maps.len(), count)
}

/// The data sections that are not empty, each with its name.
fn data_sections<'a>(input: &Input<'a>) -> impl Iterator<Item = (String, &'a [u8])> {
    let globals = input.globals;
    let mutable = globals.mutable.iter().map(|(global, contents)| (GlobalSection::Data(*global), contents));
    let sections = std::iter::once((GlobalSection::Rodata, &globals.rodata)).chain(mutable);
    let sections = sections.filter(|(_, contents)| !contents.is_empty());
    let unit = input.unit;
    sections.map(|(section, contents)| (section_name(unit, section), contents.as_slice()))
}

fn definition(map: &Map) -> [u32; 6] {
    let pinning = map.pinning() as u32;
    [map.map_type(), map.key_size(), map.value_size(), map.max_entries(), map.map_flags(), pinning]
}

fn check_code(layout: &Layout<'_>, object: &Object) -> Result<(), Error> {
    for (_, placed) in layout.code() {
        let function = find(object, placed)?;
        let name = &placed.symbol;
        expect(&format!("the length of `{name}`"), function.instructions.len(), placed.code.instructions.len())?;
        // aya counts in instructions: a program's from its own start, a function's from that of `.text`.
        let start = match placed.role {
            Role::Program(_) => 0,
            Role::Function => placed.offset / SLOT,
        };
        let functions: Vec<_> = function.func_info.func_info.iter().map(|info| info.insn_off).collect();
        expect(&format!("the function information of `{name}`"), functions, vec![start])?;
        let lines: Vec<_> = function.line_info.line_info.iter().map(|line| line.insn_off).collect();
        expect(&format!("the first line of `{name}`"), lines.first(), Some(&start))?;
        expect(&format!("the order of the lines of `{name}`"), lines.is_sorted_by(|a, b| a < b), true)?;
    }
    let count = layout.code().count();
    expect("the number of functions", object.functions.len(), count)?;
    let programs = layout.code().filter(|(_, placed)| matches!(placed.role, Role::Program(_))).count();
    expect("the number of programs", object.programs.len(), programs)
}

fn find<'o>(object: &'o Object, placed: &PlacedCode<'_>) -> Result<&'o Function, Error> {
    let function = match placed.role {
        Role::Program(_) => {
            let program = object.programs.get(&placed.symbol);
            program.and_then(|program| object.functions.get(&program.function_key()))
        }
        Role::Function => object.functions.values().find(|function| function.name == placed.symbol),
    };
    function.ok_or_else(|| missing(&placed.symbol))
}

/// Links the object with numbers of our own for the maps, and looks whether each ended up in its place.
fn check_relocations(input: &Input<'_>, layout: &Layout<'_>, object: &mut Object) -> Result<(), Error> {
    let names = input.unit.maps.values().map(|map| symbol(&map.name));
    let names = names.chain(data_sections(input).map(|(name, _)| name));
    let numbers: BTreeMap<String, i32> = names.zip(1..).collect();
    let text: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let linking = |error: String| Error::new(format!("aya can't link the object: {error}"));

    let maps = object.maps.clone();
    let maps = maps.iter().filter_map(|(name, map)| Some((name.as_str(), *numbers.get(name)?, map)));
    object.relocate_maps(maps, &text).map_err(|error| linking(format!("{error:?}")))?;
    let number = |target| match target {
        RelocationTarget::Map(map) => {
            let name = symbol(&input.unit.maps.get(map)?.name);
            Some((PSEUDO_MAP, *numbers.get(&name)?, 0))
        }
        RelocationTarget::Global { section, offset } => {
            Some((PSEUDO_MAP_VALUE, *numbers.get(&section_name(input.unit, section))?, i32::try_from(offset).ok()?))
        }
        RelocationTarget::Function(_) | RelocationTarget::Fact(_) | RelocationTarget::Kfunc(_) => None,
    };
    for (_, placed) in layout.code() {
        let function = find(object, placed)?;
        for relocation in &placed.code.relocations {
            if let Some(expected) = number(relocation.target) {
                let at = relocation.instruction as usize;
                let first = function.instructions.get(at).map(|slot| (slot.src_reg(), slot.imm));
                let second = function.instructions.get(at.saturating_add(1)).map(|slot| slot.imm);
                let found = first.zip(second).map(|((source, number), offset)| (source, number, offset));
                expect(&format!("slot {at} of `{}`", placed.symbol), found, Some(expected))?;
            }
        }
    }

    object.relocate_calls(&text).map_err(|error| linking(format!("{error:?}")))?;
    for (_, placed) in layout.code().filter(|(_, placed)| matches!(placed.role, Role::Program(_))) {
        check_calls(input, placed, &find(object, placed)?.instructions)?;
    }
    Ok(())
}

/// Looks whether the functions that a program calls, and those that they call, were linked to it, and whether the calls
/// go to them.
fn check_calls(input: &Input<'_>, program: &PlacedCode<'_>, linked: &[bpf_insn]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![(0, program.code)];
    while let Some((start, code)) = waiting.pop() {
        let found = linked.get(start..).unwrap_or_default();
        expect(&format!("that `{}` is linked to `{}`", code.name, program.symbol), starts_with(found, code), true)?;
        if !seen.insert(start) {
            continue;
        }
        for relocation in &code.relocations {
            if let RelocationTarget::Function(id) = relocation.target {
                let what = || missing(&format!("what slot {} of `{}` calls", relocation.instruction, code.name));
                let at = start.saturating_add(relocation.instruction as usize);
                let distance = linked.get(at).and_then(|slot| slot.imm.try_into().ok()).ok_or_else(what)?;
                let target = at.saturating_add(1).checked_add_signed(distance).ok_or_else(what)?;
                waiting.push((target, input.functions.get(id.index()).ok_or_else(what)?));
            }
        }
    }
    Ok(())
}

/// Compares what linking leaves alone.
fn starts_with(linked: &[bpf_insn], code: &Code) -> bool {
    let linked = linked.iter().take(code.instructions.len()).map(|slot| (slot.code, slot.dst_reg(), slot.off));
    linked.eq(code.instructions.iter().map(|slot| (slot.opcode, slot.destination, slot.offset)))
}
