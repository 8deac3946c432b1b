//! Opcodes and instruction constructors of RFC 9669, and the eight bytes of an instruction.
//!
//! Guarantees that what a constructor makes has every field that the instruction does not use at zero, as the kernel's
//! verifier asks.

use super::code::Instruction;
use crate::compile::Endianness;
use crate::ir::MemorySize;

/// Instruction classes: the low three bits of an opcode (RFC 9669, section 3.1).
pub mod class {
    /// Non-standard loads: 64-bit immediates.
    pub const LD: u8 = 0x00;
    /// Loads into a register.
    pub const LDX: u8 = 0x01;
    /// Stores of an immediate.
    pub const ST: u8 = 0x02;
    /// Stores of a register.
    pub const STX: u8 = 0x03;
    /// 32-bit arithmetic.
    pub const ALU: u8 = 0x04;
    /// 64-bit jumps, calls, `exit`.
    pub const JMP: u8 = 0x05;
    /// 32-bit jumps.
    pub const JMP32: u8 = 0x06;
    /// 64-bit arithmetic.
    pub const ALU64: u8 = 0x07;
    /// The bits of an opcode that hold the class.
    pub const MASK: u8 = 0x07;
}

/// The source of an arithmetic or jump instruction is a register, not the immediate.
pub const SOURCE_REGISTER: u8 = 0x08;

/// Operations of the arithmetic classes (section 4.1).
pub mod alu {
    /// `dst += src`
    pub const ADD: u8 = 0x00;
    /// `dst -= src`
    pub const SUB: u8 = 0x10;
    /// `dst *= src`
    pub const MUL: u8 = 0x20;
    /// `dst /= src`; signed where the offset is 1.
    pub const DIV: u8 = 0x30;
    /// `dst |= src`
    pub const OR: u8 = 0x40;
    /// `dst &= src`
    pub const AND: u8 = 0x50;
    /// `dst <<= src`
    pub const LSH: u8 = 0x60;
    /// `dst >>= src`
    pub const RSH: u8 = 0x70;
    /// `dst = -dst`
    pub const NEG: u8 = 0x80;
    /// `dst %= src`; signed where the offset is 1.
    pub const MOD: u8 = 0x90;
    /// `dst ^= src`
    pub const XOR: u8 = 0xa0;
    /// `dst = src`; sign-extending where the offset is 8, 16 or 32.
    pub const MOV: u8 = 0xb0;
    /// `dst s>>= src`
    pub const ARSH: u8 = 0xc0;
    /// Byte swaps.
    pub const END: u8 = 0xd0;
    /// The bits of an opcode that hold the operation.
    pub const MASK: u8 = 0xf0;
}

/// Conditions of the jump classes (section 4.3).
pub mod jump {
    /// Always.
    pub const JA: u8 = 0x00;
    /// `dst == src`
    pub const JEQ: u8 = 0x10;
    /// unsigned `dst > src`
    pub const JGT: u8 = 0x20;
    /// unsigned `dst >= src`
    pub const JGE: u8 = 0x30;
    /// `dst & src`
    pub const JSET: u8 = 0x40;
    /// `dst != src`
    pub const JNE: u8 = 0x50;
    /// signed `dst > src`
    pub const JSGT: u8 = 0x60;
    /// signed `dst >= src`
    pub const JSGE: u8 = 0x70;
    /// Call.
    pub const CALL: u8 = 0x80;
    /// Return.
    pub const EXIT: u8 = 0x90;
    /// unsigned `dst < src`
    pub const JLT: u8 = 0xa0;
    /// unsigned `dst <= src`
    pub const JLE: u8 = 0xb0;
    /// signed `dst < src`
    pub const JSLT: u8 = 0xc0;
    /// signed `dst <= src`
    pub const JSLE: u8 = 0xd0;
    /// The bits of an opcode that hold the condition.
    pub const MASK: u8 = 0xf0;
}

/// Modes of the load and store classes (section 5).
pub mod mode {
    /// 64-bit immediate.
    pub const IMM: u8 = 0x00;
    /// Memory.
    pub const MEM: u8 = 0x60;
    /// Memory, sign-extending.
    pub const MEMSX: u8 = 0x80;
    /// Atomic read-modify-write.
    pub const ATOMIC: u8 = 0xc0;
    /// The bits of an opcode that hold the mode.
    pub const MASK: u8 = 0xe0;
}

/// Access sizes of the load and store classes.
pub mod size {
    /// 4 bytes.
    pub const W: u8 = 0x00;
    /// 2 bytes.
    pub const H: u8 = 0x08;
    /// 1 byte.
    pub const B: u8 = 0x10;
    /// 8 bytes.
    pub const DW: u8 = 0x18;
    /// The bits of an opcode that hold the size.
    pub const MASK: u8 = 0x18;
}

/// Immediates of atomic instructions (section 5.3).
pub mod atomic {
    /// Addition.
    pub const ADD: i32 = 0x00;
    /// Bits of either.
    pub const OR: i32 = 0x40;
    /// Bits of both.
    pub const AND: i32 = 0x50;
    /// Bits of one.
    pub const XOR: i32 = 0xa0;
    /// The old value goes to the source register.
    pub const FETCH: i32 = 0x01;
    /// Exchange.
    pub const XCHG: i32 = 0xe0 | FETCH;
    /// Compare with R0, exchange where equal; the old value goes to R0.
    pub const CMPXCHG: i32 = 0xf0 | FETCH;
}

/// Meanings of the source field of a 64-bit immediate load (section 5.4) and of a call (section 4.3.1).
pub mod pseudo {
    /// A map, by file descriptor.
    pub const MAP_FD: u8 = 1;
    /// An address in a map's value.
    pub const MAP_VALUE: u8 = 2;
    /// A call of a function of the program.
    pub const CALL: u8 = 1;
    /// A call of a kernel function, by BTF id.
    pub const KFUNC_CALL: u8 = 2;
}

/// The frame pointer, R10.
pub const FRAME_POINTER: u8 = 10;

/// The size bits of an opcode.
pub fn size_bits(bytes: MemorySize) -> u8 {
    match bytes {
        MemorySize::B1 => size::B,
        MemorySize::B2 => size::H,
        MemorySize::B4 => size::W,
        MemorySize::B8 => size::DW,
    }
}

impl Instruction {
    /// `exit`.
    pub const EXIT: Self = Self::of(class::JMP | jump::EXIT);

    const fn of(opcode: u8) -> Self {
        Self { opcode, destination: 0, source: 0, offset: 0, immediate: 0 }
    }

    /// An arithmetic instruction on a register and an immediate. `class` is [`class::ALU`] or [`class::ALU64`].
    pub const fn alu_immediate(class: u8, operation: u8, destination: u8, immediate: i32) -> Self {
        Self { destination, immediate, ..Self::of(class | operation) }
    }

    /// An arithmetic instruction on two registers.
    pub const fn alu_register(class: u8, operation: u8, destination: u8, source: u8) -> Self {
        Self { destination, source, ..Self::of(class | operation | SOURCE_REGISTER) }
    }

    /// `destination = source`, all 64 bits.
    pub const fn mov(destination: u8, source: u8) -> Self {
        Self::alu_register(class::ALU64, alu::MOV, destination, source)
    }

    /// `be16`, `be32` or `be64`: the low `bits` bits from host to big-endian order or back, the rest zero.
    pub const fn to_big(bits: i32, destination: u8) -> Self {
        Self { destination, immediate: bits, ..Self::of(class::ALU | alu::END | SOURCE_REGISTER) }
    }

    /// `le16`, `le32` or `le64`: the low `bits` bits from host to little-endian order or back, the rest zero.
    pub const fn to_little(bits: i32, destination: u8) -> Self {
        Self { destination, immediate: bits, ..Self::of(class::ALU | alu::END) }
    }

    /// `bswap16`, `bswap32` or `bswap64` (ISA v4): the low `bits` bits with bytes reversed, the rest zero.
    pub const fn swap(bits: i32, destination: u8) -> Self {
        Self { destination, immediate: bits, ..Self::of(class::ALU64 | alu::END) }
    }

    /// `destination = *(size *)(base + offset)`, zero-extended.
    pub fn load(size: MemorySize, destination: u8, base: u8, offset: i16) -> Self {
        Self { destination, source: base, offset, ..Self::of(class::LDX | mode::MEM | size_bits(size)) }
    }

    /// `destination = *(signed size *)(base + offset)`, sign-extended (ISA v4).
    pub fn load_signed(size: MemorySize, destination: u8, base: u8, offset: i16) -> Self {
        Self { destination, source: base, offset, ..Self::of(class::LDX | mode::MEMSX | size_bits(size)) }
    }

    /// `*(size *)(base + offset) = source`.
    pub fn store(size: MemorySize, base: u8, offset: i16, source: u8) -> Self {
        Self { destination: base, source, offset, ..Self::of(class::STX | mode::MEM | size_bits(size)) }
    }

    /// `*(size *)(base + offset) = immediate`.
    pub fn store_immediate(size: MemorySize, base: u8, offset: i16, immediate: i32) -> Self {
        Self { destination: base, offset, immediate, ..Self::of(class::ST | mode::MEM | size_bits(size)) }
    }

    /// An atomic read-modify-write; `operation` is one of [`atomic`].
    pub fn atomic(size: MemorySize, operation: i32, base: u8, offset: i16, source: u8) -> Self {
        Self {
            destination: base,
            source,
            offset,
            immediate: operation,
            ..Self::of(class::STX | mode::ATOMIC | size_bits(size))
        }
    }

    /// A conditional jump on a register and an immediate. `class` is [`class::JMP`] or [`class::JMP32`].
    pub const fn jump_immediate(class: u8, condition: u8, destination: u8, immediate: i32) -> Self {
        Self { destination, immediate, ..Self::of(class | condition) }
    }

    /// A conditional jump on two registers.
    pub const fn jump_register(class: u8, condition: u8, destination: u8, source: u8) -> Self {
        Self { destination, source, ..Self::of(class | condition | SOURCE_REGISTER) }
    }

    /// `goto`, with a 16-bit offset.
    pub const fn goto(offset: i16) -> Self {
        Self { offset, ..Self::of(class::JMP | jump::JA) }
    }

    /// `gotol`, with a 32-bit offset (ISA v4).
    pub const fn goto_long(offset: i32) -> Self {
        Self { immediate: offset, ..Self::of(class::JMP32 | jump::JA) }
    }

    /// A call of a helper by number.
    pub const fn call_helper(helper: i32) -> Self {
        Self { immediate: helper, ..Self::of(class::JMP | jump::CALL) }
    }

    /// A call of a function of the unit, to be relocated.
    pub const fn call_function() -> Self {
        Self { source: pseudo::CALL, immediate: -1, ..Self::of(class::JMP | jump::CALL) }
    }

    /// A call of a function of the kernel that the unit declares; which, the loader says.
    pub const fn call_kfunc(number: i32) -> Self {
        Self { source: pseudo::KFUNC_CALL, immediate: number, ..Self::of(class::JMP | jump::CALL) }
    }

    /// The first slot of a 64-bit immediate load; [`Self::wide_high`] is the second.
    pub const fn wide_low(destination: u8, source: u8, immediate: i32) -> Self {
        Self { destination, source, immediate, ..Self::of(class::LD | mode::IMM | size::DW) }
    }

    /// The second slot of a 64-bit immediate load.
    pub const fn wide_high(immediate: i32) -> Self {
        Self { immediate, ..Self::of(0) }
    }

    /// The class bits.
    pub const fn class(self) -> u8 {
        self.opcode & class::MASK
    }

    /// Whether this is the first slot of a 64-bit immediate load.
    pub const fn is_wide(self) -> bool {
        self.opcode == class::LD | mode::IMM | size::DW
    }

    /// Whether this is a `goto`, `gotol` or conditional jump: not a call, not `exit`.
    pub const fn is_jump(self) -> bool {
        let operation = self.opcode & jump::MASK;
        matches!(self.class(), class::JMP | class::JMP32) && operation != jump::CALL && operation != jump::EXIT
    }

    /// Whether this is a conditional jump.
    pub const fn is_conditional_jump(self) -> bool {
        self.is_jump() && self.opcode & jump::MASK != jump::JA
    }

    /// Whether the second operand of an arithmetic or jump instruction is a register.
    pub const fn has_source_register(self) -> bool {
        self.opcode & SOURCE_REGISTER != 0
    }

    /// Whether this is `destination = source` of two 64-bit registers.
    pub const fn is_mov(self) -> bool {
        self.opcode == class::ALU64 | alu::MOV | SOURCE_REGISTER && self.offset == 0
    }

    /// The eight bytes, for a machine of that byte order.
    pub fn to_bytes(self, endianness: Endianness) -> [u8; 8] {
        let [offset, immediate] = [u64::from(self.offset.cast_unsigned()), u64::from(self.immediate.cast_unsigned())];
        let (low, high) = (u64::from(self.destination & 0xf), u64::from(self.source & 0xf));
        let opcode = u64::from(self.opcode);
        match endianness {
            Endianness::Little => (opcode | low << 8 | high << 12 | offset << 16 | immediate << 32).to_le_bytes(),
            Endianness::Big => (opcode << 56 | low << 52 | high << 48 | offset << 32 | immediate).to_be_bytes(),
        }
    }

    /// The instruction of eight bytes.
    pub fn from_bytes(bytes: [u8; 8], endianness: Endianness) -> Self {
        let [opcode, registers, offset @ .., i0, i1, i2, i3] = bytes;
        let immediate = [i0, i1, i2, i3];
        let (first, second) = (registers & 0xf, registers >> 4);
        match endianness {
            Endianness::Little => Self {
                opcode,
                destination: first,
                source: second,
                offset: i16::from_le_bytes(offset),
                immediate: i32::from_le_bytes(immediate),
            },
            Endianness::Big => Self {
                opcode,
                destination: second,
                source: first,
                offset: i16::from_be_bytes(offset),
                immediate: i32::from_be_bytes(immediate),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_rfc() {
        let instruction = Instruction::store(MemorySize::B8, 10, -8, 1);
        assert_eq!(instruction.to_bytes(Endianness::Little), [0x7b, 0x1a, 0xf8, 0xff, 0, 0, 0, 0]);
        assert_eq!(instruction.to_bytes(Endianness::Big), [0x7b, 0xa1, 0xff, 0xf8, 0, 0, 0, 0]);
        for endianness in [Endianness::Little, Endianness::Big] {
            for instruction in [instruction, Instruction::wide_low(3, 1, -2), Instruction::goto_long(70_000)] {
                assert_eq!(Instruction::from_bytes(instruction.to_bytes(endianness), endianness), instruction);
            }
        }
    }
}
