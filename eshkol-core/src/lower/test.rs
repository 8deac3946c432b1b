//! Boolean expressions as jumps: a test goes to one of two blocks and makes no value.

use super::function::{Destination, FunctionLowering};
use crate::check::typed::{CompareOp, Expr, ExprKind, Type};
use crate::ir::{Block, Condition, Value, Width, evaluate};
use crate::source::Span;

impl FunctionLowering<'_> {
    /// Goes to `then` where a `Bool` is true, else to `otherwise`.
    pub(super) fn test(&mut self, expression: &Expr, then: Block, otherwise: Block) {
        self.deliver(expression, Destination::Test { then, otherwise });
    }

    /// A test that is no choice, loop or sequence.
    pub(super) fn leaf_test(&mut self, expression: &Expr, then: Block, otherwise: Block) {
        let span = expression.span;
        match &expression.kind {
            ExprKind::Constant(number) => self.jump(if *number == 0 { otherwise } else { then }, &[], span),
            ExprKind::Not(negated) => self.test(negated, otherwise, then),
            ExprKind::Compare { op, lhs, rhs } => self.compare(*op, lhs, rhs, then, otherwise, span),
            ExprKind::IsPresent(optional) => self.is_present(optional, then, otherwise, span),
            _ => {
                let word = self.word(expression);
                self.test_word(word, then, otherwise, span);
            }
        }
    }

    /// Goes to `then` where a word is not 0.
    fn test_word(&mut self, word: Value, then: Block, otherwise: Block, span: Span) {
        match self.number(word) {
            Some(number) => self.jump(if number == 0 { otherwise } else { then }, &[], span),
            None => {
                let zero = self.builder.constant(0, span);
                self.branch(Condition::NotEqual, word, zero, then, otherwise, span);
            }
        }
    }

    fn is_present(&mut self, optional: &Expr, then: Block, otherwise: Block, span: Span) {
        let optional = self.prefix(optional);
        let parsed = match &optional.kind {
            ExprKind::Local(local) => self.parsed_local(*local),
            ExprKind::Parse { context, cursor, size } => Some(self.parse(context, cursor, *size, optional.span)),
            _ => None,
        };
        match (parsed, &optional.kind) {
            (Some(parsed), _) => self.test_parsed(parsed, then, otherwise, span),
            (None, ExprKind::Some(reference)) => {
                self.effect(reference);
                self.jump(then, &[], span);
            }
            (None, _) => {
                let word = self.word(optional);
                self.test_word(word, then, otherwise, span);
            }
        }
    }

    fn compare(&mut self, op: CompareOp, lhs: &Expr, rhs: &Expr, then: Block, otherwise: Block, span: Span) {
        if lhs.ty == Type::Ipv6 || rhs.ty == Type::Ipv6 {
            let (lhs, rhs) = (self.two_words(lhs), self.two_words(rhs));
            let (same, different) = if op == CompareOp::NotEqual { (otherwise, then) } else { (then, otherwise) };
            let second = self.builder.create_block();
            self.compare_words(Condition::Equal, lhs.0, rhs.0, second, different, span);
            if self.enter_sealed(second) {
                self.compare_words(Condition::Equal, lhs.1, rhs.1, same, different, span);
            }
            return;
        }
        let (lhs, rhs) = (self.word(lhs), self.word(rhs));
        self.compare_words(condition(op), lhs, rhs, then, otherwise, span);
    }

    /// A comparison whose outcome is known becomes a jump; a constant comes to the right.
    fn compare_words(
        &mut self,
        condition: Condition,
        lhs: Value,
        rhs: Value,
        then: Block,
        otherwise: Block,
        span: Span,
    ) {
        match (self.number(lhs), self.number(rhs)) {
            (Some(left), Some(right)) => {
                let holds = evaluate::condition(condition, Width::W64, left, right);
                self.jump(if holds { then } else { otherwise }, &[], span);
            }
            (Some(_), None) => self.branch(swapped(condition), rhs, lhs, then, otherwise, span),
            _ => self.branch(condition, lhs, rhs, then, otherwise, span),
        }
    }
}

fn condition(op: CompareOp) -> Condition {
    match op {
        CompareOp::Equal => Condition::Equal,
        CompareOp::NotEqual => Condition::NotEqual,
        CompareOp::Below => Condition::Below,
        CompareOp::BelowEqual => Condition::BelowEqual,
        CompareOp::Above => Condition::Above,
        CompareOp::AboveEqual => Condition::AboveEqual,
        CompareOp::Less => Condition::Less,
        CompareOp::LessEqual => Condition::LessEqual,
        CompareOp::Greater => Condition::Greater,
        CompareOp::GreaterEqual => Condition::GreaterEqual,
    }
}

/// The same question with the sides exchanged.
fn swapped(condition: Condition) -> Condition {
    match condition {
        Condition::Equal | Condition::NotEqual | Condition::BitsSet => condition,
        Condition::Below => Condition::Above,
        Condition::BelowEqual => Condition::AboveEqual,
        Condition::Above => Condition::Below,
        Condition::AboveEqual => Condition::BelowEqual,
        Condition::Less => Condition::Greater,
        Condition::LessEqual => Condition::GreaterEqual,
        Condition::Greater => Condition::Less,
        Condition::GreaterEqual => Condition::LessEqual,
    }
}
