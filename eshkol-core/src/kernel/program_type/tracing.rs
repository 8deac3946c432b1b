//! Programs that look on: `:tracepoint`, `:raw-tracepoint`. They return any number, which the kernel
//! makes nothing of. Sources: `kernel/trace/bpf_trace.c` (`tp_prog_is_valid_access`, `raw_tp_prog_is_valid_access`),
//! and `SEC_DEF` in libbpf for the sections.

use super::{ContextStruct, PacketAccess, ProgramTypeFacts};
use crate::kernel::KernelVersion;

/// What they have in common.
const fn tracing(
    keyword: &'static str,
    number: u32,
    since: KernelVersion,
    section: &'static str,
    context: &'static str,
    note: &'static str,
) -> ProgramTypeFacts {
    ProgramTypeFacts {
        keyword,
        number,
        since,
        section,
        frags: None,
        sleepable: false,
        context: ContextStruct { name: context, fields: &[], note },
        results: None,
        packet: PacketAccess::None,
        first_header: None,
    }
}

/// Commit 98b5c2c65c29.
pub(super) static TRACEPOINT: ProgramTypeFacts = tracing(
    "tracepoint",
    5,
    KernelVersion::new(4, 7),
    "tracepoint",
    "trace_entry",
    "the record of the event, as `format` in tracefs describes it. At the tracepoints of system calls, `(get-syscall-id ctx)` gives the call's \
     number, `(get-syscall-arg ctx i)` at its entry the argument `i` of six, counted from 0, and `(get-syscall-return ctx)` at its exit the \
     result",
);
/// Commit c4f6699dfcb8.
pub(super) static RAW_TRACEPOINT: ProgramTypeFacts = tracing(
    "raw-tracepoint",
    17,
    KernelVersion::new(4, 17),
    "raw_tp",
    "bpf_raw_tracepoint_args",
    "the arguments of the tracepoint as the kernel's code gives them: `(raw-tracepoint-arg ctx i)` is one of them as a `:u64`, counted from 0",
);
