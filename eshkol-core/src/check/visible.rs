//! What the kernel's verifier knows of a number's range, where a proof depends on it.
//!
//! The checker knows more than the verifier: that a remainder is smaller than its divisor, or that two bytes of a packet make a
//! number of 16 bits in either byte order. The verifier forgets all it knows of a number at divisions, byte swaps and negations, at
//! products of two variables and shifts by variable amounts (`adjust_scalar_min_max_vals` and `check_alu_op` in
//! `kernel/bpf/verifier.c`; newer kernels forget less). A number with such a range is *opaque*. Where a proof needs its range
//! (an index, a step through the packet, a size, the bound of a loop) it is compared with its own largest value, which changes nothing
//! but what the verifier knows.

use super::checker::Checker;
use super::range::Range;
use super::test::boolean;
use super::typed::{self, ArithmeticOp, CompareOp, ExprKind as Typed};
use super::types::IntType;
use super::value::{Run, constant};

/// Whether the verifier does not know the range of a result.
pub(super) fn forgets(op: ArithmeticOp, a: &Run, b: &Run) -> bool {
    let fixed = |run: &Run| run.constant().is_some();
    match op {
        ArithmeticOp::UDiv | ArithmeticOp::URem | ArithmeticOp::SDiv | ArithmeticOp::SRem => true,
        ArithmeticOp::Mul => (!fixed(a) && !fixed(b)) || a.opaque || b.opaque,
        ArithmeticOp::Shl | ArithmeticOp::LShr | ArithmeticOp::AShr => !fixed(b) || a.opaque,
        // The mask bounds what comes out, unless more than that is known.
        ArithmeticOp::And => {
            let beyond = |mask: &Run, other: &Run| {
                fixed(mask)
                    && mask.range.low >= 0
                    && !(other.opaque && other.range.within(Range::new(0, mask.range.high - 1)))
            };
            (a.opaque || b.opaque) && !beyond(a, b) && !beyond(b, a)
        }
        // From zero: a negation.
        ArithmeticOp::Sub => a.constant() == Some(0) || a.opaque || b.opaque,
        ArithmeticOp::Add | ArithmeticOp::Or | ArithmeticOp::Xor => a.opaque || b.opaque,
    }
}

impl Checker<'_> {
    /// A number whose range the verifier knows.
    pub(super) fn visible(&mut self, run: Run) -> Run {
        if !run.opaque || run.range.low < 0 || !run.range.within(Range::of(IntType::U64)) || run.int_type().is_none() {
            return run;
        }
        let span = run.expr.span;
        let run = self.stable_run(run, "number");
        let (range, ty) = (run.range, run.expr.ty.clone());
        let most = typed::Expr { ty: ty.clone(), ..constant(range.high, IntType::U64, span) };
        let test =
            Typed::Compare { op: CompareOp::Above, lhs: Box::new(run.expr.clone()), rhs: Box::new(most.clone()) };
        let kind =
            Typed::If { test: Box::new(boolean(span, test)), then: Box::new(most), otherwise: Box::new(run.expr) };
        let bounded = Run::new(typed::Expr::new(ty, span, kind)).in_range(range);
        self.stable_run(bounded, "bounded")
    }
}
