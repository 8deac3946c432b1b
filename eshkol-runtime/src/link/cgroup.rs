//! Programs at cgroups.

use super::kernel_link::{KernelLink, owns_kernel_link};
use crate::sys::LINK_TYPE_CGROUP;

/// A program's attachment to a cgroup, and with it to those below. Dropping it detaches the program, unless it is pinned.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
pub struct CgroupLink(KernelLink);

owns_kernel_link!(CgroupLink, "a cgroup's program", LINK_TYPE_CGROUP);
