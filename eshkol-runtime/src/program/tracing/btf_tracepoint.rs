//! Programs at tracepoints of whose arguments the kernel knows the types.

use std::os::fd::OwnedFd;

use super::Handle;
use crate::error::{Error, Need, Result};
use crate::link::{Link, TracingLink};
use crate::program::common_to_programs;
use crate::sys;

/// A loaded `:btf-tracepoint` program. It belongs to the tracepoint that its source names: the kernel has verified it against that one.
#[derive(Debug)]
pub struct BtfTracepointProgram(Handle);

common_to_programs!(BtfTracepointProgram);

impl BtfTracepointProgram {
    /// Attaches it where its `(attach-point …)` says.
    pub fn attach(&self) -> Result<TracingLink> {
        super::attach_declared(self.0.spec, |point| self.open(point))
    }

    /// The same as [`attach`](Self::attach), as [`Link`]s of any kind of program.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        Ok(vec![self.attach()?.into()])
    }

    fn open(&self, tracepoint: &str) -> Result<[OwnedFd; 1]> {
        let action = || format!("attach program `{}` to tracepoint `{tracepoint}`", self.name());
        let program = self.0.in_kernel(action)?;
        // The program itself knows to which.
        let opened = sys::raw_tracepoint_open(program, None);
        Ok([opened.map_err(|error| Error::system(action(), Need::Tracing, error))?])
    }

    /// Runs it in the simulator on the arguments of a tracepoint: the result. What they refer to has to be told apart from nothing: 0.
    #[cfg(feature = "sim")]
    pub fn test_run(&self, arguments: &[u64]) -> Result<u32> {
        let record: Vec<u8> = arguments.iter().flat_map(|argument| argument.to_ne_bytes()).collect();
        super::simulate(&self.0, &record)
    }
}
