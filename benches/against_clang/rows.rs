//! The tables' columns and rows: our code beside that of another compiler.
//!
//! `v3`, `v4`: instructions, slots of 8 bytes. `jited`: bytes of machine code. `verified`: instructions that the verifier went through.
//! `ns`: for a run. `ms`: from the text to the object, by the clock and on the processor.

use crate::aya_ebpf::{Built, Toolchain};
use crate::clang::{self, Reference};
use crate::compile;
use crate::packets::PacketProgram;
use crate::programs::{Code, Isa, Kind, Program};
use crate::race::{self, Race};
use crate::table::{self, Column, Field};
use crate::unit::Unit;

const BESIDE_CLANG: [Column; 19] = [
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

const BESIDE_AYA: [Column; 17] = [
    Column("v3", 4, false),
    Column("aya", 5, false),
    Column("", 4, true),
    Column("v4", 5, false),
    Column("aya", 5, false),
    Column("", 4, true),
    Column("jited", 6, false),
    Column("aya", 5, false),
    Column("", 4, true),
    Column("verified", 9, false),
    Column("aya", 5, false),
    Column("", 4, true),
    Column("ns", 6, false),
    Column("aya", 6, false),
    Column("", 5, true),
    Column("stack", 6, false),
    Column("aya", 5, false),
];

/// Prints the table of our code beside clang's.
pub(crate) fn print_beside_clang(reference: &Reference, with_kernel: bool, wanted: &str) -> Result<(), String> {
    table::print(&BESIDE_CLANG, wanted, |program| beside_clang(reference, with_kernel, program).map(Some))
}

/// Prints the table of our code beside that of the programs in Rust.
pub(crate) fn print_beside_aya(toolchain: &Toolchain, with_kernel: bool, wanted: &str) -> Result<(), String> {
    let built = (toolchain.build(Isa::V3)?, toolchain.build(Isa::V4)?);
    table::print(&BESIDE_AYA, wanted, |program| beside_aya(&built, with_kernel, program))
}

fn pair(ours: u32, theirs: u32) -> [Field; 3] {
    [Field::of(ours), Field::of(theirs), Field::Ratio(f64::from(ours) / f64::from(theirs))]
}

fn beside_clang(reference: &Reference, with_kernel: bool, program: &Program) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    let mut stacks = Vec::new();
    for isa in [Isa::V3, Isa::V4] {
        let (ours, theirs) = (compile::code(program, isa)?, reference.code(program, isa)?);
        fields.extend(pair(ours.instructions as u32, theirs.instructions as u32));
        if isa == Isa::V3 {
            stacks.extend([ours, theirs].map(|Code { stack, .. }| Field::of(stack)));
        }
    }
    fields.extend(if with_kernel {
        in_kernel(program, clang::object(program, Isa::V3)?)?
    } else {
        nothing_of_the_kernel()
    });
    fields.extend(stacks);
    let time = compile::time(program);
    fields.push(Field::milliseconds(Some(time.clock)));
    fields.push(Field::milliseconds(time.processor));
    Ok(fields)
}

/// `None` where the program is not there in Rust.
fn beside_aya((v3, v4): &(Built, Built), with_kernel: bool, program: &Program) -> Result<Option<Vec<Field>>, String> {
    let (Some(in_v3), Some(in_v4)) = (v3.object(program)?, v4.object(program)?) else { return Ok(None) };
    let (ours, theirs) = (compile::code(program, Isa::V3)?, Code::of(&in_v3)?);
    let stacks = [ours, theirs].map(|Code { stack, .. }| Field::of(stack));
    let mut fields = Vec::from(pair(ours.instructions as u32, theirs.instructions as u32));
    let (ours, theirs) = (compile::code(program, Isa::V4)?, Code::of(&in_v4)?);
    fields.extend(pair(ours.instructions as u32, theirs.instructions as u32));
    fields.extend(if with_kernel { in_kernel(program, in_v3)? } else { nothing_of_the_kernel() });
    fields.extend(stacks);
    Ok(Some(fields))
}

fn nothing_of_the_kernel() -> Vec<Field> {
    (0..9).map(|_| Field::nothing()).collect()
}

/// What the kernel says of ours and theirs, and how they run.
fn in_kernel(program: &Program, theirs: Vec<u8>) -> Result<Vec<Field>, String> {
    let objects = (compile::object(program, Isa::V3)?, theirs);
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
