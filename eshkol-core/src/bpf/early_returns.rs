//! Sets the result before a branch, where one way out does nothing but return it.
//!
//! ```text
//!     if r1 == 8 goto a            r0 = 1
//!     r0 = 2                       if r1 == 8 goto e
//!     exit                   →     r0 = 2
//! a:  r0 = 1                    e: exit
//!     exit
//! ```
//!
//! It comes after [`super::simplify`], which would give each way its own `exit` again.

use super::assembly::{Assembly, AssemblyBlock, End};
use super::effect::{Effect, Place, Places};
use super::instruction::{alu, class};
use super::machine::BlockId;
use super::peephole;
use crate::arena::Arena;

/// Where results are.
const RESULT: u8 = 0;

/// Sets results early.
pub(super) fn run(assembly: &mut Assembly) {
    let blocks = assembly.reachable();
    let mut predecessors: Arena<BlockId, u32> = assembly.blocks.ids().map(|_| 0).collect();
    for block in &blocks {
        for to in assembly.blocks.at(*block).end.successors() {
            *predecessors.at_mut(to) += 1;
        }
    }
    let live_in = peephole::live_in(assembly, &blocks);
    for block in blocks {
        let End::Branch { then, otherwise, .. } = assembly.blocks.at(block).end else { continue };
        for (returning, other) in [(then, otherwise), (otherwise, then)] {
            let is_alone = *predecessors.at(returning) == 1 && returning != assembly.entry;
            if is_alone
                && returns_constant(assembly.blocks.at(returning))
                && !live_in.at(other).contains(Place::register(RESULT))
                && assembly.blocks.at(other).end == End::Exit
                && !assembly.blocks.at(other).insts.is_empty()
                && free_result(assembly, block, live_in.at(other))
            {
                set_before(assembly, block, returning, other);
                break;
            }
        }
    }
}

fn returns_constant(block: &AssemblyBlock) -> bool {
    let [inst] = block.insts.as_slice() else { return false };
    let instruction = inst.instruction;
    let is_move =
        matches!(instruction.class(), class::ALU | class::ALU64) && instruction.opcode & alu::MASK == alu::MOV;
    block.end == End::Exit && is_move && !instruction.has_source_register() && instruction.destination == RESULT
}

/// Makes a block's branch not read the register of the result: what it compares may as well be in another.
fn free_result(assembly: &mut Assembly, block: BlockId, live_after: &Places) -> bool {
    let spills = assembly.spills;
    let data = assembly.blocks.at_mut(block);
    let End::Branch { comparison, .. } = &mut data.end else { return false };
    let reads = Effect::of_comparison(*comparison).reads;
    if !reads.contains(Place::register(RESULT)) {
        return true;
    }
    let is_free = |number: &u8| {
        let place = Place::register(*number);
        !reads.contains(place) && !live_after.contains(place)
    };
    let end = data.insts.len();
    for number in (1..=5).filter(is_free) {
        if let Some(start) = peephole::start_of_computation(&data.insts, end, RESULT, number, spills) {
            for inst in data.insts.iter_mut().skip(start) {
                peephole::rename(&mut inst.instruction, RESULT, number);
            }
            if comparison.destination == RESULT {
                comparison.destination = number;
            }
            if comparison.has_source_register() && comparison.source == RESULT {
                comparison.source = number;
            }
            return true;
        }
    }
    false
}

fn set_before(assembly: &mut Assembly, block: BlockId, returning: BlockId, other: BlockId) {
    let result = assembly.blocks.at_mut(returning).insts.split_off(0);
    assembly.blocks.at_mut(block).insts.extend(result);
    let other = assembly.blocks.at_mut(other);
    let end_span = other.end_span;
    // The block that is left with nothing but the `exit` serves both.
    other.end = End::Jump(returning);
    assembly.blocks.at_mut(returning).end_span = end_span;
}
