//! Histograms: how often programs have counted numbers of which size.

mod counts;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};

pub use counts::{Bucket, Counts};

use super::walk::{self, Walk};
use super::{Handle, Opened, PerCpu, Shape};
use crate::error::Result;
use crate::spec::MapSpec;
use crate::sys::kind;

/// A `:histogram`.
pub struct Histogram {
    handle: Handle,
    step: Option<u64>,
}

/// A family of `:histogram`s, one for each `K`: those of a definition with `(by …)`.
pub struct HistogramFamily<K> {
    handle: Handle,
    step: Option<u64>,
    keys: PhantomData<fn() -> K>,
}

/// The integers that histograms of a family are told apart by.
pub trait FamilyKey: Copy + Ord {
    #[doc(hidden)]
    fn to_word(self) -> u64;
    #[doc(hidden)]
    fn from_word(word: u64) -> Self;
}

macro_rules! family_keys {
    ($($signed:ident $unsigned:ident),*) => {$(
        impl FamilyKey for $unsigned {
            fn to_word(self) -> u64 {
                self.into()
            }

            fn from_word(word: u64) -> Self {
                // The low bits: the program has made a word of them.
                word as Self
            }
        }

        impl FamilyKey for $signed {
            fn to_word(self) -> u64 {
                i64::from(self).cast_unsigned()
            }

            fn from_word(word: u64) -> Self {
                word as Self
            }
        }
    )*};
}
family_keys!(i8 u8, i16 u16, i32 u32, i64 u64);

/// What the macro takes a histogram as.
pub trait FromHistogram: Sized {
    /// Takes over the map that `spec` declares; its buckets count `step` numbers each, or those of as many bits.
    #[doc(hidden)]
    fn from_histogram(map: Opened, spec: &'static MapSpec, step: Option<u64>) -> Result<Self>;
}

impl FromHistogram for Histogram {
    fn from_histogram(map: Opened, spec: &'static MapSpec, step: Option<u64>) -> Result<Self> {
        let shape = Shape { kinds: &[kind::PERCPU_ARRAY], key_size: Some(4), value_size: Some(8) };
        Ok(Self { handle: Handle::new(map, spec.name, shape)?, step })
    }
}

impl<K: FamilyKey> FromHistogram for HistogramFamily<K> {
    fn from_histogram(map: Opened, spec: &'static MapSpec, step: Option<u64>) -> Result<Self> {
        let shape = Shape { kinds: &[kind::PERCPU_HASH], key_size: Some(16), value_size: Some(8) };
        Ok(Self { handle: Handle::new(map, spec.name, shape)?, step, keys: PhantomData })
    }
}

/// What all CPUs have counted.
fn sum(handle: &Handle, bytes: &[u8]) -> Result<u64> {
    PerCpu::<u64>::decode(handle, bytes).map(|counts| counts.sum())
}

impl Histogram {
    /// What has been counted so far.
    pub fn read(&self) -> Result<Counts> {
        let len = self.handle.info().max_entries;
        let mut counts = BTreeMap::new();
        for index in 0..len {
            let bytes = self.handle.lookup(&self.handle.index(index)?)?.unwrap_or_default();
            counts.insert(u64::from(index), sum(&self.handle, &bytes)?);
        }
        Ok(Counts::new(self.step, Some(u64::from(len) - 1), counts))
    }

    /// Counts from 0 again. What is counted meanwhile may be lost.
    pub fn reset(&self) -> Result<()> {
        let zero = vec![0; self.handle.lookup_size()];
        (0..self.handle.info().max_entries).try_for_each(|index| self.handle.set(&self.handle.index(index)?, &zero))
    }

    /// The name in the source.
    pub fn name(&self) -> &str {
        self.handle.name()
    }

    /// Another handle on the same map.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { handle: self.handle.try_clone()?, step: self.step })
    }
}

impl<K: FamilyKey> HistogramFamily<K> {
    /// What has been counted under a key so far.
    pub fn get(&self, key: K) -> Result<Counts> {
        Ok(self.read()?.remove(&key).unwrap_or_else(|| Counts::new(self.step, None, BTreeMap::new())))
    }

    /// What has been counted so far, by key.
    pub fn read(&self) -> Result<BTreeMap<K, Counts>> {
        let mut families: BTreeMap<K, BTreeMap<u64, u64>> = BTreeMap::new();
        for element in walk::elements(&self.handle) {
            let (key, bytes) = element?;
            let (whose, bucket) = words(&key);
            families.entry(K::from_word(whose)).or_default().insert(bucket, sum(&self.handle, &bytes)?);
        }
        let counts = families.into_iter().map(|(key, counts)| (key, Counts::new(self.step, None, counts)));
        Ok(counts.collect())
    }

    /// Forgets what has been counted under a key.
    pub fn remove(&self, key: K) -> Result<()> {
        let keys = Walk::new(&self.handle).collect::<Result<Vec<_>>>()?;
        for bytes in keys.iter().filter(|bytes| words(bytes).0 == key.to_word()) {
            self.handle.remove(bytes)?;
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn reset(&self) -> Result<()> {
        walk::clear(&self.handle)
    }

    /// The name in the source.
    pub fn name(&self) -> &str {
        self.handle.name()
    }

    /// Another handle on the same map.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { handle: self.handle.try_clone()?, step: self.step, keys: PhantomData })
    }
}

/// Whose count a key is of, and of which bucket.
fn words(key: &[u8]) -> (u64, u64) {
    let word = |at: usize| key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes);
    (word(0), word(8))
}

impl AsFd for Histogram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl<K> AsFd for HistogramFamily<K> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("name", &self.handle.name()).finish_non_exhaustive()
    }
}

impl<K> fmt::Debug for HistogramFamily<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistogramFamily").field("name", &self.handle.name()).finish_non_exhaustive()
    }
}
