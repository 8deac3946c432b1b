//! Hash maps. Their elements are in order of their keys, which is as good as any, and the same every time.
//!
//! An LRU map that is full drops the element that was used least recently; the kernel drops several, of those that were not used lately.

use std::collections::BTreeMap;

use super::{By, Errno, Memory, RegionId, Shape, Storage, Value, check_flags};

#[derive(Debug)]
pub(super) struct Hash {
    shape: Shape,
    max_entries: usize,
    elements: BTreeMap<Vec<u8>, Element>,
    /// Keys by their last use, where an element may be dropped.
    by_use: Option<BTreeMap<u64, Vec<u8>>>,
    uses: u64,
}

#[derive(Debug)]
struct Element {
    values: Vec<RegionId>,
    last_use: u64,
}

impl Hash {
    pub(super) fn new(shape: Shape, max_entries: u32, lru: bool) -> Self {
        let by_use = lru.then(BTreeMap::new);
        Self { shape, max_entries: max_entries as usize, elements: BTreeMap::new(), by_use, uses: 0 }
    }

    /// Notes that an element is used now.
    fn touch(&mut self, key: &[u8]) {
        let (Some(by_use), Some(element)) = (&mut self.by_use, self.elements.get_mut(key)) else { return };
        by_use.remove(&element.last_use);
        self.uses += 1;
        element.last_use = self.uses;
        by_use.insert(self.uses, key.to_vec());
    }

    /// Drops the element that was used least recently. False: none may be dropped.
    fn evict(&mut self, memory: &mut Memory) -> bool {
        let oldest = self.by_use.as_ref().and_then(|by_use| by_use.values().next().cloned());
        oldest.is_some_and(|key| self.delete(memory, &key).is_ok())
    }
}

impl Storage for Hash {
    fn find(&mut self, _memory: &mut Memory, key: &[u8], by: By) -> Option<Vec<RegionId>> {
        if by == By::Program {
            self.touch(key);
        }
        self.elements.get(key).map(|element| element.values.clone())
    }

    fn update(&mut self, memory: &mut Memory, key: &[u8], value: Value<'_>, flags: u64) -> Result<(), Errno> {
        let old = self.elements.get(key).map(|element| element.values.clone());
        check_flags(flags, old.is_some())?;
        if let Some(values) = &old
            && self.shape.copies > 1
        {
            self.shape.store(memory, values, value);
            self.touch(key);
            return Ok(());
        }
        if old.is_none() && self.elements.len() >= self.max_entries && !self.evict(memory) {
            return Err(Errno(libc::E2BIG));
        }
        let values = self.shape.create(memory);
        self.shape.store(memory, &values, value);
        match self.elements.get_mut(key) {
            // A new value takes the place of the old one, to which pointers stay what they are.
            Some(element) => {
                for region in std::mem::replace(&mut element.values, values) {
                    memory.retire(region);
                }
            }
            None => {
                self.elements.insert(key.to_vec(), Element { values, last_use: 0 });
            }
        }
        self.touch(key);
        Ok(())
    }

    fn delete(&mut self, memory: &mut Memory, key: &[u8]) -> Result<(), Errno> {
        let element = self.elements.remove(key).ok_or(Errno(libc::ENOENT))?;
        if let Some(by_use) = &mut self.by_use {
            by_use.remove(&element.last_use);
        }
        for region in element.values {
            memory.retire(region);
        }
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>) -> Option<Vec<u8>> {
        let mut keys = self.elements.keys();
        let known = key.filter(|key| self.elements.contains_key(*key));
        match known {
            Some(known) => keys.find(|key| key.as_slice() > known).cloned(),
            None => keys.next().cloned(),
        }
    }
}
