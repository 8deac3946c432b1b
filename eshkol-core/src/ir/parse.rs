//! Reads the text form that [`super::print`] writes. Blocks and values are numbered anew, in order of appearance; spans
//! are places in the text.

use std::collections::BTreeMap;
use std::fmt;

use super::mnemonic::{ATOMIC, BINARY, CONDITIONS, SIZES, TYPES, UNARY, find};
use super::{
    Block, BlockData, Function, GlobalSection, InstData, MemorySize, Op, Slot, SlotData, Target, Terminator, Value,
    ValueData, ValueDef, ValueType, Width,
};
use crate::arena::{Arena, Id};
use crate::kernel::HelperId;
use crate::source::{SourceId, Span};

/// What is wrong with a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// 1-based line.
    pub line: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads a function.
pub fn parse(text: &str) -> Result<Function, ParseError> {
    let mut parser = Parser {
        function: Function {
            name: String::new(),
            span: Span::new(SourceId::new(0), 0, 0),
            values: Arena::new(),
            insts: Arena::new(),
            blocks: Arena::new(),
            slots: Arena::new(),
            entry: Block::new(0),
        },
        blocks: BTreeMap::new(),
        values: BTreeMap::new(),
        defined: BTreeMap::new(),
        open: None,
    };
    let mut start = 0;
    let mut last = 1;
    for (number, line) in (1..).zip(text.lines()) {
        let end = start + line.len();
        let span = Span::new(SourceId::new(0), narrow(start), narrow(end));
        parser.line(line, span).map_err(|message| ParseError { line: number, message })?;
        start = end + 1;
        last = number;
    }
    parser.finish().map_err(|message| ParseError { line: last, message })
}

fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

type Parsed<T> = Result<T, String>;

struct Parser {
    function: Function,
    /// Whether a block was seen where it begins.
    blocks: BTreeMap<u32, (Block, bool)>,
    values: BTreeMap<u32, Value>,
    defined: BTreeMap<Value, ()>,
    /// The block that lines belong to.
    open: Option<Block>,
}

impl Parser {
    fn finish(self) -> Parsed<Function> {
        if let Some(block) = self.open {
            return Err(format!("{block} has no terminator"));
        }
        if let Some((name, _)) = self.blocks.iter().find(|(_, (_, seen))| !seen) {
            return Err(format!("b{name} is nowhere"));
        }
        if let Some((name, _)) = self.values.iter().find(|(_, value)| !self.defined.contains_key(value)) {
            return Err(format!("v{name} is never made"));
        }
        if self.function.blocks.is_empty() {
            return Err("no block".to_owned());
        }
        Ok(self.function)
    }

    fn line(&mut self, line: &str, span: Span) -> Parsed<()> {
        let line = line.split_once(';').map_or(line, |(code, _)| code).trim();
        if line.is_empty() || line == "}" {
            return Ok(());
        }
        let mut words = Words { rest: line };
        if words.take("function") {
            let quoted = words.rest.trim_end_matches('{').trim();
            let name = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            self.function.name = name.ok_or("a function's name is in double quotes")?.to_owned();
            self.function.span = span;
            return Ok(());
        }
        let Some(block) = self.open else {
            return if words.take("slot") { self.slot(&mut words) } else { self.block(&mut words, span) };
        };
        if let Some(terminator) = self.terminator(&mut words)? {
            words.end()?;
            let data = self.function.blocks.at_mut(block);
            data.terminator = terminator;
            data.span = span;
            self.open = None;
            return Ok(());
        }
        let inst = self.function.insts.next_id();
        let result = if words.rest.starts_with('v') && words.rest.contains('=') {
            let value = self.definition(&mut words, ValueDef::Inst(inst))?;
            words.expect("=")?;
            Some(value)
        } else {
            None
        };
        let op = self.op(&mut words)?;
        words.end()?;
        self.function.insts.push(InstData { op, result, span });
        self.function.blocks.at_mut(block).insts.push(inst);
        Ok(())
    }

    fn slot(&mut self, words: &mut Words<'_>) -> Parsed<()> {
        let number = words.id("s")?;
        if Slot::new(number as usize) != self.function.slots.next_id() {
            return Err(format!("slots are declared in order: expected {}", self.function.slots.next_id()));
        }
        words.expect("size")?;
        let size = words.unsigned()?;
        words.expect("align")?;
        let align = words.unsigned()?;
        self.function.slots.push(SlotData { size, align });
        words.end()
    }

    fn block(&mut self, words: &mut Words<'_>, span: Span) -> Parsed<()> {
        let number = words.id("b")?;
        let block = self.block_named(number);
        if self.blocks.values().all(|(_, seen)| !seen) {
            self.function.entry = block;
        }
        if self.blocks.insert(number, (block, true)).is_some_and(|(_, seen)| seen) {
            return Err(format!("b{number} is here twice"));
        }
        if words.take("(") && !words.take(")") {
            for position in 0.. {
                let param = self.definition(words, ValueDef::Param(block, position))?;
                self.function.blocks.at_mut(block).params.push(param);
                if words.take(")") {
                    break;
                }
                words.expect(",")?;
            }
        }
        words.expect(":")?;
        self.function.blocks.at_mut(block).span = span;
        self.open = Some(block);
        words.end()
    }

    fn block_named(&mut self, number: u32) -> Block {
        let blocks = &mut self.function.blocks;
        let span = self.function.span;
        let (block, _) = *self.blocks.entry(number).or_insert_with(|| {
            let terminator = Terminator::Jump(Target::new(blocks.next_id(), Vec::new()));
            (blocks.push(BlockData { params: Vec::new(), insts: Vec::new(), terminator, span }), false)
        });
        block
    }

    fn value_named(&mut self, number: u32) -> Value {
        let values = &mut self.function.values;
        let def = ValueDef::Param(self.function.entry, u32::MAX);
        *self.values.entry(number).or_insert_with(|| values.push(ValueData { ty: ValueType::Int, def }))
    }

    fn definition(&mut self, words: &mut Words<'_>, def: ValueDef) -> Parsed<Value> {
        let number = words.id("v")?;
        let value = self.value_named(number);
        let ty = if words.take(":") { words.of(TYPES, "a type")? } else { ValueType::Int };
        *self.function.values.at_mut(value) = ValueData { ty, def };
        match self.defined.insert(value, ()) {
            None => Ok(value),
            Some(()) => Err(format!("v{number} is made twice")),
        }
    }

    fn value(&mut self, words: &mut Words<'_>) -> Parsed<Value> {
        let number = words.id("v")?;
        Ok(self.value_named(number))
    }

    fn two_values(&mut self, words: &mut Words<'_>) -> Parsed<(Value, Value)> {
        let first = self.value(words)?;
        words.expect(",")?;
        Ok((first, self.value(words)?))
    }

    fn address(&mut self, words: &mut Words<'_>) -> Parsed<(Value, i32)> {
        let base = self.value(words)?;
        let negative = words.take("-");
        if !negative {
            words.expect("+")?;
        }
        let offset = words.number()?;
        let offset = if negative { -offset } else { offset };
        Ok((base, i32::try_from(offset).map_err(|_| format!("offset {offset} does not fit 32 bits"))?))
    }

    fn arguments(&mut self, words: &mut Words<'_>) -> Parsed<Vec<Value>> {
        let mut arguments = Vec::new();
        if words.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.value(words)?);
            if words.take(")") {
                return Ok(arguments);
            }
            words.expect(",")?;
        }
    }

    fn target(&mut self, words: &mut Words<'_>) -> Parsed<Target> {
        let number = words.id("b")?;
        let block = self.block_named(number);
        let arguments = if words.take("(") { self.arguments(words)? } else { Vec::new() };
        Ok(Target { block, arguments })
    }

    fn terminator(&mut self, words: &mut Words<'_>) -> Parsed<Option<Terminator>> {
        if words.take("jump") {
            return Ok(Some(Terminator::Jump(self.target(words)?)));
        }
        if words.take("return") {
            return Ok(Some(Terminator::Return(self.value(words)?)));
        }
        if !words.take("branch") {
            return Ok(None);
        }
        let word = words.word();
        let (word, width) = split_width(word);
        let condition = find(CONDITIONS, word).ok_or_else(|| format!("no condition is called `{word}`"))?;
        let (lhs, rhs) = self.two_values(words)?;
        words.expect("->")?;
        let then = self.target(words)?;
        words.expect(",")?;
        let otherwise = self.target(words)?;
        Ok(Some(Terminator::Branch { condition, width, lhs, rhs, then, otherwise }))
    }

    fn op(&mut self, words: &mut Words<'_>) -> Parsed<Op> {
        let word = words.word();
        let unknown = || format!("no operation is called `{word}`");
        if let Some((head, size)) = word.rsplit_once('.')
            && let Some(size) = find(SIZES, size)
        {
            return self.memory(head, size, words)?.ok_or_else(unknown);
        }
        if let Some(op) = find(UNARY, word) {
            return Ok(Op::Unary(op, self.value(words)?));
        }
        let (head, width) = split_width(word);
        if let Some(op) = find(BINARY, head) {
            let (lhs, rhs) = self.two_values(words)?;
            return Ok(Op::Binary(op, width, lhs, rhs));
        }
        match word {
            "const" => Ok(Op::Const(words.number()?)),
            "slot" => Ok(Op::SlotAddress(Slot::new(words.id("s")? as usize))),
            "hide" => {
                let (value, zero) = self.two_values(words)?;
                Ok(Op::Hide { value, zero })
            }
            "hidden-zero" => Ok(Op::HiddenZero(Slot::new(words.id("s")? as usize))),
            fact if fact.starts_with("fact") => {
                let number = fact.trim_start_matches("fact").parse().map_err(|_| unknown())?;
                let local = i32::try_from(words.number()?).map_err(|_| unknown())?;
                Ok(Op::Fact { fact: Id::new(number), local })
            }
            "map" => Ok(Op::Map(Id::new(words.id("map")? as usize))),
            "function" => Ok(Op::FunctionAddress(Id::new(words.id("fn")? as usize))),
            "global" => {
                let section = words.section()?;
                words.expect("+")?;
                Ok(Op::GlobalAddress { section, offset: words.unsigned()? })
            }
            "helper" => {
                let helper = HelperId(words.unsigned()?);
                words.expect("(")?;
                Ok(Op::CallHelper { helper, arguments: self.arguments(words)? })
            }
            "kernel" => {
                let helper = HelperId::declared(Id::new(words.id("kfunc")? as usize));
                words.expect("(")?;
                Ok(Op::CallHelper { helper, arguments: self.arguments(words)? })
            }
            "call" => {
                let function = Id::new(words.id("fn")? as usize);
                words.expect("(")?;
                Ok(Op::CallFunction { function, arguments: self.arguments(words)? })
            }
            _ => Err(unknown()),
        }
    }

    fn memory(&mut self, head: &str, size: MemorySize, words: &mut Words<'_>) -> Parsed<Option<Op>> {
        let (base, offset) = self.address(words)?;
        if matches!(head, "load" | "load-signed") {
            return Ok(Some(Op::Load { size, signed: head == "load-signed", base, offset }));
        }
        words.expect(",")?;
        if head == "compare-exchange" {
            let (expected, value) = self.two_values(words)?;
            return Ok(Some(Op::CompareExchange { size, base, offset, expected, value }));
        }
        let value = self.value(words)?;
        if head == "store" {
            return Ok(Some(Op::Store { size, base, offset, value }));
        }
        let op = head.strip_prefix("atomic-").and_then(|op| find(ATOMIC, op));
        Ok(op.map(|op| Op::Atomic { op, size, base, offset, value }))
    }
}

fn split_width(word: &str) -> (&str, Width) {
    match word.strip_suffix(".32") {
        Some(head) => (head, Width::W32),
        None => (word, Width::W64),
    }
}

/// The rest of a line.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// Letters, digits, `.`, and `-` within.
    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        let mut end = 0;
        for (position, c) in rest.char_indices() {
            let dash = c == '-'
                && end > 0
                && rest.get(position + 1..).and_then(|after| after.chars().next()).is_some_and(char::is_alphanumeric);
            if !inside(c) && !dash {
                break;
            }
            end = position + c.len_utf8();
        }
        let (word, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        self.rest = rest.trim_start();
        word
    }

    /// Takes a word or a sign if it is next.
    fn take(&mut self, wanted: &str) -> bool {
        let rest = self.rest.trim_start();
        if wanted.starts_with(|c: char| c.is_alphabetic()) {
            let mut ahead = Words { rest };
            if ahead.word() != wanted {
                return false;
            }
            self.rest = ahead.rest;
            return true;
        }
        match rest.strip_prefix(wanted) {
            Some(after) => {
                self.rest = after.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: &str) -> Parsed<()> {
        if self.take(wanted) { Ok(()) } else { Err(format!("expected `{wanted}`, found `{}`", self.rest)) }
    }

    fn end(&self) -> Parsed<()> {
        if self.rest.trim().is_empty() { Ok(()) } else { Err(format!("`{}` is too much", self.rest)) }
    }

    fn number(&mut self) -> Parsed<i64> {
        let negative = self.take("-");
        let word = self.word();
        let magnitude: i128 = word.parse().map_err(|_| format!("expected a number, found `{word}`"))?;
        let number = if negative { -magnitude } else { magnitude };
        i64::try_from(number).map_err(|_| format!("{number} does not fit 64 bits"))
    }

    fn unsigned(&mut self) -> Parsed<u32> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| format!("{number} does not fit 32 bits"))
    }

    fn id(&mut self, prefix: &str) -> Parsed<u32> {
        let word = self.word();
        word.strip_prefix(prefix)
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| format!("expected {prefix} and a number, found `{word}`"))
    }

    fn section(&mut self) -> Parsed<GlobalSection> {
        let word = self.word();
        let global = word.strip_prefix(".data.global").and_then(|number| number.parse().ok());
        match global {
            Some(number) => Ok(GlobalSection::Data(Id::new(number))),
            None if word == ".rodata" => Ok(GlobalSection::Rodata),
            None => Err(format!("expected a section, found `{word}`")),
        }
    }

    fn of<T: Copy>(&mut self, table: &[(T, &'static str)], what: &str) -> Parsed<T> {
        let word = self.word();
        find(table, word).ok_or_else(|| format!("expected {what}, found `{word}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &str = r#"function "f" {
  slot s0 size 16 align 8
b0(v0: context, v1):
  v2: packet = load.4 v0 + 0
  v3: packet-end = load.4 v0 + 4
  v4 = const -14
  v5: packet = sub v2, v4
  v6: stack = slot s0
  store.8 v6 + 8, v4
  store.1 v6 - 7, v4
  v7 = load-signed.2 v6 + 8
  v8 = tobig16 v7
  v9 = lshr.32 v8, v1
  v10: map = map map3
  v11: map-value = helper 1(v10, v6)
  v12: map-value = const 0
  v13: global = global .data.global2 + 4
  atomic-add.4 v13 + 0, v1
  v14 = atomic-exchange.8 v13 + 8, v1
  v15 = compare-exchange.4 v13 + 8, v1, v9
  v16 = call fn2()
  v17: function = function fn1
  v18 = kernel kfunc1(v10, v9)
  branch above v5, v3 -> b1, b2(v16, v9)
b1:
  branch bits-set.32 v1, v4 -> b1, b2(v4, v4)
b2(v19, v20):
  return v19
}
"#;

    #[test]
    fn the_printer_and_the_parser_agree() {
        let function = parse(EVERYTHING).unwrap();
        assert_eq!(function.to_string(), EVERYTHING);
    }

    #[test]
    fn errors_say_the_line() {
        let message = |text| parse(text).unwrap_err().to_string();
        assert_eq!(message("b0:\n  v1 = frob v0\n"), "line 2: no operation is called `frob`");
        assert_eq!(message("b0:\n  return v0"), "line 2: v0 is never made");
        assert_eq!(message("b0:\n  jump b7"), "line 2: b7 is nowhere");
        assert_eq!(message("b0(v0):\n  v0 = const 1"), "line 2: v0 is made twice");
        assert_eq!(message("b0(v0):\n  v1 = add v0 v0"), "line 2: expected `,`, found `v0`");
        assert_eq!(message("b0(v0):\n  return v0, v0"), "line 2: `, v0` is too much");
    }
}
