//! Which instruction came from where in the source: the line information of an object (BTF.ext).

use std::collections::BTreeMap;

use aya_obj::btf::Btf;
use aya_obj::generated::bpf_line_info;

use crate::verifier::Location;

/// The lines of a program, by the first instruction of each.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: BTreeMap<usize, Line>,
    /// The file whose lines count.
    file: Option<String>,
}

#[derive(Debug)]
struct Line {
    file: String,
    text: String,
    line: u32,
    column: u32,
}

/// The texts of an object's BTF.
pub(super) struct Texts(Vec<u8>);

impl Texts {
    pub(super) fn of(btf: Option<&Btf>) -> Self {
        Self(btf.and_then(|btf| texts(&btf.to_bytes())).unwrap_or_default())
    }

    fn at(&self, offset: u32) -> String {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        String::from_utf8_lossy(rest.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
    }
}

/// The part of BTF that holds its texts (`struct btf_header`).
fn texts(btf: &[u8]) -> Option<Vec<u8>> {
    let number = |offset: usize| {
        let bytes = btf.get(offset..offset + 4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    };
    let (header, start, length) = (number(4)?, number(16)?, number(20)?);
    let start = header.checked_add(start)?;
    btf.get(start..start.checked_add(length)?).map(<[u8]>::to_vec)
}

impl Lines {
    pub(super) fn new(texts: &Texts, lines: &[bpf_line_info], file: Option<&str>) -> Self {
        /// `BPF_LINE_INFO_LINE_COL`: 22 bits of line, 10 of column.
        const COLUMN_BITS: u32 = 10;
        let line = |info: &bpf_line_info| {
            let line = Line {
                file: texts.at(info.file_name_off),
                text: texts.at(info.line_off).trim().to_owned(),
                line: info.line_col >> COLUMN_BITS,
                column: info.line_col & ((1 << COLUMN_BITS) - 1),
            };
            (info.insn_off as usize, line)
        };
        Self { lines: lines.iter().map(line).collect(), file: file.map(str::to_owned) }
    }

    /// Where an instruction comes from: the nearest line before it in the file that counts, else whatever line it has.
    pub(super) fn find(&self, instruction: usize) -> Option<Location> {
        let before = || self.lines.range(..=instruction).rev().map(|(_, line)| line);
        let counts = |line: &&Line| self.file.as_ref().is_some_and(|file| line.file == *file);
        let Line { file, text, line, column } = before().find(counts).or_else(|| before().next())?;
        Some(Location {
            file: file.clone(),
            line: *line,
            column: (*column != 0).then_some(*column),
            text: text.clone(),
            instruction: u32::try_from(instruction).unwrap_or(u32::MAX),
        })
    }
}
