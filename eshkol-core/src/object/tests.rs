//! Objects of hand-written code, read back with `aya_obj` and `object`.

mod fixture;

use std::sync::Arc;

use aya_obj::Object;
use object::elf::{EM_BPF, R_BPF_64_32, R_BPF_64_64};
use object::read::elf::{ElfFile64, FileHeader as _};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget as Referent};

use super::*;
use crate::arena::Id as _;
use crate::bpf::{Instruction, LineEntry, RelocationTarget};
use crate::check::typed::{FunctionId, GlobalId, MapId};
use crate::check::types::{DataType, Enum, IntType, Struct, StructId};
use crate::ir::GlobalSection;
use crate::kernel::{MapKind, ProgramType};
use fixture::{Fixture, call, exit, load_address, pass, set, slot};

/// Counts packets in element 0 of a map.
fn counter() -> Vec<Instruction> {
    let mut code = vec![slot(0x62, 10, 0, -4, 0), slot(0xbf, 2, 10, 0, 0), slot(0x07, 2, 0, 0, -4)];
    code.extend(load_address(1));
    code.extend([slot(0x85, 0, 0, 0, 1), slot(0x15, 0, 0, 2, 0), set(1, 1), slot(0xdb, 0, 1, 0, 0)]);
    code.extend(pass());
    code
}

/// Where `start` and `hits` are.
fn own_sections() -> [GlobalSection; 2] {
    [1, 2].map(|number| GlobalSection::Data(GlobalId::new(number)))
}

/// Two programs, a function, a map and a global in each data section.
fn everything() -> Fixture {
    let mut fixture = Fixture::new();
    let [start, hits] = own_sections();
    let u64 = DataType::Int(IntType::U64);
    let counts = fixture.map("packet-counts", MapKind::PerCpuArray, DataType::Int(IntType::U32), u64.clone());
    fixture.global("threshold", u64.clone(), (GlobalSection::Rodata, 8));
    fixture.global("start", DataType::Int(IntType::U32), (start, 0));
    fixture.global("hits", u64, (hits, 0));
    fixture.globals.rodata = [*b"text\0\0\0\0", 100_u64.to_le_bytes()].concat();
    fixture.globals.mutable = vec![(GlobalId::new(1), vec![7, 0, 0, 0]), (GlobalId::new(2), vec![0; 8])];

    fixture.program("count!", counter(), &[(3, RelocationTarget::Map(counts))]);
    let lines = [(0, "(map-increment!"), (4, "counts"), (9, ":xdp-pass"), (10, ":xdp-pass")];
    fixture.programs[0].lines =
        lines.map(|(instruction, words)| LineEntry { instruction, span: fixture.span(words) }).to_vec();

    let global = |section, offset| RelocationTarget::Global { section, offset };
    let mut code = Vec::new();
    for register in [6, 7, 8, 9] {
        code.extend(load_address(register));
    }
    code.extend([slot(0x79, 1, 7, 0, 0), slot(0x61, 2, 8, 0, 0), call(), slot(0xdb, 9, 0, 0, 0)]);
    code.extend(pass());
    let relocations = [
        (0, global(GlobalSection::Rodata, 2)),
        (2, global(GlobalSection::Rodata, 8)),
        (4, global(start, 0)),
        (6, global(hits, 0)),
        (10, RelocationTarget::Function(FunctionId::new(1))),
    ];
    fixture.program("add-hits", code, &relocations);

    let unused = fixture.code("unused", vec![set(0, 0), exit()], &[]);
    let sum = fixture.code("sum", vec![slot(0xbf, 0, 1, 0, 0), slot(0x0f, 0, 2, 0, 0), exit()], &[]);
    fixture.functions = vec![unused, Code { parameters: 2, ..sum }];
    fixture
}

#[test]
fn aya_reads_programs_maps_and_functions() {
    let object = Object::parse(&everything().write()).unwrap();
    let mut programs: Vec<_> = object.programs.keys().map(String::as_str).collect();
    programs.sort_unstable();
    assert_eq!(programs, ["add_hits", "count"]);
    let mut maps: Vec<_> = object.maps.keys().map(String::as_str).collect();
    maps.sort_unstable();
    assert_eq!(maps, [".data.hits", ".data.start", ".rodata", "packet_counts"]);
    let counts = &object.maps["packet_counts"];
    assert_eq!((counts.map_type(), counts.key_size(), counts.value_size(), counts.max_entries()), (6, 4, 8, 16));
    assert_eq!(object.maps[".data.start"].data(), [7, 0, 0, 0]);
    assert_eq!(object.maps[".data.hits"].data(), [0; 8]);
    let mut functions: Vec<_> = object.functions.values().map(|function| function.name.as_str()).collect();
    functions.sort_unstable();
    assert_eq!(functions, ["add_hits", "count", "sum", "unused"]);
    assert_eq!(object.license.to_str(), Ok("GPL"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(everything().write(), everything().write());
}

#[test]
fn the_file_is_a_bpf_object_in_either_byte_order() {
    for (endianness, magic) in [(Endianness::Little, 1), (Endianness::Big, 2)] {
        let bytes = write(&everything().input(endianness)).unwrap();
        assert_eq!(bytes[5], magic);
        let file = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
        assert_eq!(file.elf_header().e_machine(file.endian()), EM_BPF);
        let names: Vec<_> = file.sections().map(|section| section.name().unwrap()).collect();
        let expected =
            "xdp .relxdp .text license .maps .rodata .data.start .data.hits .BTF .BTF.ext .symtab .strtab .shstrtab";
        assert_eq!(names.join(" "), expected);
        let symbol = |name: &str| {
            let symbol = file.symbol_by_name(name).unwrap();
            (symbol.address(), symbol.size(), symbol.is_global())
        };
        assert_eq!(symbol("count"), (0, 88, true));
        assert_eq!(symbol("add_hits"), (88, 112, true));
        assert_eq!(symbol("sum"), (16, 24, false));
        assert_eq!(symbol("threshold"), (8, 8, true));
        // The first instruction of the counter: `*(u32 *)(r10 - 4) = 0`.
        let code = file.section_by_name("xdp").unwrap().data().unwrap().to_vec();
        let expected = if magic == 1 { [0x62, 0x0a, 0xfc, 0xff] } else { [0x62, 0xa0, 0xff, 0xfc] };
        assert_eq!(code[..4], expected);
    }
}

#[test]
fn relocations_name_maps_globals_and_functions() {
    let bytes = everything().write();
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
    let section = file.section_by_name("xdp").unwrap();
    let code = section.data().unwrap();
    let mut found = Vec::new();
    for (offset, relocation) in section.relocations() {
        let Referent::Symbol(index) = relocation.target() else { panic!("no symbol") };
        let RelocationFlags::Elf { r_type } = relocation.flags() else { panic!("no ELF") };
        let symbol = file.symbol_by_index(index).unwrap();
        let name = if symbol.kind() == object::SymbolKind::Section { "section" } else { symbol.name().unwrap() };
        let at = offset as usize;
        let immediate = i32::from_le_bytes(code[at + 4..at + 8].try_into().unwrap());
        found.push((offset / 8, name.to_owned(), r_type, immediate));
    }
    let expected = [
        (3, "packet_counts", R_BPF_64_64, 0),
        (11, "section", R_BPF_64_64, 2),
        (13, "threshold", R_BPF_64_64, 0),
        (15, "start", R_BPF_64_64, 0),
        (17, "hits", R_BPF_64_64, 0),
        (21, "sum", R_BPF_64_32, -1),
    ];
    assert_eq!(found, expected.map(|(slot, name, kind, immediate)| (slot, name.to_owned(), kind, immediate)));
}

#[test]
fn lines_are_those_of_the_source() {
    let fixture = everything();
    let object = Object::parse(&fixture.write()).unwrap();
    let program = &object.functions[&object.programs["count"].function_key()];
    let lines = program.line_info.line_info.iter().map(|l| (l.insn_off, l.line_col >> 10, l.line_col & 1023));
    // The entry at slot 4 is the second half of a load and moves on; that at slot 10 is the same line again.
    assert_eq!(lines.collect::<Vec<_>>(), [(0, 3, 5), (5, 3, 21), (9, 4, 5)]);
    let text = program.line_info.line_info[0];
    let strings = strings(&fixture.write());
    assert_eq!(string(&strings, text.file_name_off), "count.esh");
    assert_eq!(string(&strings, text.line_off), "    (map-increment! counts 0)");
}

fn strings(bytes: &[u8]) -> Vec<u8> {
    let file = ElfFile64::<object::Endianness>::parse(bytes).unwrap();
    let btf = file.section_by_name(".BTF").unwrap().data().unwrap();
    let word = |at: usize| u32::from_le_bytes(btf[at..at + 4].try_into().unwrap()) as usize;
    btf[word(4) + word(16)..][..word(20)].to_vec()
}

fn string(strings: &[u8], offset: u32) -> &str {
    let rest = &strings[offset as usize..];
    std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == 0).unwrap()]).unwrap()
}

#[test]
fn far_columns_and_odd_text_fit_into_a_line() {
    let mut fixture = Fixture::new();
    let text = format!("{}é\0x", " ".repeat(3000));
    fixture.source = fixture.sources.add("wide.esh", text);
    fixture.program("main", pass(), &[]);
    let span = Span::new(fixture.source, 3000, 3002);
    fixture.programs[0].lines = vec![LineEntry { instruction: 0, span }];
    let bytes = fixture.write();
    let object = Object::parse(&bytes).unwrap();
    let line = object.functions[&object.programs["main"].function_key()].line_info.line_info[0];
    assert_eq!(line.line_col, 1 << 10 | 1023);
    assert!(string(&strings(&bytes), line.line_off).ends_with("é x"));
}

#[test]
fn a_function_without_lines_has_its_definition() {
    let mut fixture = Fixture::new();
    fixture.program("main", pass(), &[]);
    fixture.programs[0].lines = vec![LineEntry { instruction: 1, span: fixture.span(":xdp-pass") }];
    let object = Object::parse(&fixture.write()).unwrap();
    let lines = &object.functions[&object.programs["main"].function_key()].line_info.line_info;
    let lines: Vec<_> = lines.iter().map(|line| (line.insn_off, line.line_col >> 10)).collect();
    assert_eq!(lines, [(0, 2), (1, 4)]);
}

#[test]
fn every_type_of_data_has_its_size_in_btf() {
    let mut fixture = Fixture::new();
    let byte = Arc::new(DataType::Int(IntType::U8));
    let inner = fixture.structure("point", &[("x!", DataType::Int(IntType::I32), 0), ("y", DataType::Ipv4, 4)], 8, 4);
    let nested = DataType::Array(Arc::new(DataType::Array(byte, 3)), 5);
    let colour = fixture.unit.types.enums.push(Enum {
        name: "colour".into(),
        span: fixture.unit.name_span,
        doc: None,
        variants: vec![("red".into(), 0), ("dark-red".into(), u32::MAX)],
    });
    let nothing = fixture.unit.types.enums.push(Enum {
        name: "nothing".into(),
        span: fixture.unit.name_span,
        doc: None,
        variants: Vec::new(),
    });
    let types = [
        (DataType::Bool, 1),
        (DataType::BigEndian(IntType::U16), 2),
        (DataType::Ipv4, 4),
        (DataType::Ipv6, 16),
        (DataType::Mac, 6),
        (DataType::CharArray(16), 16),
        (DataType::Enum(colour), 4),
        (DataType::Enum(nothing), 4),
        (DataType::Array(Arc::new(DataType::Mac), 4), 24),
        (DataType::Array(Arc::new(inner.clone()), 3), 24),
        (nested.clone(), 15),
        (inner, 8),
    ];
    let fields: Vec<_> = types.iter().map(|(ty, _)| ty.clone()).collect();
    let fields: Vec<_> = fields.into_iter().enumerate().map(|(index, ty)| ("field", ty, index as u32 * 24)).collect();
    let all = fixture.structure("all-of-them", &fields, 24 * 12, 8);
    let types = types.into_iter().chain([(all, 24 * 12)]);
    for (index, (ty, _)) in types.clone().enumerate() {
        fixture.map(&format!("map-{index}"), MapKind::Hash, nested.clone(), ty);
    }
    let object = Object::parse(&fixture.write()).unwrap();
    for (index, (ty, size)) in types.enumerate() {
        let map = &object.maps[&format!("map_{index}")];
        assert_eq!((map.key_size(), map.value_size()), (15, size), "{ty:?}");
    }
}

#[test]
fn a_prefix_comes_before_the_key_of_a_trie() {
    let mut fixture = Fixture::new();
    let value = DataType::Int(IntType::U8);
    let routes = fixture.map("routes", MapKind::LpmTrie, DataType::Ipv4, value.clone());
    fixture.map("wide", MapKind::LpmTrie, DataType::Int(IntType::U64), value);
    fixture.unit.maps.at_mut(routes).pin_by_name = true;
    let object = Object::parse(&fixture.write()).unwrap();
    assert_eq!(object.maps["routes"].key_size(), 8);
    assert_eq!(object.maps["routes"].map_flags(), 1);
    assert_eq!(object.maps["routes"].pinning() as u32, 1);
    assert_eq!(object.maps["wide"].key_size(), 12);
}

#[test]
fn programs_with_frags_have_a_section_of_their_own() {
    let mut fixture = Fixture::new();
    fixture.program("plain", pass(), &[]);
    fixture.program("pieces", pass(), &[]);
    fixture.unit.programs[1].frags = true;
    let bytes = fixture.write();
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
    assert_eq!(file.section_by_name("xdp").unwrap().size(), 16);
    assert_eq!(file.section_by_name("xdp.frags").unwrap().size(), 16);
}

#[test]
fn a_program_is_in_the_section_of_its_place() {
    let mut fixture = Fixture::new();
    let span = fixture.unit.name_span;
    let point = |text: &str| (text.into(), span);
    for (name, points) in [
        ("first", vec![point("sched:sched_switch")]),
        ("second", vec![point("sched_wakeup")]),
        ("third", vec![point("sched_switch")]),
        ("fourth", vec![point("sched_switch"), point("sched_wakeup")]),
    ] {
        fixture.program(name, pass(), &[]);
        let program = fixture.unit.programs.last_mut().unwrap();
        (program.program_type, program.attach_points) = (ProgramType::BtfTracepoint, points);
    }
    let bytes = fixture.write();
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
    let sections = file.sections().take(3).map(|section| (section.name().unwrap(), section.size()));
    let expected = [("tp_btf/sched_switch", 32), ("tp_btf/sched_wakeup", 16), ("tp_btf", 16)];
    assert_eq!(sections.collect::<Vec<_>>(), expected);
    let object = Object::parse(&bytes).unwrap();
    for program in object.programs.values() {
        assert!(matches!(program.section, aya_obj::ProgramSection::BtfTracePoint));
    }
    // Their lines are found by the names of the sections.
    assert!(object.functions.values().all(|function| function.line_info.num_info > 0));
}

#[test]
fn functions_give_way_where_names_are_equal() {
    let mut fixture = Fixture::new();
    fixture.program("main", pass(), &[]);
    let function = fixture.code("main", pass(), &[]);
    fixture.functions = vec![function.clone(), function];
    let object = Object::parse(&fixture.write()).unwrap();
    let mut names: Vec<_> = object.functions.values().map(|function| function.name.clone()).collect();
    names.sort_unstable();
    assert_eq!(names, ["main", "main_1", "main_2"]);
}

#[test]
fn functions_call_functions() {
    let mut fixture = Fixture::new();
    let to = |index| RelocationTarget::Function(FunctionId::new(index));
    fixture.program("main", vec![set(1, 1), call(), set(0, 2), exit()], &[(1, to(0))]);
    fixture.functions.push(fixture.code("outer", vec![call(), exit()], &[(0, to(1))]));
    fixture.functions.push(fixture.code("inner", vec![set(0, 1), exit()], &[]));
    let bytes = fixture.write();
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
    let relocations = |section| file.section_by_name(section).unwrap().relocations().map(|(offset, _)| offset);
    assert_eq!(relocations("xdp").collect::<Vec<_>>(), [8]);
    assert_eq!(relocations(".text").collect::<Vec<_>>(), [0]);
}

#[test]
fn a_function_can_be_given_to_a_helper() {
    let mut fixture = Fixture::new();
    fixture.functions.push(fixture.code("first", vec![set(0, 0), set(0, 0), exit()], &[]));
    fixture.functions.push(fixture.code("callback", vec![set(0, 1), exit()], &[]));
    let mut code = vec![set(1, 3)];
    code.extend(load_address(2));
    code.extend([set(3, 0), set(4, 0), slot(0x85, 0, 0, 0, 181), set(0, 2), exit()]);
    fixture.program("main", code, &[(1, RelocationTarget::Function(FunctionId::new(1)))]);
    let bytes = fixture.write();
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
    let code = file.section_by_name("xdp").unwrap().data().unwrap();
    // Counted from the start of `.text`.
    assert_eq!(code[8..16], [0x18, 2, 0, 0, 24, 0, 0, 0]);
}

#[test]
fn names_that_become_equal_are_an_error() {
    let mut fixture = Fixture::new();
    fixture.program("count!", pass(), &[]);
    fixture.map("count", MapKind::Hash, DataType::Bool, DataType::Bool);
    assert!(fixture.error().contains("both called `count`"), "{}", fixture.error());
}

#[test]
fn what_can_not_be_right_is_an_error() {
    let mut fixture = everything();
    fixture.unit.license = "".into();
    assert!(fixture.error().contains("license"));

    let mut fixture = everything();
    fixture.programs[0].relocations[0].instruction = 0;
    assert!(fixture.error().contains("slot 0 of `count`"));

    let mut fixture = everything();
    fixture.programs.pop();
    assert!(fixture.error().contains("one code for each program"));

    let mut fixture = everything();
    fixture.globals.mutable[1].1.truncate(4);
    assert!(fixture.error().contains("`hits`"));

    let mut fixture = everything();
    fixture.programs[1].relocations[0].target = RelocationTarget::Global { section: GlobalSection::Rodata, offset: 16 };
    assert!(fixture.error().contains("slot 0 of `add_hits`"));

    let mut fixture = everything();
    fixture.programs[0].instructions.clear();
    assert!(fixture.error().contains("no code"));

    let mut fixture = everything();
    fixture.unit.types.structs.push(Struct {
        name: "x".repeat(200).into(),
        span: None,
        doc: None,
        fields: Vec::new(),
        size: 1,
        align: 1,
    });
    fixture.map("long", MapKind::Hash, DataType::Bool, DataType::Struct(StructId::new(0)));
    assert!(fixture.error().contains("127"));
}

#[test]
fn the_reader_sees_what_is_wrong() {
    let fixture = everything();
    let bytes = fixture.write();
    let wrong = |change: fn(&mut Fixture)| {
        let mut other = everything();
        change(&mut other);
        let input = other.input(Endianness::Little);
        check::check(&input, &Layout::new(&input).unwrap(), &bytes).unwrap_err().reason
    };
    let license = wrong(|other| other.unit.license = "MIT".into());
    assert!(license.contains("license"), "{license}");
    let map = wrong(|other| other.unit.maps.at_mut(MapId::new(0)).max_entries = 17);
    assert!(map.contains("packet_counts"), "{map}");
    let data = wrong(|other| other.globals.mutable[0].1 = vec![8, 0, 0, 0]);
    assert!(data.contains(".data.start"), "{data}");
    let length = wrong(|other| other.functions[1].instructions.push(exit()));
    assert!(length.contains("length of `sum`"), "{length}");
    let callee = wrong(|other| {
        other.programs[1].relocations[4].target = RelocationTarget::Function(FunctionId::new(0));
    });
    assert!(callee.contains("`unused` is linked to `add_hits`"), "{callee}");
    let global = wrong(|other| {
        other.programs[1].relocations[1].target =
            RelocationTarget::Global { section: GlobalSection::Rodata, offset: 0 };
    });
    assert!(global.contains("slot 2 of `add_hits`"), "{global}");
    assert!(
        check::check(
            &fixture.input(Endianness::Little),
            &Layout::new(&fixture.input(Endianness::Little)).unwrap(),
            &bytes[..100]
        )
        .is_err()
    );
}
