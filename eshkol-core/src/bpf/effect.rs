//! What an instruction reads and writes: registers, and the stack slots of spilled values, which nothing but the moves of
//! register allocation reaches.

use super::assembly::AssemblyInst;
use super::code::Instruction;
use super::instruction::{FRAME_POINTER, alu, atomic, class, jump, mode, size};

/// A register or the slot of a spilled value.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Place(u8);

impl Place {
    /// A register.
    pub(super) fn register(number: u8) -> Self {
        Self(number & 0xf)
    }

    /// The slot of a spilled value, by position.
    pub(super) fn spill(index: u8) -> Self {
        Self(16_u8.saturating_add(index).min(127))
    }

    /// The number of a register; `None` for a slot.
    pub(super) fn number(self) -> Option<u8> {
        (self.0 < 16).then_some(self.0)
    }
}

/// A set of places.
#[derive(Copy, Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Places(u128);

impl Places {
    /// Registers.
    pub(super) fn registers(numbers: impl IntoIterator<Item = u8>) -> Self {
        numbers.into_iter().map(Place::register).fold(Self::default(), Self::with)
    }

    /// With one more.
    pub(super) fn with(self, place: Place) -> Self {
        Self(self.0 | 1 << place.0)
    }

    /// Whether one is there.
    pub(super) fn contains(self, place: Place) -> bool {
        self.0 & 1 << place.0 != 0
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

/// Where the slots of spilled values are: below so many bytes under the frame pointer.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct SpillArea {
    /// The bytes of the slots above them.
    pub(super) above: u32,
}

impl SpillArea {
    /// The slot that a 64-bit access at an offset from the frame pointer reaches.
    fn slot(self, instruction: Instruction, base: u8) -> Option<Place> {
        if base != FRAME_POINTER || instruction.opcode & (mode::MASK | size::MASK) != mode::MEM | size::DW {
            return None;
        }
        let below = u32::try_from(i32::from(instruction.offset).checked_neg()?).ok()?;
        let index = below.checked_sub(self.above)?.checked_sub(8)? / 8;
        u8::try_from(index).ok().map(Place::spill)
    }

    /// The slot and the register of a store of a spilled value.
    pub(super) fn stored(self, instruction: Instruction) -> Option<(Place, Place)> {
        let is_store = instruction.class() == class::STX;
        let slot = self.slot(instruction, instruction.destination).filter(|_| is_store)?;
        Some((slot, Place::register(instruction.source)))
    }

    /// The register and the slot of a load of a spilled value.
    pub(super) fn loaded(self, instruction: Instruction) -> Option<(Place, Place)> {
        let is_load = instruction.class() == class::LDX;
        let slot = self.slot(instruction, instruction.source).filter(|_| is_load)?;
        Some((Place::register(instruction.destination), slot))
    }
}

/// What an instruction reads and writes.
#[derive(Copy, Clone, Debug)]
pub(super) struct Effect {
    /// Places read.
    pub(super) reads: Places,
    /// Places written or overwritten with anything.
    pub(super) writes: Places,
    /// Whether it does nothing but write those.
    pub(super) is_removable: bool,
}

impl Effect {
    /// Of a conditional jump.
    pub(super) fn of_comparison(comparison: Instruction) -> Self {
        let Instruction { destination, source, .. } = comparison;
        let reads = Places::registers([destination]);
        let reads = if comparison.has_source_register() { reads.with(Place::register(source)) } else { reads };
        Self { reads, writes: Places::default(), is_removable: false }
    }

    /// Of an instruction that is no jump.
    pub(super) fn of(inst: &AssemblyInst, spills: SpillArea) -> Self {
        let instruction = inst.instruction;
        let Instruction { opcode, destination, source, immediate, .. } = instruction;
        let none = Places::default();
        let both = Places::registers([destination, source]);
        let (reads, writes, is_removable) = match instruction.class() {
            class::LD => (none, Places::registers([destination]), true),
            class::LDX => {
                let base = Places::registers([source]);
                let reads = spills.loaded(instruction).map_or(base, |(_, slot)| base.with(slot));
                (reads, Places::registers([destination]), true)
            }
            class::ST => (Places::registers([destination]), none, false),
            class::STX if opcode & mode::MASK == mode::ATOMIC => match immediate {
                atomic::CMPXCHG => (both.with(Place::register(0)), Places::registers([0]), false),
                _ if immediate & atomic::FETCH != 0 => (both, Places::registers([source]), false),
                _ => (both, none, false),
            },
            class::STX => match spills.stored(instruction) {
                Some((slot, _)) => (both, none.with(slot), true),
                None => (both, none, false),
            },
            class::ALU | class::ALU64 => {
                let operation = opcode & alu::MASK;
                let right = instruction.has_source_register() && operation != alu::END;
                let left = if operation == alu::MOV { none } else { Places::registers([destination]) };
                let reads = if right { left.with(Place::register(source)) } else { left };
                (reads, Places::registers([destination]), true)
            }
            _ => {
                debug_assert!(opcode & jump::MASK == jump::CALL);
                (Places::registers(1..=inst.arguments), Places::registers(0..=5), false)
            }
        };
        Self { reads, writes, is_removable }
    }
}
