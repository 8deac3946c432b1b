//! Program types (`enum bpf_prog_type` in `include/uapi/linux/bpf.h`): one row each, in a file for each family.

mod tracing;
mod xdp;

use super::KernelVersion;

/// A program type.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum ProgramType {
    /// `:xdp`
    Xdp,
    /// `:tracepoint`
    Tracepoint,
    /// `:raw-tracepoint`
    RawTracepoint,
    /// `:kprobe`
    Kprobe,
    /// `:kretprobe`
    Kretprobe,
}

/// What the kernel says of a program type.
#[derive(Debug)]
pub struct ProgramTypeFacts {
    /// Its keyword in `(program-type …)`, without colon.
    pub keyword: &'static str,
    /// In `enum bpf_prog_type`.
    pub number: u32,
    /// The first kernel that has it.
    pub since: KernelVersion,
    /// The ELF section that loaders know it by.
    pub section: &'static str,
    /// The same for `(frags)`: programs that take packets in several pieces, and the first kernel that has them.
    pub frags: Option<(&'static str, KernelVersion)>,
    /// Whether such programs may sleep.
    pub sleepable: bool,
    /// What the entry procedure is called with.
    pub context: ContextStruct,
    /// What a program may return, by name; `None` where it returns any number.
    pub results: Option<&'static [ResultName]>,
    /// How a program reaches the packet.
    pub packet: PacketAccess,
    /// The header that every packet begins with, where there is one.
    pub first_header: Option<&'static str>,
}

/// The kernel's struct behind the context pointer, as programs see it.
#[derive(Debug)]
pub struct ContextStruct {
    /// Its name in C.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [ContextField],
    /// What else is read of it, and how.
    pub note: &'static str,
}

/// A field of a context struct.
#[derive(Debug)]
pub struct ContextField {
    /// Its name, with `-` for `_`.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: u32,
    /// Bytes.
    pub bytes: u32,
    /// What reading it gives.
    pub kind: ContextFieldKind,
    /// Whether programs may write it.
    pub writable: bool,
    /// Why programs of this type can't read it after all.
    pub unreadable: Option<&'static str>,
}

/// What reading a field of a context gives.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ContextFieldKind {
    /// The address of the packet's first byte.
    PacketStart,
    /// The address after the packet's last byte.
    PacketEnd,
    /// The address of the metadata before the packet.
    PacketMeta,
    /// An unsigned number.
    Number,
}

/// A value that a program may return.
#[derive(Debug)]
pub struct ResultName {
    /// Its keyword, without colon.
    pub name: &'static str,
    /// The number the kernel knows it by.
    pub value: i32,
}

/// How programs of a type reach the packet.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum PacketAccess {
    /// There is no packet.
    None,
    /// By pointers that are compared with the packet's end.
    Direct {
        /// Whether the packet may be written, too.
        writable: bool,
    },
}

impl ProgramType {
    /// Every program type.
    pub const ALL: &[Self] = &[Self::Xdp, Self::Tracepoint, Self::RawTracepoint, Self::Kprobe, Self::Kretprobe];

    /// What the kernel says of it.
    pub fn facts(self) -> &'static ProgramTypeFacts {
        match self {
            Self::Xdp => &xdp::XDP,
            Self::Tracepoint => &tracing::TRACEPOINT,
            Self::RawTracepoint => &tracing::RAW_TRACEPOINT,
            Self::Kprobe => &tracing::KPROBE,
            Self::Kretprobe => &tracing::KRETPROBE,
        }
    }

    /// The program type of `(program-type :keyword)`.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|ty| ty.keyword() == keyword)
    }

    /// Whether the kernel has a program type of this keyword that this compiler does not make yet.
    pub fn is_not_available_yet(keyword: &str) -> bool {
        NOT_AVAILABLE_YET.contains(&keyword)
    }

    /// Whether its context is the registers of a machine, which each architecture has others of.
    pub fn is_given_registers(self) -> bool {
        matches!(self, Self::Kprobe | Self::Kretprobe)
    }

    /// Its keyword, without colon.
    pub fn keyword(self) -> &'static str {
        self.facts().keyword
    }

    /// Its number in `enum bpf_prog_type`.
    pub fn number(self) -> u32 {
        self.facts().number
    }

    /// The first kernel that has it.
    pub fn since(self) -> KernelVersion {
        self.facts().since
    }

    /// The ELF section of a program, by which loaders know its type.
    pub fn section(self, frags: bool) -> &'static str {
        match self.facts().frags {
            Some((section, _)) if frags => section,
            _ => self.facts().section,
        }
    }

    /// What the entry procedure is called with.
    pub fn context(self) -> &'static ContextStruct {
        &self.facts().context
    }

    /// The number of `:name` as a return value.
    pub fn result(self, name: &str) -> Option<i32> {
        self.facts().results?.iter().find(|result| result.name == name).map(|result| result.value)
    }
}

impl ContextStruct {
    /// A field by its name, with `-` for `_`.
    pub fn field(&self, name: &str) -> Option<&'static ContextField>
    where
        Self: 'static,
    {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Keywords of program types that the kernel has and this compiler does not make yet.
const NOT_AVAILABLE_YET: &[&str] = &[
    "tc",
    "tcx",
    "socket-filter",
    "uprobe",
    "uretprobe",
    "btf-tracepoint",
    "fentry",
    "fexit",
    "fmod-ret",
    "lsm",
    "perf-event",
    "cgroup-skb",
    "cgroup-sock",
    "cgroup-sock-addr",
    "cgroup-sockopt",
    "cgroup-device",
    "cgroup-sysctl",
    "sock-ops",
    "sk-msg",
    "sk-skb",
    "sk-lookup",
    "sk-reuseport",
    "flow-dissector",
    "netfilter",
    "iter",
    "struct-ops",
    "syscall",
    "freplace",
    "lwt-in",
    "lwt-out",
    "lwt-xmit",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdp_is_what_the_kernel_header_says() {
        let xdp = ProgramType::from_keyword("xdp").unwrap();
        assert_eq!(xdp.number(), 6);
        assert_eq!(xdp.section(false), "xdp");
        assert_eq!(xdp.section(true), "xdp.frags");
        assert_eq!(xdp.result("xdp-drop"), Some(1));
        assert_eq!(xdp.result("xdp-redirect"), Some(4));
        assert_eq!(xdp.result("tc-act-shot"), None);
        assert_eq!(xdp.context().field("rx-queue-index").unwrap().offset, 16);
    }

    #[test]
    fn context_fields_follow_each_other() {
        for ty in ProgramType::ALL {
            let mut end = 0;
            for field in ty.context().fields {
                assert_eq!(field.offset, end, "{}", field.name);
                end += field.bytes;
            }
        }
    }

    #[test]
    fn a_program_type_is_available_or_not_yet() {
        for ty in ProgramType::ALL {
            assert!(!ProgramType::is_not_available_yet(ty.keyword()));
        }
        assert!(ProgramType::is_not_available_yet("uprobe"));
        assert!(!ProgramType::is_not_available_yet("uprob"));
    }
}
