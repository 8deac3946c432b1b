//! Loads, stores and atomics, with constant offsets folded into the access.

use std::collections::{BTreeMap, BTreeSet};

use regalloc2::{Operand, VReg};

use super::Selector;
use super::arithmetic::low_word;
use crate::bpf::code::{Instruction, RelocationTarget};
use crate::bpf::instruction::{FRAME_POINTER, alu, atomic, class};
use crate::bpf::machine::{Operation, Template, physical};
use crate::check::kernel_types::FactId;
use crate::compile::Endianness;
use crate::ir::{ArithmeticOp, AtomicOp, Cfg, Function, MemorySize, Op, Slot, Value, ValueType, Width};
use crate::kernel::IsaVersion;

/// A register and the offset that an access adds to it.
struct Address {
    /// `None` for the frame pointer.
    base: Option<VReg>,
    offset: i16,
}

/// The pointer and the constant whose sum a value is.
pub(super) fn pointer_and_constant(function: &Function, value: Value) -> Option<(Value, i64)> {
    if function.value_type(value) == ValueType::Int {
        return None;
    }
    match function.defining_op(value)? {
        Op::Binary(ArithmeticOp::Add, Width::W64, lhs, rhs) => match (function.constant(*lhs), function.constant(*rhs))
        {
            (None, Some(constant)) => Some((*lhs, constant)),
            (Some(constant), None) => Some((*rhs, constant)),
            _ => None,
        },
        Op::Binary(ArithmeticOp::Sub, Width::W64, lhs, rhs) => {
            function.constant(*rhs).map(|constant| (*lhs, constant.wrapping_neg()))
        }
        _ => None,
    }
}

/// Sums of a pointer and a constant that need no register: each use is the base of an access in reach, or of another
/// such sum.
pub(super) fn find_address_only(function: &Function, cfg: &Cfg) -> BTreeSet<Value> {
    // The uses that are accesses in reach, for each sum; taken off all its uses.
    let mut other_uses: BTreeMap<Value, u32> = BTreeMap::new();
    let mut sums = BTreeSet::new();
    for block in cfg.reverse_post_order() {
        let data = function.blocks.at(*block);
        data.terminator.for_each_operand(|value| *other_uses.entry(value).or_default() += 1);
        for inst in &data.insts {
            let inst = function.insts.at(*inst);
            let base = match &inst.op {
                Op::Load { base, offset, .. }
                | Op::Store { base, offset, .. }
                | Op::Atomic { base, offset, .. }
                | Op::CompareExchange { base, offset, .. } => pointer_and_constant(function, *base)
                    .and_then(|(_, constant)| constant.checked_add(i64::from(*offset)))
                    .and_then(|sum| i16::try_from(sum).ok())
                    .map(|_| *base),
                _ => None,
            };
            let mut folded = base;
            inst.op.for_each_operand(|value| {
                // Only one use of the value is the base: a pointer may also be what is stored.
                if folded == Some(value) {
                    folded = None;
                } else {
                    *other_uses.entry(value).or_default() += 1;
                }
            });
            if let Some(result) = inst.result.filter(|result| pointer_and_constant(function, *result).is_some()) {
                sums.insert(result);
            }
        }
    }
    sums.retain(|sum| !other_uses.contains_key(sum));
    sums
}

impl Selector<'_> {
    pub(super) fn load(&mut self, size: MemorySize, signed: bool, base: Value, offset: i32, wanted: VReg) {
        let field = self.field(base).filter(|_| offset == 0);
        let Address { base, offset } = match field {
            Some((pointer, _, local)) => Address { base: Some(self.register(pointer)), offset: local },
            None => self.address(base, offset),
        };
        let signed = signed && size != MemorySize::B8;
        let native = signed && self.isa >= IsaVersion::V4;
        let load = if native { Instruction::load_signed } else { Instruction::load };
        let loaded = if signed && !native { self.new_register() } else { wanted };
        let mut operands = vec![Operand::reg_def(loaded)];
        let source = base.map(|base| {
            operands.push(Operand::reg_use(base));
            1
        });
        let template = Template { instruction: load(size, 0, FRAME_POINTER, offset), destination: Some(0), source };
        self.push(
            match field {
                Some((_, fact, _)) => Operation::Relocated(template, RelocationTarget::Fact(fact)),
                None => Operation::Plain(template),
            },
            operands,
        );
        if signed && !native {
            self.sign_extend(size.bytes() * 8, wanted, loaded);
        }
    }

    /// The struct, and what the loader finds out about where the field is, of the address of a field that one access alone uses.
    fn field(&self, base: Value) -> Option<(Value, FactId, i16)> {
        // An offset from the context is always in the access.
        let folds = match self.function.value_type(base) {
            ValueType::Kernel => *self.uses.at(base) == 1,
            ValueType::Context => true,
            _ => false,
        };
        if !folds {
            return None;
        }
        let Op::Binary(ArithmeticOp::Add, Width::W64, pointer, offset) = self.function.defining_op(base)? else {
            return None;
        };
        let (fact, local) = self.fact(*offset)?;
        Some((*pointer, fact, i16::try_from(local).ok()?))
    }

    pub(super) fn store(&mut self, size: MemorySize, base: Value, offset: i32, value: Value) {
        // The verifier of older kernels has no stores of immediates to a context.
        let to_context = self.function.value_type(base) == ValueType::Context;
        let immediate = self.constant(value).filter(|_| !to_context).and_then(|number| match size {
            MemorySize::B8 => i32::try_from(number).ok(),
            MemorySize::B4 => Some(low_word(number)),
            MemorySize::B2 => Some(low_word(number & 0xffff)),
            MemorySize::B1 => Some(low_word(number & 0xff)),
        });
        let value = match immediate {
            Some(_) => None,
            None => {
                let value = self.low(value, size.bytes() * 8);
                Some(self.register(value))
            }
        };
        let Address { base, offset } = self.address(base, offset);
        let mut operands = Vec::new();
        let destination = base.map(|base| {
            operands.push(Operand::reg_use(base));
            0
        });
        match (value, immediate) {
            (Some(value), _) => {
                let source = operands.len();
                operands.push(Operand::reg_use(value));
                self.plain(Instruction::store(size, FRAME_POINTER, offset, 0), destination, Some(source), operands);
            }
            (None, immediate) => {
                let immediate = immediate.unwrap_or(0);
                let instruction = Instruction::store_immediate(size, FRAME_POINTER, offset, immediate);
                self.plain(instruction, destination, None, operands);
            }
        }
    }

    /// A number that is zero, made so that no version of the verifier knows it: of stack memory in which only a part of an
    /// aligned word was written, it knows that there are bytes, and not which. Negated, none of the 64 bits is known.
    pub(super) fn hidden_zero(&mut self, slot: Slot, wanted: VReg) {
        let offset = i16::try_from(self.frame.slot(slot)).unwrap_or(i16::MIN).saturating_add(2);
        // The upper half of a 1.
        let upper = match self.endianness {
            Endianness::Little => offset.saturating_add(1),
            Endianness::Big => offset,
        };
        self.plain(Instruction::store_immediate(MemorySize::B2, FRAME_POINTER, offset, 1), None, None, Vec::new());
        let loaded = self.new_register();
        let load = Instruction::load(MemorySize::B1, 0, FRAME_POINTER, upper);
        self.plain(load, Some(0), None, vec![Operand::reg_def(loaded)]);
        self.in_place(Instruction::alu_immediate(class::ALU64, alu::NEG, 0, 0), wanted, loaded);
    }

    pub(super) fn atomic(
        &mut self,
        op: AtomicOp,
        size: MemorySize,
        base: Value,
        offset: i32,
        value: Value,
        wanted: Option<VReg>,
    ) {
        let operation = match op {
            AtomicOp::Add => atomic::ADD,
            AtomicOp::And => atomic::AND,
            AtomicOp::Or => atomic::OR,
            AtomicOp::Xor => atomic::XOR,
            AtomicOp::Exchange => atomic::XCHG,
        };
        let fetched = match (op, wanted) {
            // An exchange always fetches.
            (AtomicOp::Exchange, None) => Some(self.new_register()),
            (_, wanted) => wanted,
        };
        let value = self.low(value, size.bytes() * 8);
        let value = if fetched.is_some() { self.overwritten_register(value) } else { self.register(value) };
        let Address { base, offset } = self.address(base, offset);
        let operation = if fetched.is_some() { operation | atomic::FETCH } else { operation };
        let mut operands = vec![Operand::reg_use(value)];
        let destination = base.map(|base| {
            operands.push(Operand::reg_use(base));
            1
        });
        if let Some(fetched) = fetched {
            operands.push(Operand::reg_reuse_def(fetched, 0));
        }
        let instruction = Instruction::atomic(size, operation, FRAME_POINTER, offset, 0);
        self.plain(instruction, destination, Some(0), operands);
    }

    pub(super) fn compare_exchange(
        &mut self,
        size: MemorySize,
        (base, offset): (Value, i32),
        expected: Value,
        value: Value,
        wanted: Option<VReg>,
    ) {
        let expected = self.fixed_register(expected);
        let value = self.low(value, size.bytes() * 8);
        let value = self.register(value);
        let Address { base, offset } = self.address(base, offset);
        let wanted = wanted.unwrap_or_else(|| self.new_register());
        let old = self.fixed_result(self.result, wanted);
        let mut operands = vec![
            Operand::reg_fixed_def(old, physical(0)),
            Operand::reg_fixed_use(expected, physical(0)),
            Operand::reg_use(value),
        ];
        let destination = base.map(|base| {
            operands.push(Operand::reg_use(base));
            3
        });
        let instruction = Instruction::atomic(size, atomic::CMPXCHG, FRAME_POINTER, offset, 0);
        self.plain(instruction, destination, Some(2), operands);
        self.copy(wanted, old);
    }

    /// The register and the offset of an access.
    fn address(&mut self, base: Value, offset: i32) -> Address {
        let mut base = self.resolve(base);
        let mut total = i64::from(offset);
        while let Some((pointer, constant)) = pointer_and_constant(self.function, base) {
            let Some(sum) = total.checked_add(constant).filter(|sum| i16::try_from(*sum).is_ok()) else { break };
            // Folding must not keep a pointer in a register that only the sum would need.
            let free = self.address_only.contains(&base)
                || self.remade(pointer).is_some()
                || !self.dies(pointer)
                || self.function.value_type(pointer) == ValueType::Context;
            if !free {
                break;
            }
            base = pointer;
            total = sum;
        }
        if let Some(Op::SlotAddress(slot)) = self.function.defining_op(base) {
            let from_frame = total + i64::from(self.frame.slot(*slot));
            if let Ok(offset) = i16::try_from(from_frame) {
                return Address { base: None, offset };
            }
        }
        let register = self.register(base);
        match i16::try_from(total) {
            Ok(offset) => Address { base: Some(register), offset },
            Err(_) => Address { base: Some(self.offset_address(register, low_word(total))), offset: 0 },
        }
    }
}
