//! Calls: arguments in R1 … R5, the result in R0.

use regalloc2::{Operand, VReg};

use super::Selector;
use crate::arena::Id as _;
use crate::bpf::code::{Instruction, RelocationTarget};
use crate::bpf::machine::{Operation, physical};
use crate::ir::{FunctionId, Value};
use crate::kernel::HelperId;

impl Selector<'_> {
    pub(super) fn call_helper(&mut self, helper: HelperId, arguments: &[Value], wanted: Option<VReg>) {
        match helper.as_declared() {
            Some(kfunc) => {
                // The number is the unit's own until the loader finds the kernel's.
                let number = i32::try_from(kfunc.index()).unwrap_or(i32::MAX);
                let target = RelocationTarget::Kfunc(kfunc);
                self.call(Instruction::call_kfunc(number), Some(target), arguments, wanted);
            }
            None => self.call(Instruction::call_helper(helper.0.cast_signed()), None, arguments, wanted),
        }
    }

    pub(super) fn call_function(&mut self, function: FunctionId, arguments: &[Value], wanted: Option<VReg>) {
        let target = RelocationTarget::Function(function);
        self.call(Instruction::call_function(), Some(target), arguments, wanted);
    }

    fn call(
        &mut self,
        instruction: Instruction,
        target: Option<RelocationTarget>,
        arguments: &[Value],
        wanted: Option<VReg>,
    ) {
        self.flush_pending();
        let wanted = wanted.unwrap_or_else(|| self.new_register());
        let result = self.fixed_result(self.result, wanted);
        let mut operands = vec![Operand::reg_fixed_def(result, physical(0))];
        for (number, argument) in (1..=5).zip(arguments) {
            let register = self.fixed_register(*argument);
            operands.push(Operand::reg_fixed_use(register, physical(number)));
        }
        self.push(Operation::Call(instruction, target), operands);
        self.copy(wanted, result);
    }
}
