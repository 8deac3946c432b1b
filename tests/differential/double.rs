//! What a program's doubles mean: the same, in other words.

use std::mem;

use eshkol_core::Endianness;
use eshkol_core::check::typed::Unit;
use eshkol_core::compile::check;
use eshkol_core::evaluate::{self, Outcome, World};
use eshkol_core::expand::NoIncludes;
use eshkol_core::source::Sources;

use crate::choices::Random;
use crate::inputs::{self, Call};
use crate::program::{equivalent, machine};
use crate::trial::{Failure, Verdict, caught, reasons};

/// How many doubles a program has.
const COUNT: u64 = 3;
/// One in so many forms is in other words; what the checker refuses is tried again with fewer.
const RARITIES: [usize; 3] = [2, 6, 20];

/// What became of doubles.
#[derive(Default)]
pub(crate) struct Doubles {
    pub(crate) agreed: usize,
    /// Even those with few forms in other words, with why.
    pub(crate) refused: Vec<String>,
}

/// What four rounds give.
type Rounds = (Vec<Outcome>, World);

impl Doubles {
    /// Whether a program's doubles mean the same.
    pub(crate) fn compare(&mut self, text: &str, unit: &Unit, seed: u64) -> Result<(), Verdict> {
        let Some(wanted) = rounds(unit, seed).map_err(|what| Verdict::Failed(Failure::Violation, what))? else {
            return Ok(());
        };
        for number in 0..COUNT {
            let mut refused = None;
            for rarity in RARITIES {
                let other = equivalent(text, seed.wrapping_mul(COUNT).wrapping_add(number), rarity);
                let failed = |failure, what: &str| {
                    Verdict::Failed(failure, format!("{what}, in other words:\n{other}\nThe program:"))
                };
                match checked(&other).map_err(|panic| failed(Failure::Panic, &panic))? {
                    Ok(unit) => {
                        match rounds(&unit, seed).map_err(|what| failed(Failure::Violation, &what))? {
                            Some(found) if found != wanted => {
                                return Err(failed(Failure::Differs, &difference(&found, &wanted)));
                            }
                            _ => {}
                        }
                        refused = None;
                        break;
                    }
                    Err(reason) => refused = Some(reason),
                }
            }
            match refused {
                Some(reason) => self.refused.push(reason),
                None => self.agreed += 1,
            }
        }
        Ok(())
    }
}

/// Where what a double gives is not what the program gives.
fn difference(found: &Rounds, wanted: &Rounds) -> String {
    const SHOWN: usize = 5;
    let (found, wanted) = (format!("{found:#?}"), format!("{wanted:#?}"));
    let pairs = found.lines().zip(wanted.lines()).enumerate().filter(|(_, (found, wanted))| found != wanted);
    let lines: Vec<_> = pairs
        .take(SHOWN)
        .map(|(line, (found, wanted))| format!("line {line}: {} for {}", found.trim(), wanted.trim()))
        .collect();
    format!("it gives something else ({})", lines.join("; "))
}

/// The typed tree of a text, or the first thing that is wrong with it. The outer error is a panic.
fn checked(text: &str) -> Result<Result<Unit, String>, String> {
    caught(|| {
        let mut sources = Sources::new();
        let source = sources.add("program.esh", text);
        let checked = check(&mut sources, source, &mut NoIncludes, machine());
        checked.unit.ok_or_else(|| reasons(&checked.diagnostics, &sources).into_iter().next().unwrap_or_default())
    })
}

/// What the evaluator says of some rounds; nothing where the kernel may do one thing or another.
fn rounds(unit: &Unit, seed: u64) -> Result<Option<Rounds>, String> {
    let mut world = World::new(unit, Endianness::Little);
    let mut random = Random::new(seed);
    inputs::fill_maps(unit, &mut random, &mut world, |_, _, _| Ok::<(), String>(()))?;
    inputs::fill_programs(unit, &mut world, |_, _, _| Ok::<(), String>(()))?;
    let mut outcomes = vec![];
    for round in 0..4 {
        for Call { program, input } in inputs::calls(unit, &mut random, round) {
            let outcome = evaluate::run(unit, &unit.programs[program], Endianness::Little, &mut world, &input)
                .map_err(|violation| violation.what)?;
            if outcome.unspecified {
                return Ok(None);
            }
            if program == 0 {
                outcomes.push(outcome);
            }
        }
    }
    // In other words, it may take fewer arguments, and fewer of its programs may take any.
    world.maps = without_arguments(unit, world.maps);
    for outcome in &mut outcomes {
        outcome.events = without_arguments(unit, mem::take(&mut outcome.events));
    }
    Ok(Some((outcomes, world)))
}

/// What belongs to a unit's maps, but for those that hold what functions were called with.
fn without_arguments<T>(unit: &Unit, of_maps: Vec<T>) -> Vec<T> {
    let pairs = unit.maps.values().zip(of_maps);
    pairs.filter(|(map, _)| !inputs::has_arguments(map)).map(|(_, of_map)| of_map).collect()
}
