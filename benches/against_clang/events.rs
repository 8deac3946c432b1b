//! Programs at tracepoints that send events, both in the kernel: what happens there gives both the same.

use std::io::{Seek as _, SeekFrom};
use std::process::Command;
use std::time::{Duration, Instant};

use eshkol::{RingBuf, TracepointProgram, TracingLink};

use crate::programs::Program;
use crate::unit::Unit;

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

/// Whether both send the same event for the same system call.
pub(crate) fn compare(program: &Program, ours: &Unit, theirs: &Unit) -> Result<(), String> {
    let subject = if program.name == EXEC.name { EXEC } else { AUDIT };
    let links = (attach(&subject, ours)?, attach(&subject, theirs)?);
    let mark = cause(&subject)?;
    let end = Instant::now() + Duration::from_secs(5);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    while (one.is_empty() || other.is_empty()) && Instant::now() < end {
        one.extend(all_events(ours, &subject, &mark)?);
        other.extend(all_events(theirs, &subject, &mark)?);
    }
    drop(links);
    if one.len() == 1 && one == other {
        return Ok(());
    }
    Err(format!("sends {one:02x?}, and the other's {other:02x?}"))
}

fn attach(subject: &Subject, unit: &Unit) -> Result<TracingLink, String> {
    let program: TracepointProgram = unit.loaded.program("trace_main").map_err(|error| error.to_string())?;
    program.attach_to(subject.point).map_err(|error| error.to_string())
}

fn all_events(unit: &Unit, subject: &Subject, mark: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    match subject.size {
        EXEC_EVENT => events::<EXEC_EVENT>(unit, subject, mark),
        _ => events::<AUDIT_EVENT>(unit, subject, mark),
    }
}

/// The events that are there and hold some bytes.
fn events<const SIZE: usize>(unit: &Unit, subject: &Subject, mark: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let failed = |error: eshkol::Error| error.to_string();
    let buffer: RingBuf<[u8; SIZE]> = unit.loaded.ring_buffer(subject.buffer, subject.lost).map_err(failed)?;
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
