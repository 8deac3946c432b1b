//! Memory that the program makes.

use std::sync::Arc;

use super::tree::*;
use super::{lowered, of_numbers, result};
use crate::check::typed::{Expr, ExprKind, Function, Part, PartValue, Region, Type};
use crate::check::types::{DataType, IntType, Storage};
use crate::compile::Endianness;

fn allocate(size: u32, parts: Vec<Part>) -> Expr {
    let data = DataType::CharArray(size);
    expr(Type::Ref(reference(data.clone(), Region::Stack)), ExprKind::Allocate { data, parts })
}

fn scalar(offset: u32, storage: Storage, value: Expr) -> Part {
    Part { offset, value: PartValue::Scalar(storage, value) }
}

/// A procedure that returns one byte of fresh memory.
fn byte_of(size: u32, at: u32, parts: impl Fn(Vec<Expr>) -> Vec<Part>) -> Function {
    of_numbers(2, |scope, parameters| {
        scope.bind(allocate(size, parts(parameters)), |_, fresh| load(place(fresh, at, 1), NATIVE_U8))
    })
}

fn bytes(size: u32, arguments: [u64; 2], endianness: Endianness, parts: impl Fn(Vec<Expr>) -> Vec<Part>) -> Vec<u8> {
    let byte = |at| result(&byte_of(size, at, &parts), &arguments, endianness) as u8;
    (0..size).map(byte).collect()
}

fn stores(size: u32, parts: Vec<Part>) -> String {
    let entry = of_numbers(2, |scope, _| scope.bind(allocate(size, parts), |_, _| number(0)));
    let text = lowered(&entry, Endianness::Little).to_string();
    let sizes = text.lines().filter_map(|line| line.trim().strip_prefix("store."));
    sizes.map(|line| format!("{} ", line.split(',').next().unwrap())).collect::<String>()
}

fn parameter(index: usize) -> Expr {
    use crate::arena::Id as _;
    expr(u64_type(), ExprKind::Local(crate::check::typed::LocalId::new(index)))
}

#[test]
fn what_is_not_given_is_zero() {
    for endianness in [Endianness::Little, Endianness::Big] {
        let parts = |parameters: Vec<Expr>| {
            vec![
                scalar(1, NATIVE_U8, parameters[0].clone()),
                scalar(4, Storage::network(4), number(0x0102_0304)),
                scalar(8, NATIVE_U64, parameters[1].clone()),
                Part { offset: 16, value: PartValue::Bytes(Arc::from(&b"abc"[..])) },
                scalar(22, Storage::network(2), parameters[0].clone()),
                scalar(25, Storage { bits: Some((4, 4)), ..NATIVE_U8 }, parameters[0].clone()),
            ]
        };
        let found = bytes(27, [0xaa15, 0x1111_1111_1111_1111], endianness, parts);
        let expected = [
            0, 0x15, 0, 0, 1, 2, 3, 4, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 97, 98, 99, 0, 0, 0, 0xaa, 0x15,
            0, 0x50, 0,
        ];
        assert_eq!(found, expected, "{endianness:?}");
    }
}

#[test]
fn narrow_numbers_bring_the_zeros_behind_them() {
    for endianness in [Endianness::Little, Endianness::Big] {
        let parts = |parameters: Vec<Expr>| {
            let narrow = |ty| expr(int(ty), ExprKind::Cast(boxed(parameters[0].clone())));
            vec![
                scalar(0, NATIVE_U8, narrow(IntType::U8)),
                scalar(4, Storage::network(2), parameters[0].clone()),
                scalar(8, NATIVE_U8, narrow(IntType::U8)),
                scalar(9, NATIVE_U8, number(7)),
                scalar(12, NATIVE_U8, narrow(IntType::U16)),
                scalar(16, Storage::network(4), narrow(IntType::U8)),
                Part { offset: 21, value: PartValue::Bytes(Arc::from(&b""[..])) },
                scalar(21, NATIVE_U8, narrow(IntType::U8)),
            ]
        };
        let found = bytes(27, [0x1_2345_67ff, 0], endianness, parts);
        let expected =
            [0xff, 0, 0, 0, 0x67, 0xff, 0, 0, 0xff, 7, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0, 0xff, 0, 0, 0, 0, 0];
        assert_eq!(found, expected, "{endianness:?}");
    }
}

#[test]
fn every_size_is_cleared() {
    for size in 0..=20 {
        assert_eq!(bytes(size, [0, 0], Endianness::Little, |_| Vec::new()), vec![0; size as usize]);
    }
}

#[test]
fn addresses_and_copies_as_parts() {
    let mac = || expr(Type::Scalar(DataType::Mac), ExprKind::MacConstant([1, 2, 3, 4, 5, 6]));
    let ipv6 = || expr(Type::Ipv6, ExprKind::Ipv6Constant([7; 16]));
    for endianness in [Endianness::Little, Endianness::Big] {
        let inner = || allocate(5, vec![scalar(3, NATIVE_U8, number(9))]);
        let parts = |_| {
            let copy = Part { offset: 23, value: PartValue::Copy(inner(), 5) };
            vec![scalar(1, MAC, mac()), scalar(7, IPV6, ipv6()), copy]
        };
        let found = bytes(30, [0, 0], endianness, parts);
        let mut expected = vec![0, 1, 2, 3, 4, 5, 6];
        expected.extend([7; 16]);
        expected.extend([0, 0, 0, 9, 0, 0, 0]);
        assert_eq!(found, expected);
        let variable = |parameters: Vec<Expr>| {
            let is_one = || equal(parameters[0].clone(), number(1));
            vec![scalar(1, MAC, choice(is_one(), mac(), mac())), scalar(7, IPV6, choice(is_one(), ipv6(), ipv6()))]
        };
        assert_eq!(bytes(23, [0, 0], endianness, variable), expected[..23]);
    }
}

#[test]
fn few_stores_are_needed() {
    // Padding behind the first byte, a hole before the last word.
    let parts = vec![
        scalar(0, NATIVE_U8, parameter(0)),
        scalar(8, NATIVE_U32, parameter(1)),
        scalar(16, NATIVE_U64, parameter(1)),
    ];
    assert_eq!(stores(24, parts), "8 v2 + 0 4 v2 + 12 1 v2 + 0 4 v2 + 8 8 v2 + 16 ");
    // A number that is known to be narrow is stored with the zeros behind it.
    let narrow = || expr(int(IntType::U8), ExprKind::Cast(boxed(parameter(0))));
    let parts = vec![scalar(0, NATIVE_U64, parameter(0)), scalar(8, NATIVE_U8, narrow())];
    assert_eq!(stores(12, parts), "8 v2 + 0 8 v2 + 8 ");
    let parts = vec![scalar(0, NATIVE_U32, parameter(0)), scalar(4, NATIVE_U8, narrow())];
    assert_eq!(stores(8, parts), "4 v2 + 0 4 v2 + 4 ");
    // All of it given: nothing to clear.
    let parts = vec![scalar(0, NATIVE_U32, parameter(0)), scalar(4, NATIVE_U32, parameter(1))];
    assert_eq!(stores(8, parts), "4 v2 + 0 4 v2 + 4 ");
    // Small constants with zeros in one store; large ones in two, which need no register.
    assert_eq!(stores(8, vec![scalar(0, NATIVE_U32, number(5))]), "8 v2 + 0 ");
    assert_eq!(stores(8, vec![scalar(4, NATIVE_U32, number(5))]), "4 v2 + 0 4 v2 + 4 ");
    // An odd size is written in whole words.
    assert_eq!(stores(13, Vec::new()), "8 v2 + 0 8 v2 + 8 ");
    assert_eq!(stores(3, Vec::new()), "4 v2 + 0 ");
}

fn slots(entry: &Function) -> Vec<u32> {
    let function = lowered(entry, Endianness::Little);
    function.slots.values().map(|slot| slot.size).collect()
}

#[test]
fn memory_is_used_again_when_nothing_refers_to_it() {
    let first_byte = |fresh: Expr| load(place(fresh, 0, 1), NATIVE_U8);
    let made = |size| allocate(size, Vec::new());
    // Branches, and what comes after them.
    let entry = of_numbers(1, |scope, parameters| {
        let test = || equal(parameters[0].clone(), number(1));
        let one = scope.bind(made(40), |_, fresh| first_byte(fresh));
        let other = scope.bind(made(30), |_, fresh| first_byte(fresh));
        let after = scope.bind(made(16), |_, fresh| first_byte(fresh));
        scope.bind(choice(test(), one, other), |_, chosen| add(chosen, after))
    });
    assert_eq!(slots(&entry), [40]);
    // Statements.
    let entry = of_numbers(0, |scope, _| {
        let statement = |scope: &mut Scope| scope.bind(made(40), |_, fresh| first_byte(fresh));
        sequence(vec![statement(scope), statement(scope), number(0)])
    });
    assert_eq!(slots(&entry), [40]);
    // Both are needed at once.
    let entry = of_numbers(0, |scope, _| {
        scope.bind(made(40), |scope, one| {
            let inner = scope.bind(made(40), |_, other| first_byte(other));
            add(inner, first_byte(one))
        })
    });
    assert_eq!(slots(&entry), [40, 40]);
    // One of two is needed after the choice.
    let entry = of_numbers(1, |scope, parameters| {
        let chosen = choice(equal(parameters[0].clone(), number(1)), made(40), made(40));
        scope.bind(chosen, |scope, chosen| {
            let inner = scope.bind(made(40), |_, other| first_byte(other));
            add(inner, first_byte(chosen))
        })
    });
    assert_eq!(slots(&entry), [40, 40, 40]);
    // A variable may keep it.
    let entry = of_numbers(0, |scope, _| {
        let ty = made(40).ty;
        let kept = scope.mutated(ty);
        let set = expr(Type::Unit, ExprKind::Set { local: kept, value: boxed(made(40)) });
        let read = scope.read(kept);
        let other = scope.bind(made(40), |_, other| first_byte(other));
        Scope::bind_as(kept, made(40), sequence(vec![set, other, first_byte(read)]))
    });
    assert_eq!(slots(&entry), [40, 40, 40]);
}

#[test]
fn rounds_that_are_written_out_share_their_memory() {
    let entry = of_numbers(1, |scope, parameters| {
        let id = scope.looped(5, true);
        let local = scope.local(u64_type());
        let next = |scope: &mut Scope| {
            let fresh = allocate(16, vec![scalar(0, NATIVE_U64, scope.read(local))]);
            scope.bind(fresh, |_, fresh| {
                let arguments = vec![add(load(place(fresh, 0, 8), NATIVE_U64), number(1))];
                expr(Type::Never, ExprKind::Continue { id, arguments })
            })
        };
        let at_end = equal(scope.read(local), number(4));
        let end = add(scope.read(local), parameters[0].clone());
        let body = choice(at_end, end, next(scope));
        expr(u64_type(), ExprKind::Loop { id, variables: vec![(local, number(0))], body: boxed(body) })
    });
    assert_eq!(slots(&entry), [16]);
    assert_eq!(result(&entry, &[10], Endianness::Little), 14);
}

#[test]
fn memory_is_fresh_in_every_round() {
    for unroll in [false, true] {
        let entry = of_numbers(1, |scope, parameters| {
            // Each round makes memory from what the last one made.
            let id = scope.looped(4, unroll);
            let made = |value| allocate(16, vec![scalar(8, NATIVE_U64, value)]);
            let local = scope.local(made(number(0)).ty);
            let value = load(place(scope.read(local), 8, 8), NATIVE_U64);
            let first = load(place(scope.read(local), 0, 8), NATIVE_U64);
            let dirty = store(place(scope.read(local), 0, 8), NATIVE_U64, number(77));
            let arguments = vec![made(add(value.clone(), number(3)))];
            let go_on = sequence(vec![dirty, expr(Type::Never, ExprKind::Continue { id, arguments })]);
            let at_end = equal(value.clone(), parameters[0].clone());
            let body = choice(at_end, add(value, first), go_on);
            expr(u64_type(), ExprKind::Loop { id, variables: vec![(local, made(number(0)))], body: boxed(body) })
        });
        assert_eq!(result(&entry, &[9], Endianness::Little), 9);
    }
}
