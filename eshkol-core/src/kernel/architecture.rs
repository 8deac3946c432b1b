//! Machines that programs are made for: their byte order, and where the registers lie that a probe finds a function's arguments in.

/// The byte order of a machine.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Endianness {
    /// x86-64, arm64, riscv64 ….
    Little,
    /// s390x ….
    Big,
}

/// The machine that will run the programs. What is compiled depends on more than its byte order only where a program reads registers.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Architecture {
    /// `x86_64`
    X86_64,
    /// `aarch64`, little-endian.
    Aarch64,
    /// `riscv64`
    Riscv64,
    /// `loongarch64`
    LoongArch64,
    /// `powerpc64`, little-endian.
    PowerPc64Le,
    /// `powerpc64`, big-endian.
    PowerPc64,
    /// `s390x`
    S390x,
    /// Any other that is little-endian.
    OtherLittle,
    /// Any other that is big-endian.
    OtherBig,
}

/// What is known of an architecture.
#[derive(Debug)]
pub struct ArchitectureFacts {
    /// Its name, as `rustc` has it in `target_arch`; `None` for all the others together.
    pub name: Option<&'static str>,
    /// Its byte order.
    pub endianness: Endianness,
    /// Its registers, as tracing programs see them.
    pub registers: Option<&'static Registers>,
}

/// Where registers lie in what a probe is given (`struct pt_regs`, or `bpf_user_pt_regs_t`, which begins alike), in bytes from its start.
/// Each has 8 bytes.
#[derive(Debug)]
pub struct Registers {
    /// Those that hold the arguments of a function, from the first on. The others are on the stack.
    pub arguments: &'static [u32],
    /// That which holds what a function returns.
    pub result: u32,
    /// The stack pointer.
    pub stack_pointer: u32,
    /// The address of the next instruction.
    pub instruction_pointer: u32,
    /// Bytes of `bpf_user_pt_regs_t` in the kernel's `arch/*/include/uapi/asm/bpf_perf_event.h`.
    pub size: u32,
    /// What tells the calls of a function that are under way from each other.
    pub frame: Option<Frame>,
}

/// A register that no two calls under way at the same time have in common, and that is known both where a function begins and where it has
/// returned.
#[derive(Debug)]
pub struct Frame {
    /// Where it lies.
    pub register: u32,
    /// How much larger it is after the return.
    pub returned: u32,
}

/// `struct pt_regs` in `arch/x86/include/asm/ptrace.h`. A call leaves the return address at the stack pointer; the return takes it away.
/// That the kernel gives a return probe the stack pointer: `arch_rethook_trampoline_callback` in `arch/x86/kernel/rethook.c`, which itself tells
/// calls apart by it, and before 5.18 `kretprobe_trampoline` in `arch/x86/kernel/kprobes/core.c`.
static X86_64: Registers = Registers {
    arguments: &[112, 104, 96, 88, 72, 64],
    result: 80,
    stack_pointer: 152,
    instruction_pointer: 128,
    size: 168,
    frame: Some(Frame { register: 152, returned: 8 }),
};

/// `struct user_pt_regs` in `arch/arm64/include/uapi/asm/ptrace.h`. The stack pointer is saved by `arch_rethook_trampoline` in
/// `arch/arm64/kernel/probes/kprobes_trampoline.S`.
static AARCH64: Registers = Registers {
    arguments: &[0, 8, 16, 24, 32, 40, 48, 56],
    result: 0,
    stack_pointer: 248,
    instruction_pointer: 256,
    size: 272,
    frame: Some(Frame { register: 248, returned: 0 }),
};

/// `struct user_regs_struct` in `arch/riscv/include/uapi/asm/ptrace.h`. A return probe is not given the stack pointer; what tells calls
/// apart is the caller's frame pointer, by which the kernel does it, too (`arch_rethook_prepare` in `arch/riscv/kernel/probes/rethook.c`).
static RISCV64: Registers = Registers {
    arguments: &[80, 88, 96, 104, 112, 120, 128, 136],
    result: 80,
    stack_pointer: 16,
    instruction_pointer: 0,
    size: 256,
    frame: Some(Frame { register: 64, returned: 0 }),
};

/// `struct user_pt_regs` in `arch/loongarch/include/uapi/asm/ptrace.h`.
static LOONGARCH64: Registers = Registers {
    arguments: &[32, 40, 48, 56, 64, 72, 80, 88],
    result: 32,
    stack_pointer: 24,
    instruction_pointer: 264,
    size: 360,
    frame: None,
};

/// `struct pt_regs` in `arch/powerpc/include/uapi/asm/ptrace.h`.
static POWERPC64: Registers = Registers {
    arguments: &[24, 32, 40, 48, 56, 64, 72, 80],
    result: 24,
    stack_pointer: 8,
    instruction_pointer: 256,
    size: 352,
    frame: None,
};

/// `user_pt_regs` in `arch/s390/include/uapi/asm/ptrace.h`. The kernel tells calls apart by the stack pointer as well (`arch_rethook_prepare` in
/// `arch/s390/kernel/rethook.c`).
static S390X: Registers = Registers {
    arguments: &[40, 48, 56, 64, 72],
    result: 40,
    stack_pointer: 144,
    instruction_pointer: 16,
    size: 152,
    frame: Some(Frame { register: 144, returned: 0 }),
};

const fn facts(name: &'static str, endianness: Endianness, registers: &'static Registers) -> ArchitectureFacts {
    ArchitectureFacts { name: Some(name), endianness, registers: Some(registers) }
}

static KNOWN: [ArchitectureFacts; 7] = [
    facts("x86_64", Endianness::Little, &X86_64),
    facts("aarch64", Endianness::Little, &AARCH64),
    facts("riscv64", Endianness::Little, &RISCV64),
    facts("loongarch64", Endianness::Little, &LOONGARCH64),
    facts("powerpc64", Endianness::Little, &POWERPC64),
    facts("powerpc64", Endianness::Big, &POWERPC64),
    facts("s390x", Endianness::Big, &S390X),
];

static OTHER_LITTLE: ArchitectureFacts =
    ArchitectureFacts { name: None, endianness: Endianness::Little, registers: None };
static OTHER_BIG: ArchitectureFacts = ArchitectureFacts { name: None, endianness: Endianness::Big, registers: None };

impl Architecture {
    /// Those that are known by name.
    pub const KNOWN: [Self; 7] = [
        Self::X86_64,
        Self::Aarch64,
        Self::Riscv64,
        Self::LoongArch64,
        Self::PowerPc64Le,
        Self::PowerPc64,
        Self::S390x,
    ];

    /// The architecture with this name and byte order; where it is not known, what is common to all of this order.
    pub fn find(name: &str, endianness: Endianness) -> Self {
        let found = |architecture: &Self| architecture.name() == Some(name) && architecture.endianness() == endianness;
        Self::KNOWN.into_iter().find(found).unwrap_or(Self::other(endianness))
    }

    /// What is common to all machines of a byte order.
    pub const fn other(endianness: Endianness) -> Self {
        match endianness {
            Endianness::Little => Self::OtherLittle,
            Endianness::Big => Self::OtherBig,
        }
    }

    /// What is known of it.
    pub fn facts(self) -> &'static ArchitectureFacts {
        let [x86_64, aarch64, riscv64, loongarch64, powerpc64le, powerpc64, s390x] = &KNOWN;
        match self {
            Self::X86_64 => x86_64,
            Self::Aarch64 => aarch64,
            Self::Riscv64 => riscv64,
            Self::LoongArch64 => loongarch64,
            Self::PowerPc64Le => powerpc64le,
            Self::PowerPc64 => powerpc64,
            Self::S390x => s390x,
            Self::OtherLittle => &OTHER_LITTLE,
            Self::OtherBig => &OTHER_BIG,
        }
    }

    /// Its name, as `rustc` has it in `target_arch`.
    pub fn name(self) -> Option<&'static str> {
        self.facts().name
    }

    /// Its byte order.
    pub fn endianness(self) -> Endianness {
        self.facts().endianness
    }

    /// Its registers, as tracing programs see them; `None` where they are not known.
    pub fn registers(self) -> Option<&'static Registers> {
        self.facts().registers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_lie_side_by_side_and_within() {
        for architecture in Architecture::KNOWN {
            let registers = architecture.registers().unwrap();
            let others = [registers.stack_pointer, registers.instruction_pointer];
            let mut places: Vec<u32> = registers.arguments.iter().copied().chain(others).collect();
            assert!(
                places.iter().chain([&registers.result]).all(|place| place % 8 == 0 && place + 8 <= registers.size)
            );
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), registers.arguments.len() + 2, "{architecture:?}");
        }
    }

    #[test]
    fn an_architecture_is_found_by_name_and_byte_order() {
        for architecture in Architecture::KNOWN {
            let name = architecture.name().unwrap();
            assert_eq!(Architecture::find(name, architecture.endianness()), architecture);
        }
        assert_eq!(Architecture::find("powerpc64", Endianness::Big), Architecture::PowerPc64);
        assert_eq!(Architecture::find("aarch64", Endianness::Big), Architecture::OtherBig);
        assert_eq!(Architecture::find("mips64", Endianness::Little), Architecture::OtherLittle);
    }
}
