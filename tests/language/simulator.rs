//! The simulator: runs an object without the kernel.

use eshkol_runtime::sim::{Machine, SimulatedMap};

use crate::runner::{Outcome, Runner};

/// A program in the simulator, with its maps.
pub(crate) struct Simulated {
    machine: Machine,
    program: String,
}

impl Simulated {
    pub(crate) fn load(object: &[u8], program: &str) -> Result<Self, String> {
        let machine = Machine::load(object).map_err(|error| error.to_string())?;
        Ok(Self { machine, program: program.to_owned() })
    }

    fn map(&self, name: &str) -> Result<SimulatedMap, String> {
        let symbol = name.replace('-', "_");
        self.machine.map(&symbol).ok_or_else(|| format!("there is no map `{symbol}`"))
    }
}

impl Runner for Simulated {
    fn run(&self, packet: &[u8]) -> Result<Outcome, String> {
        let outcome = self.machine.run_xdp(&self.program, packet).map_err(|error| error.to_string())?;
        Ok(Outcome { verdict: outcome.return_value.try_into().unwrap(), packet: outcome.packet })
    }

    fn lookup(&self, map: &str, key: &[u8], size: usize) -> Result<Option<Vec<u8>>, String> {
        let value = self.map(map)?.lookup(key).map_err(|error| format!("looking up in `{map}`: {error}"))?;
        Ok(value.map(|value| value[..size.min(value.len())].to_vec()))
    }

    fn update(&self, map: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
        let map_handle = self.map(map)?;
        let mut bytes = value.to_vec();
        // A case says what the first CPU has.
        bytes.resize(map_handle.lookup_size().max(value.len()), 0);
        map_handle.update(key, &bytes, 0).map_err(|error| format!("filling `{map}`: {error}"))
    }
}
