//! Looks at a compiled object before the loader does, for errors that say what is wrong.

use std::panic::{self, AssertUnwindSafe};

use crate::error::{Error, Result};
use crate::spec::UnitSpec;

/// Offsets into the ELF header (System V ABI, `Elf64_Ehdr`).
mod header {
    pub(super) const SIZE: usize = 64;
    pub(super) const CLASS: usize = 4;
    pub(super) const DATA: usize = 5;
    pub(super) const MACHINE: usize = 18;
    pub(super) const SECTION_HEADERS: usize = 40;
    pub(super) const SECTION_HEADER_SIZE: usize = 58;
    pub(super) const SECTION_HEADER_COUNT: usize = 60;
}

const MAGIC: &[u8] = b"\x7fELF";
const ELFCLASS64: u8 = 2;
const EM_BPF: u16 = 247;
/// `ELFDATA2LSB` or `ELFDATA2MSB`, whichever this machine is.
const HOST_DATA: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };

/// That it is a whole eBPF object for this machine's byte order.
pub(crate) fn check(spec: &UnitSpec) -> Result<()> {
    let Err(reason) = check_bytes(spec.object) else { return Ok(()) };
    Err(Error::Object { unit: spec.name.to_owned(), reason, source: None })
}

/// The same for an object without a description; says what is wrong.
pub(crate) fn check_bytes(object: &[u8]) -> Result<(), String> {
    if object.len() < header::SIZE || !object.starts_with(MAGIC) || object[header::CLASS] != ELFCLASS64 {
        return Err("it is not a 64-bit ELF file; it was damaged on the way from the compiler".to_owned());
    }
    if object[header::DATA] != HOST_DATA {
        let (here, there) = if HOST_DATA == 1 { ("little", "big") } else { ("big", "little") };
        return Err(format!(
            "it was compiled for {there}-endian machines, and this one is {here}-endian; build for this machine's target"
        ));
    }
    if number(object, header::MACHINE, 2) != u64::from(EM_BPF) {
        return Err("it is an ELF file, but not one with eBPF programs".to_owned());
    }
    let sections = number(object, header::SECTION_HEADER_SIZE, 2) * number(object, header::SECTION_HEADER_COUNT, 2);
    let end = number(object, header::SECTION_HEADERS, 8).checked_add(sections);
    if end.is_none_or(|end| end > object.len() as u64) {
        return Err(format!(
            "it is cut short: of {} bytes, {} are here",
            end.map_or("too many".to_owned(), |end| format!("at least {end}")),
            object.len()
        ));
    }
    Ok(())
}

/// Does what reads an object with aya's library, which panics on some that are damaged further in (aya-obj 0.3, `Object::parse`).
pub(crate) fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    let done = panic::catch_unwind(AssertUnwindSafe(read));
    done.map_err(|_| "what it holds does not fit together; it was damaged on the way from the compiler".to_owned())
}

/// An unsigned number of `size` bytes in the machine's order, inside the header.
fn number(object: &[u8], offset: usize, size: usize) -> u64 {
    let bytes = object[offset..offset + size].iter().map(|b| u64::from(*b));
    let shift = |number, byte| number << 8 | byte;
    if HOST_DATA == 1 { bytes.rev().fold(0, shift) } else { bytes.fold(0, shift) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header whose section headers end at byte 192.
    fn object() -> Vec<u8> {
        let mut object = vec![0; 192];
        object[..4].copy_from_slice(MAGIC);
        object[header::CLASS] = ELFCLASS64;
        object[header::DATA] = HOST_DATA;
        object[header::MACHINE..][..2].copy_from_slice(&EM_BPF.to_ne_bytes());
        object[header::SECTION_HEADERS..][..8].copy_from_slice(&64_u64.to_ne_bytes());
        object[header::SECTION_HEADER_SIZE..][..2].copy_from_slice(&64_u16.to_ne_bytes());
        object[header::SECTION_HEADER_COUNT..][..2].copy_from_slice(&2_u16.to_ne_bytes());
        object
    }

    #[test]
    fn a_whole_object_passes() {
        assert_eq!(check_bytes(&object()), Ok(()));
    }

    #[test]
    fn says_what_is_wrong() {
        let reason = |object: &[u8]| check_bytes(object).unwrap_err();
        assert_eq!(reason(&object()[..191]), "it is cut short: of at least 192 bytes, 191 are here");
        assert!(reason(&object()[..63]).contains("not a 64-bit ELF file"));
        assert!(reason(b"").contains("not a 64-bit ELF file"));
        let mut other = object();
        other[header::DATA] = 3 - HOST_DATA;
        assert!(reason(&other).contains("-endian; build for this machine's target"));
        let mut other = object();
        other[header::MACHINE] = 62;
        assert!(reason(&other).contains("not one with eBPF programs"));
        let mut other = object();
        other[header::SECTION_HEADERS..][..8].fill(0xff);
        assert!(reason(&other).contains("cut short: of too many bytes"));
    }
}
