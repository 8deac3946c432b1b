//! Maps: their elements, and what the kernel says of them.
//!
//! Every function here is safe to call: buffers are checked against the sizes the *kernel* reports for that very map, so that no declaration that
//! differs from what is in the kernel (a map pinned by another version of a program) can make it read or write past a buffer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::{Attr, Info, absent, address, address_mut, bpf, info, number, object_get};
use crate::map::cpus;

// `enum bpf_cmd` in include/uapi/linux/bpf.h.
const MAP_LOOKUP_ELEM: i32 = 1;
const MAP_UPDATE_ELEM: i32 = 2;
const MAP_DELETE_ELEM: i32 = 3;
const MAP_GET_NEXT_KEY: i32 = 4;

/// Create or overwrite.
pub(crate) const ANY: u64 = 0;
/// Create only.
pub(crate) const NOEXIST: u64 = 1;
/// Overwrite only.
pub(crate) const EXIST: u64 = 2;

/// Kinds of maps (`enum bpf_map_type`) that have a handle.
pub(crate) mod kind {
    pub(crate) const HASH: u32 = 1;
    pub(crate) const ARRAY: u32 = 2;
    pub(crate) const PROG_ARRAY: u32 = 3;
    pub(crate) const PERF_EVENT_ARRAY: u32 = 4;
    pub(crate) const PERCPU_HASH: u32 = 5;
    pub(crate) const PERCPU_ARRAY: u32 = 6;
    pub(crate) const STACK_TRACE: u32 = 7;
    pub(crate) const LRU_HASH: u32 = 9;
    pub(crate) const LRU_PERCPU_HASH: u32 = 10;
    pub(crate) const LPM_TRIE: u32 = 11;
    pub(crate) const DEVMAP: u32 = 14;
    pub(crate) const CPUMAP: u32 = 16;
    pub(crate) const XSKMAP: u32 = 17;
    pub(crate) const PERCPU_CGROUP_STORAGE: u32 = 21;
    pub(crate) const DEVMAP_HASH: u32 = 25;
    pub(crate) const RINGBUF: u32 = 27;
}

#[repr(C)]
struct ElementAttr {
    map_fd: u32,
    zero: u32,
    key: u64,
    /// Value, or next key.
    value: u64,
    flags: u64,
}

impl Attr for ElementAttr {}

/// What the kernel says of a map: the start of `struct bpf_map_info`.
#[repr(C)]
#[derive(Copy, Clone, Default, Debug)]
pub(crate) struct MapInfo {
    pub(crate) kind: u32,
    pub(crate) id: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
}

// SAFETY: `repr(C)`, integers only.
unsafe impl Info for MapInfo {}

/// A map in the kernel, with what the kernel says of it.
#[derive(Debug)]
pub(crate) struct MapFd {
    fd: OwnedFd,
    info: MapInfo,
    /// Bytes that a lookup gives: one value, or one for each possible CPU.
    lookup_size: usize,
}

impl MapFd {
    /// Takes over a descriptor of a map.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let info: MapInfo = info(fd.as_fd())?;
        let value_size = info.value_size as usize;
        let lookup_size = match info.kind {
            kind::PERCPU_HASH | kind::PERCPU_ARRAY | kind::LRU_PERCPU_HASH | kind::PERCPU_CGROUP_STORAGE => {
                per_cpu_stride(value_size) * cpus()?
            }
            _ => value_size,
        };
        Ok(Self { fd, info, lookup_size })
    }

    /// The map pinned at `path`, where there is one.
    pub(crate) fn from_pin(path: &Path) -> io::Result<Option<Self>> {
        match object_get(path) {
            Ok(fd) => Self::new(fd).map(Some),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, info: self.info, lookup_size: self.lookup_size })
    }

    pub(crate) fn info(&self) -> &MapInfo {
        &self.info
    }

    pub(crate) fn lookup_size(&self) -> usize {
        self.lookup_size
    }

    /// Reads the value under `key`. False: there is none.
    pub(crate) fn lookup(&self, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
        self.check(key, value.len())?;
        let mut attr = self.element(key, address_mut(value), 0);
        // SAFETY: `key` and `value` have exactly the sizes that the kernel reads and writes for this map.
        present(unsafe { bpf(MAP_LOOKUP_ELEM, &mut attr) })
    }

    /// Writes the value under `key`, as the `BPF_NOEXIST` or `BPF_EXIST` of `flags` allow.
    pub(crate) fn update(&self, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
        self.check(key, value.len())?;
        let mut attr = self.element(key, address(value), flags);
        // SAFETY: `key` and `value` have exactly the sizes that the kernel reads for this map.
        unsafe { bpf(MAP_UPDATE_ELEM, &mut attr) }.map(|_| ())
    }

    /// Removes what is under `key`. False: there was nothing.
    pub(crate) fn delete(&self, key: &[u8]) -> io::Result<bool> {
        self.check(key, self.lookup_size)?;
        let mut attr = self.element(key, 0, 0);
        // SAFETY: `key` has exactly the size that the kernel reads for this map.
        present(unsafe { bpf(MAP_DELETE_ELEM, &mut attr) })
    }

    /// Reads the key after `key`, or the first. False: there is none.
    pub(crate) fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
        self.check(next, self.lookup_size)?;
        if let Some(key) = key {
            self.check(key, self.lookup_size)?;
        }
        let mut attr = self.element(key.unwrap_or_default(), address_mut(next), 0);
        if key.is_none() {
            attr.key = 0;
        }
        // SAFETY: `next` and, where given, `key` have exactly the size of this map's keys; no key is null.
        present(unsafe { bpf(MAP_GET_NEXT_KEY, &mut attr) })
    }

    fn element(&self, key: &[u8], value: u64, flags: u64) -> ElementAttr {
        ElementAttr { map_fd: number(self.fd.as_fd()), zero: 0, key: address(key), value, flags }
    }

    /// Buffers of other sizes than the kernel's would be read or written past their ends.
    fn check(&self, key: &[u8], value_len: usize) -> io::Result<()> {
        if key.len() == self.info.key_size as usize && value_len == self.lookup_size {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }
}

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Bytes from one CPU's value to the next: the kernel rounds them up to 8.
pub(crate) const fn per_cpu_stride(value_size: usize) -> usize {
    value_size.next_multiple_of(8)
}

fn present(result: io::Result<i32>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
