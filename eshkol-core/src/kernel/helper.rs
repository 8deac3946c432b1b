//! Helper functions of the kernel (`include/uapi/linux/bpf.h`): what programs may call, with what, and since when.
//!
//! A helper that some program type may call is a row of the tables in `helper/`, one file a family. [`mod@names`] knows every
//! helper of the kernel, so that a message can tell one that is not for this program from a name that is no helper.

mod information;
mod map;
mod memory;
pub mod names;
mod network;
mod socket_buffer;
#[cfg(test)]
mod tests;
mod tracing;

use super::{KernelVersion, MapKind, ProgramType};
use crate::arena::Id as _;
use crate::check::typed::KfuncId;
use crate::check::types::IntType;

/// The number of a helper, as in `enum bpf_func_id`; or of a function of the kernel that the unit declares, which has none of its own before
/// it is loaded.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct HelperId(pub u32);

/// From here on, numbers stand for declared functions. The kernel's own are below a few hundred, and will stay so.
const DECLARED: u32 = 1 << 31;

impl HelperId {
    /// That of a declared function.
    pub fn declared(function: KfuncId) -> Self {
        Self(DECLARED.saturating_add(u32::try_from(function.index()).unwrap_or(u32::MAX)))
    }

    /// The declared function that it stands for, if any.
    pub fn as_declared(self) -> Option<KfuncId> {
        self.0.checked_sub(DECLARED).map(|number| KfuncId::new(number as usize))
    }
}

/// `bpf_tail_call`
pub const TAIL_CALL: HelperId = HelperId(12);
/// `bpf_perf_event_output`
pub const PERF_EVENT_OUTPUT: HelperId = HelperId(25);
/// `bpf_skb_load_bytes`
pub const SKB_LOAD_BYTES: HelperId = HelperId(26);
/// `bpf_ringbuf_output`
pub const RINGBUF_OUTPUT: HelperId = HelperId(130);
/// `bpf_ringbuf_reserve`
pub const RINGBUF_RESERVE: HelperId = HelperId(131);
/// `bpf_ringbuf_submit`
pub const RINGBUF_SUBMIT: HelperId = HelperId(132);
/// `bpf_ringbuf_discard`
pub const RINGBUF_DISCARD: HelperId = HelperId(133);

/// A helper.
#[derive(Debug)]
pub struct Helper {
    /// Its number.
    pub id: HelperId,
    /// Its name here: `bpf-ktime-get-ns`.
    pub name: &'static str,
    /// The first kernel that has it (for any program type).
    pub since: KernelVersion,
    /// Who may call it.
    pub licence: Licence,
    /// What it takes.
    pub arguments: &'static [ArgumentKind],
    /// Whether further numbers may follow the arguments, up to five in all.
    pub variadic: bool,
    /// What it gives.
    pub result: ResultKind,
    /// Before this kernel, only the lower half of a result below zero is what it should be.
    pub whole_since: KernelVersion,
    /// Which programs may call it, and since which kernel.
    pub programs: &'static [(Programs, KernelVersion)],
    /// Whether it may move the packet, which ends every pointer into it (`bpf_helper_changes_pkt_data` in `net/core/filter.c`).
    pub changes_packet_data: bool,
    /// Whether memory that it is given may lie in the packet (`pkt_access` of its `struct bpf_func_proto`).
    pub packet_memory: bool,
    /// What it does, in one sentence.
    pub note: &'static str,
}

/// Whether a program must be licensed under the GPL to call a helper (`gpl_only` of its `struct bpf_func_proto`).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Licence {
    /// Any.
    Any,
    /// One that is compatible with the GPL.
    Gpl,
    /// One that is compatible with the GPL, on kernels before this one.
    GplBefore(KernelVersion),
}

/// Program types that got a helper together: the kernel's lists of helpers include one another.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Programs {
    /// Every one (`bpf_base_func_proto`).
    Any,
    /// Those that look on (`bpf_tracing_func_proto`).
    Tracing,
    /// Those that filter the packets of sockets (`sk_filter_func_proto`, which `cg_skb_func_proto` takes in).
    SocketFilter,
    /// Those at traffic control (`tc_cls_act_func_proto`).
    TrafficControl,
    /// Those in functions of the kernel and of processes, which are one type to the kernel.
    Probes,
    /// One.
    One(ProgramType),
}

impl Programs {
    /// Whether a program type is one of them.
    pub fn contain(self, program: ProgramType) -> bool {
        use ProgramType::{
            BtfTracepoint, CgroupSkb, Kprobe, Kretprobe, PerfEvent, RawTracepoint, SocketFilter, Tc, Tcx, Tracepoint,
            Uprobe, Uretprobe,
        };
        match self {
            Self::Any => true,
            Self::Tracing => matches!(
                program,
                Tracepoint | RawTracepoint | Kprobe | Kretprobe | BtfTracepoint | Uprobe | Uretprobe | PerfEvent
            ),
            Self::Probes => matches!(program, Kprobe | Kretprobe | Uprobe | Uretprobe),
            Self::SocketFilter => matches!(program, SocketFilter | CgroupSkb),
            Self::TrafficControl => matches!(program, Tc | Tcx),
            Self::One(one) => one == program,
        }
    }
}

/// What a helper takes at one position.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ArgumentKind {
    /// The context.
    Context,
    /// A map of one of these kinds.
    Map(&'static [MapKind]),
    /// A key of the map.
    MapKey,
    /// A value of the map.
    MapValue,
    /// A number.
    Int(IntType),
    /// A number that the kernel wants in network order.
    NetworkInt(IntType),
    /// Memory that the helper reads; the next argument is its size.
    Memory,
    /// The same, or 0 for none, with a size of 0.
    MemoryOrNull,
    /// Memory that the helper fills, so that it need not be initialised; the next argument is its size.
    MemoryOut,
    /// Memory that the helper reads and writes; the next argument is its size.
    MemoryInOut,
    /// Memory of so many bytes that the helper reads.
    FixedMemory(u32),
    /// A number in memory that the helper reads and writes.
    IntInOut(IntType),
    /// A number in memory that the helper writes.
    IntOut(IntType),
    /// A function that the helper calls.
    Callback,
    /// Stack memory that the function it calls is given, which may read and write it, or 0 for none.
    CallbackContext,
    /// A record of a ring buffer that was reserved, which is given away.
    Record,
    /// Bytes of the memory before: a number, not 0.
    Size,
    /// Bytes of the memory before: a number that may be 0.
    SizeOrZero,
}

/// What is done with memory.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Access {
    /// It is read.
    Read,
    /// It is written.
    Write,
    /// It is read and written.
    Both,
}

impl Access {
    /// Whether it is read.
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    /// Whether it is written.
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// The first kernel whose verifier does not take a number in memory that a helper writes for one that it reads. Commit 32556ce93bc4.
const WRITTEN_NUMBERS: KernelVersion = KernelVersion::new(6, 12);

impl ArgumentKind {
    /// What the helper does with the memory that it is given the address of; `None` for what is no such address, and for what only forms of the
    /// language give. `min_kernel` is the oldest whose verifier is to agree.
    pub fn access(self, min_kernel: KernelVersion) -> Option<Access> {
        match self {
            Self::MapKey | Self::MapValue | Self::Memory | Self::MemoryOrNull | Self::FixedMemory(_) => {
                Some(Access::Read)
            }
            Self::MemoryOut => Some(Access::Write),
            Self::IntOut(_) if min_kernel >= WRITTEN_NUMBERS => Some(Access::Write),
            Self::MemoryInOut | Self::IntInOut(_) | Self::IntOut(_) => Some(Access::Both),
            Self::Context
            | Self::Map(_)
            | Self::Int(_)
            | Self::NetworkInt(_)
            | Self::Callback
            | Self::CallbackContext
            | Self::Record
            | Self::Size
            | Self::SizeOrZero => None,
        }
    }
}

/// What a helper gives.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ResultKind {
    /// A number.
    Int(IntType),
    /// An `i64`: 0, or a negative `errno`.
    Errno,
    /// A reference to the map's value, or nothing.
    OptionalMapValue,
    /// A reference to a record of the ring buffer, or nothing.
    OptionalRecord,
    /// The address of a struct of the kernel of this name, which is there.
    KernelStruct(&'static str),
    /// What the program may return.
    Verdict,
    /// Nothing.
    Unit,
}

impl Helper {
    /// A row with what most helpers have in common: any licence, no arguments, no packet.
    const fn row(
        id: u32,
        name: &'static str,
        since: KernelVersion,
        result: ResultKind,
        programs: &'static [(Programs, KernelVersion)],
        note: &'static str,
    ) -> Self {
        Self {
            id: HelperId(id),
            name,
            since,
            licence: Licence::Any,
            arguments: &[],
            variadic: false,
            result,
            whole_since: since,
            programs,
            changes_packet_data: false,
            packet_memory: false,
            note,
        }
    }

    /// The first kernel on which programs of this type may call it; `None` where they may not.
    pub fn since_in(&self, program: ProgramType) -> Option<KernelVersion> {
        let since =
            self.programs.iter().filter(|(programs, _)| programs.contain(program)).map(|(_, since)| *since).min()?;
        Some(since.max(program.since()))
    }

    /// The form of the language through which alone it is called; `None` where its own name does.
    pub fn own_form(&self) -> Option<&'static str> {
        match self.result {
            ResultKind::OptionalRecord => Some("ringbuf-reserve"),
            _ if self.arguments.contains(&ArgumentKind::Callback) => Some("map-for-each"),
            // User space reads what is sent as one of the structs that it knows of.
            _ if matches!(self.id, RINGBUF_OUTPUT | RINGBUF_SUBMIT) => Some("ringbuf-submit"),
            _ if self.id == PERF_EVENT_OUTPUT => Some("perf-output"),
            _ if self.id == TAIL_CALL => Some("tail-call"),
            _ if self.id == RINGBUF_DISCARD => Some("ringbuf-discard"),
            _ => None,
        }
    }

    /// Whether a program that must load on `min_kernel` needs a licence compatible with the GPL to call it.
    pub fn is_gpl_only(&self, min_kernel: KernelVersion) -> bool {
        match self.licence {
            Licence::Any => false,
            Licence::Gpl => true,
            Licence::GplBefore(version) => min_kernel < version,
        }
    }
}

/// Whether the kernel takes a licence for compatible with the GPL (`license_is_gpl_compatible` in `include/linux/license.h`).
pub fn is_gpl_compatible(license: &str) -> bool {
    GPL_COMPATIBLE.contains(&license)
}

/// The licences compatible with the GPL, as the kernel spells them.
pub const GPL_COMPATIBLE: &[&str] =
    &["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"];

/// Every table.
static TABLES: &[&[Helper]] =
    &[map::HELPERS, information::HELPERS, memory::HELPERS, network::HELPERS, socket_buffer::HELPERS, tracing::HELPERS];

/// Every helper that can be called.
pub fn all() -> impl Iterator<Item = &'static Helper> {
    TABLES.iter().copied().flatten()
}

/// The helper of a name such as `bpf-ktime-get-ns`.
pub fn by_name(name: &str) -> Option<&'static Helper> {
    all().find(|helper| helper.name == name)
}

/// The helper of a number.
pub fn by_id(id: HelperId) -> Option<&'static Helper> {
    all().find(|helper| helper.id == id)
}

/// The names of all helpers that can be called.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|helper| helper.name)
}
