//! Helpers for tracing. Source: `kernel/trace/bpf_trace.c`.

use super::ArgumentKind::{Context, Int, Map, MemoryOut, SizeOrZero};
use super::Programs::{One, Probes, Tracing};
use super::{Helper, Licence, Programs, ResultKind};
use crate::check::types::IntType;
use crate::kernel::{KernelVersion, MapKind, ProgramType};

const I64: ResultKind = ResultKind::Int(IntType::I64);

const fn version(major: u16, minor: u16) -> KernelVersion {
    KernelVersion::new(major, minor)
}

/// Commit 7adfc6c9b315.
const COOKIE: &[(Programs, KernelVersion)] = &[
    (One(ProgramType::Tracepoint), version(5, 15)),
    (Probes, version(5, 15)),
    (One(ProgramType::PerfEvent), version(5, 15)),
    // Commit 68ca5d4eebb8.
    (One(ProgramType::RawTracepoint), version(6, 10)),
];

/// Commit 9ffd9f3ff719.
const FUNCTION: &[(Programs, KernelVersion)] = &[(Probes, version(5, 15))];

pub(super) static HELPERS: &[Helper] = &[
    Helper {
        licence: Licence::Gpl,
        arguments: &[MemoryOut, SizeOrZero, Int(IntType::U64)],
        ..Helper::row(
            4,
            "bpf-probe-read",
            version(4, 1),
            ResultKind::Errno,
            &[(Tracing, version(4, 1))],
            "fills a buffer from an address of the kernel or the process; since 5.5 there is one helper for each",
        )
    },
    Helper {
        licence: Licence::Gpl,
        arguments: &[MemoryOut, SizeOrZero, Int(IntType::U64)],
        ..Helper::row(
            45,
            "bpf-probe-read-str",
            version(4, 11),
            I64,
            &[(Tracing, version(4, 11))],
            "fills a buffer with text from an address; gives its length with the final NUL",
        )
    },
    Helper {
        licence: Licence::Gpl,
        arguments: &[Context, Map(&[MapKind::StackTrace]), Int(IntType::U64)],
        ..Helper::row(
            27,
            "bpf-get-stackid",
            version(4, 6),
            I64,
            &[(Tracing, version(4, 6))],
            "keeps the call stack in a `:stack-trace` map and gives its number there, or a negative errno; `(stack-id ctx map)` says the flags",
        )
    },
    Helper {
        licence: Licence::Gpl,
        arguments: &[Context, MemoryOut, SizeOrZero, Int(IntType::U64)],
        ..Helper::row(
            67,
            "bpf-get-stack",
            version(4, 18),
            I64,
            &[(Tracing, version(4, 18))],
            "fills a buffer with the addresses of the call stack; gives the bytes written",
        )
    },
    Helper {
        // Commit 9ffd9f3ff719 for probes; those it is not for are refused by `check_get_func_ip` in `kernel/bpf/verifier.c`.
        licence: Licence::Gpl,
        arguments: &[Context],
        ..Helper::row(
            173,
            "bpf-get-func-ip",
            version(5, 15),
            ResultKind::Int(IntType::U64),
            FUNCTION,
            "the address of the function that is probed",
        )
    },
    Helper {
        arguments: &[Context],
        ..Helper::row(
            174,
            "bpf-get-attach-cookie",
            version(5, 15),
            ResultKind::Int(IntType::U64),
            COOKIE,
            "the number that user space gave with the attachment",
        )
    },
];
