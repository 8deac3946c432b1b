//! What depends on the type of a program: what its context says, and what it returns.

use eshkol_core::kernel::ProgramType;
use eshkol_core::kernel::program_type::Results;

use super::super::attachment::REGISTERS;
use super::super::definition::Content;
use super::super::{has_packet, program_of};
use super::{Level, Writer};

impl Writer<'_> {
    /// A number that a program is called with which gets no packet.
    pub(super) fn argument(&mut self) -> String {
        let names = self.attachment.names();
        match self.program_type {
            _ if !names.is_empty() => names[self.choices.below(names.len())].clone(),
            ProgramType::Kretprobe if self.choices.below(3) == 0 => "(kprobe-return-value ctx)".to_owned(),
            ProgramType::RawTracepoint => format!("(raw-tracepoint-arg ctx {})", self.choices.below(12)),
            ProgramType::Kprobe | ProgramType::Kretprobe => {
                format!("(get-kprobe-arg ctx {})", self.choices.below(REGISTERS))
            }
            ProgramType::Uprobe => format!("(get-uprobe-arg ctx {})", self.choices.below(REGISTERS)),
            ProgramType::Uretprobe => "(uprobe-return-value ctx)".to_owned(),
            ProgramType::CgroupSockAddr => self.address_field(),
            ProgramType::PerfEvent => {
                let words = self.program_type.context().words;
                format!("(ctx-{} ctx)", words[self.choices.below(words.len())].name)
            }
            _ => match self.choices.below(7) {
                6 => "(get-syscall-id ctx)".to_owned(),
                index => format!("(get-syscall-arg ctx {index})"),
            },
        }
    }

    /// A number of what is known of an address and its socket.
    fn address_field(&mut self) -> String {
        let fields = ["user-port", "user-family", "family", "type", "protocol"];
        match self.choices.below(fields.len() + 1) {
            5 if self.attachment.is_ipv4() => "(the u32 (ctx-user-ip4 ctx))".to_owned(),
            index => format!("(ctx-{} ctx)", fields[index % fields.len()]),
        }
    }

    /// Addresses in the context, if it has one of this kind.
    pub(super) fn address(&self, content: &Content) -> Option<&'static str> {
        let of_this_kind = match content {
            Content::Ipv4 => "(ctx-user-ip4 ctx)",
            Content::Ipv6 => "(ctx-user-ip6 ctx)",
            _ => return None,
        };
        let is_there = self.program_type == ProgramType::CgroupSockAddr && self.names_context();
        (is_there && self.attachment.is_ipv4() == (*content == Content::Ipv4)).then_some(of_this_kind)
    }

    /// Whether the context is in scope.
    pub(super) fn names_context(&self) -> bool {
        if has_packet(self.program_type) {
            self.has_context
        } else {
            self.in_entry && self.attachment.arguments.is_empty()
        }
    }

    /// What a program knows without looking into the packet.
    pub(super) fn environment(&mut self) -> String {
        if !self.has_context {
            return self.number();
        }
        let fields: &[&str] = match self.program_type {
            ProgramType::Xdp => &["ctx-ingress-ifindex", "ctx-rx-queue-index"],
            ProgramType::Tc => &[
                "ctx-len",
                "ctx-protocol",
                "ctx-mark",
                "ctx-priority",
                "ctx-ifindex",
                "ctx-tc-index",
                "ctx-tc-classid",
                "ctx-queue-mapping",
                "ctx-hash",
                "ctx-vlan-present",
            ],
            _ => &[
                "ctx-len",
                "ctx-protocol",
                "ctx-mark",
                "ctx-priority",
                "ctx-ifindex",
                "ctx-tc-index",
                "ctx-queue-mapping",
                "ctx-hash",
                "ctx-vlan-tci",
            ],
        };
        match self.choices.below(3) {
            0 => "(packet-length ctx)".to_owned(),
            1 if self.has_control_block() => format!("(ctx-cb ctx {})", self.choices.below(5)),
            _ => format!("({} ctx)", fields[self.choices.below(fields.len())]),
        }
    }

    /// Whether the context is a socket buffer, which has room for the program's own.
    fn has_control_block(&self) -> bool {
        self.has_context && self.program_type != ProgramType::Xdp
    }

    /// Writes to the context what the program may.
    pub(super) fn set_context(&mut self, depth: usize) -> String {
        if self.program_type == ProgramType::CgroupSockAddr && self.names_context() {
            return self.set_address(depth);
        }
        if !self.has_control_block() {
            return self.set_input(depth);
        }
        let value = self.int(depth);
        match (self.choices.below(4), self.program_type) {
            (1, ProgramType::Tc | ProgramType::CgroupSkb) => {
                let field = ["mark", "priority"][self.choices.below(2)];
                format!("(set-ctx-{field}! ctx (the u32 {value}))")
            }
            (2, ProgramType::Tc) => {
                let field = match self.choices.below(3) {
                    // In older kernels it can't be written.
                    0 if self.level > Level::V4_18 => "queue-mapping",
                    1 => "tc-index",
                    _ => "tc-classid",
                };
                // What the kernel keeps has 16 bits, of which the highest number stands for none.
                format!("(set-ctx-{field}! ctx (bitwise-and {value} 0x7fff))")
            }
            _ => format!("(set-ctx-cb! ctx {} (the u32 {value}))", self.choices.below(5)),
        }
    }

    /// Writes a part of the address.
    fn set_address(&mut self, depth: usize) -> String {
        let content = if self.attachment.is_ipv4() { Content::Ipv4 } else { Content::Ipv6 };
        let field = if self.attachment.is_ipv4() { "ip4" } else { "ip6" };
        match self.choices.below(4) {
            0 => format!("(set-ctx-user-port! ctx (the u16 {}))", self.int(depth)),
            1 if self.attachment.point == Some("sendmsg4") => {
                format!("(set-ctx-msg-src-ip4! ctx {})", self.named(&content, depth))
            }
            1 if self.attachment.point == Some("sendmsg6") => {
                format!("(set-ctx-msg-src-ip6! ctx {})", self.named(&content, depth))
            }
            _ => format!("(set-ctx-user-{field}! ctx {})", self.named(&content, depth)),
        }
    }

    /// Two results of the program, of which the first may be what another program gives, and one for a packet that is too short.
    pub(super) fn verdicts(&mut self) -> (String, String, String) {
        let (yes, no, other) = self.own_verdicts();
        match self.tail_call() {
            Some(call) => (format!("(begin {call} {other})"), no, other),
            None => (yes, no, other),
        }
    }

    /// Goes on with another program, which comes back only where there is none. Headers can't be used behind it.
    pub(super) fn tail_call(&mut self) -> Option<String> {
        if self.others.is_empty() || !self.attachment.arguments.is_empty() {
            return None;
        }
        let other = program_of(self.others[self.others.len() - 1 - self.choices.below(self.others.len())]);
        match self.choices.below(4) {
            0 | 1 => Some(format!("(tail-call ctx {other})")),
            // Of these places one or two are empty.
            2 => Some(format!("(tail-call ctx programs (bitwise-and {} 3))", self.int(1))),
            _ => None,
        }
    }

    fn own_verdicts(&mut self) -> (String, String, String) {
        let way = self.choices.below(6);
        if self.definitions.ports.is_some() {
            let port = format!("(bitwise-and {} 3)", self.int(1));
            // What is done where there is none, older kernels don't take.
            let otherwise = if self.level >= Level::V5_10 { " :xdp-pass" } else { "" };
            return (format!("(redirect ports {port}{otherwise})"), ":xdp-drop".to_owned(), ":xdp-tx".to_owned());
        }
        match (self.program_type, self.program_type.facts().results) {
            (ProgramType::Xdp, _) if way >= 4 => {
                let chosen = "(bpf-redirect (ctx-ingress-ifindex ctx) (the u64 (bitwise-and (packet-length ctx) 1)))";
                if way == 4 {
                    ("(bpf-redirect 1 0)".to_owned(), ":xdp-drop".to_owned(), ":xdp-tx".to_owned())
                } else {
                    (":xdp-tx".to_owned(), chosen.to_owned(), ":xdp-aborted".to_owned())
                }
            }
            (_, Results::Names(names)) => {
                let only = self.attachment.only_result();
                let names: Vec<&str> = names
                    .iter()
                    .map(|result| result.name)
                    .filter(|name| only.is_none_or(|only| only == *name))
                    .collect();
                let mut name = || format!(":{}", names[self.choices.below(names.len())]);
                (name(), name(), name())
            }
            _ => {
                let number = |this: &mut Self| match way {
                    0..4 => this.literal(),
                    _ => format!("(the i32 {})", this.int(1)),
                };
                (number(self), number(self), "0".to_owned())
            }
        }
    }
}
