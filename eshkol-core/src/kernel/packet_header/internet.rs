//! Headers of the internet layer.

use super::{Header, HeaderField, HeaderLength, bits, flag, ipv4, ipv6, number};

pub(super) const IPV4: Header = Header {
    name: "ipv4",
    size: 20,
    length: HeaderLength::Words { field: "ihl", maximum: 60 },
    fields: &[
        bits("version", 0, 1, 4, 4),
        bits("ihl", 0, 1, 0, 4),
        bits("dscp", 1, 1, 2, 6),
        bits("ecn", 1, 1, 0, 2),
        number("total-length", 2, 16),
        number("id", 4, 16),
        bits("flags", 6, 1, 5, 3),
        flag("dont-fragment?", 6, 6),
        flag("more-fragments?", 6, 5),
        bits("fragment-offset", 6, 2, 0, 13),
        number("ttl", 8, 8),
        number("protocol", 9, 8),
        number("checksum", 10, 16),
        ipv4("src", 12),
        ipv4("dst", 16),
    ],
    source: "RFC 791, RFC 2474, RFC 3168",
};

pub(super) const IPV6: Header = Header {
    name: "ipv6",
    size: 40,
    length: HeaderLength::Fixed,
    fields: &[
        bits("version", 0, 1, 4, 4),
        bits("traffic-class", 0, 2, 4, 8),
        bits("flow-label", 0, 4, 0, 20),
        number("payload-length", 4, 16),
        number("next-header", 6, 8),
        number("hop-limit", 7, 8),
        ipv6("src", 8),
        ipv6("dst", 24),
    ],
    source: "RFC 8200",
};

/// What ICMP and ICMPv6 have in common. `rest` is four bytes whose meaning depends on the type; `id` and `sequence` are its
/// halves in echo messages.
const ICMP_FIELDS: &[HeaderField] = &[
    number("type", 0, 8),
    number("code", 1, 8),
    number("checksum", 2, 16),
    number("rest", 4, 32),
    number("id", 4, 16),
    number("sequence", 6, 16),
];

pub(super) const ICMP: Header =
    Header { name: "icmp", size: 8, length: HeaderLength::Fixed, fields: ICMP_FIELDS, source: "RFC 792" };

pub(super) const ICMP6: Header =
    Header { name: "icmp6", size: 8, length: HeaderLength::Fixed, fields: ICMP_FIELDS, source: "RFC 4443" };
