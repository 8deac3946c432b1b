//! What the macro tells the runtime of a compiled unit: plain data in statics of the user's crate.

/// A compiled unit.
#[derive(Debug)]
pub struct UnitSpec {
    /// Its name in the source, in kebab case.
    pub name: &'static str,
    /// The ELF object, aligned to 8 bytes.
    pub object: &'static [u8],
    /// Oldest kernel it was compiled for.
    pub min_kernel: (u16, u16),
    /// Maps, in order of definition.
    pub maps: &'static [MapSpec],
    /// Programs, in order of definition.
    pub programs: &'static [ProgramSpec],
    /// Globals, in order of definition.
    pub globals: &'static [GlobalSpec],
    /// What programs log; a record begins with its index here.
    pub log: &'static [LogSpec],
    /// Functions of the kernel that programs may call, in order of definition.
    pub kfuncs: &'static [KfuncSpec],
}

/// A function of the kernel that is no helper.
#[derive(Debug)]
pub struct KfuncSpec {
    /// Its name in the source.
    pub name: &'static str,
    /// Its name in the kernel.
    pub symbol: &'static str,
    /// What it takes.
    pub parameters: &'static [KfuncPart],
    /// Bytes of the number that it gives, where it gives one.
    pub result: Option<u32>,
    /// Where in the object it is called: bytes to the instruction, which has the index of the function here for its number.
    pub calls: &'static [u32],
}

/// What a function of the kernel takes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum KfuncPart {
    /// A number of so many bytes.
    Number(u32),
    /// A map.
    Map,
    /// The context.
    Context,
    /// Memory of so many bytes.
    Memory(u32),
    /// Memory of as many bytes as the next parameter says.
    SizedMemory,
    /// Text that ends with a NUL.
    String,
}

/// A declared map.
#[derive(Debug)]
pub struct MapSpec {
    /// Its name in the source.
    pub name: &'static str,
    /// Its symbol in the object.
    pub symbol: &'static str,
    /// `enum bpf_map_type`.
    pub kind: u32,
    /// Bytes of a key (with the prefix length, for LPM tries).
    pub key_size: u32,
    /// Bytes of a value (of one CPU).
    pub value_size: u32,
    /// Elements at most, as declared; for perf event arrays, 0 stands for one for each CPU.
    pub max_entries: u32,
    /// `BPF_F_…`.
    pub flags: u32,
    /// `(pinning :by-name)`.
    pub pin_by_name: bool,
    /// The symbols of the programs that the loader puts into it, from index 0 on.
    pub programs: &'static [&'static str],
}

/// A compiled program.
#[derive(Debug)]
pub struct ProgramSpec {
    /// Its entry procedure's name in the source.
    pub name: &'static str,
    /// Its symbol in the object.
    pub symbol: &'static str,
    /// The keyword of its type, without the colon: `xdp`.
    pub program_type: &'static str,
    /// `(attach-point "…")`.
    pub attach_points: &'static [&'static str],
    /// File that holds the source.
    pub file: &'static str,
    /// From which instruction on the code comes from which line (both rising).
    pub lines: &'static [LineSpec],
    /// What its instructions ask of the running kernel, by rising instruction.
    pub facts: &'static [FactSpec],
    /// For one that is given the machine's registers: where they lie.
    pub registers: Option<RegistersSpec>,
    /// For one that is attached where functions return and asks what they were called with: the symbol of the program that saves that.
    pub entry_probe: Option<&'static str>,
}

/// An instruction into which the loader puts something about the running kernel.
#[derive(Copy, Clone, Debug)]
pub struct FactSpec {
    /// Instruction slot.
    pub instruction: u32,
    /// What it is about: `task-struct.pid`.
    pub subject: &'static str,
}

/// Where registers lie in what a program is given, in bytes. Each has 8.
#[derive(Copy, Clone, Debug)]
pub struct RegistersSpec {
    /// Those with the arguments of a function, from the first on.
    pub arguments: &'static [u32],
    /// That with its result.
    pub result: u32,
    /// The stack pointer.
    pub stack_pointer: u32,
    /// The address of the next instruction.
    pub instruction_pointer: u32,
    /// That by which calls of it are told apart, and how much larger it is after the return.
    pub frame: Option<(u32, u32)>,
    /// Bytes of them all.
    pub size: u32,
}

/// From this instruction on, the source is this.
#[derive(Copy, Clone, Debug)]
pub struct LineSpec {
    /// Instruction slot.
    pub instruction: u32,
    /// 1-based line in the file.
    pub line: u32,
    /// 1-based column.
    pub column: u32,
    /// The text of that line, trimmed.
    pub text: &'static str,
}

/// A global variable.
#[derive(Debug)]
pub struct GlobalSpec {
    /// Its name in the source.
    pub name: &'static str,
    /// Its symbol in the object.
    pub symbol: &'static str,
    /// Name of the data section, which is also the name of the map that holds it at run time: `.rodata` for all read-only ones together,
    /// `.data.` and the symbol for each mutable one.
    pub section: &'static str,
    /// Bytes.
    pub size: u32,
}

/// A line that a program logs.
#[derive(Debug)]
pub struct LogSpec {
    /// As `log::Level` counts: from 1, an error, to 5, a trace.
    pub level: u8,
    /// File that holds the source.
    pub file: &'static str,
    /// 1-based line in the file.
    pub line: u32,
    /// What it is made of.
    pub parts: &'static [LogPart],
}

/// A part of a line that a program logs.
#[derive(Debug)]
pub enum LogPart {
    /// Always the same.
    Text(&'static str),
    /// A value, and where in the record it lies.
    Value {
        /// How it is read and written.
        kind: LogKind,
        /// Bytes from the start of the record.
        offset: u32,
    },
}

/// How a logged value is read from its record, and written.
#[derive(Copy, Clone, Debug)]
pub enum LogKind {
    /// 8 bytes without a sign, in decimal.
    Unsigned,
    /// 8 bytes with a sign, in decimal.
    Signed,
    /// 8 bytes, in hexadecimal.
    Hex,
    /// 8 bytes, `true` or `false`.
    Bool,
    /// 8 bytes: an IPv4 address as a number in host order.
    Ipv4,
    /// 16 bytes.
    Ipv6,
    /// 6 bytes.
    Mac,
    /// So many bytes of text, up to its NUL.
    Text(u32),
}
