//! The table.

use std::fmt::Display;
use std::time::Duration;

use crate::clang::{self, Reference};
use crate::compile;
use crate::packets::PacketProgram;
use crate::programs::{self, Code, Isa, Kind, Program};
use crate::race::{self, Race};
use crate::unit::Unit;

/// A column: what it is called, how wide it is, and whether it is a ratio, whose mean is at the foot.
struct Column(&'static str, usize, bool);

const COLUMNS: [Column; 19] = [
    Column("v3", 4, false),
    Column("clang", 5, false),
    Column("", 4, true),
    Column("v4", 5, false),
    Column("clang", 5, false),
    Column("", 4, true),
    Column("jited", 6, false),
    Column("clang", 5, false),
    Column("", 4, true),
    Column("verified", 9, false),
    Column("clang", 5, false),
    Column("", 4, true),
    Column("ns", 6, false),
    Column("clang", 6, false),
    Column("", 5, true),
    Column("stack", 6, false),
    Column("clang", 5, false),
    Column("ms", 6, false),
    Column("on cpu", 6, false),
];

/// A field of a row.
enum Field {
    Text(String),
    Ratio(f64),
}

impl Field {
    fn of(shown: impl Display) -> Self {
        Self::Text(shown.to_string())
    }

    fn milliseconds(time: Option<Duration>) -> Self {
        Self::Text(time.map_or_else(|| "?".to_owned(), |time| format!("{:.2}", time.as_secs_f64() * 1e3)))
    }

    fn nothing() -> Self {
        Self::Text("-".to_owned())
    }
}

/// Prints the rows of the programs with `wanted` in their names, and the means of the ratios.
///
/// `v3`, `v4`: instructions, slots of 8 bytes. `jited`: bytes of machine code. `verified`: instructions that the verifier went through.
/// `ns`: for a run. `ms`: from the text to the object, by the clock and on the processor.
pub(crate) fn print(reference: &Reference, with_kernel: bool, wanted: &str) -> Result<(), String> {
    print!("{:22}", "program");
    for Column(name, width, _) in &COLUMNS {
        print!(" {name:>width$}");
    }
    println!();
    let mut sums = [(0.0, 0_u32); COLUMNS.len()];
    for program in programs::all()?.into_iter().filter(|program| program.name.contains(wanted)) {
        print!("{:22}", program.name);
        let fields = row(reference, with_kernel, &program)?;
        for ((field, Column(_, width, _)), sum) in fields.iter().zip(&COLUMNS).zip(&mut sums) {
            match field {
                Field::Text(text) => print!(" {text:>width$}"),
                Field::Ratio(ratio) => {
                    *sum = (sum.0 + ratio, sum.1 + 1);
                    print!(" {ratio:>width$.2}");
                }
            }
        }
        println!();
    }
    print!("{:22}", "mean");
    for (Column(_, width, is_ratio), (sum, rows)) in COLUMNS.iter().zip(sums) {
        if *is_ratio && rows > 0 {
            print!(" {:>width$.2}", sum / f64::from(rows));
        } else {
            print!(" {:width$}", "");
        }
    }
    println!();
    Ok(())
}

fn row(reference: &Reference, with_kernel: bool, program: &Program) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    let mut stacks = Vec::new();
    for isa in [Isa::V3, Isa::V4] {
        let (ours, theirs) = (compile::code(program, isa)?, reference.code(program, isa)?);
        fields.extend(pair(ours.instructions as u32, theirs.instructions as u32));
        if isa == Isa::V3 {
            stacks.extend([ours, theirs].map(|Code { stack, .. }| Field::of(stack)));
        }
    }
    fields.extend(if with_kernel { in_kernel(program)? } else { (0..9).map(|_| Field::nothing()).collect() });
    fields.extend(stacks);
    let time = compile::time(program);
    fields.push(Field::milliseconds(Some(time.clock)));
    fields.push(Field::milliseconds(time.processor));
    Ok(fields)
}

fn pair(ours: u32, theirs: u32) -> [Field; 3] {
    [Field::of(ours), Field::of(theirs), Field::Ratio(f64::from(ours) / f64::from(theirs))]
}

/// What the kernel says of both, and how they run.
fn in_kernel(program: &Program) -> Result<Vec<Field>, String> {
    let objects = (compile::object(program, Isa::V3)?, clang::object(program, Isa::V3)?);
    let named = |error| format!("{}: {error}", program.name);
    let facts = |ours: &Unit, theirs: &Unit| {
        let mut fields = Vec::from(pair(ours.machine_code(), theirs.machine_code()));
        fields.extend(pair(ours.verified(), theirs.verified()));
        fields
    };
    if program.kind() != Kind::Packets {
        let mut fields = facts(&Unit::load(objects.0).map_err(named)?, &Unit::load(objects.1).map_err(named)?);
        fields.extend((0..3).map(|_| Field::nothing()));
        return Ok(fields);
    }
    let (ours, theirs) =
        (PacketProgram::load(objects.0).map_err(named)?, PacketProgram::load(objects.1).map_err(named)?);
    let mut fields = facts(&ours.unit, &theirs.unit);
    match race::workload(program) {
        Some(workload) => {
            let Race { ours, theirs, ratio } = race::race(&ours, &theirs, &workload)?;
            fields.extend([ours, theirs].map(|time| Field::Text(format!("{time:.0}"))));
            fields.push(Field::Ratio(ratio));
        }
        None => fields.extend((0..3).map(|_| Field::nothing())),
    }
    Ok(fields)
}
