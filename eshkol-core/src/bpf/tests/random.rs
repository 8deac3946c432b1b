//! Random functions: all operations and widths, branches, loops, calls, more live values than registers.

use crate::arena::Id as _;
use crate::ir::{
    ArithmeticOp, AtomicOp, Block, Condition, Function, FunctionBuilder, FunctionId, MemorySize, Op, Slot, Target,
    Terminator, UnaryOp, Value, ValueType, Variable, Width,
};
use crate::kernel::{HelperId, IsaVersion};
use crate::source::{SourceId, Span};

/// Bytes of memory behind the context.
pub(super) const CONTEXT_BYTES: i32 = 128;
/// A helper of this number takes no arguments, the next one argument, and so on.
pub(super) const FIRST_HELPER: u32 = 1000;

/// SplitMix64.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub(super) fn number(&mut self) -> u64 {
        let all = self.next();
        match self.below(8) {
            0 => all & 0xf,
            1 => (all & 0xff).wrapping_neg(),
            2 => 1 << (all & 63),
            3 => (1_u64 << (all & 63)).wrapping_sub(1),
            4 => all >> 32,
            5 => (all >> 32) as i32 as i64 as u64,
            6 => self.pick(&[0, 1, u64::MAX, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, 0xffff_ffff_8000_0000]),
            _ => all,
        }
    }
}

pub(super) fn mix(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const BINARY: [ArithmeticOp; 13] = [
    ArithmeticOp::Add,
    ArithmeticOp::Sub,
    ArithmeticOp::Mul,
    ArithmeticOp::UDiv,
    ArithmeticOp::URem,
    ArithmeticOp::SDiv,
    ArithmeticOp::SRem,
    ArithmeticOp::And,
    ArithmeticOp::Or,
    ArithmeticOp::Xor,
    ArithmeticOp::Shl,
    ArithmeticOp::LShr,
    ArithmeticOp::AShr,
];

const UNARY: [UnaryOp; 14] = [
    UnaryOp::Neg,
    UnaryOp::ZExt8,
    UnaryOp::ZExt16,
    UnaryOp::ZExt32,
    UnaryOp::SExt8,
    UnaryOp::SExt16,
    UnaryOp::SExt32,
    UnaryOp::ToBig16,
    UnaryOp::ToBig32,
    UnaryOp::ToBig64,
    UnaryOp::Swap16,
    UnaryOp::Swap32,
    UnaryOp::Swap64,
    UnaryOp::Apart,
];

const CONDITIONS: [Condition; 11] = [
    Condition::Equal,
    Condition::NotEqual,
    Condition::Below,
    Condition::BelowEqual,
    Condition::Above,
    Condition::AboveEqual,
    Condition::Less,
    Condition::LessEqual,
    Condition::Greater,
    Condition::GreaterEqual,
    Condition::BitsSet,
];

const SIZES: [MemorySize; 4] = [MemorySize::B1, MemorySize::B2, MemorySize::B4, MemorySize::B8];

struct Generator {
    random: Random,
    builder: FunctionBuilder,
    isa: IsaVersion,
    context: Value,
    slots: Vec<(Slot, i32)>,
    /// Values that may be used here.
    pool: Vec<Value>,
    variables: Vec<Variable>,
    budget: usize,
    /// Counts the positions in the source.
    at: u32,
}

/// A function of about so many instructions, for an ISA version (older ones have fewer atomics).
pub(super) fn function(seed: u64, size: usize, isa: IsaVersion) -> Function {
    let mut random = Random(seed);
    let span = Span::new(SourceId::new(0), 0, 0);
    let mut builder = FunctionBuilder::new("random", span);
    let entry = builder.entry();
    let context = builder.append_param(entry, ValueType::Context);
    let pool = (0..random.below(5)).map(|_| builder.append_param(entry, ValueType::Int)).collect();
    let mut generator = Generator {
        random,
        builder,
        isa,
        context,
        slots: Vec::new(),
        pool,
        variables: Vec::new(),
        budget: size,
        at: 1,
    };
    generator.prologue();
    while generator.budget > 0 {
        generator.statements(0);
    }
    generator.epilogue();
    generator.builder.finish()
}

impl Generator {
    fn span(&mut self) -> Span {
        self.at += u32::from(self.random.below(3) != 0);
        Span::new(SourceId::new(0), self.at, self.at + 1)
    }

    fn prologue(&mut self) {
        for _ in 0..self.random.below(4) {
            let align = self.random.pick(&[1, 2, 4, 8]);
            let size = 8 * (1 + self.random.below(4) as u32) + self.random.pick(&[0, 0, align]);
            let slot = self.builder.create_slot(size, align);
            self.slots.push((slot, size as i32));
            let span = self.span();
            let address = self.builder.slot_address(slot, span);
            for offset in 0..size as i32 {
                let number = self.random.number() as i64;
                let value = self.builder.constant(number, span);
                self.builder.store(MemorySize::B1, address, offset, value, span);
            }
        }
        for _ in 0..self.random.below(6) {
            let variable = self.builder.declare_variable(ValueType::Int);
            let value = self.value();
            self.builder.def_var(variable, value);
            self.variables.push(variable);
        }
    }

    /// Everything that was made comes into the result, so that much is live for long.
    fn epilogue(&mut self) {
        let span = self.span();
        let mut values = self.pool.clone();
        if self.random.below(2) == 0 {
            values.truncate(3);
        }
        for variable in self.variables.clone() {
            values.push(self.builder.use_var(variable));
        }
        let mut sum = self.builder.constant(1, span);
        for value in values {
            let op = self.random.pick(&[ArithmeticOp::Add, ArithmeticOp::Xor, ArithmeticOp::Mul]);
            sum = self.builder.binary(op, sum, value, span);
        }
        self.builder.ret(sum, span);
    }

    fn value(&mut self) -> Value {
        if self.pool.is_empty() || self.random.below(4) == 0 {
            let span = self.span();
            let number = self.random.number() as i64;
            return self.builder.constant(number, span);
        }
        if !self.variables.is_empty() && self.random.below(4) == 0 {
            let variable = self.random.pick(&self.variables.clone());
            return self.builder.use_var(variable);
        }
        // Late values are more likely: most are short-lived.
        let back = self.random.below(self.pool.len()).min(self.random.below(self.pool.len()));
        self.pool[self.pool.len() - 1 - back]
    }

    fn statements(&mut self, depth: usize) {
        let count = 2 + self.random.below(12);
        for _ in 0..count {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            match self.random.below(20) {
                0..=7 => self.binary(),
                8..=10 => self.unary(),
                11..=12 => self.load(),
                13..=14 => self.store(),
                15 => self.atomic(),
                16 => self.call(),
                17 => {
                    let value = self.value();
                    if !self.variables.is_empty() {
                        let variable = self.random.pick(&self.variables.clone());
                        self.builder.def_var(variable, value);
                    }
                }
                18 if depth < 4 => self.conditional(depth),
                19 if depth < 3 => self.repeat(depth),
                _ => self.binary(),
            }
        }
    }

    fn binary(&mut self) {
        let op = self.random.pick(&BINARY);
        let (lhs, rhs) = (self.value(), self.value());
        let span = self.span();
        let width = self.random.pick(&[Width::W32, Width::W64]);
        let result = match width {
            Width::W32 => self.builder.binary32(op, lhs, rhs, span),
            Width::W64 => self.builder.binary(op, lhs, rhs, span),
        };
        self.pool.push(result);
    }

    fn unary(&mut self) {
        let op = self.random.pick(&UNARY);
        let value = self.value();
        let span = self.span();
        let result = self.builder.unary(op, value, span);
        self.pool.push(result);
    }

    /// An address with room for an access: a base and an offset, sometimes with part of the offset in a sum, sometimes
    /// with an index.
    fn address(&mut self, size: MemorySize) -> (Value, i32) {
        let span = self.span();
        let bytes = size.bytes() as i32;
        let (mut base, room) = if self.slots.is_empty() || self.random.below(2) == 0 {
            (self.context, CONTEXT_BYTES)
        } else {
            let (slot, room) = self.random.pick(&self.slots.clone());
            (self.builder.slot_address(slot, span), room)
        };
        let whole = room / 8 * 8;
        let mut offset = self.random.below((whole / bytes) as usize) as i32 * bytes;
        match self.random.below(4) {
            0 if base != self.context => {
                // Up to three words further on.
                let index = self.value();
                let mask = (whole - bytes - offset).clamp(0, 24) & !7;
                let index =
                    self.builder.binary_constant(ArithmeticOp::And, index, (mask & (mask + 8) | 8 & mask).into(), span);
                base = self.builder.binary(ArithmeticOp::Add, base, index, span);
            }
            1 => {
                let part = self.random.below(offset as usize + 1) as i32;
                base = self.builder.binary_constant(ArithmeticOp::Add, base, part.into(), span);
                offset -= part;
            }
            2 => {
                base = self.builder.binary_constant(ArithmeticOp::Sub, base, 8, span);
                offset += 8;
            }
            _ => {}
        }
        (base, offset)
    }

    fn is_aligned(&self, base: Value) -> bool {
        // Slots may begin anywhere; only the context is a multiple of 8.
        base == self.context || self.slots.is_empty()
    }

    fn load(&mut self) {
        let size = self.random.pick(&SIZES);
        let (base, offset) = self.address(size);
        let size = if self.aligned_enough(base) { size } else { MemorySize::B1 };
        let span = self.span();
        let result = if self.random.below(3) == 0 {
            self.builder.load_signed(size, base, offset, span)
        } else {
            self.builder.load(size, base, offset, span)
        };
        self.pool.push(result);
    }

    fn aligned_enough(&self, base: Value) -> bool {
        let function = self.builder.function();
        let mut base = base;
        while let Some(Op::Binary(_, _, lhs, _)) = function.defining_op(base) {
            base = *lhs;
        }
        match function.defining_op(base) {
            Some(Op::SlotAddress(slot)) => function.slots.at(*slot).align == 8,
            _ => self.is_aligned(base),
        }
    }

    fn store(&mut self) {
        let size = self.random.pick(&SIZES);
        let (base, offset) = self.address(size);
        let size = if self.aligned_enough(base) { size } else { MemorySize::B1 };
        let value = self.value();
        let span = self.span();
        self.builder.store(size, base, offset, value, span);
    }

    fn atomic(&mut self) {
        let size = self.random.pick(&[MemorySize::B4, MemorySize::B8]);
        let (base, offset) = self.address(size);
        let (base, offset) = if self.aligned_enough(base) { (base, offset) } else { (self.context, 16) };
        let value = self.value();
        let span = self.span();
        let op = self.random.pick(&[AtomicOp::Add, AtomicOp::And, AtomicOp::Or, AtomicOp::Xor, AtomicOp::Exchange]);
        if self.isa < IsaVersion::V3 {
            self.builder.atomic(AtomicOp::Add, size, base, offset, value, span);
        } else if self.random.below(4) == 0 {
            let expected =
                if self.random.below(2) == 0 { self.builder.load(size, base, offset, span) } else { self.value() };
            let old = self.builder.compare_exchange(size, base, offset, expected, value, span);
            self.pool.push(old);
        } else if self.random.below(2) == 0 {
            let old = self.builder.atomic_fetch(op, size, base, offset, value, span);
            self.pool.push(old);
        } else {
            self.builder.atomic(op, size, base, offset, value, span);
        }
    }

    fn call(&mut self) {
        let count = self.random.below(6);
        let arguments: Vec<Value> = (0..count).map(|_| self.value()).collect();
        let span = self.span();
        let result = if self.random.below(4) == 0 {
            self.builder.call_function(FunctionId::new(count), arguments, span)
        } else {
            let helper = HelperId(FIRST_HELPER + count as u32);
            self.builder.call_helper(helper, arguments, ValueType::Int, span)
        };
        if self.random.below(4) != 0 {
            self.pool.push(result);
        }
    }

    fn branch(&mut self, then: Block, otherwise: Block) {
        let (lhs, rhs) = (self.value(), self.value());
        let terminator = Terminator::Branch {
            condition: self.random.pick(&CONDITIONS),
            width: self.random.pick(&[Width::W32, Width::W64]),
            lhs,
            rhs,
            then: Target::new(then, Vec::new()),
            otherwise: Target::new(otherwise, Vec::new()),
        };
        let span = self.span();
        self.builder.terminate(terminator, span);
    }

    fn conditional(&mut self, depth: usize) {
        let [then, otherwise, join] = [(); 3].map(|()| self.builder.create_block());
        self.branch(then, if self.random.clone().below(3) == 0 { join } else { otherwise });
        let known = self.pool.len();
        for block in [then, otherwise] {
            self.builder.seal_block(block);
            self.builder.switch_to(block);
            self.statements(depth + 1);
            let span = self.span();
            if self.random.below(5) == 0 {
                let value = self.value();
                self.builder.ret(value, span);
            } else {
                self.builder.jump(join, &[], span);
            }
            self.pool.truncate(known);
        }
        self.builder.seal_block(join);
        self.builder.switch_to(join);
    }

    /// A loop that goes round a few times, with its test first or last.
    fn repeat(&mut self, depth: usize) {
        let counter = self.builder.declare_variable(ValueType::Int);
        let span = self.span();
        let start = self.builder.constant(0, span);
        self.builder.def_var(counter, start);
        let trips = 1 + self.random.below(4) as i64;
        let [head, body, done] = [(); 3].map(|()| self.builder.create_block());
        let test_first = self.random.below(2) == 0;
        self.builder.jump(if test_first { head } else { body }, &[], span);
        let known = self.pool.len();
        if test_first {
            self.builder.switch_to(head);
            let count = self.builder.use_var(counter);
            let limit = self.builder.constant(trips, span);
            self.builder.branch(Condition::Below, count, limit, (body, &[]), (done, &[]), span);
        }
        self.builder.switch_to(body);
        self.statements(depth + 1);
        let count = self.builder.use_var(counter);
        let next = self.builder.binary_constant(ArithmeticOp::Add, count, 1, span);
        self.builder.def_var(counter, next);
        if test_first {
            self.builder.jump(head, &[], span);
        } else {
            let limit = self.builder.constant(trips, span);
            self.builder.branch(Condition::Less, next, limit, (body, &[]), (done, &[]), span);
        }
        for block in [head, body, done] {
            self.builder.seal_block(block);
        }
        self.pool.truncate(known);
        self.builder.switch_to(done);
    }
}
