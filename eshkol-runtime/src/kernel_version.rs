//! The version of the running kernel.

use std::fmt;
use std::fs;

/// `major.minor` of a Linux kernel.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KernelVersion {
    /// The 6 of 6.12.
    pub major: u16,
    /// The 12 of 6.12.
    pub minor: u16,
}

impl KernelVersion {
    /// A version.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The running kernel's, where it can be found out.
    pub fn running() -> Option<Self> {
        Self::from_release(&fs::read_to_string("/proc/sys/kernel/osrelease").ok()?)
    }

    /// Reads a release such as `6.12.38+deb13-amd64`.
    fn from_release(release: &str) -> Option<Self> {
        let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Self { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()? })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_distributions() {
        let read = KernelVersion::from_release;
        assert_eq!(read("6.12.38+deb13-amd64\n"), Some(KernelVersion::new(6, 12)));
        assert_eq!(read("5.10-rc3"), Some(KernelVersion::new(5, 10)));
        assert_eq!(read("4.18.0-553.el8.x86_64"), Some(KernelVersion::new(4, 18)));
        assert_eq!(read("mainline"), None);
        assert!(KernelVersion::new(5, 8) < KernelVersion::new(5, 10));
    }

    #[test]
    fn this_kernel_has_a_version() {
        assert!(KernelVersion::running().is_some_and(|v| v >= KernelVersion::new(3, 0)));
    }
}
