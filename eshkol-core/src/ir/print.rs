//! The text form of a function: reachable blocks in reverse post order.
//!
//! ```text
//! function "xdp_main" {
//! b0(v0: context):
//!   v1: packet = load.4 v0 + 0
//!   v2: packet-end = load.4 v0 + 4
//!   v3 = const 14
//!   v4: packet = add v1, v3
//!   branch above v4, v2 -> b2(v3), b1
//! b1:
//!   v5 = load.1 v1 + 12
//!   jump b2(v5)
//! b2(v6):
//!   return v6
//! }
//! ```
//!
//! A value without a type is an `int`. Arithmetic and comparisons of 32 bits end in `.32`; loads that sign-extend are
//! `load-signed`; atomics and `compare-exchange` have the size at the end; `slot s0 size 16 align 8` declares stack memory.

use std::fmt;

use super::cfg::Cfg;
use super::mnemonic::{ATOMIC, BINARY, CONDITIONS, SIZES, TYPES, UNARY, name};
use super::{Function, GlobalSection, InstData, Op, Target, Terminator, Value, ValueType, Width};

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "function {:?} {{", self.name)?;
        for (slot, data) in self.slots.iter() {
            writeln!(f, "  slot {slot} size {} align {}", data.size, data.align)?;
        }
        for block in Cfg::new(self).reverse_post_order() {
            let data = self.blocks.at(*block);
            write!(f, "{block}")?;
            if !data.params.is_empty() {
                write!(f, "(")?;
                for (position, param) in data.params.iter().enumerate() {
                    write!(f, "{}{}", if position == 0 { "" } else { ", " }, Typed(self, *param))?;
                }
                write!(f, ")")?;
            }
            writeln!(f, ":")?;
            for inst in &data.insts {
                writeln!(f, "  {}", self.display_inst(self.insts.at(*inst)))?;
            }
            writeln!(f, "  {}", data.terminator)?;
        }
        writeln!(f, "}}")
    }
}

impl Function {
    /// One instruction, as it is in the text form of the function.
    pub fn display_inst<'a>(&'a self, inst: &'a InstData) -> impl fmt::Display + 'a {
        DisplayInst { function: self, inst }
    }
}

struct DisplayInst<'a> {
    function: &'a Function,
    inst: &'a InstData,
}

impl fmt::Display for DisplayInst<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(result) = self.inst.result {
            write!(f, "{} = ", Typed(self.function, result))?;
        }
        write!(f, "{}", self.inst.op)
    }
}

/// A value where it is made.
struct Typed<'a>(&'a Function, Value);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.value_type(self.1) {
            ValueType::Int => write!(f, "{}", self.1),
            ty => write!(f, "{}: {ty}", self.1),
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(TYPES, *self))
    }
}

/// Values in parentheses.
struct Arguments<'a>(&'a [Value]);

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(")?;
        for (position, value) in self.0.iter().enumerate() {
            write!(f, "{}{value}", if position == 0 { "" } else { ", " })?;
        }
        write!(f, ")")
    }
}

/// `base + offset`.
struct Address(Value, i32);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.1 < 0 { '-' } else { '+' };
        write!(f, "{} {sign} {}", self.0, self.1.unsigned_abs())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(number) => write!(f, "const {number}"),
            Self::Binary(op, width, lhs, rhs) => write!(f, "{}{width} {lhs}, {rhs}", name(BINARY, *op)),
            Self::Unary(op, value) => write!(f, "{} {value}", name(UNARY, *op)),
            Self::Load { size, signed, base, offset } => {
                let signed = if *signed { "-signed" } else { "" };
                write!(f, "load{signed}.{} {}", name(SIZES, *size), Address(*base, *offset))
            }
            Self::Store { size, base, offset, value } => {
                write!(f, "store.{} {}, {value}", name(SIZES, *size), Address(*base, *offset))
            }
            Self::Atomic { op, size, base, offset, value } => {
                let (op, size) = (name(ATOMIC, *op), name(SIZES, *size));
                write!(f, "atomic-{op}.{size} {}, {value}", Address(*base, *offset))
            }
            Self::CompareExchange { size, base, offset, expected, value } => {
                let address = Address(*base, *offset);
                write!(f, "compare-exchange.{} {address}, {expected}, {value}", name(SIZES, *size))
            }
            Self::SlotAddress(slot) => write!(f, "slot {slot}"),
            Self::Hide { value, zero } => write!(f, "hide {value}, {zero}"),
            Self::HiddenZero(slot) => write!(f, "hidden-zero {slot}"),
            Self::Fact { fact, local } => write!(f, "{fact} {local}"),
            Self::Map(map) => write!(f, "map {map}"),
            Self::FunctionAddress(function) => write!(f, "function {function}"),
            Self::GlobalAddress { section, offset } => write!(f, "global {section} + {offset}"),
            Self::CallHelper { helper, arguments } => match helper.as_declared() {
                Some(kfunc) => write!(f, "kernel {kfunc}{}", Arguments(arguments)),
                None => write!(f, "helper {}{}", helper.0, Arguments(arguments)),
            },
            Self::CallFunction { function, arguments } => write!(f, "call {function}{}", Arguments(arguments)),
        }
    }
}

impl fmt::Display for GlobalSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rodata => f.write_str(".rodata"),
            Self::Data(global) => write!(f, ".data.{global}"),
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::W32 => ".32",
            Self::W64 => "",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.block)?;
        if self.arguments.is_empty() { Ok(()) } else { write!(f, "{}", Arguments(&self.arguments)) }
    }
}

impl fmt::Display for Terminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump(target) => write!(f, "jump {target}"),
            Self::Branch { condition, width, lhs, rhs, then, otherwise } => {
                write!(f, "branch {}{width} {lhs}, {rhs} -> {then}, {otherwise}", name(CONDITIONS, *condition))
            }
            Self::Return(value) => write!(f, "return {value}"),
        }
    }
}
