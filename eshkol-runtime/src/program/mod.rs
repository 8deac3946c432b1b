//! Programs of a loaded unit.
//!
//! A handle owns its own descriptor of the program: it is `'static`, `Send` and `Sync`, and needs nothing else to stay alive. The programs of a unit
//! that the simulator runs have the same handles; what needs the kernel is then an error.

mod backing;
mod cgroup;
#[cfg(feature = "sim")]
mod socket_call;
mod socket_filter;
mod test_run;
mod tracing;
mod traffic_control;
mod xdp;

pub use backing::Opened;
pub(crate) use backing::Source;
pub use cgroup::{CgroupAction, CgroupSkbProgram, CgroupSockAddrProgram};
#[cfg(feature = "sim")]
pub use socket_call::{SocketCall, SocketCallRun};
pub use socket_filter::SocketFilterProgram;
pub use test_run::{Action, TestRun};
pub use tracing::{
    BtfTracepointProgram, KprobeProgram, KretprobeProgram, PerfEventProgram, RawTracepointProgram, Sampling,
    TracepointProgram, UprobeProgram, UretprobeProgram,
};
#[cfg(feature = "sim")]
pub use tracing::{TestCall, TestSample};
pub(crate) use tracing::{near_tracepoints, tracepoint_name};
pub use traffic_control::{TcAction, TcProgram, TcxAction, TcxProgram};
pub use xdp::{XdpAction, XdpMode, XdpProgram};

use backing::Handle;

use crate::error::Result;
use crate::spec::ProgramSpec;

/// What a program of a loaded unit can be taken as: the handles of this module.
pub trait FromProgram: Sized {
    /// Takes over the program that `spec` describes.
    #[doc(hidden)]
    fn from_program(program: Opened, spec: &'static ProgramSpec) -> Result<Self>;
}

/// Any handle on a program.
pub trait AnyProgram {
    /// What stands for it in a `:prog-array`: its descriptor, or its number in the simulator.
    #[doc(hidden)]
    fn table_entry(&self) -> u32;
}

/// A way that packets go, as seen from an interface or a cgroup.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// In.
    Ingress,
    /// Out.
    Egress,
}

impl Direction {
    /// The direction that an attach point begins with, and what follows after a `:`.
    fn of_attach_point(point: &str) -> Option<(Self, Option<&str>)> {
        let (direction, rest) = match point.split_once(':') {
            Some((direction, rest)) => (direction, Some(rest)),
            None => (point, None),
        };
        let direction = match direction {
            "ingress" => Self::Ingress,
            "egress" => Self::Egress,
            _ => return None,
        };
        Some((direction, rest))
    }
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

/// A program of a type that has no handle of its own: its facts, and its descriptor for whoever knows what to do with it.
#[derive(Debug)]
pub struct Program(Handle);

/// What a handle can do that is a tuple struct around a [`Handle`] alone.
macro_rules! common_to_programs {
    ($name:ident) => {
        impl $crate::program::FromProgram for $name {
            fn from_program(
                program: $crate::program::Opened,
                spec: &'static $crate::spec::ProgramSpec,
            ) -> $crate::error::Result<Self> {
                $crate::program::Handle::new(program, spec).map(Self)
            }
        }

        $crate::program::facts_of_program!($name);
    };
}
use common_to_programs;

/// What every handle can say: a tuple struct that begins with a [`Handle`].
macro_rules! facts_of_program {
    ($name:ident) => {
        impl $name {
            /// Its name in the source.
            pub fn name(&self) -> &str {
                self.0.spec.name
            }

            /// The kernel's number of it, as `bpftool prog` shows; 0 in the simulator.
            pub fn id(&self) -> u32 {
                self.0.info().id
            }

            /// How many instructions it has: in the kernel, after the verifier's rewriting.
            pub fn instructions(&self) -> u32 {
                self.0.info().xlated_len / 8
            }

            /// How many bytes of machine code the kernel made of it; 0 where it interprets, and in the simulator.
            pub fn machine_code_size(&self) -> u32 {
                self.0.info().jited_len
            }

            /// How many instructions the verifier walked through, each as often as it came by. 0 before Linux 5.16, and in the
            /// simulator.
            pub fn verified_instructions(&self) -> u32 {
                self.0.info().verified_instructions
            }
        }

        impl $crate::program::AnyProgram for $name {
            fn table_entry(&self) -> u32 {
                self.0.table_entry()
            }
        }

        impl std::os::fd::AsFd for $name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }
    };
}
use facts_of_program;

common_to_programs!(Program);
