//! Constants that keywords name, as `:eth-p-ip`: the kernel's C names in lower case, with `-` for `_`. (What a program may
//! return, as `:xdp-drop`, belongs to its program type.)

mod ethernet;
mod internet;

use crate::check::types::IntType;

/// A constant of the kernel's headers.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Constant {
    /// Its keyword, without colon.
    pub name: &'static str,
    /// What it stands for.
    pub value: u64,
    /// The type of the place where it is used.
    pub ty: IntType,
    /// Where it comes from.
    pub source: &'static str,
}

/// The constant of a keyword.
pub fn by_name(name: &str) -> Option<Constant> {
    all().find(|constant| constant.name == name)
}

/// Every constant.
pub fn all() -> impl Iterator<Item = Constant> {
    TABLES.iter().flat_map(|table| {
        table.rows.iter().map(|(name, value)| Constant { name, value: *value, ty: table.ty, source: table.source })
    })
}

/// Constants of one source and type.
struct Table {
    rows: &'static [(&'static str, u64)],
    ty: IntType,
    source: &'static str,
}

static TABLES: &[Table] = &[
    Table { rows: ethernet::ETHER_TYPES, ty: IntType::U16, source: "linux/if_ether.h" },
    Table { rows: ethernet::ARP, ty: IntType::U16, source: "linux/if_arp.h" },
    Table { rows: internet::PROTOCOLS, ty: IntType::U8, source: "linux/in.h" },
    Table { rows: internet::ICMP, ty: IntType::U8, source: "linux/icmp.h" },
    Table { rows: internet::ICMP6, ty: IntType::U8, source: "linux/icmpv6.h" },
    Table { rows: internet::TCP_FLAGS, ty: IntType::U8, source: "RFC 9293" },
    Table { rows: internet::TCP_STATES, ty: IntType::U8, source: "net/tcp_states.h" },
    Table { rows: ADDRESS_FAMILIES, ty: IntType::U8, source: "linux/socket.h" },
    Table { rows: HELPER_FLAGS, ty: IntType::U64, source: "linux/bpf.h" },
];

/// What `bpf-fib-lookup` wants to know, and the addresses of sockets have.
const ADDRESS_FAMILIES: &[(&str, u64)] = &[("af-inet", 2), ("af-inet6", 10)];

/// Flags and answers of helpers.
const HELPER_FLAGS: &[(&str, u64)] = &[
    ("any", 0),
    ("noexist", 1),
    ("exist", 2),
    ("bpf-f-recompute-csum", 1 << 0),
    ("bpf-f-invalidate-hash", 1 << 1),
    ("bpf-f-hdr-field-mask", 0xf),
    ("bpf-f-pseudo-hdr", 1 << 4),
    ("bpf-f-mark-mangled-0", 1 << 5),
    ("bpf-f-mark-enforce", 1 << 6),
    ("bpf-f-ingress", 1 << 0),
    ("bpf-f-broadcast", 1 << 3),
    ("bpf-f-exclude-ingress", 1 << 4),
    ("bpf-fib-lookup-direct", 1 << 0),
    ("bpf-fib-lookup-output", 1 << 1),
    ("bpf-fib-lookup-skip-neigh", 1 << 2),
    ("bpf-fib-lookup-tbid", 1 << 3),
    ("bpf-fib-lookup-src", 1 << 4),
    ("bpf-fib-lkup-ret-success", 0),
    ("bpf-fib-lkup-ret-blackhole", 1),
    ("bpf-fib-lkup-ret-unreachable", 2),
    ("bpf-fib-lkup-ret-prohibit", 3),
    ("bpf-fib-lkup-ret-not-fwded", 4),
    ("bpf-fib-lkup-ret-fwd-disabled", 5),
    ("bpf-fib-lkup-ret-unsupp-lwt", 6),
    ("bpf-fib-lkup-ret-no-neigh", 7),
    ("bpf-fib-lkup-ret-frag-needed", 8),
    ("bpf-mtu-chk-ret-success", 0),
    ("bpf-mtu-chk-ret-frag-needed", 1),
    ("bpf-mtu-chk-ret-segs-toobig", 2),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kernel::ProgramType;

    #[test]
    fn names_are_unique_and_values_fit() {
        let mut seen = BTreeSet::new();
        for constant in all() {
            assert!(seen.insert(constant.name), "{}", constant.name);
            assert!(constant.ty.bits == 64 || constant.value < 1 << constant.ty.bits, "{}", constant.name);
            for ty in ProgramType::ALL {
                assert_eq!(ty.result(constant.name), None, "{}", constant.name);
            }
        }
    }

    #[test]
    fn some_that_everybody_knows() {
        let value = |name| by_name(name).map(|constant| constant.value);
        assert_eq!(value("eth-p-ip"), Some(0x0800));
        assert_eq!(value("eth-p-ipv6"), Some(0x86dd));
        assert_eq!(value("eth-p-8021q"), Some(0x8100));
        assert_eq!(value("ipproto-tcp"), Some(6));
        assert_eq!(value("ipproto-icmpv6"), Some(58));
        assert_eq!(value("icmp-echo"), Some(8));
        assert_eq!(value("icmpv6-echo-request"), Some(128));
        assert_eq!(value("arpop-request"), Some(1));
        assert_eq!(value("tcp-flag-syn"), Some(2));
        assert_eq!(value("exist"), Some(2));
        assert_eq!(value("eth-p-all"), None);
    }
}
