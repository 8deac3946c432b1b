//! Helpers on packets, routes and checksums. Source: `net/core/filter.c` (`xdp_func_proto`, `tc_cls_act_func_proto`).

use super::ArgumentKind::{
    Context, FixedMemory, Int, IntInOut, Map, Memory, MemoryInOut, MemoryOrNull, MemoryOut, Size, SizeOrZero,
};
use super::Programs::{One, TrafficControl};
use super::{Helper, Licence, Programs, ResultKind};
use crate::check::types::IntType;
use crate::kernel::{KernelVersion, MapKind, ProgramType};

const I64: ResultKind = ResultKind::Int(IntType::I64);

const fn version(major: u16, minor: u16) -> KernelVersion {
    KernelVersion::new(major, minor)
}

const SYN_COOKIES: &[(Programs, KernelVersion)] =
    &[(One(ProgramType::Xdp), version(6, 0)), (TrafficControl, version(6, 0))];
const XDP_5_18: &[(Programs, KernelVersion)] = &[(One(ProgramType::Xdp), version(5, 18))];

/// One of the helpers that move an end of the packet.
const fn adjust(
    id: u32,
    name: &'static str,
    since: KernelVersion,
    programs: &'static [(Programs, KernelVersion)],
    note: &'static str,
) -> Helper {
    Helper {
        arguments: &[Context, Int(IntType::I32)],
        changes_packet_data: true,
        ..Helper::row(id, name, since, ResultKind::Errno, programs, note)
    }
}

/// One of the helpers for SYN cookies without a socket.
const fn syncookie(
    id: u32,
    name: &'static str,
    arguments: &'static [super::ArgumentKind],
    note: &'static str,
) -> Helper {
    Helper {
        licence: Licence::Gpl,
        arguments,
        packet_memory: true,
        ..Helper::row(id, name, version(6, 0), I64, SYN_COOKIES, note)
    }
}

pub(super) static HELPERS: &[Helper] = &[
    Helper {
        arguments: &[Int(IntType::U32), Int(IntType::U64)],
        ..Helper::row(
            23,
            "bpf-redirect",
            version(4, 4),
            ResultKind::Verdict,
            &[(One(ProgramType::Xdp), version(4, 14)), (TrafficControl, version(4, 4))],
            "sends the packet out of the interface of this index; at traffic control, with the flag 1 into it",
        )
    },
    Helper {
        arguments: &[MemoryOrNull, SizeOrZero, MemoryOrNull, SizeOrZero, Int(IntType::U32)],
        packet_memory: true,
        ..Helper::row(
            28,
            "bpf-csum-diff",
            version(4, 6),
            I64,
            &[(One(ProgramType::Xdp), version(4, 16)), (TrafficControl, version(4, 6))],
            "the change of a checksum where the first memory is replaced by the second; sizes are multiples of 4",
        )
    },
    adjust(
        44,
        "bpf-xdp-adjust-head",
        version(4, 10),
        &[(One(ProgramType::Xdp), version(4, 10))],
        "moves the packet's start by so many bytes",
    ),
    Helper {
        arguments: &[
            Map(&[MapKind::DevMap, MapKind::DevMapHash, MapKind::CpuMap, MapKind::XskMap]),
            Int(IntType::U64),
            Int(IntType::U64),
        ],
        ..Helper::row(
            51,
            "bpf-redirect-map",
            version(4, 14),
            ResultKind::Verdict,
            &[(One(ProgramType::Xdp), version(4, 14))],
            "sends the packet to what a map has at this key, or gives the lower bits of the flags where it has nothing",
        )
    },
    adjust(
        54,
        "bpf-xdp-adjust-meta",
        version(4, 15),
        &[(One(ProgramType::Xdp), version(4, 15))],
        "moves the start of the metadata before the packet by so many bytes",
    ),
    adjust(
        65,
        "bpf-xdp-adjust-tail",
        version(4, 18),
        &[(One(ProgramType::Xdp), version(4, 18))],
        "moves the packet's end by so many bytes",
    ),
    Helper {
        licence: Licence::Gpl,
        arguments: &[Context, MemoryInOut, Size, Int(IntType::U32)],
        ..Helper::row(
            69,
            "bpf-fib-lookup",
            version(4, 18),
            I64,
            &[(One(ProgramType::Xdp), version(4, 18)), (TrafficControl, version(4, 18))],
            "looks up the route of a packet: 0, a positive reason why it can't be forwarded, or a negative errno",
        )
    },
    Helper {
        licence: Licence::Gpl,
        arguments: &[Context, Int(IntType::U32), IntInOut(IntType::U32), Int(IntType::I32), Int(IntType::U64)],
        ..Helper::row(
            163,
            "bpf-check-mtu",
            version(5, 12),
            I64,
            &[(One(ProgramType::Xdp), version(5, 12)), (TrafficControl, version(5, 12))],
            "whether the packet fits an interface: 0, a positive reason why not, or a negative errno",
        )
    },
    Helper {
        arguments: &[Context],
        ..Helper::row(
            188,
            "bpf-xdp-get-buff-len",
            version(5, 18),
            ResultKind::Int(IntType::U64),
            XDP_5_18,
            "the packet's length in bytes, all fragments included",
        )
    },
    Helper {
        arguments: &[Context, Int(IntType::U32), MemoryOut, Size],
        ..Helper::row(
            189,
            "bpf-xdp-load-bytes",
            version(5, 18),
            ResultKind::Errno,
            XDP_5_18,
            "fills a buffer from an offset in the packet",
        )
    },
    Helper {
        arguments: &[Context, Int(IntType::U32), Memory, Size],
        ..Helper::row(
            190,
            "bpf-xdp-store-bytes",
            version(5, 18),
            ResultKind::Errno,
            XDP_5_18,
            "copies a buffer to an offset in the packet",
        )
    },
    syncookie(
        204,
        "bpf-tcp-raw-gen-syncookie-ipv4",
        &[FixedMemory(20), Memory, Size],
        "a SYN cookie for an IPv4 and a TCP header",
    ),
    syncookie(
        205,
        "bpf-tcp-raw-gen-syncookie-ipv6",
        &[FixedMemory(40), Memory, Size],
        "a SYN cookie for an IPv6 and a TCP header",
    ),
    syncookie(
        206,
        "bpf-tcp-raw-check-syncookie-ipv4",
        &[FixedMemory(20), FixedMemory(20)],
        "whether an IPv4 and a TCP header acknowledge a valid SYN cookie: 0 or a negative errno",
    ),
    syncookie(
        207,
        "bpf-tcp-raw-check-syncookie-ipv6",
        &[FixedMemory(40), FixedMemory(20)],
        "whether an IPv6 and a TCP header acknowledge a valid SYN cookie: 0 or a negative errno",
    ),
];
