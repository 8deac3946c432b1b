//! Helpers on maps. Source: `kernel/bpf/helpers.c`; which kinds they take: `check_map_func_compatibility` in `kernel/bpf/verifier.c`.

use super::ArgumentKind::{Callback, CallbackContext, Context, Int, Map, MapKey, MapValue, Memory, Record, Size};
use super::Programs::Any;
use super::{Helper, Programs, ResultKind};
use crate::check::types::IntType;
use crate::kernel::MapKind::{
    Array, DevMap, DevMapHash, Hash, LpmTrie, LruHash, LruPerCpuHash, PerCpuArray, PerCpuHash, ProgArray, RingBuf,
    XskMap,
};
use crate::kernel::{KernelVersion, MapKind};

const LOOKUP: &[MapKind] =
    &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash, LpmTrie, DevMap, DevMapHash, XskMap];
const UPDATE: &[MapKind] = &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash, LpmTrie];
const DELETE: &[MapKind] = &[Hash, PerCpuHash, LruHash, LruPerCpuHash, LpmTrie];
const FOR_EACH: &[MapKind] = &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash];
const PER_CPU: &[MapKind] = &[PerCpuHash, PerCpuArray, LruPerCpuHash];

const ALWAYS: &[(Programs, KernelVersion)] = &[(Any, KernelVersion::new(3, 19))];

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
            "finds the value of a key",
        )
    },
    Helper {
        arguments: &[Map(UPDATE), MapKey, MapValue, Int(IntType::U64)],
        packet_memory: true,
        ..Helper::row(
            2,
            "bpf-map-update-elem",
            KernelVersion::new(3, 19),
            ResultKind::Errno,
            ALWAYS,
            "sets the value of a key; the flags are :any, :noexist or :exist",
        )
    },
    Helper {
        arguments: &[Map(DELETE), MapKey],
        packet_memory: true,
        ..Helper::row(
            3,
            "bpf-map-delete-elem",
            KernelVersion::new(3, 19),
            ResultKind::Errno,
            ALWAYS,
            "removes a key and its value",
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
            "finds the value that a key has on another CPU",
        )
    },
];
