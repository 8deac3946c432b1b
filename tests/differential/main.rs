//! Wrong answers, hunted at random: programs that a generator writes as text are run by the evaluator, which says what they
//! mean, and, compiled in every way, by the simulator and by the kernel, and the answers compared: verdict, packet, maps, events in ring buffers,
//! globals. Programs are of every type (those of `:tcx` are those of `:tc`); those at functions, tracepoints, samples and addresses of sockets the kernel only verifies, and what they are
//! called with is the test's. Some go on with another program of theirs.
//!
//! `cargo test --test differential` tries fewer than a hundred programs, always the same. To try more, and others each time:
//!
//! ```text
//! sudo -E ESHKOL_PROGRAMS=20000 cargo test --release --test differential -- --nocapture
//! ```
//!
//! tries 20,000 small programs and a tenth as many large ones, or as many as `ESHKOL_LARGE_PROGRAMS=…` says; `ESHKOL_SEED=…` is the first one's seed.
//! Each failure is printed with its seed, as small as it could be made. Without root nothing is run by the kernel. A kernel runs what is compiled for
//! it and for older ones; programs that want a newer one are told as such.

mod arithmetic;
mod choices;
mod double;
mod histogram;
mod inputs;
mod program;
mod trial;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::panic;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use choices::{Choices, shrink};
use double::Doubles;
use eshkol_core::kernel::KernelVersion;
use eshkol_test_support::{Privilege, require_root, stay_on_first_processor};
use program::{Program, Size};
use trial::{Failure, Verdict, attempt, ways};

/// How long making a failing program smaller may take.
const SHRINKING: Duration = Duration::from_secs(20);

/// What became of many programs.
#[derive(Default)]
struct Tally {
    agreed: usize,
    /// Those that want a newer kernel than the one that runs.
    too_new: usize,
    rejected: usize,
    /// How often each error was given, with an example.
    reasons: BTreeMap<String, (usize, String)>,
    doubles: Doubles,
    failures: Vec<(u64, Failure)>,
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is to be a number")))
}

/// Tries the programs with these seeds, with the kernel that runs, or without one.
fn hunt(seeds: impl Iterator<Item = u64>, size: Size, running: Option<KernelVersion>) -> Tally {
    let in_kernel = running.is_some();
    let mut tally = Tally::default();
    for seed in seeds {
        let mut choices = Choices::random(seed);
        let program = Program::generate(&mut choices, size);
        if running.is_some_and(|running| running < program.level.kernel()) {
            tally.too_new += 1;
            continue;
        }
        let doubles = &mut tally.doubles;
        let mut attempts = ways(&program, running).map(|way| (way, attempt(&program, way, seed, in_kernel, doubles)));
        let (way, verdict) = attempts.find(|(_, verdict)| *verdict != Verdict::Agreed).unzip();
        match verdict {
            None | Some(Verdict::Agreed) => tally.agreed += 1,
            Some(Verdict::Rejected(reasons)) => {
                tally.rejected += 1;
                for reason in reasons.into_iter().take(1) {
                    let code = reason.chars().take(7).collect();
                    let example = || format!("seed {seed}: {reason}, in\n{}", program.text(program.level.kernel()));
                    tally.reasons.entry(code).or_insert_with(|| (0, example())).0 += 1;
                }
            }
            Some(Verdict::Failed(failure, first)) => {
                let mut what = first;
                let end = Instant::now() + SHRINKING;
                shrink(choices, &mut |choices| {
                    let program = Program::generate(choices, size);
                    let same_way = way.filter(|(kernel, _)| *kernel >= program.level.kernel() && Instant::now() < end);
                    match same_way.map(|way| attempt(&program, way, seed, in_kernel, &mut Doubles::default())) {
                        Some(Verdict::Failed(same, smaller)) if same == failure => {
                            what = smaller;
                            true
                        }
                        _ => false,
                    }
                });
                eprintln!("\n{size:?}, seed {seed}: {failure:?}: {what}");
                tally.failures.push((seed, failure));
            }
        }
    }
    tally
}

impl Tally {
    fn report(&self) -> String {
        let mut text = format!("{} agreed, {} rejected, {} failed", self.agreed, self.rejected, self.failures.len());
        if self.too_new > 0 {
            let _ = write!(text, ", {} want a newer kernel", self.too_new);
        }
        let Doubles { agreed, refused } = &self.doubles;
        let _ = write!(text, "; in other words {agreed} agreed, {} refused", refused.len());
        for reason in refused.iter().take(3) {
            let _ = write!(text, "\n  refused in other words: {reason}");
        }
        for (code, (count, example)) in &self.reasons {
            let _ = write!(text, "\n  {code} {count} times, first with {example}");
        }
        for (seed, failure) in &self.failures {
            let _ = write!(text, "\n  seed {seed}: {failure:?}");
        }
        text
    }

    /// Nothing failed, and the checker took nearly everything.
    fn check(&self) {
        let report = self.report();
        eprintln!("{report}");
        assert!(self.failures.is_empty(), "{report}");
        assert!(self.rejected <= 1 + self.agreed / 20, "too many programs are rejected: {report}");
    }
}

/// The version of the kernel that runs.
fn running_kernel() -> KernelVersion {
    let running = eshkol::KernelVersion::running().expect("`/proc` tells the kernel's version");
    KernelVersion::new(running.major, running.minor)
}

/// How many programs are tried, and the seed of the first.
struct Wanted {
    small: u64,
    large: u64,
    seed: u64,
}

impl Wanted {
    /// What the environment says; without, always the same few.
    fn from_environment() -> Self {
        let seed = number("ESHKOL_SEED");
        let Some(small) = number("ESHKOL_PROGRAMS") else {
            return Self { small: 80, large: 5, seed: seed.unwrap_or(1) };
        };
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() << 20);
        Self { small, large: number("ESHKOL_LARGE_PROGRAMS").unwrap_or(small / 10), seed: seed.unwrap_or_else(now) }
    }
}

#[test]
fn programs_do_what_they_mean() {
    let running = (require_root() == Privilege::Granted).then(running_kernel);
    // A panic of the compiler is caught, told once, and tried many times while the program is made smaller.
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        if information.location().is_none_or(|location| location.file().contains("differential")) {
            report(information);
        }
    }));
    if running.is_some() {
        stay_on_first_processor().unwrap();
    }
    let Wanted { small, large, seed } = Wanted::from_environment();
    hunt(seed..seed + small, Size::Small, running).check();
    hunt(seed..seed + large, Size::Large, running).check();
}
