//! Attachments of programs.

use std::path::Path;

use crate::error::Result;
use crate::program::XdpProgram;

/// An attachment of any kind of program: what `attach_all` gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Link {
    /// Of an XDP program to an interface.
    Xdp(XdpLink),
}

impl From<XdpLink> for Link {
    fn from(link: XdpLink) -> Self {
        Self::Xdp(link)
    }
}

/// An XDP program's attachment to an interface. Dropping it detaches the program.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
pub struct XdpLink {}

impl XdpLink {
    /// Detaches the program.
    pub fn detach(self) -> Result<()> {
        todo!()
    }

    /// Keeps the program attached after the link is dropped and the process gone.
    pub fn pin(&mut self, _path: impl AsRef<Path>) -> Result<()> {
        todo!()
    }

    /// The attachment pinned at `path`.
    pub fn from_pin(_path: impl AsRef<Path>) -> Result<Self> {
        todo!()
    }

    /// Puts `program` in the place of the one that is attached.
    pub fn replace(&self, _program: &XdpProgram) -> Result<()> {
        todo!()
    }

    /// Leaves the program attached for as long as the process lives.
    pub fn forget(self) {
        todo!()
    }
}
