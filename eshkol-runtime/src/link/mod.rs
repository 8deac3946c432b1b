//! Attachments of programs.
//!
//! A link is an owned value: dropping it detaches the program. It does not need the program's handle or the loaded unit to stay alive, and
//! `pin` makes it outlive the process.

mod cgroup;
mod kernel_link;
mod socket;
mod traffic_control;
mod xdp;

pub use cgroup::CgroupLink;
pub use socket::{PacketSocket, SocketFilterLink};
pub use traffic_control::{TcLink, TcxLink};
pub use xdp::XdpLink;

use std::os::fd::{IntoRawFd, OwnedFd};

use crate::error::Result;

/// An attachment of any kind of program: what `attach_all` gives.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
#[non_exhaustive]
pub enum Link {
    /// Of an XDP program to an interface.
    Xdp(XdpLink),
    /// Of a program that traces.
    Tracing(TracingLink),
    /// Of a `:tc` program to an interface.
    Tc(TcLink),
    /// Of a `:tcx` program to an interface.
    Tcx(TcxLink),
    /// Of a program to a cgroup.
    Cgroup(CgroupLink),
    /// Of a `:socket-filter` program to a packet socket of its own.
    PacketSocket(PacketSocket),
}

impl Link {
    /// Detaches the program.
    pub fn detach(self) -> Result<()> {
        match self {
            Self::Xdp(link) => link.detach(),
            Self::Tracing(link) => {
                link.detach();
                Ok(())
            }
            Self::Tc(link) => link.detach(),
            Self::Tcx(link) => link.detach(),
            Self::Cgroup(link) => link.detach(),
            Self::PacketSocket(socket) => {
                socket.detach();
                Ok(())
            }
        }
    }

    /// Leaves the program attached for as long as the process lives.
    pub fn forget(self) {
        match self {
            Self::Xdp(link) => link.forget(),
            Self::Tracing(link) => link.forget(),
            Self::Tc(link) => link.forget(),
            Self::Tcx(link) => link.forget(),
            Self::Cgroup(link) => link.forget(),
            Self::PacketSocket(socket) => socket.forget(),
        }
    }
}

impl From<XdpLink> for Link {
    fn from(link: XdpLink) -> Self {
        Self::Xdp(link)
    }
}

impl From<TracingLink> for Link {
    fn from(link: TracingLink) -> Self {
        Self::Tracing(link)
    }
}

impl From<TcLink> for Link {
    fn from(link: TcLink) -> Self {
        Self::Tc(link)
    }
}

impl From<TcxLink> for Link {
    fn from(link: TcxLink) -> Self {
        Self::Tcx(link)
    }
}

impl From<CgroupLink> for Link {
    fn from(link: CgroupLink) -> Self {
        Self::Cgroup(link)
    }
}

impl From<PacketSocket> for Link {
    fn from(socket: PacketSocket) -> Self {
        Self::PacketSocket(socket)
    }
}

/// The attachment of a program that traces, to one place or several. Dropping it detaches the program.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
pub struct TracingLink {
    /// A descriptor for each place; closing the last copy of one detaches the program from it.
    events: Vec<OwnedFd>,
}

impl TracingLink {
    pub(crate) fn new(events: Vec<OwnedFd>) -> Self {
        Self { events }
    }

    /// Detaches the program.
    pub fn detach(self) {}

    /// Leaves the program attached for as long as the process lives.
    pub fn forget(self) {
        for event in self.events {
            let _ = event.into_raw_fd();
        }
    }
}
