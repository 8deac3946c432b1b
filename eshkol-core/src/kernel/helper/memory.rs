//! Helpers that read and compare memory. Sources: `kernel/trace/bpf_trace.c`, `kernel/bpf/helpers.c`.

use super::ArgumentKind::{Int, IntOut, Memory, MemoryOut, Size, SizeOrZero};
use super::Programs::{Any, Tracing};
use super::{Helper, Licence, Programs, ResultKind};
use crate::check::types::IntType;
use crate::kernel::KernelVersion;

/// Commit f470378c75f4.
const PROBES: &[(Programs, KernelVersion)] = &[(Tracing, KernelVersion::new(5, 5)), (Any, KernelVersion::new(5, 8))];
/// Commit 8a67f2de9b1d.
const NUMBERS: &[(Programs, KernelVersion)] = &[(Any, KernelVersion::new(6, 1))];

/// One of the helpers that copy from an address that need not be valid.
const fn probe(id: u32, name: &'static str, result: ResultKind, note: &'static str) -> Helper {
    Helper {
        licence: Licence::Gpl,
        arguments: &[MemoryOut, SizeOrZero, Int(IntType::U64)],
        ..Helper::row(id, name, KernelVersion::new(5, 5), result, PROBES, note)
    }
}

const I64: ResultKind = ResultKind::Int(IntType::I64);

pub(super) static HELPERS: &[Helper] = &[
    Helper {
        arguments: &[Memory, Size, Int(IntType::U64), IntOut(IntType::I64)],
        ..Helper::row(
            105,
            "bpf-strtol",
            KernelVersion::new(5, 2),
            I64,
            NUMBERS,
            "reads a signed number; gives the characters read",
        )
    },
    Helper {
        arguments: &[Memory, Size, Int(IntType::U64), IntOut(IntType::U64)],
        ..Helper::row(
            106,
            "bpf-strtoul",
            KernelVersion::new(5, 2),
            I64,
            NUMBERS,
            "reads an unsigned number; gives the characters read",
        )
    },
    probe(112, "bpf-probe-read-user", ResultKind::Errno, "fills a buffer from an address of the current process"),
    probe(113, "bpf-probe-read-kernel", ResultKind::Errno, "fills a buffer from an address of the kernel"),
    probe(
        114,
        "bpf-probe-read-user-str",
        I64,
        "fills a buffer with text from an address of the current process; gives its length with the final NUL",
    ),
    probe(
        115,
        "bpf-probe-read-kernel-str",
        I64,
        "fills a buffer with text from an address of the kernel; gives its length with the final NUL",
    ),
];
