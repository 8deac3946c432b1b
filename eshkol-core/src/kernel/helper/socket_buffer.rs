//! Helpers on packets in socket buffers, and on the sockets they belong to. Source: `net/core/filter.c` (`sk_filter_func_proto`,
//! `tc_cls_act_func_proto`, `cg_skb_func_proto`, `sock_addr_func_proto`).

use super::ArgumentKind::{Context, Int, Memory, MemoryOrNull, MemoryOut, NetworkInt, Size, SizeOrZero};
use super::Programs::{One, SocketFilter, TrafficControl};
use super::{ArgumentKind, Helper, Programs, ResultKind};
use crate::check::types::IntType;
use crate::kernel::{KernelVersion, ProgramType};

const U32: ResultKind = ResultKind::Int(IntType::U32);
const U64: ResultKind = ResultKind::Int(IntType::U64);
const I64: ResultKind = ResultKind::Int(IntType::I64);

const INT_U32: ArgumentKind = Int(IntType::U32);
const FLAGS: ArgumentKind = Int(IntType::U64);

const fn version(major: u16, minor: u16) -> KernelVersion {
    KernelVersion::new(major, minor)
}

const SOCK_ADDR: Programs = One(ProgramType::CgroupSockAddr);
const CGROUP_SKB: Programs = One(ProgramType::CgroupSkb);

/// One that takes the context first, and is there for programs at traffic control alone.
const fn tc(
    id: u32,
    name: &'static str,
    programs: &'static [(Programs, KernelVersion)],
    arguments: &'static [ArgumentKind],
    result: ResultKind,
    note: &'static str,
) -> Helper {
    let since = match programs {
        [(_, since), ..] => *since,
        [] => KernelVersion::OLDEST,
    };
    Helper { arguments, ..Helper::row(id, name, since, result, programs, note) }
}

/// One that may move the packet, too.
const fn moving(helper: Helper) -> Helper {
    Helper { changes_packet_data: true, ..helper }
}

const TC_4_1: &[(Programs, KernelVersion)] = &[(TrafficControl, version(4, 1))];
const TC_4_3: &[(Programs, KernelVersion)] = &[(TrafficControl, version(4, 3))];
const TC_4_8: &[(Programs, KernelVersion)] = &[(TrafficControl, version(4, 8))];
const TC_4_9: &[(Programs, KernelVersion)] = &[(TrafficControl, version(4, 9))];
const TC_5_10: &[(Programs, KernelVersion)] = &[(TrafficControl, version(5, 10))];

/// For programs at traffic control, and since these kernels for those that filter.
const fn load(
    id: u32,
    name: &'static str,
    since: KernelVersion,
    programs: &'static [(Programs, KernelVersion)],
    arguments: &'static [ArgumentKind],
    note: &'static str,
) -> Helper {
    Helper { arguments, ..Helper::row(id, name, since, ResultKind::Errno, programs, note) }
}

pub(super) static HELPERS: &[Helper] = &[
    moving(tc(
        9,
        "bpf-skb-store-bytes",
        TC_4_1,
        &[Context, INT_U32, Memory, Size, FLAGS],
        ResultKind::Errno,
        "copies a buffer to an offset in the packet; with the flag 1 it keeps the checksum of the whole right, with 2 it clears the hash",
    )),
    moving(tc(
        10,
        "bpf-l3-csum-replace",
        TC_4_1,
        &[Context, INT_U32, Int(IntType::U64), Int(IntType::U64), FLAGS],
        ResultKind::Errno,
        "changes an IP checksum at an offset in the packet for a field that had one value and has another, both as memory has them; the \
         flags say how many bytes they have, 2 or 4, or with 0 that the second value is the change that `bpf-csum-diff` gave",
    )),
    moving(tc(
        11,
        "bpf-l4-csum-replace",
        TC_4_1,
        &[Context, INT_U32, Int(IntType::U64), Int(IntType::U64), FLAGS],
        ResultKind::Errno,
        "the same for the checksum of TCP, UDP or ICMP; with 16 added to the flags for a field of the pseudo-header (an address), with 32 for \
         UDP, whose checksum stays 0 where it was",
    )),
    moving(tc(
        13,
        "bpf-clone-redirect",
        &[(TrafficControl, version(4, 2))],
        &[Context, INT_U32, FLAGS],
        ResultKind::Errno,
        "sends a copy of the packet out of the interface of this index, or with the flag 1 into it",
    )),
    moving(tc(
        18,
        "bpf-skb-vlan-push",
        TC_4_3,
        &[Context, NetworkInt(IntType::U16), Int(IntType::U16)],
        ResultKind::Errno,
        "adds a VLAN tag: its type, such as `:eth-p-8021q`, and its number and priority",
    )),
    moving(tc(19, "bpf-skb-vlan-pop", TC_4_3, &[Context], ResultKind::Errno, "takes the VLAN tag off")),
    tc(
        20,
        "bpf-skb-get-tunnel-key",
        TC_4_3,
        &[Context, MemoryOut, Size, FLAGS],
        ResultKind::Errno,
        "fills a buffer with what the packet's tunnel knows of it (`struct bpf_tunnel_key`)",
    ),
    tc(
        21,
        "bpf-skb-set-tunnel-key",
        TC_4_3,
        &[Context, Memory, Size, FLAGS],
        ResultKind::Errno,
        "tells the tunnel that the packet is sent through what to do with it (`struct bpf_tunnel_key`)",
    ),
    tc(
        24,
        "bpf-get-route-realm",
        &[(TrafficControl, version(4, 4))],
        &[Context],
        U32,
        "the realm of the packet's route, 0 where there is none",
    ),
    load(
        26,
        "bpf-skb-load-bytes",
        version(4, 5),
        &[(SocketFilter, version(4, 5)), (TrafficControl, version(4, 5))],
        &[Context, INT_U32, MemoryOut, Size],
        "fills a buffer from an offset in the packet, whatever pieces it lies in",
    ),
    tc(
        29,
        "bpf-skb-get-tunnel-opt",
        &[(TrafficControl, version(4, 6))],
        &[Context, MemoryOut, Size],
        I64,
        "fills a buffer with the options of the packet's tunnel; gives how many bytes there are",
    ),
    tc(
        30,
        "bpf-skb-set-tunnel-opt",
        &[(TrafficControl, version(4, 6))],
        &[Context, Memory, Size],
        ResultKind::Errno,
        "sets the options of the tunnel that the packet is sent through",
    ),
    moving(tc(
        31,
        "bpf-skb-change-proto",
        TC_4_8,
        &[Context, NetworkInt(IntType::U16), FLAGS],
        ResultKind::Errno,
        "makes room for the other IP header, of which `:eth-p-ip` or `:eth-p-ipv6` says the version; the program writes it",
    )),
    tc(
        32,
        "bpf-skb-change-type",
        TC_4_8,
        &[Context, INT_U32],
        ResultKind::Errno,
        "says whom the packet is for: 0 this host, 1 all, 2 a group, 3 others",
    ),
    tc(
        34,
        "bpf-get-hash-recalc",
        TC_4_8,
        &[Context],
        U32,
        "the hash of the packet's flow, computed where it is not known",
    ),
    moving(tc(
        38,
        "bpf-skb-change-tail",
        TC_4_9,
        &[Context, INT_U32, FLAGS],
        ResultKind::Errno,
        "makes the packet this long",
    )),
    moving(tc(
        39,
        "bpf-skb-pull-data",
        TC_4_9,
        &[Context, INT_U32],
        ResultKind::Errno,
        "brings the first so many bytes of the packet into one piece, where headers are parsed; with 0 all that can be",
    )),
    tc(
        40,
        "bpf-csum-update",
        TC_4_9,
        &[Context, INT_U32],
        I64,
        "adds a change to the checksum that the interface found of the whole packet",
    ),
    tc(
        41,
        "bpf-set-hash-invalid",
        TC_4_9,
        &[Context],
        ResultKind::Unit,
        "has the hash of the packet's flow computed anew",
    ),
    moving(tc(
        43,
        "bpf-skb-change-head",
        // Commit 6f3f65d80dac.
        &[(TrafficControl, version(5, 8))],
        &[Context, INT_U32, FLAGS],
        ResultKind::Errno,
        "puts so many bytes of room before the packet",
    )),
    Helper {
        arguments: &[Context],
        ..Helper::row(
            46,
            "bpf-get-socket-cookie",
            version(4, 12),
            U64,
            &[
                (SocketFilter, version(4, 12)),
                (TrafficControl, version(4, 12)),
                // Commit d692f1138a4b.
                (SOCK_ADDR, version(4, 19)),
            ],
            "a number that is the socket's alone; 0 where there is none",
        )
    },
    Helper {
        arguments: &[Context],
        ..Helper::row(
            47,
            "bpf-get-socket-uid",
            version(4, 12),
            U32,
            &[(SocketFilter, version(4, 12)), (TrafficControl, version(4, 12))],
            "the user that the socket belongs to",
        )
    },
    tc(
        48,
        "bpf-set-hash",
        &[(TrafficControl, version(4, 13))],
        &[Context, INT_U32],
        ResultKind::Errno,
        "sets the hash of the packet's flow",
    ),
    moving(tc(
        50,
        "bpf-skb-adjust-room",
        &[(TrafficControl, version(4, 13))],
        &[Context, Int(IntType::I32), INT_U32, FLAGS],
        ResultKind::Errno,
        "makes or takes room for so many bytes after the IP header (mode 0) or the Ethernet header (mode 1)",
    )),
    tc(
        66,
        "bpf-skb-get-xfrm-state",
        &[(TrafficControl, version(4, 18))],
        &[Context, INT_U32, MemoryOut, Size, FLAGS],
        ResultKind::Errno,
        "fills a buffer with an IPsec state of the packet (`struct bpf_xfrm_state`)",
    ),
    load(
        68,
        "bpf-skb-load-bytes-relative",
        version(4, 18),
        &[(SocketFilter, version(4, 18)), (TrafficControl, version(4, 18))],
        &[Context, INT_U32, MemoryOut, Size, INT_U32],
        "the same from an offset after the start of the Ethernet header (0) or of the IP header (1), wherever the packet begins",
    ),
    tc(
        79,
        "bpf-skb-cgroup-id",
        // Commit f307fa2cb4c9 for cgroup programs.
        &[(TrafficControl, version(4, 18)), (CGROUP_SKB, version(5, 8))],
        &[Context],
        U64,
        "the cgroup of the packet's socket",
    ),
    tc(
        83,
        "bpf-skb-ancestor-cgroup-id",
        &[(TrafficControl, version(4, 19)), (CGROUP_SKB, version(5, 8))],
        &[Context, Int(IntType::I32)],
        U64,
        "the cgroup of the packet's socket, so many levels below the root",
    ),
    tc(
        97,
        "bpf-skb-ecn-set-ce",
        // Commit f7c917ba11a6.
        &[(TrafficControl, version(5, 1)), (CGROUP_SKB, version(5, 1))],
        &[Context],
        I64,
        "marks the packet as one that met congestion; 1 where it is marked now, else 0",
    ),
    Helper {
        arguments: &[Context],
        ..Helper::row(
            122,
            "bpf-get-netns-cookie",
            version(5, 7),
            U64,
            // Commit f318903c0bf4; the others as of the oldest kernel asked that has it there.
            &[(SOCK_ADDR, version(5, 7)), (SocketFilter, version(6, 16)), (TrafficControl, version(6, 16))],
            "a number that is the network namespace's alone",
        )
    },
    tc(
        135,
        "bpf-csum-level",
        // Commit 7cdec54f9713.
        &[(TrafficControl, version(5, 8))],
        &[Context, Int(IntType::U64)],
        I64,
        "asks (0) or changes (1 more, 2 less, 3 none) how many checksums of the packet are known to be right",
    ),
    tc(
        151,
        "bpf-skb-cgroup-classid",
        TC_5_10,
        &[Context],
        U64,
        "the class that the packet's cgroup has for traffic control",
    ),
    Helper {
        arguments: &[INT_U32, MemoryOrNull, SizeOrZero, FLAGS],
        ..Helper::row(
            152,
            "bpf-redirect-neigh",
            version(5, 10),
            ResultKind::Verdict,
            TC_5_10,
            "sends the packet out of the interface of this index, with the Ethernet addresses of the neighbour that its route, or the \
             memory (`struct bpf_redir_neigh`), says",
        )
    },
    Helper {
        arguments: &[INT_U32, FLAGS],
        ..Helper::row(
            155,
            "bpf-redirect-peer",
            version(5, 10),
            ResultKind::Verdict,
            TC_5_10,
            "sends the packet into the other end of the veth or netkit interface of this index",
        )
    },
    Helper::row(
        186,
        "bpf-get-retval",
        version(5, 18),
        ResultKind::Int(IntType::I32),
        // Commit b44123b4a3dc.
        &[(SOCK_ADDR, version(5, 18))],
        "what the system call would give now: 0 or a negative errno",
    ),
    Helper {
        arguments: &[Int(IntType::I32)],
        ..Helper::row(
            187,
            "bpf-set-retval",
            version(5, 18),
            ResultKind::Errno,
            &[(SOCK_ADDR, version(5, 18))],
            "says what the system call is to give: a negative errno",
        )
    },
    tc(
        192,
        "bpf-skb-set-tstamp",
        &[(TrafficControl, version(5, 18))],
        &[Context, Int(IntType::U64), INT_U32],
        ResultKind::Errno,
        "sets the time at which the packet is to be sent, and of which clock that is",
    ),
];
