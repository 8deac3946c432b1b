use std::sync::Arc;

use eshkol_core::arena::{Arena, Id as _};
use eshkol_core::bpf::{Code, LineEntry};
use eshkol_core::check::typed::{
    Constant, ConstantValue, Expr, ExprKind, Function, Global, GlobalId, GlobalInit, Map, Program, Type, Unit,
};
use eshkol_core::check::types::{DataType, Enum, Field, IntType, Struct, StructId, Types};
use eshkol_core::ir::GlobalSection;
use eshkol_core::kernel::{KernelVersion, MapKind, ProgramType};
use eshkol_core::lower::{GlobalLayout, Module};
use eshkol_core::source::{SourceId, Sources, Span as SourceSpan};
use eshkol_core::{Architecture, Output};
use proc_macro2::{Span, TokenStream, TokenTree};

use super::{Input, items};
use crate::positions::Positions;
use crate::source_text;
use crate::tokens::Place;

/// The text that the unit below pretends to come from: only its names matter.
const TEXT: &str =
    "xdp-firewall prefixes kind up-and down event ts type comm addr peers blocklist\n  per-cpu threshold hits xdp-main";

/// Makes spans of the names in [`TEXT`].
struct Names(SourceId);

impl Names {
    fn at(&self, name: &str) -> SourceSpan {
        let start = TEXT.find(name).unwrap() as u32;
        SourceSpan::new(self.0, start, start + name.len() as u32)
    }
}

fn unit(names: &Names) -> Unit {
    let mut types = Types::default();
    let field = |name: &str, ty, offset| Field { name: name.into(), span: Some(names.at(name)), doc: None, ty, offset };
    let kind = types.enums.push(Enum {
        name: "kind".into(),
        span: names.at("kind"),
        doc: Some("Which way.".into()),
        variants: vec![("up-and-away".into(), 0), ("down".into(), 7), ("out".into(), 7)],
    });
    let tuple = types.structs.push(Struct {
        name: "ipv4-tuple".into(),
        span: None,
        doc: None,
        fields: ["src-ip", "dst-ip"]
            .iter()
            .zip([0, 4])
            .map(|(name, offset)| Field { name: (*name).into(), span: None, doc: None, ty: DataType::Ipv4, offset })
            .collect(),
        size: 12,
        align: 4,
    });
    let event: StructId = types.structs.push(Struct {
        name: "event".into(),
        span: Some(names.at("event")),
        doc: None,
        fields: vec![
            field("type", DataType::Enum(kind), 0),
            field("ts", DataType::Int(IntType::U64), 8),
            field("comm", DataType::CharArray(16), 16),
            Field {
                doc: Some("Who it was.\n\n    code".into()),
                ..field("peers", DataType::Array(Arc::new(DataType::Mac), 2), 32)
            },
        ],
        size: 48,
        align: 8,
    });
    let addr = types.structs.push(Struct {
        name: "addr".into(),
        span: Some(names.at("addr")),
        doc: None,
        fields: vec![field("blocklist", DataType::Ipv4, 0), field("down", DataType::BigEndian(IntType::U16), 4)],
        size: 8,
        align: 4,
    });
    let map = |name: &str, kind, key, value, flags| Map {
        name: name.into(),
        span: names.at(name),
        doc: None,
        kind,
        key,
        value,
        max_entries: 1024,
        flags,
        pin_by_name: kind == MapKind::Hash,
        events: Vec::new(),
        hidden: None,
        histogram: None,
    };
    let mut maps = Arena::new();
    maps.push(map("blocklist", MapKind::Hash, DataType::Struct(addr), DataType::Struct(tuple), 0));
    maps.push(map("per-cpu", MapKind::PerCpuArray, DataType::Int(IntType::U32), DataType::Struct(event), 0));
    maps.push(map("prefixes", MapKind::LpmTrie, DataType::Ipv4, DataType::Bool, 1));
    let global = |name: &str, mutable| Global {
        name: name.into(),
        span: names.at(name),
        doc: None,
        ty: DataType::Int(IntType::U64),
        init: GlobalInit::Zero,
        mutable,
        hidden: None,
    };
    let mut globals = Arena::new();
    globals.push(global("threshold", false));
    globals.push(global("hits", true));
    let constant = |name: &str, value| Constant { name: name.into(), span: names.at(name), doc: None, value };
    let constants = vec![
        constant("per-cpu", ConstantValue::Number(IntType::I32, -7)),
        constant("prefixes", ConstantValue::Text("10.0.0.0/8".into())),
        constant("addr", ConstantValue::Ipv4(0x0a00_0001)),
        constant("peers", ConstantValue::Ipv6(std::net::Ipv6Addr::LOCALHOST.octets())),
        constant("comm", ConstantValue::Mac([2, 0, 0, 0, 0, 1])),
        constant("kind", ConstantValue::Enum(kind, 7)),
        constant("down", ConstantValue::Bool(true)),
    ];
    let span = names.at("xdp-main");
    let entry = Function {
        name: "xdp-main".into(),
        name_span: span,
        span,
        parameters: Vec::new(),
        locals: Arena::new(),
        loops: Arena::new(),
        body: Expr::new(Type::Unit, span, ExprKind::Unit),
    };
    let program = Program {
        name: "xdp-firewall".into(),
        name_span: names.at("xdp-firewall"),
        doc: None,
        program_type: ProgramType::Xdp,
        attach_points: vec![("eth0".into(), span)],
        sleepable: false,
        frags: false,
        saves_arguments_of: None,
        entry,
    };
    Unit {
        name: "xdp-firewall".into(),
        name_span: names.at("xdp-firewall"),
        doc: Some("Keeps them out.".into()),
        license: "GPL".into(),
        min_kernel: KernelVersion::new(5, 15),
        log: Vec::new(),
        types,
        maps,
        globals,
        programs: vec![program],
        functions: Arena::new(),
        kfuncs: Arena::new(),
        facts: Arena::new(),
        constants,
    }
}

fn output(names: &Names, object: &[u8]) -> Output {
    let mut globals = GlobalLayout::default();
    globals.places.push((GlobalSection::Rodata, 0));
    globals.places.push((GlobalSection::Data(GlobalId::new(1)), 0));
    let code = Code {
        name: "xdp_main".to_owned(),
        span: names.at("xdp-main"),
        parameters: 1,
        instructions: Vec::new(),
        relocations: Vec::new(),
        lines: vec![LineEntry { instruction: 0, span: names.at("hits") }],
        stack: 0,
    };
    Output {
        unit: unit(names),
        module: Module { programs: Vec::new(), functions: Arena::new(), globals },
        programs: vec![code],
        functions: Vec::new(),
        object: object.to_vec(),
        kfunc_calls: Vec::new(),
    }
}

fn generated() -> TokenStream {
    let mut sources = Sources::new();
    let main = sources.add("src/main.rs", TEXT);
    let names = Names(main);
    let begin = Place { line: 1, column: 0 };
    // The text is lexed behind a space in place of the brace.
    let text = source_text::text(Some((&format!("{{{TEXT}}}"), begin)), format!(" {TEXT}").parse().unwrap());
    let positions = Positions::new(main, Some(text.tokens), Span::call_site(), Vec::new());
    let output = output(&names, b"code");
    items(Input { output: &output, architecture: Architecture::OtherLittle, sources: &sources, positions: &positions })
}

#[test]
fn the_items_of_a_unit() {
    let file = syn::parse2(generated()).unwrap();
    insta::assert_snapshot!(prettyplease::unparse(&file));
}

/// Every identifier of a stream with the column of its span.
fn columns(stream: TokenStream, found: &mut Vec<(String, usize)>) {
    for tree in stream {
        match tree {
            TokenTree::Group(group) => columns(group.stream(), found),
            TokenTree::Ident(ident) => found.push((ident.to_string(), ident.span().start().column)),
            _ => {}
        }
    }
}

#[test]
fn names_have_the_places_of_their_scheme_tokens() {
    let mut found = Vec::new();
    columns(generated(), &mut found);
    for (rust, scheme) in [
        ("XdpFirewall", "xdp-firewall"),
        ("blocklist", "blocklist"),
        ("Event", "event"),
        ("r#type", "type comm"),
        ("comm_str", "comm"),
        ("blocklist_max_entries", "blocklist"),
    ] {
        let column = TEXT.find(scheme).unwrap() + 1;
        assert!(found.contains(&(rust.to_owned(), column)), "{rust} is at none of {column}");
    }
}

#[test]
fn generation_is_deterministic() {
    assert_eq!(generated().to_string(), generated().to_string());
}
