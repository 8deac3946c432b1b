//! Functions of the kernel as places for programs: the event of a function's entry or return, and what can be wrong with its name.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::Handle;
use crate::error::{Error, Need, Result, suggestions};
use crate::sys::perf;

/// Where in a function.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Side {
    Entry,
    Return,
}

/// The kernel's own kind of event for probes in it (commit e12f03d7031a, 4.17).
const PROBES: &str = "/sys/bus/event_source/devices/kprobe";
/// The same for probes in processes (commit 33ea4b24277b, 4.17).
pub(super) const USER_PROBES: &str = "/sys/bus/event_source/devices/uprobe";

/// Attaches a program to a function, or for an entry to a place in it, `function+0x10`, until what this gives is closed.
pub(super) fn open(program: &Handle, point: &str, side: Side) -> Result<OwnedFd> {
    open_for(program, side, program, point, side)
}

/// Attaches a program to one side of a function for the sake of another that is to be attached to the other.
pub(super) fn open_for(other: &Handle, wanted: Side, program: &Handle, point: &str, side: Side) -> Result<OwnedFd> {
    let what = if wanted == Side::Entry { "function" } else { "the return of function" };
    let action = || format!("attach program `{}` to {what} `{point}`", other.spec.name);
    let fd = program.in_kernel(action)?;
    let (name, offset) = split(point, wanted).ok_or_else(|| {
        let advice = "A place is written `function`, or for an entry also `function+0x10`";
        Error::with_advice(action(), advice, io::Error::from(io::ErrorKind::InvalidInput))
    })?;
    let symbol =
        CString::new(name).map_err(|error| Error::with_advice(action(), "No name has a NUL in it", error.into()))?;
    let (kind, config) = event_of(PROBES, side).map_err(|error| no_probes(action(), error))?;
    let event = perf::function(kind, config, &symbol, offset, None).map_err(|error| refused(action(), name, error))?;
    perf::attach(event.as_fd(), fd).map_err(|error| Error::system(action(), Need::Tracing, error))?;
    Ok(event)
}

/// The kind of event of probes, and the `config` that says where.
pub(super) fn event_of(probes: &str, side: Side) -> io::Result<(u32, u64)> {
    let kind = number(&Path::new(probes).join("type"))?;
    let config = match side {
        Side::Entry => 0,
        Side::Return => 1 << return_bit(probes)?,
    };
    Ok((kind, config))
}

/// The function's name, and how far into it.
pub(super) fn split(point: &str, side: Side) -> Option<(&str, u64)> {
    let Some((name, offset)) = point.split_once('+') else {
        return (!point.is_empty()).then_some((point, 0));
    };
    let offset = match offset.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => offset.parse().ok(),
    };
    Some((name, offset?)).filter(|_| side == Side::Entry && !name.is_empty())
}

fn number(path: &Path) -> io::Result<u32> {
    fs::read_to_string(path)?.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// The bit of `config` that says "at its return": `config:0`.
fn return_bit(probes: &str) -> io::Result<u32> {
    let text = fs::read_to_string(Path::new(probes).join("format/retprobe"))?;
    let bit = text.trim().strip_prefix("config:").and_then(|bit| bit.parse().ok()).filter(|bit| *bit < 64);
    bit.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The kernel does not say how to ask for probes.
fn no_probes(action: String, error: io::Error) -> Error {
    let advice = if Path::new("/sys/bus/event_source").exists() {
        "This kernel has no probes in its functions: it is older than 4.17, or built without CONFIG_KPROBE_EVENTS. Tracepoints may do, which it has \
         in fewer places (`:tracepoint`, `:raw-tracepoint`)"
    } else {
        "/sys is not mounted, through which the kernel tells of its probes: as root, `mount -t sysfs sysfs /sys`"
    };
    Error::with_advice(action, advice, error)
}

/// The kernel does not put a probe there.
fn refused(action: String, name: &str, error: io::Error) -> Error {
    let advice = match error.raw_os_error() {
        Some(libc::ENOENT) => {
            let near = suggestions("function of this name", name, &functions_like(name), "");
            format!(
                "{near}. Functions that the compiler has put in place of their calls are none any more, and of some only a part is left, named \
                 like `{name}.isra.0`"
            )
        }
        Some(libc::EADDRNOTAVAIL) => {
            "This kernel has several functions of this name, and can't tell which is meant".to_owned()
        }
        Some(libc::EINVAL) if is_forbidden(name) => {
            "This function is one of those that can't be probed (/sys/kernel/debug/kprobes/blacklist): the probes would run into themselves. A \
             function that calls it, or that it calls, may do"
                .to_owned()
        }
        Some(libc::EINVAL | libc::EILSEQ) => {
            "There can be no probe at this place: functions that tracing itself is made of can't be probed, code that runs once at the start is \
             gone, and an offset must be that of an instruction"
                .to_owned()
        }
        _ => return Error::system(action, Need::Tracing, error),
    };
    Error::with_advice(action, advice, error)
}

/// Whether a function is on the kernel's list of those that can't be probed, where that can be read.
fn is_forbidden(name: &str) -> bool {
    let list = fs::read_to_string("/sys/kernel/debug/kprobes/blacklist").unwrap_or_default();
    // 0xffffffff81000000-0xffffffff81000040 name
    list.lines().any(|line| line.split_whitespace().nth(1) == Some(name))
}

/// The kernel's functions whose names are about as long and begin or end alike: of a hundred thousand, a few to compare.
fn functions_like(name: &str) -> Vec<String> {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    // address type name [module]
    let functions = symbols.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let kind = words.next()?;
        words.next().filter(|_| matches!(kind, "t" | "T" | "W" | "w"))
    });
    let (begin, end) = (name.get(..2).unwrap_or(name), name.get(name.len().saturating_sub(3)..).unwrap_or(name));
    let is_near = |other: &&str| {
        other.len().abs_diff(name.len()) <= name.len().div_ceil(2) && (other.starts_with(begin) || other.ends_with(end))
    };
    let near = functions.filter(is_near);
    near.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_function_and_an_offset() {
        assert!(split("tcp_sendmsg", Side::Return) == Some(("tcp_sendmsg", 0)));
        assert!(split("tcp_sendmsg+0x1f", Side::Entry) == Some(("tcp_sendmsg", 31)));
        assert!(split("tcp_sendmsg+4", Side::Entry) == Some(("tcp_sendmsg", 4)));
        for (wrong, side) in
            [("f+4", Side::Return), ("f+", Side::Entry), ("f+x", Side::Entry), ("+4", Side::Entry), ("", Side::Entry)]
        {
            assert!(split(wrong, side).is_none(), "{wrong}");
        }
    }
}
