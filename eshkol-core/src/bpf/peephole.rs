//! Removal of moves that register allocation left: copies of what is there already, values computed in one register and
//! moved to another, writes that nothing reads. Spills count as moves.
//!
//! ```text
//! r6 = r1                      r6 = r1
//! r2 = r6                 →    r3 = *(u64 *)(r1 + 8)
//! r2 = *(u64 *)(r2 + 8)        r3 += 1
//! r2 += 1
//! r3 = r2
//! ```

use super::assembly::{Assembly, AssemblyBlock, AssemblyInst, End};
use super::code::Instruction;
use super::effect::{Effect, Place, Places, SpillArea};
use super::instruction::{alu, class};
use super::machine::BlockId;
use crate::arena::Arena;

/// Cleans a function.
pub(super) fn run(assembly: &mut Assembly) {
    let spills = assembly.spills;
    let blocks = &assembly.reachable();
    for block in blocks {
        forward_copies(assembly.blocks.at_mut(*block), spills);
    }
    while remove_dead_writes(assembly, blocks) {}
    let live_in = live_in(assembly, blocks);
    for block in blocks {
        let live = live_out(assembly, *block, &live_in);
        compute_in_place(assembly.blocks.at_mut(*block), live, spills);
    }
}

/// Places with the same contents: pairs of a copy and where it was copied from.
#[derive(Default)]
struct Copies(Vec<(Place, Place)>);

impl Copies {
    /// The oldest register with the contents of this place.
    fn origin(&self, place: Place) -> Option<Place> {
        self.0.iter().find(|(copy, _)| *copy == place).map(|(_, origin)| *origin)
    }

    /// The oldest register with the contents of this one.
    fn of_register(&self, number: u8) -> u8 {
        self.origin(Place::register(number)).and_then(Place::number).unwrap_or(number)
    }

    fn forget(&mut self, written: Places) {
        self.0.retain(|(copy, origin)| !written.contains(*copy) && !written.contains(*origin));
    }

    fn record(&mut self, copy: Place, origin: Place) {
        self.forget(Places::default().with(copy));
        if copy != origin {
            self.0.push((copy, origin));
        }
    }
}

/// Reads the origin of a copy instead of the copy, and drops copies of what is there already.
fn forward_copies(block: &mut AssemblyBlock, spills: SpillArea) {
    let mut copies = Copies::default();
    block.insts.retain_mut(|inst| {
        let effect = Effect::of(inst, spills);
        read_origins(&mut inst.instruction, effect, &copies);
        if let Some((register, slot)) = spills.loaded(inst.instruction)
            && let (Some(to), Some(origin)) = (register.number(), copies.origin(slot).and_then(Place::number))
        {
            inst.instruction = Instruction::mov(to, origin);
        }
        let Instruction { destination, source, .. } = inst.instruction;
        if inst.instruction.is_mov() {
            if copies.of_register(destination) == source || destination == source {
                return false;
            }
            copies.record(Place::register(destination), Place::register(source));
            return true;
        }
        if let Some((slot, register)) = spills.stored(inst.instruction) {
            if copies.origin(slot) == Some(register) {
                return false;
            }
            copies.record(slot, register);
            return true;
        }
        copies.forget(Effect::of(inst, spills).writes);
        if let Some((register, slot)) = spills.loaded(inst.instruction) {
            copies.record(slot, register);
        }
        true
    });
    if let End::Branch { comparison, .. } = &mut block.end {
        comparison.destination = copies.of_register(comparison.destination);
        if comparison.has_source_register() {
            comparison.source = copies.of_register(comparison.source);
        }
    }
}

/// Changes the registers that an instruction only reads.
fn read_origins(instruction: &mut Instruction, effect: Effect, copies: &Copies) {
    let is_written = |number: u8| effect.writes.contains(Place::register(number));
    let (reads_destination, reads_source) = match instruction.class() {
        class::LDX => (false, true),
        class::ST => (true, false),
        class::STX => (true, !is_written(instruction.source)),
        class::ALU | class::ALU64 => {
            (false, instruction.opcode & alu::MASK != alu::END && instruction.has_source_register())
        }
        _ => (false, false),
    };
    if reads_source {
        instruction.source = copies.of_register(instruction.source);
    }
    if reads_destination {
        instruction.destination = copies.of_register(instruction.destination);
    }
}

/// Computes a value in the register to which it would be moved at the end: for each `b = a` after which `a` is not read,
/// back to where `a` was made.
fn compute_in_place(block: &mut AssemblyBlock, live_out: Places, spills: SpillArea) {
    let mut live = live_out;
    let mut at = block.insts.len();
    while let Some(before) = at.checked_sub(1) {
        at = before;
        let Some(inst) = block.insts.get(at) else { return };
        let Instruction { destination: to, source: from, .. } = inst.instruction;
        let is_last_read = inst.instruction.is_mov() && !live.contains(Place::register(from)) && to != from;
        if is_last_read && let Some(start) = start_of_computation(&block.insts, at, from, to, spills) {
            for inst in block.insts.iter_mut().take(at).skip(start) {
                rename(&mut inst.instruction, from, to);
            }
            block.insts.remove(at);
            continue;
        }
        let effect = Effect::of(inst, spills);
        live = live.without(effect.writes).union(effect.reads);
    }
}

/// Where the value of `from` at an instruction begins, if all from there on can be done in `to`.
pub(super) fn start_of_computation(
    insts: &[AssemblyInst],
    end: usize,
    from: u8,
    to: u8,
    spills: SpillArea,
) -> Option<usize> {
    let (from_place, to_place) = (Place::register(from), Place::register(to));
    for (at, inst) in insts.iter().enumerate().take(end).rev() {
        let effect = Effect::of(inst, spills);
        let touches = effect.reads.contains(from_place) || effect.writes.contains(from_place);
        if touches && !is_renamable(inst) {
            return None;
        }
        if effect.writes.contains(from_place) && !effect.reads.contains(from_place) {
            return (!effect.writes.contains(to_place)).then_some(at);
        }
        if effect.reads.contains(to_place) || effect.writes.contains(to_place) {
            return None;
        }
    }
    None
}

/// Whether the registers of an instruction are all in its fields.
fn is_renamable(inst: &AssemblyInst) -> bool {
    !inst.is_call() && !inst.is_atomic()
}

pub(super) fn rename(instruction: &mut Instruction, from: u8, to: u8) {
    // In a load of 64 bits the source field is no register.
    let has_source = match instruction.class() {
        class::LD | class::ST => false,
        class::ALU | class::ALU64 => instruction.has_source_register() && instruction.opcode & alu::MASK != alu::END,
        _ => true,
    };
    if instruction.destination == from {
        instruction.destination = to;
    }
    if has_source && instruction.source == from {
        instruction.source = to;
    }
}

/// Removes instructions that only write places which nothing reads; whether there were any.
fn remove_dead_writes(assembly: &mut Assembly, blocks: &[BlockId]) -> bool {
    let live_in = live_in(assembly, blocks);
    let spills = assembly.spills;
    let mut removed = false;
    for id in blocks {
        let mut live = live_out(assembly, *id, &live_in);
        let mut kept: Vec<AssemblyInst> = Vec::new();
        let block = assembly.blocks.at_mut(*id);
        while let Some(inst) = block.insts.pop() {
            let effect = Effect::of(&inst, spills);
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

/// The places that are read from the start of each block on.
pub(super) fn live_in(assembly: &Assembly, blocks: &[BlockId]) -> Arena<BlockId, Places> {
    let mut live_in: Arena<BlockId, Places> = assembly.blocks.ids().map(|_| Places::default()).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for id in blocks.iter().rev() {
            let mut live = live_out(assembly, *id, &live_in);
            for inst in assembly.blocks.at(*id).insts.iter().rev() {
                let effect = Effect::of(inst, assembly.spills);
                live = live.without(effect.writes).union(effect.reads);
            }
            changed |= std::mem::replace(live_in.at_mut(*id), live) != live;
        }
    }
    live_in
}

/// The places that are read by the end of a block or after it.
fn live_out(assembly: &Assembly, block: BlockId, live_in: &Arena<BlockId, Places>) -> Places {
    let end = assembly.blocks.at(block).end;
    let read = match end {
        End::Exit => Places::registers([0]),
        End::Jump(_) => Places::default(),
        End::Branch { comparison, .. } => Effect::of_comparison(comparison).reads,
    };
    end.successors().fold(read, |live, to| live.union(*live_in.at(to)))
}
