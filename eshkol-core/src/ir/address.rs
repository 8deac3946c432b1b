//! Where a pointer points, as far as constants say.

use super::{ArithmeticOp, Function, Op, Slot, Value, ValueType, Width};

impl Function {
    /// The slot and the byte in it that `base + offset` is, where that is known.
    pub fn stack_address(&self, base: Value, offset: i32) -> Option<(Slot, i64)> {
        let (root, offset) = self.address(base, offset.into());
        match self.defining_op(root) {
            Some(Op::SlotAddress(slot)) => Some((*slot, offset)),
            _ => None,
        }
    }

    /// A pointer plus a number of bytes, as the pointer that constants were added to, and the sum of these.
    pub fn address(&self, mut base: Value, mut offset: i64) -> (Value, i64) {
        while let Some(Op::Binary(op @ (ArithmeticOp::Add | ArithmeticOp::Sub), Width::W64, pointer, number)) =
            self.defining_op(base)
        {
            let Some(number) = self.constant(*number) else { break };
            if self.value_type(*pointer) == ValueType::Int {
                break;
            }
            let sum = if *op == ArithmeticOp::Add { offset.checked_add(number) } else { offset.checked_sub(number) };
            let Some(sum) = sum else { break };
            (base, offset) = (*pointer, sum);
        }
        (base, offset)
    }
}
