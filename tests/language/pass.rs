//! Cases that compile, load and give what they say.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use eshkol::KernelVersion;
use eshkol_core::bpf::disassemble;
use eshkol_core::diagnostic::render::{Style, render};
use eshkol_core::kernel::ProgramType;
use eshkol_core::{Architecture, Endianness, Optimisation, Options};
use eshkol_test_support::{Loaded, Outcome, Privilege, Runner, Simulated, require_root_for};

use crate::case::{self, Case, Compiled, GIVEN, RESULT, Run, SMALL_PACKET};
use crate::packet;

/// The kernels that cases are compiled for: one for each instruction set, of which version 3 is without and with atomics that fetch.
const KERNELS: [&str; 4] = ["4.18", "5.10", "6.1", "6.12"];

fn version(text: &str) -> (u32, u32) {
    let (major, minor) = text.split_once('.').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

fn kernels(case: &Case) -> Vec<&str> {
    match &case.min_kernel {
        _ if case.is_unit() => vec![KERNELS[1]],
        None => KERNELS.to_vec(),
        Some(oldest) => {
            let newer = KERNELS.into_iter().filter(|kernel| version(kernel) > version(oldest));
            std::iter::once(oldest.as_str()).chain(newer).collect()
        }
    }
}

fn options(optimisation: Optimisation) -> Options {
    let endianness = if cfg!(target_endian = "big") { Endianness::Big } else { Endianness::Little };
    Options {
        architecture: Architecture::find(std::env::consts::ARCH, endianness),
        optimisation,
        check_allocation: true,
        externs: false,
    }
}

/// Does `work` to each case, on all CPUs, and collects what is wrong with them.
fn check_all(work: impl Fn(&Case) -> Result<(), String> + Sync) {
    let cases = case::all("pass");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = work(case) {
                        failures.lock().unwrap().push(format!("{}: {failure}", case.name));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(failures.is_empty(), "{} of {} cases:\n\n{}", failures.len(), cases.len(), failures.join("\n\n"));
}

fn drawn(compiled: &Compiled) -> String {
    let mut text = String::new();
    for diagnostic in &compiled.compilation.diagnostics {
        let _ = writeln!(text, "{}", render(diagnostic, &compiled.sources, Style::Plain));
    }
    text
}

#[test]
fn every_case_gives_what_it_says() {
    let in_kernel = require_root_for(", in the kernel,") == Privilege::Granted;
    check_all(|case| {
        for program_type in &case.program_types {
            let kernels = kernels(case).into_iter().filter(|kernel| has(kernel, *program_type));
            // A kernel runs what is compiled for it and for older ones.
            for kernel in kernels.filter(|kernel| !in_kernel || is_run(kernel)) {
                for optimisation in [Optimisation::None, Optimisation::Full] {
                    check(case, kernel, *program_type, optimisation, in_kernel).map_err(|failure| {
                        let keyword = program_type.keyword();
                        format!("`:{keyword}` for {kernel}, optimisation {optimisation:?}: {failure}")
                    })?;
                }
            }
        }
        Ok(())
    });
}

/// Whether the running kernel runs what is compiled for this one.
fn is_run(kernel: &str) -> bool {
    let running = KernelVersion::running().expect("`/proc` tells the kernel's version");
    version(kernel) <= (running.major.into(), running.minor.into())
}

/// Whether a kernel has a type of programs.
fn has(kernel: &str, program_type: ProgramType) -> bool {
    let (major, minor) = version(kernel);
    let since = program_type.since();
    (major, minor) >= (since.major.into(), since.minor.into())
}

fn check(
    case: &Case,
    kernel: &str,
    program_type: ProgramType,
    optimisation: Optimisation,
    in_kernel: bool,
) -> Result<(), String> {
    let compiled = case::compile_text("pass", &case.name, &case.unit(kernel, program_type), options(optimisation));
    let unlike = compiled.unlike(&case.messages);
    if !unlike.is_empty() {
        return Err(format!("{}\n{}", unlike.join("\n"), drawn(&compiled)));
    }
    let Some(output) = &compiled.compilation.output else { return Err("nothing comes out".to_owned()) };
    let program = output.programs.first().ok_or("there is no program")?;
    let simulated = Simulated::load(&output.object, &program.name)
        .and_then(|simulated| check_runs(case, program_type, &simulated))
        .map_err(|failure| format!("in the simulator: {failure}\n{}", disassemble(program)))?;
    if !in_kernel {
        return Ok(());
    }
    let loaded = Loaded::load(&output.object, &program.name)
        .map_err(|error| format!("the kernel refuses it: {}\n{}", ends(&error), disassemble(program)))?;
    if !loaded.can_run() {
        return Ok(());
    }
    let outcomes = check_runs(case, program_type, &loaded).map_err(|failure| format!("in the kernel: {failure}"))?;
    if outcomes == simulated {
        Ok(())
    } else {
        Err(format!("the kernel gives {outcomes:02x?}, the simulator {simulated:02x?}"))
    }
}

/// Does all runs of a case, and gives what came out of each.
fn check_runs(case: &Case, program_type: ProgramType, runner: &dyn Runner) -> Result<Vec<Outcome>, String> {
    for entry in &case.fill {
        runner.update(&entry.map, &entry.key, entry.value.as_deref().unwrap_or_default())?;
    }
    let runs = (1..).zip(&case.runs);
    runs.map(|(number, run)| {
        check_run(case, program_type, runner, run).map_err(|failure| format!("run {number}: {failure}"))
    })
    .collect()
}

/// The first and the last lines of a long text.
fn ends(text: &str) -> String {
    const KEPT: usize = 12;
    let lines: Vec<&str> = text.lines().collect();
    match lines.len().checked_sub(2 * KEPT) {
        Some(left_out @ 1..) => {
            let (first, last) = (lines[..KEPT].join("\n"), lines[KEPT + left_out..].join("\n"));
            format!("{first}\n… {left_out} lines …\n{last}")
        }
        _ => text.to_owned(),
    }
}

/// What a program's return value is called: its name, or the number.
fn verdict(program_type: ProgramType, value: u32) -> String {
    let named = program_type.results().iter().find(|result| result.value == value.cast_signed());
    named.map_or_else(|| value.cast_signed().to_string(), |result| result.name.to_owned())
}

fn check_run(case: &Case, program_type: ProgramType, runner: &dyn Runner, run: &Run) -> Result<Outcome, String> {
    for (index, (_, bits)) in (0_u32..).zip(&run.given) {
        runner.update(GIVEN, &index.to_ne_bytes(), &bits.to_ne_bytes())?;
    }
    let outcome = runner.run(&packet::build(run.packet.as_deref().unwrap_or(SMALL_PACKET)))?;
    let verdict = verdict(program_type, outcome.verdict);
    let pass = case::pass(program_type).trim_start_matches(':');
    let expected = run.verdict.as_deref().or((!case.is_unit()).then_some(pass));
    if let Some(expected) = expected.filter(|expected| *expected != verdict) {
        return Err(format!("decides {verdict} ({}), and not {expected}", outcome.verdict));
    }
    if let Some(expected) = run.returns {
        let size = if case.gives_boolean() { 1 } else { 8 };
        let bytes = runner.lookup(RESULT, &[0; 4], size)?.ok_or("the result is not there")?;
        let given = match <[u8; 8]>::try_from(bytes.as_slice()) {
            Ok(word) => u64::from_ne_bytes(word),
            Err(_) => bytes[0].into(),
        };
        if given != expected {
            return Err(format!(
                "gives {given} ({given:#x}, {}), and not {expected} ({expected:#x})",
                given.cast_signed()
            ));
        }
    }
    if let Some(leaves) = &run.leaves {
        let expected = packet::build(leaves);
        if outcome.packet != expected {
            return Err(format!("leaves the packet\n{:02x?}, and not\n{expected:02x?}", outcome.packet));
        }
    }
    for entry in &run.maps {
        let size = entry.value.as_ref().map_or(8, Vec::len);
        let given = runner.lookup(&entry.map, &entry.key, size)?;
        if given != entry.value {
            return Err(format!(
                "`{}` has {given:02x?} at {:02x?}, and not {:02x?}",
                entry.map, entry.key, entry.value
            ));
        }
    }
    for (map, expected) in &run.events {
        let given = runner.events(map)?;
        let alike = |(given, expected): (&Vec<u8>, &Vec<u8>)| case.is_event(map, given, expected);
        if given.len() != expected.len() || !given.iter().zip(expected).all(alike) {
            return Err(format!("`{map}` was sent {given:02x?}, and not {expected:02x?}"));
        }
    }
    Ok(outcome)
}

#[test]
fn the_same_text_gives_the_same_bytes() {
    check_all(|case| {
        let kernel = kernels(case)[0];
        let object = || {
            let compiled =
                case::compile_text("pass", &case.name, &case.unit(kernel, case.program_types[0]), Options::default());
            compiled.compilation.output.map(|output| output.object)
        };
        if object() == object() { Ok(()) } else { Err("two compilations give different bytes".to_owned()) }
    });
}
