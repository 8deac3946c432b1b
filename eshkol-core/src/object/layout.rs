//! Where code goes: the programs of one type and place share a section (BTF.ext is looked up by the section's name), in the order of
//! the unit, and all functions are in one `.text` (aya 0.14 mixes up functions of two). Symbols are unique in the object.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::byte_order::size;
use super::instruction::SLOT;
use super::{Error, Input};
use crate::bindings::symbol;
use crate::bpf::Code;
use crate::check::typed::Program;

/// The section of functions.
pub(super) const TEXT: &str = ".text";

/// Where all code of a unit goes.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    /// Sections of code; that of functions is the last, if there are functions.
    pub(super) sections: Vec<CodeSection<'a>>,
}

/// A section of code.
#[derive(Debug)]
pub(super) struct CodeSection<'a> {
    /// Its name.
    pub(super) name: Cow<'static, str>,
    /// What is in it, one after the other.
    pub(super) code: Vec<PlacedCode<'a>>,
}

/// Code in a section.
#[derive(Debug)]
pub(super) struct PlacedCode<'a> {
    /// Its symbol.
    pub(super) symbol: String,
    /// The code.
    pub(super) code: &'a Code,
    /// What it is.
    pub(super) role: Role<'a>,
    /// Bytes from the start of the section.
    pub(super) offset: u32,
    /// Bytes.
    pub(super) bytes: u32,
}

/// What code is there for.
#[derive(Copy, Clone, Debug)]
pub(super) enum Role<'a> {
    /// The kernel calls it.
    Program(&'a Program),
    /// Programs and functions call it.
    Function,
}

impl<'a> Layout<'a> {
    /// Lays the code out.
    pub(super) fn new(input: &Input<'a>) -> Result<Self, Error> {
        let unit = input.unit;
        if input.programs.len() != unit.programs.len() {
            return Err(Error::new("there is not one code for each program"));
        }
        let mut taken = BTreeSet::new();
        let maps = unit.maps.values().map(|map| symbol(&map.name));
        let globals = unit.globals.values().map(|global| symbol(&global.name));
        for name in maps.chain(globals) {
            take(&mut taken, name)?;
        }
        let mut sections: Vec<CodeSection<'a>> = Vec::new();
        for (program, code) in unit.programs.iter().zip(input.programs) {
            let name = take(&mut taken, symbol(&program.entry.name))?;
            let points = program.attach_points.iter().map(|(point, _)| &**point);
            let section = program.program_type.section(program.frags, points);
            place(&mut sections, section, name, code, Role::Program(program))?;
        }
        for code in input.functions {
            let name = take_alike(&mut taken, symbol(&code.name));
            place(&mut sections, TEXT.into(), name, code, Role::Function)?;
        }
        Ok(Self { sections })
    }

    /// All code, section by section.
    pub(super) fn code(&self) -> impl Iterator<Item = (&CodeSection<'a>, &PlacedCode<'a>)> {
        self.sections.iter().flat_map(|section| section.code.iter().map(move |placed| (section, placed)))
    }
}

/// Names that Rust and the kernel see can't be changed, so two that are the same are an error.
fn take(taken: &mut BTreeSet<String>, name: String) -> Result<String, Error> {
    if taken.insert(name.clone()) {
        Ok(name)
    } else {
        Err(Error::new(format!("two things are both called `{name}` in the object; rename one of them")))
    }
}

/// A function's name is only there to be read, so it gives way.
fn take_alike(taken: &mut BTreeSet<String>, name: String) -> String {
    let numbered = (1_u32..).map(|number| format!("{name}_{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|candidate| !taken.contains(candidate));
    let free = free.unwrap_or(name);
    taken.insert(free.clone());
    free
}

fn place<'a>(
    sections: &mut Vec<CodeSection<'a>>,
    name: Cow<'static, str>,
    symbol: String,
    code: &'a Code,
    role: Role<'a>,
) -> Result<(), Error> {
    if code.instructions.is_empty() {
        return Err(Error::new(format!("`{symbol}` has no code")));
    }
    let bytes = size(code.instructions.len())?.checked_mul(SLOT);
    let bytes = bytes.ok_or_else(|| Error::new(format!("`{symbol}` is larger than 4 GiB")))?;
    let known = sections.iter().position(|section| section.name == name);
    let index = known.unwrap_or(sections.len());
    if known.is_none() {
        sections.push(CodeSection { name, code: Vec::new() });
    }
    if let Some(section) = sections.get_mut(index) {
        let offset = section.code.last().map_or(0, |last| last.offset.saturating_add(last.bytes));
        section.code.push(PlacedCode { symbol, code, role, offset, bytes });
    }
    Ok(())
}
