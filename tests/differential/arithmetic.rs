//! Integers, told apart from the checker: expressions whose meaning is computed here, from what the language says of numbers
//! and nothing else, compared with what the evaluator makes of the typed tree. What the checker folds, narrows and decides
//! from ranges is judged by this.
//!
//! A number is 64 bits and whether it is signed. Arithmetic wraps; with a signed side it is signed; a literal takes the
//! other side's type.

use eshkol_core::check::typed::Unit;
use eshkol_core::evaluate::{self, Input, World};
use eshkol_core::expand::NoIncludes;
use eshkol_core::source::Sources;
use eshkol_core::{Architecture, Endianness, compile};

use crate::choices::{Choices, Random, shrink};

/// A number as the language has it.
#[derive(Copy, Clone, Debug)]
struct Number {
    bits: u64,
    signed: bool,
}

#[derive(Copy, Clone, Debug)]
enum Binary {
    Add,
    Subtract,
    Multiply,
    And,
    Or,
    Xor,
    Quotient,
    Remainder,
    Modulo,
    Minimum,
    Maximum,
}

#[derive(Clone, Debug)]
enum Int {
    /// A field of the packet, by its position.
    Field(usize),
    /// A name bound by [`Int::Let`], by the number of names bound before it.
    Name(usize),
    Binary(Binary, Box<Int>, Box<Int>),
    /// With a literal, on the right.
    Literal(Binary, Box<Int>, i64),
    The(usize, Box<Int>),
    If(Box<Test>, Box<Int>, Box<Int>),
    Let(Box<Int>, Box<Int>),
    Absolute(Box<Int>),
    Not(Box<Int>),
    BitCount(Box<Int>),
    /// By a constant.
    Shift(Box<Int>, i64),
    /// By the second number's lowest bits, this many below 0.
    ShiftBy(Box<Int>, Box<Int>, i64),
}

#[derive(Clone, Debug)]
enum Test {
    Compare(usize, Int, Int),
    Literal(usize, Int, i64),
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

/// An integer type: its name, bits, and whether it is signed.
pub(crate) type Integer = (&'static str, u32, bool);

pub(crate) const TYPES: [Integer; 8] = [
    ("u64", 64, false),
    ("u32", 32, false),
    ("u16", 16, false),
    ("u8", 8, false),
    ("i64", 64, true),
    ("i32", 32, true),
    ("i16", 16, true),
    ("i8", 8, true),
];

const COMPARISONS: [&str; 5] = ["=", "<", ">", "<=", ">="];

/// Bytes of the fields, one of each type.
const INPUT: usize = 30;

struct Writer<'c> {
    choices: &'c mut Choices,
    names: usize,
}

impl Writer<'_> {
    fn int(&mut self, depth: usize) -> Int {
        let part = self.choices.begin();
        let way = if depth == 0 { 0 } else { self.choices.below(16) };
        let inner = depth.saturating_sub(1);
        let int = match way {
            0 | 1 => self.leaf(),
            2..=4 => Int::Binary(self.binary(), Box::new(self.int(inner)), Box::new(self.int(inner))),
            5 | 6 => Int::Literal(self.binary(), Box::new(self.int(inner)), self.literal()),
            7 => Int::The(self.choices.below(8), Box::new(self.int(inner))),
            8 | 9 => Int::If(Box::new(self.test(inner)), Box::new(self.int(inner)), Box::new(self.int(inner))),
            10 | 11 => {
                let value = self.int(inner);
                self.names += 1;
                let body = self.int(inner);
                self.names -= 1;
                Int::Let(Box::new(value), Box::new(body))
            }
            12 => match self.choices.below(3) {
                0 => Int::Absolute(Box::new(self.int(inner))),
                1 => Int::Not(Box::new(self.int(inner))),
                _ => Int::BitCount(Box::new(self.int(inner))),
            },
            13 => Int::Shift(Box::new(self.int(inner)), [1, -1, 8, -8, 32, -32, 63, -63][self.choices.below(8)]),
            14 => {
                Int::ShiftBy(Box::new(self.int(inner)), Box::new(self.int(inner)), [0, 32, 63][self.choices.below(3)])
            }
            _ => self.leaf(),
        };
        self.choices.end(part);
        int
    }

    fn leaf(&mut self) -> Int {
        match self.names {
            0 => Int::Field(self.choices.below(8)),
            names => match self.choices.below(3) {
                0 => Int::Field(self.choices.below(8)),
                _ => Int::Name(names - 1 - self.choices.below(names)),
            },
        }
    }

    fn binary(&mut self) -> Binary {
        use Binary::{Add, And, Maximum, Minimum, Modulo, Multiply, Or, Quotient, Remainder, Subtract, Xor};
        [Add, Subtract, Multiply, And, Or, Xor, Quotient, Remainder, Modulo, Minimum, Maximum][self.choices.below(11)]
    }

    /// Never negative where it takes the type of something unsigned, since that is refused in comparisons.
    fn literal(&mut self) -> i64 {
        [1, 2, 3, 7, 8, 64, 100, 127, 128, 255, 256, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, i64::MAX]
            [self.choices.below(17)]
    }

    fn test(&mut self, depth: usize) -> Test {
        let part = self.choices.begin();
        let way = if depth == 0 { 0 } else { self.choices.below(8) };
        let inner = depth.saturating_sub(1);
        let test = match way {
            0..=2 => Test::Literal(self.choices.below(5), self.int(inner), self.literal()),
            3 | 4 => Test::Compare(self.choices.below(5), self.int(inner), self.int(inner)),
            5 => Test::Not(Box::new(self.test(inner))),
            6 => Test::And(Box::new(self.test(inner)), Box::new(self.test(inner))),
            _ => Test::Or(Box::new(self.test(inner)), Box::new(self.test(inner))),
        };
        self.choices.end(part);
        test
    }
}

impl Binary {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::And => "bitwise-and",
            Self::Or => "bitwise-ior",
            Self::Xor => "bitwise-xor",
            Self::Quotient => "quotient",
            Self::Remainder => "remainder",
            Self::Modulo => "modulo",
            Self::Minimum => "min",
            Self::Maximum => "max",
        }
    }

    fn divides(self) -> bool {
        matches!(self, Self::Quotient | Self::Remainder | Self::Modulo)
    }

    fn of(self, a: Number, b: Number, signed: bool) -> Number {
        let (x, y) = (a.bits.cast_signed(), b.bits.cast_signed());
        let less = if signed { x < y } else { a.bits < b.bits };
        let bits = match self {
            Self::Add => a.bits.wrapping_add(b.bits),
            Self::Subtract => a.bits.wrapping_sub(b.bits),
            Self::Multiply => a.bits.wrapping_mul(b.bits),
            Self::And => a.bits & b.bits,
            Self::Or => a.bits | b.bits,
            Self::Xor => a.bits ^ b.bits,
            Self::Quotient if signed => x.wrapping_div(y).cast_unsigned(),
            Self::Quotient => a.bits / b.bits,
            Self::Remainder if signed => x.wrapping_rem(y).cast_unsigned(),
            Self::Modulo if signed => {
                let remainder = x.wrapping_rem(y);
                let floored = if remainder != 0 && (remainder < 0) != (y < 0) { remainder + y } else { remainder };
                floored.cast_unsigned()
            }
            Self::Remainder | Self::Modulo => a.bits % b.bits,
            Self::Minimum => {
                if less {
                    a.bits
                } else {
                    b.bits
                }
            }
            Self::Maximum => {
                if less {
                    b.bits
                } else {
                    a.bits
                }
            }
        };
        Number { bits, signed }
    }
}

fn truncated(bits: u64, (_, width, signed): Integer) -> Number {
    let above = 64 - width;
    let bits =
        if signed { (bits << above).cast_signed().wrapping_shr(above).cast_unsigned() } else { bits << above >> above };
    Number { bits, signed }
}

fn shifted(value: Number, by: i64) -> Number {
    let bits = match (by, value.signed) {
        (0.., _) => value.bits << by,
        (_, true) => (value.bits.cast_signed() >> -by).cast_unsigned(),
        (_, false) => value.bits >> -by,
    };
    Number { bits, ..value }
}

/// A divisor is made at least 1.
const ONE: Number = Number { bits: 1, signed: false };

impl Int {
    fn text(&self, names: usize) -> String {
        match self {
            Self::Field(index) => format!("(input-{} in)", TYPES[*index].0),
            Self::Name(index) => format!("x{index}"),
            Self::Binary(op, a, b) if op.divides() => {
                format!("({} {} (max 1 {}))", op.name(), a.text(names), b.text(names))
            }
            Self::Binary(op, a, b) => format!("({} {} {})", op.name(), a.text(names), b.text(names)),
            Self::Literal(op, a, b) => format!("({} {} {b})", op.name(), a.text(names)),
            Self::The(ty, value) => format!("(the {} {})", TYPES[*ty].0, value.text(names)),
            Self::If(test, a, b) => format!("(if {} {} {})", test.text(names), a.text(names), b.text(names)),
            Self::Let(value, body) => format!("(let ((x{names} {})) {})", value.text(names), body.text(names + 1)),
            Self::Absolute(value) => format!("(abs {})", value.text(names)),
            Self::Not(value) => format!("(bitwise-not {})", value.text(names)),
            Self::BitCount(value) => format!("(bit-count {})", value.text(names)),
            Self::Shift(value, by) => format!("(arithmetic-shift {} {by})", value.text(names)),
            Self::ShiftBy(value, by, less) => {
                let by = by.text(names);
                format!("(arithmetic-shift {} (- (the i8 (bitwise-and {by} 63)) {less}))", value.text(names))
            }
        }
    }

    fn meaning(&self, fields: &[Number], names: &mut Vec<Number>) -> Number {
        match self {
            Self::Field(index) => fields[*index],
            Self::Name(index) => names[*index],
            Self::Binary(op, a, b) => {
                let (a, mut b) = (a.meaning(fields, names), b.meaning(fields, names));
                if op.divides() {
                    b = Binary::Maximum.of(b, ONE, b.signed);
                }
                op.of(a, b, a.signed || b.signed)
            }
            Self::Literal(op, a, b) => {
                let a = a.meaning(fields, names);
                op.of(a, Number { bits: b.cast_unsigned(), signed: a.signed }, a.signed)
            }
            Self::The(ty, value) => truncated(value.meaning(fields, names).bits, TYPES[*ty]),
            Self::If(test, a, b) => {
                let (holds, a, b) = (test.meaning(fields, names), a.meaning(fields, names), b.meaning(fields, names));
                Number { bits: if holds { a.bits } else { b.bits }, signed: a.signed || b.signed }
            }
            Self::Let(value, body) => {
                let value = value.meaning(fields, names);
                names.push(value);
                let body = body.meaning(fields, names);
                names.pop();
                body
            }
            Self::Absolute(value) => {
                let value = value.meaning(fields, names);
                match value.signed {
                    true => Number { bits: value.bits.cast_signed().wrapping_abs().cast_unsigned(), ..value },
                    false => value,
                }
            }
            Self::Not(value) => {
                let value = value.meaning(fields, names);
                Number { bits: !value.bits, ..value }
            }
            Self::BitCount(value) => {
                Number { bits: value.meaning(fields, names).bits.count_ones().into(), signed: false }
            }
            Self::Shift(value, by) => shifted(value.meaning(fields, names), *by),
            Self::ShiftBy(value, by, less) => {
                let (value, by) = (value.meaning(fields, names), by.meaning(fields, names));
                shifted(value, (by.bits & 63).cast_signed() - less)
            }
        }
    }
}

impl Test {
    fn text(&self, names: usize) -> String {
        match self {
            Self::Compare(op, a, b) => format!("({} {} {})", COMPARISONS[*op], a.text(names), b.text(names)),
            Self::Literal(op, a, b) => format!("({} {} {b})", COMPARISONS[*op], a.text(names)),
            Self::Not(test) => format!("(not {})", test.text(names)),
            Self::And(a, b) => format!("(and {} {})", a.text(names), b.text(names)),
            Self::Or(a, b) => format!("(or {} {})", a.text(names), b.text(names)),
        }
    }

    fn meaning(&self, fields: &[Number], names: &mut Vec<Number>) -> bool {
        let compare = |op: &usize, a: Number, b: Number, signed: bool| {
            let order = if signed { a.bits.cast_signed().cmp(&b.bits.cast_signed()) } else { a.bits.cmp(&b.bits) };
            match op {
                0 => order.is_eq(),
                1 => order.is_lt(),
                2 => order.is_gt(),
                3 => order.is_le(),
                _ => order.is_ge(),
            }
        };
        match self {
            Self::Compare(op, a, b) => {
                let (a, b) = (a.meaning(fields, names), b.meaning(fields, names));
                compare(op, a, b, a.signed || b.signed)
            }
            Self::Literal(op, a, b) => {
                let a = a.meaning(fields, names);
                compare(op, a, Number { bits: b.cast_unsigned(), signed: a.signed }, a.signed)
            }
            Self::Not(test) => !test.meaning(fields, names),
            Self::And(a, b) => a.meaning(fields, names) & b.meaning(fields, names),
            Self::Or(a, b) => a.meaning(fields, names) | b.meaning(fields, names),
        }
    }
}

fn program(value: &Int) -> String {
    let fields: Vec<String> = TYPES.iter().map(|(name, ..)| format!("({name} :{name})")).collect();
    format!(
        "(define-ebpf-program fuzz (license \"GPL\") (program-type :xdp) (min-kernel \"6.12\")
           (define-map result :array (key-type :u32) (value-type :u64) (max-entries 1))
           (define-header input {})
           (define (xdp-main ctx)
             (let ((in (parse-header input ctx)))
               (when in (map-update result 0 {}))
               :xdp-pass)))",
        fields.join(" "),
        value.text(0)
    )
}

fn checked(text: &str) -> Result<Unit, Vec<String>> {
    let mut sources = Sources::new();
    let source = sources.add("program.esh", text);
    let checked = compile::check(&mut sources, source, &mut NoIncludes, Architecture::OtherLittle);
    let reason =
        |d: &eshkol_core::diagnostic::Diagnostic| format!("{}: {} at `{}`", d.code, d.message, sources.text(d.span));
    checked.unit.ok_or_else(|| checked.diagnostics.iter().map(reason).collect())
}

/// What is wrong with what the checker makes of an expression. `Err` where it refuses it.
fn wrong(value: &Int, seed: u64) -> Result<Option<String>, Vec<String>> {
    let text = program(value);
    let unit = checked(&text)?;
    let mut random = Random::new(seed);
    for _ in 0..16 {
        let mut packet = vec![0; INPUT];
        let mut fields = vec![];
        let mut at = 0;
        for ty in TYPES {
            let bytes = ty.1 as usize / 8;
            let edges = [0, 1, 2, u64::MAX, 127, 128, 255, 1 << 63, (1 << 63) - 1, u64::MAX - 1, 0x8000_0000, 100];
            let bits = match random.below(3) {
                0 => random.next(),
                1 => random.next() >> random.below(64),
                _ => edges[random.below(edges.len())],
            };
            packet[at..at + bytes].copy_from_slice(&bits.to_le_bytes()[..bytes]);
            at += bytes;
            fields.push(truncated(bits, ty));
        }
        let wanted = value.meaning(&fields, &mut vec![]).bits;
        let mut world = World::new(&unit, Endianness::Little);
        let input = Input { packet, ..Input::default() };
        let outcome = evaluate::run(&unit, &unit.programs[0], Endianness::Little, &mut world, &input);
        let found = match outcome {
            Ok(_) => world.maps[0].get(&vec![0; 4]).map(|bytes| u64::from_le_bytes(bytes[..].try_into().unwrap())),
            Err(violation) => return Ok(Some(format!("{} with {fields:x?}, in\n{text}", violation.what))),
        };
        if found != Some(wanted) {
            return Ok(Some(format!("{found:x?}, and not {wanted:x}, with {fields:x?}, in\n{text}")));
        }
    }
    Ok(None)
}

fn expression(choices: &mut Choices) -> Int {
    Writer { choices, names: 0 }.int(5)
}

/// Tries expressions. How many the checker refuses, and what is wrong with others.
fn hunt(seeds: impl Iterator<Item = u64>) -> (Vec<String>, Vec<String>) {
    let (mut refused, mut failures) = (vec![], vec![]);
    for seed in seeds {
        let mut choices = Choices::random(seed);
        match wrong(&expression(&mut choices), seed) {
            Ok(None) => {}
            Err(reasons) => refused.extend(reasons.into_iter().next()),
            Ok(Some(mut what)) => {
                shrink(choices, &mut |choices| match wrong(&expression(choices), seed) {
                    Ok(Some(smaller)) => {
                        what = smaller;
                        true
                    }
                    _ => false,
                });
                failures.push(format!("seed {seed}: {what}"));
            }
        }
    }
    (refused, failures)
}

#[test]
fn numbers_are_what_the_language_says() {
    let crate::Wanted { small: count, seed, .. } = crate::Wanted::from_environment();
    let (refused, failures) = hunt(seed..seed + count);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(refused.len() as u64 * 20 <= count, "{} are refused: {refused:#?}", refused.len());
}
