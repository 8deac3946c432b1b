//! XDP programs at interfaces.

use super::kernel_link::{KernelLink, owns_kernel_link};
use crate::error::Result;
use crate::interface::Interface;
use crate::program::XdpProgram;
use crate::sys::LINK_TYPE_XDP;

/// An XDP program's attachment to an interface. Dropping it detaches the program, unless it is pinned.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
pub struct XdpLink(KernelLink);

owns_kernel_link!(XdpLink, "an XDP program", LINK_TYPE_XDP);

impl XdpLink {
    /// Puts `program` in the place of the one that is attached; no packet passes between the two.
    pub fn replace(&self, program: &XdpProgram) -> Result<()> {
        let action = || format!("put program `{}` in the place of the one attached", program.name());
        self.0.replace(program.in_kernel(action)?, action)
    }

    /// The interface, unless the program has been detached from it or the interface is gone.
    pub fn interface(&self) -> Result<Option<Interface>> {
        let index = self.0.info()?.ifindex;
        Ok((index != 0).then_some(Interface::Index(index)))
    }
}
