//! The kernel: runs instructions, as a function that is called with the address of a map's value and its length; makes maps, and works on them.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `union bpf_attr`, as far as the commands here go.
#[repr(C, align(8))]
struct Attributes([u8; 144]);

impl Attributes {
    fn new() -> Self {
        Self([0; 144])
    }

    fn u32(mut self, offset: usize, value: u32) -> Self {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn u64(mut self, offset: usize, value: u64) -> Self {
        self.0[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn address(self, offset: usize, bytes: &[u8]) -> Self {
        self.u64(offset, bytes.as_ptr().expose_provenance() as u64)
    }

    /// # Safety
    ///
    /// The addresses are of live buffers of the sizes that the command takes.
    unsafe fn call(&mut self, command: libc::c_int) -> io::Result<i32> {
        // SAFETY: `self` is live and of the size given; the rest is the caller's promise.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(self), size_of::<Self>()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(result).unwrap()) }
    }
}

fn descriptor(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// An array of one value.
fn array(value_size: usize) -> OwnedFd {
    let value_size = u32::try_from(value_size).unwrap();
    let mut attributes = Attributes::new().u32(0, 2).u32(4, 4).u32(8, value_size).u32(12, 1);
    // SAFETY: no addresses.
    let fd = unsafe { attributes.call(0) }.expect("an array");
    // SAFETY: the command returns a new descriptor.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A map in the kernel.
pub(crate) struct RealMap {
    fd: OwnedFd,
    key_size: usize,
    lookup_size: usize,
}

impl RealMap {
    pub(crate) fn new(
        kind: u32,
        key_size: usize,
        value_size: usize,
        entries: u32,
        flags: u32,
        lookup_size: usize,
    ) -> Self {
        let size = |bytes| u32::try_from(bytes).unwrap();
        let attributes = Attributes::new().u32(0, kind).u32(4, size(key_size)).u32(8, size(value_size));
        // SAFETY: no addresses.
        let fd = unsafe { attributes.u32(12, entries).u32(16, flags).call(0) }.expect("a map");
        // SAFETY: the command returns a new descriptor.
        Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, key_size, lookup_size }
    }

    fn attributes(&self, key: &[u8]) -> Attributes {
        assert_eq!(key.len(), self.key_size);
        Attributes::new().u32(0, descriptor(&self.fd)).address(8, key)
    }

    pub(crate) fn lookup(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut value = vec![0; self.lookup_size];
        let mut attributes = self.attributes(key).u64(16, value.as_mut_ptr().expose_provenance() as u64);
        // SAFETY: the key and the value have the sizes of the map's.
        found(unsafe { attributes.call(1) }).map(|found| found.then_some(value))
    }

    pub(crate) fn update(&self, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
        assert_eq!(value.len(), self.lookup_size);
        // SAFETY: the key and the value have the sizes of the map's.
        unsafe { self.attributes(key).address(16, value).u64(24, flags).call(2) }.map(|_| ())
    }

    pub(crate) fn delete(&self, key: &[u8]) -> io::Result<bool> {
        // SAFETY: the key has the size of the map's.
        found(unsafe { self.attributes(key).call(3) })
    }

    pub(crate) fn next_key(&self, key: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        let mut next = vec![0; self.key_size];
        let attributes = match key {
            Some(key) => self.attributes(key),
            None => Attributes::new().u32(0, descriptor(&self.fd)),
        };
        let mut attributes = attributes.u64(16, next.as_mut_ptr().expose_provenance() as u64);
        // SAFETY: the keys have the size of the map's.
        found(unsafe { attributes.call(4) }).map(|found| found.then_some(next))
    }
}

/// Whether something was there.
fn found(result: io::Result<i32>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

fn slot(code: u8, registers: u8, offset: i16, immediate: i32) -> Vec<u8> {
    [&[code, registers][..], &offset.to_ne_bytes(), &immediate.to_ne_bytes()].concat()
}

/// R1 = the address of an array's value.
fn load_address(map: &OwnedFd) -> Vec<u8> {
    [slot(0x18, 0x21, 0, map.as_raw_fd()), slot(0, 0, 0, 0)].concat()
}

/// Types of programs that the kernel runs for tests (`enum bpf_prog_type`).
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum ProgramType {
    Xdp = 6,
    RawTracepoint = 17,
}

/// What R0 is at the end; or why the kernel does not load it.
pub(crate) fn run(code: &[u8], memory: &[u8]) -> Result<u64, String> {
    run_as(ProgramType::Xdp, code, memory)
}

/// The same of a program of this type.
pub(crate) fn run_as(program_type: ProgramType, code: &[u8], memory: &[u8]) -> Result<u64, String> {
    let (given, result) = (array(memory.len().max(8)), array(8));
    let length = i32::try_from(memory.len()).unwrap();
    let address =
        if memory.is_empty() { [slot(0xb7, 1, 0, 0), slot(0xb7, 1, 0, 0)].concat() } else { load_address(&given) };
    let program = [
        address,
        slot(0xb7, 2, 0, length),
        slot(0x85, 0x10, 0, 5),
        load_address(&result),
        slot(0x7b, 0x01, 0, 0),
        slot(0xb7, 0, 0, 2),
        slot(0x95, 0, 0, 0),
        code.to_vec(),
    ]
    .concat();
    let key = [0; 4];
    let mut value = memory.to_vec();
    value.resize(memory.len().max(8), 0);
    let mut attributes = Attributes::new().u32(0, descriptor(&given)).address(8, &key).address(16, &value);
    // SAFETY: the key and the value have the sizes of the map's.
    unsafe { attributes.call(2) }.expect("memory");

    let mut log = vec![0; 1 << 16];
    let licence = b"GPL\0";
    let slots = u32::try_from(program.len() / 8).unwrap();
    let mut attributes = Attributes::new()
        .u32(0, program_type as u32)
        .u32(4, slots)
        .address(8, &program)
        .address(16, licence)
        .u32(24, 1)
        .u32(28, 1 << 16)
        .u64(32, log.as_mut_ptr().expose_provenance() as u64);
    // SAFETY: the program, the licence and the log are live and of the sizes given.
    let loaded = unsafe { attributes.call(5) };
    let fd = loaded.map_err(|error| {
        let log = String::from_utf8_lossy(&log).into_owned();
        let mut lines = log.lines().filter(|line| !line.starts_with(['p', '\0']));
        lines.next_back().map_or_else(|| error.to_string(), str::to_owned)
    })?;
    // SAFETY: the command returns a new descriptor.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };

    let packet = [0_u8; 64];
    let mut attributes = match program_type {
        ProgramType::Xdp => Attributes::new().u32(0, descriptor(&fd)).u32(8, 64).address(16, &packet).u32(32, 1),
        ProgramType::RawTracepoint => Attributes::new().u32(0, descriptor(&fd)),
    };
    // SAFETY: the packet is live and of the size given.
    unsafe { attributes.call(10) }.map_err(|error| format!("running: {error}"))?;
    let mut value = [0_u8; 8];
    let mut attributes = Attributes::new()
        .u32(0, descriptor(&result))
        .address(8, &key)
        .u64(16, value.as_mut_ptr().expose_provenance() as u64);
    // SAFETY: the key and the value have the sizes of the map's.
    unsafe { attributes.call(1) }.expect("the result");
    Ok(u64::from_ne_bytes(value))
}
