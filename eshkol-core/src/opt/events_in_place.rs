//! Makes an event where user space reads it, in place of making it on the stack and copying it there, where the stack has no room for it.
//!
//! | before | after |
//! |---|---|
//! | `v1: stack = slot s0; …` | `v1: ring-buffer = helper 131(map0, 400, 0); branch not-equal v1, 0 -> b1, b2(-11)` |
//! | `store.8 v1 + 8, v2; …` | `b1: store.8 v1 + 8, v2; …` |
//! | `v3 = helper 130(map0, v1, 400, 0); …` | `helper 132(v1, 0); jump b2(0)`; `b2(v3): …` |
//!
//! Room is reserved before the first use of the slot. Where there is none, all up to the event is left out, and its result is what
//! `bpf_ringbuf_output` gives: `-EAGAIN` (`kernel/bpf/ringbuf.c`). So that nobody can tell, nothing happens in between but that the event is made:
//! nothing is written elsewhere that is looked at later, nothing called that does anything, and no value made of it that is needed afterwards. Every way
//! from there leads to the event, since the verifier refuses a program that forgets a record.
//!
//! The record is as long as the event, and holds what others have left there. Every byte of it is written, as every byte of the event on the stack
//! was, which older verifiers look after.
//!
//! Events that the stack has room for stay there: to reserve and to submit takes more instructions than to copy, and a register for the record.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::alias::slot_of;
use super::effects::{only_looks, writes_argument};
use crate::bpf::STACK_LIMIT;
use crate::ir::{
    Block, BlockData, Cfg, Condition, Dominators, Function, Inst, InstData, Op, Slot, Substitution, Target, Terminator,
    Value, ValueData, ValueDef, ValueType, Width,
};
use crate::kernel::helper::{self, ArgumentKind, RINGBUF_OUTPUT, RINGBUF_RESERVE, RINGBUF_SUBMIT};
use crate::source::Span;

/// Bytes of the stack that slots may take. The others are for registers that are spilled.
const ROOM: u32 = STACK_LIMIT - 64;

/// What `bpf_ringbuf_output` gives where there is no room.
const NO_ROOM: i64 = -11;

/// Makes them in place. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let mut changed = false;
    let mut seen = BTreeSet::new();
    // Each changes what is known of the blocks.
    while let Some(event) = next(function, &mut seen) {
        make_in_place(function, &event);
        changed = true;
    }
    changed
}

/// An event that can be made in place.
struct Event {
    output: Output,
    /// Where it is begun: before this instruction of this block.
    begin: Place,
    /// Instructions from there to the output that are moved before it, in order.
    early: Vec<Inst>,
    /// The addresses in it.
    addresses: BTreeSet<Value>,
}

/// Where an event is copied to a ring buffer.
struct Output {
    place: Place,
    inst: Inst,
    map: Value,
    slot: Slot,
    size: u32,
}

/// A place of an instruction in its block.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    block: Block,
    index: usize,
}

/// The next event to be made in place, the largest first, beyond those that were looked at; `None` where the stack has room for what is left on it.
fn next(function: &Function, seen: &mut BTreeSet<Inst>) -> Option<Event> {
    let cfg = Cfg::new(function);
    if bytes_of_slots(function, &cfg) <= ROOM {
        return None;
    }
    let mut outputs: Vec<Output> = cfg
        .reverse_post_order()
        .iter()
        .flat_map(|block| {
            let insts = function.blocks.at(*block).insts.iter().enumerate();
            insts.filter_map(|(index, inst)| output(function, Place { block: *block, index }, *inst))
        })
        .filter(|output| !seen.contains(&output.inst))
        .collect();
    if outputs.is_empty() {
        return None;
    }
    outputs.sort_by_key(|output| std::cmp::Reverse(output.size));
    let dominators = Dominators::new(function, &cfg);
    let finder = Finder { function, cfg: &cfg, dominators: &dominators };
    outputs.into_iter().find_map(|output| {
        seen.insert(output.inst);
        finder.event(output)
    })
}

/// The bytes of the slots that are used.
fn bytes_of_slots(function: &Function, cfg: &Cfg) -> u32 {
    let insts = cfg.reverse_post_order().iter().flat_map(|block| &function.blocks.at(*block).insts);
    let slots: BTreeSet<Slot> = insts
        .filter_map(|inst| match function.insts.at(*inst).op {
            Op::SlotAddress(slot) | Op::HiddenZero(slot) => Some(slot),
            _ => None,
        })
        .collect();
    slots.into_iter().fold(0, |sum, slot| sum.saturating_add(function.slots.at(slot).size))
}

/// The copy of an event that lies in a slot.
fn output(function: &Function, place: Place, inst: Inst) -> Option<Output> {
    let Op::CallHelper { helper: RINGBUF_OUTPUT, arguments } = &function.insts.at(inst).op else { return None };
    let [map, event, size, flags] = *arguments.as_slice() else { return None };
    let (Some(Op::Map(_)), Some(Op::SlotAddress(slot))) = (function.defining_op(map), function.defining_op(event))
    else {
        return None;
    };
    let size = u32::try_from(function.constant(size)?).ok()?;
    (function.constant(flags) == Some(0)).then_some(Output { place, inst, map, slot: *slot, size })
}

struct Finder<'f> {
    function: &'f Function,
    cfg: &'f Cfg,
    dominators: &'f Dominators,
}

impl Finder<'_> {
    fn event(&self, output: Output) -> Option<Event> {
        let addresses = self.addresses(output.slot);
        let uses = self.uses(&addresses)?;
        let begin = self.begin(&uses)?;
        let blocks = self.between(begin, output.place)?;
        let is_inside = |Place { block, index }: Place| {
            let is_begun = block != begin.block || index >= begin.index;
            let is_sent = if block == output.place.block {
                index > output.place.index
            } else {
                block != begin.block && !blocks.contains(&block)
            };
            is_begun && !is_sent
        };
        let all_inside = uses.iter().all(|place| is_inside(*place));
        if !all_inside || !uses.iter().all(|place| self.may_be_in_a_record(*place, &addresses, &output)) {
            return None;
        }
        let mut early = BTreeSet::new();
        let mut made = BTreeSet::new();
        let mut written = BTreeSet::new();
        for block in blocks.iter().chain((output.place.block != begin.block).then_some(&output.place.block)) {
            made.extend(&self.function.blocks.at(*block).params);
        }
        for (place, inst) in self.places() {
            if !is_inside(place) || place == output.place {
                continue;
            }
            let data = self.function.insts.at(inst);
            if is_constant(&data.op) {
                early.insert(inst);
                continue;
            }
            written.extend(self.written_slots(&data.op, &addresses)?);
            made.extend(data.result);
        }
        let are_forgotten = written.into_iter().all(|slot| {
            let uses = self.uses(&self.addresses(slot));
            uses.is_some_and(|uses| uses.into_iter().all(is_inside))
        });
        let mut needed = self.needed_outside(&made, is_inside);
        while let Some(value) = needed.pop() {
            // What needs nothing of the event can be known before it.
            let ValueDef::Inst(inst) = self.function.values.at(value).def else { return None };
            let op = &self.function.insts.at(inst).op;
            if !op.is_pure() || matches!(op, Op::Fact { .. }) {
                return None;
            }
            if early.insert(inst) {
                op.for_each_operand(|operand| needed.extend(made.get(&operand)));
            }
        }
        let early = self.places().map(|(_, inst)| inst).filter(|inst| early.contains(inst)).collect();
        are_forgotten.then_some(Event { output, begin, early, addresses })
    }

    /// All instructions that can be reached, and where they are.
    fn places(&self) -> impl Iterator<Item = (Place, Inst)> {
        self.cfg.reverse_post_order().iter().flat_map(|block| {
            let insts = self.function.blocks.at(*block).insts.iter().enumerate();
            insts.map(|(index, inst)| (Place { block: *block, index }, *inst))
        })
    }

    /// The values that are addresses in a slot.
    fn addresses(&self, slot: Slot) -> BTreeSet<Value> {
        let is_there = |inst: Inst| {
            self.function.insts.at(inst).result.filter(|value| slot_of(self.function, *value) == Some(slot))
        };
        self.places().filter_map(|(_, inst)| is_there(inst)).collect()
    }

    /// Where addresses are used, but for where they are made of nothing else; `None` where one is kept.
    fn uses(&self, addresses: &BTreeSet<Value>) -> Option<Vec<Place>> {
        let mut uses = Vec::new();
        for (place, inst) in self.places() {
            let op = &self.function.insts.at(inst).op;
            let mut is_used = false;
            op.for_each_operand(|value| is_used |= addresses.contains(&value));
            let is_kept = match op {
                Op::Store { value, .. } | Op::Atomic { value, .. } => addresses.contains(value),
                Op::CompareExchange { expected, value, .. } => {
                    [expected, value].iter().any(|it| addresses.contains(it))
                }
                _ => false,
            };
            if is_kept {
                return None;
            }
            if is_used {
                uses.push(place);
            }
        }
        let mut leaves = false;
        for block in self.cfg.reverse_post_order() {
            self.function.blocks.at(*block).terminator.for_each_operand(|value| leaves |= addresses.contains(&value));
        }
        (!leaves).then_some(uses)
    }

    /// The last place that is before all of these on every way.
    fn begin(&self, uses: &[Place]) -> Option<Place> {
        let mut block = uses.first()?.block;
        while !uses.iter().all(|place| self.dominators.dominates(block, place.block)) {
            block = self.dominators.parent(block)?;
        }
        let first = uses.iter().filter(|place| place.block == block).map(|place| place.index).min();
        let index = first.unwrap_or(self.function.blocks.at(block).insts.len());
        Some(Place { block, index })
    }

    /// The blocks between two places, without theirs; `None` where a way from the first does not lead to the second, or one leads to the second
    /// again without the first.
    fn between(&self, begin: Place, end: Place) -> Option<BTreeSet<Block>> {
        let targets = |block: Block| self.function.blocks.at(block).terminator.targets().map(|target| target.block);
        let mut between = BTreeSet::new();
        if begin.block != end.block {
            let mut open = vec![begin.block];
            while let Some(block) = open.pop() {
                if matches!(self.function.blocks.at(block).terminator, Terminator::Return(_)) {
                    return None;
                }
                for target in targets(block) {
                    if target == begin.block {
                        return None;
                    }
                    if target != end.block && between.insert(target) {
                        open.push(target);
                    }
                }
            }
        }
        let mut behind = BTreeSet::new();
        let mut open = vec![end.block];
        while let Some(block) = open.pop() {
            for target in targets(block).filter(|target| *target != begin.block) {
                if target == end.block || between.contains(&target) {
                    return None;
                }
                if behind.insert(target) {
                    open.push(target);
                }
            }
        }
        Some(between)
    }

    /// Whether an instruction does with an address what it can do with one in a record.
    fn may_be_in_a_record(&self, place: Place, addresses: &BTreeSet<Value>, output: &Output) -> bool {
        let Some(inst) = self.function.blocks.at(place.block).insts.get(place.index) else { return false };
        match &self.function.insts.at(*inst).op {
            Op::Binary(..) => true,
            Op::Load { size, base, offset, .. } | Op::Store { size, base, offset, .. } => {
                let (root, offset) = self.function.address(*base, i64::from(*offset));
                // What is nowhere known to be is within an array of the event.
                let is_known = matches!(self.function.defining_op(root), Some(Op::SlotAddress(_)));
                !is_known || offset >= 0 && offset + i64::from(size.bytes()) <= i64::from(output.size)
            }
            Op::CallHelper { .. } if *inst == output.inst => true,
            Op::CallHelper { helper, arguments } => {
                let kinds = helper::by_id(*helper).map_or(&[][..], |known| known.arguments);
                arguments.iter().enumerate().all(|(position, argument)| {
                    // Older kernels take keys and single numbers from no record.
                    let takes_any_memory = matches!(
                        kinds.get(position),
                        Some(ArgumentKind::Memory | ArgumentKind::MemoryOut | ArgumentKind::MemoryInOut)
                    );
                    takes_any_memory || !addresses.contains(argument)
                })
            }
            _ => false,
        }
    }

    /// The slots that an instruction writes to, other than that of the event; `None` where it does what can be noticed elsewhere.
    fn written_slots(&self, op: &Op, addresses: &BTreeSet<Value>) -> Option<Vec<Slot>> {
        match op {
            Op::Store { base, .. } if addresses.contains(base) => Some(Vec::new()),
            Op::Store { base, .. } => Some(vec![slot_of(self.function, *base)?]),
            Op::CallHelper { helper, arguments } if only_looks(*helper) => {
                let written = arguments.iter().enumerate().filter(|(position, argument)| {
                    self.function.value_type(**argument) == ValueType::Stack
                        && !addresses.contains(argument)
                        && writes_argument(op, *position)
                });
                written.map(|(_, argument)| slot_of(self.function, *argument)).collect()
            }
            Op::Load { .. } => Some(Vec::new()),
            op if op.is_pure() => Some(Vec::new()),
            _ => None,
        }
    }

    /// Which of these values are used elsewhere.
    fn needed_outside(&self, made: &BTreeSet<Value>, is_inside: impl Fn(Place) -> bool) -> Vec<Value> {
        let mut needed = Vec::new();
        for (place, inst) in self.places() {
            if !is_inside(place) {
                self.function.insts.at(inst).op.for_each_operand(|value| needed.extend(made.get(&value)));
            }
        }
        for block in self.cfg.reverse_post_order() {
            let data = self.function.blocks.at(*block);
            if !is_inside(Place { block: *block, index: data.insts.len() }) {
                data.terminator.for_each_operand(|value| needed.extend(made.get(&value)));
            }
        }
        needed
    }
}

/// What can be made anywhere.
fn is_constant(op: &Op) -> bool {
    matches!(op, Op::Const(_) | Op::SlotAddress(_) | Op::GlobalAddress { .. } | Op::Map(_) | Op::FunctionAddress(_))
}

/// Makes an event in place.
fn make_in_place(function: &mut Function, event: &Event) {
    let Event { output, begin, early, addresses } = event;
    let span = function.insts.at(output.inst).span;
    let mut making = function.blocks.at_mut(begin.block).insts.split_off(begin.index);
    making.retain(|inst| !early.contains(inst));
    for block in function.blocks.ids().filter(|block| *block != begin.block) {
        function.blocks.at_mut(block).insts.retain(|inst| !early.contains(inst));
    }
    let mut before = std::mem::take(&mut function.blocks.at_mut(begin.block).insts);
    before.extend(early);
    let end = std::mem::replace(&mut function.blocks.at_mut(begin.block).terminator, Terminator::Return(output.map));

    let mut maker = Maker { function, span };
    let number = |maker: &mut Maker<'_>, into: &mut Vec<Inst>, number: i64| {
        maker.append(into, Op::Const(number), ValueType::Int)
    };
    let size = number(&mut maker, &mut before, output.size.into());
    let zero = number(&mut maker, &mut before, 0);
    let no_room = number(&mut maker, &mut before, NO_ROOM);
    let reserve = Op::CallHelper { helper: RINGBUF_RESERVE, arguments: vec![output.map, size, zero] };
    let record = maker.append(&mut before, reserve, ValueType::RingBuffer);

    // The rest of the first block, up to the output or to its end.
    let fill = maker.block(making, end);
    let last = if output.place.block == begin.block { fill } else { output.place.block };
    let data = maker.function.blocks.at_mut(last);
    let mut making = std::mem::take(&mut data.insts);
    let at = making.iter().position(|inst| *inst == output.inst).unwrap_or(making.len());
    let rest = making.split_off(at).into_iter().skip(1).collect();
    let end = data.terminator.clone();
    let after = maker.block(rest, end);
    maker.append(&mut making, Op::CallHelper { helper: RINGBUF_SUBMIT, arguments: vec![record, zero] }, ValueType::Int);
    let sent = Target::new(after, vec![zero]);
    let data = maker.function.blocks.at_mut(last);
    (data.insts, data.terminator) = (making, Terminator::Jump(sent));

    let result = function.values.push(ValueData { ty: ValueType::Int, def: ValueDef::Param(after, 0) });
    function.blocks.at_mut(after).params.push(result);
    let data = function.blocks.at_mut(begin.block);
    data.insts = before;
    data.terminator = Terminator::Branch {
        condition: Condition::NotEqual,
        width: Width::W64,
        lhs: record,
        rhs: zero,
        then: Target::new(fill, Vec::new()),
        otherwise: Target::new(after, vec![no_room]),
    };

    let mut replaced = Substitution::new();
    if let Some(sent) = function.insts.at(output.inst).result {
        replaced.replace(sent, result);
    }
    for address in addresses {
        match function.defining_op(*address) {
            Some(Op::SlotAddress(_)) => replaced.replace(*address, record),
            _ => function.values.at_mut(*address).ty = ValueType::RingBuffer,
        }
    }
    replaced.apply(function);
    // Nothing is left of the slot.
    let Function { blocks, insts, .. } = function;
    for (_, block) in blocks.iter_mut() {
        block.insts.retain(|inst| insts.at(*inst).op != Op::SlotAddress(output.slot));
    }
}

struct Maker<'f> {
    function: &'f mut Function,
    span: Span,
}

impl Maker<'_> {
    fn append(&mut self, insts: &mut Vec<Inst>, op: Op, ty: ValueType) -> Value {
        let inst = self.function.insts.next_id();
        let value = self.function.values.push(ValueData { ty, def: ValueDef::Inst(inst) });
        self.function.insts.push(InstData { op, result: Some(value), span: self.span });
        insts.push(inst);
        value
    }

    fn block(&mut self, insts: Vec<Inst>, terminator: Terminator) -> Block {
        self.function.blocks.push(BlockData { params: Vec::new(), insts, terminator, span: self.span })
    }
}
