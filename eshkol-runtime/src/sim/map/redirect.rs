//! Maps of where packets are redirected to, an interface, a CPU or a socket; and of programs to go on with. Or nothing.

use std::collections::BTreeMap;

use super::{By, Errno, Memory, RegionId, Shape, Storage, Value, index, next_index};
use crate::sys::{EXIST, NOEXIST};

#[derive(Debug)]
pub(super) struct Targets {
    shape: Shape,
    max_entries: u32,
    /// Whether keys are any numbers, and not indices.
    hash: bool,
    targets: BTreeMap<u32, Vec<RegionId>>,
}

impl Targets {
    /// With keys from 0 on.
    pub(super) fn array(shape: Shape, max_entries: u32) -> Self {
        Self { shape, max_entries, hash: false, targets: BTreeMap::new() }
    }

    /// With any keys.
    pub(super) fn hash(shape: Shape, max_entries: u32) -> Self {
        Self { hash: true, ..Self::array(shape, max_entries) }
    }

    fn remove(&mut self, memory: &mut Memory, key: u32) -> bool {
        let old = self.targets.remove(&key);
        let present = old.is_some();
        for region in old.into_iter().flatten() {
            memory.retire(region);
        }
        present
    }
}

impl Storage for Targets {
    fn find(&mut self, _memory: &mut Memory, key: &[u8], _by: By) -> Option<Vec<RegionId>> {
        self.targets.get(&index(key)).cloned()
    }

    fn update(&mut self, memory: &mut Memory, key: &[u8], value: Value<'_>, flags: u64) -> Result<(), Errno> {
        let key = index(key);
        if flags > EXIST {
            return Err(Errno(libc::EINVAL));
        }
        if self.hash {
            let present = self.targets.contains_key(&key);
            // That there is something is never asked for.
            if present && flags == NOEXIST {
                return Err(Errno(libc::EEXIST));
            }
            if !present && self.targets.len() >= self.max_entries as usize {
                return Err(Errno(libc::E2BIG));
            }
        } else if key >= self.max_entries {
            return Err(Errno(libc::E2BIG));
        } else if flags == NOEXIST {
            return Err(Errno(libc::EEXIST));
        }
        self.remove(memory, key);
        let regions = self.shape.create(memory);
        self.shape.store(memory, &regions, value);
        self.targets.insert(key, regions);
        Ok(())
    }

    fn delete(&mut self, memory: &mut Memory, key: &[u8]) -> Result<(), Errno> {
        let key = index(key);
        if !self.hash && key >= self.max_entries {
            return Err(Errno(libc::EINVAL));
        }
        // An array does not tell whether there was something.
        if self.remove(memory, key) || !self.hash { Ok(()) } else { Err(Errno(libc::ENOENT)) }
    }

    fn next_key(&self, key: Option<&[u8]>) -> Option<Vec<u8>> {
        if !self.hash {
            return next_index(self.max_entries, key);
        }
        let known = key.map(index).filter(|key| self.targets.contains_key(key));
        let mut keys = self.targets.keys();
        let next = match known {
            Some(known) => keys.find(|key| **key > known),
            None => keys.next(),
        };
        next.map(|key| key.to_ne_bytes().to_vec())
    }
}
