//! Programs of a loaded unit.
//!
//! A handle owns its own descriptor of the program: it is `'static`, `Send` and `Sync`, and needs nothing else to stay alive.

mod xdp;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use xdp::{TestRun, XdpAction, XdpMode, XdpProgram};

use crate::error::{Error, Need, Result};
use crate::spec::ProgramSpec;
use crate::sys::{self, ProgramInfo};

/// What a program of a loaded unit can be taken as: the handles of this module.
pub trait FromProgram: Sized {
    /// Takes over a descriptor of the program that `spec` describes.
    #[doc(hidden)]
    fn from_program(fd: OwnedFd, spec: &'static ProgramSpec) -> Result<Self>;
}

/// A program of a type that has no handle of its own: its facts, and its descriptor for whoever knows what to do with it.
#[derive(Debug)]
pub struct Program(Handle);

impl FromProgram for Program {
    fn from_program(fd: OwnedFd, spec: &'static ProgramSpec) -> Result<Self> {
        Handle::new(fd, spec).map(Self)
    }
}

impl Program {
    fn handle(&self) -> &Handle {
        &self.0
    }
}

/// A program's descriptor, and what is known of it.
#[derive(Debug)]
struct Handle {
    fd: OwnedFd,
    spec: &'static ProgramSpec,
    info: ProgramInfo,
}

impl Handle {
    fn new(fd: OwnedFd, spec: &'static ProgramSpec) -> Result<Self> {
        let info = sys::program_info(fd.as_fd())
            .map_err(|e| Error::system(format!("ask about program `{}`", spec.name), Need::Maps, e))?;
        Ok(Self { fd, spec, info })
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What every handle can do.
macro_rules! common_to_programs {
    ($name:ident) => {
        impl $name {
            /// Its name in the source.
            pub fn name(&self) -> &str {
                self.handle().spec.name
            }

            /// The kernel's number of it, as `bpftool prog` shows.
            pub fn id(&self) -> u32 {
                self.handle().info.id
            }

            /// How many instructions it has in the kernel, after the verifier's rewriting.
            pub fn instructions(&self) -> u32 {
                self.handle().info.xlated_len / 8
            }

            /// How many instructions the verifier walked through, each as often as it came by. 0 before Linux 5.16.
            pub fn verified_instructions(&self) -> u32 {
                self.handle().info.verified_instructions
            }
        }

        impl std::os::fd::AsFd for $name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.handle().as_fd()
            }
        }
    };
}
use common_to_programs;

common_to_programs!(Program);
