//! Where a program is: in the kernel, or in the simulator.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::error::{Error, Need, Result};
#[cfg(feature = "sim")]
use crate::sim::{Machine, Placeholder, SimulatorError};
use crate::spec::ProgramSpec;
use crate::sys::{self, ProgramInfo};

/// A program that a handle takes over.
#[derive(Debug)]
pub struct Opened(pub(crate) Source);

/// Where a program is.
#[derive(Debug)]
pub(crate) enum Source {
    /// In the kernel: a descriptor of its own.
    Kernel(OwnedFd),
    #[cfg(feature = "sim")]
    Simulated(Machine, Placeholder),
}

/// A program, and what is known of it.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) spec: &'static ProgramSpec,
    source: Source,
    info: ProgramInfo,
}

impl Handle {
    pub(super) fn new(program: Opened, spec: &'static ProgramSpec) -> Result<Self> {
        let source = program.0;
        let info = match &source {
            Source::Kernel(fd) => sys::program_info(fd.as_fd())
                .map_err(|e| Error::system(format!("ask about program `{}`", spec.name), Need::Maps, e))?,
            // What only a kernel can say of it stays 0.
            #[cfg(feature = "sim")]
            Source::Simulated(machine, _) => {
                ProgramInfo { xlated_len: machine.program_size(spec.symbol), ..ProgramInfo::default() }
            }
        };
        Ok(Self { spec, source, info })
    }

    pub(super) fn info(&self) -> &ProgramInfo {
        &self.info
    }

    /// What stands for it in a map of programs.
    pub(super) fn table_entry(&self) -> u32 {
        match &self.source {
            Source::Kernel(fd) => fd.as_raw_fd().cast_unsigned(),
            #[cfg(feature = "sim")]
            Source::Simulated(machine, _) => machine.program_number(self.spec.symbol),
        }
    }

    /// The kernel's descriptor, for doing `action` with it; an error in the simulator.
    #[cfg_attr(not(feature = "sim"), expect(unused_variables, reason = "without the simulator nothing is refused"))]
    pub(super) fn in_kernel(&self, action: impl FnOnce() -> String) -> Result<BorrowedFd<'_>> {
        match &self.source {
            Source::Kernel(fd) => Ok(fd.as_fd()),
            #[cfg(feature = "sim")]
            Source::Simulated(..) => Err(Error::Simulator(SimulatorError::unable(format!(
                "{}: it was loaded by `test()`, and nothing of it is in the kernel. `load()` loads it there",
                action()
            )))),
        }
    }

    /// The simulator that runs it, if one does.
    #[cfg(feature = "sim")]
    pub(super) fn simulated(&self) -> Option<&Machine> {
        match &self.source {
            Source::Kernel(_) => None,
            Source::Simulated(machine, _) => Some(machine),
        }
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Kernel(fd) => fd.as_fd(),
            #[cfg(feature = "sim")]
            Source::Simulated(_, placeholder) => placeholder.as_fd(),
        }
    }
}
