//! Longest-prefix-match tries.

use std::marker::PhantomData;

use super::walk;
use super::{FromMap, Handle, Opened, Shape, common_to_handles};
use crate::error::{Error, Result};
use crate::plain::{Argument, Plain};
use crate::spec::MapSpec;
use crate::sys::kind;

/// An `:lpm-trie` map from prefixes of `K` to `V`.
///
/// Prefixes count from the first bit in memory, so `K` is a type in network order: `Ipv4Addr`, `Ipv6Addr`, `Be32`, an array of bytes.
pub struct LpmTrie<K, V> {
    handle: Handle,
    types: PhantomData<fn(K) -> V>,
}

/// Bytes of the prefix length, in front of the key (`struct bpf_lpm_trie_key`).
const PREFIX_LEN: usize = 4;

impl<K: Plain, V: Plain> LpmTrie<K, V> {
    /// The value under the longest prefix that fits `key`.
    pub fn get(&self, key: impl Argument<K>) -> Result<Option<V>> {
        self.handle.get(&self.key(&key, self.max_prefix_len())?)
    }

    /// Sets the value under the first `prefix_len` bits of `key`. The other bits do not matter, and are stored as zero.
    pub fn insert(&self, key: impl Argument<K>, prefix_len: u32, value: impl Argument<V>) -> Result<()> {
        self.handle.set(&self.key(&key, prefix_len)?, &self.handle.encode(&value))
    }

    /// Removes the value under exactly the first `prefix_len` bits of `key`. False: there was none.
    pub fn remove(&self, key: impl Argument<K>, prefix_len: u32) -> Result<bool> {
        self.handle.remove(&self.key(&key, prefix_len)?)
    }

    /// All prefixes, with their length and value. Those that come and go meanwhile are seen or not; the current one may be removed.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, u32, V)>> {
        walk::elements(&self.handle).map(|element| {
            let (key, value) = element?;
            let (prefix_len, key) = key.split_at(PREFIX_LEN);
            Ok((self.handle.decode(key)?, self.handle.decode(prefix_len)?, self.handle.decode(&value)?))
        })
    }

    /// Removes every prefix that is there when the call starts.
    pub fn clear(&self) -> Result<()> {
        walk::clear(&self.handle)
    }

    /// How many prefixes it holds at most.
    pub fn capacity(&self) -> u32 {
        self.handle.info().max_entries
    }

    /// Bits of a key.
    pub fn max_prefix_len(&self) -> u32 {
        // What the kernel gave as the key's size, which is no more than 260.
        (self.handle.info().key_size.saturating_sub(4)) * 8
    }

    fn key(&self, key: &impl Argument<K>, prefix_len: u32) -> Result<Vec<u8>> {
        let max = self.max_prefix_len();
        if prefix_len > max {
            return Err(Error::PrefixTooLong { map: self.handle.name().into(), prefix_len, max });
        }
        let mut bytes = vec![0; PREFIX_LEN + K::SIZE];
        let (length, data) = bytes.split_at_mut(PREFIX_LEN);
        prefix_len.encode(length);
        key.encode_argument(data);
        for (i, byte) in (0_u32..).zip(data) {
            let kept = prefix_len.saturating_sub(i * 8).min(8);
            *byte &= (0xff00_u16 >> kept).to_le_bytes()[0];
        }
        Ok(bytes)
    }

    fn handle(&self) -> &Handle {
        &self.handle
    }

    fn from_handle(handle: Handle) -> Self {
        Self { handle, types: PhantomData }
    }
}

impl<K: Plain, V: Plain> FromMap for LpmTrie<K, V> {
    fn from_map(map: Opened, spec: &'static MapSpec) -> Result<Self> {
        let shape = Shape { kinds: &[kind::LPM_TRIE], key_size: Some(PREFIX_LEN + K::SIZE), value_size: Some(V::SIZE) };
        Handle::new(map, spec.name, shape).map(Self::from_handle)
    }
}

common_to_handles!(<K, V> LpmTrie);
