//! Program types (`enum bpf_prog_type` in `include/uapi/linux/bpf.h`): one row each, in a file for each family.

mod section;
mod socket_address;
mod socket_buffer;
mod tracing;
mod xdp;

use super::KernelVersion;
use super::architecture::Registers;

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
    /// `:socket-filter`
    SocketFilter,
    /// `:tc`
    Tc,
    /// `:tcx`
    Tcx,
    /// `:cgroup-skb`
    CgroupSkb,
    /// `:cgroup-sock-addr`
    CgroupSockAddr,
    /// `:btf-tracepoint`
    BtfTracepoint,
    /// `:uprobe`
    Uprobe,
    /// `:uretprobe`
    Uretprobe,
    /// `:perf-event`
    PerfEvent,
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
    /// The hooks that `(attach-point "HOOK:…")` can name; none where an attach point says nothing but a place.
    pub attach_types: &'static [AttachType],
    /// The same for `(frags)`: programs that take packets in several pieces, and the first kernel that has them.
    pub frags: Option<(&'static str, KernelVersion)>,
    /// Whether such programs may sleep.
    pub sleepable: bool,
    /// What the entry procedure is called with.
    pub context: ContextStruct,
    /// What a program may return.
    pub results: Results,
    /// How a program reaches the packet.
    pub packet: PacketAccess,
    /// The headers that packets begin with, one or the other; none where that is not known.
    pub first_headers: &'static [&'static str],
}

/// A hook that programs of a type are attached to, as the first part of their attach point names it.
#[derive(PartialEq, Eq, Debug)]
pub struct AttachType {
    /// Its name: `connect4`.
    pub name: &'static str,
    /// The ELF section of programs for it, where loading tells them apart (`expected_attach_type` of `union bpf_attr`).
    pub section: Option<&'static str>,
    /// The first kernel that has it.
    pub since: KernelVersion,
    /// What the second part of an attach point names, after a `:`.
    pub place: AttachPlace,
    /// The one result that programs there may return, where the kernel leaves them no choice.
    pub only: Option<&'static str>,
}

/// Where a hook is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum AttachPlace {
    /// At a network interface, by name: `ingress:eth0`.
    Interface,
    /// At a cgroup, by its directory, which an attach point may leave to user space: `egress:/sys/fs/cgroup/web`, `egress`.
    Cgroup,
}

/// What programs of a type return.
#[derive(Copy, Clone, Debug)]
pub enum Results {
    /// One of these, by name.
    Names(&'static [ResultName]),
    /// A number.
    Number {
        /// What it says.
        what: &'static str,
        /// How to write one.
        way_out: &'static str,
    },
    /// Any number, or nothing: the kernel makes nothing of it.
    Ignored,
}

/// The kernel's struct behind the context pointer, as programs see it.
#[derive(Debug)]
pub struct ContextStruct {
    /// Its name in C.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [ContextField],
    /// What can be read of the machine's registers that it begins with, and of what stands after them.
    pub words: &'static [MachineWord],
    /// What else is read of it, and how.
    pub note: &'static str,
}

/// 8 bytes of a context, which lie where the machine says.
#[derive(Debug)]
pub struct MachineWord {
    /// Its name, with `-` for `_`; of a register, that of what it is for, which machines call by names of their own.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Where it lies, in bytes from the start of the context.
    pub place: fn(&Registers) -> u32,
}

/// A field of a context struct.
#[derive(Debug)]
pub struct ContextField {
    /// Its name, with `-` for `_`.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: u32,
    /// Bytes, of each element.
    pub bytes: u32,
    /// How many elements there are: more than one where it is an array.
    pub elements: u32,
    /// What reading it gives.
    pub kind: ContextFieldKind,
    /// The first kernel that has it.
    pub since: KernelVersion,
    /// Whether programs may write it.
    pub writable: bool,
    /// The first kernel that lets them, if it does.
    pub writable_since: KernelVersion,
    /// Why programs of this type can't read it after all.
    pub unreadable: Option<&'static str>,
    /// The hooks at which it is there; all where it is not said.
    pub attach_types: Option<&'static [&'static str]>,
}

impl ContextField {
    /// One that programs may read and not write.
    const fn row(name: &'static str, offset: u32, bytes: u32, kind: ContextFieldKind) -> Self {
        Self {
            name,
            offset,
            bytes,
            elements: 1,
            kind,
            since: KernelVersion::OLDEST,
            writable: false,
            writable_since: KernelVersion::OLDEST,
            unreadable: None,
            attach_types: None,
        }
    }
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
    /// How many bytes the packet has, wherever they are.
    PacketLength,
    /// An unsigned number.
    Number,
    /// An unsigned number whose lowest bytes are in network order, and the others zero.
    NetworkOrder {
        /// How many.
        bytes: u32,
    },
    /// An IPv4 address in network order.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
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
    /// By copies of its parts that a helper makes.
    Copied,
}

impl ProgramType {
    /// Every program type.
    pub const ALL: &[Self] = &[
        Self::Xdp,
        Self::Tc,
        Self::Tcx,
        Self::SocketFilter,
        Self::CgroupSkb,
        Self::CgroupSockAddr,
        Self::Tracepoint,
        Self::RawTracepoint,
        Self::Kprobe,
        Self::Kretprobe,
        Self::BtfTracepoint,
        Self::Uprobe,
        Self::Uretprobe,
        Self::PerfEvent,
    ];

    /// What the kernel says of it.
    pub fn facts(self) -> &'static ProgramTypeFacts {
        match self {
            Self::Xdp => &xdp::XDP,
            Self::Tracepoint => &tracing::TRACEPOINT,
            Self::RawTracepoint => &tracing::RAW_TRACEPOINT,
            Self::Kprobe => &tracing::KPROBE,
            Self::Kretprobe => &tracing::KRETPROBE,
            Self::SocketFilter => &socket_buffer::SOCKET_FILTER,
            Self::Tc => &socket_buffer::TC,
            Self::Tcx => &socket_buffer::TCX,
            Self::CgroupSkb => &socket_buffer::CGROUP_SKB,
            Self::CgroupSockAddr => &socket_address::CGROUP_SOCK_ADDR,
            Self::BtfTracepoint => &tracing::BTF_TRACEPOINT,
            Self::Uprobe => &tracing::UPROBE,
            Self::Uretprobe => &tracing::URETPROBE,
            Self::PerfEvent => &tracing::PERF_EVENT,
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

    /// Whether its context begins with the registers of a machine, which each architecture has others of.
    pub fn is_given_registers(self) -> bool {
        self.is_probe() || matches!(self, Self::PerfEvent)
    }

    /// Whether it runs where functions are entered or return. The kernel knows one type of all of these.
    pub fn is_probe(self) -> bool {
        matches!(self, Self::Kprobe | Self::Kretprobe | Self::Uprobe | Self::Uretprobe)
    }

    /// Whether it is verified against what it is attached to: the kernel knows the types of the arguments there.
    pub fn is_given_typed_arguments(self) -> bool {
        matches!(self, Self::BtfTracepoint)
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

    /// The hook that all attach points of a program name, if they agree.
    pub fn hook<'a>(self, mut attach_points: impl Iterator<Item = &'a str>) -> Option<&'static AttachType> {
        let first = self.attach_type(attach_points.next()?)?;
        attach_points.all(|point| self.attach_type(point) == Some(first)).then_some(first)
    }

    /// The hook that an attach point names: all of it, or what stands before the first `:`.
    pub fn attach_type(self, attach_point: &str) -> Option<&'static AttachType> {
        let name = attach_point.split(':').next()?;
        self.facts().attach_types.iter().find(|hook| hook.name == name)
    }

    /// What the entry procedure is called with.
    pub fn context(self) -> &'static ContextStruct {
        &self.facts().context
    }

    /// The number of `:name` as a return value.
    pub fn result(self, name: &str) -> Option<i32> {
        self.results().iter().find(|result| result.name == name).map(|result| result.value)
    }

    /// The names of what such programs return, where these have names.
    pub fn results(self) -> &'static [ResultName] {
        match self.facts().results {
            Results::Names(names) => names,
            Results::Number { .. } | Results::Ignored => &[],
        }
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

    /// A word by its name, with `-` for `_`.
    pub fn word(&self, name: &str) -> Option<&'static MachineWord>
    where
        Self: 'static,
    {
        self.words.iter().find(|word| word.name == name)
    }
}

/// Keywords of program types that the kernel has and this compiler does not make yet.
const NOT_AVAILABLE_YET: &[&str] = &[
    "fentry",
    "fexit",
    "fmod-ret",
    "lsm",
    "cgroup-sock",
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
        assert_eq!(xdp.result("xdp-drop"), Some(1));
        assert_eq!(xdp.result("xdp-redirect"), Some(4));
        assert_eq!(xdp.result("tc-act-shot"), None);
        assert_eq!(xdp.context().field("rx-queue-index").unwrap().offset, 16);
    }

    #[test]
    fn context_fields_are_apart_and_in_order() {
        for ty in ProgramType::ALL {
            let mut end = 0;
            for field in ty.context().fields {
                assert!(field.offset >= end, "{}", field.name);
                end = field.offset + field.bytes * field.elements;
                assert!(field.elements == 1 || field.kind == ContextFieldKind::Number, "{}", field.name);
            }
        }
    }

    #[test]
    fn context_fields_lie_where_the_kernel_header_says() {
        let offset = |ty: ProgramType, name| ty.context().field(name).map(|field| field.offset);
        let tc = ["mark", "cb", "data-end", "data-meta", "tstamp", "wire-len", "gso-size", "hwtstamp"];
        assert_eq!(tc.map(|name| offset(ProgramType::Tc, name).unwrap()), [8, 48, 80, 140, 152, 160, 176, 184]);
        let cgroup = ["family", "local-ip4", "local-ip6", "remote-port", "local-port"];
        assert_eq!(cgroup.map(|name| offset(ProgramType::CgroupSkb, name).unwrap()), [88, 96, 116, 132, 136]);
        let address = ["user-ip4", "user-ip6", "user-port", "protocol", "msg-src-ip6"];
        assert_eq!(address.map(|name| offset(ProgramType::CgroupSockAddr, name).unwrap()), [4, 8, 24, 36, 44]);
        assert_eq!(offset(ProgramType::SocketFilter, "tstamp"), None);
        assert_eq!(offset(ProgramType::CgroupSkb, "tc-classid"), None);
    }

    #[test]
    fn a_program_type_is_available_or_not_yet() {
        for ty in ProgramType::ALL {
            assert!(!ProgramType::is_not_available_yet(ty.keyword()));
        }
        assert!(ProgramType::is_not_available_yet("fentry"));
        assert!(!ProgramType::is_not_available_yet("fentri"));
    }
}
