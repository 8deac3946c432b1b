//! Programs at tracepoints, both in the kernel: what happens there gives both the same events.

use std::io::{Seek as _, SeekFrom};
use std::process::Command;
use std::time::{Duration, Instant};

use eshkol::__private::{GlobalSpec, MapSpec, ProgramSpec, UnitSpec};
use eshkol::{Loaded, Loader, RingBuf, TracepointProgram};

use crate::programs::Program;

/// One of the programs: where it looks on, its ring buffer, and which bytes of its events tell the time.
struct Subject {
    name: &'static str,
    point: &'static str,
    buffer: &'static str,
    lost: &'static str,
    time: std::ops::Range<usize>,
    size: usize,
}

const EXEC: Subject = Subject {
    name: "guide-exec-snoop",
    point: "syscalls:sys_enter_execve",
    buffer: "exec_events",
    lost: "eshkol_lost_exec_events",
    time: 0..0,
    size: EXEC_EVENT,
};
const AUDIT: Subject = Subject {
    name: "guide-syscall-audit",
    point: "raw_syscalls:sys_enter",
    buffer: "events",
    lost: "eshkol_lost_events",
    time: 0..8,
    size: AUDIT_EVENT,
};
const EXEC_EVENT: usize = 276;
const AUDIT_EVENT: usize = 88;

static MAPS: [MapSpec; 2] = [ring_buffer(EXEC.buffer), ring_buffer(AUDIT.buffer)];
static GLOBALS: [GlobalSpec; 2] = [
    GlobalSpec { name: EXEC.lost, symbol: EXEC.lost, section: ".data.eshkol_lost_exec_events", size: 8 },
    GlobalSpec { name: AUDIT.lost, symbol: AUDIT.lost, section: ".data.eshkol_lost_events", size: 8 },
];
static PROGRAMS: [ProgramSpec; 1] = [ProgramSpec {
    name: "trace-main",
    symbol: "trace_main",
    program_type: "tracepoint",
    attach_points: &[],
    file: "",
    lines: &[],
    facts: &[],
    registers: None,
    entry_probe: None,
}];

const fn ring_buffer(symbol: &'static str) -> MapSpec {
    const RING_BUFFER: u32 = 27;
    MapSpec {
        name: symbol,
        symbol,
        kind: RING_BUFFER,
        key_size: 0,
        value_size: 0,
        max_entries: 1024 * 1024,
        flags: 0,
        pin_by_name: false,
        programs: &[],
    }
}

/// A program in the kernel.
pub(crate) struct Looking {
    unit: Loaded,
    pub(crate) program: TracepointProgram,
}

impl Looking {
    /// Loads an object.
    pub(crate) fn load(object: Vec<u8>) -> Result<Self, String> {
        let spec = UnitSpec {
            name: "benchmark",
            object: object.leak(),
            min_kernel: (5, 10),
            maps: &MAPS,
            programs: &PROGRAMS,
            globals: &GLOBALS,
            log: &[],
        };
        let unit = Loader::new(Box::leak(Box::new(spec))).load().map_err(|error| error.to_string())?;
        let program = unit.program("trace_main").map_err(|error| error.to_string())?;
        Ok(Self { unit, program })
    }

    /// The events that are there and hold some bytes.
    fn events<const SIZE: usize>(&self, subject: &Subject, mark: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let failed = |error: eshkol::Error| error.to_string();
        let buffer: RingBuf<[u8; SIZE]> = self.unit.ring_buffer(subject.buffer, subject.lost).map_err(failed)?;
        let mut events = Vec::new();
        while let Some(event) = buffer.try_next().map_err(failed)? {
            if event.windows(mark.len()).any(|bytes| bytes == mark) {
                let mut event = event.to_vec();
                event[subject.time.clone()].fill(0);
                events.push(event);
            }
        }
        Ok(events)
    }

    fn all_events(&self, subject: &Subject, mark: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        match subject.size {
            EXEC_EVENT => self.events::<EXEC_EVENT>(subject, mark),
            _ => self.events::<AUDIT_EVENT>(subject, mark),
        }
    }
}

/// Whether both send the same event for the same system call.
pub(crate) fn compare(program: &Program, ours: &Looking, theirs: &Looking) -> Result<(), String> {
    let subject = if program.name == EXEC.name { EXEC } else { AUDIT };
    let failed = |error: eshkol::Error| format!("{}: {error}", program.name);
    let links = (
        ours.program.attach_to(subject.point).map_err(failed)?,
        theirs.program.attach_to(subject.point).map_err(failed)?,
    );
    let mark = cause(&subject)?;
    let end = Instant::now() + Duration::from_secs(5);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    while (one.is_empty() || other.is_empty()) && Instant::now() < end {
        one.extend(ours.all_events(&subject, &mark)?);
        other.extend(theirs.all_events(&subject, &mark)?);
    }
    drop(links);
    if one.len() == 1 && one == other {
        return Ok(());
    }
    Err(format!("{} sends {one:02x?}, and in C {other:02x?}", program.name))
}

/// Makes a system call that no one else makes. Gives what is in its event alone.
fn cause(subject: &Subject) -> Result<Vec<u8>, String> {
    let number = 0x65_7300_0000_u64 + u64::from(std::process::id());
    if subject.name == EXEC.name {
        let nowhere = format!("/nowhere/{number:x}");
        if Command::new(&nowhere).spawn().is_ok() {
            return Err(format!("{nowhere} is somewhere"));
        }
        return Ok(nowhere.into_bytes());
    }
    // Without a file there is nothing to seek in, but the call is seen.
    let mut file = std::fs::File::open("/proc/self/exe").map_err(|error| error.to_string())?;
    file.seek(SeekFrom::Start(number)).map_err(|error| error.to_string())?;
    Ok(number.to_ne_bytes().to_vec())
}
