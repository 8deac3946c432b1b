//! Reads an object and links its programs, as aya's loader does before it hands them to the kernel.

use std::collections::HashSet;
use std::os::fd::RawFd;

use aya_obj::{EbpfSectionKind, Object, ProgramSection};

use super::instruction::{Instruction, decode};
use super::kernel_function::KernelFunction;
use super::lines::{Lines, Texts};
use super::map::Definition;
use super::socket_buffer::SocketBufferProgram;
use super::violation::SimulatorError;
use crate::object::{check_bytes, guarded};
use crate::spec::KfuncSpec;
use crate::sys::kind;

/// What an object holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) programs: Vec<Program>,
    pub(super) maps: Vec<MapContents>,
}

/// A map, and the bytes of its value where it is a data section.
#[derive(Debug)]
pub(super) struct MapContents {
    pub(super) definition: Definition,
    pub(super) data: Option<Vec<u8>>,
}

/// A program with the functions that it calls.
#[derive(Debug)]
pub(super) struct Program {
    /// Its symbol in the object.
    pub(super) name: String,
    pub(super) kind: ProgramKind,
    pub(super) instructions: Vec<Instruction>,
    pub(super) lines: Lines,
}

/// What a program is called with.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum ProgramKind {
    Xdp,
    /// One that gets a packet in a socket buffer.
    SocketBuffer(SocketBufferProgram),
    /// A type that the simulator can't call yet.
    Other,
}

/// What to read differently from what the object says.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    /// Bytes of globals, by symbol.
    pub(crate) globals: &'a [(&'static str, Vec<u8>)],
    /// Elements that maps hold at most, by symbol.
    pub(crate) max_entries: &'a [(&'static str, u32)],
    /// The file in whose lines places are told, where they can be; without it, in those of whatever file they are in.
    pub(crate) file: Option<&'a str>,
    /// Functions of the kernel that the unit declares.
    pub(crate) kfuncs: &'a [KfuncSpec],
}

impl Changes<'_> {
    /// The functions, without anything that stands in for them yet.
    pub(super) fn kernel_functions(&self) -> Vec<KernelFunction> {
        let function =
            |spec: &KfuncSpec| KernelFunction { symbol: spec.symbol, parameters: spec.parameters, stand_in: None };
        self.kfuncs.iter().map(function).collect()
    }
}

pub(super) fn read(bytes: &[u8], changes: &Changes<'_>) -> Result<Contents, SimulatorError> {
    check_bytes(bytes).map_err(SimulatorError::object)?;
    guarded(|| read_whole(bytes, changes)).map_err(SimulatorError::object)?
}

fn read_whole(bytes: &[u8], changes: &Changes<'_>) -> Result<Contents, SimulatorError> {
    let damaged = |error: &dyn std::error::Error| SimulatorError::object(chain(error));
    let mut object = Object::parse(bytes).map_err(|error| damaged(&error))?;
    let globals = changes.globals.iter().map(|(symbol, bytes)| (*symbol, (bytes.as_slice(), true))).collect();
    object.patch_map_data(globals).map_err(|error| damaged(&error))?;

    // Linking wants descriptors of maps; ours are their numbers.
    let mut named: Vec<_> = std::mem::take(&mut object.maps).into_iter().collect();
    named.sort_by(|(left, _), (right, _)| left.cmp(right));
    let code: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let numbered = named.iter().zip(0..).map(|((name, map), number): (_, RawFd)| (name.as_str(), number, map));
    object.relocate_maps(numbered, &code).map_err(|error| damaged(&error))?;
    object.relocate_calls(&code).map_err(|error| damaged(&error))?;

    let maps = named.iter().map(|(name, map)| {
        let section = map.section_kind();
        let is_data = matches!(section, EbpfSectionKind::Data | EbpfSectionKind::Rodata | EbpfSectionKind::Bss);
        let changed = changes.max_entries.iter().rev().find(|(symbol, _)| symbol == name);
        let definition = Definition {
            name: name.clone(),
            kind: if is_data { kind::ARRAY } else { map.map_type() },
            key_size: map.key_size() as usize,
            value_size: value_size(map.map_type(), map.value_size() as usize),
            max_entries: changed.map_or(map.max_entries(), |(_, entries)| *entries),
            flags: map.map_flags(),
            constant: section == EbpfSectionKind::Rodata,
        };
        MapContents { definition, data: is_data.then(|| map.data().to_vec()) }
    });
    let maps = maps.collect();

    let texts = Texts::of(object.btf.as_ref());
    let mut programs = Vec::new();
    for (name, program) in &object.programs {
        let function = object.functions.get(&program.function_key());
        let function = function.ok_or_else(|| SimulatorError::object(format!("`{name}` has no code")))?;
        let lines = Lines::new(&texts, &function.line_info.line_info, changes.file);
        let instructions = decode(&function.instructions).map_err(|(at, why)| {
            SimulatorError::violation(name, format!("is no program: at instruction {at}, {why}"), lines.find(at), at)
        })?;
        let kind = match program.section {
            ProgramSection::Xdp { .. } => ProgramKind::Xdp,
            ProgramSection::SocketFilter => ProgramKind::SocketBuffer(SocketBufferProgram::SocketFilter),
            ProgramSection::SchedClassifier => ProgramKind::SocketBuffer(SocketBufferProgram::TrafficControl),
            ProgramSection::CgroupSkb { .. } => ProgramKind::SocketBuffer(SocketBufferProgram::CgroupSkb),
            _ => ProgramKind::Other,
        };
        programs.push(Program { name: name.clone(), kind, instructions, lines });
    }
    programs.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Contents { programs, maps })
}

/// Bytes of a value of a map. Where a packet can be redirected to, loaders make room for a program to run there (`struct bpf_devmap_val`,
/// `struct bpf_cpumap_val`).
fn value_size(map_kind: u32, declared: usize) -> usize {
    const WITH_PROGRAM: usize = 8;
    let redirects = [kind::DEVMAP, kind::DEVMAP_HASH, kind::CPUMAP].contains(&map_kind);
    if redirects { declared.max(WITH_PROGRAM) } else { declared }
}

/// A program of nothing but instructions.
pub(super) fn of_code(code: &[u8]) -> Result<Program, SimulatorError> {
    let slots = aya_obj::copy_instructions(code).map_err(|error| SimulatorError::object(chain(&error)))?;
    let name = "code".to_owned();
    let instructions = decode(&slots).map_err(|(at, why)| {
        SimulatorError::violation(&name, format!("is no program: at instruction {at}, {why}"), None, at)
    })?;
    Ok(Program { name, kind: ProgramKind::Other, instructions, lines: Lines::default() })
}

/// An error with its causes, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
