//! Arrays: every index has a value, zero at first. A value takes memory once it is touched.

use std::collections::BTreeMap;

use super::{By, Errno, Memory, RegionId, Shape, Storage, Value, index, next_index};
use crate::sys::{EXIST, NOEXIST};

#[derive(Debug)]
pub(super) struct Array {
    shape: Shape,
    len: u32,
    touched: BTreeMap<u32, Vec<RegionId>>,
}

impl Array {
    pub(super) fn new(shape: Shape, len: u32) -> Self {
        Self { shape, len, touched: BTreeMap::new() }
    }
}

impl Storage for Array {
    fn find(&mut self, memory: &mut Memory, key: &[u8], _by: By) -> Option<Vec<RegionId>> {
        let index = Some(index(key)).filter(|index| *index < self.len)?;
        Some(self.touched.entry(index).or_insert_with(|| self.shape.create(memory)).clone())
    }

    fn update(&mut self, memory: &mut Memory, key: &[u8], value: Value<'_>, flags: u64) -> Result<(), Errno> {
        if flags > EXIST {
            return Err(Errno(libc::EINVAL));
        }
        let regions = self.find(memory, key, By::User).ok_or(Errno(libc::E2BIG))?;
        if flags == NOEXIST {
            return Err(Errno(libc::EEXIST));
        }
        self.shape.store(memory, &regions, value);
        Ok(())
    }

    fn delete(&mut self, _memory: &mut Memory, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno(libc::EINVAL))
    }

    fn next_key(&self, key: Option<&[u8]>) -> Option<Vec<u8>> {
        next_index(self.len, key)
    }
}
