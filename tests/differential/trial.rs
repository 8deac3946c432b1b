//! One program, tried: compiled in every way, run by the evaluator, the simulator and the kernel, and what they say compared.

use std::panic::{AssertUnwindSafe, catch_unwind};

use eshkol_core::check::typed::{self, Unit};
use eshkol_core::diagnostic::{Diagnostic, Severity};
use eshkol_core::evaluate::{self, Elements, Outcome, World};
use eshkol_core::expand::NoIncludes;
use eshkol_core::ir::GlobalSection;
use eshkol_core::kernel::KernelVersion;
use eshkol_core::object::section_name;
use eshkol_core::source::Sources;
use eshkol_core::{Compilation, Endianness, Optimisation, Options, Output, compile};

use eshkol_test_support::{Loaded, Runner, Simulated};

use crate::choices::Random;
use crate::double::Doubles;
use crate::inputs::{self, Call};
use crate::program::{NAME, Program, TYPED_TRACEPOINT, has_packet, machine};

/// What became of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Agreed,
    /// The checker refuses it, with these codes and messages.
    Rejected(Vec<String>),
    /// What failed, and everything that is known of it.
    Failed(Failure, String),
}

/// How a program fails.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Failure {
    /// The compiler panics.
    Panic,
    /// A promise of the typed tree is broken.
    Violation,
    /// The simulator can't load it, or the kernel refuses it.
    Refused,
    /// The simulator's or the kernel's answer is another than the evaluator's.
    Differs,
}

/// Does something that may panic.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

pub(crate) fn compiled(text: &str, optimisation: Optimisation) -> Result<(Compilation, Sources), String> {
    caught(|| {
        let mut sources = Sources::new();
        let source = sources.add("program.esh", text);
        let options = Options { architecture: machine(), optimisation, check_allocation: true, externs: false };
        (compile(&mut sources, source, &mut NoIncludes, options), sources)
    })
}

/// The oldest kernels that programs are compiled for: one for each instruction set, of which version 3 is without and with atomics that fetch.
const KERNELS: [KernelVersion; 4] =
    [KernelVersion::new(4, 18), KernelVersion::new(5, 10), KernelVersion::new(6, 1), KernelVersion::new(6, 12)];

/// One way of compiling a program: the oldest kernel that it is for, and how well.
pub(crate) type Way = (KernelVersion, Optimisation);

/// Every way of compiling a program that this kernel is to run: for its oldest kernel and every newer one up to this. Without a kernel, every way.
pub(crate) fn ways(program: &Program, running: Option<KernelVersion>) -> impl Iterator<Item = Way> + use<> {
    ways_since(program.level.kernel(), running)
}

/// The same of what wants a kernel as new as this one.
pub(crate) fn ways_since(oldest: KernelVersion, running: Option<KernelVersion>) -> impl Iterator<Item = Way> + use<> {
    let is_run = move |kernel: &KernelVersion| running.is_none_or(|running| *kernel <= running);
    let kernels = KERNELS.into_iter().filter(move |kernel| *kernel >= oldest).filter(is_run);
    kernels.flat_map(|kernel| [(kernel, Optimisation::None), (kernel, Optimisation::Full)])
}

/// Tries a program, compiled in one way.
pub(crate) fn attempt(program: &Program, way: Way, seed: u64, in_kernel: bool, doubles: &mut Doubles) -> Verdict {
    let (kernel, optimisation) = way;
    let text = program.text(kernel);
    let verdict = attempt_one(&text, optimisation, seed, in_kernel).and_then(|output| {
        // What it means depends on neither.
        let once = optimisation == Optimisation::None && kernel == program.level.kernel();
        if once { doubles.compare(&text, &output.unit, seed) } else { Ok(()) }
    });
    match verdict {
        Ok(()) => Verdict::Agreed,
        Err(Verdict::Failed(failure, what)) => {
            Verdict::Failed(failure, format!("for kernel {kernel}, {optimisation:?}: {what}\n{text}"))
        }
        Err(verdict) => verdict,
    }
}

fn attempt_one(text: &str, optimisation: Optimisation, seed: u64, in_kernel: bool) -> Result<Output, Verdict> {
    let (compilation, sources) =
        compiled(text, optimisation).map_err(|panic| Verdict::Failed(Failure::Panic, panic))?;
    let Some(output) = compilation.output else {
        return Err(Verdict::Rejected(reasons(&compilation.diagnostics, &sources)));
    };
    compare(&output, &sources, seed, in_kernel).map_err(|(failure, what)| Verdict::Failed(failure, what))?;
    Ok(output)
}

/// The errors among diagnostics, each with its place.
pub(crate) fn reasons(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<String> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(|error| format!("{}: {} at `{}`", error.code, error.message, sources.text(error.span))).collect()
}

fn compare(output: &Output, sources: &Sources, seed: u64, in_kernel: bool) -> Result<(), (Failure, String)> {
    let unit = &output.unit;
    let mut world = World::new(unit, Endianness::Little);
    let runners = runners(&output.object, in_kernel).map_err(|error| (Failure::Refused, error))?;
    let mut random = Random::new(seed);
    inputs::fill_maps(unit, &mut random, &mut world, |map, key, value| {
        runners.iter().try_for_each(|(_, runner)| runner.update(&map.name, key, value))
    })
    .and_then(|()| {
        inputs::fill_programs(unit, &mut world, |map, index, program| {
            runners.iter().try_for_each(|(_, runner)| runner.set_program(&map.name, index, program))
        })
    })
    .map_err(|error| (Failure::Differs, error))?;
    for round in 0..4 {
        for call in inputs::calls(unit, &mut random, round) {
            let program = &unit.programs[call.program];
            let outcome = evaluate::run(unit, program, Endianness::Little, &mut world, &call.input)
                .map_err(|v| (Failure::Violation, format!("{} at `{}`", v.what, sources.text(v.span))))?;
            if outcome.unspecified {
                return Ok(());
            }
            for (place, runner) in &runners {
                let same = same_run(&**runner, program, &call, &outcome)
                    .and_then(|()| same_events(&**runner, unit, &outcome))
                    .and_then(|()| same_maps(&**runner, unit, &world))
                    .and_then(|()| same_globals(&**runner, output, &world));
                same.map_err(|error| {
                    let (name, input) = (&program.entry.name, &call.input);
                    let at = format!("`{name}` in the {place}, round {round}, given {input:02x?}");
                    (Failure::Differs, format!("{at}: {error}"))
                })?;
            }
        }
    }
    Ok(())
}

/// A program, loaded into the place with this name.
type Placed = (&'static str, Box<dyn Runner>);

/// The program, loaded into each place that runs it.
fn runners(object: &[u8], in_kernel: bool) -> Result<Vec<Placed>, String> {
    let simulated = Simulated::load(object, NAME).map_err(|error| format!("by the simulator: {error}"))?;
    let mut runners: Vec<Placed> = vec![("simulator", Box::new(simulated))];
    if in_kernel {
        let loaded = Loaded::load_at(object, NAME, TYPED_TRACEPOINT).map_err(|error| ends(&error))?;
        if loaded.can_run() {
            runners.push(("kernel", Box::new(loaded)));
        }
    }
    Ok(runners)
}

/// How a long text begins and ends.
fn ends(text: &str) -> String {
    const SHOWN: usize = 24;
    let lines: Vec<&str> = text.lines().collect();
    match lines.len().checked_sub(2 * SHOWN) {
        Some(hidden) if hidden > 0 => {
            let (first, last) = (lines[..SHOWN].join("\n"), lines[lines.len() - SHOWN..].join("\n"));
            format!("{first}\n… {hidden} lines …\n{last}")
        }
        _ => text.to_owned(),
    }
}

fn same_run(
    runner: &dyn Runner,
    program: &typed::Program,
    Call { input, .. }: &Call,
    wanted: &Outcome,
) -> Result<(), String> {
    let ty = program.program_type;
    let (found, what, left) = match has_packet(ty) {
        true => (runner.run(&input.packet)?, "packet", wanted.packet.clone()),
        false => {
            let context = inputs::context_bytes(ty, &input.context);
            let found = runner.run_on_context(&program.entry.name, &context)?;
            (found, "context", inputs::context_bytes(ty, &wanted.context))
        }
    };
    let eshkol_test_support::Outcome { verdict, packet } = found;
    if u64::from(verdict) != wanted.verdict {
        return Err(format!("the verdict is {verdict}, and not {}", wanted.verdict));
    }
    if packet != left {
        return Err(format!("the {what} is\n{packet:02x?}, and not\n{left:02x?}"));
    }
    Ok(())
}

/// Takes the events of a run out of the buffers. What the kernel fills up begins with what was sent.
fn same_events(runner: &dyn Runner, unit: &Unit, wanted: &Outcome) -> Result<(), String> {
    for (map, wanted) in unit.maps.values().zip(&wanted.events).filter(|(map, _)| map.kind.takes_events()) {
        let found = runner.events(&map.name)?;
        let size = |event: &[u8]| map.kind.event_size(u32::try_from(event.len()).unwrap()) as usize;
        let alike = |(found, wanted): (&Vec<u8>, &Vec<u8>)| found.len() == size(wanted) && found.starts_with(wanted);
        if found.len() != wanted.len() || !found.iter().zip(wanted).all(alike) {
            return Err(format!("through `{}` came\n{found:02x?}, and not\n{wanted:02x?}", map.name));
        }
    }
    Ok(())
}

fn same_maps(runner: &dyn Runner, unit: &Unit, world: &World) -> Result<(), String> {
    for (map, wanted) in unit.maps.values().zip(&world.maps).filter(|(map, _)| inputs::has_elements(map)) {
        let (key, value) = inputs::sizes(unit, map);
        let mut found = elements(runner, &map.name, key, value)?;
        if map.kind.is_array() {
            // Of arrays, what was never touched is zero.
            found.retain(|key, value| wanted.contains_key(key) || value.iter().any(|byte| *byte != 0));
        }
        if found != *wanted {
            let wrong = found.iter().filter(|(key, value)| wanted.get(*key) != Some(value));
            let missing = wanted.iter().filter(|(key, _)| !found.contains_key(*key));
            let wrong: Vec<String> = wrong
                .map(|(key, value)| format!("{key:?} is {value:02x?}, and not {:02x?}", wanted.get(key)))
                .chain(missing.map(|(key, value)| format!("{key:?} is missing, and not {value:02x?}")))
                .collect();
            return Err(format!("in `{}`, {}", map.name, wrong.join("; ")));
        }
    }
    Ok(())
}

/// Everything in a map.
pub(crate) fn elements(runner: &dyn Runner, map: &str, key: usize, value: usize) -> Result<Elements, String> {
    let mut elements = Elements::new();
    for key in runner.keys(map, key)? {
        if let Some(bytes) = runner.lookup(map, &key, value)? {
            elements.insert(key, bytes);
        }
    }
    Ok(elements)
}

/// Compares the mutable globals.
fn same_globals(runner: &dyn Runner, output: &Output, world: &World) -> Result<(), String> {
    for ((id, global), wanted) in output.unit.globals.iter().zip(&world.globals) {
        if !global.mutable {
            continue;
        }
        let section = section_name(&output.unit, GlobalSection::Data(id));
        let found = runner.lookup(&section, &[0; 4], wanted.len())?;
        if found.as_ref() != Some(wanted) {
            return Err(format!("the global `{}` is {found:02x?}, and not {wanted:02x?}", global.name));
        }
    }
    Ok(())
}
