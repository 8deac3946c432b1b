//! Where globals lie.

use std::sync::Arc;

use super::tree::*;
use crate::arena::Id as _;
use crate::check::typed::{ExprKind, Global, GlobalId, GlobalInit, Region, Type};
use crate::check::types::{DataType, IntType};
use crate::compile::Endianness;
use crate::ir::GlobalSection;
use crate::lower::{GlobalLayout, lower};

fn global(ty: DataType, init: GlobalInit, mutable: bool) -> Global {
    Global { name: "global".into(), span: span(), doc: None, ty, init, mutable, hidden: None }
}

fn layout(globals: Vec<Global>, endianness: Endianness) -> GlobalLayout {
    let mut unit = unit_of(Scope::default().function(verdict(0)));
    unit.globals = globals.into_iter().collect();
    lower(&unit, endianness).globals
}

#[test]
fn constants_are_in_order_and_aligned_and_others_apart() {
    let globals = || {
        vec![
            global(DataType::Int(IntType::U8), GlobalInit::Scalar(1), false),
            global(DataType::Int(IntType::U32), GlobalInit::Scalar(0x0102_0304), false),
            global(DataType::Int(IntType::U16), GlobalInit::Scalar(5), true),
            global(DataType::Int(IntType::U64), GlobalInit::Zero, true),
            global(DataType::BigEndian(IntType::U16), GlobalInit::Scalar(80), false),
            global(DataType::CharArray(3), GlobalInit::Bytes(b"ab".to_vec()), true),
            global(DataType::Array(Arc::new(DataType::Int(IntType::U32)), 3), GlobalInit::Zero, true),
            global(DataType::Ipv4, GlobalInit::Scalar(0x0a00_0001), false),
            global(DataType::Int(IntType::U64), GlobalInit::Zero, false),
            global(DataType::Int(IntType::U32), GlobalInit::Scalar(0), true),
        ]
    };
    let little = layout(globals(), Endianness::Little);
    use GlobalSection::{Data, Rodata};
    let own = |number| (Data(GlobalId::new(number)), 0);
    let places: Vec<_> = little.places.values().copied().collect();
    let expected =
        [(Rodata, 0), (Rodata, 4), own(2), own(3), (Rodata, 8), own(5), own(6), (Rodata, 12), (Rodata, 16), own(9)];
    assert_eq!(places, expected);
    assert_eq!(little.rodata, [1, 0, 0, 0, 4, 3, 2, 1, 0, 80, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let own = |number, bytes: &[u8]| (GlobalId::new(number), bytes.to_vec());
    let zeros = |number, size| own(number, &vec![0; size]);
    assert_eq!(little.mutable, [own(2, &[5, 0]), zeros(3, 8), own(5, &[97, 98, 0]), zeros(6, 12), zeros(9, 4)]);
    let big = layout(globals(), Endianness::Big);
    assert_eq!(big.rodata, [1, 0, 0, 0, 1, 2, 3, 4, 0, 80, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(big.mutable[0], own(2, &[0, 5]));
}

#[test]
fn a_program_reads_its_globals() {
    let kind = ExprKind::Global(GlobalId::new(1));
    let base = expr(Type::Ref(reference(DataType::Int(IntType::U32), Region::Global)), kind);
    let mut unit = unit_of(Scope::default().function(load(place(base, 0, 4), NATIVE_U32)));
    unit.globals = [
        global(DataType::Int(IntType::U64), GlobalInit::Scalar(1), false),
        global(DataType::Int(IntType::U32), GlobalInit::Scalar(2), false),
    ]
    .into_iter()
    .collect();
    let text = lower(&unit, Endianness::Little).programs[0].to_string();
    assert!(text.contains("= global .rodata + 8"), "{text}");
}
