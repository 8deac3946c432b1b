//! The programs, and what is measured of their code.

use std::fs;
use std::path::{Path, PathBuf};

use aya_obj::Object;
use aya_obj::generated::bpf_insn;

/// A program, in Eshkol and in C.
pub(crate) struct Program {
    pub(crate) name: String,
    /// Eshkol.
    pub(crate) text: String,
    /// The same in C.
    pub(crate) c: PathBuf,
}

/// What a program does, as far as it can be seen.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// It decides on packets.
    Packets,
    /// It sends events.
    Events,
    /// It counts numbers.
    Histograms,
}

/// A version of the instruction set.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Isa {
    /// What the default `min-kernel` gives.
    V3,
    /// What `min-kernel` 6.6 gives.
    V4,
}

/// The size of a program's code.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Code {
    /// Slots of 8 bytes, of all programs: loading an address takes two.
    pub(crate) instructions: usize,
    /// Bytes of stack that the program touches which touches most.
    pub(crate) stack: usize,
}

/// The directory of a part of the benchmarks.
pub(crate) fn directory(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(part)
}

/// Every program, by name.
pub(crate) fn all() -> Result<Vec<Program>, String> {
    let directory_of_texts = directory("programs");
    let failed = |error| format!("can't read {}: {error}", directory_of_texts.display());
    let mut programs = Vec::new();
    for entry in fs::read_dir(&directory_of_texts).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a program without a name")?.to_owned();
        let text = fs::read_to_string(&path).map_err(failed)?;
        let c = directory("clang").join(&name).with_extension("c");
        programs.push(Program { name, text, c });
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

impl Program {
    /// What it does.
    pub(crate) fn kind(&self) -> Kind {
        let has = |map_kind| self.text.contains(map_kind);
        match (has(":ringbuf"), has(":histogram")) {
            (true, _) => Kind::Events,
            (_, true) => Kind::Histograms,
            _ => Kind::Packets,
        }
    }

    /// Its text, for kernels that have an instruction set.
    pub(crate) fn text_for(&self, isa: Isa) -> String {
        const LICENSE: &str = "(license \"GPL\")";
        match isa {
            Isa::V3 => self.text.clone(),
            Isa::V4 => self.text.replace(LICENSE, &format!("{LICENSE} (min-kernel \"6.6\")")),
        }
    }
}

impl Code {
    /// The code of all programs of an object.
    pub(crate) fn of(object: &[u8]) -> Result<Self, String> {
        let mut object = Object::parse(object).map_err(|error| format!("not an eBPF object: {error}"))?;
        // To a program belongs what it calls; an object may have functions that nothing calls.
        let sections = object.functions.keys().map(|(section, _)| *section).collect();
        object.relocate_calls(&sections).map_err(|error| format!("calls nothing: {error}"))?;
        let function = |program: &aya_obj::Program| object.functions.get(&program.function_key());
        let functions =
            || object.programs.values().filter_map(function).map(|function| function.instructions.as_slice());
        let instructions = functions().map(<[bpf_insn]>::len).sum();
        Ok(Self { instructions, stack: functions().map(stack).max().unwrap_or(0) })
    }

    /// How many instructions this has for each one of the other.
    pub(crate) fn ratio(self, other: Self) -> f64 {
        self.instructions as f64 / other.instructions as f64
    }
}

/// The depth of the deepest byte of the stack that the code has the address of.
fn stack(instructions: &[bpf_insn]) -> usize {
    const FRAME_POINTER: u8 = 10;
    const MOVE: u8 = 0xbf;
    const ADD: u8 = 0x07;
    // Classes of opcodes (RFC 9669, section 3.1).
    let class = |instruction: &bpf_insn| instruction.code & 7;
    // The registers that hold a copy of the frame pointer, and how far from it.
    let mut copies: [Option<i32>; 11] = [None; 11];
    let mut depth = 0;
    for instruction in instructions {
        copies[usize::from(FRAME_POINTER)] = Some(0);
        let (target, source) = (usize::from(instruction.dst_reg()), usize::from(instruction.src_reg()));
        let place = match class(instruction) {
            1 => copies[source].map(|base| base + i32::from(instruction.off)),
            2 | 3 => copies[target].map(|base| base + i32::from(instruction.off)),
            _ => None,
        };
        if let Some(place) = place {
            depth = depth.min(place);
        }
        if matches!(class(instruction), 0 | 1 | 4 | 7) {
            copies[target] = match instruction.code {
                MOVE => copies[source],
                ADD => copies[target].map(|base| base + instruction.imm),
                _ => None,
            };
            if let Some(place) = copies[target] {
                depth = depth.min(place);
            }
        }
    }
    depth.unsigned_abs() as usize
}
