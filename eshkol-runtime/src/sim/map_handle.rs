//! A simulated map from user space: the operations of bpf(2) on bytes, with the kernel's errors.

use std::io;

use super::machine::Machine;
use super::map::{Errno, Map, Value};
use super::memory::Memory;
use crate::sys::MapInfo;

/// A handle on a map of a [`Machine`]. Keys and values are bytes of the declared sizes; the values of all CPUs stand behind each other, each rounded
/// up to a multiple of 8 bytes, where every CPU has its own.
#[derive(Clone, Debug)]
pub struct SimulatedMap {
    machine: Machine,
    number: usize,
    info: MapInfo,
    lookup_size: usize,
}

impl SimulatedMap {
    pub(super) fn new(machine: Machine, number: usize, map: &Map) -> Self {
        // Both were numbers of 32 bits in the object.
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let definition = &map.definition;
        let info = MapInfo {
            kind: definition.kind,
            id: 0,
            key_size: size(definition.key_size),
            value_size: size(definition.value_size),
            max_entries: definition.max_entries,
            flags: definition.flags,
        };
        Self { machine, number, info, lookup_size: map.lookup_size() }
    }

    pub(crate) fn info(&self) -> &MapInfo {
        &self.info
    }

    /// Bytes that a lookup gives: one value, or one for each CPU.
    pub fn lookup_size(&self) -> usize {
        self.lookup_size
    }

    /// The bytes under a key, where there are any.
    pub fn lookup(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.check(key, self.lookup_size)?;
        self.with(|map, memory| Ok(map.read(memory, key)))
    }

    /// Sets the bytes under a key, as the `BPF_NOEXIST` (1) or `BPF_EXIST` (2) of `flags` allow.
    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
        self.check(key, value.len())?;
        self.with(|map, memory| map.update(memory, key, Value::OfAll(value), flags))
    }

    /// Removes what is under a key. False: there was nothing.
    pub fn delete(&self, key: &[u8]) -> io::Result<bool> {
        self.check(key, self.lookup_size)?;
        self.with(|map, memory| match map.delete(memory, key) {
            Ok(()) => Ok(true),
            Err(Errno(libc::ENOENT)) => Ok(false),
            Err(errno) => Err(errno),
        })
    }

    /// The key after one, or the first.
    pub fn next_key(&self, key: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        if let Some(key) = key {
            self.check(key, self.lookup_size)?;
        }
        self.with(|map, _| Ok(map.next_key(key)))
    }

    /// Opens a buffer of so many bytes for each CPU, where programs output events to the map. Without it there is none, and events are lost.
    pub fn open_buffers(&self, size: usize) {
        let mut world = self.machine.world();
        let cpus = world.environment.cpus;
        if let Some(map) = world.maps.get_mut(self.number) {
            map.open_buffers(size, cpus);
        }
    }

    /// Takes the oldest event out of a ring buffer, or of the buffers of the CPUs: those are filled up, as the kernel does.
    pub fn pop_event(&self) -> Option<Vec<u8>> {
        self.machine.world().maps.get_mut(self.number)?.pop_event()
    }

    fn check(&self, key: &[u8], value_len: usize) -> io::Result<()> {
        if key.len() == self.info.key_size as usize && value_len == self.lookup_size {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Map, &mut Memory) -> Result<T, Errno>) -> io::Result<T> {
        let mut world = self.machine.world();
        let world = &mut *world;
        let missing = || io::Error::from_raw_os_error(libc::EBADF);
        let map = world.maps.get_mut(self.number).ok_or_else(missing)?;
        let result = work(map, &mut world.memory);
        // No program runs now.
        world.memory.forget_gone();
        result.map_err(|Errno(errno)| io::Error::from_raw_os_error(errno))
    }
}
