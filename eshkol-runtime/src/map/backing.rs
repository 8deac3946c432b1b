//! Where a map is: in the kernel, or in the simulator. Both have the same operations on bytes, with the same errors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[cfg(feature = "sim")]
use crate::sim::{Placeholder, SimulatedMap};
use crate::sys::{MapFd, MapInfo};

/// A map that a handle takes over.
#[derive(Debug)]
pub struct Opened(pub(crate) Source);

/// Where a map is.
#[derive(Debug)]
pub(crate) enum Source {
    /// In the kernel: a descriptor of its own.
    Kernel(OwnedFd),
    #[cfg(feature = "sim")]
    Simulated(SimulatedMap, Placeholder),
}

/// A map, with what is known of it.
#[derive(Debug)]
pub(crate) enum Backing {
    Kernel(MapFd),
    #[cfg(feature = "sim")]
    Simulated(SimulatedMap, Placeholder),
}

impl Backing {
    pub(crate) fn new(map: Opened) -> io::Result<Self> {
        match map.0 {
            Source::Kernel(fd) => MapFd::new(fd).map(Self::Kernel),
            #[cfg(feature = "sim")]
            Source::Simulated(map, placeholder) => Ok(Self::Simulated(map, placeholder)),
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Kernel(fd) => fd.try_clone().map(Self::Kernel),
            #[cfg(feature = "sim")]
            Self::Simulated(map, placeholder) => Ok(Self::Simulated(map.clone(), placeholder.clone())),
        }
    }

    pub(crate) fn info(&self) -> &MapInfo {
        match self {
            Self::Kernel(fd) => fd.info(),
            #[cfg(feature = "sim")]
            Self::Simulated(map, _) => map.info(),
        }
    }

    /// Bytes that a lookup gives: one value, or one for each CPU.
    pub(crate) fn lookup_size(&self) -> usize {
        match self {
            Self::Kernel(fd) => fd.lookup_size(),
            #[cfg(feature = "sim")]
            Self::Simulated(map, _) => map.lookup_size(),
        }
    }

    /// The bytes under `key`.
    pub(crate) fn lookup(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Kernel(fd) => {
                let mut value = vec![0; fd.lookup_size()];
                Ok(fd.lookup(key, &mut value)?.then_some(value))
            }
            #[cfg(feature = "sim")]
            Self::Simulated(map, _) => map.lookup(key),
        }
    }

    /// Writes the value under `key`, as the `BPF_NOEXIST` or `BPF_EXIST` of `flags` allow.
    pub(crate) fn update(&self, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
        match self {
            Self::Kernel(fd) => fd.update(key, value, flags),
            #[cfg(feature = "sim")]
            Self::Simulated(map, _) => map.update(key, value, flags),
        }
    }

    /// Removes what is under `key`. False: there was nothing.
    pub(crate) fn delete(&self, key: &[u8]) -> io::Result<bool> {
        match self {
            Self::Kernel(fd) => fd.delete(key),
            #[cfg(feature = "sim")]
            Self::Simulated(map, _) => map.delete(key),
        }
    }

    /// The key after `key`, or the first.
    pub(crate) fn next_key(&self, key: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Kernel(fd) => {
                let mut next = vec![0; fd.info().key_size as usize];
                Ok(fd.next_key(key, &mut next)?.then_some(next))
            }
            #[cfg(feature = "sim")]
            Self::Simulated(map, _) => map.next_key(key),
        }
    }

    /// Opens a buffer of so many bytes for each CPU, of a simulated map.
    #[cfg(feature = "sim")]
    pub(crate) fn open_buffers(&self, size: usize) {
        if let Self::Simulated(map, _) = self {
            map.open_buffers(size);
        }
    }

    /// Takes the next event out of a simulated map.
    pub(crate) fn pop_event(&self) -> Option<Vec<u8>> {
        match self {
            Self::Kernel(_) => None,
            #[cfg(feature = "sim")]
            Self::Simulated(map, _) => map.pop_event(),
        }
    }

    /// Whether it is in the simulator.
    pub(crate) fn is_simulated(&self) -> bool {
        match self {
            Self::Kernel(_) => false,
            #[cfg(feature = "sim")]
            Self::Simulated(..) => true,
        }
    }
}

impl AsFd for Backing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Kernel(fd) => fd.as_fd(),
            #[cfg(feature = "sim")]
            Self::Simulated(_, placeholder) => placeholder.as_fd(),
        }
    }
}
