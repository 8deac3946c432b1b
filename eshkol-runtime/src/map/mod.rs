//! Typed handles on maps.

use std::marker::PhantomData;
use std::ops::Deref;

use crate::error::Result;
use crate::interface::Interface;
use crate::plain::{Argument, Plain};

/// What a map of a loaded unit can be taken as.
pub trait FromMap: Sized {}

/// A map of a kind that has no handle of its own yet.
#[derive(Debug)]
pub struct Map {}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident<$($p:ident),*>;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<$($p),*> {
            marker: PhantomData<fn() -> ($($p,)*)>,
        }

        impl<$($p: Plain),*> FromMap for $name<$($p),*> {}
    )*};
}

handles! {
    /// `:hash`, `:lru-hash`.
    HashMap<K, V>;
    /// `:array`.
    Array<V>;
    /// `:percpu-hash`, `:lru-percpu-hash`.
    PerCpuHashMap<K, V>;
    /// `:percpu-array`.
    PerCpuArray<V>;
    /// `:lpm-trie`.
    LpmTrie<K, V>;
}

/// `:devmap`, `:devmap-hash`.
#[derive(Debug)]
pub struct DevMap {}
/// `:cpumap`.
#[derive(Debug)]
pub struct CpuMap {}
/// `:xskmap`.
#[derive(Debug)]
pub struct XskMap {}
impl FromMap for Map {}
impl FromMap for DevMap {}
impl FromMap for CpuMap {}
impl FromMap for XskMap {}

impl<K: Plain, V: Plain> HashMap<K, V> {
    /// The value under `key`.
    pub fn get(&self, _key: impl Argument<K>) -> Result<Option<V>> {
        todo!()
    }
    /// Sets the value under `key`.
    pub fn insert(&self, _key: impl Argument<K>, _value: impl Argument<V>) -> Result<()> {
        todo!()
    }
}

/// One value for every possible CPU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PerCpu<V>(Vec<V>);

impl<V> Deref for PerCpu<V> {
    type Target = [V];
    fn deref(&self) -> &[V] {
        &self.0
    }
}

impl DevMap {
    /// Sets the interface at `index`.
    pub fn set(&self, _index: u32, _interface: impl Into<Interface>) -> Result<()> {
        todo!()
    }
}

/// How many CPUs the machine can have: so many values a per-CPU map has under each key.
pub fn possible_cpus() -> Result<usize> {
    todo!()
}
