//! Decoding: slots of 8 bytes → instructions (RFC 9669, section 3 to 5).
//!
//! What is decoded is well formed: registers exist, sizes and operations are known. Anything else is an error that names the slot.

use aya_obj::generated::bpf_insn;

/// A register, R0 to R10.
pub(super) type Register = u8;

/// The frame pointer, which programs can't write.
pub(super) const FRAME_POINTER: Register = 10;

/// An instruction. Targets of jumps and calls are slots of the program.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Instruction {
    Alu {
        operation: Alu,
        wide: bool,
        destination: Register,
        source: Operand,
    },
    /// Sign-extends the low `bits` of the source.
    MoveSigned {
        wide: bool,
        destination: Register,
        source: Register,
        bits: u8,
    },
    Negate {
        wide: bool,
        destination: Register,
    },
    /// Keeps the low `bits` in another byte order.
    ByteOrder {
        order: ByteOrder,
        bits: u8,
        destination: Register,
    },
    /// Takes two slots.
    LoadImmediate {
        destination: Register,
        value: Immediate,
    },
    Load {
        destination: Register,
        base: Register,
        offset: i16,
        size: Size,
        signed: bool,
    },
    Store {
        base: Register,
        offset: i16,
        size: Size,
        source: Operand,
    },
    Atomic {
        operation: Atomic,
        base: Register,
        offset: i16,
        size: Size,
        source: Register,
    },
    Jump {
        target: usize,
    },
    JumpIf {
        condition: Condition,
        wide: bool,
        left: Register,
        right: Operand,
        target: usize,
    },
    CallHelper {
        number: u32,
    },
    CallFunction {
        target: usize,
    },
    /// Of the kernel, by the number that the unit has for it.
    CallKernel {
        number: u32,
    },
    Exit,
    /// The second slot of a load of 64 bits.
    SecondSlot,
}

/// A register or a sign-extended immediate.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Operand {
    Register(Register),
    Immediate(i32),
}

/// What a load of 64 bits puts in a register.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Immediate {
    Number(u64),
    /// A map, by the number it was given when the program was linked.
    Map(usize),
    /// A place in the only value of a map.
    MapValue {
        map: usize,
        offset: u32,
    },
    /// A function of the program, by its first slot.
    Function(usize),
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Alu {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideSigned,
    Or,
    And,
    ShiftLeft,
    ShiftRight,
    Modulo,
    ModuloSigned,
    Xor,
    Move,
    ShiftRightSigned,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum ByteOrder {
    Little,
    Big,
    Swapped,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Atomic {
    Add {
        fetch: bool,
    },
    Or {
        fetch: bool,
    },
    And {
        fetch: bool,
    },
    Xor {
        fetch: bool,
    },
    Exchange,
    /// With R0, which gets the old value.
    CompareExchange,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    SignedGreater,
    SignedGreaterOrEqual,
    SignedLess,
    SignedLessOrEqual,
    AnyBit,
}

/// Bytes of an access.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Size {
    Byte = 1,
    Half = 2,
    Word = 4,
    Double = 8,
}

impl Size {
    pub(super) const fn bytes(self) -> usize {
        self as usize
    }
}

/// Why a slot is no instruction.
pub(super) type Malformed = String;

/// Fields of an opcode.
mod field {
    pub(super) const CLASS: u8 = 0x07;
    /// Whether the second operand is a register.
    pub(super) const REGISTER: u8 = 0x08;
    pub(super) const OPERATION: u8 = 0xf0;
    pub(super) const SIZE: u8 = 0x18;
    pub(super) const MODE: u8 = 0xe0;
}

/// What the source register of a load of 64 bits says of the immediate.
mod pseudo {
    pub(super) const MAP: u8 = 1;
    pub(super) const MAP_VALUE: u8 = 2;
    pub(super) const FUNCTION: u8 = 4;
    /// In a call: of a function of this program.
    pub(super) const CALL: u8 = 1;
    /// In a call: of a function of the kernel.
    pub(super) const KERNEL_CALL: u8 = 2;
}

/// Decodes a whole program. `Err` has the slot that is no instruction.
pub(super) fn decode(slots: &[bpf_insn]) -> Result<Vec<Instruction>, (usize, Malformed)> {
    let mut instructions: Vec<Instruction> = Vec::with_capacity(slots.len());
    while let Some(slot) = slots.get(instructions.len()) {
        let at = instructions.len();
        let instruction = decode_one(slot, slots.get(at + 1), at).map_err(|why| (at, why))?;
        instructions.push(instruction);
        if matches!(instruction, Instruction::LoadImmediate { .. }) {
            instructions.push(Instruction::SecondSlot);
        }
    }
    for (at, instruction) in instructions.iter().enumerate() {
        let target = match instruction {
            Instruction::Jump { target }
            | Instruction::JumpIf { target, .. }
            | Instruction::CallFunction { target }
            | Instruction::LoadImmediate { value: Immediate::Function(target), .. } => *target,
            _ => continue,
        };
        if matches!(instructions.get(target), None | Some(Instruction::SecondSlot)) {
            return Err((at, "it goes to a slot where no instruction starts".to_owned()));
        }
    }
    Ok(instructions)
}

fn decode_one(slot: &bpf_insn, next: Option<&bpf_insn>, at: usize) -> Result<Instruction, Malformed> {
    let (code, destination, source) = (slot.code, register(slot.dst_reg())?, slot.src_reg());
    match code & field::CLASS {
        0x00 => load_immediate(slot, next, at),
        0x01 => {
            let (signed, size) = match code & field::MODE {
                0x60 => (false, size(code)),
                0x80 if size(code) != Size::Double => (true, size(code)),
                _ => return Err(unknown(code)),
            };
            Ok(Instruction::Load { destination, base: register(source)?, offset: slot.off, size, signed })
        }
        0x02 if code & field::MODE == 0x60 => Ok(Instruction::Store {
            base: destination,
            offset: slot.off,
            size: size(code),
            source: Operand::Immediate(slot.imm),
        }),
        0x03 => {
            let (base, source, offset, size) = (destination, register(source)?, slot.off, size(code));
            match code & field::MODE {
                0x60 => Ok(Instruction::Store { base, offset, size, source: Operand::Register(source) }),
                0xc0 if matches!(size, Size::Word | Size::Double) => {
                    Ok(Instruction::Atomic { operation: atomic(slot.imm)?, base, offset, size, source })
                }
                _ => Err(unknown(code)),
            }
        }
        0x04 => arithmetic(slot, false),
        0x07 => arithmetic(slot, true),
        class => jump(slot, class == 0x05, at),
    }
}

fn load_immediate(slot: &bpf_insn, next: Option<&bpf_insn>, at: usize) -> Result<Instruction, Malformed> {
    if slot.code != 0x18 {
        return Err(match slot.code & field::MODE {
            0x20 | 0x40 => "the simulator does not know the old instructions for packet access".to_owned(),
            _ => unknown(slot.code),
        });
    }
    let next = next.filter(|next| next.code == 0).ok_or("the second half of a 64-bit load is missing")?;
    let (low, high) = (slot.imm.cast_unsigned(), next.imm.cast_unsigned());
    let index = usize::try_from(low).map_err(|_| "a map of this number can't be")?;
    let value = match slot.src_reg() {
        0 => Immediate::Number(u64::from(high) << 32 | u64::from(low)),
        pseudo::MAP => Immediate::Map(index),
        pseudo::MAP_VALUE => Immediate::MapValue { map: index, offset: high },
        pseudo::FUNCTION => Immediate::Function(target(at, slot.imm)?),
        other => return Err(format!("a 64-bit load of kind {other} is not known")),
    };
    Ok(Instruction::LoadImmediate { destination: register(slot.dst_reg())?, value })
}

fn arithmetic(slot: &bpf_insn, wide: bool) -> Result<Instruction, Malformed> {
    let (code, destination) = (slot.code, register(slot.dst_reg())?);
    let from_register = code & field::REGISTER != 0;
    let source =
        if from_register { Operand::Register(register(slot.src_reg())?) } else { Operand::Immediate(slot.imm) };
    let operation = match (code & field::OPERATION, slot.off) {
        (0x80, 0) if !from_register => return Ok(Instruction::Negate { wide, destination }),
        (0xd0, 0) => {
            let order = match (wide, from_register) {
                (false, false) => ByteOrder::Little,
                (false, true) => ByteOrder::Big,
                (true, false) => ByteOrder::Swapped,
                (true, true) => return Err(unknown(code)),
            };
            let bits = u8::try_from(slot.imm).ok().filter(|bits| [16, 32, 64].contains(bits));
            let bits = bits.ok_or_else(|| format!("a number of {} bits has no byte order", slot.imm))?;
            return Ok(Instruction::ByteOrder { order, bits, destination });
        }
        (0xb0, offset @ (8 | 16 | 32)) if from_register && (wide || offset < 32) => {
            let (source, bits) = (register(slot.src_reg())?, offset.to_le_bytes()[0]);
            return Ok(Instruction::MoveSigned { wide, destination, source, bits });
        }
        (0x30, 1) => Alu::DivideSigned,
        (0x90, 1) => Alu::ModuloSigned,
        (0x00, 0) => Alu::Add,
        (0x10, 0) => Alu::Subtract,
        (0x20, 0) => Alu::Multiply,
        (0x30, 0) => Alu::Divide,
        (0x40, 0) => Alu::Or,
        (0x50, 0) => Alu::And,
        (0x60, 0) => Alu::ShiftLeft,
        (0x70, 0) => Alu::ShiftRight,
        (0x90, 0) => Alu::Modulo,
        (0xa0, 0) => Alu::Xor,
        (0xb0, 0) => Alu::Move,
        (0xc0, 0) => Alu::ShiftRightSigned,
        _ => return Err(format!("opcode {code:#04x} with offset {} is not known", slot.off)),
    };
    Ok(Instruction::Alu { operation, wide, destination, source })
}

fn jump(slot: &bpf_insn, wide: bool, at: usize) -> Result<Instruction, Malformed> {
    let code = slot.code;
    let right = if code & field::REGISTER != 0 {
        Operand::Register(register(slot.src_reg())?)
    } else {
        Operand::Immediate(slot.imm)
    };
    let condition = match code & field::OPERATION {
        0x00 if code == 0x05 => return Ok(Instruction::Jump { target: target(at, slot.off.into())? }),
        0x00 if code == 0x06 => return Ok(Instruction::Jump { target: target(at, slot.imm)? }),
        0x80 if code == 0x85 => {
            return match slot.src_reg() {
                0 => Ok(Instruction::CallHelper { number: slot.imm.cast_unsigned() }),
                pseudo::CALL => Ok(Instruction::CallFunction { target: target(at, slot.imm)? }),
                pseudo::KERNEL_CALL => Ok(Instruction::CallKernel { number: slot.imm.cast_unsigned() }),
                other => Err(format!("a call of kind {other} is not known")),
            };
        }
        0x90 if code == 0x95 => return Ok(Instruction::Exit),
        0x10 => Condition::Equal,
        0x20 => Condition::Greater,
        0x30 => Condition::GreaterOrEqual,
        0x40 => Condition::AnyBit,
        0x50 => Condition::NotEqual,
        0x60 => Condition::SignedGreater,
        0x70 => Condition::SignedGreaterOrEqual,
        0xa0 => Condition::Less,
        0xb0 => Condition::LessOrEqual,
        0xc0 => Condition::SignedLess,
        0xd0 => Condition::SignedLessOrEqual,
        _ => return Err(unknown(code)),
    };
    let (left, target) = (register(slot.dst_reg())?, target(at, slot.off.into())?);
    Ok(Instruction::JumpIf { condition, wide, left, right, target })
}

fn atomic(immediate: i32) -> Result<Atomic, Malformed> {
    let fetch = immediate & 0x01 != 0;
    Ok(match immediate & !0x01 {
        0x00 => Atomic::Add { fetch },
        0x40 => Atomic::Or { fetch },
        0x50 => Atomic::And { fetch },
        0xa0 => Atomic::Xor { fetch },
        0xe0 if fetch => Atomic::Exchange,
        0xf0 if fetch => Atomic::CompareExchange,
        _ => return Err(format!("the atomic operation {immediate:#x} is not known")),
    })
}

fn register(number: u8) -> Result<Register, Malformed> {
    if number <= FRAME_POINTER { Ok(number) } else { Err(format!("there is no register r{number}")) }
}

fn size(code: u8) -> Size {
    match code & field::SIZE {
        0x00 => Size::Word,
        0x08 => Size::Half,
        0x10 => Size::Byte,
        _ => Size::Double,
    }
}

/// The slot that lies so many slots behind the next one.
fn target(at: usize, distance: i32) -> Result<usize, Malformed> {
    let distance = isize::try_from(distance).ok();
    let target = distance.and_then(|distance| at.checked_add(1)?.checked_add_signed(distance));
    target.ok_or_else(|| "it goes to before the program".to_owned())
}

fn unknown(code: u8) -> Malformed {
    format!("opcode {code:#04x} is not known")
}
