//! eBPF objects made by hand: a few instructions and maps, no types, no source lines.

use object::write::{Object as Elf, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf,
};

/// An object to be written.
#[derive(Clone, Default, Debug)]
pub struct Object {
    maps: Vec<(&'static str, [u32; 5])>,
    programs: Vec<(&'static str, &'static str, Vec<Instruction>)>,
    globals: Vec<(&'static str, &'static str, Vec<u8>)>,
}

/// An instruction, or two that load the address of a map or of a global.
#[derive(Copy, Clone, Debug)]
pub enum Instruction {
    /// One slot: opcode, destination, source, offset, immediate.
    Plain(u8, u8, u8, i16, i32),
    /// Two slots: the map or global with this name into that register.
    Address(u8, &'static str),
}

impl Object {
    /// An object with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A map of `kind`, as `enum bpf_map_type` counts.
    pub fn map(
        mut self,
        name: &'static str,
        kind: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        flags: u32,
    ) -> Self {
        self.maps.push((name, [kind, key_size, value_size, max_entries, flags]));
        self
    }

    /// A program in a section such as `xdp`.
    pub fn program(mut self, section: &'static str, name: &'static str, code: &[Instruction]) -> Self {
        self.programs.push((section, name, code.to_vec()));
        self
    }

    /// A global in a section such as `.data` or `.rodata`.
    pub fn global(mut self, section: &'static str, name: &'static str, value: &[u8]) -> Self {
        self.globals.push((section, name, value.to_vec()));
        self
    }

    /// The ELF file, for this machine's byte order. It is leaked, as the static that stands for it in generated code is never freed.
    ///
    /// # Panics
    ///
    /// Where an instruction names what is not there, and where the object cannot be written.
    pub fn build(&self) -> &'static [u8] {
        let endianness = if cfg!(target_endian = "little") { Endianness::Little } else { Endianness::Big };
        let mut elf = Elf::new(BinaryFormat::Elf, Architecture::Bpf, endianness);
        let license = elf.add_section(vec![], b"license".to_vec(), SectionKind::Data);
        elf.append_section_data(license, b"GPL\0", 1);
        let mut sections = Vec::new();
        let mut symbols = Vec::new();
        for (name, fields) in &self.maps {
            let bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_ne_bytes()).collect();
            symbols
                .push((*name, add(&mut elf, &mut sections, "maps", SectionKind::Data, name, SymbolKind::Data, &bytes)));
        }
        for (section, name, value) in &self.globals {
            symbols
                .push((*name, add(&mut elf, &mut sections, section, SectionKind::Data, name, SymbolKind::Data, value)));
        }
        for (section, name, code) in &self.programs {
            let bytes: Vec<u8> = code.iter().flat_map(|i| i.encode()).collect();
            let function = add(&mut elf, &mut sections, section, SectionKind::Text, name, SymbolKind::Text, &bytes);
            relocate(&mut elf, function, code, &symbols);
        }
        elf.write().expect("an object that can be written").leak()
    }
}

/// Appends to a section, which is made where it is not there, and names what was appended.
fn add(
    elf: &mut Elf<'_>,
    sections: &mut Vec<(&'static str, SectionId)>,
    section: &'static str,
    kind: SectionKind,
    name: &str,
    symbol: SymbolKind,
    bytes: &[u8],
) -> SymbolId {
    let existing = sections.iter().find(|(name, _)| *name == section).map(|(_, id)| *id);
    let section = existing.unwrap_or_else(|| {
        let id = elf.add_section(vec![], section.as_bytes().to_vec(), kind);
        sections.push((section, id));
        id
    });
    let offset = elf.append_section_data(section, bytes, 8);
    elf.add_symbol(Symbol {
        name: name.as_bytes().to_vec(),
        value: offset,
        size: bytes.len() as u64,
        kind: symbol,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    })
}

fn relocate(elf: &mut Elf<'_>, function: SymbolId, code: &[Instruction], symbols: &[(&str, SymbolId)]) {
    let symbol = elf.symbol(function);
    let (SymbolSection::Section(section), mut offset) = (symbol.section, symbol.value) else { return };
    for instruction in code {
        if let Instruction::Address(_, name) = instruction {
            let (_, symbol) = symbols.iter().find(|(n, _)| n == name).expect("a map or global of that name");
            let flags = RelocationFlags::Elf { r_type: elf::R_BPF_64_64 };
            let relocation = Relocation { offset, symbol: *symbol, addend: 0, flags };
            elf.add_relocation(section, relocation).expect("a relocation that can be written");
        }
        offset += instruction.encode().len() as u64;
    }
}

impl Instruction {
    fn encode(self) -> Vec<u8> {
        let slot = |opcode: u8, destination: u8, source: u8, offset: i16, immediate: i32| {
            let registers =
                if cfg!(target_endian = "little") { source << 4 | destination } else { destination << 4 | source };
            [&[opcode, registers][..], &offset.to_ne_bytes(), &immediate.to_ne_bytes()].concat()
        };
        match self {
            Self::Plain(opcode, destination, source, offset, immediate) => {
                slot(opcode, destination, source, offset, immediate)
            }
            Self::Address(destination, _) => [slot(0x18, destination, 0, 0, 0), slot(0, 0, 0, 0, 0)].concat(),
        }
    }
}

/// Instructions by name, of those that the tests need (RFC 9669).
pub mod asm {
    use super::Instruction::{self, Address, Plain};

    /// `rD = IMM`
    pub const fn mov(d: u8, imm: i32) -> Instruction {
        Plain(0xb7, d, 0, 0, imm)
    }

    /// `rD = rS`
    pub const fn mov_register(d: u8, s: u8) -> Instruction {
        Plain(0xbf, d, s, 0, 0)
    }

    /// `rD += IMM`
    pub const fn add(d: u8, imm: i32) -> Instruction {
        Plain(0x07, d, 0, 0, imm)
    }

    /// `*(u32 *)(rD + OFFSET) = IMM`
    pub const fn store32(d: u8, offset: i16, imm: i32) -> Instruction {
        Plain(0x62, d, 0, offset, imm)
    }

    /// `*(u8 *)(rD + OFFSET) = IMM`
    pub const fn store8(d: u8, offset: i16, imm: i32) -> Instruction {
        Plain(0x72, d, 0, offset, imm)
    }

    /// `rD = *(u64 *)(rS + OFFSET)`
    pub const fn load64(d: u8, s: u8, offset: i16) -> Instruction {
        Plain(0x79, d, s, offset, 0)
    }

    /// `rD = *(u32 *)(rS + OFFSET)`
    pub const fn load32(d: u8, s: u8, offset: i16) -> Instruction {
        Plain(0x61, d, s, offset, 0)
    }

    /// `lock *(u64 *)(rD + OFFSET) += rS`
    pub const fn atomic_add64(d: u8, offset: i16, s: u8) -> Instruction {
        Plain(0xdb, d, s, offset, 0)
    }

    /// `if rD == IMM goto +OFFSET`
    pub const fn jump_if_equal(d: u8, imm: i32, offset: i16) -> Instruction {
        Plain(0x15, d, 0, offset, imm)
    }

    /// `if rD > rS goto +OFFSET`
    pub const fn jump_if_greater(d: u8, s: u8, offset: i16) -> Instruction {
        Plain(0x2d, d, s, offset, 0)
    }

    /// `goto +OFFSET`
    pub const fn jump(offset: i16) -> Instruction {
        Plain(0x05, 0, 0, offset, 0)
    }

    /// `call HELPER`
    pub const fn call(helper: i32) -> Instruction {
        Plain(0x85, 0, 0, 0, helper)
    }

    /// `exit`
    pub const fn exit() -> Instruction {
        Plain(0x95, 0, 0, 0, 0)
    }

    /// `rD = address of a map or global`
    pub const fn address(d: u8, name: &'static str) -> Instruction {
        Address(d, name)
    }
}
