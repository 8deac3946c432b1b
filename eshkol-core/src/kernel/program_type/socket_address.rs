//! Programs that are called with an address that a process gives to a system call of sockets: `:cgroup-sock-addr`.
//!
//! Sources: `struct bpf_sock_addr` in `include/uapi/linux/bpf.h`; `sock_addr_is_valid_access` in `net/core/filter.c`; `SEC_DEF` in libbpf
//! for the sections.

use super::{
    AttachPlace, AttachType, ContextField, ContextFieldKind as Kind, ContextStruct, PacketAccess, ProgramTypeFacts,
    ResultName, Results,
};
use crate::kernel::KernelVersion;

const fn version(major: u16, minor: u16) -> KernelVersion {
    KernelVersion::new(major, minor)
}

const fn attach_type(name: &'static str, section: &'static str, since: KernelVersion) -> AttachType {
    AttachType { name, section: Some(section), since, place: AttachPlace::Cgroup, only: None }
}

/// One at which the address is already there, so that there is nothing to deny (`check_return_code` in `kernel/bpf/verifier.c`, since each of
/// them exists).
const fn after_the_fact(name: &'static str, section: &'static str, since: KernelVersion) -> AttachType {
    AttachType { only: Some("allow"), ..attach_type(name, section, since) }
}

const fn writable(field: ContextField, attach_types: &'static [&'static str]) -> ContextField {
    ContextField { writable: true, attach_types: Some(attach_types), ..field }
}

const IPV4: &[&str] = &["bind4", "connect4", "getpeername4", "getsockname4", "sendmsg4", "recvmsg4"];
const IPV6: &[&str] = &["bind6", "connect6", "getpeername6", "getsockname6", "sendmsg6", "recvmsg6"];

/// Commit 4fbac77d2d09.
pub(super) static CGROUP_SOCK_ADDR: ProgramTypeFacts = ProgramTypeFacts {
    keyword: "cgroup-sock-addr",
    number: 18,
    since: version(4, 17),
    section: "cgroup/connect4",
    attach_types: &[
        attach_type("bind4", "cgroup/bind4", version(4, 17)),
        attach_type("bind6", "cgroup/bind6", version(4, 17)),
        // Commit d74bad4e74ee.
        attach_type("connect4", "cgroup/connect4", version(4, 17)),
        attach_type("connect6", "cgroup/connect6", version(4, 17)),
        // Commit 1cedee13d25a.
        attach_type("sendmsg4", "cgroup/sendmsg4", version(4, 18)),
        attach_type("sendmsg6", "cgroup/sendmsg6", version(4, 18)),
        // Commit 983695fa6765.
        after_the_fact("recvmsg4", "cgroup/recvmsg4", version(5, 2)),
        after_the_fact("recvmsg6", "cgroup/recvmsg6", version(5, 2)),
        // Commit 1b66d253610c.
        after_the_fact("getpeername4", "cgroup/getpeername4", version(5, 8)),
        after_the_fact("getpeername6", "cgroup/getpeername6", version(5, 8)),
        after_the_fact("getsockname4", "cgroup/getsockname4", version(5, 8)),
        after_the_fact("getsockname6", "cgroup/getsockname6", version(5, 8)),
    ],
    frags: None,
    sleepable: false,
    context: ContextStruct {
        name: "bpf_sock_addr",
        fields: &[
            ContextField::row("user-family", 0, 4, Kind::Number),
            writable(ContextField::row("user-ip4", 4, 4, Kind::Ipv4), IPV4),
            writable(ContextField::row("user-ip6", 8, 16, Kind::Ipv6), IPV6),
            ContextField { writable: true, ..ContextField::row("user-port", 24, 4, Kind::NetworkOrder { bytes: 2 }) },
            ContextField::row("family", 28, 4, Kind::Number),
            ContextField::row("type", 32, 4, Kind::Number),
            ContextField::row("protocol", 36, 4, Kind::Number),
            writable(ContextField::row("msg-src-ip4", 40, 4, Kind::Ipv4), &["sendmsg4"]),
            writable(ContextField::row("msg-src-ip6", 44, 16, Kind::Ipv6), &["sendmsg6"]),
        ],
        words: &[],
        note: "the address that a process of the cgroup gives to a system call, or gets from it, which one the attach point says. What the \
               program writes to it, the kernel takes in its place",
    },
    results: Results::Names(&[ResultName { name: "deny", value: 0 }, ResultName { name: "allow", value: 1 }]),
    packet: PacketAccess::None,
    first_headers: &[],
};
