//! Loads a unit, into the kernel or into the simulator.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use log::LevelFilter;

use crate::error::{Error, Result};
use crate::global::{Global, check_size};
use crate::kernel_version::KernelVersion;
use crate::logging::{self, Log};
use crate::map::{self, Event, FromHistogram, FromMap, PerfEventArray, ProgArray, RingBuf, possible_cpus};
use crate::object;
use crate::pin;
use crate::plain::{Argument, Plain, to_vec};
use crate::program::{self, FromProgram, KretprobeProgram};
#[cfg(feature = "sim")]
use crate::sim;
use crate::spec::UnitSpec;
use crate::sys::kind;
use crate::through_aya::{self, Settings};

/// Settings for loading a unit.
#[derive(Debug)]
#[must_use = "nothing is loaded before `load` is called"]
pub struct Loader {
    spec: &'static UnitSpec,
    settings: Settings,
    pin_directory: PathBuf,
    log_level: Option<LevelFilter>,
    /// Pages of the buffers of each CPU, by the symbol of their map.
    pages: Vec<(&'static str, u32)>,
    /// The first setting that cannot be; `load` returns it.
    failure: Option<Error>,
}

impl Loader {
    /// The settings as they are in the source.
    pub fn new(spec: &'static UnitSpec) -> Self {
        Self {
            spec,
            settings: Settings::default(),
            pin_directory: pin::DEFAULT_DIRECTORY.into(),
            log_level: None,
            pages: Vec::new(),
            failure: None,
        }
    }

    /// Sets the global with this symbol.
    pub fn global<T: Plain>(mut self, symbol: &'static str, value: impl Argument<T>) -> Self {
        let checked = find(self.spec.globals, symbol, |g| g.symbol, "global", self.spec).and_then(check_size::<T>);
        match checked {
            Ok(()) => self.settings.globals.push((symbol, to_vec::<T>(&value))),
            Err(error) => self.fail(error),
        }
        self
    }

    /// Sets how many elements the map with this symbol holds at most.
    pub fn max_entries(mut self, symbol: &'static str, entries: u32) -> Self {
        match find(self.spec.maps, symbol, |m| m.symbol, "map", self.spec) {
            Ok(_) => self.settings.max_entries.push((symbol, entries)),
            Err(error) => self.fail(error),
        }
        self
    }

    /// Sets how many pages of memory each CPU's buffer has in the map with this symbol.
    pub fn pages(mut self, symbol: &'static str, pages: u32) -> Self {
        match find(self.spec.maps, symbol, |m| m.symbol, "map", self.spec) {
            Ok(_) if pages.is_power_of_two() => self.pages.push((symbol, pages)),
            // `perf_mmap` in kernel/events/core.c.
            Ok(map) => self.fail(Error::with_advice(
                format!("give the buffers of `{}` {pages} pages each", map.name),
                format!(
                    "A power of two is what the kernel takes, as {}",
                    pages.checked_next_power_of_two().unwrap_or(64)
                ),
                io::Error::from(io::ErrorKind::InvalidInput),
            )),
            Err(error) => self.fail(error),
        }
        self
    }

    /// Sets up to which level programs log.
    pub fn log_level(mut self, level: LevelFilter) -> Self {
        self.log_level = Some(level);
        self
    }

    /// Has the programs leave out what is not logged.
    fn set_log_level(&mut self, otherwise: LevelFilter) {
        if !self.spec.log.is_empty() {
            let level = self.log_level.unwrap_or(otherwise) as u32;
            self.settings.globals.push((logging::LEVEL, level.to_ne_bytes().to_vec()));
        }
    }

    /// Sets the directory, in a `bpf` file system, for maps that are `(pinning :by-name)`. It is created where it is not there. Without this call
    /// they go to `/sys/fs/bpf`.
    pub fn pin(mut self, directory: impl AsRef<Path>) -> Self {
        self.pin_directory = directory.as_ref().to_owned();
        self
    }

    /// Creates the maps, or takes up those that are pinned, and has the kernel verify every program. Nothing is attached; when anything fails, nothing
    /// stays.
    pub fn load(mut self) -> Result<Loaded> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let spec = self.spec;
        let (major, minor) = spec.min_kernel;
        let needed = KernelVersion::new(major, minor);
        if let Some(running) = KernelVersion::running().filter(|running| *running < needed) {
            return Err(Error::KernelTooOld { action: format!("load `{}`", spec.name), needed, running });
        }
        object::check(spec)?;

        self.set_log_level(log::max_level());
        let new_pins = plan_pins(spec, &mut self.settings, &self.pin_directory)?;
        let loaded = through_aya::load(spec, &self.settings).map(|unit| Loaded {
            spec,
            unit: Place::Kernel(unit),
            pages: self.pages,
        });
        match loaded.and_then(Loaded::with_tail_calls) {
            Ok(loaded) => Ok(loaded),
            Err(error) => {
                // Maps that were created and pinned on the way; one that somebody else pinned at the same moment is lost with them.
                for path in new_pins {
                    // It may not have come that far; the error that counts is the one at hand.
                    let _ = std::fs::remove_file(path);
                }
                Err(error)
            }
        }
    }

    /// Makes the maps and programs in the simulator, without the kernel. What is pinned stays aside: every map begins empty.
    #[cfg(feature = "sim")]
    pub fn test(mut self) -> Result<Loaded> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let spec = self.spec;
        object::check(spec)?;
        self.set_log_level(LevelFilter::Trace);
        let unit = sim::Unit::load(spec, &self.settings)?;
        Loaded { spec, unit: Place::Simulator(unit), pages: self.pages }.with_tail_calls()
    }

    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }
}

/// Says where each map that is pinned by name goes. Gives the pins that are not there yet.
fn plan_pins(spec: &UnitSpec, settings: &mut Settings, directory: &Path) -> Result<Vec<PathBuf>> {
    let mut new = Vec::new();
    let pinned = spec.maps.iter().filter(|map| map.pin_by_name);
    for (i, map) in pinned.enumerate() {
        if i == 0 {
            pin::prepare_directory(directory)?;
        }
        let path = directory.join(map.symbol);
        let wanted = settings.max_entries.iter().rev().find(|(symbol, _)| *symbol == map.symbol);
        let entries = match wanted {
            Some((_, entries)) => *entries,
            None if map.kind == kind::PERF_EVENT_ARRAY => {
                // No more than there are CPUs, and as many where the source does not say: so aya makes it.
                let cpus = u32::try_from(possible_cpus()?).unwrap_or(u32::MAX);
                if map.max_entries == 0 { cpus } else { map.max_entries.min(cpus) }
            }
            None => map.max_entries,
        };
        if !pin::check(&path, map, entries)? {
            new.push(path.clone());
        }
        settings.pins.push((map.symbol, path));
    }
    Ok(new)
}

/// A unit, loaded.
pub struct Loaded {
    spec: &'static UnitSpec,
    unit: Place,
    /// As in [`Loader`].
    pages: Vec<(&'static str, u32)>,
}

/// Where a unit is.
enum Place {
    Kernel(through_aya::Unit),
    #[cfg(feature = "sim")]
    Simulator(sim::Unit),
}

impl Place {
    fn map(&self, spec: &UnitSpec, symbol: &str) -> Result<map::Opened> {
        match self {
            Self::Kernel(unit) => unit.map(spec, symbol),
            #[cfg(feature = "sim")]
            Self::Simulator(unit) => unit.map(spec, symbol),
        }
    }

    fn program(&self, spec: &UnitSpec, symbol: &str) -> Result<program::Opened> {
        match self {
            Self::Kernel(unit) => unit.program(spec, symbol),
            #[cfg(feature = "sim")]
            Self::Simulator(unit) => Ok(unit.program()),
        }
    }
}

impl Loaded {
    /// Puts programs where tail calls to them look.
    fn with_tail_calls(self) -> Result<Self> {
        for table in self.spec.maps.iter().filter(|map| !map.programs.is_empty()) {
            let map: ProgArray = self.map(table.symbol)?;
            for (index, symbol) in (0..).zip(table.programs) {
                map.set(index, &self.program::<program::Program>(symbol)?)?;
            }
        }
        Ok(self)
    }

    /// A handle on the map with this symbol, of the kind and types that its place wants.
    pub fn map<M: FromMap>(&self, symbol: &str) -> Result<M> {
        let spec = find(self.spec.maps, symbol, |m| m.symbol, "map", self.spec)?;
        M::from_map(self.unit.map(self.spec, symbol)?, spec)
    }

    /// A handle on the program with this symbol.
    pub fn program<P: FromProgram>(&self, symbol: &str) -> Result<P> {
        let spec = find(self.spec.programs, symbol, |p| p.symbol, "program", self.spec)?;
        P::from_program(self.unit.program(self.spec, symbol)?, spec)
    }

    /// A handle on the histogram with this symbol, or the family of them; its buckets count so many numbers each, or those of as many bits.
    pub fn histogram<H: FromHistogram>(&self, symbol: &str, step: Option<u64>) -> Result<H> {
        let spec = find(self.spec.maps, symbol, |m| m.symbol, "map", self.spec)?;
        H::from_histogram(self.unit.map(self.spec, symbol)?, spec, step)
    }

    /// A handle on the program with this symbol that runs where functions return.
    pub fn return_probe(&self, symbol: &str) -> Result<KretprobeProgram> {
        let spec = find(self.spec.programs, symbol, |p| p.symbol, "program", self.spec)?;
        let entry = match spec.entry_probe {
            Some(symbol) => {
                let spec = find(self.spec.programs, symbol, |p| p.symbol, "program", self.spec)?;
                Some((self.unit.program(self.spec, symbol)?, spec))
            }
            None => None,
        };
        KretprobeProgram::new(self.unit.program(self.spec, symbol)?, spec, entry)
    }

    /// A handle on the mutable global with this symbol.
    pub fn global<T: Plain>(&self, symbol: &str) -> Result<Global<T>> {
        let spec = find(self.spec.globals, symbol, |g| g.symbol, "global", self.spec)?;
        Global::new(self.unit.map(self.spec, spec.section)?, spec)
    }

    /// A handle on the ring buffer with this symbol; the global with the other counts what it had no room for.
    pub fn ring_buffer<E: Event>(&self, symbol: &str, lost: &str) -> Result<RingBuf<E>> {
        let spec = find(self.spec.maps, symbol, |m| m.symbol, "map", self.spec)?;
        RingBuf::new(self.unit.map(self.spec, symbol)?, spec, self.global(lost)?)
    }

    /// A handle on the map with this symbol of the buffers of the CPUs; the global with the other counts what could not be sent.
    pub fn perf_event_array<E: Event>(&self, symbol: &str, lost: &str) -> Result<PerfEventArray<E>> {
        let spec = find(self.spec.maps, symbol, |m| m.symbol, "map", self.spec)?;
        let pages = self.pages.iter().rev().find(|(of, _)| *of == symbol).map(|(_, pages)| *pages);
        PerfEventArray::new(self.unit.map(self.spec, symbol)?, spec, self.global(lost)?, pages)
    }

    /// What the programs log; `target` is the module of the unit.
    pub fn log(&self, target: &'static str) -> Result<Log> {
        Log::new(self.spec, target, self)
    }

    /// The unit as aya has it, with its programs loaded.
    ///
    /// # Panics
    ///
    /// Where the unit is in the simulator, of which aya knows nothing.
    pub fn ebpf_mut(&mut self) -> &mut aya::Ebpf {
        match &mut self.unit {
            Place::Kernel(unit) => unit.ebpf_mut(),
            #[cfg(feature = "sim")]
            Place::Simulator(_) => {
                panic!("`{}` was loaded by `test()`: aya knows nothing of what is in the simulator", self.spec.name)
            }
        }
    }

    /// The simulator that the unit is in.
    #[cfg(feature = "sim")]
    pub fn simulator(&self) -> Result<&sim::Machine> {
        match &self.unit {
            Place::Simulator(unit) => Ok(unit.machine()),
            Place::Kernel(_) => Err(Error::Simulator(sim::SimulatorError::unable(format!(
                "say anything of `{}`: it was loaded by `load()`, into the kernel. `test()` loads it into the simulator",
                self.spec.name
            )))),
        }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("unit", &self.spec.name).finish_non_exhaustive()
    }
}

/// The one of `all` with this symbol.
fn find<'a, T>(
    all: &'a [T],
    symbol: &str,
    symbol_of: impl Fn(&T) -> &str,
    what: &'static str,
    unit: &UnitSpec,
) -> Result<&'a T> {
    all.iter().find(|item| symbol_of(item) == symbol).ok_or_else(|| Error::UnknownName {
        what,
        name: symbol.to_owned(),
        unit: unit.name.to_owned(),
    })
}
