//! Loops with a value.

use super::super::definition::Content;
use super::{Kind, Level, Size, Writer};

impl Writer<'_> {
    /// How often a loop runs, which multiplies where loops are in each other.
    fn trips(&mut self) -> usize {
        let most = match (self.loops, self.level) {
            (0, Level::V4_18) => 4,
            // The verifier follows every round, with all that a large program did before.
            (0, _) if self.size == Size::Large => 8,
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
        let names = vec![(index.clone(), Kind::Number), (sum.clone(), Kind::Number)];
        let way = self.choices.below(8);
        let start = self.int(depth);
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
                let names = vec![(index.clone(), Kind::Number), (sum.clone(), Kind::Variable)];
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
                let names = vec![(index.clone(), Kind::Number), (sum.clone(), Kind::Variable)];
                let body = self.within(names, |this| this.statement(depth));
                format!(
                    "(let (({index} 0) ({sum} {start})) (while (< {index} {bound}) {body} (set! {index} (+ {index} 1))) (+ {sum} {index}))"
                )
            }
            6 => match self.array() {
                Some(array) => {
                    let names = vec![(index.clone(), Kind::Number), (sum.clone(), Kind::Variable)];
                    let body = self.within(names, |this| this.statement(depth));
                    format!(
                        "(let (({sum} {start})) (for ({index} in {array}) {body} (set! {sum} (+ {sum} {index}))) {sum})"
                    )
                }
                None => start,
            },
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

    /// An array field of a struct in scope.
    fn array(&mut self) -> Option<String> {
        let Some((name, Kind::Struct(index))) = self.pick(|kind| matches!(kind, Kind::Struct(_))) else { return None };
        let fields = &self.definitions.structs[index].fields;
        let field = fields.iter().position(|field| matches!(field, Content::Array(..)))?;
        Some(format!("(s{index}-f{field} {name})"))
    }
}
