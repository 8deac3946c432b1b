//! The checker of the IR. It runs after lowering and after every pass in tests.
//!
//! Invariants of a well-formed function, for the blocks that can be reached:
//!
//! 1. Nothing jumps to the entry, which has at most five parameters. A jump gives one argument for each parameter of the
//!    block it goes to, of the parameter's type; for a pointer, the number 0 will do, too, and for `memory` any pointer.
//! 2. Every block has a terminator: one that jumps to itself unconditionally has been forgotten.
//! 3. A value is made in one place, which is the one its `def` names, and that place dominates every use.
//! 4. Loads, atomics with fetch, calls and everything pure make a value; stores do not.
//! 5. Arithmetic is done on numbers, but for `pointer + number` and `pointer - number`, which are 64-bit and give a pointer of
//!    the same type, and `pointer - pointer`, which gives a number. The context, maps and the packet's end take no part in
//!    sums, except that `packet-end - packet` is the packet's length.
//! 6. A constant is a number, or the absent pointer 0 of any type.
//! 7. Memory is accessed through pointers, but not through a map or the packet's end. Atomics are on 4 or 8 bytes of numbers, in
//!    memory that is neither the context nor the packet.
//! 8. Where an address on the stack is known (a slot plus constants), the access is inside the slot, and both its offset
//!    and the slot's alignment are multiples of its size.
//! 9. A helper or function takes at most five arguments. A function, as this one, returns a number.
//! 10. Numbers are compared with numbers, pointers with pointers of their type or with 0, packet pointers also with the packet's end; only
//!     numbers in 32 bits.

use super::cfg::Cfg;
use super::dominators::Dominators;
use super::{
    ArithmeticOp, Block, Function, Inst, InstData, MemorySize, Op, Terminator, Value, ValueDef, ValueType, Width,
};
use crate::arena::Arena;

/// Checks a function: what is wrong with it, one message each.
pub fn check(function: &Function) -> Result<(), Vec<String>> {
    let cfg = Cfg::new(function);
    let dominators = Dominators::new(function, &cfg);
    let mut checker = Checker {
        function,
        cfg: &cfg,
        dominators: &dominators,
        places: function.values.ids().map(|_| None).collect(),
        errors: Vec::new(),
        at: function.entry,
    };
    checker.definitions();
    checker.blocks();
    if checker.errors.is_empty() { Ok(()) } else { Err(checker.errors) }
}

/// Where a value is made: in a block, before its first instruction (0) or at its n-th (n).
type Place = (Block, usize);

struct Checker<'a> {
    function: &'a Function,
    cfg: &'a Cfg,
    dominators: &'a Dominators,
    places: Arena<Value, Option<Place>>,
    errors: Vec<String>,
    at: Block,
}

impl Checker<'_> {
    fn error(&mut self, message: impl std::fmt::Display) {
        let at = self.at;
        self.errors.push(format!("{at}: {message}"));
    }

    /// Fills `places`.
    fn definitions(&mut self) {
        let function = self.function;
        for block in self.cfg.reverse_post_order() {
            self.at = *block;
            let data = function.blocks.at(*block);
            for (position, param) in (0..).zip(&data.params) {
                self.definition(*param, ValueDef::Param(*block, position), (*block, 0));
            }
            for (position, inst) in (1..).zip(&data.insts) {
                if let Some(result) = function.insts.at(*inst).result {
                    self.definition(result, ValueDef::Inst(*inst), (*block, position));
                }
            }
        }
    }

    fn definition(&mut self, value: Value, def: ValueDef, place: Place) {
        if self.places.at_mut(value).replace(place).is_some() {
            self.error(format_args!("{value} is made twice"));
        }
        let said = self.function.values.at(value).def;
        if said != def {
            self.error(format_args!("{value} says that {said:?} makes it, but {def:?} does"));
        }
    }

    fn blocks(&mut self) {
        let function = self.function;
        self.at = function.entry;
        if !self.cfg.predecessors(function.entry).is_empty() {
            self.error("something jumps to the entry");
        }
        if function.blocks.at(function.entry).params.len() > 5 {
            self.error("the function has more than five parameters");
        }
        for block in self.cfg.reverse_post_order() {
            self.at = *block;
            let data = function.blocks.at(*block);
            for (position, inst) in (1..).zip(&data.insts) {
                self.inst(*inst, (*block, position));
            }
            let end = (*block, data.insts.len() + 1);
            data.terminator.for_each_operand(|value| self.used(value, end));
            self.terminator(&data.terminator);
        }
    }

    fn used(&mut self, value: Value, place: Place) {
        let visible = match *self.places.at(value) {
            None => false,
            Some((block, position)) if block == place.0 => position < place.1,
            Some((block, _)) => self.dominators.dominates(block, place.0),
        };
        if !visible {
            self.error(format_args!("{value} is used where it is not made on every path"));
        }
    }

    fn ty(&self, value: Value) -> ValueType {
        self.function.value_type(value)
    }

    fn inst(&mut self, inst: Inst, place: Place) {
        let data = self.function.insts.at(inst);
        data.op.for_each_operand(|value| self.used(value, place));
        if let Err(message) = self.op(data) {
            self.error(format_args!("`{}`: {message}", self.function.display_inst(data)));
        }
    }

    fn op(&self, data: &InstData) -> Result<(), String> {
        let result = data.result.map(|value| self.ty(value));
        let gives = |wanted: ValueType| match result {
            Some(ty) if ty == wanted => Ok(()),
            Some(ty) => Err(format!("gives {wanted}, not {ty}")),
            None => Err("lacks a result".to_owned()),
        };
        let number = |value: Value| match self.ty(value) {
            ValueType::Int => Ok(()),
            ty => Err(format!("{value} is {ty}, not a number")),
        };
        match &data.op {
            Op::Const(0) if result.is_some() => Ok(()),
            Op::Const(_) => gives(ValueType::Int),
            Op::Binary(op, width, lhs, rhs) => self.sum(*op, *width, *lhs, *rhs).and_then(gives),
            Op::Hide { value, zero } => {
                number(*value)?;
                number(*zero)?;
                gives(ValueType::Int)
            }
            Op::Unary(_, value) => number(*value).and_then(|()| gives(ValueType::Int)),
            Op::Load { size, signed, base, offset } => {
                self.access(*size, *base, *offset)?;
                match result {
                    None => Err("lacks a result".to_owned()),
                    Some(ty) if ty != ValueType::Int && *signed => Err("a pointer has no sign".to_owned()),
                    Some(_) => Ok(()),
                }
            }
            Op::Store { size, base, offset, .. } => {
                self.access(*size, *base, *offset)?;
                if result.is_some() { Err("a store makes no value".to_owned()) } else { Ok(()) }
            }
            Op::Atomic { size, base, offset, value, .. } => {
                self.atomic(*size, *base, *offset)?;
                number(*value)?;
                if result.is_some() { gives(ValueType::Int) } else { Ok(()) }
            }
            Op::CompareExchange { size, base, offset, expected, value } => {
                self.atomic(*size, *base, *offset)?;
                number(*expected)?;
                number(*value)?;
                gives(ValueType::Int)
            }
            Op::SlotAddress(slot) | Op::HiddenZero(slot) if self.function.slots.get(*slot).is_none() => {
                Err(format!("there is no {slot}"))
            }
            Op::SlotAddress(_) => gives(ValueType::Stack),
            Op::HiddenZero(_) => gives(ValueType::Int),
            Op::Fact { .. } => gives(ValueType::Int),
            Op::Map(_) => gives(ValueType::Map),
            Op::FunctionAddress(_) => gives(ValueType::Function),
            Op::GlobalAddress { .. } => gives(ValueType::Global),
            Op::CallHelper { arguments, .. } | Op::CallFunction { arguments, .. } if arguments.len() > 5 => {
                Err("more than five arguments".to_owned())
            }
            Op::CallHelper { .. } if result.is_none() => Err("lacks a result".to_owned()),
            Op::CallHelper { .. } => Ok(()),
            Op::CallFunction { .. } => gives(ValueType::Int),
        }
    }

    /// The type that arithmetic gives.
    fn sum(&self, op: ArithmeticOp, width: Width, lhs: Value, rhs: Value) -> Result<ValueType, String> {
        use ValueType::{Context, Function, Int, Map, Packet, PacketEnd};
        let number = rhs;
        let (lhs, rhs) = (self.ty(lhs), self.ty(rhs));
        match (op, width, lhs, rhs) {
            (_, _, Int, Int) => Ok(Int),
            (ArithmeticOp::Sub, Width::W64, PacketEnd, Packet) => Ok(Int),
            // Only as the base of a load, whose offset the loader fills in.
            (ArithmeticOp::Add, Width::W64, Context, Int) if self.is_fact(number) => Ok(Context),
            (ArithmeticOp::Add | ArithmeticOp::Sub, Width::W64, Context | Map | Function | PacketEnd, _) => {
                Err(format!("{lhs} takes no part in sums"))
            }
            (ArithmeticOp::Add | ArithmeticOp::Sub, Width::W64, ty, Int) => Ok(ty),
            (ArithmeticOp::Sub, Width::W64, one, other) if one == other => Ok(Int),
            _ => Err(format!("{lhs} and {rhs} do not go together")),
        }
    }

    fn is_fact(&self, value: Value) -> bool {
        matches!(self.function.defining_op(value), Some(Op::Fact { .. }))
    }

    fn atomic(&self, size: MemorySize, base: Value, offset: i32) -> Result<(), String> {
        if size < MemorySize::B4 {
            return Err("an atomic has 4 or 8 bytes".to_owned());
        }
        match self.ty(base) {
            ty @ (ValueType::Context | ValueType::Packet) => Err(format!("no atomic in {ty}")),
            _ => self.access(size, base, offset),
        }
    }

    fn access(&self, size: MemorySize, base: Value, offset: i32) -> Result<(), String> {
        match self.ty(base) {
            ty @ (ValueType::Int | ValueType::Map | ValueType::Function | ValueType::PacketEnd) => {
                return Err(format!("{base} is {ty}, through which no memory can be reached"));
            }
            ValueType::Stack => {}
            _ => return Ok(()),
        }
        let Some((slot, start)) = self.function.stack_address(base, offset) else { return Ok(()) };
        let Some(slot) = self.function.slots.get(slot) else { return Ok(()) };
        let bytes = size.bytes();
        if start < 0 || start + i64::from(bytes) > i64::from(slot.size) {
            return Err(format!("{bytes} bytes at {start} of {} on the stack", slot.size));
        }
        if start % i64::from(bytes) != 0 || !slot.align.is_multiple_of(bytes) {
            return Err(format!("{bytes} bytes at {start} of a slot aligned to {}", slot.align));
        }
        Ok(())
    }

    fn terminator(&mut self, terminator: &Terminator) {
        let function = self.function;
        for target in terminator.targets() {
            let params = &function.blocks.at(target.block).params;
            if params.len() != target.arguments.len() {
                let (given, wanted) = (target.arguments.len(), params.len());
                self.error(format_args!("{given} arguments for the {wanted} parameters of {}", target.block));
            }
            for (param, argument) in params.iter().zip(&target.arguments) {
                let (wanted, given) = (self.ty(*param), self.ty(*argument));
                let fits = wanted == given || (wanted == ValueType::Memory && given != ValueType::Int);
                if !fits && function.constant(*argument) != Some(0) {
                    self.error(format_args!("{argument} is {given}, but {param} is {wanted}"));
                }
            }
        }
        match terminator {
            Terminator::Jump(target) if target.block == self.at => self.error("no terminator"),
            Terminator::Jump(_) => {}
            Terminator::Branch { width, lhs, rhs, .. } => {
                use ValueType::{Int, Packet, PacketEnd};
                let types = (self.ty(*lhs), self.ty(*rhs));
                let fits = match types {
                    (Int, Int) => true,
                    _ if *width == Width::W32 => false,
                    (Packet, PacketEnd) | (PacketEnd, Packet) => true,
                    (one, other) if one == other => true,
                    _ => function.constant(*lhs) == Some(0) || function.constant(*rhs) == Some(0),
                };
                if !fits {
                    self.error(format_args!("`{terminator}`: {} and {} are not compared", types.0, types.1));
                }
            }
            Terminator::Return(value) if self.ty(*value) != ValueType::Int => {
                self.error(format_args!("returns {}", self.ty(*value)));
            }
            Terminator::Return(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    fn errors(text: &str) -> String {
        check(&parse(text).unwrap()).err().unwrap_or_default().join("\n")
    }

    #[test]
    fn what_is_fine_passes() {
        let text = "slot s0 size 16 align 8
            b0(v0: context):
              v1: packet = load.4 v0 + 0
              v2: packet-end = load.4 v0 + 4
              v3 = const 14
              v4: packet = add v1, v3
              v5 = sub v2, v1
              v6 = const 0
              v7: stack = slot s0
              v8: stack = add v7, v6
              store.8 v8 + 8, v5
              branch above v4, v2 -> b1(v6), b1(v1)
            b1(v9: packet):
              branch equal v9, v6 -> b2, b3
            b2:
              return v6
            b3:
              return v5";
        assert_eq!(errors(text), "");
    }

    #[test]
    fn control_flow() {
        assert_eq!(
            errors("b0(v0):\n branch equal v0, v0 -> b0(v0), b1\n b1:\n return v0"),
            "b0: something jumps to the entry"
        );
        assert_eq!(errors("b0(v0):\n jump b1(v0)\n b1:\n return v0"), "b0: 1 arguments for the 0 parameters of b1");
        assert_eq!(errors("b0(v0: context):\n jump b1(v0)\n b1(v1):\n return v1"), "b0: v0 is context, but v1 is int");
        assert_eq!(errors("b0(v0):\n jump b1\n b1:\n jump b1"), "b1: no terminator");
        assert_eq!(errors("b0(v0,v1,v2,v3,v4,v5):\n return v0"), "b0: the function has more than five parameters");
        assert_eq!(errors("b0(v0: context):\n return v0"), "b0: returns context");
    }

    #[test]
    fn definitions_dominate_uses() {
        assert_eq!(
            errors("b0(v0):\n v1 = neg v2\n v2 = neg v0\n return v1"),
            "b0: v2 is used where it is not made on every path"
        );
        assert_eq!(
            errors(
                "b0(v0):\n branch equal v0, v0 -> b1, b2\n b1:\n v1 = neg v0\n jump b3\n b2:\n jump b3\n b3:\n return v1"
            ),
            "b3: v1 is used where it is not made on every path"
        );
        let mut function = parse("b0(v0):\n v1 = neg v0\n return v1").unwrap();
        let inst = function.blocks.at(function.entry).insts[0];
        function.blocks.at_mut(function.entry).insts.push(inst);
        assert_eq!(check(&function), Err(vec!["b0: v1 is made twice".to_owned()]));
    }

    #[test]
    fn types_of_operations() {
        let one = |inst: &str| {
            let start = "slot s0 size 16 align 4\n b0(v0, v1: packet, v2: context, v3: packet-end, v4: map-value):\n";
            let text = format!("{start} v5: stack = slot s0\n {inst}\n return v0");
            errors(&text).split_once("`: ").map(|(_, message)| message.to_owned()).unwrap_or_default()
        };
        assert_eq!(one("v9 = const 0"), "");
        assert_eq!(one("v9: packet = const 1"), "gives int, not packet");
        assert_eq!(one("v9 = add v1, v0"), "gives packet, not int");
        assert_eq!(one("v9: packet = add v0, v1"), "int and packet do not go together");
        assert_eq!(one("v9: packet = add.32 v1, v0"), "packet and int do not go together");
        assert_eq!(one("v9: context = add v2, v0"), "context takes no part in sums");
        assert_eq!(one("v9 = mul v1, v0"), "packet and int do not go together");
        assert_eq!(one("v9 = sub v1, v4"), "packet and map-value do not go together");
        assert_eq!(one("v9 = neg v1"), "v1 is packet, not a number");
        assert_eq!(one("v9 = load.1 v3 + 0"), "v3 is packet-end, through which no memory can be reached");
        assert_eq!(one("load.1 v1 + 0"), "lacks a result");
        assert_eq!(one("v9: packet = load-signed.4 v2 + 0"), "a pointer has no sign");
        assert_eq!(one("v9 = store.1 v1 + 0, v0"), "a store makes no value");
        assert_eq!(one("atomic-add.2 v4 + 0, v0"), "an atomic has 4 or 8 bytes");
        assert_eq!(one("atomic-add.4 v1 + 0, v0"), "no atomic in packet");
        assert_eq!(one("atomic-add.4 v4 + 0, v1"), "v1 is packet, not a number");
        assert_eq!(one("v9 = compare-exchange.8 v4 + 0, v0, v0"), "");
        assert_eq!(one("v9: stack = slot s3"), "there is no s3");
        assert_eq!(one("v9 = helper 1(v0, v0, v0, v0, v0, v0)"), "more than five arguments");
        assert_eq!(one("helper 1(v0)"), "lacks a result");
        assert_eq!(one("v9 = load.4 v5 + 16"), "4 bytes at 16 of 16 on the stack");
        assert_eq!(one("v9 = load.4 v5 - 4"), "4 bytes at -4 of 16 on the stack");
        assert_eq!(one("v9 = load.4 v5 + 2"), "4 bytes at 2 of a slot aligned to 4");
        assert_eq!(one("v9 = load.8 v5 + 8"), "8 bytes at 8 of a slot aligned to 4");
        assert_eq!(one("v9 = load.2 v5 + 14"), "");
    }

    #[test]
    fn comparisons() {
        let one = |compared: &str| {
            let text = format!(
                "b0(v0, v1: packet, v2: context, v3: packet-end, v4: map-value):
                   v5 = const 0
                   branch {compared} -> b1, b1
                 b1:
                   return v0"
            );
            errors(&text).split_once("`: ").map(|(_, message)| message.to_owned()).unwrap_or_default()
        };
        assert_eq!(one("above v1, v3"), "");
        assert_eq!(one("equal v4, v5"), "");
        assert_eq!(one("equal v1, v1"), "");
        assert_eq!(one("equal v4, v0"), "map-value and int are not compared");
        assert_eq!(one("equal v4, v1"), "map-value and packet are not compared");
        assert_eq!(one("above.32 v1, v3"), "packet and packet-end are not compared");
    }
}
