use super::*;

fn stack() -> (Memory, RegionId) {
    let mut memory = Memory::default();
    let id = memory.add(Region::uninitialised(Kind::Stack { depth: 0 }, 16));
    (memory, id)
}

#[test]
fn what_is_written_can_be_read() {
    let (mut memory, id) = stack();
    memory.write(Memory::address(id, 8), 8, 0x0102_0304_0506_0708).unwrap();
    assert_eq!(memory.read(Memory::address(id, 8), 8).unwrap(), 0x0102_0304_0506_0708);
    let half = if cfg!(target_endian = "little") { 0x0304 } else { 0x0506 };
    assert_eq!(memory.read(Memory::address(id, 12), 2).unwrap(), half);
}

#[test]
fn bytes_that_were_never_written_cannot_be_read() {
    let (mut memory, id) = stack();
    memory.write(Memory::address(id, 8), 4, 7).unwrap();
    let fault = memory.read(Memory::address(id, 8), 8).unwrap_err();
    assert_eq!(fault.0, "reads 8 bytes at offset -8 of the stack, of which the byte at -4 has not been written");
    assert!(memory.read(Memory::address(id, 0), 1).unwrap_err().0.ends_with("which has not been written"));
}

#[test]
fn one_byte_too_far_is_too_far() {
    let mut memory = Memory::default();
    let id = memory.add(Region::new(Kind::Given, vec![0; 4]));
    memory.add(Region::new(Kind::Given, vec![0; 1 << 16]));
    assert!(memory.read(Memory::address(id, 0), 4).is_ok());
    let fault = memory.read(Memory::address(id, 1), 4).unwrap_err();
    assert_eq!(fault.0, "reads 4 bytes at offset 1 of the given memory, 1 byte past its end: it has 4 bytes");
    let fault = memory.write(Memory::address(id, 0) - 1, 1, 0).unwrap_err();
    assert_eq!(fault.0, "writes 1 byte at offset -1 of the given memory, which is before its start");
    assert!(memory.read(Memory::address(id, 1 << 20), 1).unwrap_err().0.contains("past its end"));
}

#[test]
fn stale_and_wild_pointers_are_told_apart() {
    let (mut memory, id) = stack();
    let address = Memory::address(id, 0);
    memory.remove(id, "the call has returned");
    assert!(memory.read(address, 1).unwrap_err().0.ends_with("which is no longer there: the call has returned"));
    memory.forget_gone();
    assert!(memory.read(address, 1).unwrap_err().0.ends_with("where nothing is"));
    assert!(memory.read(8, 1).unwrap_err().0.contains("a null pointer"));
    assert!(memory.read(0x1234_5678, 1).unwrap_err().0.contains("no address of anything"));
    // The number is used again only now.
    assert_eq!(memory.add(Region::new(Kind::Given, vec![])), id);
}

#[test]
fn alignment_is_asked_of_instructions_on_the_stack_and_of_atomic_ones() {
    let (mut memory, id) = stack();
    memory.fill(Memory::address(id, 0), &[1; 16]).unwrap();
    assert!(memory.bytes(Memory::address(id, 2), 4).is_ok());
    let fault = memory.read(Memory::address(id, 2), 4).unwrap_err();
    assert_eq!(fault.0, "reads 4 bytes at offset -14 of the stack, which is no multiple of 4");
    assert!(memory.write(Memory::address(id, 7), 2, 0).is_err());
    let given = memory.add(Region::new(Kind::Given, vec![0; 16]));
    assert!(memory.read(Memory::address(given, 1), 8).is_ok());
    assert!(memory.check_atomic(Memory::address(given, 4), 8).is_err());
    assert!(memory.check_atomic(Memory::address(given, 8), 8).is_ok());
}
