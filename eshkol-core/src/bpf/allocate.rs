//! Register allocation by `regalloc2`.
//!
//! R0 … R5 are given out first, R6 … R9, which calls preserve, when those are taken or a call is in between. R10, the
//! frame pointer, is never given out. Where asked to, `regalloc2`'s independent checker goes over the result: it follows
//! every value through registers and spills.

use regalloc2::{
    Allocation, Block, Edit, Function, Inst, InstOrEdit, InstRange, MachineEnv, Operand, OperandKind, PRegSet,
    RegClass, RegallocOptions, VReg, checker::Checker,
};

use super::Error;
use super::assembly::{Assembly, AssemblyBlock, AssemblyInst, End};
use super::code::Instruction;
use super::frame::Frame;
use super::instruction::{FRAME_POINTER, alu, class, pseudo};
use super::machine::{BlockId, MachineFunction, MachineInst, Operation, Rewritten, Wide, physical, register};
use crate::arena::{Arena, Id as _};
use crate::bpf::code::RelocationTarget;
use crate::ir::MemorySize;
use crate::source::Span;

/// The registers that a call preserves.
const CALLEE_SAVED: std::ops::RangeInclusive<u8> = 6..=9;
/// The registers that a call overwrites.
const CALLER_SAVED: std::ops::RangeInclusive<u8> = 0..=5;

/// Gives every virtual register a place and puts the moves in. Blocks keep their numbers and order; every block can be
/// reached.
pub(super) fn allocate(
    machine: &MachineFunction,
    frame: &mut Frame,
    span: Span,
    check: bool,
) -> Result<Assembly, Error> {
    let flat = Flat::new(machine);
    let environment = environment();
    let internal = |reason: String| Error::Internal { span, reason };
    let options = RegallocOptions { validate_ssa: check, ..RegallocOptions::default() };
    let output = regalloc2::run(&flat, &environment, &options)
        .map_err(|error| internal(format!("register allocation failed: {error}")))?;
    if check {
        let mut checker = Checker::new(&flat, &environment);
        checker.prepare(&output);
        checker.run().map_err(|errors| internal(format!("register allocation is wrong: {errors:?}")))?;
    }
    frame.set_spills(output.num_spillslots);
    frame.finish()?;
    let mut blocks = Arena::new();
    for (id, block) in machine.blocks.iter() {
        let mut writer = Writer {
            frame,
            insts: Vec::new(),
            rewritten: None,
            span: block.insts.first().map_or(span, |inst| inst.span),
        };
        let mut end = None;
        for item in output.block_insts_and_edits(&flat, Block::new(id.index())) {
            match item {
                InstOrEdit::Edit(Edit::Move { from, to }) => writer.transfer(*from, *to),
                InstOrEdit::Inst(index) => match flat.insts.get(index.index()) {
                    Some(inst) => writer.inst(inst, output.inst_allocs(index), &block.successors).map(|found| {
                        end = end.or(found);
                    }),
                    None => None,
                },
            }
            .ok_or_else(|| internal("an instruction's operand is in no register".to_owned()))?;
        }
        let end = end.ok_or_else(|| internal("a block has no end".to_owned()))?;
        let end_span = block.insts.last().map_or(span, |inst| inst.span);
        blocks.push(AssemblyBlock { insts: writer.insts, end, end_span });
    }
    Ok(Assembly { blocks, entry: machine.entry, spills: frame.spill_area() })
}

fn environment() -> MachineEnv {
    let set = |registers: std::ops::RangeInclusive<u8>| registers.map(physical).collect::<PRegSet>();
    let none = PRegSet::empty();
    MachineEnv {
        preferred_regs_by_class: [set(CALLER_SAVED), none, none],
        non_preferred_regs_by_class: [set(CALLEE_SAVED), none, none],
        scratch_by_class: [None; 3],
        fixed_stack_slots: Vec::new(),
    }
}

/// A machine function as `regalloc2` reads it: instructions numbered through, predecessors known.
struct Flat<'a> {
    machine: &'a MachineFunction,
    insts: Vec<&'a MachineInst>,
    ranges: Vec<InstRange>,
    successors: Vec<Vec<Block>>,
    predecessors: Vec<Vec<Block>>,
}

impl<'a> Flat<'a> {
    fn new(machine: &'a MachineFunction) -> Self {
        let count = machine.blocks.len();
        let mut flat = Self {
            machine,
            insts: Vec::new(),
            ranges: Vec::with_capacity(count),
            successors: Vec::with_capacity(count),
            predecessors: vec![Vec::new(); count],
        };
        for (id, block) in machine.blocks.iter() {
            let start = Inst::new(flat.insts.len());
            flat.insts.extend(&block.insts);
            flat.ranges.push(InstRange::new(start, Inst::new(flat.insts.len())));
            flat.successors.push(block.successors.iter().map(|to| Block::new(to.index())).collect());
            for to in &block.successors {
                if let Some(predecessors) = flat.predecessors.get_mut(to.index()) {
                    predecessors.push(Block::new(id.index()));
                }
            }
        }
        flat
    }

    fn operation(&self, inst: Inst) -> Option<&Operation> {
        self.insts.get(inst.index()).map(|inst| &inst.operation)
    }
}

impl Function for Flat<'_> {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }

    fn num_blocks(&self) -> usize {
        self.ranges.len()
    }

    fn entry_block(&self) -> Block {
        Block::new(self.machine.entry.index())
    }

    fn block_insns(&self, block: Block) -> InstRange {
        self.ranges.get(block.index()).copied().unwrap_or(InstRange::new(Inst::new(0), Inst::new(0)))
    }

    fn block_succs(&self, block: Block) -> &[Block] {
        self.successors.get(block.index()).map_or(&[], Vec::as_slice)
    }

    fn block_preds(&self, block: Block) -> &[Block] {
        self.predecessors.get(block.index()).map_or(&[], Vec::as_slice)
    }

    fn block_params(&self, block: Block) -> &[VReg] {
        self.machine.blocks.get(BlockId::new(block.index())).map_or(&[], |block| block.params.as_slice())
    }

    fn is_ret(&self, inst: Inst) -> bool {
        matches!(self.operation(inst), Some(Operation::Return))
    }

    fn is_branch(&self, inst: Inst) -> bool {
        matches!(self.operation(inst), Some(Operation::Branch(_) | Operation::Jump))
    }

    fn branch_blockparams(&self, block: Block, _inst: Inst, _successor: usize) -> &[VReg] {
        self.machine.blocks.get(BlockId::new(block.index())).map_or(&[], |block| block.arguments.as_slice())
    }

    fn inst_operands(&self, inst: Inst) -> &[Operand] {
        self.insts.get(inst.index()).map_or(&[], |inst| inst.operands.as_slice())
    }

    fn inst_clobbers(&self, inst: Inst) -> PRegSet {
        match self.insts.get(inst.index()) {
            // R0 is overwritten as well: it is an operand, the result.
            Some(inst) if matches!(inst.operation, Operation::Call(..)) => {
                debug_assert!(inst.operands.first().is_some_and(|operand| operand.kind() == OperandKind::Def));
                (1..=5).map(physical).collect()
            }
            _ => PRegSet::empty(),
        }
    }

    fn num_vregs(&self) -> usize {
        self.machine.registers
    }

    fn spillslot_size(&self, _class: RegClass) -> usize {
        1
    }
}

/// Writes the instructions of one block.
struct Writer<'a> {
    frame: &'a Frame,
    insts: Vec<AssemblyInst>,
    span: Span,
    /// Of the instruction that is being written.
    rewritten: Option<Rewritten>,
}

impl Writer<'_> {
    fn push(&mut self, instruction: Instruction) {
        self.insts.push(AssemblyInst {
            instruction,
            high: None,
            relocation: None,
            arguments: 0,
            rewritten: self.rewritten,
            span: self.span,
        });
    }

    /// A move that the allocator asks for.
    fn transfer(&mut self, from: Allocation, to: Allocation) -> Option<()> {
        self.rewritten = None;
        let spill = |allocation: Allocation| self.frame.spill(allocation.as_stack()?.index());
        let instruction = match (register(from), register(to)) {
            (Some(from), Some(to)) => Instruction::mov(to, from),
            (Some(from), None) => Instruction::store(MemorySize::B8, FRAME_POINTER, spill(to)?, from),
            (None, Some(to)) => Instruction::load(MemorySize::B8, to, FRAME_POINTER, spill(from)?),
            (None, None) => return None,
        };
        if !(instruction.is_mov() && instruction.destination == instruction.source) {
            self.push(instruction);
        }
        Some(())
    }

    /// Writes an instruction, or gives the end of the block. `None` where an operand is in no register.
    fn inst(&mut self, inst: &MachineInst, allocations: &[Allocation], successors: &[BlockId]) -> Option<Option<End>> {
        (self.span, self.rewritten) = (inst.span, inst.rewritten);
        let first = || allocations.first().and_then(|allocation| register(*allocation));
        match &inst.operation {
            Operation::Entry => {}
            Operation::Plain(template) => self.push(template.fill(allocations)?),
            Operation::Relocated(template, target) => {
                self.push(template.fill(allocations)?);
                if let Some(inst) = self.insts.last_mut() {
                    inst.relocation = Some(*target);
                }
            }
            Operation::Wide(wide) => self.wide(first()?, *wide),
            Operation::FrameAddress(offset) => {
                let register = first()?;
                self.push(Instruction::mov(register, FRAME_POINTER));
                if *offset != 0 {
                    self.push(Instruction::alu_immediate(class::ALU64, alu::ADD, register, *offset));
                }
            }
            Operation::Call(instruction, target) => {
                self.push(*instruction);
                if let Some(call) = self.insts.last_mut() {
                    call.relocation = *target;
                    call.arguments = u8::try_from(inst.operands.len().saturating_sub(1)).unwrap_or(5);
                }
            }
            Operation::Branch(template) => {
                let [then, otherwise] = *successors else { return None };
                return Some(Some(End::Branch { comparison: template.fill(allocations)?, then, otherwise }));
            }
            Operation::Jump => {
                let [to] = *successors else { return None };
                return Some(Some(End::Jump(to)));
            }
            Operation::Return => return Some(Some(End::Exit)),
        }
        Some(None)
    }

    fn wide(&mut self, register: u8, wide: Wide) {
        let (source, low, high, relocation) = match wide {
            Wide::Number(number) => {
                let [b0, b1, b2, b3, b4, b5, b6, b7] = number.to_le_bytes();
                (0, i32::from_le_bytes([b0, b1, b2, b3]), i32::from_le_bytes([b4, b5, b6, b7]), None)
            }
            Wide::Relocated(target) => {
                let source = if matches!(target, RelocationTarget::Map(_)) { pseudo::MAP_FD } else { 0 };
                (source, 0, 0, Some(target))
            }
        };
        let instruction = Instruction::wide_low(register, source, low);
        self.insts.push(AssemblyInst {
            instruction,
            high: Some(high),
            relocation,
            arguments: 0,
            rewritten: None,
            span: self.span,
        });
    }
}
