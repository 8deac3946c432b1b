//! Trees made by hand, lowered: what the IR is, and what it does when it runs.

mod tree;

use tree::*;

use crate::arena::Id as _;
use crate::check::typed::{AtomicOp, ExprKind, Function, MapId, Type};
use crate::check::types::{DataType, IntType};
use crate::compile::Endianness;
use crate::ir;

/// Lowers an entry procedure for both byte orders and checks what comes out. The little-endian one.
fn lowered(entry: Function) -> ir::Function {
    lowered_for(&entry, Endianness::Big);
    lowered_for(&entry, Endianness::Little)
}

fn lowered_for(entry: &Function, endianness: Endianness) -> ir::Function {
    let mut module = super::lower(&unit_of(entry.clone()), endianness);
    let function = module.programs.remove(0);
    if let Err(errors) = ir::check(&function) {
        panic!("{}\n{function}", errors.join("\n"));
    }
    function
}

#[test]
fn a_counter_in_a_map() {
    let (mut scope, _) = Scope::entry();
    let value = DataType::Int(IntType::U64);
    let body = scope.bind(lookup(MapId::new(0), NATIVE_U32, number(7), value), |_, optional| {
        let place = place(present(optional.clone()), 0, 8);
        let value = boxed(number(1));
        let kind = ExprKind::Atomic { op: AtomicOp::Add, place, storage: NATIVE_U64, value, fetch: false };
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
    assert_eq!(lowered(scope.function(body)).to_string(), expected);
}
