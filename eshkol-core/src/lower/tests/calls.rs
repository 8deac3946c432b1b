//! Helpers, functions, the context, and arithmetic on what they give.

use super::tree::*;
use super::{BOTH, lowered, of_numbers, outcome, result, result_of_both, text};
use crate::arena::Id as _;
use crate::check::typed::{Argument, ArithmeticOp, Expr, ExprKind, FunctionId, MapId, Region, Type};
use crate::check::types::{DataType, IntType, Storage};
use crate::compile::Endianness;
use crate::ir::interpret::{CONTEXT, mix};
use crate::kernel::HelperId;

fn helper(id: u32, ty: Type, arguments: Vec<Argument>) -> Expr {
    expr(ty, ExprKind::Helper { helper: HelperId(id), arguments })
}

fn update(key: Expr, value: Expr) -> Expr {
    let arguments = vec![
        Argument::Map(MapId::new(0)),
        Argument::Spilled(NATIVE_U32, key),
        Argument::Spilled(NATIVE_U64, value),
        Argument::Value(number(0)),
    ];
    helper(2, int(IntType::I64), arguments)
}

fn map_value() -> DataType {
    DataType::Int(IntType::U64)
}

#[test]
fn a_counter_in_a_map() {
    let (mut scope, _) = Scope::entry();
    let body = scope.bind(lookup(MapId::new(0), NATIVE_U32, number(7), map_value()), |_, optional| {
        let kind = ExprKind::Atomic {
            op: crate::check::typed::AtomicOp::Add,
            place: place(present(optional.clone()), 0, 8),
            storage: NATIVE_U64,
            value: boxed(number(1)),
            fetch: false,
        };
        sequence(vec![choice(is_present(optional), expr(Type::Unit, kind), unit()), verdict(2)])
    });
    let expected = "\
function \"test_entry\" {
  slot s0 size 8 align 8
b0(v0: context):
  v1 = const 7
  v2: map = map map0
  v3: stack = slot s0
  store.4 v3 + 0, v1
  v4: map-value = helper 1(v2, v3)
  v5 = const 0
  branch not-equal v4, v5 -> b2, b1
b2:
  v6 = const 1
  atomic-add.8 v4 + 0, v6
  jump b1
b1:
  v7 = const 2
  return v7
}
";
    assert_eq!(text(&scope.function(body)), expected);
}

#[test]
fn arguments_are_where_the_helper_looks() {
    for endianness in BOTH {
        let entry = of_numbers(2, |_, parameters| update(parameters[0].clone(), parameters[1].clone()));
        let first = outcome(&entry, &[5, 6], 1, 0, endianness);
        let other_key = outcome(&entry, &[4, 6], 1, 0, endianness);
        let other_value = outcome(&entry, &[5, 7], 1, 0, endianness);
        assert_eq!(first.calls.len(), 1);
        assert_ne!(first.calls[0].2, other_key.calls[0].2);
        assert_ne!(first.calls[0].2, other_value.calls[0].2);
    }
}

#[test]
fn calls_share_the_memory_of_their_arguments() {
    let entry = of_numbers(1, |scope, parameters| {
        let key = parameters[0].clone();
        // The value of the second call is the result of a third.
        let inner = update(number(1), number(2));
        scope.bind(update(key.clone(), number(1)), |_, first| add(first, update(inner, key)))
    });
    let text = text(&entry);
    assert!(text.contains("slot s1 size 8") && !text.contains("s2"), "{text}");
}

#[test]
fn keys_of_all_kinds() {
    let mac = expr(Type::Scalar(DataType::Mac), ExprKind::MacConstant([1, 2, 3, 4, 5, 6]));
    let ipv6 = expr(Type::Ipv6, ExprKind::Ipv6Constant([9; 16]));
    for (storage, key, stores) in
        [(MAC, mac, 2), (IPV6, ipv6, 2), (Storage::network(2), number(80), 1), (NATIVE_U8, number(1), 1)]
    {
        let (mut scope, _) = Scope::entry();
        let body = scope.bind(lookup(MapId::new(0), storage, key, map_value()), |_, found| {
            choice(is_present(found), verdict(1), verdict(2))
        });
        let text = text(&scope.function(body));
        assert_eq!(text.matches("store.").count(), stores, "{text}");
    }
}

#[test]
fn results_are_extended_as_their_type_says() {
    let raw = of_numbers(0, |_, _| helper(7, u64_type(), Vec::new()));
    for (ty, extend) in [
        (IntType::I32, (|raw| raw as i32 as u64) as fn(u64) -> u64),
        (IntType::U32, |raw| raw as u32 as u64),
        (IntType::U16, |raw| raw as u16 as u64),
        (IntType::I64, |raw| raw),
    ] {
        for seed in 0..5 {
            let entry = of_numbers(0, |_, _| helper(7, int(ty), Vec::new()));
            let expected = extend(outcome(&raw, &[], seed, 0, Endianness::Little).result);
            assert_eq!(outcome(&entry, &[], seed, 0, Endianness::Little).result, expected);
        }
    }
}

#[test]
fn functions_are_called() {
    let call = |arguments| expr(u64_type(), ExprKind::Call { function: FunctionId::new(0), arguments });
    let entry = of_numbers(2, |_, parameters| {
        let first = call(vec![parameters[0].clone(), number(3)]);
        sequence(vec![first, call(vec![parameters[1].clone(), number(4)])])
    });
    let calls = outcome(&entry, &[1, 2], 1, 0, Endianness::Little).calls;
    assert_eq!(calls.iter().map(|call| call.1.clone()).collect::<Vec<_>>(), [vec![1, 3], vec![2, 4]]);
}

#[test]
fn a_function_takes_what_is_on_its_caller_s_stack() {
    let mut scope = Scope::default();
    let data = DataType::CharArray(8);
    let given = scope.parameter(Type::Ref(reference(data.clone(), Region::Stack)));
    let which = scope.parameter(u64_type());
    let kind = ExprKind::Allocate { data: data.clone(), parts: Vec::new() };
    let own = expr(Type::Ref(reference(data, Region::Stack)), kind);
    let either = choice(equal(scope.read(which), number(1)), scope.read(given), own);
    let body = scope.bind(either, |_, either| load(place(either, 0, 1), NATIVE_U32));
    let text = text(&scope.function(body));
    assert!(text.contains("b0(v0: memory, v1)") && text.contains("load.1") && !text.contains("load.4"), "{text}");
}

#[test]
fn context_fields() {
    let (scope, context) = Scope::entry();
    let read = |ty| expr(int(ty), ExprKind::ContextLoad { context: boxed(context.clone()), offset: 12, bytes: 4 });
    let write = ExprKind::ContextStore {
        context: boxed(context.clone()),
        offset: 12,
        bytes: 4,
        value: boxed(number(0xffff_fff0)),
    };
    let body =
        sequence(vec![expr(Type::Unit, write), arithmetic(ArithmeticOp::Xor, read(IntType::I32), read(IntType::U32))]);
    let entry = scope.function(body);
    assert_eq!(result_of_both(&entry, &[CONTEXT]), 0xffff_ffff_0000_0000);
    assert!(!text(&entry).contains("load-signed"));
}

#[test]
fn casts_keep_the_low_bits() {
    let value = 0x1234_5678_9abc_def0;
    for (ty, expected) in [
        (IntType::U8, 0xf0),
        (IntType { bits: 8, signed: true }, 0xffff_ffff_ffff_fff0),
        (IntType::U16, 0xdef0),
        (IntType { bits: 16, signed: true }, 0xffff_ffff_ffff_def0),
        (IntType::U32, 0x9abc_def0),
        (IntType::I32, 0xffff_ffff_9abc_def0),
        (IntType::U64, value),
        (IntType::I64, value),
    ] {
        let cast = |value| expr(int(ty), ExprKind::Cast(boxed(value)));
        let variable = of_numbers(1, |_, parameters| cast(parameters[0].clone()));
        let constant = of_numbers(0, |_, _| cast(number(value)));
        assert_eq!(result_of_both(&variable, &[value]), expected, "{ty}");
        assert_eq!(result_of_both(&constant, &[]), expected, "{ty}");
    }
}

#[test]
fn bytes_are_swapped() {
    for (bytes, expected) in [(2, 0xf0de), (4, 0xf0de_bc9a), (8, 0xf0de_bc9a_7856_3412)] {
        let swap = |value| expr(u64_type(), ExprKind::ByteSwap { bytes, value: boxed(value) });
        let variable = of_numbers(1, |_, parameters| swap(parameters[0].clone()));
        let constant = of_numbers(0, |_, _| swap(number(0x1234_5678_9abc_def0)));
        assert_eq!(result_of_both(&variable, &[0x1234_5678_9abc_def0]), expected);
        assert_eq!(result_of_both(&constant, &[]), expected);
    }
}

#[test]
fn bits_are_counted() {
    let wide = of_numbers(1, |_, parameters| expr(u64_type(), ExprKind::BitCount(boxed(parameters[0].clone()))));
    let narrow = of_numbers(1, |_, parameters| {
        let low = expr(int(IntType::U32), ExprKind::Cast(boxed(parameters[0].clone())));
        expr(u64_type(), ExprKind::BitCount(boxed(low)))
    });
    let constant = of_numbers(0, |_, _| expr(u64_type(), ExprKind::BitCount(boxed(number(0xff01)))));
    for seed in 0..40 {
        let value = mix(seed) >> seed;
        for value in [value, !value, seed, u64::MAX, 0] {
            assert_eq!(result_of_both(&wide, &[value]), u64::from(value.count_ones()));
            assert_eq!(result_of_both(&narrow, &[value]), u64::from((value as u32).count_ones()));
        }
    }
    assert_eq!(result(&constant, &[], Endianness::Little), 9);
    assert!(lowered(&narrow, Endianness::Little).to_string().contains("mul.32"));
}
