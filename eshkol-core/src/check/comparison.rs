//! The comparisons of the language, and what they tell of ranges.

use super::range::Range;
use super::typed::CompareOp;

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
