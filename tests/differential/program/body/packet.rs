//! The packet: its headers read and written, its checksums, its ends moved.

use std::fmt::Write as _;

use eshkol_core::kernel::{ProgramType, packet_header};

use super::super::definition::{Content, EXTRA, INPUT};
use super::super::writes_packet;
use super::{Kind, Level, Parsed, Writer};

/// Headers that are parsed one after the other, whatever the packet says that it is.
const CHAINS: [&[&str]; 13] = [
    &["eth"],
    &["eth", "ipv4"],
    &["eth", "ipv4", "tcp"],
    &["eth", "ipv4", "udp"],
    &["eth", "ipv6"],
    &["eth", "vlan", "ipv4"],
    &["eth", "extra"],
    &["eth", "ipv4", "icmp"],
    &["eth", "arp"],
    &["eth", "vlan", "extra"],
    &["eth", "ipv4", "tcp", "extra"],
    &["eth", "ipv6", "udp"],
    &["eth", "ipv6", "icmp6"],
];
/// How many of them stop at IPv6, behind which there may be six more headers to walk over.
const SHORT_CHAINS: usize = 11;

impl Writer<'_> {
    /// One of the headers that have been parsed.
    fn header(&mut self) -> Option<Parsed> {
        match self.headers.len() {
            0 => None,
            count => Some(self.headers[self.choices.below(count)].clone()),
        }
    }

    /// A number from a field of a header of the packet.
    pub(super) fn header_field(&mut self) -> String {
        let Some(Parsed { name, header }) = self.header() else { return self.field() };
        if header == "extra" {
            return format!("(extra-{} {name})", EXTRA[self.choices.below(EXTRA.len())].0);
        }
        let fields = packet_header::by_name(header).unwrap().fields;
        let field = &fields[self.choices.below(fields.len())];
        let value = format!("({header}-{} {name})", field.name);
        match field.ty {
            packet_header::FieldType::Int(_) => value,
            packet_header::FieldType::Bool => format!("(if {value} 1 0)"),
            packet_header::FieldType::Ipv4 => self.number_of(&Content::Ipv4, &value),
            packet_header::FieldType::Ipv6 => self.number_of(&Content::Ipv6, &value),
            packet_header::FieldType::Mac => self.number_of(&Content::Mac, &value),
        }
    }

    /// Writes a field of a header of the packet.
    pub(super) fn set_header_field(&mut self, depth: usize) -> String {
        let Some(Parsed { name, header }) = self.header().filter(|_| writes_packet(self.program_type)) else {
            return self.set_input(depth);
        };
        if header == "extra" {
            let (field, ty, bits) = EXTRA[self.choices.below(EXTRA.len())];
            return format!("(set-extra-{field}! {name} {})", self.fitting(ty, bits, depth));
        }
        let fields = packet_header::by_name(header).unwrap().fields;
        let field = &fields[self.choices.below(fields.len())];
        let setter = ["set", "init"][self.choices.below(2)];
        let value = match (field.ty, field.storage.bits) {
            (packet_header::FieldType::Int(_), Some((_, width))) => {
                format!("(bitwise-and {} {})", self.int(depth), (1_u64 << width) - 1)
            }
            (packet_header::FieldType::Int(int), None) => format!("(the {int} {})", self.int(depth)),
            (packet_header::FieldType::Bool, _) => self.bool(depth),
            (packet_header::FieldType::Ipv4, _) if self.choices.below(2) == 0 => {
                format!("(the u32 {})", self.int(depth))
            }
            (packet_header::FieldType::Ipv4, _) => self.named(&Content::Ipv4, depth),
            (packet_header::FieldType::Ipv6, _) => self.named(&Content::Ipv6, depth),
            (packet_header::FieldType::Mac, _) => self.named(&Content::Mac, depth),
        };
        format!("({setter}-{header}-{}! {name} {value})", field.name)
    }

    /// Sums a header up, or says what changes in what its checksum covers.
    pub(super) fn checksum(&mut self, depth: usize) -> String {
        match self.header().filter(|_| writes_packet(self.program_type)) {
            Some(Parsed { name, header: "ipv4" }) => format!("(ipv4-compute-checksum! {name})"),
            Some(Parsed { name, header: header @ ("tcp" | "udp" | "icmp" | "icmp6") }) => {
                let (old, new) = match self.choices.below(3) {
                    0 => (format!("(the u16 {})", self.int(depth)), format!("(the u16 {})", self.int(depth))),
                    1 => (self.named(&Content::Ipv4, 0), self.named(&Content::Ipv4, 0)),
                    _ => (self.named(&Content::Ipv6, 0), self.named(&Content::Ipv6, 0)),
                };
                format!("({header}-checksum-replace! {name} {old} {new})")
            }
            _ => self.set_header_field(depth),
        }
    }

    /// A number for a field, of no more bits than it has.
    fn fitting(&mut self, ty: &str, bits: Option<u32>, depth: usize) -> String {
        match bits {
            Some(width) => format!("(bitwise-and {} {})", self.int(depth), (1_u64 << width) - 1),
            None => format!("(the {} {})", Content::integer(ty), self.int(depth)),
        }
    }

    /// Writes a field of the input.
    pub(super) fn set_input(&mut self, depth: usize) -> String {
        if !self.in_entry {
            return "(void)".to_owned();
        }
        if !writes_packet(self.program_type) {
            return self.map_result(depth);
        }
        let (name, ty, bits) = INPUT[self.choices.below(INPUT.len())];
        format!("(set-input-{name}! in {})", self.fitting(ty, bits, depth))
    }

    /// Headers of the packet, one after the other, and a number from what they say.
    pub(super) fn parsed(&mut self, depth: usize) -> String {
        if !self.has_context {
            return self.number();
        }
        // The verifier would walk over them anew in every round.
        let walks = self.loops == 0 && self.walks < 2;
        let index = self.choices.below(if walks { CHAINS.len() } else { SHORT_CHAINS });
        self.walks += usize::from(index >= SHORT_CHAINS);
        let mut chain = CHAINS[index];
        if self.program_type == ProgramType::CgroupSkb {
            // Its packets begin with the IP header.
            chain = match chain {
                ["eth", rest @ ..] if rest.first().is_some_and(|first| first.starts_with("ip")) => rest,
                _ => &["ipv4", "extra"],
            };
        }
        let mark = self.headers.len();
        let (mut text, mut end) = (String::new(), String::new());
        let mut place = "ctx".to_owned();
        for header in chain.iter().take(self.headers_at_most()) {
            let name = self.name("h");
            let other = self.number();
            if place != "ctx" && self.choices.below(6) == 5 {
                place = format!("(advance {place} (bitwise-and {} 7))", self.number());
            }
            let parse =
                if *header == "extra" { "parse-header extra".to_owned() } else { format!("parse-{header}-header") };
            let _ = write!(text, "(let (({name} ({parse} {place}))) (if {name} ");
            end = format!(" {other})){end}");
            place = format!("({header}-payload {name})");
            self.headers.push(Parsed { name, header });
        }
        let body = self.body(depth);
        self.headers.truncate(mark);
        format!("{text}(let () {body}){end}")
    }

    /// How many more headers there may be: where they are copied to the stack, not many.
    fn headers_at_most(&mut self) -> usize {
        if self.program_type != ProgramType::SocketFilter {
            return usize::MAX;
        }
        self.allocations += 1;
        6_usize.saturating_sub(self.allocations).max(1)
    }

    /// A place in the packet where something may be parsed.
    pub(super) fn place(&mut self) -> String {
        match self.header() {
            Some(Parsed { name, header }) if self.choices.below(3) > 0 => format!("({header}-payload {name})"),
            _ => "ctx".to_owned(),
        }
    }

    /// What a helper makes of memory and the packet.
    pub(super) fn helper(&mut self, depth: usize) -> String {
        if !self.has_context || self.allocations >= 5 {
            return self.environment();
        }
        let index = self.choices.below(self.definitions.structs.len());
        let (name, value, size) = (self.name("s"), self.made(index, depth), self.definitions.size(index));
        let names = vec![(name.clone(), Kind::Struct(index))];
        let plain = |field: &Content| !matches!(field, Content::Bool | Content::Enum | Content::Struct(_));
        let holds_any = self.definitions.structs[index].fields.iter().all(plain);
        let offset = match self.choices.below(3) {
            0 => [0, 14, 54, 90, 200][self.choices.below(5)].to_string(),
            _ => format!("(bitwise-and {} 127)", self.number()),
        };
        let is_xdp = self.program_type == ProgramType::Xdp;
        let call = match self.choices.below(3) {
            0 if is_xdp && self.level == Level::V6_1 && holds_any => {
                format!("(bpf-xdp-load-bytes ctx {offset} {name} {size})")
            }
            1 if is_xdp && self.level == Level::V6_1 => format!("(bpf-xdp-store-bytes ctx {offset} {name} {size})"),
            0 if !is_xdp && holds_any => format!("(bpf-skb-load-bytes ctx {offset} {name} {size})"),
            _ if !writes_packet(self.program_type) => return self.environment(),
            _ => {
                let words = size / 4 * 4;
                let parts = match self.choices.below(3) {
                    _ if words == 0 => "0 0 0 0".to_owned(),
                    0 => format!("0 0 {name} {words}"),
                    1 => format!("{name} {words} 0 0"),
                    _ => format!("{name} {words} {name} 4"),
                };
                // Kernels give it in 32 bits or, since 6.13, in 16; and of its two zeros, 0 and 0xffff, either.
                let sum = self.name("x");
                let once = format!("(+ (bitwise-and {sum} 0xffff) (arithmetic-shift {sum} -16))");
                let seed = self.int(0);
                format!(
                    "(let (({sum} (the u32 (bpf-csum-diff {parts} (the u32 {seed}))))) (let (({sum} {once})) (modulo {once} 0xffff)))"
                )
            }
        };
        let result = self.name("x");
        let field = self.struct_field(&name, index, 3);
        let rest = self.within(names, |this| this.int(depth));
        format!("(let (({name} {value})) (let (({result} {call})) (+ {result} {field} {rest})))")
    }

    /// Moves an end of the packet in some programs, or goes on with another one, and begins what is done with what is left of the packet.
    /// Whether it does.
    pub(super) fn moved(&mut self, text: &mut String) -> bool {
        let part = self.choices.begin();
        let way = self.choices.below(8);
        let amount = match self.choices.below(3) {
            0 => ["4", "0", "14", "60", "200"][self.choices.below(5)].to_owned(),
            _ => format!("(bitwise-and {} 31)", self.number()),
        };
        self.choices.end(part);
        let call = match (self.program_type, way) {
            (ProgramType::Xdp, 6) => format!("(bpf-xdp-adjust-head ctx {amount})"),
            (ProgramType::Xdp, 7) => format!("(bpf-xdp-adjust-tail ctx (- 0 (the i32 {amount})))"),
            (ProgramType::Tc, 6) => {
                let index = self.choices.below(self.definitions.structs.len());
                let (value, size) = (self.made(index, 1), self.definitions.size(index));
                format!("(bpf-skb-store-bytes ctx {amount} {value} {size} 0)")
            }
            (ProgramType::Tc, 7) => format!("(bpf-skb-pull-data ctx {amount})"),
            (_, 4 | 5) if self.has_context => match self.tail_call() {
                Some(call) => format!("(begin (when {} {call}) 0)", self.bool(2)),
                None => return false,
            },
            _ => return false,
        };
        let _ = writeln!(text, "          (map-update results 6 (the u64 {call}))");
        let _ = writeln!(text, "          (let ((in (parse-header input ctx))) (if in (begin");
        true
    }
}
