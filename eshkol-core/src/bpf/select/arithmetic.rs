//! Arithmetic: immediates, two-address forms, and what an ISA version lacks.
//!
//! | lacking | below | becomes |
//! |---|---|---|
//! | 32-bit arithmetic | v3 | the 64-bit operation on extended operands, then a pair of shifts |
//! | sign-extending moves | v4 | a pair of shifts |
//! | signed division | v4 | unsigned division of magnitudes, signs put right without branches |
//! | byte swaps | v4 | conversion to the order that the machine does not have |

use regalloc2::{Operand, VReg};

use super::Selector;
use super::constant::Remade;
use crate::bpf::code::{Instruction, RelocationTarget};
use crate::bpf::instruction::{alu, class};
use crate::bpf::machine::{Operation, Template};
use crate::check::kernel_types::FactId;
use crate::compile::Endianness;
use crate::ir::{ArithmeticOp, UnaryOp, Value, ValueType, Width};
use crate::kernel::IsaVersion;

/// The second operand of an arithmetic instruction.
#[derive(Copy, Clone)]
enum Right {
    Immediate(i32),
    /// What the loader finds out about the running kernel, and what it is for the declared types.
    Fact(FactId, i32),
    Register(VReg),
}

/// An instruction of an arithmetic class: the operation, and the offset field, which makes divisions signed.
#[derive(Copy, Clone)]
struct Form {
    class: u8,
    operation: u8,
    offset: i16,
}

const fn form64(operation: u8) -> Form {
    Form { class: class::ALU64, operation, offset: 0 }
}

const fn form32(operation: u8) -> Form {
    Form { class: class::ALU, operation, offset: 0 }
}

fn operation(op: ArithmeticOp) -> u8 {
    match op {
        ArithmeticOp::Add => alu::ADD,
        ArithmeticOp::Sub => alu::SUB,
        ArithmeticOp::Mul => alu::MUL,
        ArithmeticOp::UDiv | ArithmeticOp::SDiv => alu::DIV,
        ArithmeticOp::URem | ArithmeticOp::SRem => alu::MOD,
        ArithmeticOp::And => alu::AND,
        ArithmeticOp::Or => alu::OR,
        ArithmeticOp::Xor => alu::XOR,
        ArithmeticOp::Shl => alu::LSH,
        ArithmeticOp::LShr => alu::RSH,
        ArithmeticOp::AShr => alu::ARSH,
    }
}

fn is_commutative(op: ArithmeticOp) -> bool {
    matches!(op, ArithmeticOp::Add | ArithmeticOp::Mul | ArithmeticOp::And | ArithmeticOp::Or | ArithmeticOp::Xor)
}

fn is_shift(op: ArithmeticOp) -> bool {
    matches!(op, ArithmeticOp::Shl | ArithmeticOp::LShr | ArithmeticOp::AShr)
}

/// The low 32 bits of a number.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
pub(super) fn low_word(number: i64) -> i32 {
    number as i32
}

impl Selector<'_> {
    pub(super) fn binary(&mut self, op: ArithmeticOp, width: Width, lhs: Value, rhs: Value, wanted: VReg) {
        let (lhs, rhs) = match width {
            Width::W64 => (lhs, rhs),
            Width::W32 => (self.low(lhs, 32), self.low(rhs, 32)),
        };
        let (lhs, rhs) = self.in_order(op, lhs, rhs);
        match width {
            Width::W64 => self.binary64(op, lhs, rhs, wanted),
            Width::W32 if self.isa >= IsaVersion::V3 => self.binary32(op, lhs, rhs, wanted),
            Width::W32 => self.binary32_by_64(op, lhs, rhs, wanted),
        }
    }

    /// Puts the constant of a commutative operation right; else what is still needed, because left is overwritten.
    fn in_order(&self, op: ArithmeticOp, lhs: Value, rhs: Value) -> (Value, Value) {
        if !is_commutative(op) || self.fact(rhs).is_some() || self.may_be_in_a_frame(lhs) {
            return (lhs, rhs);
        }
        if self.fact(lhs).is_some() {
            return (rhs, lhs);
        }
        let swap = match (self.constant(lhs).is_some(), self.constant(rhs).is_some()) {
            (true, constant) => !constant,
            (false, true) => false,
            (false, false) => self.overwriting_cost(rhs) < self.overwriting_cost(lhs),
        };
        if swap { (rhs, lhs) } else { (lhs, rhs) }
    }

    /// Whether a value may be an address in a frame. Where one is added to a number instead of the number to it, the verifier takes it for one in the
    /// frame of the program, wherever that happens (`adjust_ptr_min_max_vals` in `kernel/bpf/verifier.c` gives the sum the type of the address, and
    /// not its `frameno`).
    fn may_be_in_a_frame(&self, value: Value) -> bool {
        matches!(self.function.value_type(value), ValueType::Stack | ValueType::Memory)
    }

    /// How bad it is to overwrite a value with the result: worst where it is read again, and bad where only one of the
    /// two must be in a register that calls preserve. Best is the variable whose next value the result is.
    fn overwriting_cost(&self, value: Value) -> u32 {
        let value = self.resolve(value);
        if self.remade(value).is_some() {
            return 0;
        }
        let destination = self.result.and_then(|result| self.destinations.get(&result)).copied();
        if !self.dies(value) {
            return 3;
        }
        if destination == Some(value) {
            return 0;
        }
        let preserved = |value| self.across_calls.contains_key(&value);
        let result_is_preserved = self.result.is_some_and(preserved) || destination.is_some_and(preserved);
        if result_is_preserved == preserved(value) { 1 } else { 2 }
    }

    /// What the loader fills in for a value.
    pub(super) fn fact(&self, value: Value) -> Option<(FactId, i32)> {
        match self.remade(self.resolve(value))? {
            Remade::Fact(fact, local) => Some((fact, local)),
            _ => None,
        }
    }

    fn binary64(&mut self, op: ArithmeticOp, lhs: Value, rhs: Value, wanted: VReg) {
        if let Some((fact, local)) = self.fact(rhs).filter(|_| !is_division(op)) {
            let lhs = self.overwritten_register(lhs);
            return self.alu(form64(operation(op)), wanted, lhs, Right::Fact(fact, local));
        }
        let number = self.constant(rhs);
        match (op, number) {
            (ArithmeticOp::SDiv | ArithmeticOp::SRem, _) if self.isa < IsaVersion::V4 => {
                let lhs = self.register(lhs);
                let rhs = self.register(rhs);
                return self.signed_division(op, lhs, rhs, wanted);
            }
            (ArithmeticOp::And, Some(0xffff_ffff)) => {
                let lhs = self.register(lhs);
                return self.zero_extend(wanted, lhs);
            }
            (ArithmeticOp::And, Some(mask)) if self.isa >= IsaVersion::V3 && i32::try_from(mask).is_err() => {
                if let Ok(mask) = u32::try_from(mask) {
                    let lhs = self.overwritten_register(lhs);
                    return self.alu(form32(alu::AND), wanted, lhs, Right::Immediate(mask.cast_signed()));
                }
            }
            (ArithmeticOp::Sub, Some(number)) => {
                if let Ok(immediate) = i32::try_from(number.wrapping_neg()) {
                    let lhs = self.overwritten_register(lhs);
                    return self.alu(form64(alu::ADD), wanted, lhs, Right::Immediate(immediate));
                }
            }
            _ => {}
        }
        let right = match number {
            Some(number) if is_shift(op) => Right::Immediate(low_word(number & 63)),
            Some(number) if !(is_division(op) && number == 0) => match i32::try_from(number) {
                Ok(immediate) => Right::Immediate(immediate),
                Err(_) => Right::Register(self.register(rhs)),
            },
            _ => Right::Register(self.register(rhs)),
        };
        let lhs = self.overwritten_register(lhs);
        self.alu(Form { offset: signedness(op), ..form64(operation(op)) }, wanted, lhs, right);
    }

    fn binary32(&mut self, op: ArithmeticOp, lhs: Value, rhs: Value, wanted: VReg) {
        if matches!(op, ArithmeticOp::SDiv | ArithmeticOp::SRem) && self.isa < IsaVersion::V4 {
            return self.signed_division32(op, lhs, rhs, wanted);
        }
        let (op, right) = match (op, self.constant(rhs).map(low_word)) {
            (ArithmeticOp::Sub, Some(number)) => (ArithmeticOp::Add, Right::Immediate(number.wrapping_neg())),
            (op, Some(number)) if is_shift(op) => (op, Right::Immediate(number & 31)),
            (op, Some(number)) if !(is_division(op) && number == 0) => (op, Right::Immediate(number)),
            (op, _) => (op, Right::Register(self.register(rhs))),
        };
        let lhs = self.overwritten_register(lhs);
        self.alu(Form { offset: signedness(op), ..form32(operation(op)) }, wanted, lhs, right);
    }

    /// 32-bit arithmetic where there is only 64-bit arithmetic.
    fn binary32_by_64(&mut self, op: ArithmeticOp, lhs: Value, rhs: Value, wanted: VReg) {
        let number = self.constant(rhs).map(low_word);
        match op {
            ArithmeticOp::SDiv | ArithmeticOp::SRem => self.signed_division32(op, lhs, rhs, wanted),
            ArithmeticOp::UDiv | ArithmeticOp::URem => {
                let right = match number {
                    Some(number) if number > 0 => Right::Immediate(number),
                    Some(number) => Right::Register(self.number(i64::from(number.cast_unsigned()))),
                    None => Right::Register(self.zero_extended(rhs)),
                };
                let lhs = self.zero_extended(lhs);
                self.alu(form64(operation(op)), wanted, lhs, right);
            }
            ArithmeticOp::Shl | ArithmeticOp::LShr | ArithmeticOp::AShr => {
                let amount = match number {
                    Some(number) => Right::Immediate(number & 31),
                    None => {
                        let rhs = self.register(rhs);
                        Right::Register(self.temporary(form64(alu::AND), rhs, Right::Immediate(31)))
                    }
                };
                match op {
                    ArithmeticOp::LShr => {
                        let lhs = self.zero_extended(lhs);
                        self.alu(form64(alu::RSH), wanted, lhs, amount);
                    }
                    ArithmeticOp::AShr => {
                        let lhs = self.register(lhs);
                        let lhs = self.sign_extended(32, lhs);
                        let shifted = self.temporary(form64(alu::ARSH), lhs, amount);
                        self.zero_extend(wanted, shifted);
                    }
                    _ => {
                        let lhs = self.overwritten_register(lhs);
                        let shifted = self.temporary(form64(alu::LSH), lhs, amount);
                        self.zero_extend(wanted, shifted);
                    }
                }
            }
            _ => {
                let right = match number {
                    Some(number) => Right::Immediate(number),
                    None => Right::Register(self.register(rhs)),
                };
                let lhs = self.overwritten_register(lhs);
                let whole = self.temporary(form64(operation(op)), lhs, right);
                self.zero_extend(wanted, whole);
            }
        }
    }

    fn signed_division32(&mut self, op: ArithmeticOp, lhs: Value, rhs: Value, wanted: VReg) {
        let lhs = self.register(lhs);
        let lhs = self.sign_extended(32, lhs);
        let rhs = match self.constant(rhs).map(low_word) {
            Some(number) => self.number(i64::from(number)),
            None => {
                let rhs = self.register(rhs);
                self.sign_extended(32, rhs)
            }
        };
        let whole = self.new_register();
        self.signed_division(op, lhs, rhs, whole);
        self.zero_extend(wanted, whole);
    }

    /// Divides the magnitudes and gives the result its sign: `(x ^ s) - s` is `x` where the mask `s` is 0, and `-x` where
    /// it is all ones. The most negative number is its own magnitude as an unsigned number, so that nothing overflows.
    fn signed_division(&mut self, op: ArithmeticOp, lhs: VReg, rhs: VReg, wanted: VReg) {
        let lhs_sign = self.temporary(form64(alu::ARSH), lhs, Right::Immediate(63));
        let rhs_sign = self.temporary(form64(alu::ARSH), rhs, Right::Immediate(63));
        let lhs = self.with_sign(lhs, lhs_sign);
        let rhs = self.with_sign(rhs, rhs_sign);
        let (operation, sign) = match op {
            ArithmeticOp::SRem => (alu::MOD, lhs_sign),
            _ => (alu::DIV, self.temporary(form64(alu::XOR), lhs_sign, Right::Register(rhs_sign))),
        };
        let magnitude = self.temporary(form64(operation), lhs, Right::Register(rhs));
        let flipped = self.temporary(form64(alu::XOR), magnitude, Right::Register(sign));
        self.alu(form64(alu::SUB), wanted, flipped, Right::Register(sign));
    }

    fn with_sign(&mut self, value: VReg, sign: VReg) -> VReg {
        let flipped = self.temporary(form64(alu::XOR), value, Right::Register(sign));
        self.temporary(form64(alu::SUB), flipped, Right::Register(sign))
    }

    pub(super) fn unary(&mut self, op: UnaryOp, value: Value, wanted: VReg) {
        match op {
            UnaryOp::Neg => {
                let value = self.overwritten_register(value);
                let instruction = Instruction::alu_immediate(class::ALU64, alu::NEG, 0, 0);
                self.in_place(instruction, wanted, value);
            }
            UnaryOp::ZExt8 => self.mask(value, 8, wanted),
            UnaryOp::ZExt16 => self.mask(value, 16, wanted),
            UnaryOp::ZExt32 => {
                let value = self.low(value, 32);
                let value = self.register(value);
                self.zero_extend(wanted, value);
            }
            UnaryOp::SExt8 => self.sign_extend_low(8, value, wanted),
            UnaryOp::SExt16 => self.sign_extend_low(16, value, wanted),
            UnaryOp::SExt32 => self.sign_extend_low(32, value, wanted),
            UnaryOp::ToBig16 => self.byte_order(16, value, wanted),
            UnaryOp::ToBig32 => self.byte_order(32, value, wanted),
            UnaryOp::ToBig64 => self.byte_order(64, value, wanted),
            UnaryOp::Swap16 => self.swap_bytes(16, value, wanted),
            UnaryOp::Swap32 => self.swap_bytes(32, value, wanted),
            UnaryOp::Swap64 => self.swap_bytes(64, value, wanted),
            // A copy has the same identity to the verifier, until something is computed (`adjust_reg_min_max_vals` in
            // `kernel/bpf/verifier.c`). It keeps track of what is added.
            UnaryOp::Apart => {
                let value = self.overwritten_register(value);
                self.alu(form64(alu::RSH), wanted, value, Right::Immediate(0));
            }
        }
    }

    fn mask(&mut self, value: Value, bits: u32, wanted: VReg) {
        let value = self.low(value, bits);
        let value = self.overwritten_register(value);
        let mask = low_word((1 << bits) - 1);
        self.alu(form64(alu::AND), wanted, value, Right::Immediate(mask));
    }

    fn byte_order(&mut self, bits: i32, value: Value, wanted: VReg) {
        let value = self.low(value, bits.cast_unsigned());
        let value = self.overwritten_register(value);
        self.in_place(Instruction::to_big(bits, 0), wanted, value);
    }

    fn swap_bytes(&mut self, bits: i32, value: Value, wanted: VReg) {
        let value = self.low(value, bits.cast_unsigned());
        let value = self.overwritten_register(value);
        let instruction = match self.endianness {
            _ if self.isa >= IsaVersion::V4 => Instruction::swap(bits, 0),
            Endianness::Little => Instruction::to_big(bits, 0),
            Endianness::Big => Instruction::to_little(bits, 0),
        };
        self.in_place(instruction, wanted, value);
    }

    /// An instruction that changes its one register.
    pub(super) fn in_place(&mut self, instruction: Instruction, wanted: VReg, value: VReg) {
        let operands = vec![Operand::reg_reuse_def(wanted, 1), Operand::reg_use(value)];
        self.plain(instruction, Some(0), None, operands);
    }

    fn sign_extend_low(&mut self, bits: u32, value: Value, wanted: VReg) {
        let value = self.low(value, bits);
        let value = self.register(value);
        self.sign_extend(bits, wanted, value);
    }

    /// `wanted` is the low `bits` bits of `value`, sign-extended.
    pub(super) fn sign_extend(&mut self, bits: u32, wanted: VReg, value: VReg) {
        if self.isa >= IsaVersion::V4 {
            let offset = i16::try_from(bits).unwrap_or(0);
            let instruction = Instruction { offset, ..Instruction::mov(0, 0) };
            self.plain(instruction, Some(0), Some(1), vec![Operand::reg_def(wanted), Operand::reg_use(value)]);
        } else {
            let shift = Right::Immediate(64 - bits.cast_signed());
            let high = self.temporary(form64(alu::LSH), value, shift);
            self.alu(form64(alu::ARSH), wanted, high, shift);
        }
    }

    pub(super) fn sign_extended(&mut self, bits: u32, value: VReg) -> VReg {
        let extended = self.new_register();
        self.sign_extend(bits, extended, value);
        extended
    }

    /// `wanted` is the low half of `value`.
    pub(super) fn zero_extend(&mut self, wanted: VReg, value: VReg) {
        if self.isa >= IsaVersion::V3 {
            let instruction = Instruction::alu_register(class::ALU, alu::MOV, 0, 0);
            self.plain(instruction, Some(0), Some(1), vec![Operand::reg_def(wanted), Operand::reg_use(value)]);
        } else {
            let high = self.temporary(form64(alu::LSH), value, Right::Immediate(32));
            self.alu(form64(alu::RSH), wanted, high, Right::Immediate(32));
        }
    }

    /// The low half of a value, whose upper half may be anything.
    pub(super) fn zero_extended(&mut self, value: Value) -> VReg {
        let register = self.register(value);
        if self.is_zero_extended(value) {
            return register;
        }
        let extended = self.new_register();
        self.zero_extend(extended, register);
        extended
    }

    fn temporary(&mut self, form: Form, lhs: VReg, right: Right) -> VReg {
        let result = self.new_register();
        self.alu(form, result, lhs, right);
        result
    }

    fn alu(&mut self, form: Form, wanted: VReg, lhs: VReg, right: Right) {
        let Form { class, operation, offset } = form;
        let mut operands = vec![Operand::reg_reuse_def(wanted, 1), Operand::reg_use(lhs)];
        let (instruction, source) = match right {
            Right::Immediate(immediate) => (Instruction::alu_immediate(class, operation, 0, immediate), None),
            Right::Fact(fact, local) => {
                let instruction = Instruction::alu_immediate(class, operation, 0, local);
                let template = Template { instruction, destination: Some(0), source: None };
                return self.push(Operation::Relocated(template, RelocationTarget::Fact(fact)), operands);
            }
            Right::Register(rhs) => {
                operands.push(Operand::reg_use(rhs));
                (Instruction::alu_register(class, operation, 0, 0), Some(2))
            }
        };
        self.plain(Instruction { offset, ..instruction }, Some(0), source, operands);
    }

    /// `address + offset`, where no access can hold the offset.
    pub(super) fn offset_address(&mut self, address: VReg, offset: i32) -> VReg {
        self.temporary(form64(alu::ADD), address, Right::Immediate(offset))
    }
}

fn is_division(op: ArithmeticOp) -> bool {
    matches!(op, ArithmeticOp::UDiv | ArithmeticOp::URem | ArithmeticOp::SDiv | ArithmeticOp::SRem)
}

/// The offset field that says whether a division is signed.
fn signedness(op: ArithmeticOp) -> i16 {
    i16::from(matches!(op, ArithmeticOp::SDiv | ArithmeticOp::SRem))
}
