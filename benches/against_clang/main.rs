//! Our code beside clang's, for the same programs: `cargo bench` prints one table.
//!
//! Each `benches/programs/NAME.esh` has its equal in `benches/clang/NAME.c`. Where clang is missing, its columns come from the record
//! in `benches/clang/counts.txt`, which `cargo bench -- --record` writes anew. `cargo bench -- NAME` shows the programs with that in
//! their names. `cargo bench --profile dev` measures the compiler
//! as `cargo build` runs it inside the macro: not optimised.
//!
//! Where bpf-linker is, and a rustc with its library's source, a second table stands beside it: the packet programs in Rust with
//! aya-ebpf, `benches/aya`.
//!
//! As a test, which `cargo test` runs, it measures no time: it fails where we need more instructions than we may and where
//! the record is not what clang gives; as root, it runs both in the kernel on the same packets and events, which must end the same.

mod aya_ebpf;
mod clang;
mod compile;
mod curve;
mod events;
mod histograms;
mod packets;
mod programs;
mod race;
mod rows;
mod table;
mod unit;

use std::process::ExitCode;

use aya_ebpf::Toolchain;
use clang::{CLANG, Reference, Source};
use eshkol_test_support::{Privilege, require_root};
use packets::PacketProgram;
use programs::{Isa, Kind, Program};
use unit::Unit;

/// How many instructions we may have for each one of clang's.
const LIMIT: f64 = 1.0;
/// How many instructions the verifier may go through for each one of clang's.
const VERIFIED_LIMIT: f64 = 1.05;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    let wanted = arguments.iter().find(|argument| !argument.starts_with("--")).map_or("", String::as_str);
    // `cargo bench` says `--bench`.
    let result = match (has("--bench"), has("--record")) {
        (true, true) => record(),
        (true, false) => table(wanted),
        (false, _) => test(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the record of clang's code.
fn record() -> Result<(), String> {
    let reference = Reference::new()?;
    let counts = programs::all()?.into_iter().map(|program| {
        let codes = [reference.code(&program, Isa::V3)?, reference.code(&program, Isa::V4)?];
        Ok((program, codes))
    });
    reference.record(&counts.collect::<Result<Vec<_>, String>>()?)
}

/// Prints the table of the programs with this in their names.
fn table(wanted: &str) -> Result<(), String> {
    let reference = Reference::new()?;
    match &reference.source {
        Source::Clang(version) => println!("clang: {version}"),
        Source::Record(version) => println!("clang: there is no {CLANG} here; recorded from {version}"),
    }
    let with_kernel = require_root() == Privilege::Granted;
    let with_clang = matches!(reference.source, Source::Clang(_));
    println!(
        "compiler: {}",
        if cfg!(debug_assertions) { "not optimised, as cargo runs it in the macro" } else { "optimised" }
    );
    println!("pairs: ours, clang's, and ours for each one of clang's\n");
    rows::print_beside_clang(&reference, with_kernel && with_clang, wanted)?;
    match Toolchain::find() {
        Ok(toolchain) => {
            println!("\nthe same programs in Rust with aya-ebpf: {}\n", toolchain.version);
            rows::print_beside_aya(&toolchain, with_kernel && with_clang, wanted)?;
        }
        Err(missing) => println!("\nno table beside aya-ebpf: {missing}"),
    }
    if wanted.is_empty() {
        println!("\nhow compiling grows with the program:\n");
        curve::print()?;
    }
    Ok(())
}

/// Holds us to what we promise.
fn test() -> Result<(), String> {
    let reference = Reference::new()?;
    let with_clang = matches!(reference.source, Source::Clang(_));
    if !with_clang {
        eprintln!("SKIPPED: there is no {CLANG} here; its record stands for it, and nothing is compared in the kernel");
    }
    let privilege = require_root();
    for program in programs::all()? {
        let name = &program.name;
        for isa in [Isa::V3, Isa::V4] {
            let (ours, theirs) = (compile::code(&program, isa)?, reference.code(&program, isa)?);
            println!("{name}, {isa:?}: {} instructions, clang {}", ours.instructions, theirs.instructions);
            if ours.ratio(theirs) > LIMIT {
                return Err(format!("{name}, {isa:?}: {ours:?} is more than {LIMIT} times clang's {theirs:?}"));
            }
            if reference.is_recorded_version() && reference.recorded(&program, isa) != Some(theirs) {
                return Err(format!(
                    "{name}: the record is not what clang gives; `cargo bench -- --record` writes it anew"
                ));
            }
            if with_clang && privilege == Privilege::Granted {
                in_kernel(&program, isa).map_err(|error| format!("{name}, {isa:?}: {error}"))?;
            }
        }
    }
    match Toolchain::find() {
        Ok(toolchain) if privilege == Privilege::Granted && with_clang => same_as_aya(&toolchain),
        _ => Ok(()),
    }
}

/// Runs ours and the programs in Rust in the kernel, where they must do the same.
fn same_as_aya(toolchain: &Toolchain) -> Result<(), String> {
    for isa in [Isa::V3, Isa::V4] {
        let built = toolchain.build(isa)?;
        for program in programs::all()? {
            let Some(theirs) = built.object(&program)? else { continue };
            let (ours, theirs) = (PacketProgram::load(compile::object(&program, isa)?)?, PacketProgram::load(theirs)?);
            packets::compare(&program, &ours, &theirs)?;
            println!("{}, {isa:?}: the same as in Rust", program.name);
        }
    }
    Ok(())
}

/// Runs both in the kernel, where they must do the same, and holds what the verifier has to do.
fn in_kernel(program: &Program, isa: Isa) -> Result<(), String> {
    let (ours, theirs) = (compile::object(program, isa)?, clang::object(program, isa)?);
    let verified = if program.kind() == Kind::Packets {
        let (ours, theirs) = (PacketProgram::load(ours)?, PacketProgram::load(theirs)?);
        packets::compare(program, &ours, &theirs)?;
        if let Some(workload) = race::workload(program) {
            race::is_restored(&ours, &workload)?;
            race::is_restored(&theirs, &workload)?;
        }
        [ours.unit, theirs.unit].map(|unit| unit.verified())
    } else {
        let (ours, theirs) = (Unit::load(ours)?, Unit::load(theirs)?);
        match program.kind() {
            Kind::Histograms => histograms::compare(program, &ours, &theirs)?,
            _ => events::compare(program, &ours, &theirs)?,
        }
        [ours, theirs].map(|unit| unit.verified())
    };
    let [ours, theirs] = verified.map(f64::from);
    if ours / theirs > VERIFIED_LIMIT {
        return Err(format!("the verifier goes through {ours} instructions, and clang's are {theirs}"));
    }
    Ok(())
}
