//! Attachments that the kernel keeps as objects of their own: closing the last descriptor of one detaches its program.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::error::{Error, Need, Result};
use crate::pin;
use crate::sys::{self, LinkInfo};

/// Such an attachment, and where it is pinned.
#[derive(Debug)]
pub(super) struct KernelLink {
    fd: OwnedFd,
    pinned: Option<PathBuf>,
    /// The kind of program, with its article.
    of: &'static str,
}

impl KernelLink {
    pub(super) fn new(fd: OwnedFd, of: &'static str) -> Self {
        Self { fd, pinned: None, of }
    }

    pub(super) fn detach(mut self) -> Result<()> {
        match sys::link_detach(self.fd.as_fd()) {
            Ok(()) => {}
            // What it was attached to is gone, and the program detached with it.
            Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {}
            Err(error) => return Err(Error::system(format!("detach {}", self.of), Need::Networking, error)),
        }
        self.unpin()
    }

    pub(super) fn pin(&mut self, path: &Path) -> Result<()> {
        pin::pin(self.fd.as_fd(), path, || format!("the link of {}", self.of))?;
        self.pinned = Some(path.to_owned());
        Ok(())
    }

    pub(super) fn unpin(&mut self) -> Result<()> {
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

    /// The link pinned at `path`, if it is of one of these kinds.
    pub(super) fn from_pin(path: &Path, of: &'static str, kind: u32) -> Result<Self> {
        let action = || format!("take up the link pinned at {}", path.display());
        let fd = sys::object_get(path).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => Error::with_advice(action(), "Nothing is pinned there", error),
            _ => Error::system(action(), Need::Maps, error),
        })?;
        let link = Self { fd, pinned: Some(path.to_owned()), of };
        if !is_link(link.fd.as_fd()) || link.info()?.kind != kind {
            let error = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(Error::with_advice(action(), format!("What is pinned there is not the link of {of}"), error));
        }
        Ok(link)
    }

    /// Puts a program in the place of the one that is attached.
    pub(super) fn replace(&self, program: BorrowedFd<'_>, action: impl FnOnce() -> String) -> Result<()> {
        sys::link_update(self.fd.as_fd(), program).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOLINK) => Error::with_advice(action(), "The link is detached already", error),
            _ => Error::system(action(), Need::Networking, error),
        })
    }

    pub(super) fn forget(self) {
        // Closed, and with it the program detached, when the process ends.
        let _ = self.fd.into_raw_fd();
    }

    pub(super) fn info(&self) -> Result<LinkInfo> {
        sys::link_info(self.fd.as_fd())
            .map_err(|e| Error::system(format!("ask about the link of {}", self.of), Need::Maps, e))
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether a descriptor is of a link, and not of a map or a program. The kernel answers `BPF_OBJ_GET_INFO_BY_FD` for those too.
fn is_link(fd: BorrowedFd<'_>) -> bool {
    fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).is_ok_and(|info| info.contains("link_type:"))
}

/// What the owner of a [`KernelLink`] can do: a tuple struct around one, whose programs' handle has `in_kernel`.
macro_rules! owns_kernel_link {
    ($name:ident, $of:literal, $kind:expr) => {
        impl $name {
            pub(crate) fn new(fd: std::os::fd::OwnedFd) -> Self {
                Self(super::kernel_link::KernelLink::new(fd, $of))
            }

            /// Detaches the program, and removes the link's pin where it has one.
            pub fn detach(self) -> $crate::error::Result<()> {
                self.0.detach()
            }

            /// Pins the link at `path` in a `bpf` file system, creating the directories on the way: the program stays attached when the
            /// link is dropped and the process gone, until the link is detached or the file removed.
            pub fn pin(&mut self, path: impl AsRef<std::path::Path>) -> $crate::error::Result<()> {
                self.0.pin(path.as_ref())
            }

            /// Removes the pin: dropping the link detaches the program again.
            pub fn unpin(&mut self) -> $crate::error::Result<()> {
                self.0.unpin()
            }

            /// The link pinned at `path`. It stays pinned.
            pub fn from_pin(path: impl AsRef<std::path::Path>) -> $crate::error::Result<Self> {
                super::kernel_link::KernelLink::from_pin(path.as_ref(), $of, $kind).map(Self)
            }

            /// Leaves the program attached for as long as the process lives.
            pub fn forget(self) {
                self.0.forget();
            }

            /// The kernel's number of the program that is attached.
            pub fn program_id(&self) -> $crate::error::Result<u32> {
                Ok(self.0.info()?.program_id)
            }
        }

        impl std::os::fd::AsFd for $name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }
    };
}
pub(super) use owns_kernel_link;
