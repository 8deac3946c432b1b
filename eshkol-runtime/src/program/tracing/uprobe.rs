//! Programs in functions of processes.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::function::{Side, USER_PROBES, event_of};
use super::user_symbol;
use super::{Handle, attached_at_points};
use crate::error::{Error, Need, Result};
use crate::link::TracingLink;
use crate::program::common_to_programs;
use crate::sys::perf;

/// A loaded `:uprobe` program.
#[derive(Debug)]
pub struct UprobeProgram(Handle);

/// A loaded `:uretprobe` program.
#[derive(Debug)]
pub struct UretprobeProgram(Handle);

macro_rules! in_processes {
    ($name:ident, $side:expr) => {
        common_to_programs!($name);
        attached_at_points! {
            $name,
            /// Attaches it in every process that runs this file: `path:function`, `path:function+0x10`, or `path:0x1139`, a place in the file.
        }

        impl $name {
            /// Attaches it in one process, by its number.
            pub fn attach_to_process(&self, process: u32, point: &str) -> Result<TracingLink> {
                Ok(TracingLink::new(vec![open(&self.0, point, $side, Some(process))?]))
            }

            fn open(&self, point: &str) -> Result<[OwnedFd; 1]> {
                Ok([open(&self.0, point, $side, None)?])
            }
        }
    };
}

in_processes!(UprobeProgram, Side::Entry);
in_processes!(UretprobeProgram, Side::Return);

#[cfg(feature = "sim")]
impl UprobeProgram {
    /// Runs it in the simulator as if the function were called with these arguments: the result.
    pub fn test_run(&self, arguments: &[u64]) -> Result<u32> {
        super::simulate(&self.0, &super::registers::at_entry(&self.0, arguments, None)?)
    }
}

#[cfg(feature = "sim")]
impl UretprobeProgram {
    /// Runs it in the simulator as if the function returned `result`: the program's result.
    pub fn test_run(&self, result: u64) -> Result<u32> {
        super::simulate(&self.0, &super::registers::at_return(&self.0, result, 0)?)
    }
}

/// Attaches a program to a place in a file, until what this gives is closed.
fn open(program: &Handle, point: &str, side: Side, process: Option<u32>) -> Result<OwnedFd> {
    let what = if side == Side::Entry { "" } else { "the return of " };
    let action = || format!("attach program `{}` to {what}`{point}`", program.spec.name);
    let fd = program.in_kernel(action)?;
    let (path, offset) = user_symbol::find(point, side, &action)?;
    let path =
        CString::new(path).map_err(|error| Error::with_advice(action(), "No path has a NUL in it", error.into()))?;
    let (kind, config) = event_of(USER_PROBES, side).map_err(|error| {
        let advice =
            "This kernel has no probes in processes: it is older than 4.17, or built without CONFIG_UPROBE_EVENTS";
        Error::with_advice(action(), advice, error)
    })?;
    let event = perf::function(kind, config, &path, offset, process).map_err(|error| refused(action(), error))?;
    perf::attach(event.as_fd(), fd).map_err(|error| Error::system(action(), Need::Tracing, error))?;
    Ok(event)
}

/// `ENOTSUPP` of the kernel's own `include/linux/errno.h`.
const NOT_SUPPORTED: i32 = 524;

fn refused(action: String, error: io::Error) -> Error {
    let advice = match error.raw_os_error() {
        Some(libc::ESRCH) => "There is no such process",
        Some(libc::EINVAL | libc::EIO | NOT_SUPPORTED) => {
            "There can be no probe at this place: it must be the start of an instruction in a regular file, and of some instructions the kernel \
             takes none"
        }
        _ => return Error::system(action, Need::Tracing, error),
    };
    Error::with_advice(action, advice, error)
}
