//! Machine code as text, in the notation of `llvm-objdump` and `bpftool`.
//!
//! ```text
//!        0: r1 = *(u32 *)(r1 + 0)
//!        1: if r1 > 5 goto +2
//! ```
//!
//! Total: bytes that are no instruction are shown as `.8byte`.

use std::fmt::Write as _;

use super::code::{Code, Instruction, RelocationTarget};
use super::instruction::{alu, atomic, class, jump, mode, pseudo, size};

/// The code of a function, one line for each instruction.
pub fn disassemble(code: &Code) -> String {
    let mut text = format!("{}:\n", code.name);
    let mut relocations = code.relocations.iter().peekable();
    let mut slots = (0_u32..).zip(&code.instructions);
    while let Some((slot, instruction)) = slots.next() {
        let high = if instruction.is_wide() { slots.next().map(|(_, high)| *high) } else { None };
        let relocation = relocations.next_if(|relocation| relocation.instruction == slot);
        // Writing to a string never fails.
        let _ = write!(text, "{slot:8}: {}", instruction_text(*instruction, high));
        if let Some(relocation) = relocation {
            let _ = write!(text, "\t; {}", target_text(relocation.target));
        }
        text.push('\n');
    }
    text
}

fn target_text(target: RelocationTarget) -> String {
    match target {
        RelocationTarget::Map(map) => map.to_string(),
        RelocationTarget::Function(function) => function.to_string(),
        RelocationTarget::Fact(fact) => fact.to_string(),
        RelocationTarget::Kfunc(kfunc) => kfunc.to_string(),
        RelocationTarget::Global { section, offset } => format!("{section}+{offset}"),
    }
}

/// One instruction; `high` is the second slot of a 64-bit immediate load.
pub fn instruction_text(instruction: Instruction, high: Option<Instruction>) -> String {
    let text = match instruction.class() {
        class::LD => wide_text(instruction, high),
        class::LDX => load_text(instruction),
        class::ST | class::STX => store_text(instruction),
        class::ALU | class::ALU64 => alu_text(instruction),
        _ => jump_text(instruction),
    };
    text.unwrap_or_else(|| format!(".8byte {instruction:?}"))
}

fn wide_text(instruction: Instruction, high: Option<Instruction>) -> Option<String> {
    let high = high.filter(|_| instruction.is_wide())?;
    let number = u64::from(high.immediate.cast_unsigned()) << 32 | u64::from(instruction.immediate.cast_unsigned());
    let Instruction { destination, immediate, .. } = instruction;
    Some(match instruction.source {
        0 if number >> 32 == 0 => format!("r{destination} = {number} ll"),
        0 => format!("r{destination} = {number:#x} ll"),
        pseudo::MAP_FD => format!("r{destination} = map[fd:{immediate}] ll"),
        pseudo::MAP_VALUE => format!("r{destination} = map[fd:{immediate}][0]+{} ll", high.immediate),
        source => format!("r{destination} = {number:#x} ll (source {source})"),
    })
}

fn bits(instruction: Instruction) -> u32 {
    match instruction.opcode & size::MASK {
        size::B => 8,
        size::H => 16,
        size::W => 32,
        _ => 64,
    }
}

/// `(r1 + 4)`
fn address(base: u8, offset: i16) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    format!("(r{base} {sign} {})", offset.unsigned_abs())
}

fn load_text(instruction: Instruction) -> Option<String> {
    let letter = match instruction.opcode & mode::MASK {
        mode::MEM => 'u',
        mode::MEMSX => 's',
        _ => return None,
    };
    let Instruction { destination, source, offset, .. } = instruction;
    Some(format!("r{destination} = *({letter}{} *){}", bits(instruction), address(source, offset)))
}

fn store_text(instruction: Instruction) -> Option<String> {
    let Instruction { destination, source, offset, immediate, .. } = instruction;
    let bits = bits(instruction);
    let address = address(destination, offset);
    let place = format!("*(u{bits} *){address}");
    match (instruction.class(), instruction.opcode & mode::MASK) {
        (class::ST, mode::MEM) => Some(format!("{place} = {immediate}")),
        (class::STX, mode::MEM) => Some(format!("{place} = {}{source}", if bits == 32 { 'w' } else { 'r' })),
        (class::STX, mode::ATOMIC) => atomic_text(instruction, &place, &address),
        _ => None,
    }
}

fn atomic_text(instruction: Instruction, place: &str, address: &str) -> Option<String> {
    let (bits, letter, suffix) = match bits(instruction) {
        32 => (32, 'w', "_32"),
        64 => (64, 'r', "_64"),
        _ => return None,
    };
    let register = format!("{letter}{}", instruction.source);
    match instruction.immediate {
        atomic::XCHG => return Some(format!("{register} = xchg{suffix}{}", pair(address, &register))),
        atomic::CMPXCHG => {
            let old = format!("{letter}0");
            return Some(format!("{old} = cmpxchg{suffix}{}", pair(address, &format!("{old}, {register}"))));
        }
        _ => {}
    }
    let (sign, name) = match instruction.immediate & !atomic::FETCH {
        atomic::ADD => ("+", "add"),
        atomic::OR => ("|", "or"),
        atomic::AND => ("&", "and"),
        atomic::XOR => ("^", "xor"),
        _ => return None,
    };
    Some(if instruction.immediate & atomic::FETCH == 0 {
        format!("lock {place} {sign}= {register}")
    } else {
        format!("{register} = atomic_fetch_{name}((u{bits} *){address}, {register})")
    })
}

/// `(r1 + 4, w2)` from `(r1 + 4)` and `w2`.
fn pair(address: &str, register: &str) -> String {
    format!("{}, {register})", address.trim_end_matches(')'))
}

fn alu_text(instruction: Instruction) -> Option<String> {
    let letter = if instruction.class() == class::ALU { 'w' } else { 'r' };
    let Instruction { destination, source, offset, immediate, .. } = instruction;
    let left = format!("{letter}{destination}");
    let right = if instruction.has_source_register() { format!("{letter}{source}") } else { immediate.to_string() };
    let signed = if offset == 1 { "s" } else { "" };
    let sign = match instruction.opcode & alu::MASK {
        alu::ADD => "+",
        alu::SUB => "-",
        alu::MUL => "*",
        alu::DIV => return Some(format!("{left} {signed}/= {right}")),
        alu::MOD => return Some(format!("{left} {signed}%= {right}")),
        alu::OR => "|",
        alu::AND => "&",
        alu::XOR => "^",
        alu::LSH => "<<",
        alu::RSH => ">>",
        alu::ARSH => "s>>",
        alu::NEG => return Some(format!("{left} = -{left}")),
        alu::MOV if offset == 0 => return Some(format!("{left} = {right}")),
        alu::MOV => return Some(format!("{left} = (s{offset}){right}")),
        alu::END => {
            let name = match (instruction.class(), instruction.has_source_register()) {
                (class::ALU64, _) => "bswap",
                (_, true) => "be",
                (_, false) => "le",
            };
            return Some(format!("r{destination} = {name}{immediate} r{destination}"));
        }
        _ => return None,
    };
    Some(format!("{left} {sign}= {right}"))
}

fn jump_text(instruction: Instruction) -> Option<String> {
    let narrow = instruction.class() == class::JMP32;
    let letter = if narrow { 'w' } else { 'r' };
    let Instruction { destination, source, offset, immediate, .. } = instruction;
    let sign = match instruction.opcode & jump::MASK {
        jump::JA if narrow => return Some(format!("gotol {immediate:+}")),
        jump::JA => return Some(format!("goto {offset:+}")),
        jump::CALL => {
            return Some(match source {
                pseudo::CALL => format!("call pc{immediate:+}"),
                pseudo::KFUNC_CALL => format!("call kernel-function {immediate}"),
                _ => format!("call {immediate}"),
            });
        }
        jump::EXIT => return Some("exit".to_owned()),
        jump::JEQ => "==",
        jump::JNE => "!=",
        jump::JSET => "&",
        jump::JGT => ">",
        jump::JGE => ">=",
        jump::JLT => "<",
        jump::JLE => "<=",
        jump::JSGT => "s>",
        jump::JSGE => "s>=",
        jump::JSLT => "s<",
        jump::JSLE => "s<=",
        _ => return None,
    };
    let right = if instruction.has_source_register() { format!("{letter}{source}") } else { immediate.to_string() };
    Some(format!("if {letter}{destination} {sign} {right} goto {offset:+}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::MemorySize;

    #[test]
    fn the_notation_of_llvm_objdump() {
        let cases = [
            (Instruction::load(MemorySize::B4, 1, 1, 0), "r1 = *(u32 *)(r1 + 0)"),
            (Instruction::load_signed(MemorySize::B1, 2, 3, -4), "r2 = *(s8 *)(r3 - 4)"),
            (Instruction::store(MemorySize::B8, 10, -8, 1), "*(u64 *)(r10 - 8) = r1"),
            (Instruction::store_immediate(MemorySize::B2, 10, -8, 7), "*(u16 *)(r10 - 8) = 7"),
            (Instruction::atomic(MemorySize::B8, atomic::ADD, 1, 8, 2), "lock *(u64 *)(r1 + 8) += r2"),
            (
                Instruction::atomic(MemorySize::B4, atomic::OR | atomic::FETCH, 1, 0, 2),
                "w2 = atomic_fetch_or((u32 *)(r1 + 0), w2)",
            ),
            (Instruction::atomic(MemorySize::B8, atomic::XCHG, 1, 0, 2), "r2 = xchg_64(r1 + 0, r2)"),
            (Instruction::atomic(MemorySize::B8, atomic::CMPXCHG, 1, 0, 2), "r0 = cmpxchg_64(r1 + 0, r0, r2)"),
            (Instruction::jump_register(class::JMP, jump::JGT, 1, 2), "if r1 > r2 goto +0"),
            (Instruction::jump_immediate(class::JMP32, jump::JSLE, 1, -2), "if w1 s<= -2 goto +0"),
            (Instruction::goto(-3), "goto -3"),
            (Instruction::goto_long(70_000), "gotol +70000"),
            (Instruction::call_helper(1), "call 1"),
            (Instruction::call_function(), "call pc-1"),
            (Instruction::to_big(16, 3), "r3 = be16 r3"),
            (Instruction::swap(64, 3), "r3 = bswap64 r3"),
            (Instruction { offset: 1, ..Instruction::alu_immediate(class::ALU64, alu::DIV, 1, 3) }, "r1 s/= 3"),
            (Instruction { offset: 8, ..Instruction::mov(1, 2) }, "r1 = (s8)r2"),
            (Instruction::EXIT, "exit"),
        ];
        for (instruction, text) in cases {
            assert_eq!(instruction_text(instruction, None), text);
        }
        let wide = |low, high| instruction_text(Instruction::wide_low(1, 0, low), Some(Instruction::wide_high(high)));
        assert_eq!(wide(-1, 0), "r1 = 4294967295 ll");
        assert_eq!(wide(1, 1), "r1 = 0x100000001 ll");
    }

    #[test]
    fn any_bytes_have_a_text() {
        for opcode in 0..=u8::MAX {
            let instruction = Instruction { opcode, immediate: -1, ..Instruction::default() };
            assert!(!instruction_text(instruction, None).is_empty());
        }
        let not_one = Instruction { opcode: 0xff, ..Instruction::default() };
        assert!(instruction_text(not_one, None).starts_with(".8byte"));
    }
}
