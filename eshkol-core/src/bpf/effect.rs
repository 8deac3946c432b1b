//! What an instruction reads and writes, in physical registers.

use super::code::Instruction;
use super::instruction::{alu, atomic, class, jump, mode};

/// A set of registers.
#[derive(Copy, Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Registers(u16);

impl Registers {
    /// Some of them.
    pub(super) fn of(registers: impl IntoIterator<Item = u8>) -> Self {
        registers.into_iter().fold(Self::default(), Self::with)
    }

    /// With one more.
    pub(super) fn with(self, register: u8) -> Self {
        Self(self.0 | 1 << (register & 0xf))
    }

    /// Whether one is there.
    pub(super) fn contains(self, register: u8) -> bool {
        self.0 & 1 << (register & 0xf) != 0
    }

    /// Those in either.
    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in the other.
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// What an instruction reads and writes. Of a call nothing but the arguments is known: it may read them all.
#[derive(Copy, Clone, Debug)]
pub(super) struct Effect {
    /// Registers read.
    pub(super) reads: Registers,
    /// Registers written or overwritten with anything.
    pub(super) writes: Registers,
    /// Whether it does nothing but write registers.
    pub(super) is_removable: bool,
}

impl Effect {
    /// Of an instruction that is no jump.
    pub(super) fn of(instruction: Instruction) -> Self {
        let Instruction { opcode, destination, source, immediate, .. } = instruction;
        let registers = |numbers: &[u8]| Registers::of(numbers.iter().copied());
        let none = Registers::default();
        let (reads, writes, is_removable) = match instruction.class() {
            class::LD => (none, registers(&[destination]), true),
            class::LDX => (registers(&[source]), registers(&[destination]), true),
            class::ST => (registers(&[destination]), none, false),
            class::STX if opcode & mode::MASK == mode::ATOMIC => {
                let both = registers(&[destination, source]);
                match immediate {
                    atomic::CMPXCHG => (both.with(0), registers(&[0]), false),
                    _ if immediate & atomic::FETCH != 0 => (both, registers(&[source]), false),
                    _ => (both, none, false),
                }
            }
            class::STX => (registers(&[destination, source]), none, false),
            class::ALU | class::ALU64 => {
                let operation = opcode & alu::MASK;
                let right = instruction.has_source_register() && operation != alu::END;
                let reads = if operation == alu::MOV { none } else { registers(&[destination]) };
                (if right { reads.with(source) } else { reads }, registers(&[destination]), true)
            }
            _ if opcode & jump::MASK == jump::CALL => (Registers::of(1..=5), Registers::of(0..=5), false),
            _ => {
                let reads = registers(&[destination]);
                (if instruction.has_source_register() { reads.with(source) } else { reads }, none, false)
            }
        };
        Self { reads, writes, is_removable }
    }
}
