//! Programs that look on: a file for each type.

mod raw_tracepoint;
mod tracefs;
mod tracepoint;

pub use raw_tracepoint::RawTracepointProgram;
pub use tracepoint::TracepointProgram;

use std::os::fd::OwnedFd;

use super::backing::Handle;
use crate::error::{Error, Result};
use crate::link::TracingLink;
#[cfg(feature = "sim")]
use crate::sim::SimulatorError;
use crate::spec::ProgramSpec;

/// What a handle can do whose program is attached to places that have names. It has `open(&self, point: &str)`, which attaches the program to one
/// of them until what it gives is closed. The documentation given is that of `attach_to`.
macro_rules! attached_at_points {
    ($name:ident, $(#[$attach_to:meta])+) => {
        impl $name {
            /// Attaches it where its `(attach-point …)`s say: everywhere or, when one of them fails, nowhere.
            pub fn attach(&self) -> $crate::error::Result<$crate::link::TracingLink> {
                super::attach_declared(self.0.spec, |point| self.open(point))
            }

            $(#[$attach_to])+
            pub fn attach_to(&self, point: &str) -> $crate::error::Result<$crate::link::TracingLink> {
                Ok($crate::link::TracingLink::new(vec![self.open(point)?]))
            }

            /// The same as [`attach`](Self::attach), as [`Link`](crate::Link)s of any kind of program.
            pub fn attach_declared(&self) -> $crate::error::Result<Vec<$crate::link::Link>> {
                Ok(vec![self.attach()?.into()])
            }
        }

        $crate::program::common_to_programs!($name);
    };
}
use attached_at_points;

/// Opens every declared attach point. On the first failure those opened so far are dropped, which detaches the program.
fn attach_declared(spec: &ProgramSpec, open: impl Fn(&str) -> Result<OwnedFd>) -> Result<TracingLink> {
    if spec.attach_points.is_empty() {
        return Err(Error::NoAttachPoint { program: spec.name.to_owned() });
    }
    Ok(TracingLink::new(spec.attach_points.iter().map(|point| open(point)).collect::<Result<_>>()?))
}

/// A run in the simulator, with what the program is called with.
#[cfg(feature = "sim")]
fn simulate(program: &Handle, context: &[u8]) -> Result<u32> {
    let Some(machine) = program.simulated() else {
        let reason =
            format!("run program `{}` without an event: `test()` loads it where that can be done", program.spec.name);
        return Err(Error::Simulator(SimulatorError::unable(reason)));
    };
    let outcome = machine.run_on_memory(program.spec.symbol, context).map_err(Error::Simulator)?;
    // A program's result has 32 bits.
    Ok(u32::try_from(outcome.return_value & u64::from(u32::MAX)).unwrap_or(u32::MAX))
}
