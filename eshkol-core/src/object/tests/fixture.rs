//! Units of hand-written code, and the instructions that they are made of.

use super::super::*;
use crate::arena::Arena;
use crate::bpf::{Instruction, LineEntry, Relocation, RelocationTarget};
use crate::check::typed::{Expr, ExprKind, Function, Global, GlobalId, GlobalInit, Map, MapId, Program, Type, Unit};
use crate::check::types::{DataType, Field, Struct, Types};
use crate::ir::GlobalSection;
use crate::kernel::{KernelVersion, MapKind, ProgramType};
use crate::source::SourceId;

const TEXT: &str = "\
(define-ebpf-program xdp-count
  (define (xdp-main ctx)
    (map-increment! counts 0)
    :xdp-pass))
";

/// A unit in the making.
pub(super) struct Fixture {
    pub(super) sources: Sources,
    pub(super) source: SourceId,
    pub(super) unit: Unit,
    pub(super) programs: Vec<Code>,
    pub(super) functions: Vec<Code>,
    pub(super) globals: GlobalLayout,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let mut sources = Sources::new();
        let source = sources.add("count.esh", TEXT);
        let unit = Unit {
            name: "xdp-count".into(),
            name_span: Span::new(source, 21, 30),
            doc: None,
            license: "GPL".into(),
            min_kernel: KernelVersion::DEFAULT,
            log: Vec::new(),
            types: Types::default(),
            maps: Arena::new(),
            globals: Arena::new(),
            programs: Vec::new(),
            functions: Arena::new(),
            kfuncs: Arena::new(),
            facts: Arena::new(),
            constants: Vec::new(),
        };
        let globals = GlobalLayout::default();
        Self { sources, source, unit, programs: Vec::new(), functions: Vec::new(), globals }
    }

    /// The place of some words of the text.
    pub(super) fn span(&self, words: &str) -> Span {
        let start = TEXT.find(words).unwrap() as u32;
        Span::new(self.source, start, start + words.len() as u32)
    }

    pub(super) fn map(&mut self, name: &str, kind: MapKind, key: DataType, value: DataType) -> MapId {
        let span = self.unit.name_span;
        let (max_entries, flags) = (16, kind.facts().required_flags);
        let name = name.into();
        let map = Map {
            name,
            span,
            doc: None,
            kind,
            key,
            value,
            max_entries,
            flags,
            pin_by_name: false,
            events: Vec::new(),
            hidden: None,
            histogram: None,
        };
        self.unit.maps.push(map)
    }

    pub(super) fn structure(
        &mut self,
        name: &str,
        fields: &[(&str, DataType, u32)],
        size: u32,
        align: u32,
    ) -> DataType {
        let field = |(name, ty, offset): &(&str, DataType, u32)| Field {
            name: (*name).into(),
            span: None,
            doc: None,
            ty: ty.clone(),
            offset: *offset,
        };
        let fields = fields.iter().map(field).collect();
        let id = self.unit.types.structs.push(Struct { name: name.into(), span: None, doc: None, fields, size, align });
        DataType::Struct(id)
    }

    pub(super) fn global(&mut self, name: &str, ty: DataType, place: (GlobalSection, u32)) -> GlobalId {
        let span = self.unit.name_span;
        self.globals.places.push(place);
        let mutable = place.0 != GlobalSection::Rodata;
        self.unit.globals.push(Global {
            name: name.into(),
            span,
            doc: None,
            ty,
            init: GlobalInit::Zero,
            mutable,
            hidden: None,
        })
    }

    pub(super) fn code(
        &self,
        name: &str,
        instructions: Vec<Instruction>,
        relocations: &[(u32, RelocationTarget)],
    ) -> Code {
        let relocation =
            |(instruction, target): &(u32, RelocationTarget)| Relocation { instruction: *instruction, target: *target };
        let relocations = relocations.iter().map(relocation).collect();
        let span = self.span("(define (xdp-main");
        let lines = vec![LineEntry { instruction: 0, span }];
        Code { name: name.to_owned(), span, parameters: 1, instructions, relocations, lines, stack: 0 }
    }

    pub(super) fn program(
        &mut self,
        name: &str,
        instructions: Vec<Instruction>,
        relocations: &[(u32, RelocationTarget)],
    ) {
        let code = self.code(&crate::bindings::symbol(name), instructions, relocations);
        let entry = Function {
            name: name.into(),
            name_span: code.span,
            span: code.span,
            parameters: Vec::new(),
            locals: Arena::new(),
            loops: Arena::new(),
            body: Expr::new(Type::Unit, code.span, ExprKind::Unit),
        };
        self.programs.push(code);
        self.unit.programs.push(Program {
            name: name.into(),
            name_span: entry.span,
            doc: None,
            program_type: ProgramType::Xdp,
            attach_points: Vec::new(),
            sleepable: false,
            frags: false,
            saves_arguments_of: None,
            entry,
        });
    }

    pub(super) fn input(&self, endianness: Endianness) -> Input<'_> {
        Input {
            unit: &self.unit,
            sources: &self.sources,
            programs: &self.programs,
            functions: &self.functions,
            globals: &self.globals,
            endianness,
            externs: false,
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        write(&self.input(Endianness::Little)).unwrap()
    }

    pub(super) fn error(&self) -> String {
        write(&self.input(Endianness::Little)).unwrap_err().reason
    }
}

pub(super) fn slot(opcode: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { opcode, destination, source, offset, immediate }
}

/// `dst = immediate`
pub(super) fn set(destination: u8, immediate: i32) -> Instruction {
    slot(0xb7, destination, 0, 0, immediate)
}

/// The two slots of `dst = address ll`.
pub(super) fn load_address(destination: u8) -> [Instruction; 2] {
    [slot(0x18, destination, 0, 0, 0), slot(0, 0, 0, 0, 0)]
}

pub(super) fn call() -> Instruction {
    slot(0x85, 0, 1, 0, 0)
}

pub(super) fn exit() -> Instruction {
    slot(0x95, 0, 0, 0, 0)
}

pub(super) fn pass() -> Vec<Instruction> {
    vec![set(0, 2), exit()]
}
