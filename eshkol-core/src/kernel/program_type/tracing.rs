//! Programs that look on: `:tracepoint`, `:raw-tracepoint`, `:kprobe`, `:kretprobe`, `:btf-tracepoint`, `:uprobe`, `:uretprobe`,
//! `:perf-event`. They return any number, which the kernel makes nothing of. Sources: `kernel/trace/bpf_trace.c`
//! (`tp_prog_is_valid_access`, `raw_tp_prog_is_valid_access`, `kprobe_prog_is_valid_access`), and `SEC_DEF` in libbpf for the sections.

use super::{ContextStruct, MachineWord, PacketAccess, ProgramTypeFacts, Results};
use crate::kernel::KernelVersion;

/// What they have in common.
const fn tracing(
    keyword: &'static str,
    number: u32,
    since: KernelVersion,
    section: &'static str,
    context: &'static str,
    words: &'static [MachineWord],
    note: &'static str,
) -> ProgramTypeFacts {
    ProgramTypeFacts {
        keyword,
        number,
        since,
        section,
        attach_types: &[],
        frags: None,
        sleepable: false,
        context: ContextStruct { name: context, fields: &[], words, note },
        results: Results::Ignored,
        packet: PacketAccess::None,
        first_headers: &[],
    }
}

/// Where a probe, or a sample, is. Where a function returns, neither is known on all machines: the kernel is about to go on elsewhere.
const INSTRUCTION_POINTER: MachineWord = MachineWord {
    name: "ip",
    what: "the instruction pointer; at a probe, an address a few bytes into the function, or its first",
    place: |registers| registers.instruction_pointer,
};
const STACK_POINTER: MachineWord =
    MachineWord { name: "sp", what: "the stack pointer", place: |registers| registers.stack_pointer };

/// `struct bpf_perf_event_data` in `include/uapi/linux/bpf_perf_event.h`, which begins with the registers.
const SAMPLE_PERIOD: MachineWord = MachineWord {
    name: "sample-period",
    what: "how much was counted since the last sample: nanoseconds, where time is sampled",
    place: |registers| registers.size,
};
/// Commit 95da0cdb723d. `perf_sample_data_init` in `include/linux/perf_event.h` leaves it as it is where there is none.
const SAMPLE_ADDRESS: MachineWord = MachineWord {
    name: "addr",
    what: "the address that was accessed, where the event has one; any number else",
    place: |registers| registers.size + 8,
};

/// Commit 98b5c2c65c29.
pub(super) static TRACEPOINT: ProgramTypeFacts = tracing(
    "tracepoint",
    5,
    KernelVersion::new(4, 7),
    "tracepoint",
    "trace_entry",
    &[],
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
    &[],
    "the arguments of the tracepoint as the kernel's code gives them: `(raw-tracepoint-arg ctx i)` is one of them as a `:u64`, counted from 0",
);
/// Commit 2541517c32be.
pub(super) static KPROBE: ProgramTypeFacts = tracing(
    "kprobe",
    2,
    KernelVersion::new(4, 1),
    "kprobe",
    "pt_regs",
    &[INSTRUCTION_POINTER, STACK_POINTER],
    "the registers: `(get-kprobe-arg ctx i)` is an argument of the function as a `:u64`, counted from 0. The entry may take the arguments \
     themselves in place of the context, each with its type",
);
/// The same type to the kernel.
pub(super) static KRETPROBE: ProgramTypeFacts = tracing(
    "kretprobe",
    2,
    KernelVersion::new(4, 1),
    "kretprobe",
    "pt_regs",
    &[],
    "the registers: `(kprobe-return-value ctx)` is what the function returned, as a `:u64`, and `(get-kprobe-arg ctx i)` an argument that it was \
     called with",
);
/// Commit 9e15db66136a.
pub(super) static BTF_TRACEPOINT: ProgramTypeFacts = tracing(
    "btf-tracepoint",
    26,
    KernelVersion::new(5, 5),
    "tp_btf",
    "bpf_raw_tracepoint_args",
    &[],
    "the arguments of the tracepoint as the kernel's code gives them. The entry names them in place of the context, each with its type: \
     `(define (main (preempt : bool) (previous : (ref task-struct)) (next : (ref task-struct))) …)` at `sched_switch`. What they refer to is read \
     by plain loads. Such a program has one attach point, which the kernel verifies it against",
);
/// To the kernel a kprobe.
pub(super) static UPROBE: ProgramTypeFacts = tracing(
    "uprobe",
    2,
    KernelVersion::new(4, 1),
    "uprobe",
    "pt_regs",
    &[INSTRUCTION_POINTER, STACK_POINTER],
    "the registers of the process: `(get-uprobe-arg ctx i)` is an argument of the function as a `:u64`, counted from 0. The entry may take the \
     arguments themselves in place of the context, each with its type. An attach point is `path:function`, `path:function+0x10`, or \
     `path:0x1139`, a place in the file",
);
/// The same.
pub(super) static URETPROBE: ProgramTypeFacts = tracing(
    "uretprobe",
    2,
    KernelVersion::new(4, 1),
    "uretprobe",
    "pt_regs",
    &[],
    "the registers of the process: `(uprobe-return-value ctx)` is what the function returned, as a `:u64`",
);
/// Commit 0515e5999a46.
pub(super) static PERF_EVENT: ProgramTypeFacts = tracing(
    "perf-event",
    7,
    KernelVersion::new(4, 9),
    "perf_event",
    "bpf_perf_event_data",
    &[INSTRUCTION_POINTER, STACK_POINTER, SAMPLE_PERIOD, SAMPLE_ADDRESS],
    "what was sampled: `(stack-id ctx stacks)` keeps the stack of the kernel, `(stack-id ctx stacks :user)` that of the process, in a \
     `:stack-trace` map, and gives its number",
);
