//! What is known of values at a block, because of the branches on the way to it.
//!
//! A block to which only one edge leads knows the outcome of that edge's test, and so does every block that it dominates.
//! With what operations say of their results, that often decides another test.
//!
//! What is known here the verifier knows, too: it has seen the same tests of the same values, and of operations only what
//! [`View::Verifier`] says is believed.

use std::collections::BTreeMap;

use super::known_bits::{View, known_bits};
use crate::ir::{Block, Cfg, Condition, Dominators, Function, Op, Terminator, Value, ValueType, Width, evaluate};

/// A comparison.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Test {
    pub(super) condition: Condition,
    pub(super) width: Width,
    pub(super) lhs: Value,
    pub(super) rhs: Value,
}

/// A comparison whose outcome is known.
pub(super) type Outcome = (Test, bool);

/// What all branches say.
pub(super) struct Facts<'a> {
    function: &'a Function,
    dominators: &'a Dominators,
    /// For each value that is compared: in which block, and all that it dominates, what is known.
    by_value: BTreeMap<Value, Vec<(Block, Outcome)>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(function: &'a Function, cfg: &Cfg, dominators: &'a Dominators) -> Self {
        let mut by_value: BTreeMap<Value, Vec<(Block, Outcome)>> = BTreeMap::new();
        for block in cfg.reverse_post_order() {
            let [before] = cfg.predecessors(*block) else { continue };
            let terminator = &function.blocks.at(*before).terminator;
            for (way, target) in terminator.targets().enumerate() {
                if target.block != *block {
                    continue;
                }
                let Some(outcome) = edge_outcome(terminator, way) else { continue };
                for value in [outcome.0.lhs, outcome.0.rhs] {
                    if function.constant(value).is_none() {
                        by_value.entry(value).or_default().push((*block, outcome));
                    }
                }
            }
        }
        Self { function, dominators, by_value }
    }

    /// Whether a test holds at the end of a block and, beyond that, after an edge out of it was taken that says `edge`;
    /// `None` where that is not known.
    pub(super) fn decide(&self, test: Test, block: Block, edge: Option<Outcome>) -> Option<bool> {
        let Test { condition, width, lhs, rhs } = test;
        if let (Some(lhs), Some(rhs)) = (self.function.constant(lhs), self.function.constant(rhs)) {
            return Some(evaluate::condition(condition, width, lhs.cast_unsigned(), rhs.cast_unsigned()));
        }
        if lhs == rhs {
            return match condition {
                Condition::Equal
                | Condition::BelowEqual
                | Condition::AboveEqual
                | Condition::LessEqual
                | Condition::GreaterEqual => Some(true),
                Condition::NotEqual | Condition::Below | Condition::Above | Condition::Less | Condition::Greater => {
                    Some(false)
                }
                Condition::BitsSet => None,
            };
        }
        self.by_order(test, block, edge)
            .or_else(|| self.by_packet_end(test, block, edge))
            .or_else(|| self.by_range(test, block, edge))
    }

    /// By tests of other bytes of the same packet: where bytes are in the packet, so are those before them.
    fn by_packet_end(&self, test: Test, block: Block, edge: Option<Outcome>) -> Option<bool> {
        let (pointer, end, inside) = bounds_check(self.function, test)?;
        let (base, offset) = self.function.address(pointer, 0);
        self.known_of(end, block, edge).find_map(|(known, holds)| {
            let (known_pointer, known_end, known_inside) = bounds_check(self.function, known)?;
            let (known_base, known_offset) = self.function.address(known_pointer, 0);
            if known_base != base || known_end != end {
                None
            } else if holds == known_inside {
                (offset <= known_offset).then_some(inside)
            } else {
                (offset >= known_offset).then_some(!inside)
            }
        })
    }

    fn known_of(&self, value: Value, block: Block, edge: Option<Outcome>) -> impl Iterator<Item = Outcome> {
        let facts = self.by_value.get(&value).into_iter().flatten();
        let here = facts.filter(move |(from, _)| self.dominators.dominates(*from, block)).map(|(_, outcome)| *outcome);
        here.chain(edge.filter(|(test, _)| test.lhs == value || test.rhs == value))
    }

    fn same(&self, one: Value, other: Value) -> bool {
        one == other || self.function.constant(one).is_some_and(|one| self.function.constant(other) == Some(one))
    }

    /// By tests of the same two words.
    fn by_order(&self, test: Test, block: Block, edge: Option<Outcome>) -> Option<bool> {
        let value = if self.function.constant(test.lhs).is_some() { test.rhs } else { test.lhs };
        let mut possible = Orders::ALL;
        for (known, holds) in self.known_of(value, block, edge) {
            if known.width != test.width {
                continue;
            }
            let straight = self.same(known.lhs, test.lhs) && self.same(known.rhs, test.rhs);
            let turned = self.same(known.lhs, test.rhs) && self.same(known.rhs, test.lhs);
            if !straight && !turned {
                continue;
            }
            if known.condition == Condition::BitsSet && test.condition == Condition::BitsSet {
                return Some(holds);
            }
            let condition = if straight { known.condition } else { turn(known.condition) };
            possible = possible.keep(condition, holds);
        }
        match (possible.keep(test.condition, true).is_empty(), possible.keep(test.condition, false).is_empty()) {
            (false, true) => Some(true),
            (true, false) => Some(false),
            _ => None,
        }
    }

    /// By how large the two words can be.
    fn by_range(&self, test: Test, block: Block, edge: Option<Outcome>) -> Option<bool> {
        let (lhs, rhs) = (self.range(test.lhs, block, edge), self.range(test.rhs, block, edge));
        if test.width == Width::W32 && lhs.high.max(rhs.high) > i32::MAX.cast_unsigned().into() {
            return None;
        }
        let unsigned = |less: bool, more: bool| {
            if less {
                Some(true)
            } else if more {
                Some(false)
            } else {
                None
            }
        };
        match test.condition {
            Condition::Equal | Condition::NotEqual => {
                let apart =
                    lhs.high < rhs.low || rhs.high < lhs.low || lhs.greatest < rhs.least || rhs.greatest < lhs.least;
                let one = lhs.low == lhs.high && lhs == rhs;
                let equal = if apart { Some(false) } else { one.then_some(true) };
                equal.map(|equal| equal == (test.condition == Condition::Equal))
            }
            Condition::Below => unsigned(lhs.high < rhs.low, lhs.low >= rhs.high),
            Condition::BelowEqual => unsigned(lhs.high <= rhs.low, lhs.low > rhs.high),
            Condition::Above => unsigned(lhs.low > rhs.high, lhs.high <= rhs.low),
            Condition::AboveEqual => unsigned(lhs.low >= rhs.high, lhs.high < rhs.low),
            Condition::Less => unsigned(lhs.greatest < rhs.least, lhs.least >= rhs.greatest),
            Condition::LessEqual => unsigned(lhs.greatest <= rhs.least, lhs.least > rhs.greatest),
            Condition::Greater => unsigned(lhs.least > rhs.greatest, lhs.greatest <= rhs.least),
            Condition::GreaterEqual => unsigned(lhs.least >= rhs.greatest, lhs.greatest < rhs.least),
            Condition::BitsSet => {
                let [lhs, rhs] = [test.lhs, test.rhs].map(|value| known_bits(self.function, value, View::Verifier));
                if lhs.zeros | rhs.zeros == u64::MAX { Some(false) } else { (lhs.ones & rhs.ones != 0).then_some(true) }
            }
        }
    }

    /// How large a word can be in a block.
    fn range(&self, value: Value, block: Block, edge: Option<Outcome>) -> Range {
        let mut range = Range::ALL;
        if self.function.value_type(value) == ValueType::Int {
            let bits = known_bits(self.function, value, View::Verifier);
            range.between(bits.minimum(), bits.maximum());
        } else if self.is_present(value) {
            range.between(1, u64::MAX);
        }
        for (test, holds) in self.known_of(value, block, edge) {
            let straight = test.lhs == value;
            let other = if straight { test.rhs } else { test.lhs };
            let Some(number) = self.function.constant(other) else { continue };
            let condition = if straight { test.condition } else { turn(test.condition) };
            // Before Linux 6.8 the verifier learns nothing from a number, other than a pointer, not being another.
            let differ = matches!((condition, holds), (Condition::Equal, false) | (Condition::NotEqual, true));
            if differ && self.function.value_type(value) == ValueType::Int {
                continue;
            }
            let wide = test.width == Width::W64;
            if wide || range.high.max(number.cast_unsigned()) <= i32::MAX.cast_unsigned().into() {
                range.keep(condition, holds, number);
            }
        }
        range
    }

    /// Whether a pointer is never null because of what makes it.
    fn is_present(&self, value: Value) -> bool {
        match self.function.defining_op(value) {
            Some(
                Op::Binary(..) | Op::SlotAddress(_) | Op::Map(_) | Op::FunctionAddress(_) | Op::GlobalAddress { .. },
            ) => true,
            Some(Op::Load { .. }) => {
                matches!(self.function.value_type(value), ValueType::Packet | ValueType::PacketEnd)
            }
            _ => self.function.value_type(value) == ValueType::Context,
        }
    }
}

/// The pointer and the packet's end that are compared, and which outcome says that the pointer is not beyond the end.
pub(super) fn bounds_check(function: &Function, test: Test) -> Option<(Value, Value, bool)> {
    let (condition, pointer, end) = match function.value_type(test.rhs) {
        ValueType::PacketEnd => (test.condition, test.lhs, test.rhs),
        _ => (turn(test.condition), test.rhs, test.lhs),
    };
    let types = (function.value_type(pointer), function.value_type(end));
    match (types, condition, test.width) {
        ((ValueType::Packet, ValueType::PacketEnd), Condition::Above, Width::W64) => Some((pointer, end, false)),
        ((ValueType::Packet, ValueType::PacketEnd), Condition::BelowEqual, Width::W64) => Some((pointer, end, true)),
        _ => None,
    }
}

/// What taking the first (0) or second (1) way out of a block says.
pub(super) fn edge_outcome(terminator: &Terminator, way: usize) -> Option<Outcome> {
    match terminator {
        Terminator::Branch { condition, width, lhs, rhs, .. } => {
            let test = Test { condition: *condition, width: *width, lhs: *lhs, rhs: *rhs };
            Some((test, way == 0))
        }
        _ => None,
    }
}

/// The condition for the operands exchanged.
pub(super) fn turn(condition: Condition) -> Condition {
    match condition {
        Condition::Below => Condition::Above,
        Condition::BelowEqual => Condition::AboveEqual,
        Condition::Above => Condition::Below,
        Condition::AboveEqual => Condition::BelowEqual,
        Condition::Less => Condition::Greater,
        Condition::LessEqual => Condition::GreaterEqual,
        Condition::Greater => Condition::Less,
        Condition::GreaterEqual => Condition::LessEqual,
        Condition::Equal | Condition::NotEqual | Condition::BitsSet => condition,
    }
}

/// How two words can lie to each other: equal, or one of unsigned less or more with one of signed less or more.
#[derive(Copy, Clone)]
struct Orders(u8);

impl Orders {
    const ALL: Self = Self(0b1_1111);

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those for which a condition holds or not. `BitsSet` says only that the words are not both 0.
    fn keep(self, condition: Condition, holds: bool) -> Self {
        const EQUAL: u8 = 1;
        // Bits 1 to 4: (unsigned less, signed less), (less, more), (more, less), (more, more).
        const BELOW: u8 = 0b0_0110;
        const ABOVE: u8 = 0b1_1000;
        const LESS: u8 = 0b0_1010;
        const GREATER: u8 = 0b1_0100;
        let set = match condition {
            Condition::Equal => EQUAL,
            Condition::NotEqual => !EQUAL,
            Condition::Below => BELOW,
            Condition::BelowEqual => BELOW | EQUAL,
            Condition::Above => ABOVE,
            Condition::AboveEqual => ABOVE | EQUAL,
            Condition::Less => LESS,
            Condition::LessEqual => LESS | EQUAL,
            Condition::Greater => GREATER,
            Condition::GreaterEqual => GREATER | EQUAL,
            Condition::BitsSet => return self,
        };
        Self(self.0 & if holds { set } else { !set })
    }
}

/// How large a word can be, as an unsigned and as a signed number.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Range {
    low: u64,
    high: u64,
    least: i64,
    greatest: i64,
}

impl Range {
    const ALL: Self = Self { low: 0, high: u64::MAX, least: i64::MIN, greatest: i64::MAX };

    /// Neither less nor more than these.
    fn between(&mut self, low: u64, high: u64) {
        self.low = self.low.max(low);
        self.high = self.high.min(high);
        self.align();
    }

    fn between_signed(&mut self, least: i64, greatest: i64) {
        self.least = self.least.max(least);
        self.greatest = self.greatest.min(greatest);
        self.align();
    }

    /// Lets the unsigned and the signed bounds learn from each other.
    fn align(&mut self) {
        if self.low.cast_signed() >= 0 && self.high.cast_signed() >= 0 {
            self.least = self.least.max(self.low.cast_signed());
            self.greatest = self.greatest.min(self.high.cast_signed());
        }
        if self.least >= 0 {
            self.low = self.low.max(self.least.cast_unsigned());
            self.high = self.high.min(self.greatest.cast_unsigned());
        }
    }

    /// Only what satisfies a condition, or does not, against a number. A range without any number, which only happens
    /// where no run comes, stays as it is.
    fn keep(&mut self, condition: Condition, holds: bool, number: i64) {
        let mut kept = *self;
        kept.keep_any(condition, holds, number);
        if kept.low <= kept.high && kept.least <= kept.greatest {
            *self = kept;
        }
    }

    fn keep_any(&mut self, condition: Condition, holds: bool, number: i64) {
        let bits = number.cast_unsigned();
        match (condition, holds) {
            (Condition::Equal, true) | (Condition::NotEqual, false) => {
                self.between(bits, bits);
                self.between_signed(number, number);
            }
            (Condition::Equal, false) | (Condition::NotEqual, true) if number == 0 => self.except_zero(),
            (Condition::Equal, false) | (Condition::NotEqual, true) => {}
            (Condition::Below, true) | (Condition::AboveEqual, false) => {
                if let Some(high) = bits.checked_sub(1) {
                    self.between(0, high);
                }
            }
            (Condition::BelowEqual, true) | (Condition::Above, false) => self.between(0, bits),
            (Condition::Above, true) | (Condition::BelowEqual, false) => {
                if let Some(low) = bits.checked_add(1) {
                    self.between(low, u64::MAX);
                }
            }
            (Condition::AboveEqual, true) | (Condition::Below, false) => self.between(bits, u64::MAX),
            (Condition::Less, true) | (Condition::GreaterEqual, false) => {
                if let Some(greatest) = number.checked_sub(1) {
                    self.between_signed(i64::MIN, greatest);
                }
            }
            (Condition::LessEqual, true) | (Condition::Greater, false) => self.between_signed(i64::MIN, number),
            (Condition::Greater, true) | (Condition::LessEqual, false) => {
                if let Some(least) = number.checked_add(1) {
                    self.between_signed(least, i64::MAX);
                }
            }
            (Condition::GreaterEqual, true) | (Condition::Less, false) => self.between_signed(number, i64::MAX),
            (Condition::BitsSet, _) => {}
        }
    }

    fn except_zero(&mut self) {
        if self.low == 0 {
            self.between(1, self.high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever satisfies two comparisons with numbers stays in the range that is left, which is no wider than it need be.
    #[test]
    fn ranges_keep_what_satisfies_the_comparisons() {
        let conditions = [
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
        ];
        let numbers = [i64::MIN, i64::MIN + 1, -2, -1, 0, 1, 2, 5, i64::MAX - 1, i64::MAX];
        let tests: Vec<(Condition, bool, i64)> = conditions
            .iter()
            .flat_map(|condition| [true, false].map(|holds| (*condition, holds)))
            .flat_map(|(condition, holds)| numbers.map(|number| (condition, holds, number)))
            .collect();
        let satisfies = |word: i64, (condition, holds, number): (Condition, bool, i64)| {
            evaluate::condition(condition, Width::W64, word as u64, number as u64) == holds
        };
        for one in &tests {
            for other in &tests {
                let mut range = Range::ALL;
                range.keep(one.0, one.1, one.2);
                range.keep(other.0, other.1, other.2);
                let words = numbers.iter().flat_map(|number| [-1, 0, 1].map(|by| number.saturating_add(by)));
                let mut left = words.filter(|word| satisfies(*word, *one) && satisfies(*word, *other)).peekable();
                if left.peek().is_none() {
                    continue;
                }
                for word in left {
                    let inside = (range.low..=range.high).contains(&(word as u64))
                        && (range.least..=range.greatest).contains(&word);
                    assert!(inside, "{word} satisfies {one:?} and {other:?}");
                }
            }
        }
        let mut range = Range::ALL;
        range.keep(Condition::Below, true, 10);
        range.keep(Condition::Greater, true, 3);
        assert_eq!((range.low, range.high, range.least, range.greatest), (4, 9, 4, 9));
    }
}
