//! Programs at raw tracepoints.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use super::tracefs::{near_tracepoints, tracepoint_name};
use super::{Handle, attached_at_points};
use crate::error::{Error, Need, Result};
use crate::program::common_to_programs;
use crate::sys;

/// A loaded `:raw-tracepoint` program.
#[derive(Debug)]
pub struct RawTracepointProgram(Handle);

common_to_programs!(RawTracepointProgram);
attached_at_points! {
    RawTracepointProgram,
    /// Attaches it to a tracepoint, by its name without category, whatever the source says.
}

impl RawTracepointProgram {
    fn open(&self, tracepoint: &str) -> Result<[OwnedFd; 1]> {
        let action = || format!("attach program `{}` to raw tracepoint `{tracepoint}`", self.name());
        let program = self.0.in_kernel(action)?;
        // The kernel knows them by name alone; with the category they are as good.
        let name = CString::new(tracepoint_name(tracepoint))
            .map_err(|error| Error::with_advice(action(), "No name has a NUL in it", error.into()))?;
        let opened = sys::raw_tracepoint_open(program, Some(&name)).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => {
                let advice = near_tracepoints(tracepoint, action);
                Error::with_advice(action(), advice, error)
            }
            _ => Error::system(action(), Need::Tracing, error),
        })?;
        Ok([opened])
    }

    /// Runs it in the simulator on the arguments of a tracepoint: the result.
    #[cfg(feature = "sim")]
    pub fn test_run(&self, arguments: &[u64]) -> Result<u32> {
        let record: Vec<u8> = arguments.iter().flat_map(|argument| argument.to_ne_bytes()).collect();
        super::simulate(&self.0, &record)
    }
}
