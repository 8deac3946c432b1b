//! Programs where functions of the kernel return.

use std::os::fd::OwnedFd;

use super::function::{self, Side};
use super::{Handle, attached_at_points};
use crate::error::Result;
use crate::program::{Opened, facts_of_program};
use crate::spec::ProgramSpec;

/// A loaded `:kretprobe` program. Where it asks what the function was called with, another that saves that goes with it.
#[derive(Debug)]
pub struct KretprobeProgram(Handle, Option<Handle>);

facts_of_program!(KretprobeProgram);
attached_at_points! {
    KretprobeProgram,
    /// Attaches it to the return of a function of the kernel, whatever the source says.
}

impl KretprobeProgram {
    pub(crate) fn new(
        program: Opened,
        spec: &'static ProgramSpec,
        entry: Option<(Opened, &'static ProgramSpec)>,
    ) -> Result<Self> {
        let entry = entry.map(|(program, spec)| Handle::new(program, spec)).transpose()?;
        Ok(Self(Handle::new(program, spec)?, entry))
    }

    /// What saves the arguments is there before the first return, and until after the last.
    fn open(&self, point: &str) -> Result<Vec<OwnedFd>> {
        let save = |entry| function::open_for(&self.0, Side::Return, entry, point, Side::Entry);
        let entry = self.1.as_ref().map(save).transpose()?;
        let returned = function::open(&self.0, point, Side::Return)?;
        Ok([Some(returned), entry].into_iter().flatten().collect())
    }

    /// Runs it in the simulator as if the function were called with these arguments and returned `result`: the program's result. The kernel has no
    /// such runs.
    #[cfg(feature = "sim")]
    pub fn test_run(&self, arguments: &[u64], result: u64) -> Result<u32> {
        self.test_call(arguments)?.test_return(result)
    }

    /// Calls the function in the simulator. It has not returned yet: other calls can come in between.
    #[cfg(feature = "sim")]
    pub fn test_call(&self, arguments: &[u64]) -> Result<TestCall<'_>> {
        let frame = super::simulator(&self.0)?.new_frame();
        if let Some(entry) = &self.1 {
            super::simulate(entry, &super::registers::at_entry(entry, arguments, Some(frame))?)?;
        }
        Ok(TestCall { program: &self.0, frame })
    }
}

/// A call of a function in the simulator, under way.
#[cfg(feature = "sim")]
#[derive(Debug)]
#[must_use = "the function has not returned yet"]
pub struct TestCall<'a> {
    program: &'a Handle,
    frame: u64,
}

#[cfg(feature = "sim")]
impl TestCall<'_> {
    /// Runs the program as if the function returned `result`: the program's result.
    pub fn test_return(self, result: u64) -> Result<u32> {
        super::simulate(self.program, &super::registers::at_return(self.program, result, self.frame)?)
    }
}
