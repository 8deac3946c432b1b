//! XDP programs.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use super::test_run::{Action, Framing, TestRun, test_run};
use super::{Handle, common_to_programs};
use crate::error::{Error, Need, Result};
use crate::interface::Interface;
use crate::kernel_version::KernelVersion;
use crate::link::{Link, XdpLink};
use crate::sys;

/// A loaded `:xdp` program.
#[derive(Debug)]
pub struct XdpProgram(Handle);

/// Where in the receive path an XDP program runs.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Default, Debug)]
pub enum XdpMode {
    /// In the driver where it can, else generic.
    #[default]
    Default,
    /// In the network stack, on any interface, after the packet has been copied into a socket buffer.
    Generic,
    /// In the driver.
    Native,
    /// In the network card.
    Offload,
}

impl XdpMode {
    /// `XDP_FLAGS_…_MODE` in include/uapi/linux/if_link.h.
    const fn flags(self) -> u32 {
        match self {
            Self::Default => 0,
            Self::Generic => 1 << 1,
            Self::Native => 1 << 2,
            Self::Offload => 1 << 3,
        }
    }
}

impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Generic => "generic",
            Self::Native => "native",
            Self::Offload => "offload",
        })
    }
}

/// What an XDP program decides on a packet (`enum xdp_action`).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum XdpAction {
    /// The program failed: dropped, and counted as an exception.
    Aborted = 0,
    /// Dropped.
    Drop = 1,
    /// Handed to the network stack.
    Pass = 2,
    /// Sent back out of the interface it came in on.
    Tx = 3,
    /// Sent to another interface, CPU or socket.
    Redirect = 4,
}

impl XdpAction {
    /// The action with this number, where there is one.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Aborted,
            1 => Self::Drop,
            2 => Self::Pass,
            3 => Self::Tx,
            4 => Self::Redirect,
            _ => return None,
        })
    }
}

impl Action for XdpAction {
    fn from_return_value(value: u32) -> Option<Self> {
        Self::from_number(value)
    }
}

/// The oldest kernel with links for XDP.
const XDP_LINKS: KernelVersion = KernelVersion::new(5, 9);

impl XdpProgram {
    /// Attaches it to an interface, by name or index, in the driver where that can run it and else in the network stack.
    pub fn attach(&self, interface: impl Into<Interface>) -> Result<XdpLink> {
        self.attach_with(interface, XdpMode::Default)
    }

    /// Attaches it to an interface, in this mode and no other.
    pub fn attach_with(&self, interface: impl Into<Interface>, mode: XdpMode) -> Result<XdpLink> {
        let interface = interface.into();
        let action = || format!("attach program `{}` to interface `{interface}`", self.name());
        let program = self.0.in_kernel(action)?;
        let index = interface.index(action)?;
        match sys::link_create_xdp(program, index, mode.flags()) {
            Ok(fd) => Ok(XdpLink::new(fd)),
            Err(error) => Err(self.attach_failed(action(), &interface, mode, error)),
        }
    }

    fn attach_failed(&self, action: String, interface: &Interface, mode: XdpMode, source: io::Error) -> Error {
        let (program, interface) = (self.name().to_owned(), interface.to_string());
        match source.raw_os_error() {
            Some(libc::EBUSY | libc::EEXIST) => Error::InterfaceBusy { program, interface, source },
            Some(libc::EOPNOTSUPP) => Error::UnsupportedMode { program, interface, mode, source },
            Some(libc::EINVAL | libc::ENOMEM | libc::ERANGE) => match KernelVersion::running() {
                Some(running) if running < XDP_LINKS => Error::KernelTooOld { action, needed: XDP_LINKS, running },
                _ if mode == XdpMode::Default => {
                    let advice = "The interface's driver refuses it with its present settings (MTU, queues, offloads; the kernel's \
                                  tracepoint xdp:bpf_xdp_link_attach_failed says which). Try `XdpMode::Generic`, which runs everywhere";
                    Error::with_advice(action, advice, source)
                }
                _ => Error::UnsupportedMode { program, interface, mode, source },
            },
            _ => Error::system(action, Need::Networking, source),
        }
    }

    /// Attaches it to every interface that its `(attach-point …)`s name: to all of them or, when one fails, to none.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        if self.0.spec.attach_points.is_empty() {
            return Err(Error::NoAttachPoint { program: self.name().to_owned() });
        }
        // On the first failure the links made so far are dropped, which detaches them.
        self.0.spec.attach_points.iter().map(|interface| self.attach(*interface).map(Link::from)).collect()
    }

    /// Runs it on `packet`, from the Ethernet header on, without any interface.
    pub fn test_run(&self, packet: &[u8]) -> Result<TestRun> {
        self.test_run_repeat(packet, 1)
    }

    /// Runs it on `packet` `repeat` times, for measuring: `data` is the packet after all of them, `duration` their mean.
    pub fn test_run_repeat(&self, packet: &[u8], repeat: u32) -> Result<TestRun> {
        test_run(&self.0, packet, repeat, Framing::Ethernet)
    }

    /// The kernel's descriptor, for doing `action` with it; an error in the simulator.
    pub(crate) fn in_kernel(&self, action: impl FnOnce() -> String) -> Result<BorrowedFd<'_>> {
        self.0.in_kernel(action)
    }
}

common_to_programs!(XdpProgram);
