//! The simulator runs a program: without the kernel.

use eshkol_runtime::sim::{Machine, SimulatedMap};

use crate::runner::{Outcome, Runner};

/// Bytes of a page.
const PAGE: usize = 4096;

/// A program in the simulator, with its maps.
#[derive(Debug)]
pub struct Simulated {
    machine: Machine,
    program: String,
}

impl Simulated {
    /// Loads an object to run a program of it.
    pub fn load(object: &[u8], program: &str) -> Result<Self, String> {
        let machine = Machine::load(object).map_err(|error| error.to_string())?;
        for map in machine.maps().iter().filter_map(|symbol| machine.map(symbol)) {
            map.open_buffers(PAGE);
        }
        Ok(Self { machine, program: program.to_owned() })
    }

    fn map(&self, name: &str) -> Result<SimulatedMap, String> {
        let symbol = name.replace('-', "_");
        self.machine.map(&symbol).ok_or_else(|| format!("there is no map `{symbol}`"))
    }
}

impl Runner for Simulated {
    fn run(&self, packet: &[u8]) -> Result<Outcome, String> {
        let outcome = self.machine.run_on_packet(&self.program, packet).map_err(|error| error.to_string())?;
        // The kernel gives the metadata and the packet as one, too.
        let packet = [outcome.metadata, outcome.packet].concat();
        Ok(Outcome { verdict: outcome.return_value.try_into().expect("a verdict of 32 bits"), packet })
    }

    fn run_on_context(&self, program: &str, context: &[u8]) -> Result<Outcome, String> {
        let symbol = program.replace('-', "_");
        let outcome = self.machine.run_on_memory(&symbol, context).map_err(|error| error.to_string())?;
        // The kernel takes 32 bits of the result.
        let verdict = u32::try_from(outcome.return_value & u64::from(u32::MAX)).expect("32 bits");
        Ok(Outcome { verdict, packet: outcome.packet })
    }

    fn lookup(&self, map: &str, key: &[u8], size: usize) -> Result<Option<Vec<u8>>, String> {
        let value = self.map(map)?.lookup(key).map_err(|error| format!("looking up in `{map}`: {error}"))?;
        Ok(value.map(|value| value[..size.min(value.len())].to_vec()))
    }

    fn update(&self, map: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
        let handle = self.map(map)?;
        let mut values = value.to_vec();
        values.resize(handle.lookup_size().max(value.len()), 0);
        handle.update(key, &values, 0).map_err(|error| format!("filling `{map}`: {error}"))
    }

    fn set_program(&self, map: &str, index: u32, program: &str) -> Result<(), String> {
        // Programs stand in maps by their numbers.
        let number = self.machine.programs().position(|name| name == program);
        let number = number.ok_or_else(|| format!("the object has no program `{program}`"))?;
        let number = u32::try_from(number).expect("not many programs");
        self.update(map, &index.to_ne_bytes(), &number.to_ne_bytes())
    }

    fn events(&self, map: &str) -> Result<Vec<Vec<u8>>, String> {
        let handle = self.map(map)?;
        Ok(std::iter::from_fn(|| handle.pop_event()).collect())
    }

    fn keys(&self, map: &str, _size: usize) -> Result<Vec<Vec<u8>>, String> {
        let handle = self.map(map)?;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let next = handle.next_key(keys.last().map(Vec::as_slice));
            match next.map_err(|error| format!("walking `{map}`: {error}"))? {
                Some(key) => keys.push(key),
                None => return Ok(keys),
            }
        }
    }
}
