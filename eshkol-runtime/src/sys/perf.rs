//! perf_event_open(2): how programs are attached to tracepoints and functions, and where their samples go.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `PERF_TYPE_SOFTWARE`
const TYPE_SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_CPU_CLOCK`
const CPU_CLOCK: u64 = 0;
/// `PERF_COUNT_SW_BPF_OUTPUT`
const BPF_OUTPUT: u64 = 10;
/// `PERF_SAMPLE_RAW`
const SAMPLE_RAW: u64 = 1 << 10;
/// `inherit` and `freq` among the bits of `struct perf_event_attr`.
const INHERIT: u64 = flag(1);
const FREQUENCY: u64 = flag(10);
/// `PERF_TYPE_TRACEPOINT` of `enum perf_type_id` in include/uapi/linux/perf_event.h.
const TYPE_TRACEPOINT: u32 = 2;
/// `PERF_FLAG_FD_CLOEXEC`
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
/// `PERF_EVENT_IOC_ENABLE`
const ENABLE: libc::c_ulong = 0x2400;
/// `PERF_EVENT_IOC_SET_BPF`
const SET_BPF: libc::c_ulong = 0x4004_2408;

/// A bit field of C: counted from the other end on a big-endian machine.
const fn flag(number: u32) -> u64 {
    1 << if cfg!(target_endian = "big") { 63 - number } else { number }
}

/// `struct perf_event_attr` in its second version (`PERF_ATTR_SIZE_VER1`): integers only, and no padding.
#[repr(C)]
#[derive(Default)]
struct EventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
    config2: u64,
}

/// Where an event is counted.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// On a processor, whatever runs there.
    Cpu(u32),
    /// In a thread and those that it starts, wherever it runs.
    Thread(u32),
}

/// How often an event makes a sample.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Rate {
    /// So many times a second.
    Frequency(u64),
    /// Each time it has counted so much.
    Period(u64),
}

fn open(attr: &mut EventAttr, target: Target) -> io::Result<OwnedFd> {
    const ANY: libc::c_int = -1;
    let number = |number: u32| libc::c_int::try_from(number).unwrap_or(libc::c_int::MAX);
    let (thread, cpu) = match target {
        Target::Cpu(cpu) => (ANY, number(cpu)),
        Target::Thread(thread) => (number(thread), ANY),
    };
    const NO_GROUP: libc::c_int = -1;
    attr.size = u32::try_from(size_of::<EventAttr>()).unwrap_or_default();
    // An event that a program is attached to fires on every CPU, whichever it is opened for.
    // SAFETY: `attr` is live and exclusively ours for the call, its size is given; what an address in it points to is live, too.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, std::ptr::from_mut(attr), thread, cpu, NO_GROUP, CLOSE_ON_EXEC)
    };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The event of a tracepoint, by the number that tracefs has for it.
pub(crate) fn tracepoint(id: u64) -> io::Result<OwnedFd> {
    open(&mut EventAttr { kind: TYPE_TRACEPOINT, config: id, ..EventAttr::default() }, Target::Cpu(0))
}

/// Samples of time on a processor.
pub(crate) fn cpu_clock(rate: Rate, target: Target) -> io::Result<OwnedFd> {
    let (sample_period, by_frequency) = match rate {
        Rate::Frequency(samples) => (samples, FREQUENCY),
        Rate::Period(nanoseconds) => (nanoseconds, 0),
    };
    let inherit = if matches!(target, Target::Thread(_)) { INHERIT } else { 0 };
    let flags = by_frequency | inherit;
    open(
        &mut EventAttr { kind: TYPE_SOFTWARE, config: CPU_CLOCK, sample_period, flags, ..EventAttr::default() },
        target,
    )
}

/// What programs on a CPU output, as samples in its memory; each wakes who waits for it.
pub(crate) fn bpf_output(cpu: u32) -> io::Result<OwnedFd> {
    let mut attr = EventAttr {
        kind: TYPE_SOFTWARE,
        config: BPF_OUTPUT,
        sample_period: 1,
        sample_type: SAMPLE_RAW,
        wakeup_events: 1,
        ..EventAttr::default()
    };
    open(&mut attr, Target::Cpu(cpu))
}

/// The event of a function of the kernel or of a file: of an instruction of it, or of its return where `config` says so. `kind` is the number that
/// sysfs has for such events.
pub(crate) fn function(kind: u32, config: u64, name: &CStr, offset: u64, process: Option<u32>) -> io::Result<OwnedFd> {
    let config1 = name.as_ptr().expose_provenance() as u64;
    let target = process.map_or(Target::Cpu(0), Target::Thread);
    open(&mut EventAttr { kind, config, config1, config2: offset, ..EventAttr::default() }, target)
}

/// Has a program run at each event, from now on until the event's descriptor is closed.
pub(crate) fn attach(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    control(event, SET_BPF, program.as_raw_fd())?;
    enable(event)
}

/// Has an event make samples from now on.
pub(crate) fn enable(event: BorrowedFd<'_>) -> io::Result<()> {
    control(event, ENABLE, 0)
}

fn control(event: BorrowedFd<'_>, command: libc::c_ulong, argument: libc::c_int) -> io::Result<()> {
    // SAFETY: both commands take a number.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), command, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
