//! Programs where functions of the kernel are entered.

use std::os::fd::OwnedFd;

use super::function::{self, Side};
use super::{Handle, attached_at_points};
use crate::error::Result;
use crate::program::common_to_programs;

/// A loaded `:kprobe` program.
#[derive(Debug)]
pub struct KprobeProgram(Handle);

common_to_programs!(KprobeProgram);
attached_at_points! {
    KprobeProgram,
    /// Attaches it to a function of the kernel, or to a place in it, `function+0x10`, whatever the source says.
}

impl KprobeProgram {
    fn open(&self, point: &str) -> Result<[OwnedFd; 1]> {
        Ok([function::open(&self.0, point, Side::Entry)?])
    }

    /// Runs it in the simulator as if the function were called with these arguments: the result. The kernel has no such runs.
    #[cfg(feature = "sim")]
    pub fn test_run(&self, arguments: &[u64]) -> Result<u32> {
        super::simulate(&self.0, &super::registers::at_entry(&self.0, arguments, None)?)
    }
}
