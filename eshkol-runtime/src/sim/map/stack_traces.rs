//! Call stacks, numbered from 0 on in the order in which they are first kept. The kernel gives other numbers, by a hash; also here a stack has one
//! number for as long as it is there.

use std::collections::BTreeMap;

use super::{By, Errno, Memory, RegionId, Shape, Storage, Value, index};

#[derive(Debug)]
pub(super) struct StackTraces {
    shape: Shape,
    len: u32,
    /// By number.
    kept: BTreeMap<u32, Vec<RegionId>>,
}

impl StackTraces {
    pub(super) fn new(shape: Shape, len: u32) -> Self {
        Self { shape, len, kept: BTreeMap::new() }
    }
}

impl Storage for StackTraces {
    fn find(&mut self, _memory: &mut Memory, key: &[u8], by: By) -> Option<Vec<RegionId>> {
        // The kernel shows programs none (`stack_map_lookup_elem` in `kernel/bpf/stackmap.c`).
        if by == By::Program { None } else { self.kept.get(&index(key)).cloned() }
    }

    fn update(&mut self, _: &mut Memory, _key: &[u8], _value: Value<'_>, _flags: u64) -> Result<(), Errno> {
        Err(Errno(libc::EINVAL))
    }

    fn delete(&mut self, memory: &mut Memory, key: &[u8]) -> Result<(), Errno> {
        let regions = self.kept.remove(&index(key)).ok_or(Errno(libc::ENOENT))?;
        for region in regions {
            memory.remove(region, "the stack was removed");
        }
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>) -> Option<Vec<u8>> {
        let after = key.map(index).filter(|key| self.kept.contains_key(key));
        let mut numbers = self.kept.keys().filter(|number| after.is_none_or(|after| **number > after));
        numbers.next().map(|number| number.to_ne_bytes().to_vec())
    }

    fn keep_stack(&mut self, memory: &mut Memory, stack: &[u64], replace: bool) -> Result<u32, Errno> {
        let mut bytes: Vec<u8> = stack.iter().flat_map(|address| address.to_ne_bytes()).collect();
        bytes.resize(self.shape.size, 0);
        let is_same = |regions: &Vec<RegionId>| {
            regions.first().and_then(|region| memory.get(*region)).is_some_and(|region| region.bytes == bytes)
        };
        if let Some((number, _)) = self.kept.iter().find(|(_, regions)| is_same(regions)) {
            return Ok(*number);
        }
        let free = (0..self.len).find(|number| !self.kept.contains_key(number));
        let number = match free {
            Some(number) => number,
            None if replace => 0,
            None => return Err(Errno(libc::EEXIST)),
        };
        let regions = self.kept.entry(number).or_insert_with(|| self.shape.create(memory));
        self.shape.store(memory, regions, Value::OfAll(&bytes));
        Ok(number)
    }
}
