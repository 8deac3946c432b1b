//! Random functions for tests, of the shapes that lowering makes: mutable variables, optional headers, booleans made as
//! numbers, loops, memory of every region, helpers.

use crate::arena::Id as _;
use crate::ir::interpret::mix;
use crate::ir::{
    ArithmeticOp, AtomicOp, Condition, Function, FunctionBuilder, GlobalId, GlobalSection, MapId, MemorySize, Slot,
    Target, Terminator, UnaryOp, Value, ValueType, Variable, Width,
};
use crate::kernel::HelperId;
use crate::source::{SourceId, Span};

const OPS: [ArithmeticOp; 13] = [
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

const UNARIES: [UnaryOp; 14] = [
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

const CONSTANTS: [i64; 20] = [
    0,
    0,
    1,
    1,
    -1,
    2,
    3,
    7,
    8,
    16,
    63,
    0xff,
    0x800,
    0xffff,
    0x1_0000,
    0xffff_ffff,
    -8,
    i64::MIN,
    i64::MAX,
    0x1234_5678_9abc_def0,
];

const SIZES: [MemorySize; 4] = [MemorySize::B1, MemorySize::B2, MemorySize::B4, MemorySize::B8];

/// A function of (context, int, int, map value); the same for the same seed.
pub(super) fn generate(seed: u64) -> Function {
    let span = Span::new(SourceId::new(0), 0, 0);
    let mut b = FunctionBuilder::new(format!("random_{seed}"), span);
    let entry = b.entry();
    let context = b.append_param(entry, ValueType::Context);
    let numbers = [b.append_param(entry, ValueType::Int), b.append_param(entry, ValueType::Int)];
    let map_value = b.append_param(entry, ValueType::MapValue);
    let slots = (0..3).map(|_| b.create_slot(16, 8)).collect();
    let variables: Vec<Variable> = (0..3).map(|_| b.declare_variable(ValueType::Int)).collect();
    for (variable, value) in variables.iter().zip(numbers.into_iter().cycle()) {
        b.def_var(*variable, value);
    }
    let mut generator = Generator {
        b,
        random: mix(seed),
        span,
        context,
        pointers: vec![map_value],
        numbers: numbers.to_vec(),
        variables,
        slots,
        last_place: None,
        last_compared: None,
        size: 0,
    };
    generator.statements(0);
    let mut result = generator.number(0);
    for variable in generator.variables.clone() {
        let value = generator.b.use_var(variable);
        result = generator.b.binary(ArithmeticOp::Xor, result, value, span);
    }
    generator.b.ret(result, span);
    generator.b.finish()
}

struct Generator {
    b: FunctionBuilder,
    random: u64,
    span: Span,
    context: Value,
    /// Pointers in scope, with 16 bytes behind them, other than to the stack.
    pointers: Vec<Value>,
    /// Numbers in scope.
    numbers: Vec<Value>,
    variables: Vec<Variable>,
    slots: Vec<Slot>,
    /// The last place in memory that was accessed, if it is still in scope.
    last_place: Option<(Value, i32)>,
    /// What was compared last, if it is still in scope.
    last_compared: Option<(Value, Value)>,
    size: u32,
}

impl Generator {
    fn below(&mut self, bound: usize) -> usize {
        self.random = mix(self.random);
        (self.random >> 16) as usize % bound
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn constant(&mut self) -> Value {
        let number = self.of(&CONSTANTS);
        self.b.constant(number, self.span)
    }

    fn width(&mut self) -> Width {
        if self.below(4) == 0 { Width::W32 } else { Width::W64 }
    }

    /// A number, not kept in scope.
    fn number(&mut self, depth: usize) -> Value {
        self.size += 1;
        let choice = if depth > 3 { self.below(4) } else { self.below(14) };
        match choice {
            0 => self.constant(),
            1 | 2 => {
                let numbers = self.numbers.clone();
                self.of(&numbers)
            }
            3 => {
                let variables = self.variables.clone();
                let variable = self.of(&variables);
                self.b.use_var(variable)
            }
            4..=6 => {
                let (op, width) = (self.of(&OPS), self.width());
                let (lhs, rhs) = (self.number(depth + 1), self.number(depth + 1));
                match width {
                    Width::W64 => self.b.binary(op, lhs, rhs, self.span),
                    Width::W32 => self.b.binary32(op, lhs, rhs, self.span),
                }
            }
            7 | 8 => {
                let op = self.of(&OPS);
                let lhs = self.number(depth + 1);
                let rhs = self.constant();
                if self.below(4) == 0 {
                    self.b.binary32(op, lhs, rhs, self.span)
                } else {
                    self.b.binary(op, lhs, rhs, self.span)
                }
            }
            9 if self.below(3) == 0 => {
                // The same amount one way and the other.
                let (value, amount) = (self.number(depth + 1), self.constant());
                let shifts = [ArithmeticOp::Shl, ArithmeticOp::LShr, ArithmeticOp::AShr];
                let (one, other) = (self.of(&shifts), self.of(&shifts));
                let shifted = self.b.binary(one, value, amount, self.span);
                self.b.binary(other, shifted, amount, self.span)
            }
            9 | 10 => {
                let op = self.of(&UNARIES);
                let value = self.number(depth + 1);
                self.b.unary(op, value, self.span)
            }
            11 | 12 => {
                let (base, offset, size) = self.place();
                if self.below(4) == 0 {
                    self.b.load_signed(size, base, offset, self.span)
                } else {
                    self.b.load(size, base, offset, self.span)
                }
            }
            _ => self.boolean(depth + 1),
        }
    }

    /// 0 or 1, by way of a block parameter.
    fn boolean(&mut self, depth: usize) -> Value {
        let join = self.b.create_block();
        let result = self.b.append_param(join, ValueType::Int);
        let (yes, no) = (self.b.constant(1, self.span), self.b.constant(0, self.span));
        let other = self.b.create_block();
        self.branch(depth, (join, &[yes]), (other, &[]));
        let before = (self.last_place, self.last_compared);
        self.b.seal_block(other);
        self.b.switch_to(other);
        if self.below(2) == 0 {
            self.branch(depth, (join, &[yes]), (join, &[no]));
        } else {
            self.b.jump(join, &[no], self.span);
        }
        (self.last_place, self.last_compared) = before;
        self.b.seal_block(join);
        self.b.switch_to(join);
        result
    }

    fn branch(&mut self, depth: usize, then: (crate::ir::Block, &[Value]), otherwise: (crate::ir::Block, &[Value])) {
        let (lhs, rhs) = match (self.below(4), self.last_compared) {
            // The same once more, or nearly.
            (0, Some(compared)) => compared,
            (1, Some((lhs, _))) => {
                let number = self.below(9) as i64;
                (lhs, self.b.constant(number, self.span))
            }
            (2, _) => self.masked(depth),
            _ => {
                let lhs = self.number(depth + 1);
                let rhs = if self.below(3) == 0 { self.number(depth + 2) } else { self.constant() };
                (lhs, rhs)
            }
        };
        self.last_compared = Some((lhs, rhs));
        let (condition, width) = (self.of(&CONDITIONS), self.width());
        let target = |(block, arguments): (crate::ir::Block, &[Value])| Target::new(block, arguments.to_vec());
        let (then, otherwise) = (target(then), target(otherwise));
        self.b.terminate(Terminator::Branch { condition, width, lhs, rhs, then, otherwise }, self.span);
    }

    /// Some bits of a number, perhaps in the other byte order, and a number to compare them with.
    fn masked(&mut self, depth: usize) -> (Value, Value) {
        let mut value = self.number(depth + 1);
        if self.below(2) == 0 {
            let op = self.of(&UNARIES);
            value = self.b.unary(op, value, self.span);
        }
        if self.below(8) == 0 {
            let slot = self.b.create_slot(8, 8);
            let zero = self.b.hidden_zero(slot, self.span);
            value = self.b.hide(value, zero, self.span);
        }
        let mask = CONSTANTS[self.below(CONSTANTS.len())] | 1 << self.below(17);
        let bits = self.b.binary_constant(ArithmeticOp::And, value, mask, self.span);
        let number = match self.below(3) {
            0 => 0,
            1 => mask,
            _ => mask & self.below(1 << 17) as i64,
        };
        (bits, self.b.constant(number, self.span))
    }

    /// Somewhere to load from or store to.
    fn place(&mut self) -> (Value, i32, MemorySize) {
        let size = self.of(&SIZES);
        let bytes = size.bytes() as usize;
        let offset = (self.below(16 / bytes) * bytes) as i32;
        if let Some((base, last)) = self.last_place
            && self.below(2) == 0
        {
            return (base, last / bytes as i32 * bytes as i32, size);
        }
        let slot = self.slot();
        let (base, offset) = self.new_place(slot, offset);
        self.last_place = Some((base, offset));
        (base, offset, size)
    }

    fn new_place(&mut self, slot: Value, offset: i32) -> (Value, i32) {
        match self.below(8) {
            0..=2 => {
                let pointers = self.pointers.clone();
                (self.of(&pointers), offset)
            }
            3 | 4 => (slot, offset),
            5 => {
                // Half of the slot, by a number only known when it runs.
                let (number, eight) = (self.number(3), self.b.constant(8, self.span));
                let index = self.b.binary(ArithmeticOp::And, number, eight, self.span);
                let base = self.b.binary(ArithmeticOp::Add, slot, index, self.span);
                (base, offset & 7)
            }
            6 => {
                let base = self.b.binary_constant(ArithmeticOp::Add, slot, 8, self.span);
                (base, (offset & 7) - 8 * (self.below(2) as i32))
            }
            _ => {
                let start = self.below(2) as u32 * 8;
                let base = self.b.global_address(GlobalSection::Data(GlobalId::new(0)), start, self.span);
                (base, offset)
            }
        }
    }

    fn slot(&mut self) -> Value {
        let slots = self.slots.clone();
        let slot = self.of(&slots);
        self.b.slot_address(slot, self.span)
    }

    fn statements(&mut self, depth: usize) {
        let (numbers, pointers) = (self.numbers.len(), self.pointers.len());
        for _ in 0..2 + self.below(5) {
            if self.size < 150 {
                self.statement(depth);
            }
        }
        self.numbers.truncate(numbers);
        self.pointers.truncate(pointers);
        (self.last_place, self.last_compared) = (None, None);
    }

    fn statement(&mut self, depth: usize) {
        let nested = depth < 4;
        match self.below(16) {
            0 | 1 => {
                let value = self.number(0);
                self.numbers.push(value);
            }
            2 | 3 => {
                let value = self.number(0);
                let variables = self.variables.clone();
                let variable = self.of(&variables);
                self.b.def_var(variable, value);
            }
            4..=6 => {
                let value = self.number(1);
                let (base, offset, size) = self.place();
                self.b.store(size, base, offset, value, self.span);
            }
            7 => self.atomic(),
            8 | 9 => self.call(),
            10 | 11 if nested => {
                let (then, otherwise) = (self.b.create_block(), self.b.create_block());
                self.branch(0, (then, &[]), (otherwise, &[]));
                self.both(depth, then, otherwise, false);
            }
            12 if nested => self.repeat(depth),
            13 if nested => self.headers(),
            14 if nested => self.optional(depth),
            15 if nested => {
                let (out, on) = (self.b.create_block(), self.b.create_block());
                self.branch(1, (out, &[]), (on, &[]));
                self.b.seal_block(out);
                self.b.seal_block(on);
                let before = (self.last_place, self.last_compared);
                self.b.switch_to(out);
                let value = self.number(2);
                self.b.ret(value, self.span);
                (self.last_place, self.last_compared) = before;
                self.b.switch_to(on);
            }
            _ => {}
        }
    }

    /// Fills two blocks and lets them meet; `then` has one more pointer, the last, in scope.
    fn both(&mut self, depth: usize, then: crate::ir::Block, otherwise: crate::ir::Block, pointer: bool) {
        let join = self.b.create_block();
        self.b.seal_block(then);
        self.b.seal_block(otherwise);
        let (random, compared) = (self.random, self.last_compared);
        self.b.switch_to(then);
        self.statements(depth + 1);
        self.b.jump(join, &[], self.span);
        if pointer {
            self.pointers.pop();
        }
        self.last_compared = compared;
        self.b.switch_to(otherwise);
        match self.below(6) {
            0 | 1 => self.statements(depth + 1),
            2 => {
                // Often the very same.
                self.random = random;
                self.statements(depth + 1);
            }
            _ => {}
        }
        self.b.jump(join, &[], self.span);
        self.b.seal_block(join);
        self.b.switch_to(join);
    }

    /// A loop of a few rounds.
    fn repeat(&mut self, depth: usize) {
        let counter = self.b.declare_variable(ValueType::Int);
        let zero = self.b.constant(0, self.span);
        self.b.def_var(counter, zero);
        let (head, body, end) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.jump(head, &[], self.span);
        self.b.switch_to(head);
        let (now, bound) = (self.b.use_var(counter), self.b.constant(3, self.span));
        self.b.branch(Condition::Below, now, bound, (body, &[]), (end, &[]), self.span);
        self.b.seal_block(body);
        self.b.seal_block(end);
        self.b.switch_to(body);
        self.numbers.push(now);
        self.statements(depth + 1);
        self.numbers.pop();
        let now = self.b.use_var(counter);
        let next = self.b.binary_constant(ArithmeticOp::Add, now, 1, self.span);
        self.b.def_var(counter, next);
        self.b.jump(head, &[], self.span);
        self.b.seal_block(head);
        self.b.switch_to(end);
    }

    /// A header or a map value that may not be there, and, a little later, its test.
    fn optional(&mut self, depth: usize) {
        let (ty, found) = if self.below(2) == 0 {
            (ValueType::Packet, self.parse())
        } else {
            let key = self.slot();
            let map = self.b.map(MapId::new(0), self.span);
            (ValueType::MapValue, self.b.call_helper(HelperId(1), vec![map, key], ValueType::MapValue, self.span))
        };
        let pointer = if self.below(2) == 0 {
            found
        } else {
            let join = self.b.create_block();
            let param = self.b.append_param(join, ty);
            let null = self.b.null(ty, self.span);
            self.branch(2, (join, &[found]), (join, &[null]));
            self.b.seal_block(join);
            self.b.switch_to(join);
            param
        };
        if self.below(3) == 0 {
            self.statement(9);
        }
        let zero = if self.below(2) == 0 { self.b.constant(0, self.span) } else { self.b.null(ty, self.span) };
        let (then, otherwise) = (self.b.create_block(), self.b.create_block());
        if self.below(2) == 0 {
            self.b.branch(Condition::Equal, pointer, zero, (otherwise, &[]), (then, &[]), self.span);
        } else {
            self.b.branch(Condition::NotEqual, pointer, zero, (then, &[]), (otherwise, &[]), self.span);
        }
        self.pointers.push(pointer);
        self.both(depth, then, otherwise, true);
    }

    fn parse(&mut self) -> Value {
        let start = self.b.load_as(ValueType::Packet, MemorySize::B4, self.context, 0, self.span);
        let end = self.b.load_as(ValueType::PacketEnd, MemorySize::B4, self.context, 4, self.span);
        let start = self.later(start);
        let after = self.b.binary_constant(ArithmeticOp::Add, start, 16, self.span);
        let join = self.b.create_block();
        let param = self.b.append_param(join, ValueType::Packet);
        let null = self.b.null(ValueType::Packet, self.span);
        self.b.branch(Condition::Above, after, end, (join, &[null]), (join, &[start]), self.span);
        self.b.seal_block(join);
        self.b.switch_to(join);
        param
    }

    /// The same place in the packet, or one a little behind it.
    fn later(&mut self, start: Value) -> Value {
        let start =
            if self.below(2) == 0 { start } else { self.b.binary_constant(ArithmeticOp::Add, start, 8, self.span) };
        if self.below(3) > 0 {
            return start;
        }
        let number = self.number(3);
        let number = self.b.binary_constant(ArithmeticOp::And, number, 12, self.span);
        self.b.binary(ArithmeticOp::Add, start, number, self.span)
    }

    /// Headers one after the other; what fails on the way ends the same, mostly.
    fn headers(&mut self) {
        let mut start = self.b.load_as(ValueType::Packet, MemorySize::B4, self.context, 0, self.span);
        let end = self.b.load_as(ValueType::PacketEnd, MemorySize::B4, self.context, 4, self.span);
        let (out, numbers) = (self.b.create_block(), self.numbers.len());
        let before = (self.last_place, self.last_compared);
        for length in [8, 16, 24].into_iter().take(1 + self.below(3)) {
            let after = self.b.binary_constant(ArithmeticOp::Add, start, length, self.span);
            let next = self.b.create_block();
            if self.below(2) == 0 {
                self.b.branch(Condition::Above, after, end, (out, &[]), (next, &[]), self.span);
            } else {
                self.b.branch(Condition::BelowEqual, after, end, (next, &[]), (out, &[]), self.span);
            }
            self.b.seal_block(next);
            self.b.switch_to(next);
            let field = self.b.load(MemorySize::B2, start, length as i32 - 2, self.span);
            self.numbers.push(field);
            match self.below(4) {
                0 => start = self.later(start),
                1 => self.b.store(MemorySize::B2, start, 0, field, self.span),
                _ => {
                    let next = self.b.create_block();
                    self.branch(2, (next, &[]), (out, &[]));
                    self.b.seal_block(next);
                    self.b.switch_to(next);
                }
            }
        }
        self.statement(9);
        self.b.jump(out, &[], self.span);
        self.numbers.truncate(numbers);
        (self.last_place, self.last_compared) = before;
        self.b.seal_block(out);
        self.b.switch_to(out);
    }

    fn atomic(&mut self) {
        let value = self.number(2);
        let ops = [AtomicOp::Add, AtomicOp::And, AtomicOp::Or, AtomicOp::Xor, AtomicOp::Exchange];
        let (op, size) = (self.of(&ops), self.of(&SIZES[2..]));
        let base = if self.below(2) == 0 { self.slot() } else { self.pointers[0] };
        match self.below(3) {
            0 => self.b.atomic(op, size, base, 0, value, self.span),
            1 => {
                let old = self.b.atomic_fetch(op, size, base, 8, value, self.span);
                self.numbers.push(old);
            }
            _ => {
                let expected = self.number(2);
                let old = self.b.compare_exchange(size, base, 0, expected, value, self.span);
                self.numbers.push(old);
            }
        }
    }

    fn call(&mut self) {
        let (slot, other) = (self.slot(), self.slot());
        let number = self.number(2);
        let (helper, arguments) = match self.below(6) {
            0 => (5, vec![]),
            1 => (44, vec![self.context, number]),
            2 => {
                let map = self.b.map(MapId::new(1), self.span);
                (2, vec![map, slot, other, number])
            }
            3 => (9999, vec![slot, number]),
            4 => {
                let eight = self.b.constant(8, self.span);
                (113, vec![slot, eight, number])
            }
            _ => {
                let result = self.b.call_function(crate::ir::FunctionId::new(0), vec![number, slot], self.span);
                self.numbers.push(result);
                return;
            }
        };
        let result = self.b.call_helper(HelperId(helper), arguments, ValueType::Int, self.span);
        self.numbers.push(result);
    }
}
