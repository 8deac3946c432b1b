//! Packets: headers are there where the packet is long enough.

use super::tree::*;
use super::{lowered, outcome, text};
use crate::check::typed::{ArithmeticOp, Expr, ExprKind, Function, Place, Type};
use crate::check::types::Storage;
use crate::compile::Endianness;
use crate::ir::interpret::CONTEXT;

fn start(context: &Expr) -> Expr {
    expr(Type::Cursor, ExprKind::PacketStart(boxed(context.clone())))
}

fn parse(context: &Expr, cursor: Expr, size: u32) -> Expr {
    let kind = ExprKind::Parse { context: boxed(context.clone()), cursor: boxed(cursor), size };
    expr(Type::Optional(header(size)), kind)
}

fn advance(from: Expr, bytes: Expr, maximum: u32) -> Expr {
    expr(Type::Cursor, ExprKind::Advance { from: boxed(from), bytes: boxed(bytes), maximum })
}

fn field(header: &Expr, offset: u32, storage: Storage) -> Expr {
    load(place(header.clone(), offset, 1), storage)
}

/// An Ethernet header and an IPv4 header with options, and a byte behind both: 3 where all of it is there.
fn chain() -> Function {
    let (mut scope, context) = Scope::entry();
    let cursor = start(&context);
    let body = scope.bind(parse(&context, cursor, 14), |scope, ethernet| {
        let there = scope.bind(parse(&context, advance(present(ethernet.clone()), number(14), 14), 20), |scope, ip| {
            let words = Storage { bytes: 1, big_endian: false, signed: false, bits: Some((0, 4)) };
            let length = arithmetic(ArithmeticOp::Shl, field(&present(ip.clone()), 0, words), number(2));
            let payload = advance(present(ip.clone()), length, 60);
            let there =
                scope.bind(parse(&context, payload, 1), |_, byte| choice(is_present(byte), verdict(3), verdict(2)));
            choice(is_present(ip), there, verdict(1))
        });
        choice(is_present(ethernet), there, verdict(0))
    });
    scope.function(body)
}

#[test]
fn a_chain_of_headers() {
    let entry = chain();
    let mut seen = [false; 4];
    for seed in 0..4 {
        for length in 0..100 {
            let run = outcome(&entry, &[CONTEXT], seed, length, Endianness::Little);
            seen[run.result as usize] = true;
            let expected = match length {
                0..14 => Some(0),
                14..34 => Some(1),
                94.. => Some(3),
                _ => None,
            };
            assert!(expected.is_none_or(|expected| expected == run.result), "{length}: {}", run.result);
        }
    }
    assert_eq!(seen, [true; 4]);
    let text = text(&entry);
    assert_eq!(text.matches("branch above").count(), 3, "{text}");
    assert_eq!(text.matches("branch").count(), 3, "{text}");
    assert!(!text.contains("packet)"), "no header is a parameter of a block:\n{text}");
}

#[test]
fn a_header_as_a_value_is_null_where_it_is_missing() {
    let (mut scope, context) = Scope::entry();
    let either = choice(
        is_present(parse(&context, start(&context), 30)),
        parse(&context, start(&context), 30),
        parse(&context, start(&context), 10),
    );
    let body = scope.bind(either, |scope, header| {
        let again = scope.bind(header.clone(), |_, same| choice(is_present(same), verdict(2), verdict(1)));
        choice(is_present(header), again, verdict(0))
    });
    let entry = scope.function(body);
    for (length, expected) in [(0, 0), (9, 0), (10, 2), (29, 2), (30, 2)] {
        assert_eq!(outcome(&entry, &[CONTEXT], 1, length, Endianness::Little).result, expected, "{length}");
    }
}

#[test]
fn a_missing_header_stays_missing() {
    let (mut scope, context) = Scope::entry();
    let body = scope.bind(parse(&context, start(&context), 14), |scope, header| {
        let twice = choice(is_present(header.clone()), number(1), number(0));
        scope.bind(twice, |_, first| add(first, choice(is_present(header), number(10), number(0))))
    });
    let entry = scope.function(body);
    assert_eq!(outcome(&entry, &[CONTEXT], 1, 13, Endianness::Little).result, 0);
    assert_eq!(outcome(&entry, &[CONTEXT], 1, 14, Endianness::Little).result, 11);
}

#[test]
fn optionals_from_references() {
    let (mut scope, context) = Scope::entry();
    let body = scope.bind(parse(&context, start(&context), 14), |scope, header| {
        let some = expr(header.ty.clone(), ExprKind::Some(boxed(present(header.clone()))));
        let absent = expr(header.ty.clone(), ExprKind::Absent);
        let chosen = choice(is_present(header), some, absent);
        scope.bind(chosen, |_, chosen| choice(is_present(chosen), verdict(1), verdict(0)))
    });
    let entry = scope.function(body);
    assert_eq!(outcome(&entry, &[CONTEXT], 1, 13, Endianness::Little).result, 0);
    assert_eq!(outcome(&entry, &[CONTEXT], 1, 14, Endianness::Little).result, 1);
}

#[test]
fn the_length_is_the_end_minus_the_start() {
    let (scope, context) = Scope::entry();
    let entry = scope.function(expr(u64_type(), ExprKind::PacketLength(boxed(context))));
    assert_eq!(outcome(&entry, &[CONTEXT], 1, 77, Endianness::Big).result, 77);
}

#[test]
fn the_verifier_sees_how_far_a_cursor_goes() {
    let masks = |value: fn(Expr) -> Expr, maximum: u32| {
        let (scope, context) = Scope::entry();
        let loaded = ExprKind::ContextLoad { context: boxed(context.clone()), offset: 12, bytes: 4 };
        let bytes = value(expr(u64_type(), loaded));
        let cursor = advance(start(&context), bytes, maximum);
        let entry = scope.function(choice(is_present(parse(&context, cursor, 4)), verdict(1), verdict(0)));
        let text = lowered(&entry, Endianness::Little).to_string();
        text.matches("= and ").count()
    };
    assert_eq!(masks(|bytes| bytes, 255), 1);
    assert_eq!(masks(|bytes| bytes, 200), 0);
    assert_eq!(masks(|bytes| arithmetic(ArithmeticOp::And, bytes, number(60)), 63), 1);
    assert_eq!(masks(|bytes| arithmetic(ArithmeticOp::LShr, bytes, number(24)), 255), 0);
}

#[test]
fn headers_are_written() {
    let (mut scope, context) = Scope::entry();
    let body = scope.bind(parse(&context, start(&context), 14), |_, header| {
        let place = Place { base: boxed(present(header.clone())), offset: 12, index: None, align: 1 };
        let write = store(place, Storage::network(2), number(0x0800));
        choice(is_present(header), sequence(vec![write, verdict(2)]), verdict(1))
    });
    let entry = scope.function(body);
    let text = text(&entry);
    assert!(text.contains("const 8\n") && text.contains("store.2"), "{text}");
    let outcome = outcome(&entry, &[CONTEXT], 1, 60, Endianness::Little);
    assert_eq!(outcome.result, 2);
    assert_eq!(outcome.memory.values().copied().collect::<Vec<_>>(), [8, 0]);
}
