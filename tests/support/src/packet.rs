//! Builds frames, layer by layer, with the right lengths and checksums.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A frame to be built: `Packet::ethernet().ipv4(a, b).udp(1234, 53).payload(b"…").build()`.
///
/// Each method adds a layer inside the one before it; what a layer says of the next one (EtherType, protocol, length) is filled in when it is built.
#[derive(Clone, Debug)]
pub struct Packet {
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
enum Layer {
    Ethernet {
        source: [u8; 6],
        destination: [u8; 6],
    },
    Vlan {
        tag_protocol: u16,
        id: u16,
    },
    Arp {
        operation: u16,
        sender: ([u8; 6], Ipv4Addr),
        target: ([u8; 6], Ipv4Addr),
    },
    Ipv4 {
        source: Ipv4Addr,
        destination: Ipv4Addr,
        options: Vec<u8>,
        ttl: u8,
        fragment_offset: u16,
    },
    Ipv6 {
        source: Ipv6Addr,
        destination: Ipv6Addr,
    },
    /// A hop-by-hop, routing or destination-options header of this protocol number.
    Extension {
        protocol: u8,
        data: Vec<u8>,
    },
    Tcp {
        source: u16,
        destination: u16,
        flags: u8,
        options: Vec<u8>,
    },
    Udp {
        source: u16,
        destination: u16,
    },
    Icmp {
        kind: u8,
        code: u8,
    },
    Icmp6 {
        kind: u8,
        code: u8,
    },
    Payload(Vec<u8>),
}

/// Protocol numbers of IANA.
mod protocol {
    pub(super) const ICMP: u8 = 1;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const ICMP6: u8 = 58;
    /// "No next header" of IPv6; IPv4 calls 255 reserved, and so does nobody take it.
    pub(super) const NONE6: u8 = 59;
    pub(super) const RESERVED: u8 = 255;
}

impl Packet {
    /// An Ethernet frame between two made-up stations.
    pub fn ethernet() -> Self {
        Self::ethernet_between([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
    }

    /// An Ethernet frame.
    pub fn ethernet_between(source: [u8; 6], destination: [u8; 6]) -> Self {
        Self { layers: vec![Layer::Ethernet { source, destination }] }
    }

    /// An 802.1Q tag.
    pub fn vlan(self, id: u16) -> Self {
        self.with(Layer::Vlan { tag_protocol: 0x8100, id })
    }

    /// An 802.1ad outer tag.
    pub fn service_vlan(self, id: u16) -> Self {
        self.with(Layer::Vlan { tag_protocol: 0x88a8, id })
    }

    /// An ARP request (operation 1) or reply (2).
    pub fn arp(self, operation: u16, sender: ([u8; 6], Ipv4Addr), target: ([u8; 6], Ipv4Addr)) -> Self {
        self.with(Layer::Arp { operation, sender, target })
    }

    /// An IPv4 header.
    pub fn ipv4(self, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        self.with(Layer::Ipv4 { source, destination, options: vec![], ttl: 64, fragment_offset: 0 })
    }

    /// An IPv4 header with these options, which are padded to a multiple of 4 bytes.
    pub fn ipv4_with_options(self, source: Ipv4Addr, destination: Ipv4Addr, options: &[u8]) -> Self {
        self.with(Layer::Ipv4 { source, destination, options: padded(options), ttl: 64, fragment_offset: 0 })
    }

    /// An IPv4 header of a later fragment, `offset` times 8 bytes into its datagram.
    pub fn ipv4_fragment(self, source: Ipv4Addr, destination: Ipv4Addr, offset: u16) -> Self {
        self.with(Layer::Ipv4 { source, destination, options: vec![], ttl: 64, fragment_offset: offset })
    }

    /// An IPv6 header.
    pub fn ipv6(self, source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        self.with(Layer::Ipv6 { source, destination })
    }

    /// An IPv6 extension header (0 hop-by-hop, 43 routing, 60 destination options), its data padded as its length field wants.
    pub fn extension(self, protocol: u8, data: &[u8]) -> Self {
        self.with(Layer::Extension { protocol, data: data.to_vec() })
    }

    /// A TCP header with these flags, as in its byte 13 (`0x02` is SYN).
    pub fn tcp(self, source: u16, destination: u16, flags: u8) -> Self {
        self.with(Layer::Tcp { source, destination, flags, options: vec![] })
    }

    /// A TCP header with options, which are padded to a multiple of 4 bytes.
    pub fn tcp_with_options(self, source: u16, destination: u16, flags: u8, options: &[u8]) -> Self {
        self.with(Layer::Tcp { source, destination, flags, options: padded(options) })
    }

    /// A UDP header.
    pub fn udp(self, source: u16, destination: u16) -> Self {
        self.with(Layer::Udp { source, destination })
    }

    /// An ICMP header (8 and 0 is an echo request).
    pub fn icmp(self, kind: u8, code: u8) -> Self {
        self.with(Layer::Icmp { kind, code })
    }

    /// An ICMPv6 header (128 and 0 is an echo request).
    pub fn icmp6(self, kind: u8, code: u8) -> Self {
        self.with(Layer::Icmp6 { kind, code })
    }

    /// What the innermost header carries.
    pub fn payload(self, bytes: &[u8]) -> Self {
        self.with(Layer::Payload(bytes.to_vec()))
    }

    fn with(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// The frame's bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut inner = Vec::new();
        for (depth, layer) in self.layers.iter().enumerate().rev() {
            let next = self.layers.get(depth + 1);
            let mut bytes = layer.header(next, &inner);
            bytes.extend_from_slice(&inner);
            if let Some((offset, checksum)) = layer.checksum(&self.layers[..depth], &bytes) {
                bytes[offset..offset + 2].copy_from_slice(&checksum.to_be_bytes());
            }
            inner = bytes;
        }
        inner
    }
}

impl Layer {
    /// The header, with its checksum zero.
    fn header(&self, next: Option<&Self>, inner: &[u8]) -> Vec<u8> {
        let mut header = Vec::new();
        let mut put16 = |value: u16| header.extend(value.to_be_bytes());
        match self {
            Self::Ethernet { source, destination } => {
                header.extend(destination);
                header.extend(source);
                header.extend(ether_type(next).to_be_bytes());
            }
            Self::Vlan { id, .. } => {
                put16(*id);
                put16(ether_type(next));
            }
            Self::Arp { operation, sender, target } => {
                // Hardware Ethernet, protocol IPv4, sizes of their addresses.
                for field in [1, 0x0800, 0x0604, *operation] {
                    put16(field);
                }
                for (hardware, protocol) in [sender, target] {
                    header.extend(hardware);
                    header.extend(protocol.octets());
                }
            }
            Self::Ipv4 { source, destination, options, ttl, fragment_offset } => {
                let header_len = 20 + options.len();
                put16(u16::from(version_and_length(4, header_len)) << 8);
                put16(length(header_len + inner.len()));
                put16(0x1234);
                put16(*fragment_offset);
                header.extend([*ttl, protocol_number(next, protocol::RESERVED), 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                header.extend(options);
            }
            Self::Ipv6 { source, destination } => {
                put16(6 << 12);
                put16(0);
                put16(length(inner.len()));
                header.extend([protocol_number(next, protocol::NONE6), 64]);
                header.extend(source.octets());
                header.extend(destination.octets());
            }
            Self::Extension { data, .. } => {
                let size = (2 + data.len()).next_multiple_of(8);
                // In units of 8 bytes, the first not counted.
                header.push(protocol_number(next, protocol::NONE6));
                header.push(u8::try_from(size / 8 - 1).expect("an extension header of at most 2048 bytes"));
                header.extend(data);
                header.resize(size, 0);
            }
            Self::Tcp { source, destination, flags, options } => {
                put16(*source);
                put16(*destination);
                header.extend([0, 0, 0, 1, 0, 0, 0, 2]);
                let data_offset = version_and_length(0, 20 + options.len()) << 4;
                header.extend([data_offset, *flags, 0x72, 0x10, 0, 0, 0, 0]);
                header.extend(options);
            }
            Self::Udp { source, destination } => {
                put16(*source);
                put16(*destination);
                put16(length(8 + inner.len()));
                put16(0);
            }
            Self::Icmp { kind, code } | Self::Icmp6 { kind, code } => header.extend([*kind, *code, 0, 0, 0, 1, 0, 1]),
            Self::Payload(bytes) => header.extend(bytes),
        }
        header
    }

    /// Where the checksum goes and what it is, of a layer with all that is inside it.
    fn checksum(&self, outer: &[Self], bytes: &[u8]) -> Option<(usize, u16)> {
        match self {
            Self::Ipv4 { options, .. } => Some((10, internet_checksum(&bytes[..20 + options.len()]))),
            Self::Tcp { .. } => Some((16, pseudo_checksum(outer, protocol::TCP, bytes)?)),
            // Zero would mean that there is none.
            Self::Udp { .. } => Some((
                6,
                match pseudo_checksum(outer, protocol::UDP, bytes)? {
                    0 => 0xffff,
                    checksum => checksum,
                },
            )),
            Self::Icmp { .. } => Some((2, internet_checksum(bytes))),
            Self::Icmp6 { .. } => Some((2, pseudo_checksum(outer, protocol::ICMP6, bytes)?)),
            Self::Ethernet { .. }
            | Self::Vlan { .. }
            | Self::Arp { .. }
            | Self::Ipv6 { .. }
            | Self::Extension { .. }
            | Self::Payload(_) => None,
        }
    }
}

/// The checksum of RFC 1071: the ones' complement of the ones' complement sum. Over bytes with a right checksum in them it is 0.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u64 =
        bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u64::from(*b))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("a folded sum")
}

/// The checksum over `bytes` and the addresses of the innermost IP header around them.
fn pseudo_checksum(outer: &[Layer], protocol: u8, bytes: &[u8]) -> Option<u16> {
    let mut all = outer.iter().rev().find_map(|layer| match layer {
        Layer::Ipv4 { source, destination, .. } => Some([source.octets(), destination.octets()].concat()),
        Layer::Ipv6 { source, destination } => Some([source.octets(), destination.octets()].concat()),
        _ => None,
    })?;
    // The fields of IPv6's pseudo header are wider than IPv4's, which does not change the sum.
    all.extend([0, 0, 0, protocol]);
    all.extend(length(bytes.len()).to_be_bytes());
    all.extend(bytes);
    Some(internet_checksum(&all))
}

fn ether_type(next: Option<&Layer>) -> u16 {
    match next {
        Some(Layer::Vlan { tag_protocol, .. }) => *tag_protocol,
        Some(Layer::Arp { .. }) => 0x0806,
        Some(Layer::Ipv6 { .. }) => 0x86dd,
        Some(Layer::Ipv4 { .. }) => 0x0800,
        // For experiments (IEEE 802).
        _ => 0x88b5,
    }
}

fn protocol_number(next: Option<&Layer>, none: u8) -> u8 {
    match next {
        Some(Layer::Tcp { .. }) => protocol::TCP,
        Some(Layer::Udp { .. }) => protocol::UDP,
        Some(Layer::Icmp { .. }) => protocol::ICMP,
        Some(Layer::Icmp6 { .. }) => protocol::ICMP6,
        Some(Layer::Extension { protocol, .. }) => *protocol,
        _ => none,
    }
}

/// Four bits of version, four of length in units of 4 bytes.
fn version_and_length(version: u8, header_len: usize) -> u8 {
    let words = u8::try_from(header_len / 4).ok().filter(|words| *words < 16).expect("a header of at most 60 bytes");
    version << 4 | words
}

fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("a packet of at most 64 KiB")
}

fn padded(options: &[u8]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    #[test]
    fn a_udp_packet_byte_by_byte() {
        let frame = Packet::ethernet().ipv4(A, B).udp(1, 2).payload(b"hi").build();
        let expected = [
            &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0][..],
            &[0x45, 0, 0, 30, 0x12, 0x34, 0, 0, 64, 17, 0x54, 0x99, 10, 0, 0, 1, 10, 0, 0, 2],
            &[0, 1, 0, 2, 0, 10, 0x83, 0x6b, b'h', b'i'],
        ]
        .concat();
        assert_eq!(frame, expected);
    }

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(internet_checksum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(internet_checksum(&[1]), !0x0100);
    }

    #[test]
    fn options_lengthen_the_header() {
        let frame = Packet::ethernet()
            .ipv4_with_options(A, B, &[7, 3, 4])
            .tcp_with_options(1, 2, 2, &[2, 4, 5, 0xb4, 1])
            .build();
        assert_eq!(frame[14], 0x46);
        assert_eq!(frame[14 + 24 + 12], 7 << 4);
        assert_eq!(frame.len(), 14 + 24 + 28);
        assert_eq!(internet_checksum(&frame[14..38]), 0);
    }

    #[test]
    fn tags_and_extension_headers_chain() {
        let frame = Packet::ethernet()
            .service_vlan(5)
            .vlan(6)
            .ipv6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST)
            .extension(0, &[1; 7]);
        let frame = frame.extension(60, &[]).icmp6(128, 0).build();
        assert_eq!(frame[12..22], [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd]);
        let ip = &frame[22..];
        assert_eq!((ip[6], ip[4..6].to_vec()), (0, vec![0, 32]));
        assert_eq!((ip[40], ip[41]), (60, 1));
        assert_eq!((ip[56], ip[57]), (58, 0));
        let pseudo = [&ip[8..40], &[0, 0, 0, 58, 0, 8], &ip[64..]].concat();
        assert_eq!(internet_checksum(&pseudo), 0);
    }

    #[test]
    fn an_arp_request() {
        let frame = Packet::ethernet_between([2; 6], [0xff; 6]).arp(1, ([2; 6], A), ([0; 6], B)).build();
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[12..22], [8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(frame[38..], B.octets());
    }
}
