//! Procedures and the entry: expressions and statements of every kind, in a scope that knows what each name is.

mod context;
mod event;
mod integer;
mod loops;
mod memory;
mod named;
mod packet;
mod statement;

use std::fmt::Write as _;

use eshkol_core::kernel::ProgramType;

use super::attachment::Attachment;
use super::definition::{Content, Definitions, INPUT, INTEGERS};
use super::{Level, Size, has_packet};
use crate::choices::Choices;

/// What a name in scope is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Number,
    /// A number that is set.
    Variable,
    /// A number that changes by a constant in each round of a loop.
    Counter,
    Bool,
    /// A struct on the stack or in a map, that can be written.
    Struct(usize),
    /// What a map's entry holds.
    Entry(&'static str),
}

/// A procedure of the program.
#[derive(Clone, Debug)]
struct Callable {
    name: String,
    /// How many numbers it is given.
    parameters: usize,
    given: Given,
}

/// What a procedure is given beside numbers, and before them.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Given {
    Nothing,
    /// The context, from which it parses the packet.
    Context,
    /// The input header.
    Input,
    /// A place in the packet, or the context.
    Place,
    Struct(usize),
}

/// A header that has been parsed.
#[derive(Clone, Debug)]
struct Parsed {
    name: String,
    header: &'static str,
}

pub(super) struct Writer<'w> {
    choices: &'w mut Choices,
    definitions: &'w Definitions,
    attachment: &'w Attachment,
    program_type: ProgramType,
    level: Level,
    size: Size,
    scope: Vec<(String, Kind)>,
    headers: Vec<Parsed>,
    callable: Vec<Callable>,
    /// Entries of programs that this one may go on with.
    others: Vec<&'static str>,
    /// Whether the input header is in scope; of programs without a packet, whether what they are called with is.
    in_entry: bool,
    /// Whether the context is in scope, and has a packet.
    has_context: bool,
    /// How many more composite expressions there may be.
    fuel: usize,
    names: usize,
    loops: usize,
    /// Allocations on the stack, which is small.
    allocations: usize,
    /// How many times the program walks over the extension headers of IPv6.
    walks: usize,
    statements: usize,
    depth: usize,
}

impl<'w> Writer<'w> {
    pub(super) fn new(
        choices: &'w mut Choices,
        definitions: &'w Definitions,
        attachment: &'w Attachment,
        level: Level,
        size: Size,
    ) -> Self {
        let (fuel, statements, depth) = if size == Size::Large { (220, 12, 5) } else { (45, 4, 4) };
        Self {
            choices,
            definitions,
            attachment,
            program_type: attachment.program_type,
            level,
            size,
            scope: vec![],
            headers: vec![],
            callable: vec![],
            others: vec![],
            in_entry: false,
            has_context: false,
            fuel,
            names: 0,
            loops: 0,
            allocations: 0,
            walks: 0,
            statements,
            depth,
        }
    }

    /// Writes procedures that the entry may call.
    pub(super) fn procedures(&mut self, text: &mut String) {
        for index in 0..self.choices.below(4) {
            let part = self.choices.begin();
            let parameters = 1 + self.choices.below(4);
            let name = format!("p{index}");
            let has_packet = has_packet(self.program_type);
            let given = match self.choices.below(8) {
                3 | 4 if self.attachment.arguments.is_empty() => Given::Context,
                5 if has_packet => Given::Input,
                6 if has_packet => Given::Place,
                7 => Given::Struct(self.choices.below(self.definitions.structs.len())),
                _ => Given::Nothing,
            };
            let first = match given {
                Given::Nothing => "",
                Given::Context => " ctx",
                Given::Input => " in",
                Given::Place => " place",
                Given::Struct(_) => " given",
            };
            let _ = write!(text, "  (define ({name}{first}");
            for parameter in 0..parameters {
                let parameter = format!("a{parameter}");
                match self.choices.below(3) {
                    0 => {
                        let _ = write!(text, " {parameter}");
                    }
                    _ => {
                        let ty = self.integer_type();
                        let _ = write!(text, " ({parameter} : {ty})");
                    }
                }
                self.scope.push((parameter, Kind::Number));
            }
            let result = if self.choices.below(2) == 0 { String::new() } else { format!(" : {}", self.integer_type()) };
            let before = self.fuel;
            self.fuel = self.fuel.min(if self.choices.below(2) == 0 { 8 } else { 60 });
            self.in_entry = matches!(given, Given::Context | Given::Input);
            self.has_context = given == Given::Context && has_packet;
            self.scope_globals();
            match given {
                Given::Struct(index) => self.scope.push(("given".to_owned(), Kind::Struct(index))),
                Given::Place => self.headers.push(Parsed { name: "there".to_owned(), header: "extra" }),
                _ => {}
            }
            let mut body = self.body(3);
            self.headers.clear();
            let parsed = match given {
                Given::Context if has_packet => Some(("in", "(parse-header input ctx)")),
                Given::Place => Some(("there", "(parse-header extra place)")),
                _ => None,
            };
            if let Some((name, header)) = parsed {
                body = format!("(let (({name} {header})) (if {name} (let () {body}) {}))", self.literal());
            }
            self.fuel = before;
            let _ = writeln!(text, "){result}\n    {body})");
            self.scope.clear();
            (self.in_entry, self.has_context) = (false, false);
            self.callable.push(Callable { name, parameters, given });
            self.choices.end(part);
        }
    }

    /// Writes the entry procedure of a program that may go on with these.
    pub(super) fn entry(&mut self, name: &str, others: Vec<&'static str>) -> String {
        self.scope.clear();
        (self.fuel, self.allocations, self.walks) = (self.fuel.max(20), 0, 0);
        self.others = others;
        let mut text = String::new();
        self.write_entry(name, &mut text);
        text
    }

    fn write_entry(&mut self, name: &str, text: &mut String) {
        let has_packet = has_packet(self.program_type);
        (self.in_entry, self.has_context) = (true, has_packet);
        self.scope_globals();
        let start = if has_packet { "(let ((in (parse-header input ctx)))\n      (if in\n        " } else { "" };
        let parameters = self.attachment.parameters();
        let _ = write!(text, "  (define ({name} {parameters})\n    {start}(let* (");
        for index in 0..1 + self.choices.below(4) {
            let part = self.choices.begin();
            let name = format!("v{index}");
            if self.choices.below(5) == 4 {
                let value = self.bool(2);
                let _ = write!(text, "({name} {value}) ");
                self.scope.push((name, Kind::Bool));
            } else {
                let annotation =
                    if self.choices.below(3) == 2 { format!(": {} ", self.integer_type()) } else { String::new() };
                let value = if annotation.is_empty() && self.choices.below(3) < 2 { self.field() } else { self.int(2) };
                let (value, kind) = match self.choices.below(2) {
                    0 => (value, Kind::Number),
                    _ if annotation.is_empty() => (self.read(value), Kind::Variable),
                    _ => (value, Kind::Variable),
                };
                let _ = write!(text, "({name} {annotation}{value}) ");
                self.scope.push((name, kind));
            }
            self.choices.end(part);
        }
        text.push_str(")\n");
        for _ in 0..self.choices.below(self.statements + 1) {
            let statement = self.statement(self.depth);
            let _ = writeln!(text, "          {statement}");
        }
        let moved = self.moved(text);
        for index in 0..1 + self.choices.below(3) {
            let part = self.choices.begin();
            let value = self.int(self.depth);
            let _ = writeln!(text, "          (map-update results {index} {value})");
            self.choices.end(part);
        }
        for (index, (name, kind)) in self.scope.clone().into_iter().enumerate() {
            if kind == Kind::Variable {
                let _ = writeln!(text, "          (map-update results {} {name})", index + 8);
            }
        }
        let test = self.bool(2);
        let (yes, no, other) = self.verdicts();
        let end = match (moved, has_packet) {
            (true, _) => format!(") {other})))\n        {other})))"),
            (false, true) => format!(")\n        {other})))"),
            (false, false) => "))".to_owned(),
        };
        let _ = writeln!(text, "          (if {test} {yes} {no}){end}");
    }

    /// The struct that is a global is in scope everywhere.
    fn scope_globals(&mut self) {
        if self.definitions.struct_global {
            self.scope.push(("gs".to_owned(), Kind::Struct(0)));
        }
    }

    fn integer_type(&mut self) -> &'static str {
        INTEGERS[self.choices.below(INTEGERS.len())]
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// A number that the program is called with, where it is in scope: a field of the input, or an argument.
    fn field(&mut self) -> String {
        if !self.in_entry {
            return self.literal();
        }
        if !has_packet(self.program_type) {
            return self.argument();
        }
        format!("(input-{} in)", INPUT[self.choices.below(INPUT.len())].0)
    }

    fn literal(&mut self) -> String {
        const LITERALS: [&str; 34] = [
            "1",
            "0",
            "2",
            "3",
            "7",
            "8",
            "-1",
            "63",
            "64",
            "100",
            "127",
            "128",
            "255",
            "256",
            "0x7fff",
            "0x8000",
            "0xffff",
            "0x10000",
            "0x7fffffff",
            "0x80000000",
            "0xffffffff",
            "0x100000000",
            "0x7fffffffffffffff",
            "0x8000000000000000",
            "0xffffffffffffffff",
            "-2",
            "-128",
            "-129",
            "-32768",
            "-32769",
            "-2147483648",
            "-2147483649",
            "-9223372036854775808",
            "0x123456789abcdef",
        ];
        LITERALS[self.choices.below(LITERALS.len())].to_owned()
    }

    /// A name of a kind.
    fn pick(&mut self, wanted: impl Fn(&Kind) -> bool) -> Option<(String, Kind)> {
        let fitting: Vec<_> = self.scope.iter().filter(|(_, kind)| wanted(kind)).cloned().collect();
        if fitting.is_empty() {
            return None;
        }
        // The last bound is the simplest.
        let index = fitting.len() - 1 - self.choices.below(fitting.len());
        Some(fitting[index].clone())
    }

    /// Something written with names in scope that are not afterwards.
    fn within(&mut self, names: Vec<(String, Kind)>, write: impl FnOnce(&mut Self) -> String) -> String {
        let mark = self.scope.len();
        self.scope.extend(names);
        let text = write(self);
        self.scope.truncate(mark);
        text
    }

    /// Statements and a number.
    fn body(&mut self, depth: usize) -> String {
        let mut text = String::new();
        for _ in 0..self.choices.below(3) {
            text.push_str(&self.statement(depth));
            text.push(' ');
        }
        text + &self.int(depth)
    }

    /// A part, made by one of several ways; where there is no fuel, by the simplest.
    fn composite(&mut self, depth: usize, ways: usize) -> (crate::choices::Part, usize) {
        let part = self.choices.begin();
        let way = if depth == 0 || self.fuel == 0 { 0 } else { self.choices.below(ways) };
        if way != 0 {
            self.fuel -= 1;
        }
        (part, way)
    }

    /// A boolean.
    fn bool(&mut self, depth: usize) -> String {
        let (part, way) = self.composite(depth, 14);
        let depth = depth.saturating_sub(1);
        let text = match way {
            0 => match self.pick(|kind| *kind == Kind::Bool) {
                Some((name, _)) => name,
                None => format!("(> {} {})", self.compared(0), self.compared(0)),
            },
            1..=4 => {
                let op = ["=", "<", ">", "<=", ">="][self.choices.below(5)];
                if self.choices.below(8) == 7 {
                    format!("({op} {} {} {})", self.compared(depth), self.compared(depth), self.compared(depth))
                } else {
                    format!("({op} {} {})", self.compared(depth), self.compared(depth))
                }
            }
            5 => {
                let op = ["zero?", "positive?", "negative?", "even?", "odd?"][self.choices.below(5)];
                format!("({op} {})", self.int(depth))
            }
            6 => format!("(not {})", self.bool(depth)),
            7 => format!("(and {} {})", self.bool(depth), self.bool(depth)),
            8 => format!("(or {} {})", self.bool(depth), self.bool(depth)),
            9 => format!("(if {} {} {})", self.bool(depth), self.bool(depth), self.bool(depth)),
            10 => {
                let name = self.name("x");
                let op = ["any", "every"][self.choices.below(2)];
                let list = format!("(list {} {})", self.int(depth), self.int(depth));
                let test = self.within(vec![(name.clone(), Kind::Number)], |this| this.bool(depth));
                format!("({op} (lambda ({name}) {test}) {list})")
            }
            11 => self.stored_bool(),
            _ => match self.counter_test() {
                Some(test) => test,
                None => self.stored_bool(),
            },
        };
        self.choices.end(part);
        text
    }

    /// A number that is compared: what may be a literal below zero has a type, since it is an error to compare it with what is unsigned.
    fn compared(&mut self, depth: usize) -> String {
        let number = self.int(depth);
        let negative = number.as_bytes().windows(2).any(|pair| pair[0] == b'-' && pair[1].is_ascii_digit());
        if negative { format!("(the i64 {number})") } else { number }
    }

    /// A boolean in a struct.
    fn stored_bool(&mut self) -> String {
        if let Some((name, Kind::Struct(index))) = self.pick(|kind| matches!(kind, Kind::Struct(_))) {
            let fields = &self.definitions.structs[index].fields;
            if let Some(field) = fields.iter().position(|field| *field == Content::Bool) {
                return format!("(s{index}-f{field} {name})");
            }
        }
        if self.choices.below(2) == 0 { "#t".to_owned() } else { "#f".to_owned() }
    }

    /// The simplest number at hand.
    fn number(&mut self) -> String {
        match self.choices.below(6) {
            0..3 => match self.pick(|kind| matches!(kind, Kind::Number | Kind::Variable | Kind::Counter)) {
                Some((name, _)) => name,
                None => self.field(),
            },
            3 => self.literal(),
            4 => self.stored(),
            _ => self.field(),
        }
    }
}
