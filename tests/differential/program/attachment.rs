//! What programs are written for: their type, the place that they are attached to, and what they are called with.

use eshkol_core::kernel::ProgramType;
use eshkol_core::{Architecture, Endianness};

use super::Level;
use crate::choices::Choices;

/// Types of programs, and how often they are written.
const TYPES: [(ProgramType, usize); 13] = [
    (ProgramType::Xdp, 8),
    (ProgramType::Tc, 4),
    (ProgramType::SocketFilter, 3),
    (ProgramType::CgroupSkb, 3),
    (ProgramType::RawTracepoint, 3),
    (ProgramType::Tracepoint, 1),
    (ProgramType::CgroupSockAddr, 2),
    (ProgramType::Kprobe, 1),
    (ProgramType::Kretprobe, 2),
    (ProgramType::Uprobe, 1),
    (ProgramType::Uretprobe, 1),
    (ProgramType::PerfEvent, 1),
    (ProgramType::BtfTracepoint, 1),
];

/// Types of arguments that an entry names.
const ARGUMENTS: [&str; 6] = ["u64", "u32", "i64", "i32", "u16", "u8"];

/// A tracepoint that all kernels have, and how many arguments it has: all of them numbers to the verifier, also to old ones.
pub(crate) const TYPED_TRACEPOINT: &str = "cpu_idle";
const TYPED_ARGUMENTS: usize = 2;

/// Arguments of a function that are in registers on every machine of which return probes know what functions were called with.
pub(super) const REGISTERS: usize = 5;

/// What a program is written for.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) program_type: ProgramType,
    /// The place that it names, where it has to name one.
    pub(super) point: Option<&'static str>,
    /// The types of the arguments `q0`, `q1`, … that its entry takes in place of the context, where it does.
    pub(super) arguments: Vec<&'static str>,
}

/// The machine that programs are compiled for: this one.
pub(crate) fn machine() -> Architecture {
    Architecture::find(std::env::consts::ARCH, Endianness::Little)
}

impl Attachment {
    /// One that these kernels have.
    pub(super) fn generate(choices: &mut Choices, level: Level) -> Self {
        let program_type = program_type(choices, level);
        let hook = choices.below(6);
        let point = match program_type {
            // Where a system call begins, its number and arguments are known.
            ProgramType::Tracepoint => Some("raw_syscalls:sys_enter"),
            ProgramType::BtfTracepoint => Some(TYPED_TRACEPOINT),
            ProgramType::CgroupSockAddr => {
                let newer = if level >= Level::V5_10 { ["recvmsg4", "getpeername6"] } else { ["bind4", "connect6"] };
                Some(["connect4", "bind6", "sendmsg4", "sendmsg6", newer[0], newer[1]][hook])
            }
            _ => None,
        };
        let most = match program_type {
            ProgramType::BtfTracepoint => TYPED_ARGUMENTS,
            ProgramType::Kprobe | ProgramType::Kretprobe | ProgramType::Uprobe if choices.below(3) == 2 => REGISTERS,
            _ => 0,
        };
        let count = if most > 0 { 1 + choices.below(most) } else { 0 };
        let arguments = (0..count).map(|_| ARGUMENTS[choices.below(ARGUMENTS.len())]).collect();
        Self { program_type, point, arguments }
    }

    /// Names of the arguments.
    pub(super) fn names(&self) -> Vec<String> {
        (0..self.arguments.len()).map(|index| format!("q{index}")).collect()
    }

    /// What the entry takes.
    pub(super) fn parameters(&self) -> String {
        if self.arguments.is_empty() {
            return "ctx".to_owned();
        }
        let parameters = self.names().into_iter().zip(&self.arguments).map(|(name, ty)| format!("({name} : {ty})"));
        parameters.collect::<Vec<_>>().join(" ")
    }

    /// The clauses that say all this.
    pub(super) fn clauses(&self) -> String {
        let point = self.point.map_or_else(String::new, |point| format!(" (attach-point \"{point}\")"));
        format!("(program-type :{}){point}", self.program_type.keyword())
    }

    /// The one result that the kernel takes there, where it takes no other.
    pub(super) fn only_result(&self) -> Option<&'static str> {
        self.program_type.attach_type(self.point?)?.only
    }

    /// Whether addresses there are of IPv4, and not of IPv6.
    pub(super) fn is_ipv4(&self) -> bool {
        self.point.is_some_and(|point| point.ends_with('4'))
    }
}

fn program_type(choices: &mut Choices, level: Level) -> ProgramType {
    let can_read_registers = machine().registers().is_some_and(|registers| registers.frame.is_some());
    let is_there = |ty: ProgramType| ty.since() <= level.kernel() && (can_read_registers || !ty.is_probe());
    let there = TYPES.iter().filter(|(program_type, _)| is_there(*program_type));
    let all: Vec<ProgramType> = there.flat_map(|(program_type, often)| vec![*program_type; *often]).collect();
    all[choices.below(all.len())]
}
