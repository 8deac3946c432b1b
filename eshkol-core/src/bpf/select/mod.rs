//! Instruction selection: SSA → machine instructions on virtual registers, for an ISA version.
//!
//! Blocks are gone through from the last to the first, and backwards, so that every use of a value is seen before its
//! definition: what nothing asked for is never selected, and what all its uses have folded (constants, addresses,
//! extensions of what is extended already) costs nothing. Numbers, slot addresses and maps are made again at each use;
//! none is kept in a register across a call.
//!
//! Guarantees for the kernel's verifier: pointers are only moved and added to as 64-bit words, and an offset from the
//! context is always in the access. Of two numbers that are compared, what counts a loop comes to the right ([`exact`]).

mod arithmetic;
mod branch;
mod call;
mod constant;
mod edge;
mod exact;
mod memory;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use regalloc2::{Operand, VReg};

use super::code::Instruction;
use super::frame::Frame;
use super::liveness::Liveness;
use super::machine::{
    BlockId, MachineBlock, MachineFunction, MachineInst, Operation, Rewritten, Template, physical, virtual_register,
};
use crate::arena::Arena;
use crate::compile::Endianness;
use crate::ir::{ArithmeticOp, Block, Cfg, Function, Inst, Op, Value, ValueType, Width};
use crate::kernel::IsaVersion;
use crate::source::Span;

/// Selects the instructions of a function.
pub(super) fn select(
    function: &Function,
    cfg: &Cfg,
    frame: &Frame,
    isa: IsaVersion,
    endianness: Endianness,
) -> MachineFunction {
    let liveness = Liveness::new(function, cfg);
    let mut blocks = Arena::new();
    let mut homes: Arena<Block, Option<BlockId>> = function.blocks.ids().map(|_| None).collect();
    for block in cfg.reverse_post_order() {
        *homes.at_mut(*block) = Some(blocks.push(MachineBlock::default()));
    }
    let mut selector = Selector {
        function,
        cfg,
        frame,
        isa,
        endianness,
        blocks,
        homes,
        registers: function.values.ids().map(|_| None).collect(),
        register_count: 0,
        address_only: memory::find_address_only(function, cfg),
        uses: count_uses(function, cfg),
        exact: exact::find_exact(function, cfg),
        across_calls: liveness.across_calls(function, cfg),
        bound: BTreeSet::new(),
        destinations: BTreeMap::new(),
        local: BTreeSet::new(),
        live: BTreeSet::new(),
        result: None,
        span: function.span,
        rewritten: None,
        group: Vec::new(),
        reversed: Vec::new(),
        pending: Vec::new(),
    };
    selector.make_param_registers();
    for block in cfg.reverse_post_order().iter().rev() {
        selector.live.clone_from(liveness.live_out(*block));
        selector.select_block(*block);
    }
    let entry = selector.home(function.entry);
    MachineFunction { blocks: selector.blocks, entry, registers: selector.register_count }
}

struct Selector<'a> {
    function: &'a Function,
    cfg: &'a Cfg,
    frame: &'a Frame,
    isa: IsaVersion,
    endianness: Endianness,
    blocks: Arena<BlockId, MachineBlock>,
    /// The machine block of each reachable block.
    homes: Arena<Block, Option<BlockId>>,
    /// The register of each value that something asked for.
    registers: Arena<Value, Option<VReg>>,
    register_count: usize,
    /// Sums of a pointer and a constant that are only the base of accesses which can hold the constant themselves.
    address_only: BTreeSet<Value>,
    /// How often each value is read or passed.
    uses: Arena<Value, u32>,
    /// Numbers that the verifier knows exactly, on each way.
    exact: Arena<Value, bool>,
    /// Values that must be in a register which calls preserve, or spilled, and how many of them there are at once.
    across_calls: BTreeMap<Value, usize>,
    /// Values that end in a certain register by way of instructions that overwrite their operand.
    bound: BTreeSet<Value>,
    /// The block parameters that values become, also by way of instructions that overwrite their operand.
    destinations: BTreeMap<Value, Value>,
    /// Values that the instructions of the block being selected make.
    local: BTreeSet<Value>,
    /// Values that are read after the instruction being selected.
    live: BTreeSet<Value>,
    /// What the instruction being selected makes.
    result: Option<Value>,
    /// Of the instruction being selected.
    span: Span,
    rewritten: Option<Rewritten>,
    /// What the instruction being selected has become so far, in order.
    group: Vec<MachineInst>,
    /// What comes after it in its block, the last first.
    reversed: Vec<MachineInst>,
    /// Constants that later instructions of the block share.
    pending: Vec<constant::Pending>,
}

fn count_uses(function: &Function, cfg: &Cfg) -> Arena<Value, u32> {
    let mut uses: Arena<Value, u32> = function.values.ids().map(|_| 0).collect();
    for block in cfg.reverse_post_order() {
        let data = function.blocks.at(*block);
        let mut count = |value| *uses.at_mut(value) += 1;
        for inst in &data.insts {
            function.insts.at(*inst).op.for_each_operand(&mut count);
        }
        data.terminator.for_each_operand(&mut count);
    }
    uses
}

impl Selector<'_> {
    fn home(&self, block: Block) -> BlockId {
        // Only reachable blocks are asked for, and each of them has one.
        self.homes.at(block).unwrap_or_else(|| self.blocks.next_id())
    }

    fn new_register(&mut self) -> VReg {
        let register = virtual_register(self.register_count);
        self.register_count += 1;
        register
    }

    /// Block parameters are defined by jumps that may be selected before anything asks for the value.
    fn make_param_registers(&mut self) {
        for block in self.cfg.reverse_post_order() {
            if *block == self.function.entry {
                continue;
            }
            for param in &self.function.blocks.at(*block).params {
                let register = self.new_register();
                *self.registers.at_mut(*param) = Some(register);
                let home = self.home(*block);
                self.blocks.at_mut(home).params.push(register);
            }
        }
    }

    fn select_block(&mut self, block: Block) {
        let function = self.function;
        let data = function.blocks.at(block);
        let home = self.home(block);
        self.local = data.insts.iter().filter_map(|inst| function.insts.at(*inst).result).collect();
        self.span = data.span;
        self.result = None;
        self.terminator(home, &data.terminator);
        self.end_group();
        data.terminator.for_each_operand(|value| {
            self.live.insert(value);
        });
        for inst in data.insts.iter().rev() {
            self.select_inst(*inst);
        }
        self.flush_pending();
        if block == function.entry {
            self.entry(&data.params);
        }
        self.blocks.at_mut(home).insts = self.reversed.drain(..).rev().collect();
    }

    fn entry(&mut self, params: &[Value]) {
        self.span = self.function.span;
        let mut operands = Vec::new();
        let mut moves = Vec::new();
        for (number, param) in (1..=5).zip(params) {
            if let Some(register) = *self.registers.at(*param) {
                let fixed = self.fixed_result(Some(*param), register);
                operands.push(Operand::reg_fixed_def(fixed, physical(number)));
                moves.push((register, fixed));
            }
        }
        self.push(Operation::Entry, operands);
        for (register, fixed) in moves {
            self.copy(register, fixed);
        }
        self.end_group();
    }

    fn select_inst(&mut self, inst: Inst) {
        let function = self.function;
        let data = function.insts.at(inst);
        if let Some(result) = data.result {
            self.live.remove(&result);
        }
        let wanted = data.result.and_then(|result| *self.registers.at(result));
        if wanted.is_none() && data.op.is_removable() {
            return;
        }
        self.span = data.span;
        self.result = data.result;
        self.rewritten = rewritten(self.function, &data.op);
        self.operation(&data.op, wanted);
        self.rewritten = None;
        self.end_group();
        data.op.for_each_operand(|value| {
            self.live.insert(value);
        });
    }

    fn operation(&mut self, op: &Op, wanted: Option<VReg>) {
        match op {
            // Made where they are used; the value itself never gets a register.
            Op::Const(_)
            | Op::Fact { .. }
            | Op::SlotAddress(_)
            | Op::Map(_)
            | Op::FunctionAddress(_)
            | Op::GlobalAddress { .. } => {}
            Op::Hide { value, zero } => {
                let Some(wanted) = wanted else { return };
                self.binary(ArithmeticOp::Xor, Width::W64, *value, *zero, wanted);
            }
            Op::HiddenZero(slot) => {
                let Some(wanted) = wanted else { return };
                self.hidden_zero(*slot, wanted);
            }
            Op::Binary(operation, width, lhs, rhs) => {
                let Some(wanted) = wanted else { return };
                self.binary(*operation, *width, *lhs, *rhs, wanted);
            }
            Op::Unary(operation, value) => {
                let Some(wanted) = wanted else { return };
                self.unary(*operation, *value, wanted);
            }
            Op::Load { size, signed, base, offset } => {
                let Some(wanted) = wanted else { return };
                self.load(*size, *signed, *base, *offset, wanted);
            }
            Op::Store { size, base, offset, value } => self.store(*size, *base, *offset, *value),
            Op::Atomic { op, size, base, offset, value } => self.atomic(*op, *size, *base, *offset, *value, wanted),
            Op::CompareExchange { size, base, offset, expected, value } => {
                self.compare_exchange(*size, (*base, *offset), *expected, *value, wanted);
            }
            Op::CallHelper { helper, arguments } => self.call_helper(*helper, arguments, wanted),
            Op::CallFunction { function, arguments } => self.call_function(*function, arguments, wanted),
        }
    }

    // Emission.

    fn push(&mut self, operation: Operation, operands: Vec<Operand>) {
        self.group.push(MachineInst { operation, operands, rewritten: self.rewritten, span: self.span });
    }

    fn plain(
        &mut self,
        instruction: Instruction,
        destination: Option<usize>,
        source: Option<usize>,
        operands: Vec<Operand>,
    ) {
        self.push(Operation::Plain(Template { instruction, destination, source }), operands);
    }

    /// `to = from`, where those are not the same.
    fn copy(&mut self, to: VReg, from: VReg) {
        if to != from {
            let operands = vec![Operand::reg_def(to), Operand::reg_use(from)];
            self.plain(Instruction::mov(0, 0), Some(0), Some(1), operands);
        }
    }

    /// Puts what the instruction has become before what comes after it.
    fn end_group(&mut self) {
        self.reversed.extend(self.group.drain(..).rev());
        self.place_pending();
    }

    /// Whether nothing reads a value after the instruction being selected.
    fn dies(&self, value: Value) -> bool {
        !self.live.contains(&value)
    }
}

/// What an instruction accesses, where the kernel rewrites that access.
fn rewritten(function: &Function, op: &Op) -> Option<Rewritten> {
    let (Op::Load { base, .. } | Op::Store { base, .. }) = op else { return None };
    match function.value_type(*base) {
        ValueType::Context => Some(Rewritten::Context),
        ValueType::Kernel => Some(Rewritten::Kernel),
        _ => None,
    }
}
