//! BTF.ext: which BTF function starts where, and which source line each instruction comes from. With it the verifier's log
//! shows the Scheme line above the instructions made from it.
//!
//! What the kernel asks of it (`check_btf_func`, `check_btf_line` in `kernel/bpf/verifier.c`) holds: every function has its
//! information, and its first line is at its first instruction; lines rise strictly, and none is at the second slot of a
//! 64-bit load.

use super::Error;
use super::btf::{Btf, MAGIC, StringOffset, TypeId, VERSION};
use super::byte_order::{Bytes, size};
use super::instruction::SLOT;
use crate::bpf::{Code, LineEntry, RelocationTarget};
use crate::check::kernel_types::{FactId, FactKind};
use crate::compile::Endianness;
use crate::source::{Sources, Span};

const HEADER: u32 = 32;
const FUNCTION_RECORD: u32 = 8;
const LINE_RECORD: u32 = 16;
const FACT_RECORD: u32 = 16;

/// `BPF_LINE_INFO_LINE_COL`: 22 bits of line, 10 of column.
const COLUMN_BITS: u32 = 10;
const COLUMN_MAX: u32 = (1 << COLUMN_BITS) - 1;
const LINE_MAX: u32 = (1 << (32 - COLUMN_BITS)) - 1;

/// What is known of one section of code.
#[derive(Debug)]
pub(super) struct SectionInfo {
    name: StringOffset,
    functions: Vec<(u32, TypeId)>,
    lines: Vec<Line>,
    facts: Vec<FactRecord>,
}

/// What an instruction asks of the running kernel (`struct bpf_core_relo`).
#[derive(Copy, Clone, Debug)]
struct FactRecord {
    offset: u32,
    ty: TypeId,
    way: StringOffset,
    kind: FactKind,
}

/// From an offset on, the source is this.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Line {
    offset: u32,
    file: StringOffset,
    text: StringOffset,
    position: u32,
}

impl SectionInfo {
    /// Nothing is known yet.
    pub(super) fn new(btf: &mut Btf, name: &str) -> Result<Self, Error> {
        Ok(Self { name: btf.string(name)?, functions: Vec::new(), lines: Vec::new(), facts: Vec::new() })
    }

    /// There is a function at this offset, of this BTF type.
    pub(super) fn add(
        &mut self,
        btf: &mut Btf,
        sources: &Sources,
        offset: u32,
        function: TypeId,
        code: &Code,
    ) -> Result<(), Error> {
        self.functions.push((offset, function));
        let mut last = None;
        for entry in entries(code) {
            let line = describe(btf, sources, entry.span)?;
            if last != Some(line) {
                last = Some(line);
                let (file, text, position) = line;
                let offset = offset.saturating_add(entry.instruction.saturating_mul(SLOT));
                self.lines.push(Line { offset, file, text, position });
            }
        }
        Ok(())
    }

    /// Notes what a function at this offset asks of the running kernel; `subject` gives the type, and the way from it to what is asked
    /// about.
    pub(super) fn add_facts(
        &mut self,
        offset: u32,
        code: &Code,
        mut subject: impl FnMut(FactId) -> Result<(FactKind, TypeId, StringOffset), Error>,
    ) -> Result<(), Error> {
        for relocation in &code.relocations {
            if let RelocationTarget::Fact(fact) = relocation.target {
                let (kind, ty, way) = subject(fact)?;
                let offset = offset.saturating_add(relocation.instruction.saturating_mul(SLOT));
                self.facts.push(FactRecord { offset, ty, way, kind });
            }
        }
        Ok(())
    }
}

/// The line entries of a function as the kernel wants them.
fn entries(code: &Code) -> Vec<LineEntry> {
    let mut entries = vec![LineEntry { instruction: 0, span: code.span }];
    for entry in &code.lines {
        let mut entry = *entry;
        // The second slot of a 64-bit load has no opcode.
        if instruction_opcode(code, entry.instruction) == Some(0) {
            entry.instruction = entry.instruction.saturating_add(1);
        }
        if instruction_opcode(code, entry.instruction).is_none() {
            continue;
        }
        match entries.last_mut() {
            Some(last) if last.instruction == entry.instruction => *last = entry,
            Some(last) if last.instruction > entry.instruction => {}
            _ => entries.push(entry),
        }
    }
    entries
}

fn instruction_opcode(code: &Code, instruction: u32) -> Option<u8> {
    code.instructions.get(instruction as usize).map(|slot| slot.opcode)
}

fn describe(btf: &mut Btf, sources: &Sources, span: Span) -> Result<(StringOffset, StringOffset, u32), Error> {
    let location = sources.location(span);
    let file = btf.string(&location.name)?;
    let text = btf.string(sources.line_text(span).trim_end())?;
    Ok((file, text, location.line.min(LINE_MAX) << COLUMN_BITS | location.column.min(COLUMN_MAX)))
}

/// The `.BTF.ext` section.
pub(super) fn encode(sections: &[SectionInfo], endianness: Endianness) -> Result<Vec<u8>, Error> {
    let mut functions = Bytes::new(endianness);
    functions.u32(FUNCTION_RECORD);
    let mut lines = Bytes::new(endianness);
    lines.u32(LINE_RECORD);
    let mut facts = Bytes::new(endianness);
    if sections.iter().any(|section| !section.facts.is_empty()) {
        facts.u32(FACT_RECORD);
    }
    for section in sections {
        functions.u32(section.name.number());
        functions.u32(size(section.functions.len())?);
        for (offset, function) in &section.functions {
            functions.u32(*offset);
            functions.u32(function.number());
        }
        lines.u32(section.name.number());
        lines.u32(size(section.lines.len())?);
        for line in &section.lines {
            for word in [line.offset, line.file.number(), line.text.number(), line.position] {
                lines.u32(word);
            }
        }
        if !section.facts.is_empty() {
            facts.u32(section.name.number());
            facts.u32(size(section.facts.len())?);
            for fact in &section.facts {
                for word in [fact.offset, fact.ty.number(), fact.way.number(), fact.kind as u32] {
                    facts.u32(word);
                }
            }
        }
    }
    let (functions_length, lines_length, facts_length) = (functions.len()?, lines.len()?, facts.len()?);
    let mut bytes = Bytes::new(endianness);
    bytes.u16(MAGIC);
    bytes.u8(VERSION);
    bytes.u8(0);
    bytes.u32(HEADER);
    bytes.u32(0);
    bytes.u32(functions_length);
    bytes.u32(functions_length);
    bytes.u32(lines_length);
    bytes.u32(functions_length.saturating_add(lines_length));
    bytes.u32(facts_length);
    bytes.raw(&functions.into_vec());
    bytes.raw(&lines.into_vec());
    bytes.raw(&facts.into_vec());
    Ok(bytes.into_vec())
}
