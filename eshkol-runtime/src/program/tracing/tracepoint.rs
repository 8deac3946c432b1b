//! Programs at tracepoints.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::tracefs::tracepoint_id;
use super::{Handle, attached_at_points};
use crate::error::{Error, Need, Result};
use crate::program::common_to_programs;
use crate::sys::perf;

/// A loaded `:tracepoint` program.
#[derive(Debug)]
pub struct TracepointProgram(Handle);

common_to_programs!(TracepointProgram);
attached_at_points! {
    TracepointProgram,
    /// Attaches it to a tracepoint, `category:name`, whatever the source says. The program must be made for its record.
}

impl TracepointProgram {
    fn open(&self, tracepoint: &str) -> Result<[OwnedFd; 1]> {
        let action = || format!("attach program `{}` to tracepoint `{tracepoint}`", self.name());
        let program = self.0.in_kernel(action)?;
        let id = tracepoint_id(tracepoint, &action)?;
        let failed = |error: io::Error| match error.raw_os_error() {
            Some(libc::EACCES | libc::EINVAL) => Error::with_advice(
                action(),
                "The program reads more than the tracepoint's record has, which tracefs describes in the tracepoint's `format`",
                error,
            ),
            Some(libc::E2BIG) => Error::with_advice(
                action(),
                "64 programs are at this tracepoint, which is all that the kernel takes",
                error,
            ),
            _ => Error::system(action(), Need::Tracing, error),
        };
        let event = perf::tracepoint(id).map_err(|error| Error::system(action(), Need::Tracing, error))?;
        perf::attach(event.as_fd(), program).map_err(failed)?;
        Ok([event])
    }

    /// Runs it in the simulator on the record of an event, as tracefs describes it in the tracepoint's `format`: the result. The kernel has no
    /// such runs.
    #[cfg(feature = "sim")]
    pub fn test_run(&self, record: &[u8]) -> Result<u32> {
        super::simulate(&self.0, record)
    }
}
