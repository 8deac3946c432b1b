//! Hash maps.

use std::marker::PhantomData;

use super::walk::{self, Walk};
use super::{FromMap, Handle, Opened, PerCpu, Shape, common_to_handles, per_cpu};
use crate::error::Result;
use crate::plain::{Argument, Plain};
use crate::spec::MapSpec;
use crate::sys::kind;

/// A `:hash` or `:lru-hash` map from `K` to `V`.
///
/// Keys and values are given by value or by reference.
pub struct HashMap<K, V> {
    handle: Handle,
    types: PhantomData<fn(K) -> V>,
}

/// A `:percpu-hash` or `:lru-percpu-hash` map from `K` to a `V` for every CPU.
pub struct PerCpuHashMap<K, V> {
    handle: Handle,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Plain, V: Plain> HashMap<K, V> {
    /// The value under `key`.
    pub fn get(&self, key: impl Argument<K>) -> Result<Option<V>> {
        self.handle.get(&self.handle.encode(&key))
    }

    /// Whether there is a value under `key`.
    pub fn contains_key(&self, key: impl Argument<K>) -> Result<bool> {
        Ok(self.handle.lookup(&self.handle.encode(&key))?.is_some())
    }

    /// Sets the value under `key`, whether there is one or not.
    pub fn insert(&self, key: impl Argument<K>, value: impl Argument<V>) -> Result<()> {
        self.handle.set(&self.handle.encode(&key), &self.handle.encode(&value))
    }

    /// Sets the value under `key` where there is none. False: there is one, and it stays.
    pub fn insert_new(&self, key: impl Argument<K>, value: impl Argument<V>) -> Result<bool> {
        self.handle.set_new(&self.handle.encode(&key), &self.handle.encode(&value))
    }

    /// Replaces the value under `key`. False: there is none, and none comes.
    pub fn replace(&self, key: impl Argument<K>, value: impl Argument<V>) -> Result<bool> {
        self.handle.set_existing(&self.handle.encode(&key), &self.handle.encode(&value))
    }

    /// Removes the value under `key`. False: there was none.
    pub fn remove(&self, key: impl Argument<K>) -> Result<bool> {
        self.handle.remove(&self.handle.encode(&key))
    }

    /// All elements, in no order. Those that come and go meanwhile are seen or not; the current one may be removed.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V)>> {
        walk::elements(&self.handle).map(|element| {
            let (key, value) = element?;
            Ok((self.handle.decode(&key)?, self.handle.decode(&value)?))
        })
    }
}

impl<K: Plain, V: Plain> PerCpuHashMap<K, V> {
    /// The CPUs' values under `key`.
    pub fn get(&self, key: impl Argument<K>) -> Result<Option<PerCpu<V>>> {
        let bytes = self.handle.lookup(&self.handle.encode(&key))?;
        bytes.map(|bytes| PerCpu::decode(&self.handle, &bytes)).transpose()
    }

    /// Sets the CPUs' values under `key`, whether there are any or not.
    pub fn insert(&self, key: impl Argument<K>, values: impl AsRef<[V]>) -> Result<()> {
        self.handle.set(&self.handle.encode(&key), &per_cpu::encode(&self.handle, values.as_ref())?)
    }

    /// Sets the CPUs' values under `key` where there are none. False: there are some, and they stay.
    pub fn insert_new(&self, key: impl Argument<K>, values: impl AsRef<[V]>) -> Result<bool> {
        self.handle.set_new(&self.handle.encode(&key), &per_cpu::encode(&self.handle, values.as_ref())?)
    }

    /// Replaces the CPUs' values under `key`. False: there are none, and none come.
    pub fn replace(&self, key: impl Argument<K>, values: impl AsRef<[V]>) -> Result<bool> {
        self.handle.set_existing(&self.handle.encode(&key), &per_cpu::encode(&self.handle, values.as_ref())?)
    }

    /// Removes the values under `key`. False: there were none.
    pub fn remove(&self, key: impl Argument<K>) -> Result<bool> {
        self.handle.remove(&self.handle.encode(&key))
    }

    /// All elements, in no order. Those that come and go meanwhile are seen or not; the current one may be removed.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, PerCpu<V>)>> {
        walk::elements(&self.handle).map(|element| {
            let (key, values) = element?;
            Ok((self.handle.decode(&key)?, PerCpu::decode(&self.handle, &values)?))
        })
    }
}

macro_rules! common_to_hash_maps {
    ($name:ident, $kinds:expr) => {
        impl<K: Plain, V: Plain> $name<K, V> {
            /// All keys, in no order. Those that come and go meanwhile are seen or not; the current one may be removed.
            pub fn keys(&self) -> impl Iterator<Item = Result<K>> {
                Walk::new(&self.handle).map(|key| self.handle.decode(&key?))
            }

            /// Removes every element that is there when the call starts.
            pub fn clear(&self) -> Result<()> {
                walk::clear(&self.handle)
            }

            /// How many elements it holds at most.
            pub fn capacity(&self) -> u32 {
                self.handle.info().max_entries
            }

            fn handle(&self) -> &Handle {
                &self.handle
            }

            fn from_handle(handle: Handle) -> Self {
                Self { handle, types: PhantomData }
            }
        }

        impl<K: Plain, V: Plain> FromMap for $name<K, V> {
            fn from_map(map: Opened, spec: &'static MapSpec) -> Result<Self> {
                let shape = Shape { kinds: $kinds, key_size: Some(K::SIZE), value_size: Some(V::SIZE) };
                Handle::new(map, spec.name, shape).map(Self::from_handle)
            }
        }

        common_to_handles!(<K, V> $name);
    };
}

common_to_hash_maps!(HashMap, &[kind::HASH, kind::LRU_HASH]);
common_to_hash_maps!(PerCpuHashMap, &[kind::PERCPU_HASH, kind::LRU_PERCPU_HASH]);
