//! Attachments of programs.
//!
//! A link is an owned value: dropping it detaches the program. It does not need the program's handle or the loaded unit to stay alive, and
//! `pin` makes it outlive the process.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::error::{Error, Need, Result};
use crate::interface::Interface;
use crate::pin;
use crate::program::XdpProgram;
use crate::sys::{self, LINK_TYPE_XDP, LinkInfo};

/// An attachment of any kind of program: what `attach_all` gives.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
#[non_exhaustive]
pub enum Link {
    /// Of an XDP program to an interface.
    Xdp(XdpLink),
    /// Of a program that traces.
    Tracing(TracingLink),
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
        }
    }

    /// Leaves the program attached for as long as the process lives.
    pub fn forget(self) {
        match self {
            Self::Xdp(link) => link.forget(),
            Self::Tracing(link) => link.forget(),
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

/// An XDP program's attachment to an interface. Dropping it detaches the program, unless it is pinned.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
pub struct XdpLink {
    fd: OwnedFd,
    pinned: Option<PathBuf>,
}

impl XdpLink {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd, pinned: None }
    }

    /// Detaches the program, and removes the link's pin where it has one.
    pub fn detach(mut self) -> Result<()> {
        match sys::link_detach(self.fd.as_fd()) {
            Ok(()) => {}
            // The interface is gone, and the program detached with it.
            Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {}
            Err(error) => return Err(Error::system("detach an XDP program", Need::Networking, error)),
        }
        self.unpin()
    }

    /// Pins the link at `path` in a `bpf` file system, creating the directories on the way: the program stays attached when the link is dropped
    /// and the process gone, until the link is detached or the file removed.
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        pin::pin(self.fd.as_fd(), path, || "the link of an XDP program".to_owned())?;
        self.pinned = Some(path.to_owned());
        Ok(())
    }

    /// Removes the pin: dropping the link detaches the program again.
    pub fn unpin(&mut self) -> Result<()> {
        let Some(path) = self.pinned.take() else { return Ok(()) };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let error = Error::system(format!("remove the pin {}", path.display()), Need::Maps, error);
                self.pinned = Some(path);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// The link pinned at `path`. It stays pinned.
    pub fn from_pin(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let action = || format!("take up the link pinned at {}", path.display());
        let fd = sys::object_get(path).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => Error::with_advice(action(), "Nothing is pinned there", error),
            _ => Error::system(action(), Need::Maps, error),
        })?;
        let link = Self { fd, pinned: Some(path.to_owned()) };
        if !is_link(link.fd.as_fd()) || link.info()?.kind != LINK_TYPE_XDP {
            let error = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(Error::with_advice(action(), "What is pinned there is not the link of an XDP program", error));
        }
        Ok(link)
    }

    /// Puts `program` in the place of the one that is attached; no packet passes between the two.
    pub fn replace(&self, program: &XdpProgram) -> Result<()> {
        let action = || format!("put program `{}` in the place of the one attached", program.name());
        sys::link_update(self.fd.as_fd(), program.in_kernel(action)?).map_err(|e| {
            let action = action();
            match e.raw_os_error() {
                Some(libc::ENOLINK) => Error::with_advice(action, "The link is detached already", e),
                _ => Error::system(action, Need::Networking, e),
            }
        })
    }

    /// Leaves the program attached for as long as the process lives.
    pub fn forget(self) {
        // Closed, and with it the program detached, when the process ends.
        let _ = self.fd.into_raw_fd();
    }

    /// The interface, unless the program has been detached from it or the interface is gone.
    pub fn interface(&self) -> Result<Option<Interface>> {
        let index = self.info()?.ifindex;
        Ok((index != 0).then_some(Interface::Index(index)))
    }

    /// The kernel's number of the program that is attached.
    pub fn program_id(&self) -> Result<u32> {
        Ok(self.info()?.program_id)
    }

    fn info(&self) -> Result<LinkInfo> {
        sys::link_info(self.fd.as_fd())
            .map_err(|e| Error::system("ask about the link of an XDP program", Need::Maps, e))
    }
}

impl AsFd for XdpLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether a descriptor is of a link, and not of a map or a program. The kernel answers `BPF_OBJ_GET_INFO_BY_FD` for those too.
fn is_link(fd: BorrowedFd<'_>) -> bool {
    fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).is_ok_and(|info| info.contains("link_type:"))
}
