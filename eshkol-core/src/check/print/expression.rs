//! Expressions in the text form.

use std::net::Ipv6Addr;

use super::Printer;
use super::tree::{Tree, list};
use super::types::storage;
use crate::check::kernel_types::{FactId, FactKind};
use crate::check::typed::{
    Argument, ArithmeticOp, AtomicOp, CompareOp, Expr, ExprKind, Function, KernelOp, LocalId, LoopId, Numbered, Part,
    PartValue, Place,
};
use crate::kernel::helper;

/// The body of a function, to be written.
#[derive(Copy, Clone)]
pub(super) struct Body<'a> {
    pub(super) printer: Printer<'a>,
    pub(super) function: &'a Function,
}

impl Body<'_> {
    /// A local: its name and number.
    pub(super) fn local(self, id: LocalId) -> Tree {
        let name = self.function.locals.get(id).map_or("?", |local| &local.name);
        Tree::atom(format_args!("{name}.{}", crate::arena::Id::index(id)))
    }

    fn bound(self, id: LocalId) -> [Tree; 3] {
        let ty = self.function.locals.get(id).map_or(Tree::atom("?"), |local| self.printer.ty(&local.ty));
        [self.local(id), Tree::atom(":"), ty]
    }

    fn binding(self, id: LocalId, value: &Expr) -> Tree {
        Tree::List(self.bound(id).into_iter().chain([self.tree(value)]).collect())
    }

    fn form<'e>(self, word: &str, parts: impl IntoIterator<Item = &'e Expr>) -> Tree {
        Tree::List(std::iter::once(Tree::atom(word)).chain(parts.into_iter().map(|part| self.tree(part))).collect())
    }

    /// The expression.
    pub(super) fn tree(self, expr: &Expr) -> Tree {
        match &expr.kind {
            ExprKind::Unit => list![],
            ExprKind::Constant(value) => Tree::atom(value),
            ExprKind::Ipv6Constant(bytes) => list![Tree::atom("ipv6"), Tree::atom(Ipv6Addr::from(*bytes))],
            ExprKind::MacConstant(bytes) => list![Tree::atom("mac"), Tree::bytes(bytes)],
            ExprKind::Local(id) => self.local(*id),
            ExprKind::Let { local, value, body } => {
                list![Tree::atom("let"), list![self.binding(*local, value)], self.tree(body)]
            }
            ExprKind::LetValues { locals, value, body } => {
                let bound = locals.iter().map(|local| Tree::List(self.bound(*local).into())).collect();
                list![Tree::atom("let-values"), list![Tree::List(bound), self.tree(value)], self.tree(body)]
            }
            ExprKind::Values(values) => self.form("values", values),
            ExprKind::Set { local, value } => list![Tree::atom("set!"), self.local(*local), self.tree(value)],
            ExprKind::Seq(items) => self.form("begin", items),
            ExprKind::If { test, then, otherwise } => self.form("if", [&**test, then, otherwise]),
            ExprKind::Loop { id, variables, body } => self.repeated(*id, variables, body),
            ExprKind::Continue { id, arguments } => self.form(&id.to_string(), arguments),
            ExprKind::Arithmetic { op, lhs, rhs } => self.form(arithmetic(*op), [&**lhs, rhs]),
            ExprKind::Cast(value) => list![Tree::atom("the"), self.printer.ty(&expr.ty), self.tree(value)],
            ExprKind::NetworkOrder { bytes, value } => self.form(&format!("network-order.{bytes}"), [&**value]),
            ExprKind::ByteSwap { bytes, value } => self.form(&format!("byte-swap.{bytes}"), [&**value]),
            ExprKind::BitCount(value) => self.form("bit-count", [&**value]),
            ExprKind::Hidden(value) => self.form("hidden", [&**value]),
            ExprKind::Apart(value) => self.form("apart", [&**value]),
            ExprKind::Compare { op, lhs, rhs } => self.form(comparison(*op), [&**lhs, rhs]),
            ExprKind::Not(value) => self.form("not", [&**value]),
            ExprKind::IsPresent(value) => self.form("present?", [&**value]),
            ExprKind::Present(value) => self.form("present", [&**value]),
            ExprKind::Some(value) => self.form("some", [&**value]),
            ExprKind::Absent => Tree::atom("absent"),
            ExprKind::Load { place, storage: of } => list![Tree::atom("load"), storage(*of), self.place(place)],
            ExprKind::Store { place, storage: of, value } => {
                list![Tree::atom("store!"), storage(*of), self.place(place), self.tree(value)]
            }
            ExprKind::Copy { to, from, bytes } => {
                list![Tree::atom("copy!"), self.place(to), self.place(from), Tree::atom(bytes)]
            }
            ExprKind::Address(place) => list![Tree::atom("address"), self.place(place)],
            ExprKind::Allocate { data, parts } => {
                let head = [Tree::atom("allocate"), self.printer.data_type(data)];
                Tree::List(head.into_iter().chain(parts.iter().map(|part| self.part(part))).collect())
            }
            ExprKind::Atomic { op, place, storage: of, value, fetch } => {
                let word = format!("atomic-{}{}", atomic(*op), if *fetch { "-fetch!" } else { "!" });
                list![Tree::atom(word), storage(*of), self.place(place), self.tree(value)]
            }
            ExprKind::CompareExchange { place, storage: of, expected, value } => {
                let word = Tree::atom("atomic-compare-exchange!");
                list![word, storage(*of), self.place(place), self.tree(expected), self.tree(value)]
            }
            ExprKind::Global(id) => list![Tree::atom("global"), Tree::atom(&self.printer.unit.globals.at(*id).name)],
            ExprKind::ContextLoad { context, offset, bytes } => {
                list![Tree::atom(format_args!("context-load.{bytes}")), self.tree(context), Tree::atom(offset)]
            }
            ExprKind::ContextStore { context, offset, bytes, value } => {
                let word = Tree::atom(format_args!("context-store!.{bytes}"));
                list![word, self.tree(context), Tree::atom(offset), self.tree(value)]
            }
            ExprKind::PacketStart(context) => self.form("packet-start", [&**context]),
            ExprKind::PacketLength(context) => self.form("packet-length", [&**context]),
            ExprKind::PacketDistance { context, cursor } => self.form("packet-distance", [&**context, &**cursor]),
            ExprKind::Parse { context, cursor, size } => {
                list![Tree::atom("parse"), self.tree(context), self.tree(cursor), Tree::atom(size)]
            }
            ExprKind::Advance { from, bytes, maximum } => {
                list![Tree::atom("advance"), self.tree(from), self.tree(bytes), Tree::atom(format_args!("≤{maximum}"))]
            }
            ExprKind::Helper { helper, arguments } => {
                let kfunc = helper.as_declared().and_then(|kfunc| self.printer.unit.kfuncs.get(kfunc));
                let name = match (kfunc, helper::by_id(*helper)) {
                    (Some(kfunc), _) => kfunc.name.to_string(),
                    (None, Some(row)) => row.name.to_owned(),
                    (None, None) => format!("helper-{}", helper.0),
                };
                let arguments = arguments.iter().map(|argument| self.argument(argument));
                Tree::List(std::iter::once(Tree::atom(name)).chain(arguments).collect())
            }
            ExprKind::Kernel(op) => self.kernel(op),
            ExprKind::Call { function, arguments } => {
                self.form(&self.printer.unit.functions.at(*function).name, arguments)
            }
        }
    }

    fn kernel(self, op: &KernelOp) -> Tree {
        let word = match op {
            KernelOp::Fact(_) => "kernel-fact",
            KernelOp::Pointer(_) => "kernel-pointer",
            KernelOp::Number(_) => "kernel-number",
            KernelOp::Part { .. } => "kernel-part",
            KernelOp::Element { .. } => "kernel-element",
            KernelOp::Load { .. } => "kernel-load",
            KernelOp::Bits { .. } => "kernel-bits",
            KernelOp::Copy { .. } => "kernel-copy",
        };
        let detail = match op {
            KernelOp::Load { storage: of, .. } => Some(storage(*of)),
            KernelOp::Copy { data, .. } => Some(self.printer.data_type(data)),
            _ => None,
        };
        let fact = match op {
            KernelOp::Fact(fact) | KernelOp::Part { offset: fact, .. } => Some(*fact),
            KernelOp::Load { offset, .. } | KernelOp::Copy { offset, .. } => *offset,
            KernelOp::Bits { facts, .. } => Some(facts.offset),
            KernelOp::Pointer(_) | KernelOp::Number(_) | KernelOp::Element { .. } => None,
        };
        let fact = fact.map(|fact| self.fact(fact));
        let parts = op.parts().map(|part| self.tree(part));
        Tree::List(std::iter::once(Tree::atom(word)).chain(detail).chain(parts).chain(fact).collect())
    }

    /// What is asked of the running kernel, and about what.
    fn fact(self, id: FactId) -> Tree {
        let (unit, fact) = (self.printer.unit, self.printer.unit.facts.at(id));
        let subject = unit.types.kernel_subject(&fact.subject);
        let kind = match fact.kind {
            FactKind::ByteOffset => "offset",
            FactKind::ByteSize => "size",
            FactKind::FieldExists => "exists?",
            FactKind::LeftShift => "left-shift",
            FactKind::RightShift => "right-shift",
            FactKind::TypeExists => "type-exists?",
            FactKind::TypeSize => "sizeof",
            FactKind::VariantExists => "variant-exists?",
            FactKind::VariantValue => "value",
        };
        list![Tree::atom(kind), Tree::atom(subject)]
    }

    fn repeated(self, id: LoopId, variables: &[(LocalId, Expr)], body: &Expr) -> Tree {
        let variables = variables.iter().map(|(local, value)| self.binding(*local, value)).collect();
        let facts = self.function.loops.get(id).map_or_else(String::new, |facts| {
            let how = match facts.numbered {
                _ if facts.unroll => ",unroll",
                Some(Numbered::By(..)) => ",by-counter",
                Some(Numbered::Apart) => ",by-number",
                None => "",
            };
            format!("≤{}{how}", facts.trips)
        });
        list![Tree::atom("loop"), Tree::atom(id), Tree::atom(facts), Tree::List(variables), self.tree(body)]
    }

    fn place(self, place: &Place) -> Tree {
        let mut tree = vec![Tree::atom("at"), self.tree(&place.base), Tree::atom(place.offset)];
        if let Some((index, bytes)) = &place.index {
            tree.push(list![Tree::atom("*"), self.tree(index), Tree::atom(bytes)]);
        }
        Tree::List(tree)
    }

    fn part(self, part: &Part) -> Tree {
        let offset = Tree::atom(part.offset);
        match &part.value {
            PartValue::Scalar(of, value) => list![offset, storage(*of), self.tree(value)],
            PartValue::Copy(from, bytes) => list![offset, Tree::atom("copy"), self.tree(from), Tree::atom(bytes)],
            PartValue::Bytes(bytes) => list![offset, Tree::bytes(bytes)],
        }
    }

    fn argument(self, argument: &Argument) -> Tree {
        match argument {
            Argument::Value(value) => self.tree(value),
            Argument::Map(id) => Tree::atom(&self.printer.unit.maps.at(*id).name),
            Argument::Spilled(of, value) => list![Tree::atom("spilled"), storage(*of), self.tree(value)],
            Argument::Callback(id) => {
                list![Tree::atom("callback"), Tree::atom(&self.printer.unit.functions.at(*id).name)]
            }
        }
    }
}

fn arithmetic(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Sub => "-",
        ArithmeticOp::Mul => "*",
        ArithmeticOp::UDiv => "quotient-u",
        ArithmeticOp::URem => "remainder-u",
        ArithmeticOp::SDiv => "quotient-s",
        ArithmeticOp::SRem => "remainder-s",
        ArithmeticOp::And => "bitwise-and",
        ArithmeticOp::Or => "bitwise-ior",
        ArithmeticOp::Xor => "bitwise-xor",
        ArithmeticOp::Shl => "shift-left",
        ArithmeticOp::LShr => "shift-right-u",
        ArithmeticOp::AShr => "shift-right-s",
    }
}

fn comparison(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "≠",
        CompareOp::Below => "<u",
        CompareOp::BelowEqual => "≤u",
        CompareOp::Above => ">u",
        CompareOp::AboveEqual => "≥u",
        CompareOp::Less => "<s",
        CompareOp::LessEqual => "≤s",
        CompareOp::Greater => ">s",
        CompareOp::GreaterEqual => "≥s",
    }
}

fn atomic(op: AtomicOp) -> &'static str {
    match op {
        AtomicOp::Add => "add",
        AtomicOp::And => "and",
        AtomicOp::Or => "or",
        AtomicOp::Xor => "xor",
        AtomicOp::Exchange => "exchange",
    }
}
