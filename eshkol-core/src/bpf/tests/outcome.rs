//! What a run of a function, as SSA or as machine code, shows to the outside.

use std::collections::BTreeMap;

use super::random::{CONTEXT_BYTES, FIRST_HELPER, mix};
use crate::arena::{Arena, Id as _};
use crate::bpf::code::{Code, RelocationTarget};
use crate::bpf::interpret::{self, Callee, Program, World};
use crate::compile::Endianness;
use crate::ir::{AtomicOp, Block, Function, MemorySize, Op, Target, Terminator, Value, evaluate};
use crate::kernel::IsaVersion;

pub(super) const CONTEXT: u64 = 0x1000_0000;
const SLOTS: u64 = 0x5000_0000;

/// The returned value, the calls with their arguments, what was written to the context.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Outcome {
    result: u64,
    calls: Vec<(Callee, Vec<u64>)>,
    memory: BTreeMap<u64, u8>,
}

struct Outside {
    seed: u64,
    outcome: Outcome,
}

impl World for Outside {
    fn read(&mut self, address: u64) -> Option<u8> {
        let inside = (CONTEXT..CONTEXT + CONTEXT_BYTES as u64).contains(&address);
        let first = (mix(self.seed ^ address) >> 24) as u8;
        inside.then(|| self.outcome.memory.get(&address).copied().unwrap_or(first))
    }

    fn write(&mut self, address: u64, byte: u8) -> bool {
        let inside = self.read(address).is_some();
        if inside {
            self.outcome.memory.insert(address, byte);
        }
        inside
    }

    fn call(&mut self, callee: Callee, arguments: [Option<u64>; 5]) -> Result<u64, String> {
        let count = match callee {
            Callee::Helper(number) => (number as u32 - FIRST_HELPER) as usize,
            Callee::Function(RelocationTarget::Function(function)) => function.index(),
            Callee::Function(target) => return Err(format!("call of {target:?}")),
        };
        let arguments: Option<Vec<u64>> = arguments[..count].iter().copied().collect();
        let arguments = arguments.ok_or_else(|| format!("an argument of {callee:?} is missing"))?;
        let digest = arguments.iter().fold(self.seed, |digest, argument| mix(digest ^ argument));
        self.outcome.calls.push((callee, arguments));
        Ok(mix(digest ^ self.outcome.calls.len() as u64))
    }

    fn resolve(&mut self, target: RelocationTarget) -> u64 {
        panic!("{target:?} is not there")
    }
}

/// Runs machine code.
pub(super) fn of_code(
    code: &Code,
    isa: IsaVersion,
    endianness: Endianness,
    arguments: &[u64],
    seed: u64,
) -> Result<Outcome, String> {
    let mut outside = Outside { seed, outcome: Outcome::default() };
    let program = Program { code: &code.instructions, relocations: &code.relocations, isa, endianness };
    let result = interpret::run(&program, &mut outside, arguments, 1_000_000)?;
    outside.outcome.result = result;
    Ok(outside.outcome)
}

/// Runs SSA.
pub(super) fn of_function(function: &Function, endianness: Endianness, arguments: &[u64], seed: u64) -> Outcome {
    let mut run = Run {
        function,
        endianness,
        values: function.values.ids().map(|_| 0).collect(),
        slots: BTreeMap::new(),
        outside: Outside { seed, outcome: Outcome::default() },
    };
    for (param, argument) in function.blocks.at(function.entry).params.iter().zip(arguments) {
        *run.values.at_mut(*param) = *argument;
    }
    let mut block = function.entry;
    loop {
        let data = function.blocks.at(block);
        for inst in &data.insts {
            let inst = function.insts.at(*inst);
            let value = run.operation(&inst.op);
            if let Some(result) = inst.result {
                *run.values.at_mut(result) = value;
            }
        }
        match &data.terminator {
            Terminator::Return(value) => {
                run.outside.outcome.result = *run.values.at(*value);
                return run.outside.outcome;
            }
            Terminator::Jump(target) => block = run.go(target),
            Terminator::Branch { condition, width, lhs, rhs, then, otherwise } => {
                let holds = evaluate::condition(*condition, *width, *run.values.at(*lhs), *run.values.at(*rhs));
                block = run.go(if holds { then } else { otherwise });
            }
        }
    }
}

struct Run<'a> {
    function: &'a Function,
    endianness: Endianness,
    values: Arena<Value, u64>,
    slots: BTreeMap<u64, u8>,
    outside: Outside,
}

impl Run<'_> {
    fn go(&mut self, target: &Target) -> Block {
        let arguments: Vec<u64> = target.arguments.iter().map(|value| *self.values.at(*value)).collect();
        for (param, argument) in self.function.blocks.at(target.block).params.iter().zip(arguments) {
            *self.values.at_mut(*param) = argument;
        }
        target.block
    }

    fn load(&mut self, size: MemorySize, address: u64) -> u64 {
        let mut word = 0;
        for at in (0..u64::from(size.bytes())).rev() {
            let address = address + at;
            let byte = self.slots.get(&address).copied().or_else(|| self.outside.read(address));
            word = word << 8 | u64::from(byte.unwrap_or_else(|| panic!("read at {address:#x}")));
        }
        if self.endianness == Endianness::Big { evaluate::reverse(word, size.bytes() * 8) } else { word }
    }

    fn store(&mut self, size: MemorySize, address: u64, value: u64) {
        let value = if self.endianness == Endianness::Big { evaluate::reverse(value, size.bytes() * 8) } else { value };
        for (address, byte) in (address..address + u64::from(size.bytes())).zip(value.to_le_bytes()) {
            if address >= SLOTS {
                self.slots.insert(address, byte);
            } else {
                assert!(self.outside.write(address, byte), "write at {address:#x}");
            }
        }
    }

    fn operation(&mut self, op: &Op) -> u64 {
        let get = |value: &Value| *self.values.at(*value);
        let at = |base: &Value, offset: &i32| get(base).wrapping_add_signed((*offset).into());
        match op {
            Op::Const(number) => *number as u64,
            Op::Binary(op, width, lhs, rhs) => evaluate::binary(*op, *width, get(lhs), get(rhs)),
            Op::Unary(op, value) => evaluate::unary(*op, get(value), self.endianness),
            Op::SlotAddress(slot) => SLOTS + 0x1000 * slot.index() as u64,
            Op::HiddenZero(_) => 0,
            Op::Fact { local, .. } => i64::from(*local) as u64,
            Op::Hide { value, .. } => get(value),
            Op::Load { size, signed, base, offset } => {
                let loaded = self.load(*size, at(base, offset));
                if *signed { evaluate::sign_extend(loaded, size.bytes() * 8) } else { loaded }
            }
            Op::Store { size, base, offset, value } => {
                let (address, value) = (at(base, offset), get(value));
                self.store(*size, address, value);
                0
            }
            Op::Atomic { op, size, base, offset, value } => {
                let (address, value) = (at(base, offset), get(value));
                let old = self.load(*size, address);
                let new = match op {
                    AtomicOp::Add => old.wrapping_add(value),
                    AtomicOp::And => old & value,
                    AtomicOp::Or => old | value,
                    AtomicOp::Xor => old ^ value,
                    AtomicOp::Exchange => value,
                };
                self.store(*size, address, new);
                old
            }
            Op::CompareExchange { size, base, offset, expected, value } => {
                let (address, expected, value) = (at(base, offset), get(expected), get(value));
                let old = self.load(*size, address);
                let low = |word: u64| if *size == MemorySize::B4 { word & 0xffff_ffff } else { word };
                if old == low(expected) {
                    self.store(*size, address, value);
                }
                old
            }
            Op::CallHelper { helper, arguments } => {
                let callee = Callee::Helper(helper.0 as i32);
                let arguments = std::array::from_fn(|at| arguments.get(at).map(get));
                self.outside.call(callee, arguments).unwrap()
            }
            Op::CallFunction { function, arguments } => {
                let callee = Callee::Function(RelocationTarget::Function(*function));
                let arguments = std::array::from_fn(|at| arguments.get(at).map(get));
                self.outside.call(callee, arguments).unwrap()
            }
            Op::Map(_) | Op::FunctionAddress(_) | Op::GlobalAddress { .. } => panic!("{op:?} is not generated"),
        }
    }
}
