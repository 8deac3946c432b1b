//! Values that are made again where they are used: numbers, slot addresses, maps, functions, addresses of globals.
//!
//! One that takes two slots and is wanted by several instructions between two calls is made once, before the first of
//! them. It never lives across a call: making it again is cheaper than a spill or a callee-saved register.

use regalloc2::{Operand, VReg};

use super::Selector;
use super::memory::pointer_and_constant;
use crate::bpf::code::{Instruction, RelocationTarget};
use crate::bpf::instruction::{alu, class};
use crate::bpf::machine::{MachineInst, Operation, Template, Wide};
use crate::check::kernel_types::FactId;
use crate::ir::{Op, Value};
use crate::kernel::IsaVersion;
use crate::source::Span;

/// What a value that is made again is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Remade {
    /// A number.
    Number(i64),
    /// An address, from the frame pointer.
    Frame(i32),
    /// What the loader fills in.
    Relocated(RelocationTarget),
    /// What the loader finds out about the running kernel, and what it is for the declared types.
    Fact(FactId, i32),
}

/// A constant wanted by instructions that were selected, and not made yet.
#[derive(Debug)]
pub(super) struct Pending {
    constant: Remade,
    register: VReg,
    /// Where it must be made: so many instructions of the block come after. `None` while the instruction that wants it
    /// is being selected.
    after: Option<usize>,
    span: Span,
}

impl Selector<'_> {
    /// What a value is, where it is made again at each use.
    pub(super) fn remade(&self, value: Value) -> Option<Remade> {
        let function = self.function;
        match function.defining_op(value)? {
            Op::Const(number) => Some(Remade::Number(*number)),
            Op::SlotAddress(slot) => Some(Remade::Frame(self.frame.slot(*slot))),
            Op::Fact { fact, local } => Some(Remade::Fact(*fact, *local)),
            Op::Map(map) => Some(Remade::Relocated(RelocationTarget::Map(*map))),
            Op::FunctionAddress(function) => Some(Remade::Relocated(RelocationTarget::Function(*function))),
            Op::GlobalAddress { section, offset } => {
                Some(Remade::Relocated(RelocationTarget::Global { section: *section, offset: *offset }))
            }
            Op::Binary(..) => {
                let (pointer, constant) = pointer_and_constant(function, value)?;
                match self.remade(pointer)? {
                    Remade::Frame(offset) => {
                        i32::try_from(i64::from(offset).checked_add(constant)?).ok().map(Remade::Frame)
                    }
                    Remade::Relocated(RelocationTarget::Global { section, offset }) => {
                        let offset = u32::try_from(i64::from(offset).checked_add(constant)?).ok()?;
                        Some(Remade::Relocated(RelocationTarget::Global { section, offset }))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A register that holds a constant, shared with later instructions where that pays.
    pub(super) fn shared_constant(&mut self, constant: Remade) -> VReg {
        let is_short = match constant {
            Remade::Number(number) => !self.is_wide(number),
            Remade::Fact(..) => true,
            Remade::Frame(_) | Remade::Relocated(_) => false,
        };
        if is_short {
            return self.own_constant(constant);
        }
        let span = self.span;
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.constant == constant) {
            pending.after = None;
            pending.span = span;
            return pending.register;
        }
        let register = self.new_register();
        self.pending.push(Pending { constant, register, after: None, span });
        register
    }

    /// A fresh register that holds a constant.
    pub(super) fn own_constant(&mut self, constant: Remade) -> VReg {
        let register = self.new_register();
        self.make(constant, register);
        register
    }

    /// A fresh register that holds a number.
    pub(super) fn number(&mut self, number: i64) -> VReg {
        let register = self.new_register();
        self.make_number(number, register);
        register
    }

    /// Says where the constants that the instruction just selected wants must be made.
    pub(super) fn place_pending(&mut self) {
        let after = self.reversed.len();
        for pending in &mut self.pending {
            pending.after.get_or_insert(after);
        }
    }

    /// Makes the constants that were put off. A call or the start of a block comes next.
    pub(super) fn flush_pending(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        // From the front of the block to its back, so that no insertion moves the place of a later one.
        pending.sort_by_key(|pending| std::cmp::Reverse(pending.after));
        for Pending { constant, register, after, span } in pending {
            let outer = std::mem::replace(&mut self.span, span);
            let group = std::mem::take(&mut self.group);
            self.make(constant, register);
            let made: Vec<MachineInst> = std::mem::replace(&mut self.group, group);
            self.span = outer;
            let after = after.unwrap_or(self.reversed.len()).min(self.reversed.len());
            self.reversed.splice(after..after, made.into_iter().rev());
        }
    }

    fn make(&mut self, constant: Remade, register: VReg) {
        let define = vec![Operand::reg_def(register)];
        match constant {
            Remade::Number(number) => self.make_number(number, register),
            Remade::Frame(offset) => self.push(Operation::FrameAddress(offset), define),
            Remade::Fact(fact, local) => {
                let instruction = Instruction::alu_immediate(class::ALU64, alu::MOV, 0, local);
                let template = Template { instruction, destination: Some(0), source: None };
                self.push(Operation::Relocated(template, RelocationTarget::Fact(fact)), define);
            }
            Remade::Relocated(target) => self.push(Operation::Wide(Wide::Relocated(target)), define),
        }
    }

    fn make_number(&mut self, number: i64, register: VReg) {
        let define = vec![Operand::reg_def(register)];
        if let Ok(immediate) = i32::try_from(number) {
            let instruction = Instruction::alu_immediate(class::ALU64, alu::MOV, 0, immediate);
            self.plain(instruction, Some(0), None, define);
        } else if let (Ok(immediate), true) = (u32::try_from(number), self.isa >= IsaVersion::V3) {
            let instruction = Instruction::alu_immediate(class::ALU, alu::MOV, 0, immediate.cast_signed());
            self.plain(instruction, Some(0), None, define);
        } else {
            self.push(Operation::Wide(Wide::Number(number.cast_unsigned())), define);
        }
    }

    /// Whether a number takes two slots to load.
    fn is_wide(&self, number: i64) -> bool {
        i32::try_from(number).is_err() && (self.isa < IsaVersion::V3 || u32::try_from(number).is_err())
    }
}
