//! Longest-prefix-match tries. A key is the number of bits that count, and the bits, from the first in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{By, Errno, Memory, RegionId, Shape, Storage, Value, check_flags};

#[derive(Debug)]
pub(super) struct LpmTrie {
    shape: Shape,
    max_entries: usize,
    max_prefix: u32,
    /// By prefix, the longest first.
    elements: BTreeMap<Prefix, Element>,
}

/// Its length, and its bits with the others zero.
type Prefix = (Reverse<u32>, Vec<u8>);

#[derive(Debug)]
struct Element {
    /// The key as it was given.
    key: Vec<u8>,
    values: Vec<RegionId>,
}

/// Bytes of the prefix length.
const LENGTH: usize = 4;

impl LpmTrie {
    pub(super) fn new(shape: Shape, max_entries: u32, key_size: usize) -> Self {
        let bits = key_size.saturating_sub(LENGTH).saturating_mul(8);
        let max_prefix = u32::try_from(bits).unwrap_or(u32::MAX);
        Self { shape, max_entries: max_entries as usize, max_prefix, elements: BTreeMap::new() }
    }

    /// The length of a key's prefix, where it is not longer than keys are.
    fn length(&self, key: &[u8]) -> Option<u32> {
        let length = key.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))?;
        (length <= self.max_prefix).then_some(length)
    }
}

/// The first bits of a key.
fn prefix(key: &[u8], length: u32) -> Prefix {
    let bits = key.get(LENGTH..).unwrap_or_default();
    let masked = (0_u32..).zip(bits).map(|(i, byte)| {
        let kept = length.saturating_sub(i * 8).min(8);
        byte & (0xff00_u16 >> kept).to_le_bytes()[0]
    });
    (Reverse(length), masked.collect())
}

impl Storage for LpmTrie {
    fn find(&mut self, _memory: &mut Memory, key: &[u8], _by: By) -> Option<Vec<RegionId>> {
        let longest = self.length(key)?;
        (0..=longest)
            .rev()
            .find_map(|length| self.elements.get(&prefix(key, length)))
            .map(|element| element.values.clone())
    }

    fn update(&mut self, memory: &mut Memory, key: &[u8], value: Value<'_>, flags: u64) -> Result<(), Errno> {
        let prefix = prefix(key, self.length(key).ok_or(Errno(libc::EINVAL))?);
        let present = self.elements.contains_key(&prefix);
        check_flags(flags, present)?;
        if !present && self.elements.len() >= self.max_entries {
            return Err(Errno(libc::ENOSPC));
        }
        let values = self.shape.create(memory);
        self.shape.store(memory, &values, value);
        let old = self.elements.insert(prefix, Element { key: key.to_vec(), values });
        for region in old.into_iter().flat_map(|element| element.values) {
            memory.retire(region);
        }
        Ok(())
    }

    fn delete(&mut self, memory: &mut Memory, key: &[u8]) -> Result<(), Errno> {
        let length = self.length(key).ok_or(Errno(libc::EINVAL))?;
        let element = self.elements.remove(&prefix(key, length)).ok_or(Errno(libc::ENOENT))?;
        for region in element.values {
            memory.retire(region);
        }
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>) -> Option<Vec<u8>> {
        let known = key
            .and_then(|key| Some(prefix(key, self.length(key)?)))
            .filter(|prefix| self.elements.contains_key(prefix));
        let mut elements = self.elements.iter();
        let next = match known {
            Some(known) => elements.find(|(prefix, _)| **prefix > known),
            None => elements.next(),
        };
        next.map(|(_, element)| element.key.clone())
    }
}
