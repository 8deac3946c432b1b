//! The comparisons of the language, what they tell of ranges, and those that make no sense.

use super::checker::{Checker, local_of};
use super::range::Range;
use super::typed::{self, CompareOp, Type};
use super::types::DataType;
use super::value::{Run, Static, Value};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::source::Span;
use crate::syntax::Name;

/// The comparisons of the language.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
}

impl Comparison {
    /// By its name.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "=" | "eqv?" | "eq?" | "equal?" | "boolean=?" => Self::Equal,
            "<" => Self::Less,
            ">" => Self::Greater,
            "<=" => Self::LessEqual,
            ">=" => Self::GreaterEqual,
            _ => return None,
        })
    }

    /// The instruction.
    pub(super) fn op(self, signed: bool) -> CompareOp {
        match (self, signed) {
            (Self::Equal, _) => CompareOp::Equal,
            (Self::Less, false) => CompareOp::Below,
            (Self::Less, true) => CompareOp::Less,
            (Self::Greater, false) => CompareOp::Above,
            (Self::Greater, true) => CompareOp::Greater,
            (Self::LessEqual, false) => CompareOp::BelowEqual,
            (Self::LessEqual, true) => CompareOp::LessEqual,
            (Self::GreaterEqual, false) => CompareOp::AboveEqual,
            (Self::GreaterEqual, true) => CompareOp::GreaterEqual,
        }
    }

    /// Whether it holds, where the ranges of both sides say so.
    pub(super) fn decide(self, a: Range, b: Range) -> Option<bool> {
        match self {
            Self::Equal if a.intersect(b).is_empty() => Some(false),
            Self::Equal => (a.single().is_some() && a == b).then_some(true),
            Self::Less if a.high < b.low => Some(true),
            Self::Less if a.low >= b.high => Some(false),
            Self::LessEqual if a.high <= b.low => Some(true),
            Self::LessEqual if a.low > b.high => Some(false),
            Self::Greater => Self::Less.decide(b, a),
            Self::GreaterEqual => Self::LessEqual.decide(b, a),
            _ => None,
        }
    }

    /// The range of the left side where the comparison holds, and where it does not.
    pub(super) fn narrow(self, a: Range, b: Range) -> (Range, Range) {
        let (low, high) = (i128::MIN, i128::MAX);
        match self {
            Self::Equal => {
                let mut other = a;
                if let Some(value) = b.single() {
                    if a.low == value {
                        other.low += 1;
                    }
                    if a.high == value {
                        other.high -= 1;
                    }
                }
                (a.intersect(b), other)
            }
            Self::Less => (a.intersect(Range::new(low, b.high - 1)), a.intersect(Range::new(b.low, high))),
            Self::LessEqual => (a.intersect(Range::new(low, b.high)), a.intersect(Range::new(b.low + 1, high))),
            Self::Greater => (a.intersect(Range::new(b.low + 1, high)), a.intersect(Range::new(low, b.high))),
            Self::GreaterEqual => (a.intersect(Range::new(b.low, high)), a.intersect(Range::new(low, b.high - 1))),
        }
    }

    /// The same, with the sides exchanged.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::Less => Self::Greater,
            Self::Greater => Self::Less,
            Self::LessEqual => Self::GreaterEqual,
            Self::GreaterEqual => Self::LessEqual,
        }
    }
}

impl Checker<'_> {
    /// The message for text where an address is compared.
    pub(super) fn text_for_address(&self, text: &Value, address: &Value) -> Option<Diagnostic> {
        let (Value::Static(Static::String(text), span), Value::Run(address)) = (text, address) else { return None };
        let procedure = match &address.expr.ty {
            Type::Scalar(DataType::Ipv4) => "ipv4",
            Type::Scalar(DataType::Mac) => "mac",
            Type::Ipv6 => "ipv6",
            _ => return None,
        };
        let diagnostic = Diagnostic::error(catalogue::TYPE_MISMATCH, *span, "this is text, and not an address");
        Some(diagnostic.with_help(format!("write `({procedure} \"{text}\")`")))
    }

    /// Warns of `(< x 0)` where that never holds, and of `(>= x 0)`.
    pub(super) fn warn_of_zero(&mut self, comparison: Comparison, a: &Run, b: &Run, span: Span) {
        let zero = |run: &Run| run.literal && run.range.single() == Some(0);
        let number = match comparison {
            Comparison::Less | Comparison::GreaterEqual if zero(b) => a,
            Comparison::Greater | Comparison::LessEqual if zero(a) => b,
            _ => return,
        };
        let unsigned = number.int_type().is_some_and(|int| !int.signed && int.bits == 64);
        if !unsigned || number.literal || self.is_prelude(span) || !self.flow.reachable {
            return;
        }
        let name = self.name_of(&number.expr);
        let (what, signed) = match name {
            Some(name) => (format!("`{name}` is unsigned"), format!("`({name} : i64 …)` where it is bound")),
            None => ("this number is unsigned".to_owned(), "`(the i64 …)` around it".to_owned()),
        };
        let message = format!("{what}, and so never below 0: this always gives the same");
        self.push(
            Diagnostic::warning(catalogue::NEVER_NEGATIVE, span, message)
                .with_help(format!("{signed} makes it signed"))
                .with_help("of a difference, compare the two sides instead: `(< a b)` for `(< (- a b) 0)`"),
        );
    }

    /// The name that a program has for what an expression reads. What a probed function was called with has none.
    fn name_of(&self, expr: &typed::Expr) -> Option<Name> {
        let local = local_of(expr).filter(|local| !self.function.called_with.contains(local))?;
        Some(self.function.locals.at(local).name.clone())
    }

    /// Reports that an unsigned number is compared with a negative one.
    pub(super) fn never_negative(&mut self, number: &Run, span: Span) {
        let name = self.name_of(&number.expr);
        let diagnostic = match name {
            Some(name) => Diagnostic::error(
                catalogue::NEVER_NEGATIVE,
                span,
                format!("`{name}` is a `:u64`, which is never negative, so this always gives the same"),
            )
            .with_help(format!("where it shall count below zero, bind it as a signed number: `({name} : i64 …)`"))
            .with_help(format!("where its bits are those of a signed number, say so here: `(the i64 {name})`")),
            None => Diagnostic::error(
                catalogue::NEVER_NEGATIVE,
                span,
                "a `:u64` is never negative, so this always gives the same",
            )
            .with_help("write `(the i64 …)` around it to read its bits as a signed number"),
        };
        self.push(diagnostic);
    }
}
