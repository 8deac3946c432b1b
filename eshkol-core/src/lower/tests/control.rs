//! Choices, tests, loops and locals.

use super::tree::*;
use super::{of_numbers, result_of_both, text};
use crate::arena::Id as _;
use crate::check::typed::{ArithmeticOp, CompareOp, Expr, ExprKind, LoopId, Type};

fn is(parameter: &Expr, wanted: u64) -> Expr {
    equal(parameter.clone(), number(wanted))
}

/// A tree of tests on three parameters.
fn nested(parameters: &[Expr]) -> Expr {
    let [a, b, c] = parameters else { panic!() };
    let left = and(or(is(a, 1), is(b, 1)), not(is(c, 1)));
    let right = choice(is(a, 1), not(not(is(b, 1))), truth(true));
    or(left, and(right, not(is(b, 2))))
}

fn nested_means(a: u64, b: u64, c: u64) -> bool {
    ((a == 1 || b == 1) && c != 1) || ((if a == 1 { b == 1 } else { true }) && b != 2)
}

#[test]
fn tests_branch_directly() {
    let entry = of_numbers(3, |_, parameters| choice(nested(&parameters), number(10), number(20)));
    for input in 0..27 {
        let [a, b, c] = [input % 3, input / 3 % 3, input / 9];
        let expected = if nested_means(a, b, c) { 10 } else { 20 };
        assert_eq!(result_of_both(&entry, &[a, b, c]), expected, "{a} {b} {c}");
    }
    let text = text(&entry);
    let blocks_with_parameters = text.lines().filter(|line| line.starts_with('b') && line.contains('(')).count();
    assert_eq!(blocks_with_parameters, 1, "only the entry takes parameters:\n{text}");
    assert_eq!(text.matches("branch").count(), 6, "{text}");
}

#[test]
fn tests_are_values_where_values_are_wanted() {
    let entry = of_numbers(3, |scope, parameters| {
        scope.bind(nested(&parameters), |_, truth| add(truth.clone(), add(truth.clone(), not(truth))))
    });
    for input in 0..27 {
        let [a, b, c] = [input % 3, input / 3 % 3, input / 9];
        let expected = if nested_means(a, b, c) { 2 } else { 1 };
        assert_eq!(result_of_both(&entry, &[a, b, c]), expected, "{a} {b} {c}");
    }
}

#[test]
fn a_choice_gives_the_value_of_its_branch() {
    let entry = of_numbers(2, |scope, parameters| {
        let [a, b] = [parameters[0].clone(), parameters[1].clone()];
        let below = compare(CompareOp::Below, a.clone(), b.clone());
        scope.bind(choice(below, a.clone(), choice(is(&a, 7), number(1000), b)), |_, smaller| add(smaller, number(1)))
    });
    assert_eq!(result_of_both(&entry, &[3, 5]), 4);
    assert_eq!(result_of_both(&entry, &[5, 3]), 4);
    assert_eq!(result_of_both(&entry, &[7, 3]), 1001);
}

#[test]
fn nested_choices_meet_in_one_block() {
    let entry = of_numbers(2, |scope, parameters| {
        let [a, b] = [parameters[0].clone(), parameters[1].clone()];
        let inner = choice(is(&b, 1), number(1), number(2));
        scope.bind(choice(is(&a, 1), inner, number(3)), |_, value| add(value, number(1)))
    });
    let text = text(&entry);
    assert_eq!((text.matches("jump").count(), text.matches("return").count()), (3, 1), "{text}");
    assert_eq!(result_of_both(&entry, &[1, 1]), 2);
    assert_eq!(result_of_both(&entry, &[1, 2]), 3);
    assert_eq!(result_of_both(&entry, &[2, 2]), 4);
}

#[test]
fn each_branch_in_tail_position_returns() {
    let entry = of_numbers(1, |_, parameters| choice(is(&parameters[0], 1), number(10), number(20)));
    let text = text(&entry);
    assert_eq!((text.matches("return").count(), text.matches("jump").count()), (2, 0), "{text}");
}

#[test]
fn known_tests_leave_one_branch() {
    let entry = of_numbers(1, |_, parameters| {
        let test = compare(CompareOp::Less, number(u64::MAX), add(number(1), number(1)));
        choice(and(test, not(truth(false))), parameters[0].clone(), number(20))
    });
    let text = text(&entry);
    assert!(!text.contains("branch"), "{text}");
    assert_eq!(result_of_both(&entry, &[5]), 5);
}

#[test]
fn a_comparison_has_its_constant_on_the_right() {
    for (op, holds) in [
        (CompareOp::Below, 6),
        (CompareOp::BelowEqual, 5),
        (CompareOp::Above, 4),
        (CompareOp::AboveEqual, 5),
        (CompareOp::Less, 6),
        (CompareOp::LessEqual, 5),
        (CompareOp::Greater, u64::MAX),
        (CompareOp::GreaterEqual, 5),
        (CompareOp::Equal, 5),
        (CompareOp::NotEqual, 6),
    ] {
        let entry =
            of_numbers(1, |_, parameters| choice(compare(op, number(5), parameters[0].clone()), number(1), number(0)));
        let text = text(&entry);
        let branch = text.lines().find(|line| line.contains("branch")).unwrap();
        assert!(branch.contains(" v0, v1 "), "{text}");
        assert_eq!(result_of_both(&entry, &[holds]), 1, "{op:?}");
        let fails = if matches!(op, CompareOp::Below | CompareOp::Less | CompareOp::BelowEqual | CompareOp::LessEqual) {
            4
        } else if matches!(op, CompareOp::NotEqual) {
            5
        } else {
            6
        };
        assert_eq!(result_of_both(&entry, &[fails]), 0, "{op:?}");
    }
}

/// The sum of the numbers below a parameter, counted in a loop that stops at a sum above 100.
fn sum(unroll: bool, trips: u64) -> crate::check::typed::Function {
    of_numbers(1, |scope, parameters| {
        let id = scope.looped(trips, unroll);
        let (counter, total) = (scope.local(u64_type()), scope.local(u64_type()));
        let (read_counter, read_total) = (scope.read(counter), scope.read(total));
        let next = vec![add(read_counter.clone(), number(1)), add(read_total.clone(), read_counter.clone())];
        let go_on = expr(Type::Never, ExprKind::Continue { id, arguments: next });
        let enough = compare(CompareOp::Above, read_total.clone(), number(100));
        let at_end = compare(CompareOp::AboveEqual, read_counter, parameters[0].clone());
        let body = choice(or(at_end, enough), read_total, go_on);
        let variables = vec![(counter, number(0)), (total, number(0))];
        let whole = expr(u64_type(), ExprKind::Loop { id, variables, body: boxed(body) });
        scope.bind(whole, |_, sum| add(sum, number(1000)))
    })
}

#[test]
fn loops_run_until_they_end() {
    for (unroll, trips) in [(false, 100), (true, 21)] {
        let entry = sum(unroll, trips);
        assert_eq!(result_of_both(&entry, &[0]), 1000);
        assert_eq!(result_of_both(&entry, &[1]), 1000);
        assert_eq!(result_of_both(&entry, &[5]), 1010);
        assert_eq!(result_of_both(&entry, &[1000]), 1105);
    }
    assert_eq!(text(&sum(false, 100)).matches("branch").count(), 2);
    // Once the sum is known to be above 100, the next test is known, too.
    assert_eq!(text(&sum(true, 21)).matches("branch").count(), 16);
}

/// Adds a parameter `times` times, counting up to a constant; every second time in another way.
fn counted(times: u64, trips: u64) -> crate::check::typed::Function {
    of_numbers(1, |scope, parameters| {
        let id = scope.looped(trips, true);
        let (counter, total) = (scope.local(u64_type()), scope.local(u64_type()));
        let (read_counter, read_total) = (scope.read(counter), scope.read(total));
        let again = |change: Expr| {
            let arguments = vec![add(read_counter.clone(), number(1)), change];
            expr(Type::Never, ExprKind::Continue { id, arguments })
        };
        let is_odd = equal(arithmetic(ArithmeticOp::And, read_total.clone(), number(1)), number(1));
        let step = choice(
            is_odd,
            again(add(read_total.clone(), parameters[0].clone())),
            again(add(parameters[0].clone(), read_total.clone())),
        );
        let body = choice(equal(read_counter.clone(), number(times)), read_total, step);
        let variables = vec![(counter, number(0)), (total, number(0))];
        expr(u64_type(), ExprKind::Loop { id, variables, body: boxed(body) })
    })
}

#[test]
fn a_loop_that_counts_to_a_constant_is_written_out_to_the_end_and_no_further() {
    let entry = counted(3, 4);
    assert_eq!(result_of_both(&entry, &[7]), 21);
    let text = text(&entry);
    assert_eq!((text.matches("branch").count(), text.matches("return").count()), (2, 1), "{text}");
}

#[test]
fn a_loop_without_a_next_round_is_its_body() {
    let entry = of_numbers(1, |scope, parameters| {
        let id = scope.looped(1, false);
        let local = scope.local(u64_type());
        let body = add(scope.read(local), number(1));
        let variables = vec![(local, parameters[0].clone())];
        expr(u64_type(), ExprKind::Loop { id, variables, body: boxed(body) })
    });
    assert_eq!(result_of_both(&entry, &[4]), 5);
}

#[test]
fn variables_change_in_branches_and_loops() {
    for unroll in [false, true] {
        let entry = of_numbers(2, |scope, parameters| {
            let (id, total, counter) = (scope.looped(9, unroll), scope.mutated(u64_type()), scope.mutated(u64_type()));
            let set = |local, value| expr(Type::Unit, ExprKind::Set { local, value: boxed(value) });
            let (read_total, read_counter) = (scope.read(total), scope.read(counter));
            let go_on = expr(Type::Never, ExprKind::Continue { id, arguments: vec![read_counter.clone()] });
            let body = sequence(vec![
                choice(is(&read_counter, 3), set(total, number(0)), unit()),
                set(total, add(read_total.clone(), read_counter.clone())),
                set(counter, add(read_counter.clone(), parameters[1].clone())),
                choice(compare(CompareOp::Below, read_counter, parameters[0].clone()), go_on, unit()),
            ]);
            let whole =
                expr(Type::Unit, ExprKind::Loop { id, variables: vec![(counter, number(1))], body: boxed(body) });
            Scope::bind_as(total, number(50), sequence(vec![whole, read_total]))
        });
        assert_eq!(result_of_both(&entry, &[6, 1]), 3 + 4 + 5);
        assert_eq!(result_of_both(&entry, &[6, 3]), 50 + 1 + 4);
        assert_eq!(result_of_both(&entry, &[0, 3]), 51);
    }
}

#[test]
fn several_values_are_bound_at_once() {
    let entry = of_numbers(2, |scope, parameters| {
        let ty = Type::Values(vec![u64_type(), Type::Ipv6, u64_type()]);
        let values = |a: &Expr, b: &Expr, last| {
            let address = expr(Type::Ipv6, ExprKind::Ipv6Constant([last; 16]));
            expr(ty.clone(), ExprKind::Values(vec![a.clone(), address, b.clone()]))
        };
        let [a, b] = [&parameters[0], &parameters[1]];
        let value = choice(compare(CompareOp::Below, a.clone(), b.clone()), values(a, b, 1), values(b, a, 2));
        let locals = vec![scope.local(u64_type()), scope.local(Type::Ipv6), scope.local(u64_type())];
        let [low, address, high] = [0, 1, 2].map(|index: usize| scope.read(locals[index]));
        let was_swapped = equal(address, expr(Type::Ipv6, ExprKind::Ipv6Constant([2; 16])));
        let difference = arithmetic(ArithmeticOp::Sub, high, low);
        let body = choice(was_swapped, add(difference.clone(), number(100)), difference);
        expr(u64_type(), ExprKind::LetValues { locals, value: boxed(value), body: boxed(body) })
    });
    assert_eq!(result_of_both(&entry, &[3, 10]), 7);
    assert_eq!(result_of_both(&entry, &[10, 3]), 107);
}

#[test]
fn addresses_are_compared_whole() {
    let address = |first, last| {
        let mut bytes = [0; 16];
        (bytes[0], bytes[15]) = (first, last);
        expr(Type::Ipv6, ExprKind::Ipv6Constant(bytes))
    };
    for (op, different) in [(CompareOp::Equal, 0), (CompareOp::NotEqual, 1)] {
        let entry = of_numbers(1, |scope, parameters| {
            let one = choice(
                is(&parameters[0], 0),
                address(1, 2),
                choice(is(&parameters[0], 1), address(3, 2), address(1, 3)),
            );
            scope.bind(one, |_, one| choice(compare(op, one, address(1, 2)), number(1), number(0)))
        });
        assert_eq!([0, 1, 2].map(|which| result_of_both(&entry, &[which])), [1 - different, different, different]);
    }
}

#[test]
fn broken_trees_do_no_harm() {
    let never = |arguments| expr(Type::Never, ExprKind::Continue { id: LoopId::new(7), arguments });
    let missing = || expr(u64_type(), ExprKind::Local(crate::check::typed::LocalId::new(99)));
    let broken = [
        never(vec![number(1)]),
        missing(),
        expr(u64_type(), ExprKind::Seq(Vec::new())),
        expr(Type::Unit, ExprKind::Set { local: crate::check::typed::LocalId::new(99), value: boxed(number(1)) }),
        choice(truth(true), never(Vec::new()), number(1)),
        equal(expr(Type::Ipv6, ExprKind::Unit), missing()),
        add(never(Vec::new()), number(1)),
        choice(never(Vec::new()), number(1), number(2)),
        expr(u64_type(), ExprKind::Loop { id: LoopId::new(9), variables: Vec::new(), body: boxed(number(1)) }),
    ];
    for body in broken {
        let entry = of_numbers(0, |_, _| body);
        result_of_both(&entry, &[]);
    }
}
