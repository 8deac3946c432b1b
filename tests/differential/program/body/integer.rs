//! Numbers.

use super::{Callable, Given, Kind, Writer};

impl Writer<'_> {
    /// A number.
    pub(super) fn int(&mut self, depth: usize) -> String {
        let (part, way) = self.composite(depth, 51);
        let inner = depth.saturating_sub(1);
        let text = match way {
            0..4 => self.number(),
            4..10 => {
                let op = ["+", "-", "*", "bitwise-and", "bitwise-ior", "bitwise-xor"][self.choices.below(6)];
                match self.choices.below(8) {
                    6 => format!("({op} {})", self.int(inner)),
                    7 => format!("({op} {} {} {})", self.int(inner), self.int(inner), self.int(inner)),
                    _ => format!("({op} {} {})", self.int(inner), self.int(inner)),
                }
            }
            10..13 => self.division(inner),
            13..15 => self.shift(inner),
            15..18 => format!("(the {} {})", self.integer_type(), self.int(inner)),
            18 => {
                let op = ["bitwise-not", "abs", "square", "bit-count"][self.choices.below(4)];
                format!("({op} {})", self.int(inner))
            }
            19 => {
                let ty = self.integer_type();
                format!("(byte-swap (the {ty} {}))", self.int(inner))
            }
            20 => {
                let op = ["min", "max"][self.choices.below(2)];
                format!("({op} {} {})", self.compared(inner), self.compared(inner))
            }
            21..24 => format!("(if {} {} {})", self.bool(inner), self.int(inner), self.int(inner)),
            24 => {
                let (a, b) = (self.bool(inner), self.bool(inner));
                format!("(cond ({a} {}) ({b} {}) (else {}))", self.int(inner), self.int(inner), self.int(inner))
            }
            25 => {
                let key = self.int(inner);
                let (a, b, c) = (self.int(inner), self.int(inner), self.int(inner));
                format!("(case (bitwise-and {key} 7) ((0 1) {a}) ((5) {b}) (else {c}))")
            }
            26..29 => self.binding(inner),
            29..31 => self.round(inner),
            31 => self.higher_order(inner),
            32..34 => self.call(inner),
            34 => {
                let (a, b) = (self.int(inner), self.int(inner));
                match self.choices.below(3) {
                    0 => format!("(sum-of {a} {b} {})", self.int(inner)),
                    1 => format!("(my-if {} then {a} else {b})", self.bool(inner)),
                    _ => format!("(total {a} {b} {})", self.int(inner)),
                }
            }
            35 => {
                let (a, b) = (self.name("x"), self.name("x"));
                let values = format!("(values {} {})", self.int(inner), self.int(inner));
                let values = match self.choices.below(2) {
                    0 => values,
                    _ => format!("(if {} {values} (values {} {}))", self.bool(inner), self.int(inner), self.int(inner)),
                };
                let names = vec![(a.clone(), Kind::Number), (b.clone(), Kind::Number)];
                let body = self.within(names, |this| this.int(inner));
                format!("(let-values ((({a} {b}) {values})) {body})")
            }
            36..39 => self.looked_up(inner),
            39..41 => self.with_struct(inner),
            41 => self.parsed(inner),
            42 => self.environment(),
            43 => self.chosen_by_name(inner),
            44 => {
                let statement = self.statement(inner);
                format!("(begin {statement} {})", self.int(inner))
            }
            45 => match self.counter_choice(inner) {
                Some(text) => text,
                None => self.round(inner),
            },
            46 => self.helper(inner),
            47 => self.sent(inner),
            48 | 49 => self.reserved(inner),
            _ => self.map_result(inner),
        };
        self.choices.end(part);
        text
    }

    /// A division by what can't be zero.
    fn division(&mut self, depth: usize) -> String {
        let op = ["quotient", "remainder", "modulo"][self.choices.below(3)];
        let dividend = self.int(depth);
        let divisor = match self.choices.below(6) {
            0 => ["3", "8", "10", "-7", "255", "-1", "1", "0x100000000"][self.choices.below(8)].to_owned(),
            1 => format!("(max 1 {})", self.int(depth)),
            2 => format!("(+ (the u8 {}) 1)", self.int(depth)),
            3 => format!("(min -1 (the i64 {}))", self.int(depth)),
            4 => format!("(bitwise-ior (the u32 {}) 1)", self.int(depth)),
            _ => {
                let name = self.name("x");
                let value = self.int(depth);
                let other = self.int(depth);
                return format!("(let (({name} {value})) (if (> {name} 0) ({op} {dividend} {name}) {other}))");
            }
        };
        format!("({op} {dividend} {divisor})")
    }

    fn shift(&mut self, depth: usize) -> String {
        let value = self.int(depth);
        let amount = match self.choices.below(5) {
            0 => ["1", "-1", "8", "-8", "32", "-32", "63", "-63", "31", "-16", "0"][self.choices.below(11)].to_owned(),
            1 => format!("(bitwise-and {} 63)", self.int(depth)),
            2 => format!("(- 0 (the i64 (bitwise-and {} 63)))", self.int(depth)),
            3 => format!("(- (the i8 (bitwise-and {} 63)) 32)", self.int(depth)),
            _ => format!("(modulo (the u8 {}) 40)", self.int(depth)),
        };
        format!("(arithmetic-shift {value} {amount})")
    }

    /// Names for numbers, booleans and procedures, and an expression that uses them.
    fn binding(&mut self, depth: usize) -> String {
        let name = self.name("x");
        match self.choices.below(7) {
            0 => {
                let value = self.int(depth);
                let body = self.within(vec![(name.clone(), Kind::Number)], |this| this.int(depth));
                format!("(let (({name} {value})) {body})")
            }
            1 => {
                let ty = self.integer_type();
                let value = self.int(depth);
                let body = self.within(vec![(name.clone(), Kind::Number)], |this| this.int(depth));
                format!("(let (({name} : {ty} {value})) {body})")
            }
            2 => {
                let value = self.int(depth);
                let value = self.read(value);
                let body = self.within(vec![(name.clone(), Kind::Variable)], |this| this.body(depth));
                format!("(let (({name} {value})) {body})")
            }
            3 => {
                let value = self.bool(depth);
                let body = self.within(vec![(name.clone(), Kind::Bool)], |this| this.int(depth));
                format!("(let (({name} {value})) {body})")
            }
            4 => {
                let other = self.name("x");
                let value = self.int(depth);
                let names = vec![(name.clone(), Kind::Number)];
                let second = self.within(names.clone(), |this| this.int(depth));
                let second = self.read(second);
                let names = [names, vec![(other.clone(), Kind::Variable)]].concat();
                let body = self.within(names, |this| this.body(depth));
                format!("(let* (({name} {value}) ({other} {second})) {body})")
            }
            5 => {
                let parameter = self.name("x");
                let inner = self.within(vec![(parameter.clone(), Kind::Number)], |this| this.int(depth));
                let (a, b) = (self.int(depth), self.int(depth));
                format!("(let (({name} (lambda ({parameter}) {inner}))) (+ ({name} {a}) ({name} {b})))")
            }
            _ => {
                let parameter = self.name("x");
                let inner = self.within(vec![(parameter.clone(), Kind::Number)], |this| this.body(depth));
                let a = self.int(depth);
                let op = ["+", "-", "bitwise-xor"][self.choices.below(3)];
                format!(
                    "(let () (define ({name} {parameter}) {inner}) ({op} ({name} {a}) (twice {name} {})))",
                    self.int(depth)
                )
            }
        }
    }

    /// A number for a variable that is set: a name for what a map holds stands for the place, which is another thing, and the type of a choice,
    /// which would be the variable's, hangs on what the checker knows of the test.
    pub(super) fn read(&self, value: String) -> String {
        if ["(if", "(my-if", "(cond", "(case"].into_iter().any(|choice| value.contains(choice)) {
            return format!("(the i64 {value})");
        }
        let is_entry = |(name, kind): &(String, Kind)| matches!(kind, Kind::Entry(_)) && value.contains(name.as_str());
        if self.scope.iter().any(is_entry) { format!("(bitwise-ior {value} 0)") } else { value }
    }

    /// Procedures given to procedures.
    fn higher_order(&mut self, depth: usize) -> String {
        let name = self.name("x");
        let inner = self.within(vec![(name.clone(), Kind::Number)], |this| this.int(depth));
        let procedure = format!("(lambda ({name}) {inner})");
        let (a, b) = (self.int(depth), self.int(depth));
        match self.choices.below(14) {
            0 => format!("({procedure} {a})"),
            6 => format!("(fold + 0 (map (lambda (p q) (- ({procedure} p) q)) (list {a} {b}) '(3 4)))"),
            7 => format!("(fold-right - 0 (map {procedure} (append (list {a}) (reverse (list {b} 2)))))"),
            8 => format!("(list-ref (map {procedure} (list {a} 5 {b})) {})", self.choices.below(3)),
            9 => format!("(vector-ref (vector-map {procedure} (vector {a} {b})) {})", self.choices.below(2)),
            10 => format!(
                "(letrec ((power (lambda (n) (if (= n 0) {b} (+ ({procedure} {a}) (power (- n 1))))))) (power 3))"
            ),
            11 => format!(
                "(let () (define-values (p q) (values {a} {b})) (let*-values (((r s) (values q p)) ((t) (values r))) (- ({procedure} s) t)))"
            ),
            12 => {
                let variable = self.name("x");
                format!(
                    "(let (({variable} {a})) (let ((step! (lambda (n) (set! {variable} (+ ({procedure} {variable}) n)) {variable}))) (step! 1) (+ (step! 2) {b})))"
                )
            }
            13 => format!(
                "(let-syntax ((both (syntax-rules () ((_ f (p ...) ...) (+ (f p ...) ...))))) (both {procedure} ({a}) ({b})))"
            ),
            1 => format!("(apply + (map {procedure} (list {a} {b})))"),
            2 => format!("(fold + 0 (map {procedure} (vector {a} {b} 3)))"),
            3 => format!("((compose {procedure} abs) {a})"),
            4 => format!("(twice {procedure} {a})"),
            _ => format!("(call-with-values (lambda () (values {a} {b})) (lambda (p q) (- ({procedure} p) q)))"),
        }
    }

    /// A procedure of the program.
    fn call(&mut self, depth: usize) -> String {
        if self.callable.is_empty() {
            return self.int(depth);
        }
        let index = self.callable.len() - 1 - self.choices.below(self.callable.len());
        let Callable { name, parameters, given } = self.callable[index].clone();
        let first = match given {
            Given::Nothing => String::new(),
            Given::Context if self.names_context() => " ctx".to_owned(),
            Given::Input if self.in_entry => " in".to_owned(),
            Given::Place if self.has_context => format!(" {}", self.place()),
            Given::Struct(index) => match self.pick(|kind| *kind == Kind::Struct(index)) {
                Some((name, _)) => format!(" {name}"),
                None => format!(" (make-s{index})"),
            },
            _ => return self.int(depth),
        };
        let arguments: Vec<String> = (0..parameters).map(|_| self.int(depth)).collect();
        format!("({name}{first} {})", arguments.join(" "))
    }
}
