//! Trees made at random: what they mean, and what the lowered function gives.

use super::tree::*;
use super::{BOTH, lowered, of_numbers};
use crate::arena::Id as _;
use crate::check::typed::{
    Argument, ArithmeticOp, CompareOp, Expr, ExprKind, LocalId, MapId, Part, PartValue, Region, Type,
};
use crate::check::types::DataType;
use crate::compile::{Architecture, Optimisation, Options};
use crate::ir::interpret::{Input, mix, run};
use crate::ir::{Width, evaluate};
use crate::kernel::HelperId;
use crate::opt::{Arrays, optimise};

const PARAMETERS: usize = 3;
const ARITHMETIC: [ArithmeticOp; 13] = [
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
const COMPARE: [CompareOp; 10] = [
    CompareOp::Equal,
    CompareOp::NotEqual,
    CompareOp::Below,
    CompareOp::BelowEqual,
    CompareOp::Above,
    CompareOp::AboveEqual,
    CompareOp::Less,
    CompareOp::LessEqual,
    CompareOp::Greater,
    CompareOp::GreaterEqual,
];

struct Generator<'s> {
    seed: u64,
    scope: &'s mut Scope,
    numbers: Vec<LocalId>,
    booleans: Vec<LocalId>,
    changing: Vec<LocalId>,
    /// Fresh memory that holds one number.
    cells: Vec<LocalId>,
}

fn cell_type() -> Type {
    Type::Ref(reference(DataType::CharArray(16), Region::Stack))
}

impl Generator<'_> {
    fn below(&mut self, end: usize) -> usize {
        self.seed = mix(self.seed);
        (self.seed >> 32) as usize % end
    }

    fn number(&mut self, depth: usize) -> Expr {
        if depth == 0 {
            return match self.below(3) {
                0 => number([0, 1, 2, 3, 64, u64::MAX][self.below(6)]),
                _ => self.pick(false),
            };
        }
        let depth = depth - 1;
        match self.below(12) {
            8 | 9 => {
                let (key, value) = (self.number(depth), self.number(depth));
                let arguments = vec![Argument::Map(MapId::new(0)), Argument::Spilled(NATIVE_U64, key)];
                let call = ExprKind::Helper { helper: HelperId(1), arguments };
                sequence(vec![expr(Type::Unit, call), value])
            }
            10 => {
                let value = self.number(depth);
                let part = Part { offset: 8, value: PartValue::Scalar(NATIVE_U64, value) };
                let kind = ExprKind::Allocate { data: DataType::CharArray(16), parts: vec![part] };
                let local = self.scope.local(cell_type());
                self.cells.push(local);
                let body = self.number(depth);
                self.cells.pop();
                Scope::bind_as(local, expr(cell_type(), kind), body)
            }
            11 if !self.cells.is_empty() => {
                let index = self.below(self.cells.len());
                let cell = self.scope.read(self.cells[index]);
                let (value, other) = (self.number(depth), self.number(depth));
                let write = store(place(cell.clone(), 8, 8), NATIVE_U64, value);
                sequence(vec![write, add(other, load(place(cell, 8, 8), NATIVE_U64))])
            }
            0 | 1 | 11 => {
                let op = ARITHMETIC[self.below(ARITHMETIC.len())];
                let (lhs, rhs) = (self.number(depth), self.number(depth));
                arithmetic(op, lhs, rhs)
            }
            2 | 3 => {
                let (test, then, otherwise) = (self.test(depth), self.number(depth), self.number(depth));
                choice(test, then, otherwise)
            }
            4 => self.bound(depth, Self::number),
            5 => {
                let (set, value) = (self.set(depth), self.number(depth));
                sequence(vec![set, value])
            }
            6 => {
                let (test, set) = (self.test(depth), self.set(depth));
                let value = self.number(depth);
                sequence(vec![choice(test, set, unit()), value])
            }
            _ => self.looped(depth),
        }
    }

    fn test(&mut self, depth: usize) -> Expr {
        if depth == 0 {
            return match self.below(3) {
                0 => truth(self.below(2) == 0),
                _ if self.booleans.is_empty() => truth(true),
                _ => self.pick(true),
            };
        }
        let depth = depth - 1;
        match self.below(8) {
            0..3 => {
                let op = COMPARE[self.below(COMPARE.len())];
                let (lhs, rhs) = (self.number(depth), self.number(depth));
                compare(op, lhs, rhs)
            }
            3 => not(self.test(depth)),
            4 => {
                let (lhs, rhs) = (self.test(depth), self.test(depth));
                and(lhs, rhs)
            }
            5 => {
                let (lhs, rhs) = (self.test(depth), self.test(depth));
                or(lhs, rhs)
            }
            6 => {
                let (test, then, otherwise) = (self.test(depth), self.test(depth), self.test(depth));
                choice(test, then, otherwise)
            }
            _ => self.bound(depth, Self::test),
        }
    }

    fn pick(&mut self, boolean: bool) -> Expr {
        let count = if boolean { self.booleans.len() } else { self.numbers.len() };
        let index = self.below(count);
        let local = if boolean { self.booleans[index] } else { self.numbers[index] };
        self.scope.read(local)
    }

    fn bound(&mut self, depth: usize, body: fn(&mut Self, usize) -> Expr) -> Expr {
        let marks = (self.numbers.len(), self.booleans.len(), self.changing.len());
        let is_boolean = self.below(3) == 0;
        let value = if is_boolean { self.test(depth) } else { self.number(depth) };
        let changes = !is_boolean && self.below(2) == 0;
        let local = if changes { self.scope.mutated(u64_type()) } else { self.scope.local(value.ty.clone()) };
        if is_boolean {
            self.booleans.push(local);
        } else {
            self.numbers.push(local);
        }
        if changes {
            self.changing.push(local);
        }
        let body = body(self, depth);
        self.numbers.truncate(marks.0);
        self.booleans.truncate(marks.1);
        self.changing.truncate(marks.2);
        Scope::bind_as(local, value, body)
    }

    fn set(&mut self, depth: usize) -> Expr {
        if self.changing.is_empty() {
            return unit();
        }
        let index = self.below(self.changing.len());
        let (local, value) = (self.changing[index], self.number(depth));
        expr(Type::Unit, ExprKind::Set { local, value: boxed(value) })
    }

    /// A loop of at most three rounds, with two ways to go on.
    fn looped(&mut self, depth: usize) -> Expr {
        let unroll = self.below(2) == 0;
        let id = self.scope.looped(4, unroll);
        let (counter, value) = (self.scope.local(u64_type()), self.scope.local(u64_type()));
        let initial = self.number(depth);
        let marks = self.numbers.len();
        self.numbers.extend([counter, value]);
        let change = self.set(depth);
        let go_on = |this: &mut Self| {
            let arguments = vec![add(this.scope.read(counter), number(1)), this.number(depth)];
            expr(Type::Never, ExprKind::Continue { id, arguments })
        };
        let (first, second) = (go_on(self), go_on(self));
        let (early, end) = (self.test(depth), self.number(depth));
        let at_end = compare(CompareOp::AboveEqual, self.scope.read(counter), number(3));
        let which = self.test(depth);
        let early_end = self.number(depth);
        let step = choice(which, first, choice(early, early_end, second));
        let body = sequence(vec![change, choice(at_end, end, step)]);
        self.numbers.truncate(marks);
        let variables = vec![(counter, number(0)), (value, initial)];
        expr(u64_type(), ExprKind::Loop { id, variables, body: boxed(body) })
    }
}

/// What a tree means.
struct Meaning {
    locals: Vec<u64>,
    /// The arguments of a `Continue` on its way to its loop.
    next: Option<Vec<u64>>,
    cells: Vec<u64>,
    /// The keys that were looked up.
    keys: Vec<u64>,
}

impl Meaning {
    fn of(&mut self, expression: &Expr) -> u64 {
        match &expression.kind {
            ExprKind::Unit => 0,
            ExprKind::Constant(number) => *number,
            ExprKind::Local(local) => self.locals[local.index()],
            ExprKind::Let { local, value, body } => {
                self.locals[local.index()] = self.of(value);
                self.of(body)
            }
            ExprKind::Set { local, value } => {
                self.locals[local.index()] = self.of(value);
                0
            }
            ExprKind::Seq(expressions) => expressions.iter().fold(0, |_, expression| self.of(expression)),
            ExprKind::If { test, then, otherwise } => {
                if self.of(test) != 0 {
                    self.of(then)
                } else {
                    self.of(otherwise)
                }
            }
            ExprKind::Arithmetic { op, lhs, rhs } => {
                let (lhs, rhs) = (self.of(lhs), self.of(rhs));
                evaluate::binary(*op, Width::W64, lhs, rhs)
            }
            ExprKind::Compare { op, lhs, rhs } => {
                let (lhs, rhs) = (self.of(lhs), self.of(rhs));
                let (signed, signed_rhs) = (lhs as i64, rhs as i64);
                u64::from(match op {
                    CompareOp::Equal => lhs == rhs,
                    CompareOp::NotEqual => lhs != rhs,
                    CompareOp::Below => lhs < rhs,
                    CompareOp::BelowEqual => lhs <= rhs,
                    CompareOp::Above => lhs > rhs,
                    CompareOp::AboveEqual => lhs >= rhs,
                    CompareOp::Less => signed < signed_rhs,
                    CompareOp::LessEqual => signed <= signed_rhs,
                    CompareOp::Greater => signed > signed_rhs,
                    CompareOp::GreaterEqual => signed >= signed_rhs,
                })
            }
            ExprKind::Not(test) => 1 - self.of(test),
            ExprKind::Loop { variables, body, .. } => {
                let mut values: Vec<u64> = variables.iter().map(|(_, value)| self.of(value)).collect();
                loop {
                    for ((local, _), value) in variables.iter().zip(values) {
                        self.locals[local.index()] = value;
                    }
                    let result = self.of(body);
                    match self.next.take() {
                        Some(next) => values = next,
                        None => return result,
                    }
                }
            }
            ExprKind::Continue { arguments, .. } => {
                self.next = Some(arguments.iter().map(|argument| self.of(argument)).collect());
                0
            }
            ExprKind::Allocate { parts, .. } => {
                let [Part { value: PartValue::Scalar(_, value), .. }] = parts.as_slice() else { panic!("{parts:?}") };
                let value = self.of(value);
                self.cells.push(value);
                self.cells.len() as u64 - 1
            }
            ExprKind::Load { place, .. } => {
                let cell = self.of(&place.base);
                self.cells[cell as usize]
            }
            ExprKind::Store { place, value, .. } => {
                let (cell, value) = (self.of(&place.base), self.of(value));
                self.cells[cell as usize] = value;
                0
            }
            ExprKind::Helper { arguments, .. } => {
                let [_, Argument::Spilled(_, key)] = arguments.as_slice() else { panic!("{arguments:?}") };
                let key = self.of(key);
                self.keys.push(key);
                0
            }
            other => panic!("{other:?} is not made here"),
        }
    }
}

#[test]
fn a_lowered_tree_does_what_the_tree_means() {
    for seed in 0..400 {
        let mut body = None;
        let entry = of_numbers(PARAMETERS, |scope, _| {
            let numbers = (0..PARAMETERS).map(LocalId::new).collect();
            let mut generator = Generator {
                seed: mix(seed),
                scope,
                numbers,
                booleans: Vec::new(),
                changing: Vec::new(),
                cells: Vec::new(),
            };
            let tree = generator.number(4);
            body = Some(tree.clone());
            tree
        });
        let body = body.unwrap();
        for input in 0..4 {
            let arguments: Vec<u64> = (0..3).map(|index| mix(seed ^ input << 8 ^ index) >> (20 * input)).collect();
            let mut locals = arguments.clone();
            locals.resize(entry.locals.len(), 0);
            let mut meaning = Meaning { locals, next: None, cells: Vec::new(), keys: Vec::new() };
            let expected = meaning.of(&body);
            let keys: Vec<u64> = meaning.keys.iter().map(|key| mix(*key)).collect();
            for endianness in BOTH {
                let mut function = lowered(&entry, endianness);
                for optimisation in [None, Some(Optimisation::Full)] {
                    if let Some(optimisation) = optimisation {
                        optimise(
                            &mut function,
                            &Arrays::new(),
                            Options {
                                architecture: Architecture::other(endianness),
                                optimisation,
                                ..Options::default()
                            },
                        );
                    }
                    let input = Input { arguments: arguments.clone(), packet_length: 0, seed: 1, endianness };
                    let found = run(&function, &input, 100_000).unwrap();
                    assert_eq!(found.result, expected, "seed {seed}, {arguments:?}, {optimisation:?}");
                    // The memory that was shown to the helper held the key.
                    let shown: Vec<u64> = found.calls.iter().map(|call| call.2).collect();
                    assert_eq!(shown, keys, "seed {seed}, {arguments:?}, {optimisation:?}");
                }
            }
        }
    }
}
