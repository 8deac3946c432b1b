//! Types of packets that Rust's standard library lacks.

use std::error::Error as StdError;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::plain::{InvalidValue, Plain};

/// An Ethernet address.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`, to everyone.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address with these octets, first to last as they are sent.
    pub const fn new(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) -> Self {
        Self([a, b, c, d, e, f])
    }

    /// Its octets as they are sent.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether it stands for a group of stations (broadcast included).
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

impl From<MacAddr> for [u8; 6] {
    fn from(address: MacAddr) -> Self {
        address.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no Ethernet address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseMacAddrError;

impl fmt::Display for ParseMacAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ethernet address: six pairs of hexadecimal digits are wanted, as in 02:00:00:00:00:01")
    }
}

impl StdError for ParseMacAddrError {}

impl FromStr for MacAddr {
    type Err = ParseMacAddrError;

    /// Reads `02:00:00:00:00:01`; dashes do for colons.
    fn from_str(text: &str) -> Result<Self, ParseMacAddrError> {
        let mut octets = [0; 6];
        let mut parts = text.split(if text.contains('-') { '-' } else { ':' });
        for octet in &mut octets {
            let part = parts.next().ok_or(ParseMacAddrError)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(ParseMacAddrError);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| ParseMacAddrError)?;
        }
        if parts.next().is_some() { Err(ParseMacAddrError) } else { Ok(Self(octets)) }
    }
}

impl Plain for MacAddr {
    const SIZE: usize = 6;

    fn encode(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
        <[u8; 6]>::decode(bytes).map(Self)
    }
}

/// Both ends of an IPv4 connection: the predefined `:ipv4-tuple`.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(C)]
pub struct Ipv4Tuple {
    /// Source address.
    pub src_ip: Ipv4Addr,
    /// Destination address.
    pub dst_ip: Ipv4Addr,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
}

impl Plain for Ipv4Tuple {
    const SIZE: usize = 12;

    fn encode(&self, bytes: &mut [u8]) {
        self.src_ip.encode(&mut bytes[0..4]);
        self.dst_ip.encode(&mut bytes[4..8]);
        self.src_port.encode(&mut bytes[8..10]);
        self.dst_port.encode(&mut bytes[10..12]);
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
        let bytes: &[u8; 12] = bytes.try_into().map_err(|_| InvalidValue::new("Ipv4Tuple", bytes.len() as u64))?;
        Ok(Self {
            src_ip: Plain::decode(&bytes[0..4])?,
            dst_ip: Plain::decode(&bytes[4..8])?,
            src_port: Plain::decode(&bytes[8..10])?,
            dst_port: Plain::decode(&bytes[10..12])?,
        })
    }
}

macro_rules! big_endian {
    ($($(#[$doc:meta])* $name:ident($integer:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Copy, Clone, PartialEq, Eq, Hash, Default)]
        #[repr(transparent)]
        pub struct $name($integer);

        impl $name {
            /// The number `value`, which is in the machine's order like any number in Rust.
            pub const fn new(value: $integer) -> Self {
                Self(value.to_be())
            }

            /// The number, in the machine's order.
            pub const fn get(self) -> $integer {
                <$integer>::from_be(self.0)
            }
        }

        impl From<$integer> for $name {
            fn from(value: $integer) -> Self {
                Self::new(value)
            }
        }

        impl From<$name> for $integer {
            fn from(value: $name) -> Self {
                value.get()
            }
        }

        impl PartialEq<$integer> for $name {
            fn eq(&self, other: &$integer) -> bool {
                self.get() == *other
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.get().cmp(&other.get())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.get(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.get(), f)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.get(), f)
            }
        }

        impl Plain for $name {
            const SIZE: usize = <$integer>::SIZE;

            fn encode(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.0.to_ne_bytes());
            }

            fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
                <$integer>::decode(bytes).map(Self)
            }
        }
    )*};
}

big_endian! {
    /// A `:be16`: 16 bits in network order in memory, a number in Rust.
    Be16(u16);
    /// A `:be32`: 32 bits in network order in memory, a number in Rust.
    Be32(u32);
    /// A `:be64`: 64 bits in network order in memory, a number in Rust.
    Be64(u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::to_vec;

    #[test]
    fn mac_addresses_print_as_they_read() {
        let address: MacAddr = "02:00:0a:FF:00:01".parse().unwrap();
        assert_eq!(address, MacAddr::new(2, 0, 0x0a, 0xff, 0, 1));
        assert_eq!(address.to_string(), "02:00:0a:ff:00:01");
        assert_eq!("02-00-0a-ff-00-01".parse(), Ok(address));
        assert!(MacAddr::BROADCAST.is_multicast());
        assert!(!address.is_multicast());
    }

    #[test]
    fn what_is_no_mac_address_is_refused() {
        for text in
            ["", "02:00:00:00:00", "02:00:00:00:00:01:02", "2:0:0:0:0:1", "02:00:00:00:00:0g", "+2:00:00:00:00:01"]
        {
            assert_eq!(text.parse::<MacAddr>(), Err(ParseMacAddrError), "{text}");
        }
    }

    #[test]
    fn big_endian_in_memory_a_number_in_rust() {
        assert_eq!(to_vec::<Be16>(&Be16::new(0x0800)), [8, 0]);
        assert_eq!(to_vec::<Be64>(&Be64::new(1)), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(Be32::decode(&[0, 0, 1, 0]).unwrap(), 256);
        assert!(Be16::new(255) < Be16::new(256));
        assert_eq!(format!("{} {:?} {:x}", Be16::new(80), Be32::new(443), Be32::new(0x0800)), "80 443 800");
    }

    #[test]
    fn a_tuple_is_twelve_bytes() {
        let tuple = Ipv4Tuple {
            src_ip: Ipv4Addr::new(10, 0, 0, 1),
            dst_ip: Ipv4Addr::new(10, 0, 0, 2),
            src_port: 1234,
            dst_port: 80,
        };
        let bytes = to_vec::<Ipv4Tuple>(&tuple);
        assert_eq!(bytes[..8], [10, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(bytes[8..10], 1234_u16.to_ne_bytes());
        assert_eq!(Ipv4Tuple::decode(&bytes), Ok(tuple));
    }
}
