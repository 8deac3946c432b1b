//! The memory that programs see: regions far apart, every access checked.
//!
//! An address is the number of its region in the upper 32 bits and a place in it in the lower ones, where the region starts at [`BASE`]: what runs
//! past the end of one region, or before its start, never comes out in another. Its first bit is set, as in the kernel's addresses, which are
//! negative as numbers with a sign. A region that is gone stays known, so that a stale pointer is told from a wild one, until
//! [`Memory::forget_gone`] lets its number be used again, which is when no program runs.

mod initialised;
mod region;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

pub(super) use region::{Kind, Region};

/// Why an access, or anything else that a program does, is not right: the end of a sentence that begins with the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault(pub(super) String);

impl Fault {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a region; not 0.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct RegionId(u32);

/// Where the first byte of every region is, so that as much lies before it as a pointer is likely to go wrong by. A multiple of 8.
const BASE: u64 = 1 << 30;

/// The bit that every address has.
const SIGN: u64 = 1 << 63;

/// How many regions that are gone are remembered while a program runs.
const REMEMBERED: usize = 4096;

/// What a program does with memory.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Read,
    Write,
    /// Reads and writes in one.
    Atomic,
}

impl Access {
    fn verb(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Atomic => "reads and writes",
        }
    }
}

/// All regions, by number.
#[derive(Debug, Default)]
pub(super) struct Memory {
    slots: Vec<Slot>,
    /// Numbers that are free.
    free: Vec<u32>,
    /// Numbers of regions that are gone, the latest last.
    gone: VecDeque<u32>,
    /// Numbers of regions that go when the run ends.
    retired: Vec<u32>,
}

#[derive(Debug)]
enum Slot {
    Live(Region),
    /// What it was, and why it is gone.
    Gone(Kind, &'static str),
    Free,
}

impl Memory {
    /// Adds a region.
    pub(super) fn add(&mut self, region: Region) -> RegionId {
        if let Some(number) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(number as usize - 1) {
                *slot = Slot::Live(region);
            }
            return RegionId(number);
        }
        self.slots.push(Slot::Live(region));
        // Two billion regions, which is all there can be, would not fit into memory.
        RegionId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    /// Takes a region away. `why` ends the sentence "…, which is no longer there: …".
    pub(super) fn remove(&mut self, id: RegionId, why: &'static str) -> Option<Region> {
        let slot = self.slots.get_mut(id.0 as usize - 1)?;
        let Slot::Live(region) = slot else { return None };
        let kind = region.kind.clone();
        let Slot::Live(region) = std::mem::replace(slot, Slot::Gone(kind, why)) else { return None };
        self.gone.push_back(id.0);
        if self.gone.len() > REMEMBERED
            && let Some(oldest) = self.gone.pop_front()
        {
            self.release(oldest);
        }
        Some(region)
    }

    /// Takes a region away once the run ends, as the kernel does with values of maps.
    pub(super) fn retire(&mut self, id: RegionId) {
        self.retired.push(id.0);
    }

    /// Lets the numbers of all regions that are gone, or go now, be used again.
    pub(super) fn forget_gone(&mut self) {
        for number in std::mem::take(&mut self.gone).into_iter().chain(std::mem::take(&mut self.retired)) {
            self.release(number);
        }
    }

    fn release(&mut self, number: u32) {
        if let Some(slot) = self.slots.get_mut(number as usize - 1) {
            *slot = Slot::Free;
            self.free.push(number);
        }
    }

    /// The address of a byte of a region.
    pub(super) fn address(id: RegionId, offset: usize) -> u64 {
        (SIGN | u64::from(id.0) << 32) + BASE + offset as u64
    }

    pub(super) fn get(&self, id: RegionId) -> Option<&Region> {
        match self.slots.get(id.0 as usize - 1) {
            Some(Slot::Live(region)) => Some(region),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, id: RegionId) -> Option<&mut Region> {
        match self.slots.get_mut(id.0 as usize - 1) {
            Some(Slot::Live(region)) => Some(region),
            _ => None,
        }
    }

    /// Whether two addresses are in one region, or around it.
    pub(super) fn same_region(left: u64, right: u64) -> bool {
        left >> 32 == right >> 32
    }

    /// The region that an address is in, or around.
    pub(super) fn find(&self, address: u64) -> Option<(RegionId, &Region)> {
        let id = region_of(address)?;
        Some((id, self.get(id)?))
    }

    /// Reads a number of 1 to 8 bytes, as an instruction does.
    pub(super) fn read(&self, address: u64, size: usize) -> Result<u64, Fault> {
        let (id, region) = self.live(address, size, Access::Read)?;
        let offset = offset_in(id, address);
        let range = region.check(offset, size, Access::Read)?;
        region.check_alignment(offset, size, Access::Read)?;
        let mut word = [0; 8];
        word[place_in_word(size)].copy_from_slice(&region.bytes[range]);
        Ok(u64::from_ne_bytes(word))
    }

    /// Writes the low 1 to 8 bytes of a number, as an instruction does.
    pub(super) fn write(&mut self, address: u64, size: usize, value: u64) -> Result<(), Fault> {
        let (region, range) = self.place(address, size)?;
        // Regions start at multiples of every size, so that the offset tells.
        region.check_alignment(i64::try_from(range.start).unwrap_or(i64::MAX), size, Access::Write)?;
        region.write(range, &value.to_ne_bytes()[place_in_word(size)]);
        Ok(())
    }

    /// Bytes that a helper reads; none may be anywhere.
    pub(super) fn bytes(&self, address: u64, size: usize) -> Result<&[u8], Fault> {
        if size == 0 {
            return Ok(&[]);
        }
        let (id, region) = self.live(address, size, Access::Read)?;
        let range = region.check(offset_in(id, address), size, Access::Read)?;
        Ok(&region.bytes[range])
    }

    /// Bytes that a helper fills; none may be anywhere.
    pub(super) fn fill(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.fill_padded(address, bytes, bytes.len())
    }

    /// A buffer of this length that a helper fills, with zeros where there are not as many bytes.
    pub(super) fn fill_padded(&mut self, address: u64, bytes: &[u8], length: usize) -> Result<(), Fault> {
        if length == 0 {
            return Ok(());
        }
        // Before anything of that length is made, which may be any number.
        let (region, range) = self.place(address, length)?;
        let mut padded = bytes.to_vec();
        padded.resize(length, 0);
        region.write(range, &padded);
        Ok(())
    }

    /// That an atomic operation may be done here.
    pub(super) fn check_atomic(&self, address: u64, size: usize) -> Result<(), Fault> {
        let (id, region) = self.live(address, size, Access::Atomic)?;
        region.check(offset_in(id, address), size, Access::Atomic)?;
        region.check_alignment(offset_in(id, address), size, Access::Atomic)
    }

    /// Where something may be written.
    fn place(&mut self, address: u64, size: usize) -> Result<(&mut Region, Range<usize>), Fault> {
        let (id, region) = self.live(address, size, Access::Write)?;
        let range = region.check(offset_in(id, address), size, Access::Write)?;
        match self.get_mut(id) {
            Some(region) => Ok((region, range)),
            None => Err(Fault::new("touches a region that is gone")),
        }
    }

    /// The region of an access, where there is one.
    fn live(&self, address: u64, size: usize, access: Access) -> Result<(RegionId, &Region), Fault> {
        let doing = || format!("{} {}", access.verb(), counted(size));
        let Some(id) = region_of(address) else {
            let what = if address < 1 << 16 {
                "a null pointer, as a lookup gives that finds nothing"
            } else {
                "no address of anything: a number taken for a pointer, or a pointer cut to 32 bits"
            };
            return Err(Fault(format!("{} at address {address:#x}, which is {what}", doing())));
        };
        match self.slots.get(id.0 as usize - 1) {
            Some(Slot::Live(region)) => Ok((id, region)),
            Some(Slot::Gone(kind, why)) => {
                Err(Fault(format!("{} in {kind}, which is no longer there: {why}", doing())))
            }
            Some(Slot::Free) | None => Err(Fault(format!("{} at address {address:#x}, where nothing is", doing()))),
        }
    }
}

fn region_of(address: u64) -> Option<RegionId> {
    if address & SIGN == 0 {
        return None;
    }
    match u32::try_from((address & !SIGN) >> 32) {
        Ok(0) | Err(_) => None,
        Ok(number) => Some(RegionId(number)),
    }
}

/// Where in a region an address is: negative before its start.
fn offset_in(id: RegionId, address: u64) -> i64 {
    // Both are in the 4 GiB of the region.
    address.wrapping_sub(Memory::address(id, 0)).cast_signed()
}

/// Which bytes of a word, as it is in memory, are the low ones.
fn place_in_word(size: usize) -> Range<usize> {
    if cfg!(target_endian = "big") { 8 - size..8 } else { 0..size }
}

/// `1 byte`, `4 bytes`.
pub(super) fn counted(bytes: usize) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
