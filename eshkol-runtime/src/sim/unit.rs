//! A unit in the simulator, for the typed handles.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::machine::Machine;
use super::object::Changes;
use crate::error::{Error, Result};
use crate::map;
use crate::program;
use crate::spec::UnitSpec;
use crate::through_aya::Settings;

/// What stands for a descriptor where the kernel has nothing: the kernel refuses whatever is asked of it.
#[derive(Clone, Debug)]
pub(crate) struct Placeholder(Arc<File>);

impl AsFd for Placeholder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A unit in the simulator.
#[derive(Debug)]
pub(crate) struct Unit {
    machine: Machine,
    placeholder: Placeholder,
}

impl Unit {
    pub(crate) fn load(spec: &UnitSpec, settings: &Settings) -> Result<Self> {
        let null = File::open("/dev/null")
            .map_err(|error| Error::with_advice("open /dev/null", "Every system should have it", error))?;
        // Programs of a unit come from one file; what comes from the prelude is shown where the file uses it.
        let file = spec.programs.first().map(|program| program.file);
        let changes =
            Changes { globals: &settings.globals, max_entries: &settings.max_entries, file, kfuncs: spec.kfuncs };
        let machine = Machine::load_with(spec.object, &changes).map_err(Error::Simulator)?;
        Ok(Self { machine, placeholder: Placeholder(Arc::new(null)) })
    }

    pub(crate) fn map(&self, spec: &UnitSpec, symbol: &str) -> Result<map::Opened> {
        let map = self.machine.map(symbol).ok_or_else(|| Error::UnknownName {
            what: "map",
            name: symbol.to_owned(),
            unit: spec.name.to_owned(),
        })?;
        Ok(map::Opened(map::Source::Simulated(map, self.placeholder.clone())))
    }

    /// All programs are in one machine.
    pub(crate) fn program(&self) -> program::Opened {
        program::Opened(program::Source::Simulated(self.machine.clone(), self.placeholder.clone()))
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }
}
