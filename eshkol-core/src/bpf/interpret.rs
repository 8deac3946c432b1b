//! Runs eBPF machine code (RFC 9669), for tests.
//!
//! As strict as a verifier where that is cheap: reading a register that was never written or that a call has
//! overwritten, an access outside memory, an instruction of a later ISA version, and running off the code are faults.

use std::collections::BTreeMap;

use super::code::{Instruction, Relocation, RelocationTarget};
use super::instruction::{FRAME_POINTER, alu, atomic, class, jump, mode, pseudo, size};
use crate::compile::Endianness;
use crate::ir::evaluate::{reverse, sign_extend};
use crate::kernel::IsaVersion;

/// The top of the stack of the outermost function.
pub(crate) const STACK_TOP: u64 = 0x6000_8000;
const STACK_FRAME: u64 = 512;

/// What a call goes to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Callee {
    Helper(i32),
    Function(RelocationTarget),
}

/// What is outside of the code.
pub(crate) trait World {
    /// The byte at an address; `None` where there is no memory.
    fn read(&mut self, address: u64) -> Option<u8>;
    /// Whether there was memory to write to.
    fn write(&mut self, address: u64, byte: u8) -> bool;
    /// Calls something; registers that were never written are `None`.
    fn call(&mut self, callee: Callee, arguments: [Option<u64>; 5]) -> Result<u64, String>;
    /// What the loader puts in a 64-bit immediate load.
    fn resolve(&mut self, target: RelocationTarget) -> u64;
}

/// What is run.
pub(crate) struct Program<'a> {
    pub(crate) code: &'a [Instruction],
    pub(crate) relocations: &'a [Relocation],
    pub(crate) isa: IsaVersion,
    pub(crate) endianness: Endianness,
}

/// Runs a program with its first arguments; gives R0 at its end.
pub(crate) fn run(program: &Program<'_>, world: &mut dyn World, arguments: &[u64], fuel: usize) -> Result<u64, String> {
    let mut registers = [None; 11];
    for (register, argument) in registers[1..].iter_mut().zip(arguments) {
        *register = Some(*argument);
    }
    registers[10] = Some(STACK_TOP);
    let mut machine = Machine { program, world, registers, stack: BTreeMap::new(), frames: Vec::new(), at: 0 };
    for _ in 0..fuel {
        let at = machine.at;
        if let Some(result) = machine.step().map_err(|fault| format!("at {at}: {fault}"))? {
            return Ok(result);
        }
    }
    Err("out of fuel".to_owned())
}

/// The oldest ISA version with an instruction.
pub(crate) fn oldest_isa(instruction: Instruction) -> IsaVersion {
    let Instruction { opcode, offset, .. } = instruction;
    match instruction.class() {
        class::ALU64 if opcode & alu::MASK == alu::END => IsaVersion::V4,
        class::ALU if opcode & alu::MASK == alu::END => IsaVersion::V1,
        class::ALU | class::ALU64 if offset != 0 => IsaVersion::V4,
        class::ALU => IsaVersion::V3,
        class::LDX if opcode & mode::MASK == mode::MEMSX => IsaVersion::V4,
        class::JMP32 if opcode & jump::MASK == jump::JA => IsaVersion::V4,
        class::JMP32 => IsaVersion::V3,
        class::JMP if matches!(opcode & jump::MASK, jump::JLT | jump::JLE | jump::JSLT | jump::JSLE) => IsaVersion::V2,
        class::STX if opcode & mode::MASK == mode::ATOMIC && instruction.immediate != atomic::ADD => IsaVersion::V3,
        _ => IsaVersion::V1,
    }
}

struct Machine<'a> {
    program: &'a Program<'a>,
    world: &'a mut dyn World,
    registers: [Option<u64>; 11],
    stack: BTreeMap<u64, u8>,
    /// Where calls of functions in this code return to, with what they preserve.
    frames: Vec<(usize, [Option<u64>; 11])>,
    at: usize,
}

type Fault = String;

impl Machine<'_> {
    fn step(&mut self) -> Result<Option<u64>, Fault> {
        let instruction = *self.program.code.get(self.at).ok_or("outside the code")?;
        if oldest_isa(instruction) > self.program.isa {
            return Err(format!("{instruction:?} is not of this instruction set"));
        }
        let slot = self.at;
        self.at += 1;
        match instruction.class() {
            class::LD => self.wide(instruction, slot)?,
            class::LDX => {
                let address = self.get(instruction.source)?.wrapping_add_signed(instruction.offset.into());
                let bytes = bytes(instruction);
                let loaded = self.load(address, bytes)?;
                let signed = instruction.opcode & mode::MASK == mode::MEMSX;
                self.set(instruction.destination, if signed { sign_extend(loaded, bytes * 8) } else { loaded })?;
            }
            class::ST => {
                let address = self.get(instruction.destination)?.wrapping_add_signed(instruction.offset.into());
                self.store(address, bytes(instruction), i64::from(instruction.immediate) as u64)?;
            }
            class::STX => {
                let address = self.get(instruction.destination)?.wrapping_add_signed(instruction.offset.into());
                if instruction.opcode & mode::MASK == mode::ATOMIC {
                    self.atomic(instruction, address)?;
                } else {
                    let value = self.get(instruction.source)?;
                    self.store(address, bytes(instruction), value)?;
                }
            }
            class::ALU | class::ALU64 => self.alu(instruction)?,
            _ => return self.jump(instruction, slot),
        }
        Ok(None)
    }

    fn get(&self, register: u8) -> Result<u64, Fault> {
        self.registers
            .get(usize::from(register))
            .copied()
            .flatten()
            .ok_or_else(|| format!("r{register} is read and was never written"))
    }

    fn set(&mut self, register: u8, value: u64) -> Result<(), Fault> {
        if register >= FRAME_POINTER {
            return Err(format!("r{register} is written"));
        }
        self.registers[usize::from(register)] = Some(value);
        Ok(())
    }

    fn wide(&mut self, instruction: Instruction, slot: usize) -> Result<(), Fault> {
        let high = *self.program.code.get(self.at).filter(|_| instruction.is_wide()).ok_or("half a wide load")?;
        self.at += 1;
        let relocation = self.program.relocations.iter().find(|relocation| relocation.instruction as usize == slot);
        let value = match relocation {
            Some(relocation) => self.world.resolve(relocation.target),
            None => u64::from(high.immediate as u32) << 32 | u64::from(instruction.immediate as u32),
        };
        self.set(instruction.destination, value)
    }

    fn byte(&mut self, address: u64) -> Result<u8, Fault> {
        let frame = self.registers[10].unwrap_or(0);
        if let Some(byte) = self.stack.get(&address) {
            return Ok(*byte);
        }
        if (frame - STACK_FRAME..frame).contains(&address) {
            return Err(format!("stack at {} is read and was never written", address as i64 - frame as i64));
        }
        self.world.read(address).ok_or_else(|| format!("read at {address:#x}"))
    }

    fn load(&mut self, address: u64, bytes: u32) -> Result<u64, Fault> {
        let frame = self.registers[10].unwrap_or(0);
        if (frame - STACK_FRAME..frame).contains(&address) && !address.is_multiple_of(u64::from(bytes)) {
            return Err(format!("misaligned stack access at {address:#x}"));
        }
        let mut word = 0;
        for at in (0..u64::from(bytes)).rev() {
            word = word << 8 | u64::from(self.byte(address + at)?);
        }
        Ok(if self.program.endianness == Endianness::Big { reverse(word, bytes * 8) } else { word })
    }

    fn store(&mut self, address: u64, bytes: u32, value: u64) -> Result<(), Fault> {
        let value = if self.program.endianness == Endianness::Big { reverse(value, bytes * 8) } else { value };
        let frame = self.registers[10].unwrap_or(0);
        let on_stack = (frame - STACK_FRAME..STACK_TOP).contains(&address);
        if on_stack && !address.is_multiple_of(u64::from(bytes)) {
            return Err(format!("misaligned stack access at {address:#x}"));
        }
        for (address, byte) in (address..address + u64::from(bytes)).zip(value.to_le_bytes()) {
            if on_stack {
                self.stack.insert(address, byte);
            } else if !self.world.write(address, byte) {
                return Err(format!("write at {address:#x}"));
            }
        }
        Ok(())
    }

    fn atomic(&mut self, instruction: Instruction, address: u64) -> Result<(), Fault> {
        let bytes = bytes(instruction);
        if bytes < 4 {
            return Err("narrow atomic".to_owned());
        }
        let value = self.get(instruction.source)?;
        let old = self.load(address, bytes)?;
        let low = |value: u64| if bytes == 4 { value & 0xffff_ffff } else { value };
        let new = match instruction.immediate {
            atomic::CMPXCHG => {
                if low(self.get(0)?) == old {
                    self.store(address, bytes, value)?;
                }
                return self.set(0, old);
            }
            atomic::XCHG => value,
            operation => match operation & !atomic::FETCH {
                atomic::ADD => old.wrapping_add(value),
                atomic::OR => old | value,
                atomic::AND => old & value,
                atomic::XOR => old ^ value,
                _ => return Err("unknown atomic".to_owned()),
            },
        };
        self.store(address, bytes, new)?;
        if instruction.immediate & atomic::FETCH != 0 { self.set(instruction.source, old) } else { Ok(()) }
    }

    fn alu(&mut self, instruction: Instruction) -> Result<(), Fault> {
        let narrow = instruction.class() == class::ALU;
        let Instruction { opcode, destination, source, offset, immediate } = instruction;
        let operation = opcode & alu::MASK;
        let swaps = operation == alu::END || operation == alu::NEG;
        let right =
            if instruction.has_source_register() && !swaps { self.get(source)? } else { i64::from(immediate) as u64 };
        let left = if operation == alu::MOV { 0 } else { self.get(destination)? };
        let result = match operation {
            alu::MOV if offset != 0 => sign_extend(right, u32::from(offset as u16)),
            alu::MOV => right,
            alu::NEG => left.wrapping_neg(),
            alu::END => {
                let bits = immediate as u32;
                let wanted = if instruction.has_source_register() { Endianness::Big } else { Endianness::Little };
                let swap = !narrow || wanted != self.program.endianness;
                let result = if swap { reverse(left, bits) } else { left & u64::MAX >> (64 - bits) };
                return self.set(destination, result);
            }
            _ if narrow => arithmetic32(operation, offset != 0, left as u32, right as u32)?.into(),
            _ => arithmetic64(operation, offset != 0, left, right)?,
        };
        self.set(destination, if narrow { result & 0xffff_ffff } else { result })
    }

    fn jump(&mut self, instruction: Instruction, slot: usize) -> Result<Option<u64>, Fault> {
        let narrow = instruction.class() == class::JMP32;
        let Instruction { opcode, destination, source, offset, immediate } = instruction;
        let condition = opcode & jump::MASK;
        match condition {
            jump::CALL => return self.call(instruction, slot).map(|()| None),
            jump::EXIT => {
                let result = self.get(0)?;
                let Some((at, saved)) = self.frames.pop() else { return Ok(Some(result)) };
                self.registers = saved;
                self.registers[0] = Some(result);
                self.at = at;
                return Ok(None);
            }
            jump::JA => {
                return self.go(if narrow { immediate.into() } else { offset.into() }).map(|()| None);
            }
            _ => {}
        }
        let left = self.get(destination)?;
        let right = if instruction.has_source_register() { self.get(source)? } else { i64::from(immediate) as u64 };
        // Sign extension keeps the order of 32-bit numbers, signed or not.
        let (left, right) = if narrow { (sign_extend(left, 32), sign_extend(right, 32)) } else { (left, right) };
        let (signed, signed_right) = (left as i64, right as i64);
        let holds = match condition {
            jump::JEQ => left == right,
            jump::JNE => left != right,
            jump::JGT => left > right,
            jump::JGE => left >= right,
            jump::JLT => left < right,
            jump::JLE => left <= right,
            jump::JSGT => signed > signed_right,
            jump::JSGE => signed >= signed_right,
            jump::JSLT => signed < signed_right,
            jump::JSLE => signed <= signed_right,
            jump::JSET => left & right != 0,
            _ => return Err("unknown jump".to_owned()),
        };
        if holds {
            self.go(offset.into())?;
        }
        Ok(None)
    }

    fn go(&mut self, offset: i64) -> Result<(), Fault> {
        self.at = usize::try_from(self.at as i64 + offset).map_err(|_| "jump before the code")?;
        Ok(())
    }

    fn call(&mut self, instruction: Instruction, slot: usize) -> Result<(), Fault> {
        let relocation = self.program.relocations.iter().find(|relocation| relocation.instruction as usize == slot);
        if instruction.source == pseudo::CALL && relocation.is_none() {
            self.frames.push((self.at, self.registers));
            self.registers[6..=9].fill(None);
            self.registers[10] = self.registers[10].map(|frame| frame - STACK_FRAME);
            return self.go(instruction.immediate.into());
        }
        let callee = match relocation {
            Some(relocation) => Callee::Function(relocation.target),
            None => Callee::Helper(instruction.immediate),
        };
        let mut arguments = [None; 5];
        arguments.copy_from_slice(&self.registers[1..=5]);
        let result = self.world.call(callee, arguments)?;
        self.registers[1..=5].fill(None);
        self.registers[0] = Some(result);
        Ok(())
    }
}

fn bytes(instruction: Instruction) -> u32 {
    match instruction.opcode & size::MASK {
        size::B => 1,
        size::H => 2,
        size::W => 4,
        _ => 8,
    }
}

fn arithmetic64(operation: u8, signed: bool, left: u64, right: u64) -> Result<u64, Fault> {
    let amount = (right & 63) as u32;
    Ok(match operation {
        alu::ADD => left.wrapping_add(right),
        alu::SUB => left.wrapping_sub(right),
        alu::MUL => left.wrapping_mul(right),
        alu::DIV if right == 0 => 0,
        alu::MOD if right == 0 => left,
        alu::DIV if signed => (left as i64).wrapping_div(right as i64) as u64,
        alu::MOD if signed => (left as i64).wrapping_rem(right as i64) as u64,
        alu::DIV => left / right,
        alu::MOD => left % right,
        alu::OR => left | right,
        alu::AND => left & right,
        alu::XOR => left ^ right,
        alu::LSH => left << amount,
        alu::RSH => left >> amount,
        alu::ARSH => (left as i64 >> amount) as u64,
        _ => return Err("unknown arithmetic".to_owned()),
    })
}

fn arithmetic32(operation: u8, signed: bool, left: u32, right: u32) -> Result<u32, Fault> {
    let amount = right & 31;
    Ok(match operation {
        alu::ADD => left.wrapping_add(right),
        alu::SUB => left.wrapping_sub(right),
        alu::MUL => left.wrapping_mul(right),
        alu::DIV if right == 0 => 0,
        alu::MOD if right == 0 => left,
        alu::DIV if signed => (left as i32).wrapping_div(right as i32) as u32,
        alu::MOD if signed => (left as i32).wrapping_rem(right as i32) as u32,
        alu::DIV => left / right,
        alu::MOD => left % right,
        alu::OR => left | right,
        alu::AND => left & right,
        alu::XOR => left ^ right,
        alu::LSH => left << amount,
        alu::RSH => left >> amount,
        alu::ARSH => (left as i32 >> amount) as u32,
        _ => return Err("unknown arithmetic".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Flat {
        memory: Vec<u8>,
    }

    const MEMORY: u64 = 0x1000_0000;

    impl World for Flat {
        fn read(&mut self, address: u64) -> Option<u8> {
            self.memory.get(address.checked_sub(MEMORY)? as usize).copied()
        }

        fn write(&mut self, address: u64, byte: u8) -> bool {
            let place = address.checked_sub(MEMORY).and_then(|at| self.memory.get_mut(at as usize));
            place.map(|place| *place = byte).is_some()
        }

        fn call(&mut self, callee: Callee, _: [Option<u64>; 5]) -> Result<u64, String> {
            Err(format!("{callee:?} is not there"))
        }

        fn resolve(&mut self, target: RelocationTarget) -> u64 {
            panic!("{target:?} is not there")
        }
    }

    fn from_hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    /// The conformance vectors of RFC 9669; those that call helpers of the suite's own host are left out.
    #[test]
    fn the_vectors_of_the_rfc() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/rfc9669.tsv");
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("SKIPPED: no conformance vectors at {path}");
            return;
        };
        let mut passed = 0;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let [name, expected, memory, code] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let expected = u64::from_str_radix(expected.trim_start_matches("0x"), 16).unwrap();
            let code: Vec<Instruction> = from_hex(code)
                .chunks(8)
                .map(|bytes| Instruction::from_bytes(bytes.try_into().unwrap(), Endianness::Little))
                .collect();
            let calls_host = |instruction: &Instruction| {
                instruction.class() == class::JMP
                    && instruction.opcode & jump::MASK == jump::CALL
                    && instruction.source != pseudo::CALL
            };
            if code.iter().any(calls_host) {
                continue;
            }
            let mut world = Flat { memory: from_hex(memory) };
            let arguments = [MEMORY, world.memory.len() as u64];
            let program =
                Program { code: &code, relocations: &[], isa: IsaVersion::V4, endianness: Endianness::Little };
            let result =
                run(&program, &mut world, &arguments, 100_000).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(result, expected, "{name}");
            passed += 1;
        }
        assert!(passed > 250, "only {passed} vectors");
    }
}
