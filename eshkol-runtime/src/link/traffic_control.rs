//! Programs at traffic control.

use std::mem;

use super::kernel_link::{KernelLink, owns_kernel_link};
use crate::error::{Error, Need, Result};
use crate::sys::LINK_TYPE_TCX;
use crate::sys::traffic_control::Filter;

/// The attachment of a `:tcx` program to an interface. Dropping it detaches the program, unless it is pinned.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
pub struct TcxLink(KernelLink);

owns_kernel_link!(TcxLink, "a tcx program", LINK_TYPE_TCX);

/// The attachment of a `:tc` program to an interface, as a filter of its discipline `clsact`. Dropping it removes the filter; the discipline stays.
///
/// The kernel keeps filters until they are removed: one whose process was killed stays. `tc filter show dev eth0 ingress` shows them.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
pub struct TcLink(Filter);

impl TcLink {
    pub(crate) fn new(filter: Filter) -> Self {
        Self(filter)
    }

    /// Detaches the program.
    pub fn detach(self) -> Result<()> {
        let removed = self.0.remove();
        self.forget();
        removed.map_err(|error| Error::system("detach a tc program", Need::Networking, error))
    }

    /// Leaves the program attached until its filter or its interface is removed.
    pub fn forget(self) {
        // The descriptor of its socket is closed when the process ends.
        mem::forget(self);
    }
}

impl Drop for TcLink {
    fn drop(&mut self) {
        // Nobody is there to be told; `detach` tells.
        let _ = self.0.remove();
    }
}
