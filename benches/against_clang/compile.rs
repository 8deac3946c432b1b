//! Our side: what the compiler makes of a program, and how long it takes.

use std::path::Path;
use std::time::{Duration, Instant};

use eshkol_core::diagnostic::Severity;
use eshkol_core::include::Files;
use eshkol_core::source::Sources;
use eshkol_core::{Compilation, Options};

use crate::programs::{Code, Isa, Program};

/// How long a run took.
pub(crate) struct Runs {
    /// By the clock: the median.
    pub(crate) clock: Duration,
    /// On the processor, which other work on the machine does not prolong: the mean; `None` where the kernel does not tell.
    pub(crate) processor: Option<Duration>,
}

fn sources(program: &Program, isa: Isa) -> (Sources, eshkol_core::source::SourceId) {
    let mut sources = Sources::new();
    let source = sources.add(&*program.name, program.text_for(isa));
    (sources, source)
}

fn files() -> Files {
    Files::new(|path| std::fs::read(path), Path::new(""))
}

/// The object for a little-endian machine.
pub(crate) fn object(program: &Program, isa: Isa) -> Result<Vec<u8>, String> {
    let (mut sources, source) = sources(program, isa);
    let Compilation { diagnostics, output } =
        eshkol_core::compile(&mut sources, source, &mut files(), Options::default());
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let messages: Vec<_> = errors.map(|error| format!("{}: {}", error.code, error.message)).collect();
    output.map(|output| output.object).ok_or_else(|| format!("{}: {}", program.name, messages.join("; ")))
}

/// The size of its code.
pub(crate) fn code(program: &Program, isa: Isa) -> Result<Code, String> {
    Code::of(&object(program, isa)?)
}

/// Measures how long the compiler takes, from the text to the object, as the macro does it.
pub(crate) fn time(program: &Program) -> Runs {
    measure(|| {
        let (mut sources, source) = sources(program, Isa::V3);
        std::hint::black_box(eshkol_core::compile(&mut sources, source, &mut files(), Options::default()));
    })
}

/// Runs something until some time is over.
fn measure(run: impl Fn()) -> Runs {
    const ENOUGH: Duration = Duration::from_millis(300);
    const FEWEST: u32 = 21;
    let (began, began_on_processor) = (Instant::now(), on_processor());
    let (mut clock, mut runs) = (Vec::new(), 0);
    while runs < FEWEST || began.elapsed() < ENOUGH {
        let start = Instant::now();
        run();
        clock.push(start.elapsed());
        runs += 1;
    }
    // The kernel counts in ticks of the clock, and so not each run.
    let processor = on_processor().zip(began_on_processor).map(|(end, start)| (end - start) / runs);
    clock.sort();
    Runs { clock: clock[clock.len() / 2], processor }
}

/// How long this process has run on processors, with the threads that the compiler made: `utime` and `stime` of proc(5), which the
/// kernel counts in hundredths of a second.
fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses is the second field.
    let (_, after_name) = text.rsplit_once(')')?;
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().ok()).sum::<Option<_>>()?;
    Some(Duration::from_millis(10 * ticks))
}
