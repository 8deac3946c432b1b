//! Loops with a value.

use super::super::definition::Content;
use super::{Kind, Level, Size, Writer};

impl Writer<'_> {
    /// How often a loop runs, which multiplies where loops are in each other.
    fn trips(&mut self) -> usize {
        let most = match (self.loops, self.level) {
            (0, Level::V4_18) => 4,
            // The verifier follows every round, with all that a large program did before.
            (0, _) if self.size == Size::Large => 12,
            (0, _) => 20,
            (1, _) => 3,
            _ => 2,
        };
        1 + self.choices.below(most)
    }

    /// A loop with a value.
    pub(super) fn round(&mut self, depth: usize) -> String {
        let trips = self.trips();
        let (index, sum, name) = (self.name("i"), self.name("x"), self.name("loop"));
        let names = vec![(index.clone(), Kind::Counter), (sum.clone(), Kind::Number)];
        let way = self.choices.below(16);
        let start = self.int(depth);
        let start = self.read(start);
        let bound = match self.choices.below(3) {
            2 if self.level > Level::V4_18 => {
                format!("(bitwise-and {} {})", self.number(), [7, 3][self.loops.min(1)])
            }
            _ => trips.to_string(),
        };
        self.loops += 1;
        let text = match way {
            0 => {
                let step = self.within(names, |this| this.int(depth));
                format!(
                    "(let {name} (({index} 0) ({sum} {start})) (if (< {index} {bound}) ({name} (+ {index} 1) {step}) {sum}))"
                )
            }
            1 => {
                let (step, statement) = (
                    self.within(names.clone(), |this| this.int(depth)),
                    self.within(names, |this| this.statement(depth)),
                );
                format!(
                    "(do (({index} 0 (+ {index} 1)) ({sum} {start} {step})) ((>= {index} {bound}) {sum}) {statement})"
                )
            }
            2 => {
                let step = self.within(names, |this| this.int(depth));
                format!("(fold (lambda ({index} {sum}) {step}) {start} (range 0 {bound}))")
            }
            3 => {
                let names = vec![(index.clone(), Kind::Counter), (sum.clone(), Kind::Variable)];
                let body = self.within(names, |this| this.statement(depth));
                let step = self.int(depth);
                format!(
                    "(let (({sum} {start})) (for ({index} in (range 0 {bound})) {body} (set! {sum} (+ {sum} {step}))) {sum})"
                )
            }
            4 => {
                // Down, by two ways out.
                let exit = self.within(names.clone(), |this| this.bool(depth));
                let early = self.within(names.clone(), |this| this.int(depth));
                let step = self.within(names, |this| this.int(depth));
                format!(
                    "(let {name} (({index} {trips}) ({sum} {start})) (cond ((= {index} 0) {sum}) ({exit} {early}) (else ({name} (- {index} 1) {step}))))"
                )
            }
            5 => {
                let names = vec![(index.clone(), Kind::Counter), (sum.clone(), Kind::Variable)];
                let body = self.within(names, |this| this.statement(depth));
                format!(
                    "(let (({index} 0) ({sum} {start})) (while (< {index} {bound}) {body} (set! {index} (+ {index} 1))) (+ {sum} {index}))"
                )
            }
            6 => match self.array() {
                Some(array) => {
                    let names = vec![(index.clone(), Kind::Counter), (sum.clone(), Kind::Variable)];
                    let body = self.within(names, |this| this.statement(depth));
                    format!(
                        "(let (({sum} {start})) (for ({index} in {array}) {body} (set! {sum} (+ {sum} {index}))) {sum})"
                    )
                }
                None => start,
            },
            8..15 => self.other_round(way, trips, &start, [&index, &sum, &name], depth),
            _ => {
                let names = vec![(index.clone(), Kind::Number), (sum.clone(), Kind::Variable)];
                let body = self.within(names, |this| this.statement(depth));
                let list = format!("(list {} {} {})", self.int(depth), self.int(depth), self.int(depth));
                format!("(let (({sum} {start})) (for-each (lambda ({index}) {body}) {list}) {sum})")
            }
        };
        self.loops -= 1;
        text
    }

    /// Loops that end when something is met, that step before or by more than one, or that go on in several places, or with a loop around them.
    fn other_round(
        &mut self,
        way: usize,
        trips: usize,
        start: &str,
        [index, sum, name]: [&str; 3],
        depth: usize,
    ) -> String {
        let counted = vec![(index.to_owned(), Kind::Counter), (sum.to_owned(), Kind::Number)];
        let with_variable = vec![(index.to_owned(), Kind::Counter), (sum.to_owned(), Kind::Variable)];
        let (first, step) = (self.choices.below(3), 1 + self.choices.below(3));
        let last = first + trips * step;
        match way {
            8 => {
                let next = self.within(counted.clone(), |this| this.int(depth));
                let body = self.within(counted, |this| this.statement(depth));
                format!(
                    "(do (({index} {first} (+ {index} {step})) ({sum} {start} {next})) ((= {index} {last}) {sum}) {body})"
                )
            }
            9 => {
                let next = self.within(counted, |this| this.int(depth));
                format!(
                    "(let {name} (({index} {first}) ({sum} {start})) (if (= {last} {index}) {sum} ({name} (+ {index} {step}) {next})))"
                )
            }
            10 => {
                let body = self.within(with_variable, |this| this.statement(depth));
                format!(
                    "(let (({index} {first}) ({sum} {start})) (while (< {index} {last}) (set! {index} (+ {index} {step})) {body}) (+ {sum} {index}))"
                )
            }
            11 => {
                let body = self.within(with_variable, |this| this.statement(depth));
                let test = [format!("(> {index} 0)"), format!("(not (= {index} 0))"), format!("(not (zero? {index}))")]
                    [self.choices.below(3)]
                .clone();
                format!(
                    "(let (({index} {trips}) ({sum} {start})) (while {test} {body} (set! {index} (- {index} 1))) {sum})"
                )
            }
            12 => {
                let other = self.within(counted.clone(), |this| this.int(depth));
                let next = self.within(counted, |this| this.int(depth));
                let met = first + step * self.choices.below(trips);
                format!(
                    "(let {name} (({index} {first}) ({sum} {start})) (cond ((>= {index} {last}) {sum}) ((= {index} {met}) ({name} (+ {index} {step}) {other})) (else ({name} (+ {index} {step}) {next}))))"
                )
            }
            13 => {
                let (inner, inner_sum, inner_name) = (self.name("i"), self.name("x"), self.name("loop"));
                let names = [counted, vec![(inner.clone(), Kind::Counter), (inner_sum.clone(), Kind::Number)]].concat();
                let (next, early) = (
                    self.within(names.clone(), |this| this.int(depth)),
                    self.within(names.clone(), |this| this.bool(depth)),
                );
                let other = self.within(names, |this| this.int(depth));
                let (trips, inner_trips) = (trips.min(4), 1 + self.choices.below(3));
                // The inner loop goes on with the outer one, in two places.
                format!(
                    "(let {name} (({index} 0) ({sum} {start})) (if (< {index} {trips}) (let {inner_name} (({inner} 0) ({inner_sum} {sum})) (cond ((= {inner} {inner_trips}) ({name} (+ {index} 1) {inner_sum})) ({early} ({name} (+ {index} 1) {other})) (else ({inner_name} (+ {inner} 1) {next})))) {sum}))"
                )
            }
            _ => {
                let (inner, inner_sum, inner_name) = (self.name("i"), self.name("x"), self.name("loop"));
                let names = [counted, vec![(inner.clone(), Kind::Counter), (inner_sum.clone(), Kind::Number)]].concat();
                let next = self.within(names, |this| this.int(depth));
                let trips = trips.min(4);
                format!(
                    "(let {name} (({index} 0) ({sum} {start})) (if (< {index} {trips}) ({name} (+ {index} 1) (let {inner_name} (({inner} 0) ({inner_sum} {sum})) (if (= {inner} {index}) {inner_sum} ({inner_name} (+ {inner} 1) {next})))) {sum}))"
                )
            }
        }
    }

    /// A test of a loop's counter.
    pub(super) fn counter_test(&mut self) -> Option<String> {
        let (index, _) = self.pick(|kind| *kind == Kind::Counter)?;
        let round = match self.choices.below(8) {
            7 => self.compared(0),
            round => round.to_string(),
        };
        let comparison = ["=", "<", ">", "<=", ">=", "eqv?"][self.choices.below(6)];
        Some(match self.choices.below(7) {
            0..3 => format!("(= {index} {round})"),
            3 => format!("({comparison} {index} {round})"),
            4 => format!("({comparison} {round} {index})"),
            5 => format!("(not (= {index} {round}))"),
            _ => format!("({} {index})", ["zero?", "even?", "odd?", "positive?"][self.choices.below(4)]),
        })
    }

    /// A number that a loop's counter chooses.
    pub(super) fn counter_choice(&mut self, depth: usize) -> Option<String> {
        let (index, _) = self.pick(|kind| *kind == Kind::Counter)?;
        let (one, other) = (self.choices.below(4), 4 + self.choices.below(3));
        let (a, b, c) = (self.int(depth), self.int(depth), self.int(depth));
        Some(match self.choices.below(3) {
            0 => format!("(case {index} (({one} {other}) {a}) ((8) {b}) (else {c}))"),
            1 => format!("(cond ((= {index} {one}) {a}) ((= {index} {other}) {b}) (else {c}))"),
            _ => format!("(if (= {index} {one}) {a} {b})"),
        })
    }

    /// Something done in some rounds only.
    pub(super) fn at_some_round(&mut self, depth: usize) -> String {
        let Some(test) = self.counter_test() else { return self.looped(depth) };
        let body = self.statement(depth);
        match self.choices.below(3) {
            0 => format!("(when {test} {body})"),
            1 => format!("(if {test} {body} {})", self.statement(depth)),
            _ => format!("(unless {test} {body})"),
        }
    }

    /// An array field of a struct in scope.
    fn array(&mut self) -> Option<String> {
        let Some((name, Kind::Struct(index))) = self.pick(|kind| matches!(kind, Kind::Struct(_))) else { return None };
        let fields = &self.definitions.structs[index].fields;
        let field = fields.iter().position(|field| matches!(field, Content::Array(..)))?;
        Some(format!("(s{index}-f{field} {name})"))
    }
}
