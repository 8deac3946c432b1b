//! Helpers on maps. Source: `kernel/bpf/helpers.c`; which kinds they take: `check_map_func_compatibility` in `kernel/bpf/verifier.c`.

use super::ArgumentKind::{
    Callback, CallbackContext, Context, Int, Map, MapKey, MapValue, Memory, Record, Size, SizeOrZero,
};
use super::Programs::{Any, One, Probes, SocketFilter, TrafficControl};
use super::{Helper, Licence, Programs, ResultKind};
use crate::check::types::IntType;
use crate::kernel::MapKind::{
    Array, DevMap, DevMapHash, Hash, LpmTrie, LruHash, LruPerCpuHash, PerCpuArray, PerCpuHash, PerfEventArray,
    ProgArray, RingBuf, XskMap,
};
use crate::kernel::{KernelVersion, MapKind, ProgramType};

const LOOKUP: &[MapKind] =
    &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash, LpmTrie, DevMap, DevMapHash, XskMap];
const UPDATE: &[MapKind] = &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash, LpmTrie];
const DELETE: &[MapKind] = &[Hash, PerCpuHash, LruHash, LruPerCpuHash, LpmTrie];
const FOR_EACH: &[MapKind] = &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash];
const PER_CPU: &[MapKind] = &[PerCpuHash, PerCpuArray, LruPerCpuHash];

/// Calls that the verifier turns into calls of the map's own operations, which gave an `int` before commit d7ba4cc900bf: of the register that the
/// program finds the result in, such a function leaves the upper half as it likes.
const OPERATIONS_GIVE_LONG: KernelVersion = KernelVersion::new(6, 4);

const ALWAYS: &[(Programs, KernelVersion)] = &[(Any, KernelVersion::new(3, 19))];

/// By the commits a43eec304259, 9940d67c93b5 (tracepoints), 0515e5999a46 (samples), c4f6699dfcb8 (raw tracepoints), bd570ff970a5 (traffic
/// control), 4de16969523c (XDP), 7c4b90d79d0f (sockets and cgroups' packets), fcf752ea68ec (cgroups' addresses).
const OUTPUT: &[(Programs, KernelVersion)] = &[
    (Probes, KernelVersion::new(4, 4)),
    (One(ProgramType::Tracepoint), KernelVersion::new(4, 7)),
    (One(ProgramType::PerfEvent), KernelVersion::new(4, 9)),
    (One(ProgramType::RawTracepoint), KernelVersion::new(4, 17)),
    (One(ProgramType::BtfTracepoint), KernelVersion::new(5, 5)),
    (TrafficControl, KernelVersion::new(4, 7)),
    (One(ProgramType::Xdp), KernelVersion::new(4, 8)),
    (SocketFilter, KernelVersion::new(5, 4)),
    (One(ProgramType::CgroupSockAddr), KernelVersion::new(5, 7)),
];

pub(super) static HELPERS: &[Helper] = &[
    Helper {
        arguments: &[Map(LOOKUP), MapKey],
        packet_memory: true,
        ..Helper::row(
            1,
            "bpf-map-lookup-elem",
            KernelVersion::new(3, 19),
            ResultKind::OptionalMapValue,
            ALWAYS,
            "finds the value of a key, as `map-lookup` does",
        )
    },
    Helper {
        arguments: &[Map(UPDATE), MapKey, MapValue, Int(IntType::U64)],
        packet_memory: true,
        whole_since: OPERATIONS_GIVE_LONG,
        ..Helper::row(
            2,
            "bpf-map-update-elem",
            KernelVersion::new(3, 19),
            ResultKind::Errno,
            ALWAYS,
            "sets the value of a key, as `map-update` does; the flags are `:any`, `:noexist` or `:exist`",
        )
    },
    Helper {
        arguments: &[Map(DELETE), MapKey],
        packet_memory: true,
        whole_since: OPERATIONS_GIVE_LONG,
        ..Helper::row(
            3,
            "bpf-map-delete-elem",
            KernelVersion::new(3, 19),
            ResultKind::Errno,
            ALWAYS,
            "removes a key and its value, as `map-delete` does",
        )
    },
    Helper {
        arguments: &[Context, Map(&[ProgArray]), Int(IntType::U32)],
        // The program that is called may do so (commit 1a4607ffba35), and the kernel does not look whether there is one.
        changes_packet_data: true,
        ..Helper::row(
            12,
            "bpf-tail-call",
            KernelVersion::new(4, 2),
            ResultKind::Unit,
            &[(Any, KernelVersion::new(4, 2))],
            "goes on with another program; `tail-call` makes that of the name of one",
        )
    },
    Helper {
        licence: Licence::Gpl,
        arguments: &[Context, Map(&[PerfEventArray]), Int(IntType::U64), Memory, SizeOrZero],
        ..Helper::row(
            25,
            "bpf-perf-event-output",
            KernelVersion::new(4, 4),
            ResultKind::Errno,
            OUTPUT,
            "copies an event into a buffer of the CPU; `perf-output` makes that of any struct",
        )
    },
    Helper {
        arguments: &[Map(&[RingBuf]), Memory, Size, Int(IntType::U64)],
        packet_memory: true,
        ..Helper::row(
            130,
            "bpf-ringbuf-output",
            KernelVersion::new(5, 8),
            ResultKind::Errno,
            &[(Any, KernelVersion::new(5, 8))],
            "copies an event into a ring buffer; `ringbuf-submit` makes that of any struct",
        )
    },
    Helper {
        arguments: &[Map(&[RingBuf]), Int(IntType::U64), Int(IntType::U64)],
        ..Helper::row(
            131,
            "bpf-ringbuf-reserve",
            KernelVersion::new(5, 8),
            ResultKind::OptionalRecord,
            &[(Any, KernelVersion::new(5, 8))],
            "makes room for an event in a ring buffer; `ringbuf-reserve` makes that of any struct",
        )
    },
    Helper {
        arguments: &[Record, Int(IntType::U64)],
        ..Helper::row(
            132,
            "bpf-ringbuf-submit",
            KernelVersion::new(5, 8),
            ResultKind::Unit,
            &[(Any, KernelVersion::new(5, 8))],
            "sends an event for which room was made; `ringbuf-submit` makes that of what was reserved",
        )
    },
    Helper {
        arguments: &[Record, Int(IntType::U64)],
        ..Helper::row(
            133,
            "bpf-ringbuf-discard",
            KernelVersion::new(5, 8),
            ResultKind::Unit,
            &[(Any, KernelVersion::new(5, 8))],
            "gives up an event for which room was made; `ringbuf-discard` makes that of what was reserved",
        )
    },
    Helper {
        arguments: &[Map(&[RingBuf]), Int(IntType::U64)],
        ..Helper::row(
            134,
            "bpf-ringbuf-query",
            KernelVersion::new(5, 8),
            ResultKind::Int(IntType::U64),
            &[(Any, KernelVersion::new(5, 8))],
            "bytes of a ring buffer that wait for user space (0), its size (1), the reader's (2) or the writer's place (3)",
        )
    },
    Helper {
        arguments: &[Map(FOR_EACH), Callback, CallbackContext, Int(IntType::U64)],
        whole_since: OPERATIONS_GIVE_LONG,
        ..Helper::row(
            164,
            "bpf-for-each-map-elem",
            KernelVersion::new(5, 13),
            ResultKind::Int(IntType::I64),
            &[(Any, KernelVersion::new(5, 13))],
            "calls a function for each element of a map; `map-for-each` makes that of any procedure",
        )
    },
    Helper {
        arguments: &[Map(PER_CPU), MapKey, Int(IntType::U32)],
        packet_memory: true,
        ..Helper::row(
            195,
            "bpf-map-lookup-percpu-elem",
            KernelVersion::new(5, 19),
            ResultKind::OptionalMapValue,
            &[(Any, KernelVersion::new(5, 19))],
            "finds the value that a key has on any CPU",
        )
    },
];
