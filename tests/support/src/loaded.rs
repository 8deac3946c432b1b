//! The kernel runs a program: on packets, without any interface, or with arguments that nobody passed.

use std::error::Error;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, OnceLock};

use eshkol_runtime::KernelVersion;
use eshkol_runtime::aya::maps::perf::{PerfEvent, PerfEventArray, PerfEventArrayBuffer};
use eshkol_runtime::aya::maps::{Map, MapData, RingBuf};
use eshkol_runtime::aya::programs::Program;
use eshkol_runtime::aya::util::online_cpus;
use eshkol_runtime::aya::{Btf, Ebpf, EbpfLoader};

use crate::runner::{Outcome, Runner};

/// A buffer for each CPU.
type Buffers = Vec<PerfEventArrayBuffer<MapData>>;

/// A program in the kernel, with its maps.
pub struct Loaded {
    ebpf: Ebpf,
    program: String,
    /// By the symbol of their map.
    buffers: Mutex<Vec<(String, Buffers)>>,
    /// Bytes of the Ethernet header that the kernel wants before the packet, and that the program does not see.
    hidden: usize,
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

impl Loaded {
    /// Has the kernel verify the programs of an object, of which one is to run. The error is what it says against them.
    pub fn load(object: &[u8], program: &str) -> Result<Self, String> {
        Self::load_at(object, program, "")
    }

    /// The same of programs that the kernel verifies against the tracepoint that they are for.
    pub fn load_at(object: &[u8], program: &str, tracepoint: &str) -> Result<Self, String> {
        // No program of these tests relocates against the kernel's types, which take long to read.
        let mut ebpf = EbpfLoader::new().btf(None).load(object).map_err(|error| with_causes(&error))?;
        let mut found = None;
        for (name, each) in ebpf.programs_mut() {
            let hidden = load(each, tracepoint)?;
            found = found.or((name == program).then_some(hidden));
        }
        let hidden = found.ok_or_else(|| format!("the object has no program `{program}`"))?;
        let buffers = Mutex::new(open_buffers(&mut ebpf)?);
        Ok(Self { ebpf, program: program.to_owned(), buffers, hidden })
    }

    /// Whether the kernel runs it for a test. Many types it only verifies: those at places of its own, of a process or of a cgroup's addresses;
    /// and before 6.14 those of a cgroup's packets get none (`bpf_prog_test_run_skb` in `net/bpf/test_run.c`).
    pub fn can_run(&self) -> bool {
        let shows_packets = || KernelVersion::running().is_none_or(|running| running >= KernelVersion::new(6, 14));
        match self.ebpf.program(&self.program) {
            Some(
                Program::Xdp(_) | Program::SchedClassifier(_) | Program::SocketFilter(_) | Program::RawTracePoint(_),
            ) => true,
            Some(Program::CgroupSkb(_)) => shows_packets(),
            _ => false,
        }
    }

    /// The descriptor of the program that runs.
    fn program(&self) -> Result<u32, String> {
        self.descriptor(&self.program)
    }

    /// A program's descriptor.
    fn descriptor(&self, program: &str) -> Result<u32, String> {
        let program = self.ebpf.program(program).and_then(|program| program.fd().ok());
        Ok(program.ok_or("there is no such program")?.as_fd().as_raw_fd().cast_unsigned())
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
            | Map::ProgramArray(data)
            | Map::DevMap(data)
            | Map::DevMapHash(data)
            | Map::CpuMap(data)
            | Map::XskMap(data) => data,
            other => return Err(format!("{other:?} can't be looked into")),
        };
        Ok(data.fd().as_fd().as_raw_fd().cast_unsigned())
    }
}

impl Runner for Loaded {
    fn run(&self, packet: &[u8]) -> Result<Outcome, String> {
        let framed = [ethernet(packet).get(..self.hidden).unwrap_or_default(), packet].concat();
        let packet = framed.as_slice();
        let mut output = vec![0; packet.len() + 512];
        let mut attributes = TestRun {
            program: self.program()?,
            input_size: length(packet),
            output_size: length(&output),
            input: address(packet),
            output: output.as_mut_ptr().expose_provenance() as u64,
            repeat: 1,
            ..TestRun::default()
        };
        // SAFETY: both addresses are of live buffers of the sizes given; `output` is ours alone.
        unsafe { bpf(TEST_RUN, &mut attributes) }.map_err(|error| format!("running: {error}"))?;
        output.truncate(attributes.output_size as usize);
        output.drain(..self.hidden.min(output.len()));
        Ok(Outcome { verdict: attributes.verdict, packet: output })
    }

    fn run_on_context(&self, program: &str, context: &[u8]) -> Result<Outcome, String> {
        let mut attributes = TestRun {
            program: self.descriptor(program)?,
            context_size: length(context),
            context: address(context),
            ..TestRun::default()
        };
        // SAFETY: the address is of a live buffer of the size given.
        unsafe { bpf(TEST_RUN, &mut attributes) }.map_err(|error| format!("running: {error}"))?;
        // What it runs in this way can't change the context.
        Ok(Outcome { verdict: attributes.verdict, packet: context.to_vec() })
    }

    fn lookup(&self, map: &str, key: &[u8], size: usize) -> Result<Option<Vec<u8>>, String> {
        let mut value = vec![0; for_each_processor(size)];
        let mut attributes = Element {
            map: self.map(map)?,
            padding: 0,
            key: address(key),
            value: value.as_mut_ptr().expose_provenance() as u64,
            flags: 0,
        };
        // SAFETY: both addresses are of live buffers, the value's larger than any map's; it is ours alone.
        match unsafe { bpf(LOOKUP, &mut attributes) } {
            Ok(()) => {
                value.truncate(size);
                Ok(Some(value))
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(format!("looking up in `{map}`: {error}")),
        }
    }

    fn update(&self, map: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
        let mut values = vec![0; for_each_processor(value.len())];
        values[..value.len()].copy_from_slice(value);
        let mut attributes =
            Element { map: self.map(map)?, padding: 0, key: address(key), value: address(&values), flags: 0 };
        // SAFETY: both addresses are of live buffers, at least of the sizes of the map's keys and values.
        unsafe { bpf(UPDATE, &mut attributes) }.map_err(|error| format!("filling `{map}`: {error}"))
    }

    fn set_program(&self, map: &str, index: u32, program: &str) -> Result<(), String> {
        self.update(map, &index.to_ne_bytes(), &self.descriptor(program)?.to_ne_bytes())
    }

    fn events(&self, map: &str) -> Result<Vec<Vec<u8>>, String> {
        let symbol = map.replace('-', "_");
        let mut opened = self.buffers.lock().expect("no panic before");
        if let Some((_, buffers)) = opened.iter_mut().find(|(of, _)| *of == symbol) {
            return Ok(buffers.iter_mut().flat_map(samples).collect());
        }
        let known = self.ebpf.map(&symbol).ok_or_else(|| format!("there is no map `{symbol}`"))?;
        let mut ring = RingBuf::try_from(known).map_err(|error| format!("reading `{map}`: {error}"))?;
        Ok(std::iter::from_fn(|| ring.next().map(|event| event.to_vec())).collect())
    }

    fn keys(&self, map: &str, size: usize) -> Result<Vec<Vec<u8>>, String> {
        let descriptor = self.map(map)?;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut next = vec![0; size];
            let mut attributes = Element {
                map: descriptor,
                padding: 0,
                key: keys.last().map_or(0, |key| address(key)),
                value: next.as_mut_ptr().expose_provenance() as u64,
                flags: 0,
            };
            // SAFETY: both addresses are 0 or of live buffers of the size of the map's keys; `next` is ours alone.
            match unsafe { bpf(NEXT_KEY, &mut attributes) } {
                Ok(()) => keys.push(next),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(keys),
                Err(error) => return Err(format!("walking `{map}`: {error}")),
            }
        }
    }
}

/// Has the kernel verify a program; gives how many bytes of an Ethernet header it wants before each packet, which the program does not see.
fn load(program: &mut Program, tracepoint: &str) -> Result<usize, String> {
    let (result, hidden) = match program {
        Program::Xdp(xdp) => (xdp.load(), 0),
        Program::SchedClassifier(classifier) => (classifier.load(), 0),
        Program::SocketFilter(filter) => (filter.load(), ETHERNET),
        Program::CgroupSkb(cgroup) => (cgroup.load(), ETHERNET),
        Program::RawTracePoint(tracepoint) => (tracepoint.load(), 0),
        Program::TracePoint(tracepoint) => (tracepoint.load(), 0),
        Program::KProbe(probe) => (probe.load(), 0),
        Program::UProbe(probe) => (probe.load(), 0),
        Program::PerfEvent(sampled) => (sampled.load(), 0),
        Program::CgroupSockAddr(addresses) => (addresses.load(), 0),
        Program::BtfTracePoint(typed) => (typed.load(tracepoint, kernel_types()?), 0),
        other => return Err(format!("{:?} programs can't be tried", other.prog_type())),
    };
    result.map(|()| hidden).map_err(|error| with_causes(&error))
}

/// The types of the running kernel, which take long to read.
fn kernel_types() -> Result<&'static Btf, String> {
    static TYPES: OnceLock<Result<Btf, String>> = OnceLock::new();
    TYPES.get_or_init(|| Btf::from_sys_fs().map_err(|error| with_causes(&error))).as_ref().map_err(Clone::clone)
}

/// Opens a buffer of a page for each CPU, for each map of such buffers.
fn open_buffers(ebpf: &mut Ebpf) -> Result<Vec<(String, Buffers)>, String> {
    let is_array = |(name, map): (&str, &Map)| matches!(map, Map::PerfEventArray(_)).then(|| name.to_owned());
    let names: Vec<String> = ebpf.maps().filter_map(is_array).collect();
    let open = |name: String| {
        let map = ebpf.take_map(&name).ok_or_else(|| format!("there is no map `{name}`"))?;
        let mut array = PerfEventArray::try_from(map).map_err(|error| with_causes(&error))?;
        let cpus = online_cpus().map_err(|(file, error)| format!("{file}: {error}"))?;
        let buffers = cpus.into_iter().map(|cpu| array.open(cpu, Some(1)).map_err(|error| with_causes(&error)));
        Ok((name, buffers.collect::<Result<_, String>>()?))
    };
    names.into_iter().map(open).collect()
}

/// The samples in a buffer, which are taken.
fn samples(buffer: &mut PerfEventArrayBuffer<MapData>) -> Vec<Vec<u8>> {
    buffer.fold(Vec::new(), |mut samples, event| {
        if let PerfEvent::Sample { head, tail } = event {
            samples.push([head, tail].concat());
        }
        samples
    })
}

/// An Ethernet header for a packet that begins with one itself, or with an IP header.
fn ethernet(packet: &[u8]) -> [u8; ETHERNET] {
    let ether_type = match packet.first().map(|byte| byte >> 4) {
        Some(4) => [0x08, 0x00],
        Some(6) => [0x86, 0xdd],
        _ => packet.get(12..14).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default(),
    };
    let mut header = [0; ETHERNET];
    header[12..].copy_from_slice(&ether_type);
    header
}

/// Keeps this thread on the first CPU, so that what a program finds in per-CPU maps is what it put there before.
pub fn stay_on_first_processor() -> io::Result<()> {
    // SAFETY: the set is a plain bit field, for which zeros are a value; it is ours and of the size given.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// More bytes than the values of all CPUs take.
fn for_each_processor(size: usize) -> usize {
    size.next_multiple_of(8) * 1024
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

// `enum bpf_cmd` of include/uapi/linux/bpf.h.
const LOOKUP: libc::c_int = 1;
const UPDATE: libc::c_int = 2;
const NEXT_KEY: libc::c_int = 4;
const TEST_RUN: libc::c_int = 10;

/// `union bpf_attr`, for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    verdict: u32,
    input_size: u32,
    output_size: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
    context_size: u32,
    context_output_size: u32,
    context: u64,
    context_output: u64,
}

/// `union bpf_attr`, for the commands on elements.
#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    /// For `BPF_MAP_GET_NEXT_KEY`, the key that comes after it.
    value: u64,
    flags: u64,
}

fn address(bytes: &[u8]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a buffer below 4 GiB")
}

/// # Safety
///
/// The addresses in `attributes` are of live buffers of the sizes that the command takes, and those it writes to are the caller's alone.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<()> {
    // SAFETY: `attributes` is a live struct of the size given; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
