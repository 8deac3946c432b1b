//! Values of which every CPU has its own.

use std::fs;
use std::io;
use std::iter::Sum;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use super::Handle;
use crate::error::{Error, Result};
use crate::plain::Plain;
use crate::sys::per_cpu_stride;

/// One value for every CPU the machine can have, by CPU number.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PerCpu<V>(Vec<V>);

impl<V> PerCpu<V> {
    /// The values, by CPU number.
    pub fn into_vec(self) -> Vec<V> {
        self.0
    }

    /// All CPUs' values added up.
    pub fn sum(&self) -> V
    where
        V: Copy + Sum<V>,
    {
        self.0.iter().copied().sum()
    }
}

impl<V: Plain> PerCpu<V> {
    /// The same value for every CPU.
    pub fn all(value: V) -> Result<Self> {
        Ok(Self(vec![value; possible_cpus()?]))
    }

    /// Reads what a lookup gave.
    pub(super) fn decode(handle: &Handle, bytes: &[u8]) -> Result<Self> {
        bytes
            .chunks_exact(per_cpu_stride(V::SIZE).max(1))
            .map(|chunk| handle.decode(&chunk[..V::SIZE]))
            .collect::<Result<Vec<V>>>()
            .map(Self)
    }
}

/// The bytes of one value for each CPU.
pub(super) fn encode<V: Plain>(handle: &Handle, values: &[V]) -> Result<Vec<u8>> {
    let stride = per_cpu_stride(V::SIZE);
    let mut bytes = vec![0; handle.lookup_size()];
    if values.len() * stride != bytes.len() {
        let possible = bytes.len().checked_div(stride).unwrap_or_default();
        return Err(Error::CpuCount { map: handle.name().into(), given: values.len(), possible });
    }
    for (value, bytes) in values.iter().zip(bytes.chunks_exact_mut(stride.max(1))) {
        value.encode(&mut bytes[..V::SIZE]);
    }
    Ok(bytes)
}

impl<V> Deref for PerCpu<V> {
    type Target = [V];

    fn deref(&self) -> &[V] {
        &self.0
    }
}

impl<V> DerefMut for PerCpu<V> {
    fn deref_mut(&mut self) -> &mut [V] {
        &mut self.0
    }
}

impl<V> AsRef<[V]> for PerCpu<V> {
    fn as_ref(&self) -> &[V] {
        &self.0
    }
}

impl<V> From<Vec<V>> for PerCpu<V> {
    fn from(values: Vec<V>) -> Self {
        Self(values)
    }
}

impl<V> IntoIterator for PerCpu<V> {
    type Item = V;
    type IntoIter = std::vec::IntoIter<V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, V> IntoIterator for &'a PerCpu<V> {
    type Item = &'a V;
    type IntoIter = std::slice::Iter<'a, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// How many CPUs the machine can have, which may be more than it has: so many values a per-CPU map keeps under each key.
pub fn possible_cpus() -> Result<usize> {
    cpus().map_err(|e| Error::with_advice("find out how many CPUs there can be", "Is /sys mounted?", e))
}

/// As [`possible_cpus`].
pub(crate) fn cpus() -> io::Result<usize> {
    // It never changes while the machine runs.
    static CPUS: OnceLock<usize> = OnceLock::new();
    if let Some(cpus) = CPUS.get() {
        return Ok(*cpus);
    }
    let list = fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let cpus = count(&list).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("/sys/devices/system/cpu/possible holds {list:?}"))
    })?;
    Ok(*CPUS.get_or_init(|| cpus))
}

/// The CPUs that are on.
pub(crate) fn online_cpus() -> io::Result<Vec<u32>> {
    fs::read_to_string("/sys/devices/system/cpu/online").map(|list| numbers(&list))
}

/// The numbers of a list such as `0-3,5`.
fn numbers(list: &str) -> Vec<u32> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// One more than the highest number of a list such as `0-3,8-11`: the kernel counts CPU numbers, gaps included.
fn count(list: &str) -> Option<usize> {
    let last = list.trim().rsplit([',', '-']).next()?;
    last.parse::<usize>().ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(count("0\n"), Some(1));
        assert_eq!(count("0-7\n"), Some(8));
        assert_eq!(count("0,2-5"), Some(6));
        assert_eq!(count(""), None);
        assert!(possible_cpus().unwrap() >= 1);
        assert_eq!(numbers("0\n"), [0]);
        assert_eq!(numbers("0-2,5,7-8\n"), [0, 1, 2, 5, 7, 8]);
        assert_eq!(numbers(""), []);
        assert!(!online_cpus().unwrap().is_empty());
    }

    #[test]
    fn values_add_up() {
        assert_eq!(PerCpu(vec![1_u64, 2, 3]).sum(), 6);
        assert_eq!(PerCpu(vec![1_u32, 5]).iter().max(), Some(&5));
    }
}
