//! An object in the kernel, loaded as the library does it. What a macro would have written of it is written here, for our objects and for clang's.

use aya_obj::Object;
use eshkol::__private::{GlobalSpec, MapSpec, ProgramSpec, UnitSpec};
use eshkol::{Loaded, Loader, Program};

// `enum bpf_map_type` of include/uapi/linux/bpf.h.
const HASH: u32 = 1;
const ARRAY: u32 = 2;
const PROG_ARRAY: u32 = 3;
const PER_CPU_ARRAY: u32 = 6;
const RING_BUFFER: u32 = 27;

/// The maps that are looked into, in whichever unit they are.
static MAPS: &[MapSpec] = &[
    map("blocklist", HASH, 4, 1, 1024),
    map("packet_counter", ARRAY, 4, 8, 1),
    map("packets", PER_CPU_ARRAY, 4, 8, 1),
    map("traffic_stats", PER_CPU_ARRAY, 4, 16, 256),
    map("perf_stats", PER_CPU_ARRAY, 4, 8, 4),
    map("services", HASH, 8, 4, 16),
    map("backends", ARRAY, 4, 12, 4096),
    map("forwarded", PER_CPU_ARRAY, 4, 8, 1),
    map("connections", HASH, 16, 40, 1024),
    map("beginning", ARRAY, 4, 72, 1),
    map("program", PROG_ARRAY, 4, 4, 1),
    map("exec_events", RING_BUFFER, 0, 0, 1024 * 1024),
    map("events", RING_BUFFER, 0, 0, 1024 * 1024),
    map("start_times", HASH, 8, 8, 1024),
    map("latency_hist", PER_CPU_ARRAY, 4, 8, 100),
    map("waits", PER_CPU_ARRAY, 4, 8, 65),
];

/// The globals.
static GLOBALS: &[GlobalSpec] = &[
    lost_events("eshkol_lost_exec_events", ".data.eshkol_lost_exec_events"),
    lost_events("eshkol_lost_events", ".data.eshkol_lost_events"),
];

/// The programs, with their types.
const PROGRAMS: &[(&str, &str)] = &[
    ("xdp_main", "xdp"),
    ("socket_filter", "socket-filter"),
    ("trace_main", "tracepoint"),
    ("on_wakeup", "tracepoint"),
    ("on_switch", "tracepoint"),
    ("entry_probe", "kprobe"),
    ("eshkol_entry_return_probe", "kprobe"),
    ("return_probe", "kretprobe"),
];

const fn map(symbol: &'static str, kind: u32, key_size: u32, value_size: u32, max_entries: u32) -> MapSpec {
    MapSpec {
        name: symbol,
        symbol,
        kind,
        key_size,
        value_size,
        max_entries,
        flags: 0,
        pin_by_name: false,
        programs: &[],
    }
}

const fn lost_events(symbol: &'static str, section: &'static str) -> GlobalSpec {
    GlobalSpec { name: symbol, symbol, section, size: 8 }
}

const fn program(symbol: &'static str, program_type: &'static str) -> ProgramSpec {
    ProgramSpec {
        name: symbol,
        symbol,
        program_type,
        attach_points: &[],
        file: "",
        lines: &[],
        facts: &[],
        registers: None,
        entry_probe: None,
    }
}

/// A unit in the kernel, which has verified its programs.
pub(crate) struct Unit {
    pub(crate) loaded: Loaded,
    programs: Vec<Program>,
}

impl Unit {
    /// Loads an object.
    pub(crate) fn load(object: Vec<u8>) -> Result<Self, String> {
        let contents = Object::parse(&object).map_err(|error| format!("not an eBPF object: {error}"))?;
        let is_there = |(symbol, _): &&(&str, &str)| contents.programs.contains_key(*symbol);
        let programs: Vec<_> = PROGRAMS.iter().filter(is_there).map(|(symbol, of)| program(symbol, of)).collect();
        // A description of a unit is a static of the user's crate.
        let spec: &UnitSpec = Box::leak(Box::new(UnitSpec {
            name: "benchmark",
            object: object.leak(),
            min_kernel: (5, 10),
            maps: MAPS,
            programs: programs.leak(),
            globals: GLOBALS,
            log: &[],
            kfuncs: &[],
        }));
        let loaded = Loader::new(spec).load().map_err(|error| error.to_string())?;
        let programs = spec.programs.iter().map(|program| loaded.program(program.symbol)).collect::<Result<_, _>>();
        Ok(Self { programs: programs.map_err(|error| error.to_string())?, loaded })
    }

    /// Bytes of machine code, of all programs; 0 where the kernel interprets.
    pub(crate) fn machine_code(&self) -> u32 {
        self.programs.iter().map(Program::machine_code_size).sum()
    }

    /// How many instructions the verifier went through, in all programs.
    pub(crate) fn verified(&self) -> u32 {
        self.programs.iter().map(Program::verified_instructions).sum()
    }
}
