//! Headers of the link layer.

use super::{Header, HeaderLength, bits, flag, ipv4, mac, number};

/// IEEE 802.3, Ethernet II.
pub(super) const ETH: Header = Header {
    name: "eth",
    size: 14,
    length: HeaderLength::Fixed,
    fields: &[mac("dst", 0), mac("src", 6), number("type", 12, 16)],
    source: "IEEE 802.3",
};

/// What follows an Ethernet header whose type is `:eth-p-8021q` or `:eth-p-8021ad`: the tag's control information, and the type of
/// what follows.
pub(super) const VLAN: Header = Header {
    name: "vlan",
    size: 4,
    length: HeaderLength::Fixed,
    fields: &[
        number("tci", 0, 16),
        bits("pcp", 0, 1, 5, 3),
        flag("dei?", 0, 4),
        bits("vid", 0, 2, 0, 12),
        number("type", 2, 16),
    ],
    source: "IEEE 802.1Q",
};

/// For IPv4 over Ethernet.
pub(super) const ARP: Header = Header {
    name: "arp",
    size: 28,
    length: HeaderLength::Fixed,
    fields: &[
        number("htype", 0, 16),
        number("ptype", 2, 16),
        number("hlen", 4, 8),
        number("plen", 5, 8),
        number("op", 6, 16),
        mac("sender-mac", 8),
        ipv4("sender-ip", 14),
        mac("target-mac", 18),
        ipv4("target-ip", 24),
    ],
    source: "RFC 826",
};
