use super::*;
use crate::arena::Arena;
use crate::check::typed::{Map, Unit};
use crate::check::types::{DataType, Enum, Field, IntType, Struct, Types};
use crate::kernel::{KernelVersion, MapKind};
use crate::source::{SourceId, Sources};

#[test]
fn symbols_are_c_identifiers() {
    assert_eq!(symbol("xdp-main"), "xdp_main");
    assert_eq!(symbol("tcp-flags->state"), "tcp_flags_to_state");
    assert_eq!(symbol("empty?"), "empty_p");
    assert_eq!(symbol("set-x!"), "set_x");
    assert_eq!(symbol("4-way"), "_4_way");
}

#[test]
fn type_names_are_in_camel_case() {
    assert_eq!(type_name("xdp-firewall"), "XdpFirewall");
    assert_eq!(type_name("tcp-flags->state"), "TcpFlagsToState");
    assert_eq!(type_name("HTTP-kind"), "HTTPKind");
    assert_eq!(type_name("4-way!"), "_4Way");
    assert_eq!(type_name("λ"), "_");
}

/// A unit with these maps, structs of these fields, and enums of these variants.
fn unit(source: SourceId, maps: &[&str], structs: &[(&str, &[&str])], enums: &[(&str, &[&str])]) -> Unit {
    let mut places = 0..;
    let mut place = || {
        let start = places.next().unwrap();
        Span::new(source, start, start + 1)
    };
    let number = DataType::Int(IntType::U32);
    let mut types = Types::default();
    for (name, fields) in structs {
        let span = Some(place());
        let field =
            |name: &&str| Field { name: (*name).into(), span: Some(place()), doc: None, ty: number.clone(), offset: 0 };
        let fields = fields.iter().map(field).collect();
        types.structs.push(Struct { name: (*name).into(), span, doc: None, fields, size: 4, align: 4 });
    }
    for (name, variants) in enums {
        let variants = variants.iter().zip(0..).map(|(variant, value)| ((*variant).into(), value)).collect();
        types.enums.push(Enum { name: (*name).into(), span: place(), doc: None, variants });
    }
    let map = |name: &&str| Map {
        name: (*name).into(),
        span: place(),
        doc: None,
        kind: MapKind::Hash,
        key: number.clone(),
        value: number.clone(),
        max_entries: 1,
        flags: 0,
        pin_by_name: false,
        events: Vec::new(),
        hidden: None,
        histogram: None,
    };
    Unit {
        name: "unit".into(),
        name_span: Span::new(source, 100, 101),
        doc: None,
        license: "GPL".into(),
        min_kernel: KernelVersion::DEFAULT,
        log: Vec::new(),
        types,
        maps: maps.iter().map(map).collect(),
        globals: Arena::new(),
        programs: Vec::new(),
        functions: Arena::new(),
        kfuncs: Arena::new(),
        facts: Arena::new(),
        constants: Vec::new(),
    }
}

fn clashes(maps: &[&str], structs: &[(&str, &[&str])], enums: &[(&str, &[&str])]) -> Vec<String> {
    let source = Sources::new().add("test.esh", "");
    let mut diagnostics = Diagnostics::new();
    check_names(&unit(source, maps, structs, enums), &mut diagnostics);
    diagnostics.iter().map(|diagnostic| diagnostic.message.clone()).collect()
}

#[test]
fn names_that_stay_different_are_fine() {
    let none: Vec<String> = Vec::new();
    // Types and values are two worlds, as are the fields of two structs.
    assert_eq!(clashes(&["unit", "a"], &[("a", &["x", "y"]), ("b", &["x"])], &[("c", &["x", "y"])]), none);
}

#[test]
fn names_that_become_the_same_are_refused() {
    assert_eq!(clashes(&["a-b", "a_b"], &[], &[]), ["both `a-b` and `a_b` are called `a_b` outside Scheme"]);
    assert_eq!(clashes(&[], &[("unit", &[])], &[]), ["both `unit` and `unit` are called `Unit` outside Scheme"]);
    assert_eq!(
        clashes(&[], &[("unit-loader", &[])], &[]),
        ["both `unit` and `unit-loader` are called `UnitLoader` outside Scheme"]
    );
    assert_eq!(clashes(&[], &[("s", &["x!", "x"])], &[]), ["both `x!` and `x` are called `x` outside Scheme"]);
    assert_eq!(
        clashes(&[], &[], &[("e", &["up-to", "up_to"])]),
        ["both `up-to` and `up_to` are called `UpTo` outside Scheme"]
    );
}
