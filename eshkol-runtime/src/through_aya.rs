//! Loading through aya. The only file that knows aya's API: with a new version of it, only this one changes.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use aya::maps::{Map, MapError};
use aya::programs::{Program, ProgramError};
use aya::{Btf, BtfError, Ebpf, EbpfError, EbpfLoader};

use crate::error::{Error, Need, Result};
use crate::kernel_functions;
use crate::kernel_types;
use crate::map;
use crate::object::guarded;
use crate::program;
use crate::spec::{ProgramSpec, UnitSpec};
use crate::sys::signals::HeldBack;
use crate::verifier::VerifierError;

/// What to load differently from what the object says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Bytes of globals, by symbol. Of two for the same, the later one counts; so for the others.
    pub(crate) globals: Vec<(&'static str, Vec<u8>)>,
    /// Elements that maps hold at most, by symbol.
    pub(crate) max_entries: Vec<(&'static str, u32)>,
    /// Where maps are pinned, by symbol.
    pub(crate) pins: Vec<(&'static str, PathBuf)>,
}

/// A loaded unit.
pub(crate) struct Unit(Ebpf);

/// Creates the maps and has the kernel verify all programs.
pub(crate) fn load(spec: &'static UnitSpec, settings: &Settings) -> Result<Unit> {
    check_kernel_types(spec)?;
    // aya takes a refusal of its first, small programs for a kernel that lacks what they try, for as long as the process lives.
    let _signals = HeldBack::new();
    let mut loader = EbpfLoader::new();
    loader.allow_unsupported_maps();
    for (symbol, bytes) in &settings.globals {
        loader.override_global(symbol, bytes.as_slice(), true);
    }
    for (symbol, entries) in &settings.max_entries {
        loader.map_max_entries(symbol, *entries);
    }
    for (symbol, path) in &settings.pins {
        loader.map_pin_path(symbol, path.as_path());
    }
    let object = kernel_functions::resolved(spec)?;
    let loaded = guarded(|| loader.load(&object)).map_err(|reason| unreadable(spec, reason))?;
    let mut ebpf = loaded.map_err(|error| load_failed(spec, error))?;
    for program in spec.programs {
        let loaded = ebpf.program_mut(program.symbol).ok_or_else(|| missing(spec, "program", program.symbol))?;
        load_program(loaded, program).map_err(|error| program_failed(spec, program, error))?;
    }
    Ok(Unit(ebpf))
}

/// aya takes the absence of the kernel's type information for "nothing to relocate", and loads programs that read at wrong offsets.
fn check_kernel_types(spec: &UnitSpec) -> Result<()> {
    if kernel_types::are_there() {
        return Ok(());
    }
    let object = guarded(|| aya_obj::Object::parse(spec.object)).map_err(|reason| unreadable(spec, reason))?;
    let object = object.map_err(|error| damaged(spec, error))?;
    if !object.has_btf_relocations() {
        return Ok(());
    }
    Err(without_types(format!("load `{}`", spec.name), "It reads structs of the kernel, whose layout"))
}

/// What wants something of the kernel's types, which are not there.
fn without_types(action: String, wanted: &str) -> Error {
    let advice = format!(
        "{wanted} this kernel does not tell: it is built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted"
    );
    Error::with_advice(action, advice, kernel_types::missing())
}

impl Unit {
    /// A new descriptor of the map with this symbol (or of the section with this name).
    pub(crate) fn map(&self, spec: &UnitSpec, symbol: &str) -> Result<map::Opened> {
        let map = self.0.map(symbol).ok_or_else(|| missing(spec, "map", symbol))?;
        map_data(map)
            .fd()
            .as_fd()
            .try_clone_to_owned()
            .map(|fd| map::Opened(map::Source::Kernel(fd)))
            .map_err(|e| Error::system(format!("open map `{symbol}`"), Need::Maps, e))
    }

    /// A new descriptor of the program with this symbol.
    pub(crate) fn program(&self, spec: &UnitSpec, symbol: &str) -> Result<program::Opened> {
        let program = self.0.program(symbol).ok_or_else(|| missing(spec, "program", symbol))?;
        let fd = program.fd().map_err(|error| damaged(spec, error))?;
        let fd = fd.as_fd().try_clone_to_owned();
        fd.map(|fd| program::Opened(program::Source::Kernel(fd)))
            .map_err(|e| Error::system(format!("open program `{symbol}`"), Need::Maps, e))
    }

    pub(crate) fn ebpf_mut(&mut self) -> &mut Ebpf {
        &mut self.0
    }
}

fn map_data(map: &Map) -> &aya::maps::MapData {
    match map {
        Map::Array(data)
        | Map::ArrayOfMaps(data)
        | Map::BloomFilter(data)
        | Map::CgroupArray(data)
        | Map::CgroupStorage(data)
        | Map::CgrpStorage(data)
        | Map::CpuMap(data)
        | Map::DevMap(data)
        | Map::DevMapHash(data)
        | Map::HashMap(data)
        | Map::HashOfMaps(data)
        | Map::InodeStorage(data)
        | Map::LpmTrie(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuCgroupStorage(data)
        | Map::PerCpuHashMap(data)
        | Map::PerCpuLruHashMap(data)
        | Map::PerfEventArray(data)
        | Map::ProgramArray(data)
        | Map::Queue(data)
        | Map::ReusePortSockArray(data)
        | Map::RingBuf(data)
        | Map::SockHash(data)
        | Map::SockMap(data)
        | Map::SkStorage(data)
        | Map::Stack(data)
        | Map::StackTraceMap(data)
        | Map::Unsupported(data)
        | Map::XskMap(data) => data,
    }
}

/// Has the kernel verify a program.
fn load_program(program: &mut Program, spec: &ProgramSpec) -> Result<(), ProgramError> {
    match program {
        Program::BtfTracePoint(program) => {
            let point = spec.attach_points.first().copied().unwrap_or_default();
            program.load(program::tracepoint_name(point), &Btf::from_sys_fs()?)
        }
        Program::KProbe(program) => program.load(),
        Program::UProbe(program) => program.load(),
        Program::TracePoint(program) => program.load(),
        Program::SocketFilter(program) => program.load(),
        Program::ReusePortSocketFilter(program) => program.load(),
        Program::Xdp(program) => program.load(),
        Program::SkMsg(program) => program.load(),
        Program::SkSkb(program) => program.load(),
        Program::CgroupSockAddr(program) => program.load(),
        Program::SockOps(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        Program::CgroupSkb(program) => program.load(),
        Program::CgroupSysctl(program) => program.load(),
        Program::CgroupSockopt(program) => program.load(),
        Program::LircMode2(program) => program.load(),
        Program::PerfEvent(program) => program.load(),
        Program::RawTracePoint(program) => program.load(),
        Program::SkLookup(program) => program.load(),
        Program::SkReuseport(program) => program.load(),
        Program::FlowDissector(program) => program.load(),
        Program::CgroupSock(program) => program.load(),
        Program::CgroupDevice(program) => program.load(),
        // These are verified against the function or hook they go to, which their attach point names.
        Program::Lsm(_)
        | Program::LsmCgroup(_)
        | Program::FEntry(_)
        | Program::FExit(_)
        | Program::Extension(_)
        | Program::Iter(_) => Err(ProgramError::UnexpectedProgramType),
    }
}

fn program_failed(unit: &UnitSpec, spec: &'static ProgramSpec, error: ProgramError) -> Error {
    let action = format!("load program `{}` of `{}`", spec.name, unit.name);
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            // Without privilege the verifier is not even asked.
            if log.trim().is_empty() {
                Error::system(action, need(spec), io_error)
            } else {
                Error::Verifier(Box::new(VerifierError::new(spec, log, io_error)))
            }
        }
        ProgramError::UnexpectedProgramType => Error::Object {
            unit: unit.name.to_owned(),
            reason: format!("this version cannot load programs of type `:{}`", spec.program_type),
            source: None,
        },
        ProgramError::Btf(BtfError::UnknownBtfTypeName { .. }) => {
            let point = spec.attach_points.first().copied().unwrap_or_default();
            let advice = program::near_tracepoints(point, || action.clone());
            Error::with_advice(action, advice, io::Error::from_raw_os_error(libc::ENOENT))
        }
        ProgramError::Btf(_) if !kernel_types::are_there() => {
            without_types(action, "It belongs to a tracepoint of the kernel, the types of whose arguments")
        }
        other => refused(action, need(spec), other),
    }
}

fn load_failed(unit: &UnitSpec, error: EbpfError) -> Error {
    match error {
        EbpfError::MapError(MapError::CreateError { name, io_error }) => {
            let map = unit.maps.iter().find(|map| map.symbol == name);
            let action = match map {
                Some(map) => format!("create map `{}` of `{}`", map.name, unit.name),
                None => format!("create the data section `{name}` of `{}`", unit.name),
            };
            if matches!(io_error.raw_os_error(), Some(libc::EINVAL | libc::E2BIG)) {
                let advice = "This kernel may lack that kind of map or one of its flags, or the map is too big for it";
                return Error::with_advice(action, advice, io_error);
            }
            Error::system(action, Need::Maps, io_error)
        }
        EbpfError::BtfError(BtfError::LoadError { io_error, verifier_log }) => Error::Object {
            unit: unit.name.to_owned(),
            reason: format!("the kernel refuses its type information: {verifier_log}"),
            source: Some(Box::new(io_error)),
        },
        EbpfError::BtfRelocationError(error) => Error::with_advice(
            format!("load `{}`", unit.name),
            "What it declares of a struct of the kernel is not what the running kernel has: a field is a number of another size there, or several \
             structs have that name. `bpftool btf dump file /sys/kernel/btf/vmlinux format c` shows them",
            io::Error::new(io::ErrorKind::InvalidData, chain(&error)),
        ),
        EbpfError::MapError(error) => refused(format!("create the maps of `{}`", unit.name), Need::Maps, error),
        other => damaged(unit, other),
    }
}

/// A refusal of the kernel that aya passes on: with its error number, where one is in the chain.
fn refused(action: String, need: Need, error: impl StdError + Send + Sync + 'static) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(errno) = current.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Error::system(action, need, io::Error::from_raw_os_error(errno));
        }
        cause = current.source();
    }
    Error::system(action, need, io::Error::other(error))
}

fn unreadable(unit: &UnitSpec, reason: String) -> Error {
    Error::Object { unit: unit.name.to_owned(), reason, source: None }
}

fn damaged(unit: &UnitSpec, error: impl StdError + Send + Sync + 'static) -> Error {
    Error::Object { unit: unit.name.to_owned(), reason: chain(&error), source: Some(Box::new(error)) }
}

/// An error with its causes, as one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The privilege that a type of program takes.
fn need(program: &ProgramSpec) -> Need {
    match program.program_type {
        "kprobe" | "kretprobe" | "uprobe" | "uretprobe" | "tracepoint" | "raw-tracepoint" | "btf-tracepoint"
        | "fentry" | "fexit" | "fmod-ret" | "lsm" | "perf-event" | "iter" => Need::Tracing,
        "socket-filter" => Need::Maps,
        _ => Need::Networking,
    }
}

fn missing(unit: &UnitSpec, what: &'static str, name: &str) -> Error {
    Error::UnknownName { what, name: name.to_owned(), unit: unit.name.to_owned() }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit").finish_non_exhaustive()
    }
}
