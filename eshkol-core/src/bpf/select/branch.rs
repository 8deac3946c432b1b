//! Terminators: comparisons and returns.

use regalloc2::{Operand, VReg};

use super::Selector;
use super::arithmetic::low_word;
use crate::bpf::code::Instruction;
use crate::bpf::instruction::{class, jump};
use crate::bpf::machine::{BlockId, Operation, Template, physical};
use crate::ir::{Condition, Terminator, Value, Width};
use crate::kernel::IsaVersion;

/// A comparison as an instruction makes it.
struct Comparison {
    condition: Condition,
    class: u8,
    lhs: VReg,
    rhs: Right,
}

enum Right {
    Immediate(i32),
    Register(VReg),
}

impl Selector<'_> {
    pub(super) fn terminator(&mut self, home: BlockId, terminator: &Terminator) {
        match terminator {
            Terminator::Return(value) => self.ret(*value),
            Terminator::Jump(target) => match self.returned(target) {
                Some(value) => self.ret(value),
                None => self.jump(home, target),
            },
            Terminator::Branch { condition, width, lhs, rhs, then, otherwise } => {
                let (then, otherwise) = self.edges(then, otherwise);
                let swapped = self.compare(*condition, *width, *lhs, *rhs);
                let successors = if swapped { vec![otherwise, then] } else { vec![then, otherwise] };
                self.blocks.at_mut(home).successors = successors;
            }
        }
    }

    pub(super) fn ret(&mut self, value: Value) {
        let value = self.fixed_register(value);
        self.push(Operation::Return, vec![Operand::reg_fixed_use(value, physical(0))]);
    }

    /// Emits a conditional jump; whether its condition is the opposite of what was asked.
    fn compare(&mut self, condition: Condition, width: Width, lhs: Value, rhs: Value) -> bool {
        let is_constant = |value| self.constant(value).is_some();
        let is_exact = |value| is_constant(value) || *self.exact.at(value);
        let (condition, lhs, rhs) = if !is_constant(rhs) && is_exact(lhs) && (is_constant(lhs) || !is_exact(rhs)) {
            (swap_operands(condition), rhs, lhs)
        } else {
            (condition, lhs, rhs)
        };
        let Comparison { mut condition, class, mut lhs, mut rhs } = match width {
            Width::W64 => self.compare64(condition, lhs, rhs),
            Width::W32 => self.compare32(condition, lhs, rhs),
        };
        let mut swapped = false;
        if self.isa < IsaVersion::V2 && is_less(condition) {
            if let Right::Register(right) = rhs {
                condition = swap_operands(condition);
                rhs = Right::Register(lhs);
                lhs = right;
            } else if let Some(opposite) = opposite(condition) {
                condition = opposite;
                swapped = true;
            }
        }
        let mut operands = vec![Operand::reg_use(lhs)];
        let (instruction, source) = match rhs {
            Right::Immediate(immediate) => {
                (Instruction::jump_immediate(class, jump_code(condition), 0, immediate), None)
            }
            Right::Register(rhs) => {
                operands.push(Operand::reg_use(rhs));
                (Instruction::jump_register(class, jump_code(condition), 0, 0), Some(1))
            }
        };
        self.push(Operation::Branch(Template { instruction, destination: Some(0), source }), operands);
        swapped
    }

    fn compare64(&mut self, condition: Condition, lhs: Value, rhs: Value) -> Comparison {
        let rhs = match self.constant(rhs).and_then(|number| i32::try_from(number).ok()) {
            Some(immediate) => Right::Immediate(immediate),
            None => Right::Register(self.register(rhs)),
        };
        Comparison { condition, class: class::JMP, lhs: self.register(lhs), rhs }
    }

    fn compare32(&mut self, condition: Condition, lhs: Value, rhs: Value) -> Comparison {
        let (lhs, rhs) = (self.low(lhs, 32), self.low(rhs, 32));
        let number = self.constant(rhs).map(low_word);
        let compares_signs =
            matches!(condition, Condition::Less | Condition::LessEqual | Condition::Greater | Condition::GreaterEqual);
        let is_whole =
            |value| self.constant(value).map_or_else(|| self.is_zero_extended(value), |number| low_word(number) >= 0);
        // Where both are zero-extended, a comparison of 64 bits says the same, and the verifier learns more from it.
        if self.isa >= IsaVersion::V3 && !(is_whole(lhs) && is_whole(rhs) && !compares_signs) {
            let rhs = match number {
                Some(number) => Right::Immediate(number),
                None => Right::Register(self.register(rhs)),
            };
            return Comparison { condition, class: class::JMP32, lhs: self.register(lhs), rhs };
        }
        // Both sides extended the same way; for a negative constant, the way in which it is an immediate.
        let signed = match condition {
            _ if compares_signs => true,
            Condition::Equal | Condition::NotEqual => number.is_some_and(|number| number < 0),
            _ => false,
        };
        let extended = |this: &mut Self, value| {
            if signed {
                let register = this.register(value);
                this.sign_extended(32, register)
            } else {
                this.zero_extended(value)
            }
        };
        let rhs = match number {
            Some(number) if signed || number >= 0 => Right::Immediate(number),
            Some(number) => Right::Register(self.number(i64::from(number.cast_unsigned()))),
            None => Right::Register(extended(self, rhs)),
        };
        Comparison { condition, class: class::JMP, lhs: extended(self, lhs), rhs }
    }
}

fn jump_code(condition: Condition) -> u8 {
    match condition {
        Condition::Equal => jump::JEQ,
        Condition::NotEqual => jump::JNE,
        Condition::Below => jump::JLT,
        Condition::BelowEqual => jump::JLE,
        Condition::Above => jump::JGT,
        Condition::AboveEqual => jump::JGE,
        Condition::Less => jump::JSLT,
        Condition::LessEqual => jump::JSLE,
        Condition::Greater => jump::JSGT,
        Condition::GreaterEqual => jump::JSGE,
        Condition::BitsSet => jump::JSET,
    }
}

/// Whether ISA v1 lacks the comparison.
fn is_less(condition: Condition) -> bool {
    matches!(condition, Condition::Below | Condition::BelowEqual | Condition::Less | Condition::LessEqual)
}

/// What holds of `b` and `a` when the condition holds of `a` and `b`.
fn swap_operands(condition: Condition) -> Condition {
    match condition {
        Condition::Below => Condition::Above,
        Condition::BelowEqual => Condition::AboveEqual,
        Condition::Above => Condition::Below,
        Condition::AboveEqual => Condition::BelowEqual,
        Condition::Less => Condition::Greater,
        Condition::LessEqual => Condition::GreaterEqual,
        Condition::Greater => Condition::Less,
        Condition::GreaterEqual => Condition::LessEqual,
        Condition::Equal | Condition::NotEqual | Condition::BitsSet => condition,
    }
}

/// What holds exactly where the condition does not.
fn opposite(condition: Condition) -> Option<Condition> {
    match condition {
        Condition::Equal => Some(Condition::NotEqual),
        Condition::NotEqual => Some(Condition::Equal),
        Condition::Below => Some(Condition::AboveEqual),
        Condition::BelowEqual => Some(Condition::Above),
        Condition::Above => Some(Condition::BelowEqual),
        Condition::AboveEqual => Some(Condition::Below),
        Condition::Less => Some(Condition::GreaterEqual),
        Condition::LessEqual => Some(Condition::Greater),
        Condition::Greater => Some(Condition::LessEqual),
        Condition::GreaterEqual => Some(Condition::Less),
        Condition::BitsSet => None,
    }
}
