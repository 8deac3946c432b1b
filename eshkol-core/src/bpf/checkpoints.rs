//! Gives the verifier places to remember a loop at, where many ways lead through its rounds.
//!
//! ```text
//! head:                       head: goto +0   (8 of them)
//!     if r2 == 0 goto out  →        …
//!     …                             if r2 == 0 goto out
//! ```
//!
//! What the verifier has found safe it remembers at jumps and where they go, and cuts off the ways that come there no different. It
//! remembers nothing where it saw fewer than two jumps and eight instructions since it last did; and in the rounds of a loop, at one and
//! the same instruction, nothing before 20 jumps or 100 instructions, and forgets what was of no use three times (`is_state_visited` in
//! `kernel/bpf/verifier.c`). So the ways through some rounds in a row multiply before they are cut off: through a few choices a round, past
//! its million instructions. Eight jumps that go nowhere are eight more instructions to remember something at: there is one in every round.
//!
//! They cost nothing when they run: the verifier takes them out in the end (`opt_remove_nops`, since 5.1, where there are no loops yet).

use super::assembly::{Assembly, AssemblyInst};
use super::code::Instruction;
use super::loops::{Loops, Shape};
use super::machine::BlockId;
use crate::arena::Arena;

/// The fewest choices between ways that stay in a loop with which it is worth it.
const CHOICES: usize = 2;
/// As many as it takes for the verifier to remember something.
const JUMPS: usize = 8;

/// Puts jumps that go nowhere to the heads of loops.
pub(super) fn run(assembly: &mut Assembly, shapes: &Arena<BlockId, Shape>) {
    let loops = Loops::new(shapes, assembly.entry);
    for head in loops.heads() {
        let stays = |block: &BlockId| loops.around.at(*block).contains(&head);
        let chooses = |block: &&BlockId| {
            let successors = &shapes.at(**block).successors;
            stays(block) && successors.len() > 1 && successors.iter().all(stays)
        };
        if loops.postorder.iter().filter(chooses).count() >= CHOICES {
            let block = assembly.blocks.at_mut(head);
            let span = block.insts.first().map_or(block.end_span, |inst| inst.span);
            let jump = AssemblyInst {
                instruction: Instruction::goto(0),
                high: None,
                relocation: None,
                arguments: 0,
                rewritten: None,
                span,
            };
            block.insts.splice(..0, std::iter::repeat_n(jump, JUMPS));
        }
    }
}
