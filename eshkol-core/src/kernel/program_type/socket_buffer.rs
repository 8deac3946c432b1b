//! Programs that are called with a packet in a socket buffer: `:socket-filter`, `:tc`, `:tcx`, `:cgroup-skb`.
//!
//! Sources: `struct __sk_buff` in `include/uapi/linux/bpf.h`; `sk_filter_is_valid_access`, `tc_cls_act_is_valid_access`,
//! `cg_skb_is_valid_access`, `bpf_skb_is_valid_access` and `bpf_convert_ctx_access` in `net/core/filter.c`; `SEC_DEF` in libbpf for
//! the sections.

use super::{
    AttachPlace, AttachType, ContextField, ContextFieldKind as Kind, ContextStruct, PacketAccess, ProgramTypeFacts,
    ResultName, Results,
};
use crate::kernel::KernelVersion;

const fn version(major: u16, minor: u16) -> KernelVersion {
    KernelVersion::new(major, minor)
}

const fn number(name: &'static str, offset: u32) -> ContextField {
    ContextField::row(name, offset, 4, Kind::Number)
}

// The fields, in order. What a type of programs can't read is not in its list, or says why.
const LEN: ContextField = ContextField::row("len", 0, 4, Kind::PacketLength);
const PKT_TYPE: ContextField = number("pkt-type", 4);
const MARK: ContextField = number("mark", 8);
const QUEUE_MAPPING: ContextField = number("queue-mapping", 12);
const PROTOCOL: ContextField = ContextField::row("protocol", 16, 4, Kind::NetworkOrder { bytes: 2 });
const VLAN_PRESENT: ContextField = number("vlan-present", 20);
const VLAN_TCI: ContextField = number("vlan-tci", 24);
const VLAN_PROTO: ContextField = ContextField::row("vlan-proto", 28, 4, Kind::NetworkOrder { bytes: 2 });
const PRIORITY: ContextField = number("priority", 32);
const INGRESS_IFINDEX: ContextField = number("ingress-ifindex", 36);
const IFINDEX: ContextField = number("ifindex", 40);
const TC_INDEX: ContextField = number("tc-index", 44);
const CB: ContextField = ContextField { elements: 5, ..number("cb", 48) };
const HASH: ContextField = number("hash", 68);
const TC_CLASSID: ContextField = number("tc-classid", 72);
const DATA: ContextField = ContextField::row("data", 76, 4, Kind::PacketStart);
const DATA_END: ContextField = ContextField::row("data-end", 80, 4, Kind::PacketEnd);
const NAPI_ID: ContextField = number("napi-id", 84);
const FAMILY: ContextField = number("family", 88);
const REMOTE_IP4: ContextField = ContextField::row("remote-ip4", 92, 4, Kind::Ipv4);
const LOCAL_IP4: ContextField = ContextField::row("local-ip4", 96, 4, Kind::Ipv4);
const REMOTE_IP6: ContextField = ContextField::row("remote-ip6", 100, 16, Kind::Ipv6);
const LOCAL_IP6: ContextField = ContextField::row("local-ip6", 116, 16, Kind::Ipv6);
const REMOTE_PORT: ContextField = ContextField::row("remote-port", 132, 4, Kind::NetworkOrder { bytes: 4 });
const LOCAL_PORT: ContextField = number("local-port", 136);
const DATA_META: ContextField = ContextField::row("data-meta", 140, 4, Kind::PacketMeta);
/// Commit f11216b24219.
const TSTAMP: ContextField = ContextField { since: version(5, 0), ..ContextField::row("tstamp", 152, 8, Kind::Number) };
/// Commit e3da08d057002.
const WIRE_LEN: ContextField = ContextField { since: version(5, 0), ..number("wire-len", 160) };
/// Commit d9ff286a0f59.
const GSO_SEGS: ContextField = ContextField { since: version(5, 1), ..number("gso-segs", 164) };
/// Commit cf62089b0edd.
const GSO_SIZE: ContextField = ContextField { since: version(5, 7), ..number("gso-size", 176) };
/// Commit 8d21ec0e46ed.
const TSTAMP_TYPE: ContextField =
    ContextField { since: version(5, 18), ..ContextField::row("tstamp-type", 180, 1, Kind::Number) };
/// Commit f64c4acea51f.
const HWTSTAMP: ContextField =
    ContextField { since: version(5, 16), ..ContextField::row("hwtstamp", 184, 8, Kind::Number) };

const fn writable(field: ContextField) -> ContextField {
    ContextField { writable: true, ..field }
}

/// A field that can't be read, and why.
const fn unreadable(field: ContextField, reason: &'static str) -> ContextField {
    ContextField { unreadable: Some(reason), ..field }
}

/// The ways in and out of an interface or a cgroup.
const fn both_ways(since: KernelVersion, place: AttachPlace) -> [AttachType; 2] {
    [
        AttachType { name: "ingress", section: None, since, place, only: None },
        AttachType { name: "egress", section: None, since, place, only: None },
    ]
}

const COPIED: &str = "a socket filter has no pointers into the packet: `parse-eth-header` and its kin read it, \
                      `packet-length` says how long it is, and `bpf-skb-load-bytes` copies any part";

/// Commit 89aa075832b0.
pub(super) static SOCKET_FILTER: ProgramTypeFacts = ProgramTypeFacts {
    keyword: "socket-filter",
    number: 1,
    since: version(3, 19),
    section: "socket",
    attach_types: &[],
    frags: None,
    sleepable: false,
    context: ContextStruct {
        name: "__sk_buff",
        fields: &[
            LEN,
            PKT_TYPE,
            MARK,
            QUEUE_MAPPING,
            PROTOCOL,
            VLAN_PRESENT,
            VLAN_TCI,
            VLAN_PROTO,
            PRIORITY,
            INGRESS_IFINDEX,
            IFINDEX,
            TC_INDEX,
            writable(CB),
            HASH,
            unreadable(DATA, COPIED),
            unreadable(DATA_END, COPIED),
            NAPI_ID,
            GSO_SEGS,
            GSO_SIZE,
        ],
        words: &[],
        note: "the packet as the socket gets it: on a raw packet socket it begins with the Ethernet header, on a UDP or TCP socket with the \
               UDP or TCP header",
    },
    results: Results::Number {
        what: "how many bytes of the packet to keep",
        way_out: "end every path with that number: `0` drops the packet, `-1` keeps all of it",
    },
    packet: PacketAccess::Copied,
    first_headers: &[],
};

const TC_FIELDS: &[ContextField] = &[
    LEN,
    PKT_TYPE,
    writable(MARK),
    // Commit 74e31ca850c1 made it writable, in 5.1.
    ContextField { writable_since: version(5, 1), ..writable(QUEUE_MAPPING) },
    PROTOCOL,
    VLAN_PRESENT,
    VLAN_TCI,
    VLAN_PROTO,
    writable(PRIORITY),
    INGRESS_IFINDEX,
    IFINDEX,
    writable(TC_INDEX),
    writable(CB),
    HASH,
    writable(TC_CLASSID),
    DATA,
    DATA_END,
    NAPI_ID,
    DATA_META,
    writable(TSTAMP),
    WIRE_LEN,
    GSO_SEGS,
    GSO_SIZE,
    TSTAMP_TYPE,
    HWTSTAMP,
];

const NON_LINEAR: &str = "the packet with its Ethernet header. Headers are parsed in the part of it that lies in one piece, which is all of a small packet and \
     at least the headers of most others; `(bpf-skb-pull-data ctx n)` brings the first `n` bytes into it. `packet-length` counts all pieces";

/// Commit 96be4325f443; packets are read in place since 4.7 and written since 4.8. The results are those of
/// `include/uapi/linux/pkt_cls.h`.
pub(super) static TC: ProgramTypeFacts = CLASSIFIER;

const CLASSIFIER: ProgramTypeFacts = ProgramTypeFacts {
    keyword: "tc",
    number: 3,
    since: version(4, 8),
    section: "classifier",
    attach_types: &both_ways(version(4, 5), AttachPlace::Interface),
    frags: None,
    sleepable: false,
    context: ContextStruct { name: "__sk_buff", fields: TC_FIELDS, words: &[], note: NON_LINEAR },
    results: Results::Names(&[
        ResultName { name: "tc-act-unspec", value: -1 },
        ResultName { name: "tc-act-ok", value: 0 },
        ResultName { name: "tc-act-reclassify", value: 1 },
        ResultName { name: "tc-act-shot", value: 2 },
        ResultName { name: "tc-act-pipe", value: 3 },
        ResultName { name: "tc-act-stolen", value: 4 },
        ResultName { name: "tc-act-queued", value: 5 },
        ResultName { name: "tc-act-repeat", value: 6 },
        ResultName { name: "tc-act-redirect", value: 7 },
        ResultName { name: "tc-act-trap", value: 8 },
    ]),
    packet: PacketAccess::Direct { writable: true },
    first_headers: &["eth"],
};

/// To the kernel a program like those of `:tc`, attached in another way (commit e420bed02507). The results are those of
/// `enum tcx_action_base`.
pub(super) static TCX: ProgramTypeFacts = ProgramTypeFacts {
    keyword: "tcx",
    since: version(6, 6),
    attach_types: &both_ways(version(6, 6), AttachPlace::Interface),
    results: Results::Names(&[
        ResultName { name: "tcx-next", value: -1 },
        ResultName { name: "tcx-pass", value: 0 },
        ResultName { name: "tcx-drop", value: 2 },
        ResultName { name: "tcx-redirect", value: 7 },
    ]),
    ..CLASSIFIER
};

/// Commit 0e33661de493; with its context since 4.20 (commit b39b5f411dcf). The verifier wants 0 or 1 as the result
/// (`check_return_code` in `kernel/bpf/verifier.c`).
pub(super) static CGROUP_SKB: ProgramTypeFacts = ProgramTypeFacts {
    keyword: "cgroup-skb",
    number: 8,
    since: version(4, 20),
    section: "cgroup/skb",
    attach_types: &both_ways(version(4, 20), AttachPlace::Cgroup),
    frags: None,
    sleepable: false,
    context: ContextStruct {
        name: "__sk_buff",
        fields: &[
            LEN,
            PKT_TYPE,
            writable(MARK),
            QUEUE_MAPPING,
            PROTOCOL,
            VLAN_PRESENT,
            VLAN_TCI,
            VLAN_PROTO,
            writable(PRIORITY),
            INGRESS_IFINDEX,
            IFINDEX,
            TC_INDEX,
            writable(CB),
            HASH,
            DATA,
            DATA_END,
            NAPI_ID,
            FAMILY,
            REMOTE_IP4,
            LOCAL_IP4,
            REMOTE_IP6,
            LOCAL_IP6,
            REMOTE_PORT,
            LOCAL_PORT,
            writable(TSTAMP),
            GSO_SEGS,
            GSO_SIZE,
            HWTSTAMP,
        ],
        words: &[],
        note: "a packet of a socket of the cgroup, from its IP header on; the socket's addresses and ports are there, too. Headers are parsed \
               in the part of the packet that lies in one piece. `packet-length` counts all pieces",
    },
    results: Results::Names(&[ResultName { name: "deny", value: 0 }, ResultName { name: "allow", value: 1 }]),
    packet: PacketAccess::Direct { writable: false },
    first_headers: &["ipv4", "ipv6"],
};
