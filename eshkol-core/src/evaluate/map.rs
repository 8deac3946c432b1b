//! Maps, as the kernel's are on a machine with one CPU: `kernel/bpf/{hashtab,arraymap,lpm_trie}.c`.

use std::collections::BTreeMap;

use super::memory::{Memory, ObjectId, State, bytes_to_number, number_to_bytes};
use crate::check::typed::{Map, Unit};
use crate::kernel::MapKind;

/// Keys and values, as they lie in memory.
pub type Elements = BTreeMap<Vec<u8>, Vec<u8>>;

const ENOENT: i64 = -2;
const E2BIG: i64 = -7;
const EEXIST: i64 = -17;
const EINVAL: i64 = -22;
const ENOSPC: i64 = -28;

const ANY: u64 = 0;
const NO_EXIST: u64 = 1;
const EXIST: u64 = 2;

/// A map during a run: each element is an object.
#[derive(Debug)]
pub(super) struct Contents {
    kind: MapKind,
    value_size: usize,
    max_entries: u32,
    big: bool,
    elements: BTreeMap<Vec<u8>, ObjectId>,
    /// An element was thrown out to make room: which, only the kernel knows.
    pub(super) evicted: bool,
}

impl Contents {
    pub(super) fn new(unit: &Unit, map: &Map, elements: &Elements, big: bool, memory: &mut Memory) -> Self {
        let value_size = unit.types.size(&map.value) as usize;
        let elements = elements.iter().map(|(key, value)| (key.clone(), memory.add(value.clone(), true))).collect();
        Self { kind: map.kind, value_size, max_entries: map.max_entries, big, elements, evicted: false }
    }

    pub(super) fn elements(&self, memory: &Memory) -> Elements {
        self.elements.iter().map(|(key, object)| (key.clone(), memory.bytes(*object).to_vec())).collect()
    }

    fn is_array(&self) -> bool {
        matches!(self.kind, MapKind::Array | MapKind::PerCpuArray)
    }

    fn is_per_cpu(&self) -> bool {
        matches!(self.kind, MapKind::PerCpuArray | MapKind::PerCpuHash | MapKind::LruPerCpuHash)
    }

    /// Whether an array has this index; every element of it always exists.
    fn has_index(&mut self, key: &[u8], memory: &mut Memory) -> bool {
        if bytes_to_number(key, self.big) >= u64::from(self.max_entries) {
            return false;
        }
        if !self.elements.contains_key(key) {
            let object = memory.add(vec![0; self.value_size], true);
            self.elements.insert(key.to_vec(), object);
        }
        true
    }

    pub(super) fn lookup(&mut self, key: &[u8], memory: &mut Memory) -> Option<ObjectId> {
        if self.is_array() && !self.has_index(key, memory) {
            return None;
        }
        match self.kind {
            MapKind::LpmTrie => self.longest_prefix(key),
            _ => self.elements.get(key).copied(),
        }
    }

    /// The element with the longest prefix that the key begins with, and is at least as long as.
    fn longest_prefix(&self, key: &[u8]) -> Option<ObjectId> {
        let (wanted, address) = self.prefix(key);
        let matches = self.elements.iter().filter_map(|(candidate, object)| {
            let (length, bits) = self.prefix(candidate);
            (length <= wanted && same_bits(bits, address, length)).then_some((length, *object))
        });
        matches.max_by_key(|(length, _)| *length).map(|(_, object)| object)
    }

    fn prefix<'k>(&self, key: &'k [u8]) -> (u64, &'k [u8]) {
        let (length, address) = key.split_at_checked(4).unwrap_or((&[], &[]));
        (bytes_to_number(length, self.big), address)
    }

    /// Every key with its value; whether the order is known.
    pub(super) fn all(&mut self, memory: &mut Memory) -> (Vec<(Vec<u8>, ObjectId)>, bool) {
        if !self.is_array() {
            let elements: Vec<_> = self.elements.iter().map(|(key, object)| (key.clone(), *object)).collect();
            let ordered = elements.len() < 2;
            return (elements, ordered);
        }
        let big = self.big;
        let keys = (0..self.max_entries).map(|index| number_to_bytes(index.into(), 4, big));
        let elements = keys.filter_map(|key| self.lookup(&key, memory).map(|object| (key, object))).collect();
        (elements, true)
    }

    /// 0 or a negative errno.
    pub(super) fn update(&mut self, key: &[u8], value: Vec<u8>, flags: u64, memory: &mut Memory) -> i64 {
        if flags > EXIST {
            return EINVAL;
        }
        if self.is_array() {
            if !self.has_index(key, memory) {
                return E2BIG;
            }
            if flags == NO_EXIST {
                return EEXIST;
            }
        }
        let mut key = key.to_vec();
        if self.kind == MapKind::LpmTrie {
            let (length, address) = self.prefix(&key);
            if length > (address.len() as u64) * 8 {
                return EINVAL;
            }
            key = self.masked(&key);
        }
        let old = self.elements.get(&key).copied();
        match (old, flags) {
            (Some(_), NO_EXIST) => return EEXIST,
            (None, EXIST) => return ENOENT,
            (_, ANY | NO_EXIST | EXIST) => {}
            _ => return EINVAL,
        }
        match old {
            Some(object) if self.is_array() || self.is_per_cpu() => {
                // In place.
                let start = super::memory::Pointer { object, offset: 0 };
                return if memory.write(start, &value).is_ok() { 0 } else { EINVAL };
            }
            Some(object) => memory.set_state(object, State::Removed),
            None if self.elements.len() as u64 >= u64::from(self.max_entries) => match self.kind {
                MapKind::LruHash | MapKind::LruPerCpuHash => {
                    self.evicted = true;
                    if let Some((_, object)) = self.elements.pop_first() {
                        memory.set_state(object, State::Removed);
                    }
                }
                MapKind::LpmTrie => return ENOSPC,
                _ => return E2BIG,
            },
            None => {}
        }
        let object = memory.add(value, true);
        self.elements.insert(key, object);
        0
    }

    /// 0 or a negative errno.
    pub(super) fn delete(&mut self, key: &[u8], memory: &mut Memory) -> i64 {
        if self.is_array() {
            return EINVAL;
        }
        let key = if self.kind == MapKind::LpmTrie { self.masked(key) } else { key.to_vec() };
        match self.elements.remove(&key) {
            Some(object) => {
                memory.set_state(object, State::Removed);
                0
            }
            None => ENOENT,
        }
    }

    /// A trie's key with zeros behind its prefix: two keys that differ only there are the same element.
    fn masked(&self, key: &[u8]) -> Vec<u8> {
        let (length, _) = self.prefix(key);
        let mut bit = 0;
        let mut masked = key.to_vec();
        for byte in masked.iter_mut().skip(4) {
            for position in (0..8).rev() {
                if bit >= length {
                    *byte &= !(1 << position);
                }
                bit += 1;
            }
        }
        masked
    }
}

fn same_bits(a: &[u8], b: &[u8], count: u64) -> bool {
    let bit = |bytes: &[u8], index: u64| {
        let byte = usize::try_from(index / 8).ok().and_then(|byte| bytes.get(byte).copied()).unwrap_or(0);
        byte >> (7 - index % 8) & 1
    };
    (0..count).all(|index| bit(a, index) == bit(b, index))
}
