//! What all typed handles are made of: a map and its name, with errors that name it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::backing::{Backing, Opened};
use crate::error::{Error, Need, Result};
use crate::plain::{Argument, InvalidValue, Plain, to_vec};
use crate::sys::{self, MapInfo};

/// What a handle wants its map to be.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Shape<'a> {
    /// Any of these kinds.
    pub(crate) kinds: &'a [u32],
    /// Bytes of a key, where the handle's type says so.
    pub(crate) key_size: Option<usize>,
    /// Bytes of a value (of one CPU), where the handle's type says so.
    pub(crate) value_size: Option<usize>,
}

/// A map and its name in the source.
#[derive(Debug)]
pub(crate) struct Handle {
    name: &'static str,
    map: Backing,
}

impl Handle {
    /// Takes over the map `name`, which must have this shape.
    pub(crate) fn new(map: Opened, name: &'static str, shape: Shape<'_>) -> Result<Self> {
        let map = Backing::new(map).map_err(|e| Error::system(format!("open map `{name}`"), Need::Maps, e))?;
        let info = map.info();
        let mut differences = Vec::new();
        if !shape.kinds.contains(&info.kind) {
            differences.push(format!("it is of kind {}, not {:?}", info.kind, shape.kinds));
        }
        if shape.key_size.is_some_and(|size| size != info.key_size as usize) {
            differences.push(format!(
                "its keys have {} bytes, not {}",
                info.key_size,
                shape.key_size.unwrap_or_default()
            ));
        }
        if shape.value_size.is_some_and(|size| size != info.value_size as usize) {
            differences.push(format!(
                "its values have {} bytes, not {}",
                info.value_size,
                shape.value_size.unwrap_or_default()
            ));
        }
        if differences.is_empty() {
            Ok(Self { name, map })
        } else {
            Err(Error::MapMismatch { map: name.into(), differences })
        }
    }

    pub(crate) fn try_clone(&self) -> Result<Self> {
        let map = self.map.try_clone().map_err(|e| self.failed("clone the handle of", e))?;
        Ok(Self { name: self.name, map })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn info(&self) -> &MapInfo {
        self.map.info()
    }

    /// Whether the map is in the simulator.
    pub(crate) fn is_simulated(&self) -> bool {
        self.map.is_simulated()
    }

    /// Bytes that a lookup gives.
    pub(crate) fn lookup_size(&self) -> usize {
        self.map.lookup_size()
    }

    /// The bytes under a key.
    pub(crate) fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.map.lookup(key).map_err(|e| self.failed("read", e))
    }

    /// The value under a key, for maps that hold one `V` under each.
    pub(crate) fn get<V: Plain>(&self, key: &[u8]) -> Result<Option<V>> {
        self.lookup(key)?.map(|bytes| self.decode(&bytes)).transpose()
    }

    /// Sets what is under a key.
    pub(crate) fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.map.update(key, value, sys::ANY).map_err(|e| self.update_failed(e))
    }

    /// Sets what is under a key where there is nothing. False: there was something.
    pub(crate) fn set_new(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.set_unless(key, value, sys::NOEXIST, libc::EEXIST)
    }

    /// Replaces what is under a key. False: there was nothing.
    pub(crate) fn set_existing(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.set_unless(key, value, sys::EXIST, libc::ENOENT)
    }

    fn set_unless(&self, key: &[u8], value: &[u8], flags: u64, errno: i32) -> Result<bool> {
        match self.map.update(key, value, flags) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(errno) => Ok(false),
            Err(error) => Err(self.update_failed(error)),
        }
    }

    /// Removes what is under a key. False: there was nothing.
    pub(crate) fn remove(&self, key: &[u8]) -> Result<bool> {
        self.map.delete(key).map_err(|e| self.failed("remove from", e))
    }

    /// Opens a buffer of so many bytes for each CPU, in the simulator; the kernel's are shared memory.
    #[cfg(feature = "sim")]
    pub(crate) fn open_buffers(&self, size: usize) {
        self.map.open_buffers(size);
    }

    /// Takes the next event out of a map in the simulator; one in the kernel is read through its memory.
    pub(crate) fn pop_event(&self) -> Option<Vec<u8>> {
        self.map.pop_event()
    }

    /// The key after `key`, or the first.
    pub(crate) fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        self.map.next_key(key).map_err(|e| self.failed("walk through", e))
    }

    /// The bytes of a key or value of this map.
    pub(crate) fn encode<T: Plain>(&self, value: &impl Argument<T>) -> Vec<u8> {
        to_vec::<T>(value)
    }

    /// A key or value of this map from its bytes.
    pub(crate) fn decode<T: Plain>(&self, bytes: &[u8]) -> Result<T> {
        T::decode(bytes).map_err(|e| self.invalid(e))
    }

    /// An index as a key of an array, where it is one.
    pub(crate) fn index(&self, index: u32) -> Result<[u8; 4]> {
        let len = self.info().max_entries;
        if index < len {
            Ok(index.to_ne_bytes())
        } else {
            Err(Error::IndexOutOfRange { map: self.name.into(), index, len })
        }
    }

    pub(crate) fn invalid(&self, source: InvalidValue) -> Error {
        Error::InvalidValue { place: format!("map `{}`", self.name), source }
    }

    pub(crate) fn failed(&self, doing: &str, error: io::Error) -> Error {
        Error::system(format!("{doing} map `{}`", self.name), Need::Maps, error)
    }

    fn update_failed(&self, error: io::Error) -> Error {
        match error.raw_os_error() {
            // Hash maps say the one, tries the other. Indices past the end, of which arrays say the former, do not come this far.
            Some(libc::E2BIG | libc::ENOSPC) => {
                Error::MapFull { map: self.name.into(), max_entries: self.info().max_entries }
            }
            _ => self.failed("write to", error),
        }
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}
