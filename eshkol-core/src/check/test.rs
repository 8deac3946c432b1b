//! Tests: what a condition says, and what is known where it holds and where it does not.

use super::checker::{Checker, Position, local_of};
use super::comparison::Comparison;
use super::flow::Flow;
use super::implied::Implied;
use super::or;
use super::range::Range;
use super::typed::{self, CompareOp, ExprKind as Typed, LocalId, Type};
use super::types::{DataType, IntType};
use super::value::{Meaning, Procedure, Run, Static, Value};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::{Expr, ExprKind};
use crate::source::Span;
use crate::syntax::{Datum, DatumKind};

/// A condition.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// A `Bool`.
    pub(super) expr: typed::Expr,
    /// What is known where it holds.
    pub(super) when_true: Flow,
    /// What is known where it does not.
    pub(super) when_false: Flow,
}

/// Where control gets from a test.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// Where it holds and where it does not; or nowhere, since the test itself is never reached.
    Both,
    /// It always holds.
    WhereTrue,
    /// It never holds.
    WhereFalse,
}

impl Test {
    pub(super) fn reach(&self) -> Reach {
        match (self.when_true.reachable, self.when_false.reachable) {
            (true, false) => Reach::WhereTrue,
            (false, true) => Reach::WhereFalse,
            (true, true) | (false, false) => Reach::Both,
        }
    }
}

/// A test that another one decides between two. Nothing is left of one that is never reached; and what is decided stays so where nothing is ever
/// reached, since a recursion there has to end, too.
pub(super) fn chosen(
    test: typed::Expr,
    reach: Reach,
    then: typed::Expr,
    otherwise: typed::Expr,
    span: Span,
) -> typed::Expr {
    let reach = match super::branch::constant_test(&test) {
        Some(true) => Reach::WhereTrue,
        Some(false) => Reach::WhereFalse,
        None => reach,
    };
    let only = match reach {
        Reach::Both => {
            let kind = Typed::If { test: Box::new(test), then: Box::new(then), otherwise: Box::new(otherwise) };
            return boolean(span, kind);
        }
        Reach::WhereTrue => then,
        Reach::WhereFalse => otherwise,
    };
    if super::expression::is_pure(&test) { only } else { boolean(span, Typed::Seq(vec![test, only])) }
}

impl Checker<'_> {
    /// Checks an expression in test position. The flow of `self` is used up: go on with one of the test's.
    pub(super) fn test(&mut self, expr: &Expr) -> Test {
        let mark = self.pending.len();
        let test = self.nested(expr.span, |checker| checker.test_form(expr));
        let mut test = test.unwrap_or_else(|| self.decided(true, expr.span));
        test.expr = self.wrap(mark, test.expr);
        test
    }

    fn test_form(&mut self, expr: &Expr) -> Test {
        if !self.spend(expr.span) {
            return self.decided(true, expr.span);
        }
        if let Some((a, b)) = or::sides(expr) {
            let a = self.test(a);
            let reach = a.reach();
            self.flow = a.when_false;
            let b = self.test(b);
            let when_true = self.join_flows(a.when_true, b.when_true);
            let yes = boolean(expr.span, Typed::Constant(1));
            let expr = chosen(a.expr, reach, yes, b.expr, expr.span);
            return Test { expr, when_true, when_false: b.when_false };
        }
        match &expr.kind {
            ExprKind::If(a, b, c) => {
                let a = self.test(a);
                let reach = a.reach();
                self.flow = a.when_true;
                let b = self.test(b);
                self.flow = a.when_false;
                let c = self.test(c);
                let when_true = self.join_flows(b.when_true, c.when_true);
                let when_false = self.join_flows(b.when_false, c.when_false);
                Test { expr: chosen(a.expr, reach, b.expr, c.expr, expr.span), when_true, when_false }
            }
            ExprKind::Let(bindings, body) => {
                let environment = self.environment.clone();
                for binding in bindings {
                    let value = self.value(&binding.value);
                    self.bind(binding.variable, value);
                }
                let test = self.test(body);
                self.environment = environment;
                test
            }
            ExprKind::Begin(items) => {
                let Some((last, first)) = items.split_last() else { return self.decided(true, expr.span) };
                for item in first {
                    let value = self.check(item, Position::EFFECT);
                    if let Some(effect) = self.effect(value) {
                        self.pending.push(super::checker::Pending::Effect(effect));
                    }
                }
                self.test(last)
            }
            ExprKind::Call(callee, arguments) => self.test_call(expr, callee, arguments),
            _ => self.test_of_value(expr),
        }
    }

    /// A test of an expression's value. Of one that is wrong, and reported, nobody knows what it would have told.
    fn test_of_value(&mut self, expr: &Expr) -> Test {
        let value = self.value(expr);
        let wrong = matches!(value, Value::Error(_));
        let mut test = self.test_value(value);
        if wrong {
            let mut named = Vec::new();
            self.named_locals(expr, &mut named);
            test.when_true.present.extend(named.iter().copied());
            test.when_false.present.extend(named);
        }
        test
    }

    fn named_locals(&self, expr: &Expr, named: &mut Vec<LocalId>) {
        named.extend(self.meaning_local(expr));
        super::walk::children(expr, &mut |child| self.named_locals(child, named));
    }

    fn test_call(&mut self, expr: &Expr, callee: &Expr, arguments: &[Expr]) -> Test {
        let closure = match &callee.kind {
            ExprKind::Builtin(name) if &**name == "not" && arguments.len() == 1 => {
                let Some(argument) = arguments.first() else { return self.decided(true, expr.span) };
                let test = self.test(argument);
                return negate(test, expr.span);
            }
            ExprKind::Builtin(name) if super::builtin::is_test(name) => {
                let values = self.values_in_order(&Value::unspecified(callee.span), arguments);
                return self.test_builtin(name, values, expr.span);
            }
            ExprKind::Local(_) | ExprKind::Definition(_) | ExprKind::Lambda(_) => self.value(callee),
            _ => return self.test_of_value(expr),
        };
        // A predicate is looked into, so that what it finds out is known where it was called.
        let inline = match &closure {
            Value::Static(Static::Procedure(procedure), _) => self.inlinable(procedure),
            _ => None,
        };
        let Some((lambda, environment)) = inline else { return self.test_of_value(expr) };
        let values = self.values_in_order(&closure, arguments);
        let span = expr.span;
        self.enter(&lambda, span, |checker| {
            checker.in_environment(environment, |checker| {
                if !checker.bind_parameters(&lambda, values, span) {
                    return checker.decided(true, span);
                }
                checker.test(&lambda.body)
            })
        })
    }

    /// A test that is known while compiling.
    pub(super) fn decided(&mut self, value: bool, span: Span) -> Test {
        let flow = std::mem::replace(&mut self.flow, Flow::new());
        let never = flow.unreachable();
        let (when_true, when_false) = if value { (flow, never) } else { (never, flow) };
        Test { expr: boolean(span, Typed::Constant(u64::from(value))), when_true, when_false }
    }

    /// A condition of which nothing more is known.
    fn undecided(&mut self, expr: typed::Expr) -> Test {
        let flow = std::mem::replace(&mut self.flow, Flow::new());
        Test { expr, when_true: flow.clone(), when_false: flow }
    }

    /// A condition that says that a local, and what it implies, is there or true.
    fn known_where_true(&mut self, expr: typed::Expr, local: Option<LocalId>, implied: &Implied) -> Test {
        let mut test = self.undecided(expr);
        if let Some(local) = local {
            test.when_true.learn(local);
        }
        test.when_true.present.extend(implied.iter());
        test
    }

    /// A value in test position: a boolean, or an optional.
    pub(super) fn test_value(&mut self, value: Value) -> Test {
        let span = value.span();
        let Some(run) = self.run(value) else { return self.undecided(boolean(span, Typed::Constant(1))) };
        match &run.expr.ty {
            Type::Optional(_) => {
                let local = local_of(&run.expr);
                let kind = Typed::IsPresent(Box::new(run.expr));
                self.known_where_true(boolean(span, kind), local, &run.implied)
            }
            Type::Scalar(DataType::Bool) => match run.expr.kind {
                Typed::Constant(value) => self.decided(value != 0, span),
                _ => {
                    let local = local_of(&run.expr);
                    self.known_where_true(run.expr, local, &run.implied)
                }
            },
            Type::Ref(typed::RefType { target: typed::RefTarget::Data(DataType::Bool), .. }) => {
                let expr = self.read_through(run).map(|run| run.expr);
                self.undecided(expr.unwrap_or_else(|| boolean(span, Typed::Constant(1))))
            }
            // Whether it is 0.
            Type::Kernel(_) => {
                let kind = Typed::IsPresent(Box::new(run.expr));
                self.undecided(boolean(span, kind))
            }
            // Known to be there.
            Type::Ref(_) => self.decided(true, span),
            Type::Never => self.undecided(boolean(span, Typed::Constant(1))),
            _ => {
                self.not_a_test(&run);
                self.undecided(boolean(span, Typed::Constant(1)))
            }
        }
    }

    fn not_a_test(&mut self, run: &Run) {
        let span = run.expr.span;
        let diagnostic = if run.int_type().is_some() {
            Diagnostic::error(
                catalogue::NUMBER_AS_TEST,
                span,
                "a number can't be a test: in Scheme 0 is true, in C it is false",
            )
            .with_help("write `(not (= x 0))` where 0 should be false, as in C")
            .with_help("write `#t` where every number should be true, as in Scheme")
        } else {
            let what = self.describe(&Value::Run(run.clone()));
            Diagnostic::error(
                catalogue::NOT_A_TEST,
                span,
                format!("a test must be a boolean or something that may be absent, and this is {what}"),
            )
        };
        self.push(diagnostic);
    }

    /// `(= a b …)`, `(zero? a)` … in test position.
    pub(super) fn test_builtin(&mut self, name: &str, values: Vec<Value>, span: Span) -> Test {
        if let Some(comparison) = Comparison::by_name(name) {
            if values.len() < 2 {
                let message =
                    format!("`{name}` compares at least two values, and {}", super::call::are_given(values.len()));
                self.error(catalogue::WRONG_ARITY, span, message);
                return self.decided(true, span);
            }
            return self.compare_all(comparison, values, span);
        }
        let Ok([value]) = <[Value; 1]>::try_from(values) else {
            self.error(catalogue::WRONG_ARITY, span, format!("`{name}` takes one argument"));
            return self.decided(true, span);
        };
        let zero = Value::literal(0, span);
        match name {
            "zero?" => self.compare(Comparison::Equal, value, zero, span),
            "positive?" => self.compare(Comparison::Greater, value, zero, span),
            "negative?" => self.compare(Comparison::Less, value, zero, span),
            // even?, odd?
            _ => {
                let Some(run) = self.int(value) else { return self.decided(true, span) };
                let kind = Typed::Arithmetic {
                    op: typed::ArithmeticOp::And,
                    lhs: Box::new(run.expr),
                    rhs: Box::new(super::value::constant(1, IntType::U64, span)),
                };
                let low = self.integer(IntType::U64, Range::new(0, 1), span, kind);
                let wanted = Value::literal(i128::from(name == "odd?"), span);
                self.compare(Comparison::Equal, low, wanted, span)
            }
        }
    }

    /// `(< a b c …)`: each with the next, each evaluated once.
    fn compare_all(&mut self, comparison: Comparison, values: Vec<Value>, span: Span) -> Test {
        if let Ok([a, b]) = <[Value; 2]>::try_from(values.clone()) {
            return self.compare(comparison, a, b, span);
        }
        let values: Vec<Value> = values.into_iter().map(|value| self.stable(value, "operand")).collect();
        let mut whole: Option<Test> = None;
        for pair in values.windows(2) {
            let [a, b] = pair else { continue };
            let Some(before) = whole.take() else {
                whole = Some(self.compare(comparison, a.clone(), b.clone(), span));
                continue;
            };
            self.flow = before.when_true;
            let next = self.compare(comparison, a.clone(), b.clone(), span);
            let when_false = self.join_flows(before.when_false, next.when_false);
            let kind = Typed::If {
                test: Box::new(before.expr),
                then: Box::new(next.expr),
                otherwise: Box::new(boolean(span, Typed::Constant(0))),
            };
            whole = Some(Test { expr: boolean(span, kind), when_true: next.when_true, when_false });
        }
        whole.unwrap_or_else(|| self.decided(true, span))
    }

    /// Compares two values.
    pub(super) fn compare(&mut self, comparison: Comparison, a: Value, b: Value, span: Span) -> Test {
        if let (Value::Static(a, _), Value::Static(b, _)) = (&a, &b)
            && let Some(equal) = static_equal(a, b)
            && comparison == Comparison::Equal
        {
            return self.decided(equal, span);
        }
        if let Some(diagnostic) = self.text_for_address(&a, &b).or_else(|| self.text_for_address(&b, &a)) {
            self.push(diagnostic);
            return self.decided(true, span);
        }
        let (Some(a), Some(b)) = (self.scalar(a), self.scalar(b)) else { return self.decided(true, span) };
        let (Some(a_int), Some(b_int)) = (a.int_type(), b.int_type()) else {
            return self.compare_others(comparison, a, b, span);
        };
        let negative = |run: &Run| run.literal && run.range.high < 0;
        let unsigned = |int: IntType| !int.signed && int.bits == 64;
        let both_literal = a.literal && b.literal;
        if !both_literal && ((negative(&a) && unsigned(b_int)) || (negative(&b) && unsigned(a_int))) {
            self.never_negative(if negative(&a) { &b } else { &a }, span);
            return self.decided(true, span);
        }
        self.warn_of_zero(comparison, &a, &b, span);
        // Narrow unsigned numbers are the same read as signed; only `:u64` against a signed one is read anew.
        let may_be_negative = |run: &Run, int: IntType| if run.literal { run.range.low < 0 } else { int.signed };
        let signed = may_be_negative(&a, a_int) || may_be_negative(&b, b_int);
        let seen_as = |run: &Run| {
            let domain = Range::of(if signed { IntType::I64 } else { IntType::U64 });
            if run.range.within(domain) { run.range } else { domain }
        };
        let (a_range, b_range) = (seen_as(&a), seen_as(&b));
        if let (Some(_), Some(_)) = (a.constant(), b.constant())
            && let Some(result) = comparison.decide(a_range, b_range)
        {
            return self.decided(result, span);
        }
        let leaving = if comparison == Comparison::Equal { self.leaving_test(&a, &b, span) } else { None };
        let (leaving, counting) = leaving.map_or((None, None), |(test, counting)| (Some(test), counting));
        let (a, b) = self.visible_bounds(a, b);
        let (a_local, b_local) = (local_of(&a.expr), local_of(&b.expr));
        let effective = counting.unwrap_or(comparison);
        let op = effective.op(signed);
        let pure = super::expression::is_pure(&a.expr) && super::expression::is_pure(&b.expr);
        let (a_apart, b_apart) = (self.is_tested_apart(&a, &b), self.is_tested_apart(&b, &a));
        let (a_local, b_local) = (a_local.filter(|_| !a_apart), b_local.filter(|_| !b_apart));
        let (lhs, rhs) = (copied_if(a_apart, a.expr), copied_if(b_apart, b.expr));
        let kind = Typed::Compare { op, lhs: Box::new(lhs), rhs: Box::new(rhs) };
        let decided = effective.decide(a_range, b_range).filter(|_| pure);
        let mut test = self.undecided(boolean(span, kind));
        for (local, range, by, comparison) in
            [(a_local, a_range, b_range, effective), (b_local, b_range, a_range, effective.flipped())]
        {
            let Some(local) = local else { continue };
            let (holds, fails) = comparison.narrow(range, by);
            narrow(&mut test.when_true, local, holds, range, signed);
            narrow(&mut test.when_false, local, fails, range, signed);
            if comparison == Comparison::Equal && by.single() == Some(0) {
                test.when_false.nonzero.insert(local);
            }
        }
        match decided {
            Some(true) => test.when_false.reachable = false,
            Some(false) => test.when_true.reachable = false,
            None => {}
        }
        test.when_false.went_on.extend(leaving);
        test
    }

    /// Whether a number is tested by a copy, with which is lost what the test tells: where tests are to teach the verifier nothing. What counts a
    /// loop it has to know, and of what ends one, how large it can be.
    fn is_tested_apart(&self, number: &Run, other: &Run) -> bool {
        let counts = |run: &Run| local_of(&run.expr).is_some_and(|local| self.counts_a_loop(local));
        self.tests_teach_nothing()
            && number.constant().is_none()
            && !counts(number)
            && (number.range.low >= 0 || !counts(other))
    }

    fn compare_others(&mut self, comparison: Comparison, a: Run, b: Run, span: Span) -> Test {
        let same = a.expr.ty == b.expr.ty && matches!(a.expr.ty, Type::Scalar(_) | Type::Ipv6 | Type::Verdict(_));
        if same && comparison == Comparison::Equal {
            let kind = Typed::Compare { op: CompareOp::Equal, lhs: Box::new(a.expr), rhs: Box::new(b.expr) };
            return self.undecided(boolean(span, kind));
        }
        if a.expr.ty == Type::Never || b.expr.ty == Type::Never {
            return self.decided(true, span);
        }
        let (one, other) = (self.describe(&Value::Run(a)), self.describe(&Value::Run(b)));
        let message = if same {
            format!("{one} has no order: only `=` compares it")
        } else {
            format!("{one} can't be compared with {other}")
        };
        self.error(catalogue::TYPE_MISMATCH, span, message);
        self.decided(true, span)
    }

    /// Whether the key of `case` is one of the data.
    pub(super) fn case_test(&mut self, key: &Run, data: &[Datum], span: Span) -> Test {
        let mut whole: Option<Test> = None;
        for datum in data {
            let value = self.case_datum(key, datum);
            let Some(before) = whole.take() else {
                whole = Some(self.compare(Comparison::Equal, Value::Run(key.clone()), value, datum.span));
                continue;
            };
            self.flow = before.when_false;
            let key = self.refreshed(key);
            let next = self.compare(Comparison::Equal, Value::Run(key), value, datum.span);
            let when_true = self.join_flows(before.when_true, next.when_true);
            let kind = Typed::If {
                test: Box::new(before.expr),
                then: Box::new(boolean(span, Typed::Constant(1))),
                otherwise: Box::new(next.expr),
            };
            whole = Some(Test { expr: boolean(span, kind), when_true, when_false: next.when_false });
        }
        whole.unwrap_or_else(|| self.decided(false, span))
    }

    fn case_datum(&mut self, key: &Run, datum: &Datum) -> Value {
        let name = match &datum.kind {
            DatumKind::Symbol { name, .. } => name,
            DatumKind::Keyword(name) => {
                let keyword = Expr { span: datum.span, kind: ExprKind::Keyword(name.clone()) };
                return self.value(&keyword);
            }
            _ => return super::expression::quoted(datum),
        };
        if let Type::Scalar(DataType::Enum(id)) = &key.expr.ty {
            let variants = &self.declarations.types.enums.at(*id).variants;
            if let Some((_, value)) = variants.iter().find(|(variant, _)| variant == name) {
                return Value::constant(i128::from(*value), IntType::U32, datum.span);
            }
        }
        self.report(
            Diagnostic::error(catalogue::TYPE_MISMATCH, datum.span, format!("`{name}` is a symbol, and the key is no symbol"))
                .with_help("the data of `case` are taken as written, not evaluated: use numbers, keywords such as `:eth-p-ip`, or the variants of the key's enum"),
        )
    }

    fn refreshed(&self, run: &Run) -> Run {
        match &run.expr.kind {
            Typed::Local(local) => self.read_local(*local, run.expr.span),
            _ => run.clone(),
        }
    }

    /// Whether a variable stands for something whose value changes.
    pub(super) fn meaning_local(&self, expr: &Expr) -> Option<LocalId> {
        let ExprKind::Local(variable) = &expr.kind else { return None };
        match self.environment.get(*variable)? {
            Meaning::Local(local) => Some(*local),
            _ => None,
        }
    }

    /// What a procedure's body is and sees, where it can simply be put in place of the call.
    fn inlinable(
        &mut self,
        procedure: &Procedure,
    ) -> Option<(std::sync::Arc<crate::expand::form::Lambda>, super::value::Environment)> {
        let (lambda, environment) = self.body_of(procedure)?;
        (!self.calls_itself(&lambda) && lambda.result.is_none()).then_some((lambda, environment))
    }
}

fn narrow(flow: &mut Flow, local: LocalId, to: Range, known: Range, signed: bool) {
    // What was seen anew in another domain says nothing of the number as its own type has it.
    if flow.ranges.get(&local).is_some_and(|range| *range != known) {
        return;
    }
    // An unsigned comparison tells the verifier all there is to know when it gives an upper bound.
    if !signed && to.high < known.high {
        flow.visible.insert(local);
    }
    flow.refine(local, to);
}

fn negate(test: Test, span: Span) -> Test {
    let kind = match test.expr.kind {
        Typed::Constant(value) => Typed::Constant(u64::from(value == 0)),
        _ => Typed::Not(Box::new(test.expr)),
    };
    Test { expr: boolean(span, kind), when_true: test.when_false, when_false: test.when_true }
}

fn static_equal(a: &Static, b: &Static) -> Option<bool> {
    Some(match (a, b) {
        (Static::Keyword(a), Static::Keyword(b)) => a == b,
        (Static::String(a), Static::String(b)) => a == b,
        (Static::Map(a), Static::Map(b)) => a == b,
        (Static::Quote(a), Static::Quote(b)) => a.to_string() == b.to_string(),
        _ => return None,
    })
}

/// A boolean expression.
pub(super) fn boolean(span: Span, kind: Typed) -> typed::Expr {
    typed::Expr::new(Type::Scalar(DataType::Bool), span, kind)
}

/// A number, or a copy of it.
fn copied_if(is_copied: bool, number: typed::Expr) -> typed::Expr {
    if is_copied { typed::Expr::new(number.ty.clone(), number.span, Typed::Apart(Box::new(number))) } else { number }
}
