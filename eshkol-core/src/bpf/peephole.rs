//! Removal of moves that register allocation left: copies of what is there already, and writes that nothing reads.
//!
//! ```text
//! r6 = r1                      r6 = r1
//! r2 = r6                 →    r2 = *(u64 *)(r1 + 8)
//! r2 = *(u64 *)(r2 + 8)
//! ```

use super::assembly::{Assembly, AssemblyInst, End};
use super::code::Instruction;
use super::effect::{Effect, Registers};
use super::instruction::{SOURCE_REGISTER, alu, class};
use super::machine::BlockId;
use crate::arena::Arena;

/// Cleans a function; `blocks` are those that can be reached.
pub(super) fn run(assembly: &mut Assembly, blocks: &[BlockId]) {
    for block in blocks {
        forward_copies(assembly, *block);
    }
    while remove_dead_writes(assembly, blocks) {}
}

/// Which register each register is a copy of.
#[derive(Default)]
struct Copies([Option<u8>; 11]);

impl Copies {
    /// The oldest register with the contents of this one.
    fn origin(&self, register: u8) -> u8 {
        self.0.get(usize::from(register)).copied().flatten().unwrap_or(register)
    }

    fn forget(&mut self, register: u8) {
        for (copy, origin) in (0..).zip(&mut self.0) {
            if copy == register || *origin == Some(register) {
                *origin = None;
            }
        }
    }

    fn record(&mut self, copy: u8, origin: u8) {
        if let Some(place) = self.0.get_mut(usize::from(copy)) {
            *place = Some(origin);
        }
    }
}

/// Reads the origin of a copy instead of the copy, and drops copies of what is there already.
fn forward_copies(assembly: &mut Assembly, block: BlockId) {
    let mut copies = Copies::default();
    let block = assembly.blocks.at_mut(block);
    block.insts.retain_mut(|inst| {
        let instruction = &mut inst.instruction;
        read_origins(instruction, &copies);
        if instruction.is_mov() {
            let (to, from) = (instruction.destination, instruction.source);
            if copies.origin(to) == from || to == from {
                return false;
            }
            copies.forget(to);
            copies.record(to, from);
            return true;
        }
        let writes = Effect::of(*instruction).writes;
        (0..=9).filter(|register| writes.contains(*register)).for_each(|register| copies.forget(register));
        true
    });
    if let End::Branch { comparison, .. } = &mut block.end {
        read_origins(comparison, &copies);
    }
}

/// Changes the registers that an instruction only reads.
fn read_origins(instruction: &mut Instruction, copies: &Copies) {
    let reads_source = match instruction.class() {
        class::LDX => true,
        class::STX => !Effect::of(*instruction).writes.contains(instruction.source),
        class::ALU | class::ALU64 => instruction.opcode & alu::MASK != alu::END && instruction.has_source_register(),
        class::JMP | class::JMP32 => instruction.opcode & SOURCE_REGISTER != 0 && instruction.is_conditional_jump(),
        _ => false,
    };
    let reads_destination = match instruction.class() {
        class::ST | class::STX => true,
        _ => instruction.is_conditional_jump(),
    };
    if reads_source {
        instruction.source = copies.origin(instruction.source);
    }
    if reads_destination {
        instruction.destination = copies.origin(instruction.destination);
    }
}

/// Removes instructions that only write registers which nothing reads; whether there were any.
fn remove_dead_writes(assembly: &mut Assembly, blocks: &[BlockId]) -> bool {
    let live_in = live_in(assembly, blocks);
    let mut removed = false;
    for id in blocks {
        let mut live = live_out(assembly, *id, &live_in);
        let mut kept: Vec<AssemblyInst> = Vec::new();
        let block = assembly.blocks.at_mut(*id);
        while let Some(inst) = block.insts.pop() {
            let effect = Effect::of(inst.instruction);
            if effect.is_removable && live.without(effect.writes) == live {
                removed = true;
                continue;
            }
            live = live.without(effect.writes).union(effect.reads);
            kept.push(inst);
        }
        block.insts = kept.into_iter().rev().collect();
    }
    removed
}

/// The registers that are read from the start of each block on.
fn live_in(assembly: &Assembly, blocks: &[BlockId]) -> Arena<BlockId, Registers> {
    let mut live_in: Arena<BlockId, Registers> = assembly.blocks.ids().map(|_| Registers::default()).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for id in blocks.iter().rev() {
            let mut live = live_out(assembly, *id, &live_in);
            for inst in assembly.blocks.at(*id).insts.iter().rev() {
                let effect = Effect::of(inst.instruction);
                live = live.without(effect.writes).union(effect.reads);
            }
            changed |= std::mem::replace(live_in.at_mut(*id), live) != live;
        }
    }
    live_in
}

/// The registers that are read by the end of a block or after it.
fn live_out(assembly: &Assembly, block: BlockId, live_in: &Arena<BlockId, Registers>) -> Registers {
    let end = assembly.blocks.at(block).end;
    let read = match end {
        End::Exit => Registers::of([0]),
        End::Jump(_) => Registers::default(),
        End::Branch { comparison, .. } => Effect::of(comparison).reads,
    };
    end.successors().fold(read, |live, to| live.union(*live_in.at(to)))
}
