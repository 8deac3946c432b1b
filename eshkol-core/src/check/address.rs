//! Address literals: `(ipv4 "10.0.0.1")`, `(ipv6 "::1")`, `(mac "02:00:00:00:00:01")`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An address, as it lies in memory.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `(ipv4 "…")`
    Ipv4([u8; 4]),
    /// `(ipv6 "…")`
    Ipv6([u8; 16]),
    /// `(mac "…")`
    Mac([u8; 6]),
}

impl Address {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Ipv4(bytes) => bytes,
            Self::Ipv6(bytes) => bytes,
            Self::Mac(bytes) => bytes,
        }
    }
}

/// Reads the text of an address literal; `literal` is its name: `ipv4`, `ipv6` or `mac`. `None` where the text is no such
/// address.
pub fn parse(literal: &str, text: &str) -> Option<Address> {
    match literal {
        "ipv4" => text.parse::<Ipv4Addr>().ok().map(|address| Address::Ipv4(address.octets())),
        "ipv6" => text.parse::<Ipv6Addr>().ok().map(|address| Address::Ipv6(address.octets())),
        "mac" => mac(text).map(Address::Mac),
        _ => None,
    }
}

/// Six bytes of two hexadecimal digits with `:` (or everywhere `-`) between them.
fn mac(text: &str) -> Option<[u8; 6]> {
    let separator = if text.contains('-') { '-' } else { ':' };
    let mut parts = text.split(separator);
    let mut bytes = [0; 6];
    for byte in &mut bytes {
        let part = parts.next()?;
        if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_network_order() {
        assert_eq!(parse("ipv4", "10.0.0.1"), Some(Address::Ipv4([10, 0, 0, 1])));
        assert_eq!(parse("mac", "02:00:00:00:00:fF"), Some(Address::Mac([2, 0, 0, 0, 0, 255])));
        assert_eq!(parse("mac", "02-00-00-00-00-01"), Some(Address::Mac([2, 0, 0, 0, 0, 1])));
        let loopback = parse("ipv6", "::1").unwrap();
        assert_eq!(loopback.bytes()[15], 1);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (literal, text) in [
            ("ipv4", "10.0.0"),
            ("ipv4", "10.0.0.256"),
            ("ipv6", "10.0.0.1"),
            ("mac", "02:00:00:00:00"),
            ("mac", "02:00:00:00:00:01:02"),
            ("mac", "2:0:0:0:0:1"),
            ("mac", "02:00-00:00:00:01"),
            ("mac", "02:00:00:00:00:+1"),
            ("port", "80"),
        ] {
            assert_eq!(parse(literal, text), None, "{literal} {text}");
        }
    }
}
