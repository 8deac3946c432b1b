//! Runs functions, for tests: what a pass made must do what was there before.
//!
//! Every word of memory has contents that depend on its address, so nothing is undefined. What counts as the outcome is what
//! the outside sees: the value returned, the calls with their arguments and the memory they were shown, and all memory but
//! the frame.

use std::collections::BTreeMap;

use super::{
    AtomicOp, Block, Function, GlobalSection, Inst, MemorySize, Op, Target, Terminator, Value, ValueType, evaluate,
};
use crate::arena::{Arena, Id as _};
use crate::compile::Endianness;
use crate::kernel::{HelperId, helper};

/// Where the regions of memory begin; everything is far below 2³².
pub(crate) const CONTEXT: u64 = 0x1000_0000;
pub(crate) const PACKET: u64 = 0x2000_0000;
pub(crate) const MAP_VALUE: u64 = 0x3000_0000;
pub(crate) const RING_BUFFER: u64 = 0x4000_0000;
const GLOBALS: u64 = 0x5000_0000;
const STACK: u64 = 0x6000_0000;
const MAPS: u64 = 0x7000_0000;

/// What the outside sees of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    /// What was returned.
    pub(crate) result: u64,
    /// Calls, in order: what was called, with what, and a digest of the memory shown to it.
    pub(crate) calls: Vec<(String, Vec<u64>, u64)>,
    /// Bytes that were written and differ from what was there at first, without the frame.
    pub(crate) memory: BTreeMap<u64, u8>,
}

/// What a run starts with.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// The parameters of the function.
    pub(crate) arguments: Vec<u64>,
    /// How long the packet is.
    pub(crate) packet_length: u64,
    /// Chooses what memory holds and what helpers give.
    pub(crate) seed: u64,
    /// Byte order.
    pub(crate) endianness: Endianness,
}

/// Runs a function; `None` where that takes more than so many instructions.
pub(crate) fn run(function: &Function, input: &Input, fuel: usize) -> Option<Outcome> {
    let mut machine = Machine {
        function,
        input,
        values: function.values.ids().map(|_| None).collect(),
        memory: BTreeMap::new(),
        calls: Vec::new(),
        packet: PACKET,
    };
    for (param, argument) in function.blocks.at(function.entry).params.iter().zip(&input.arguments) {
        *machine.values.at_mut(*param) = Some(*argument);
    }
    let mut block = function.entry;
    let mut left = fuel;
    loop {
        let data = function.blocks.at(block);
        for inst in &data.insts {
            machine.step(*inst);
        }
        left = left.checked_sub(data.insts.len() + 1)?;
        match &data.terminator {
            Terminator::Jump(target) => block = machine.go(target),
            Terminator::Branch { condition, width, lhs, rhs, then, otherwise } => {
                let holds = evaluate::condition(*condition, *width, machine.get(*lhs), machine.get(*rhs));
                block = machine.go(if holds { then } else { otherwise });
            }
            Terminator::Return(value) => {
                let result = machine.get(*value);
                let first = |address| content(input.seed, address);
                let seen = |(address, byte): &(u64, u8)| !(STACK..MAPS).contains(address) && *byte != first(*address);
                let memory = machine.memory.into_iter().filter(seen).collect();
                return Some(Outcome { result, calls: machine.calls, memory });
            }
        }
    }
}

struct Machine<'a> {
    function: &'a Function,
    input: &'a Input,
    values: Arena<Value, Option<u64>>,
    memory: BTreeMap<u64, u8>,
    calls: Vec<(String, Vec<u64>, u64)>,
    /// Where the packet is now.
    packet: u64,
}

impl Machine<'_> {
    fn get(&self, value: Value) -> u64 {
        self.values.at(value).unwrap_or_else(|| panic!("{value} has no value"))
    }

    fn go(&mut self, target: &Target) -> Block {
        let arguments: Vec<u64> = target.arguments.iter().map(|value| self.get(*value)).collect();
        let params = &self.function.blocks.at(target.block).params;
        assert_eq!(params.len(), arguments.len());
        for (param, argument) in params.iter().zip(arguments) {
            *self.values.at_mut(*param) = Some(argument);
        }
        target.block
    }

    fn step(&mut self, inst: Inst) {
        let data = self.function.insts.at(inst);
        let value = match &data.op {
            Op::Const(number) => *number as u64,
            Op::Binary(op, width, lhs, rhs) => evaluate::binary(*op, *width, self.get(*lhs), self.get(*rhs)),
            Op::Unary(op, value) => evaluate::unary(*op, self.get(*value), self.input.endianness),
            Op::Load { size, signed, base, offset } => match data.result.map(|value| self.function.value_type(value)) {
                Some(ValueType::Packet) if self.function.value_type(*base) == ValueType::Context => self.packet,
                Some(ValueType::PacketEnd) => self.packet + self.input.packet_length,
                _ => {
                    let loaded = self.load(*size, self.address(*base, *offset));
                    if *signed { evaluate::sign_extend(loaded, size.bytes() * 8) } else { loaded }
                }
            },
            Op::Store { size, base, offset, value } => {
                self.store(*size, self.address(*base, *offset), self.get(*value));
                0
            }
            Op::Atomic { op, size, base, offset, value } => {
                let address = self.address(*base, *offset);
                let old = self.load(*size, address);
                let operand = self.get(*value);
                let new = match op {
                    AtomicOp::Add => old.wrapping_add(operand),
                    AtomicOp::And => old & operand,
                    AtomicOp::Or => old | operand,
                    AtomicOp::Xor => old ^ operand,
                    AtomicOp::Exchange => operand,
                };
                self.store(*size, address, new);
                old
            }
            Op::CompareExchange { size, base, offset, expected, value } => {
                let address = self.address(*base, *offset);
                let old = self.load(*size, address);
                let expected = self.get(*expected);
                if old == if *size == MemorySize::B4 { expected & 0xffff_ffff } else { expected } {
                    self.store(*size, address, self.get(*value));
                }
                old
            }
            Op::SlotAddress(slot) => STACK + 0x1000 * slot.index() as u64,
            Op::HiddenZero(_) => 0,
            Op::Hide { value, .. } => self.get(*value),
            Op::Fact { local, .. } => i64::from(*local) as u64,
            Op::Map(map) => MAPS + map.index() as u64,
            Op::FunctionAddress(function) => MAPS + 0x1000 + function.index() as u64,
            Op::GlobalAddress { section, offset } => {
                let section = match section {
                    GlobalSection::Rodata => 0,
                    GlobalSection::Data(global) => 1 + global.index() as u64,
                };
                GLOBALS + 0x10_0000 * section + u64::from(*offset)
            }
            Op::CallHelper { helper, arguments } => {
                let ty = data.result.map_or(ValueType::Int, |value| self.function.value_type(value));
                self.call_helper(*helper, arguments, ty)
            }
            Op::CallFunction { function, arguments } => {
                let numbers: Vec<u64> = arguments.iter().map(|value| self.get(*value)).collect();
                let shown = self.show(arguments);
                self.scramble(arguments, |_| true);
                self.scramble_shared();
                self.calls.push((format!("{function}"), numbers, shown));
                self.random()
            }
        };
        if let Some(result) = data.result {
            *self.values.at_mut(result) = Some(value);
        }
    }

    fn address(&self, base: Value, offset: i32) -> u64 {
        let base = self.get(base);
        assert!(base >= CONTEXT, "access through {base:#x}");
        base.wrapping_add_signed(offset.into())
    }

    fn byte(&self, address: u64) -> u8 {
        self.memory.get(&address).copied().unwrap_or_else(|| content(self.input.seed, address))
    }

    fn load(&self, size: MemorySize, address: u64) -> u64 {
        let bytes = u64::from(size.bytes());
        let little = (0..bytes).rev().fold(0, |word, at| word << 8 | u64::from(self.byte(address + at)));
        match self.input.endianness {
            Endianness::Little => little,
            Endianness::Big => little.swap_bytes() >> (64 - 8 * bytes),
        }
    }

    fn store(&mut self, size: MemorySize, address: u64, value: u64) {
        let bytes = size.bytes() as usize;
        let mut word = value.to_le_bytes()[..bytes].to_vec();
        if self.input.endianness == Endianness::Big {
            word.reverse();
        }
        for (at, byte) in (address..).zip(word) {
            self.memory.insert(at, byte);
        }
    }

    /// The next unforeseeable number: the same for the same calls before.
    fn random(&self) -> u64 {
        mix(self.calls.iter().fold(self.input.seed, |digest, (name, arguments, shown)| {
            let digest = mix(digest ^ shown ^ name.len() as u64);
            arguments.iter().fold(digest, |digest, argument| mix(digest ^ argument))
        }))
    }

    fn is_pointer(&self, value: Value) -> bool {
        let ty = self.function.value_type(value);
        !matches!(ty, ValueType::Int | ValueType::Map | ValueType::Function | ValueType::PacketEnd | ValueType::Context)
            && self.get(value) != 0
    }

    /// A digest of 8 bytes behind every pointer.
    fn show(&self, arguments: &[Value]) -> u64 {
        let pointers = arguments.iter().filter(|value| self.is_pointer(**value));
        pointers.fold(0, |digest, value| mix(digest ^ self.load(MemorySize::B8, self.get(*value))))
    }

    /// Changes 8 bytes behind the pointers that are written through.
    fn scramble(&mut self, arguments: &[Value], written: impl Fn(usize) -> bool) {
        let random = self.random();
        for (position, value) in arguments.iter().enumerate() {
            if self.is_pointer(*value) && written(position) {
                self.store(MemorySize::B8, self.get(*value), mix(random ^ position as u64));
            }
        }
    }

    /// Changes some memory that is not the program's own.
    fn scramble_shared(&mut self) {
        let random = self.random();
        self.store(MemorySize::B8, MAP_VALUE + random % 32, mix(random));
        self.store(MemorySize::B8, GLOBALS + 0x20_0000 + random % 32, mix(random ^ 7));
    }

    fn call_helper(&mut self, id: HelperId, arguments: &[Value], ty: ValueType) -> u64 {
        let numbers: Vec<u64> = arguments.iter().map(|value| self.get(*value)).collect();
        let shown = self.show(arguments);
        self.calls.push((format!("helper {}", id.0), numbers, shown));
        let random = self.random();
        match helper::by_id(id) {
            None => {
                self.scramble(arguments, |_| true);
                self.scramble_shared();
                self.packet += 0x1_0000;
            }
            Some(known) => {
                use helper::ArgumentKind::{IntInOut, IntOut, Map, MemoryInOut, MemoryOut};
                self.scramble(arguments, |position| {
                    let kind = known.arguments.get(position);
                    matches!(kind, Some(MemoryOut | MemoryInOut | IntOut(_) | IntInOut(_)))
                });
                let takes_map = known.arguments.iter().any(|kind| matches!(kind, Map(_)));
                if takes_map && known.result != helper::ResultKind::OptionalMapValue {
                    self.scramble_shared();
                }
                if known.changes_packet_data {
                    self.packet += 0x1_0000;
                }
            }
        }
        match ty {
            ValueType::Int => random,
            _ if random & 1 == 0 => 0,
            ValueType::MapValue => MAP_VALUE + 8 * (random >> 8 & 3),
            ValueType::RingBuffer => RING_BUFFER + 0x1000 * self.calls.len() as u64,
            _ => MAP_VALUE + 0x1000,
        }
    }
}

/// What memory holds at first.
fn content(seed: u64, address: u64) -> u8 {
    (mix(seed ^ address) >> 24) as u8
}

/// Spreads bits (the finaliser of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn a_sum_in_a_loop() {
        let function = parse(
            "slot s0 size 8 align 8
             b0(v0):
               v1: stack = slot s0
               v2 = const 0
               v3 = const 1
               store.8 v1 + 0, v2
               jump b1(v2)
             b1(v4):
               atomic-add.8 v1 + 0, v4
               v5 = add v4, v3
               branch below v5, v0 -> b1(v5), b2
             b2:
               v6 = load.8 v1 + 0
               return v6",
        )
        .unwrap();
        let input = Input { arguments: vec![10], packet_length: 0, seed: 1, endianness: Endianness::Big };
        let outcome = run(&function, &input, 1000).unwrap();
        assert_eq!((outcome.result, outcome.memory.len()), (45, 0));
        assert_eq!(run(&function, &input, 20), None);
    }
}
