//! Makes SSA whole again where a value got more definitions: a pass has copied the block that makes it.
//!
//! Uses that several definitions reach get them through new parameters of blocks, as in Braun et al., *Simple and Efficient
//! Construction of Static Single Assignment Form* (2013). Parameters that turn out to be needless are left to
//! [`crate::ir::redundant_params`]. Constants and addresses that are the same everywhere get no parameter: they are made again
//! where they are used, so that comparisons with constants and accesses to the stack are still seen to be what they are.

use std::collections::{BTreeMap, VecDeque};

use crate::ir::{Block, Cfg, Function, InstData, Op, Value, ValueData, ValueDef, ValueType};

/// A value, and in which blocks it has which definition at the end. Uses of it in those blocks are right already. A definition may be
/// another value that is redefined, if its block makes no definition of that one.
pub(super) struct Redefined {
    pub(super) value: Value,
    pub(super) definitions: BTreeMap<Block, Value>,
}

/// Gives every use of the values the definition that reaches it.
pub(super) fn run(function: &mut Function, redefined: Vec<Redefined>) {
    let cfg = Cfg::new(function);
    let order = cfg.reverse_post_order().to_vec();
    let mut repair = Repair {
        cfg,
        ends: BTreeMap::new(),
        indices: BTreeMap::new(),
        remade: BTreeMap::new(),
        copies: BTreeMap::new(),
        types: Vec::new(),
        unfilled: VecDeque::new(),
        function,
    };
    for (index, redefined) in redefined.into_iter().enumerate() {
        repair.types.push(repair.function.value_type(redefined.value));
        repair.indices.insert(redefined.value, index);
        if let ValueDef::Inst(inst) = repair.function.values.at(redefined.value).def {
            let data = repair.function.insts.at(inst);
            if matches!(data.op, Op::Const(_) | Op::SlotAddress(_) | Op::Map(_) | Op::GlobalAddress { .. }) {
                repair.remade.insert(index, data.clone());
            }
        }
        for (block, definition) in redefined.definitions {
            repair.ends.insert((index, block), (definition, true));
        }
    }
    for block in order {
        repair.uses_in(block);
    }
    repair.fill();
}

struct Repair<'a> {
    function: &'a mut Function,
    cfg: Cfg,
    /// What a value is at the end of a block, and whether that is because it is defined there.
    ends: BTreeMap<(usize, Block), (Value, bool)>,
    indices: BTreeMap<Value, usize>,
    /// What makes values that are made again, and where they have been.
    remade: BTreeMap<usize, InstData>,
    copies: BTreeMap<(usize, Block), Value>,
    types: Vec<ValueType>,
    /// Parameters for which the predecessors give no arguments yet.
    unfilled: VecDeque<(usize, Block)>,
}

impl Repair<'_> {
    fn uses_in(&mut self, block: Block) {
        for inst in self.function.blocks.at(block).insts.clone() {
            let mut uses = false;
            self.function.insts.at(inst).op.for_each_operand(|value| uses |= self.indices.contains_key(&value));
            if uses {
                let mut op = self.function.insts.at(inst).op.clone();
                op.for_each_operand_mut(|value| self.rewrite(block, value));
                self.function.insts.at_mut(inst).op = op;
            }
        }
        let mut uses = false;
        self.function.blocks.at(block).terminator.for_each_operand(|value| uses |= self.indices.contains_key(&value));
        if uses {
            let mut terminator = self.function.blocks.at(block).terminator.clone();
            terminator.for_each_operand_mut(|value| self.rewrite(block, value));
            self.function.blocks.at_mut(block).terminator = terminator;
        }
    }

    fn rewrite(&mut self, block: Block, value: &mut Value) {
        if let Some(index) = self.indices.get(value).copied()
            && !matches!(self.ends.get(&(index, block)), Some((_, true)))
        {
            *value = match self.remade.get(&index).cloned() {
                Some(data) => self.remake(index, block, data),
                None => self.end(index, block),
            };
        }
    }

    /// The same value, made at the start of a block.
    fn remake(&mut self, index: usize, block: Block, data: InstData) -> Value {
        if let Some(copy) = self.copies.get(&(index, block)) {
            return *copy;
        }
        let copy = self.make(index, block, data);
        self.copies.insert((index, block), copy);
        copy
    }

    /// An instruction at the start of a block.
    fn make(&mut self, index: usize, block: Block, mut data: InstData) -> Value {
        let ty = self.types.get(index).copied().unwrap_or(ValueType::Int);
        let inst = self.function.insts.next_id();
        let value = self.function.values.push(ValueData { ty, def: ValueDef::Inst(inst) });
        data.result = Some(value);
        self.function.insts.push(data);
        self.function.blocks.at_mut(block).insts.insert(0, inst);
        value
    }

    /// What the value is at the end of a block.
    fn end(&mut self, index: usize, block: Block) -> Value {
        let mut passed = Vec::new();
        let mut at = block;
        let value = loop {
            if let Some((definition, is_made_there)) = self.ends.get(&(index, at)).copied() {
                break if is_made_there { self.definition(index, at, definition) } else { definition };
            }
            passed.push(at);
            match self.cfg.predecessors(at) {
                [] => break self.undefined(index),
                [only] => at = *only,
                _ => break self.param(index, at),
            }
        };
        for block in passed {
            self.ends.insert((index, block), (value, false));
        }
        value
    }

    /// A definition, which may be another of the values, from before the block.
    fn definition(&mut self, index: usize, block: Block, definition: Value) -> Value {
        let mut value = definition;
        self.rewrite(block, &mut value);
        if value != definition {
            self.ends.insert((index, block), (value, true));
        }
        value
    }

    fn param(&mut self, index: usize, block: Block) -> Value {
        let position = u32::try_from(self.function.blocks.at(block).params.len()).unwrap_or(u32::MAX);
        let ty = self.types.get(index).copied().unwrap_or(ValueType::Int);
        let value = self.function.values.push(ValueData { ty, def: ValueDef::Param(block, position) });
        self.function.blocks.at_mut(block).params.push(value);
        self.unfilled.push_back((index, block));
        value
    }

    /// No definition reaches the block, so nothing uses the value: it only has to be something.
    fn undefined(&mut self, index: usize) -> Value {
        let data = InstData { op: Op::Const(0), result: None, span: self.function.span };
        self.make(index, self.function.entry, data)
    }

    fn fill(&mut self) {
        while let Some((index, block)) = self.unfilled.pop_front() {
            let mut predecessors = self.cfg.predecessors(block).to_vec();
            predecessors.sort();
            predecessors.dedup();
            for predecessor in predecessors {
                let value = self.end(index, predecessor);
                for target in self.function.blocks.at_mut(predecessor).terminator.targets_mut() {
                    if target.block == block {
                        target.arguments.push(value);
                    }
                }
            }
        }
    }
}
