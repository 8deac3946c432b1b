//! Headers of packets, by the names their standards give the fields.

mod internet;
mod link;
mod transport;

use crate::check::types::{DataType, IntType, Storage};

/// A header that the language knows: `(parse-NAME-header cursor)`, `(NAME-FIELD header)`, `(set-NAME-FIELD! header value)`,
/// `(NAME-payload header)`.
#[derive(Debug)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// Bytes without options.
    pub size: u32,
    /// Bytes with options.
    pub length: HeaderLength,
    /// Its fields.
    pub fields: &'static [HeaderField],
    /// The standard that says so.
    pub source: &'static str,
}

/// How long a header is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum HeaderLength {
    /// Always its size.
    Fixed,
    /// As many 4-byte words as a field of the header says (at least its size).
    Words {
        /// That field.
        field: &'static str,
        /// Bytes at most.
        maximum: u32,
    },
}

/// A field of a header.
#[derive(Debug)]
pub struct HeaderField {
    /// Its name.
    pub name: &'static str,
    /// Bytes from the start of the header to the bytes that `storage` reads.
    pub offset: u32,
    /// How it lies there.
    pub storage: Storage,
    /// What reading it gives.
    pub ty: FieldType,
}

/// What reading a field of a header gives.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum FieldType {
    /// A number in host order.
    Int(IntType),
    /// A flag of one bit.
    Bool,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A MAC address.
    Mac,
}

impl FieldType {
    /// The same as a type of data.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Int(int) => DataType::Int(int),
            Self::Bool => DataType::Bool,
            Self::Ipv4 => DataType::Ipv4,
            Self::Ipv6 => DataType::Ipv6,
            Self::Mac => DataType::Mac,
        }
    }
}

impl Header {
    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&HeaderField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field that sums up the others, where there is one.
    pub fn checksum(&self) -> Option<&HeaderField> {
        self.field("checksum")
    }
}

/// Every header.
pub static HEADERS: &[Header] = &[
    link::ETH,
    link::VLAN,
    link::ARP,
    internet::IPV4,
    internet::IPV6,
    transport::TCP,
    transport::UDP,
    internet::ICMP,
    internet::ICMP6,
];

/// Whether an Ethernet header is what comes right before a header.
pub fn follows_ethernet(header: &Header) -> bool {
    matches!(header.name, "vlan" | "arp" | "ipv4" | "ipv6")
}

/// The header of a name such as `ipv4`.
pub fn by_name(name: &str) -> Option<&'static Header> {
    HEADERS.iter().find(|header| header.name == name)
}

/// The field that `(accessor header)` reads: `ipv4-src`.
pub fn by_accessor(accessor: &str) -> Option<(&'static Header, &'static HeaderField)> {
    let (header, field) = accessor.split_once('-')?;
    let header = by_name(header)?;
    Some((header, header.field(field)?))
}

/// The field that `(setter header value)` writes: `set-ipv4-src!`.
pub fn by_setter(setter: &str) -> Option<(&'static Header, &'static HeaderField)> {
    by_accessor(setter.strip_prefix("set-")?.strip_suffix('!')?)
}

/// An unsigned number of whole bytes.
const fn number(name: &'static str, offset: u32, bits: u8) -> HeaderField {
    let storage = Storage { bytes: bits as u32 / 8, big_endian: bits > 8, signed: false, bits: None };
    HeaderField { name, offset, storage, ty: FieldType::Int(IntType { bits, signed: false }) }
}

/// A number of so many bits, after `shift` lower ones, of the number that `bytes` bytes make.
const fn bits(name: &'static str, offset: u32, bytes: u32, shift: u8, count: u8) -> HeaderField {
    let int = if count <= 8 {
        IntType::U8
    } else if count <= 16 {
        IntType::U16
    } else {
        IntType::U32
    };
    let storage = Storage { bytes, big_endian: bytes > 1, signed: false, bits: Some((shift, count)) };
    HeaderField { name, offset, storage, ty: FieldType::Int(int) }
}

/// One bit of a byte.
const fn flag(name: &'static str, offset: u32, shift: u8) -> HeaderField {
    HeaderField { ty: FieldType::Bool, ..bits(name, offset, 1, shift, 1) }
}

const fn ipv4(name: &'static str, offset: u32) -> HeaderField {
    let storage = Storage { bytes: 4, big_endian: true, signed: false, bits: None };
    HeaderField { name, offset, storage, ty: FieldType::Ipv4 }
}

const fn ipv6(name: &'static str, offset: u32) -> HeaderField {
    let storage = Storage { bytes: 16, big_endian: false, signed: false, bits: None };
    HeaderField { name, offset, storage, ty: FieldType::Ipv6 }
}

const fn mac(name: &'static str, offset: u32) -> HeaderField {
    let storage = Storage { bytes: 6, big_endian: false, signed: false, bits: None };
    HeaderField { name, offset, storage, ty: FieldType::Mac }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The bits of a header that a field covers, counted as standards draw them: from the first byte's highest bit.
    fn covered(field: &HeaderField) -> std::ops::Range<u32> {
        let (shift, count) = field.storage.bits.map_or((0, field.storage.bytes * 8), |(s, c)| (s.into(), c.into()));
        let end = (field.offset + field.storage.bytes) * 8 - shift;
        end - count..end
    }

    #[test]
    fn fields_cover_their_header() {
        for header in HEADERS {
            let mut seen = BTreeSet::new();
            for field in header.fields {
                let bits = covered(field);
                assert!(bits.end <= header.size * 8, "{}-{}", header.name, field.name);
                seen.extend(bits);
                let data = field.ty.data_type();
                if field.storage.bits.is_none() {
                    let bytes = data.storage().unwrap().bytes;
                    assert_eq!(bytes, field.storage.bytes, "{}-{}", header.name, field.name);
                }
            }
            assert_eq!(seen.len() as u32, header.size * 8, "{} has a gap", header.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut seen = BTreeSet::new();
        for header in HEADERS {
            for field in header.fields {
                let name = format!("{}-{}", header.name, field.name);
                assert!(seen.insert(name.clone()), "{name}");
                let (found, found_field) = by_accessor(&name).unwrap();
                assert!(std::ptr::eq(found_field, field) && found.name == header.name);
                assert!(by_setter(&format!("set-{name}!")).is_some());
            }
        }
        assert!(by_accessor("ipv4-payload").is_none());
        assert!(by_setter("ipv4-src").is_none());
    }

    #[test]
    fn bits_are_where_the_standards_draw_them() {
        let at = |name| covered(by_accessor(name).unwrap().1);
        assert_eq!(at("ipv4-version"), 0..4);
        assert_eq!(at("ipv4-ihl"), 4..8);
        assert_eq!(at("ipv4-dscp"), 8..14);
        assert_eq!(at("ipv4-flags"), 48..51);
        assert_eq!(at("ipv4-dont-fragment?"), 49..50);
        assert_eq!(at("ipv4-more-fragments?"), 50..51);
        assert_eq!(at("ipv4-fragment-offset"), 51..64);
        assert_eq!(at("ipv4-dst"), 128..160);
        assert_eq!(at("ipv6-traffic-class"), 4..12);
        assert_eq!(at("ipv6-flow-label"), 12..32);
        assert_eq!(at("ipv6-dst"), 192..320);
        assert_eq!(at("tcp-data-offset"), 96..100);
        assert_eq!(at("tcp-cwr?"), 104..105);
        assert_eq!(at("tcp-syn?"), 110..111);
        assert_eq!(at("tcp-fin?"), 111..112);
        assert_eq!(at("vlan-pcp"), 0..3);
        assert_eq!(at("vlan-dei?"), 3..4);
        assert_eq!(at("vlan-vid"), 4..16);
        assert_eq!(at("arp-target-ip"), 192..224);
        assert_eq!(at("eth-type"), 96..112);
        assert_eq!(at("icmp-sequence"), 48..64);
    }

    #[test]
    fn sizes_are_those_of_the_standards() {
        let sizes: Vec<_> = HEADERS.iter().map(|header| (header.name, header.size)).collect();
        assert_eq!(
            sizes,
            [
                ("eth", 14),
                ("vlan", 4),
                ("arp", 28),
                ("ipv4", 20),
                ("ipv6", 40),
                ("tcp", 20),
                ("udp", 8),
                ("icmp", 8),
                ("icmp6", 8)
            ]
        );
        for header in HEADERS {
            if let HeaderLength::Words { field, maximum } = header.length {
                let (_, count) = header.field(field).unwrap().storage.bits.unwrap();
                assert_eq!(((1 << count) - 1) * 4, maximum);
            }
        }
    }
}
