//! Packets, written layer by layer: `eth / vlan 5 / ipv4 10.0.0.1 10.0.0.2 ttl=3 / udp 53 4000 / hex 01 02`.
//!
//! Lengths, types, protocols and checksums are right unless said otherwise: `sum=0x1234` sets the checksum of a layer. `cut 20` at the end keeps the
//! first 20 bytes, `pad 60` adds zeros up to 60. `raw 02…` as the first layer is a whole packet in hexadecimal.

use std::net::{Ipv4Addr, Ipv6Addr};

use eshkol_test_support::internet_checksum;

use crate::case::bytes;

/// A layer: its name, its arguments, and its settings.
struct Layer<'t> {
    name: &'t str,
    arguments: Vec<&'t str>,
}

/// The bytes of a packet.
pub(crate) fn build(text: &str) -> Vec<u8> {
    let mut layers: Vec<Layer<'_>> = text
        .split('/')
        .map(|layer| {
            let mut words = layer.split_whitespace();
            Layer { name: words.next().expect("a layer"), arguments: words.collect() }
        })
        .collect();
    let size = layers.pop_if(|layer| matches!(layer.name, "cut" | "pad"));
    let mut packet = encode(&layers, None);
    if let Some(size) = size {
        packet.resize(size.number(0, 0), 0);
    }
    packet
}

impl Layer<'_> {
    fn setting(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
    }

    fn positional(&self, index: usize) -> Option<&str> {
        self.arguments.iter().filter(|argument| !argument.contains('=')).nth(index).copied()
    }

    /// An argument by its place.
    fn number(&self, index: usize, default: usize) -> usize {
        self.positional(index).map_or(default, parse)
    }

    /// A setting.
    fn set<T: TryFrom<usize>>(&self, name: &str, default: usize) -> T {
        let number = self.setting(name).map_or(default, parse);
        T::try_from(number).unwrap_or_else(|_| panic!("{name}={number} is too large"))
    }

    fn short(&self, index: usize, default: usize) -> [u8; 2] {
        u16::try_from(self.number(index, default)).expect("16 bits").to_be_bytes()
    }
}

fn parse(text: &str) -> usize {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("`{text}` is not a number"))
}

fn mac(text: &str) -> Vec<u8> {
    bytes(&text.replace(':', ""))
}

fn ether_type(next: Option<&Layer<'_>>) -> usize {
    match next.map(|layer| layer.name) {
        Some("ipv4") => 0x0800,
        Some("arp") => 0x0806,
        Some("vlan") => 0x8100,
        Some("ipv6") => 0x86dd,
        _ => 0x88b5,
    }
}

fn protocol(next: Option<&Layer<'_>>) -> usize {
    match next.map(|layer| layer.name) {
        Some("icmp") => 1,
        Some("tcp") => 6,
        Some("udp") => 17,
        Some("icmp6") => 58,
        Some("ext") => next.map_or(0, |layer| layer.number(0, 0)),
        _ => 253,
    }
}

/// Addresses and protocol, as the checksums of what is inside count them.
type Pseudo = Option<Vec<u8>>;

fn encode(layers: &[Layer<'_>], pseudo: Pseudo) -> Vec<u8> {
    let Some((layer, inner)) = layers.split_first() else { return Vec::new() };
    let next = inner.first();
    let mut header = Vec::new();
    let body = |pseudo| encode(inner, pseudo);
    match layer.name {
        "raw" | "hex" => {
            let digits = layer.arguments.concat();
            [bytes(&digits), body(pseudo)].concat()
        }
        "eth" => {
            header.extend(mac(layer.positional(0).unwrap_or("02:00:00:00:00:02")));
            header.extend(mac(layer.positional(1).unwrap_or("02:00:00:00:00:01")));
            header.extend(layer.set::<u16>("type", ether_type(next)).to_be_bytes());
            [header, body(None)].concat()
        }
        "vlan" => {
            let tag = layer.number(0, 1) | layer.set::<usize>("pcp", 0) << 13 | layer.set::<usize>("dei", 0) << 12;
            header.extend(u16::try_from(tag).unwrap().to_be_bytes());
            header.extend(layer.set::<u16>("type", ether_type(next)).to_be_bytes());
            [header, body(None)].concat()
        }
        "arp" => {
            header.extend([0, 1, 8, 0, 6, 4]);
            header.extend(layer.short(0, 1));
            header.extend(mac(layer.positional(1).unwrap_or("02:00:00:00:00:01")));
            header.extend(ipv4(layer.positional(2).unwrap_or("10.0.0.1")));
            header.extend(mac(layer.positional(3).unwrap_or("00:00:00:00:00:00")));
            header.extend(ipv4(layer.positional(4).unwrap_or("10.0.0.2")));
            [header, body(None)].concat()
        }
        "ipv4" => {
            let (source, destination) =
                (ipv4(layer.positional(0).unwrap_or("10.0.0.1")), ipv4(layer.positional(1).unwrap_or("10.0.0.2")));
            let options = layer.setting("options").map(bytes).unwrap_or_default();
            let protocol: u8 = layer.set("protocol", protocol(next));
            let inside = body(Some([&source[..], &destination, &[0, protocol]].concat()));
            let words = 5 + options.len() / 4;
            header.extend([u8::try_from(0x40 | words).unwrap(), layer.set("tos", 0)]);
            let length = words * 4 + inside.len();
            header.extend(layer.set::<u16>("length", length).to_be_bytes());
            header.extend(layer.set::<u16>("id", 0x1234).to_be_bytes());
            header.extend(layer.set::<u16>("fragment", 0x4000).to_be_bytes());
            header.extend([layer.set("ttl", 64), protocol, 0, 0]);
            header.extend(source);
            header.extend(destination);
            header.extend(options);
            let sum: u16 = layer.set("sum", internet_checksum(&header).into());
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            [header, inside].concat()
        }
        "ipv6" => {
            let address = |index, default| -> Ipv6Addr { layer.positional(index).unwrap_or(default).parse().unwrap() };
            let (source, destination) = (address(0, "fd00::1").octets(), address(1, "fd00::2").octets());
            let last = inner.iter().find(|layer| layer.name != "ext");
            let innermost = u8::try_from(protocol(last)).unwrap();
            let inside = body(Some([&source[..], &destination, &[0, innermost]].concat()));
            let first = 6 << 28 | layer.set::<u32>("class", 0) << 20 | layer.set::<u32>("flow", 0);
            header.extend(first.to_be_bytes());
            header.extend(u16::try_from(inside.len()).unwrap().to_be_bytes());
            let last_bytes: [u8; 2] = [layer.set("next", protocol(next)), layer.set("hops", 64)];
            header.extend(last_bytes);
            header.extend(source);
            header.extend(destination);
            [header, inside].concat()
        }
        // `ext 0 14`: an extension header of number 0 with 14 bytes after the first two.
        "ext" => {
            let length = layer.number(1, 6);
            assert_eq!((length + 2) % 8, 0, "extension headers are multiples of 8 bytes");
            header.push(u8::try_from(protocol(next)).unwrap());
            // A fragment header (44) keeps this byte 0.
            header.push(u8::try_from((length + 2) / 8 - 1).unwrap());
            header.resize(length + 2, layer.set("fill", 0));
            [header, body(pseudo)].concat()
        }
        "tcp" => {
            let options = layer.setting("options").map(bytes).unwrap_or_default();
            header.extend(layer.short(0, 1000));
            header.extend(layer.short(1, 80));
            header.extend(layer.set::<u32>("seq", 1).to_be_bytes());
            header.extend(layer.set::<u32>("ack", 0).to_be_bytes());
            header.push(u8::try_from((5 + options.len() / 4) << 4).unwrap());
            header.push(layer.set("flags", 2));
            header.extend(layer.set::<u16>("window", 0xffff).to_be_bytes());
            header.extend([0, 0]);
            header.extend(layer.set::<u16>("urgent", 0).to_be_bytes());
            header.extend(options);
            let inside = body(None);
            let sum = transport_checksum(&pseudo, &header, &inside);
            header[16..18].copy_from_slice(&layer.set::<u16>("sum", sum.into()).to_be_bytes());
            [header, inside].concat()
        }
        "udp" => {
            let inside = body(None);
            header.extend(layer.short(0, 1000));
            header.extend(layer.short(1, 53));
            header.extend(layer.set::<u16>("length", 8 + inside.len()).to_be_bytes());
            header.extend([0, 0]);
            let sum = match transport_checksum(&pseudo, &header, &inside) {
                0 => 0xffff,
                sum => sum,
            };
            header[6..8].copy_from_slice(&layer.set::<u16>("sum", sum.into()).to_be_bytes());
            [header, inside].concat()
        }
        "icmp" | "icmp6" => {
            let inside = body(None);
            header.extend([layer.number(0, 8), layer.number(1, 0)].map(|byte| u8::try_from(byte).unwrap()));
            header.extend([0, 0]);
            header.extend(layer.set::<u16>("id", 7).to_be_bytes());
            header.extend(layer.set::<u16>("seq", 1).to_be_bytes());
            let sum = match layer.name {
                "icmp" => internet_checksum(&[&header[..], &inside].concat()),
                _ => transport_checksum(&pseudo, &header, &inside),
            };
            header[2..4].copy_from_slice(&layer.set::<u16>("sum", sum.into()).to_be_bytes());
            [header, inside].concat()
        }
        other => panic!("there is no layer `{other}`"),
    }
}

fn transport_checksum(pseudo: &Pseudo, header: &[u8], inside: &[u8]) -> u16 {
    let Some(pseudo) = pseudo else { return 0 };
    let length = u16::try_from(header.len() + inside.len()).unwrap().to_be_bytes();
    internet_checksum(&[pseudo, &length[..], header, inside].concat())
}

fn ipv4(text: &str) -> [u8; 4] {
    text.parse::<Ipv4Addr>().unwrap().octets()
}

#[test]
fn a_udp_packet_byte_by_byte() {
    let expected = [
        &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0][..],
        &[0x45, 0, 0, 30, 0x12, 0x34, 0, 0, 64, 17, 0x54, 0x99, 10, 0, 0, 1, 10, 0, 0, 2],
        &[0, 1, 0, 2, 0, 10, 0x83, 0x6b, b'h', b'i'],
    ];
    assert_eq!(build("eth / ipv4 10.0.0.1 10.0.0.2 fragment=0 / udp 1 2 / hex 6869"), expected.concat());
}

#[test]
fn packets_are_cut_and_padded() {
    assert_eq!(build("eth / ipv4 / cut 20").len(), 20);
    assert_eq!(build("eth / pad 60").len(), 60);
    assert_eq!(build("raw 01 02 / pad 3"), [1, 2, 0]);
}
