//! How often values are used.

use crate::arena::Id as _;
use crate::ir::{Function, Value};

/// How often each value is used, by its number; in blocks that can't be reached, too.
pub(super) fn count_uses(function: &Function) -> Vec<u32> {
    let mut uses = vec![0; function.values.len()];
    let mut count = |value: Value| {
        if let Some(count) = uses.get_mut(value.index()) {
            *count += 1;
        }
    };
    for data in function.blocks.values() {
        for inst in &data.insts {
            function.insts.at(*inst).op.for_each_operand(&mut count);
        }
        data.terminator.for_each_operand(&mut count);
    }
    uses
}
