//! Does arithmetic on constants, and replaces operations by simpler ones with the same result.
//!
//! | before | after | where |
//! |---|---|---|
//! | `add 2, 3` | `5` | [`arithmetic`] |
//! | `urem v0, 8` | `and v0, 7` | [`arithmetic`] |
//! | `and (load.1 …), 255` | `load.1 …` | [`arithmetic`] |
//! | `and (load.4 …), 255` | `and (load.1 …), 255` | [`arithmetic`] |
//! | `and (or (and v0, 15), 64), 240` | `64` | [`arithmetic`] |
//! | `add (add v0, 5), v1` | `add (add v0, v1), 5` | [`arithmetic`] |
//! | `tobig16 (tobig16 v0)` | `and v0, 65535` | [`arithmetic`] |
//! | `tobig16 (or (tobig16 v0), 1)` | `or (and v0, 65535), 256`, on a little-endian machine | [`arithmetic`] |
//! | `lshr (or (load.4 …), (shl v0, 32)), 32` | `and v0, 0xffffffff` | [`arithmetic`] |
//! | `branch equal (tobig16 v0), 0x800 -> …` | `branch equal v0, 0x8 -> …`, on a little-endian machine | [`comparison`] |
//! | `branch equal (and v0, 4), 0 -> b1, b2` | `branch bits-set v0, 4 -> b2, b1` | [`comparison`] |
//! | `branch less (sext32 v0), 5 -> …` | `branch less.32 v0, 5 -> …` | [`comparison`] |
//! | `branch bits-set (lshr v0, 3), 1 -> …` | `branch bits-set v0, 8 -> …` | [`comparison`] |
//! | `store.2 … (and v0, 65535)` | `store.2 … v0` | [`low_bits`] |
//! | `hide (load.1 …)` | `load.1 …` | here |
//! | `load.1 (add v0, 4) + 8` | `load.1 v0 + 12` | here |
//!
//! What the verifier sees: pointers stay what they are, a pointer plus a constant; comparisons of pointers are left
//! alone. Numbers whose range it needs keep what it knows of them: [`super::verifier_ranges`].

mod arithmetic;
mod comparison;
mod low_bits;
#[cfg(test)]
mod tests;

use super::known_bits::{KnownBits, View, known_bits};
use super::uses::count_uses;
use super::verifier_ranges::VerifierRanges;
use crate::arena::Id as _;
use crate::compile::Endianness;
use crate::ir::{Block, Cfg, Function, Inst, InstData, Op, Substitution, Value, ValueData, ValueDef, ValueType};
use crate::source::Span;

/// Simplifies every instruction and branch. Whether there was anything to simplify.
pub(super) fn run(function: &mut Function, endianness: Endianness) -> bool {
    let ranges = VerifierRanges::new(function);
    let uses = count_uses(function);
    let order = Cfg::new(function).reverse_post_order().to_vec();
    let span = function.span;
    let mut simplifier = Simplifier {
        function,
        endianness,
        ranges,
        uses,
        replaced: Substitution::new(),
        done: Vec::new(),
        span,
        changed: false,
    };
    for block in order {
        simplifier.block(block);
    }
    let Simplifier { replaced, changed, .. } = simplifier;
    replaced.apply(function);
    changed
}

struct Simplifier<'a> {
    function: &'a mut Function,
    endianness: Endianness,
    ranges: VerifierRanges,
    /// How often each value is used at most.
    uses: Vec<u32>,
    replaced: Substitution,
    /// The instructions of the current block so far.
    done: Vec<Inst>,
    /// Where new instructions come from.
    span: Span,
    changed: bool,
}

/// What an operation becomes.
enum Simpler {
    Value(Value),
    Op(Op),
}

/// How often one instruction is made simpler at most.
const STEPS: u32 = 16;

impl Simplifier<'_> {
    fn block(&mut self, block: Block) {
        let insts = std::mem::take(&mut self.function.blocks.at_mut(block).insts);
        for inst in insts {
            self.inst(inst);
        }
        self.terminator(block);
        self.function.blocks.at_mut(block).insts = std::mem::take(&mut self.done);
    }

    fn inst(&mut self, inst: Inst) {
        let InstData { mut op, result, span } = self.function.insts.at(inst).clone();
        self.span = span;
        op.for_each_operand_mut(|value| *value = self.replaced.resolve(*value));
        for _ in 0..STEPS {
            match self.simpler(&op, result) {
                Some(Simpler::Op(simpler)) => {
                    simpler.for_each_operand(|value| self.count_use(value));
                    op = simpler;
                    self.changed = true;
                }
                Some(Simpler::Value(value)) => {
                    if let Some(result) = result {
                        self.replace(result, value);
                        return;
                    }
                }
                None => break,
            }
        }
        self.function.insts.at_mut(inst).op = op;
        self.done.push(inst);
    }

    fn simpler(&mut self, op: &Op, result: Option<Value>) -> Option<Simpler> {
        match op {
            Op::Binary(op, width, lhs, rhs) => self.binary(*op, *width, *lhs, *rhs, result?),
            Op::Unary(op, value) => self.unary(*op, *value, result?),
            Op::Hide { value, .. } => self.unknown(*value).then_some(Simpler::Value(*value)),
            Op::Load { base, offset, .. }
            | Op::Store { base, offset, .. }
            | Op::Atomic { base, offset, .. }
            | Op::CompareExchange { base, offset, .. } => {
                self.nearer_base(op, *base, *offset).or_else(|| self.narrower_value(op))
            }
            _ => None,
        }
    }

    /// Whether the verifier knows nothing of a number anyway: it was loaded, and nothing was learnt of it since.
    fn unknown(&self, value: Value) -> bool {
        let alone = self.uses.get(value.index()) == Some(&1);
        match self.function.defining_op(value) {
            Some(Op::Load { base, signed: false, .. }) => {
                alone && matches!(self.function.value_type(*base), ValueType::Packet | ValueType::MapValue)
            }
            _ => false,
        }
    }

    /// A constant that was added to the address becomes part of the offset.
    fn nearer_base(&self, op: &Op, old_base: Value, old_offset: i32) -> Option<Simpler> {
        let (nearer, sum) = self.function.address(old_base, old_offset.into());
        // What fits the offset of an instruction.
        let sum = i16::try_from(sum).ok().filter(|_| nearer != old_base)?;
        let mut op = op.clone();
        if let Op::Load { base, offset, .. }
        | Op::Store { base, offset, .. }
        | Op::Atomic { base, offset, .. }
        | Op::CompareExchange { base, offset, .. } = &mut op
        {
            (*base, *offset) = (nearer, sum.into());
        }
        Some(Simpler::Op(op))
    }

    /// Takes note of one more use. What something simpler no longer uses still counts, until the next run.
    fn count_use(&mut self, value: Value) {
        if let Some(count) = self.uses.get_mut(value.index()) {
            *count += 1;
        }
    }

    fn replace(&mut self, value: Value, by: Value) {
        let count = self.uses.get(value.index()).copied().unwrap_or(0);
        if let Some(uses) = self.uses.get_mut(by.index()) {
            *uses += count;
        }
        self.replaced.replace(value, by);
        self.changed = true;
    }

    /// A new number, made before the current instruction.
    fn make(&mut self, op: Op) -> Value {
        op.for_each_operand(|value| self.count_use(value));
        let inst = self.function.insts.next_id();
        let value = self.function.values.push(ValueData { ty: ValueType::Int, def: ValueDef::Inst(inst) });
        self.function.insts.push(InstData { op, result: Some(value), span: self.span });
        self.done.push(inst);
        value
    }

    fn constant(&mut self, number: u64) -> Value {
        self.make(Op::Const(number.cast_signed()))
    }

    fn number(&self, value: Value) -> Option<u64> {
        self.function.constant(value).map(i64::cast_unsigned)
    }

    /// The operation that makes a number, if it may be looked through for the sake of `result`.
    fn through(&self, value: Value, result: Value) -> Option<&Op> {
        let alone = self.uses.get(value.index()) == Some(&1);
        self.function.defining_op(value).filter(|_| alone || !self.ranges.matter(result))
    }

    /// What may be taken as known of `value` in what is made of it.
    fn bits(&self, value: Value, result: Value) -> KnownBits {
        let view = if self.ranges.matter(result) { View::Verifier } else { View::Truth };
        known_bits(self.function, value, view)
    }
}
