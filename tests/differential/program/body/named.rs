//! Values that are no numbers: variants of the enum, addresses.

use super::super::definition::{COLORS, Content};
use super::{Kind, Writer};

impl Writer<'_> {
    /// A value of such a type.
    pub(super) fn named(&mut self, content: &Content, depth: usize) -> String {
        if depth > 0 && self.choices.below(4) == 3 {
            let test = self.bool(depth - 1);
            return format!("(if {test} {} {})", self.named(content, 0), self.named(content, 0));
        }
        if self.choices.below(3) == 2
            && let Some((name, Kind::Struct(index))) = self.pick(|kind| matches!(kind, Kind::Struct(_)))
            && let Some(field) = self.definitions.structs[index].fields.iter().position(|field| field == content)
        {
            return format!("(s{index}-f{field} {name})");
        }
        if let Some(address) = self.address(content)
            && self.choices.below(2) == 0
        {
            return address.to_owned();
        }
        let header = |this: &Self, wanted: &str| {
            this.headers.iter().rev().find(|parsed| parsed.header == wanted).map(|parsed| parsed.name.clone())
        };
        let literal = self.choices.below(3);
        match content {
            Content::Enum => COLORS[literal].to_owned(),
            Content::Ipv4 => match header(self, "ipv4") {
                Some(name) => format!("({} {name})", ["ipv4-src", "ipv4-dst"][literal % 2]),
                None => format!("(ipv4 \"{}\")", ["10.0.0.1", "0.0.0.0", "255.128.1.254"][literal]),
            },
            Content::Ipv6 => match header(self, "ipv6") {
                Some(name) => format!("({} {name})", ["ipv6-src", "ipv6-dst"][literal % 2]),
                None => format!("(ipv6 \"{}\")", ["::1", "::", "2001:db8:ffff::80:ff01"][literal]),
            },
            _ => match header(self, "eth") {
                Some(name) => format!("({} {name})", ["eth-src", "eth-dst"][literal % 2]),
                None => {
                    format!("(mac \"{}\")", ["02:00:00:00:00:01", "00:00:00:00:00:00", "ff:80:7f:01:fe:ff"][literal])
                }
            },
        }
    }

    /// A number that depends on such a value.
    pub(super) fn number_of(&mut self, content: &Content, value: &str) -> String {
        let other = self.named(content, 0);
        match content {
            Content::Enum if self.choices.below(2) == 0 => {
                format!("(case {value} ((red) {}) ((green blue) {}) (else 3))", self.number(), self.number())
            }
            Content::Ipv4 if self.choices.below(2) == 0 => format!("(the u32 {value})"),
            _ => {
                let same = ["equal?", "eqv?", "eq?"][self.choices.below(3)];
                format!("(if ({same} {value} {other}) {} {})", self.number(), self.number())
            }
        }
    }

    /// A number that is chosen by a value that is none.
    pub(super) fn chosen_by_name(&mut self, depth: usize) -> String {
        let content = [Content::Enum, Content::Ipv4, Content::Ipv6, Content::Mac][self.choices.below(4)].clone();
        let name = self.name("c");
        let value = self.named(&content, depth);
        let number = self.number_of(&content, &name);
        format!("(let (({name} {value})) (+ {number} {}))", self.int(depth))
    }
}
