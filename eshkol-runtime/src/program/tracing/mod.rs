//! Programs that look on: a file for each type.

mod btf_tracepoint;
mod function;
mod kprobe;
mod kretprobe;
mod perf_event;
mod raw_tracepoint;
#[cfg(feature = "sim")]
mod registers;
mod tracefs;
mod tracepoint;
mod uprobe;
mod user_symbol;

pub use btf_tracepoint::BtfTracepointProgram;
pub use kprobe::KprobeProgram;
pub use kretprobe::KretprobeProgram;
#[cfg(feature = "sim")]
pub use kretprobe::TestCall;
#[cfg(feature = "sim")]
pub use perf_event::TestSample;
pub use perf_event::{PerfEventProgram, Sampling};
pub use raw_tracepoint::RawTracepointProgram;
pub(crate) use tracefs::{near_tracepoints, tracepoint_name};
pub use tracepoint::TracepointProgram;
pub use uprobe::{UprobeProgram, UretprobeProgram};

use std::os::fd::OwnedFd;

use super::backing::Handle;
use crate::error::{Error, Result};
use crate::link::TracingLink;
#[cfg(feature = "sim")]
use crate::sim::{Machine, SimulatorError};
use crate::spec::ProgramSpec;

/// What a handle can do whose program is attached to places that have names. It has `open(&self, point: &str)`, which attaches the program to one
/// of them until what it gives is closed, in that order. The documentation given is that of `attach_to`.
macro_rules! attached_at_points {
    ($name:ident, $(#[$attach_to:meta])+) => {
        impl $name {
            /// Attaches it where its `(attach-point …)`s say: everywhere or, when one of them fails, nowhere.
            pub fn attach(&self) -> $crate::error::Result<$crate::link::TracingLink> {
                super::attach_declared(self.0.spec, |point| self.open(point))
            }

            $(#[$attach_to])+
            pub fn attach_to(&self, point: &str) -> $crate::error::Result<$crate::link::TracingLink> {
                Ok($crate::link::TracingLink::new(self.open(point)?.into_iter().collect()))
            }

            /// The same as [`attach`](Self::attach), as [`Link`](crate::Link)s of any kind of program.
            pub fn attach_declared(&self) -> $crate::error::Result<Vec<$crate::link::Link>> {
                Ok(vec![self.attach()?.into()])
            }
        }
    };
}
use attached_at_points;

/// Opens every declared attach point. On the first failure those opened so far are dropped, which detaches the program.
fn attach_declared<E: IntoIterator<Item = OwnedFd>>(
    spec: &ProgramSpec,
    open: impl Fn(&str) -> Result<E>,
) -> Result<TracingLink> {
    if spec.attach_points.is_empty() {
        return Err(Error::NoAttachPoint { program: spec.name.to_owned() });
    }
    let mut events = Vec::new();
    for point in spec.attach_points {
        events.extend(open(point)?);
    }
    Ok(TracingLink::new(events))
}

/// A run in the simulator, with what the program is called with.
#[cfg(feature = "sim")]
fn simulate(program: &Handle, context: &[u8]) -> Result<u32> {
    let machine = simulator(program)?;
    let outcome = machine.run_on_memory(program.spec.symbol, context).map_err(Error::Simulator)?;
    // A program's result has 32 bits.
    Ok(u32::try_from(outcome.return_value & u64::from(u32::MAX)).unwrap_or(u32::MAX))
}

/// The simulator that a program is in.
#[cfg(feature = "sim")]
fn simulator(program: &Handle) -> Result<&Machine> {
    program.simulated().ok_or_else(|| {
        let reason =
            format!("run program `{}` without an event: `test()` loads it where that can be done", program.spec.name);
        Error::Simulator(SimulatorError::unable(reason))
    })
}
