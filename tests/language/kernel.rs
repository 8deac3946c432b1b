//! The kernel: loads an object, runs it on packets, reads and fills its maps.

use std::os::fd::{AsFd, AsRawFd};

use eshkol_runtime::aya::maps::{Map, MapData};
use eshkol_runtime::aya::programs::Xdp;
use eshkol_runtime::aya::{Ebpf, EbpfLoader};

use crate::runner::{Outcome, Runner};

/// A loaded XDP program with its maps.
pub(crate) struct Loaded {
    ebpf: Ebpf,
    program: String,
}

impl Loaded {
    /// Has the kernel verify a program.
    pub(crate) fn load(object: &[u8], program: &str) -> Result<Self, String> {
        // No case relocates against the kernel's types, which take long to read.
        let mut ebpf = EbpfLoader::new().btf(None).load(object).map_err(|error| chain(&error))?;
        let xdp: &mut Xdp = ebpf
            .program_mut(program)
            .ok_or_else(|| format!("the object has no program `{program}`"))?
            .try_into()
            .map_err(|error| chain(&error))?;
        xdp.load().map_err(|error| chain(&error))?;
        Ok(Self { ebpf, program: program.to_owned() })
    }

    fn map(&self, name: &str) -> Result<u32, String> {
        let symbol = name.replace('-', "_");
        let map = self.ebpf.map(&symbol).ok_or_else(|| format!("there is no map `{symbol}`"))?;
        let data: &MapData = match map {
            Map::Array(data)
            | Map::HashMap(data)
            | Map::LruHashMap(data)
            | Map::PerCpuArray(data)
            | Map::PerCpuHashMap(data)
            | Map::PerCpuLruHashMap(data)
            | Map::LpmTrie(data)
            | Map::DevMap(data)
            | Map::DevMapHash(data)
            | Map::CpuMap(data)
            | Map::XskMap(data) => data,
            other => return Err(format!("cases can't look into {other:?}")),
        };
        Ok(data.fd().as_fd().as_raw_fd().cast_unsigned())
    }
}

impl Runner for Loaded {
    fn run(&self, packet: &[u8]) -> Result<Outcome, String> {
        let program = self.ebpf.program(&self.program).and_then(|program| program.fd().ok());
        let program = program.ok_or("the program is gone")?.as_fd().as_raw_fd();
        let mut output = vec![0; packet.len() + 512];
        let mut attributes = TestRun {
            program: program.cast_unsigned(),
            verdict: 0,
            input_size: length(packet),
            output_size: length(&output),
            input: address(packet),
            output: output.as_mut_ptr().expose_provenance() as u64,
            repeat: 1,
            duration: 0,
        };
        // SAFETY: both addresses are of live buffers of the sizes given; `output` is ours alone.
        unsafe { bpf(10, &mut attributes) }.map_err(|error| format!("running: {error}"))?;
        output.truncate(attributes.output_size as usize);
        Ok(Outcome { verdict: attributes.verdict, packet: output })
    }

    fn lookup(&self, map: &str, key: &[u8], size: usize) -> Result<Option<Vec<u8>>, String> {
        // More than enough for a value on every CPU.
        let mut value = vec![0; size.next_multiple_of(8) * 1024];
        let mut attributes = Element {
            map: self.map(map)?,
            padding: 0,
            key: address(key),
            value: value.as_mut_ptr().expose_provenance() as u64,
            flags: 0,
        };
        // SAFETY: both addresses are of live buffers, the value's larger than any map's; it is ours alone.
        match unsafe { bpf(1, &mut attributes) } {
            Ok(()) => {
                value.truncate(size);
                Ok(Some(value))
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(format!("looking up in `{map}`: {error}")),
        }
    }

    fn update(&self, map: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
        let mut attributes =
            Element { map: self.map(map)?, padding: 0, key: address(key), value: address(value), flags: 0 };
        // SAFETY: both addresses are of live buffers of the sizes of the map's keys and values, which the case knows.
        unsafe { bpf(2, &mut attributes) }.map_err(|error| format!("filling `{map}`: {error}"))
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// `union bpf_attr`, for `BPF_PROG_TEST_RUN`.
#[repr(C)]
struct TestRun {
    program: u32,
    verdict: u32,
    input_size: u32,
    output_size: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
}

/// `union bpf_attr`, for `BPF_MAP_LOOKUP_ELEM` and `BPF_MAP_UPDATE_ELEM`.
#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

fn address(bytes: &[u8]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// # Safety
///
/// The addresses in `attributes` are of live buffers of the sizes that the command takes, and those it writes to are the caller's alone.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> std::io::Result<()> {
    // SAFETY: `attributes` is a live struct of the size given; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
