//! What a unit declares: types with their layout, maps, globals, packet headers, and its programs with their clauses.
//!
//! Guarantees: what stands in [`Declarations`] can be had on every kernel from `min_kernel` on; layouts are C's. Where
//! something is wrong, a diagnostic says so, and the declaration is left out or stands with a harmless value, so that the
//! checker can go on.

mod attach_point;
mod clause;
mod declarer;
mod global;
mod header;
mod hidden;
mod histogram;
mod kernel;
mod kfunc;
mod map;
mod program;
pub mod scope;
mod structure;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kernel_types::{KernelEnumId, KernelStructId, KernelType};
use super::typed::{Global, GlobalId, Kfunc, KfuncId, Map, MapId};
use super::types::{DataType, EnumId, Storage, StructId, Types};
use super::{constant, type_syntax};
use crate::arena::{Arena, ids};
use crate::diagnostic::Diagnostics;
use crate::expand::form::{DefId, DefinitionKind, Expr, Ident, ProgramId, Unit};
use crate::kernel::program_type::AttachType;
use crate::kernel::{KernelVersion, ProgramType};
use crate::source::Span;
use crate::syntax::{Datum, Name};
use declarer::Declarer;
pub(super) use map::newer;
use scope::Reader;

ids! {
    /// A header of `define-header`.
    HeaderId = "header";
}

/// What a unit declares.
#[derive(Clone, Debug)]
pub struct Declarations {
    /// The unit's name: of `define-ebpf-object`, or of its only program.
    pub name: Ident,
    /// `;;;` text of what names the unit.
    pub doc: Option<Arc<str>>,
    /// `(license "…")`; empty where it is missing.
    pub license: Arc<str>,
    /// `(min-kernel "…")`: the newest that any program of the unit asks for.
    pub min_kernel: KernelVersion,
    /// Structs and enums.
    pub types: Types,
    /// Maps, in order of definition.
    pub maps: Arena<MapId, Map>,
    /// Globals, in order of definition.
    pub globals: Arena<GlobalId, Global>,
    /// Functions of the kernel, in order of definition.
    pub kfuncs: Arena<KfuncId, Kfunc>,
    /// Headers of `define-header`.
    pub headers: Arena<HeaderId, Header>,
    /// What each definition declares; one with an error is missing.
    pub by_definition: BTreeMap<DefId, Declared>,
    /// Programs, in order of definition; one without a usable type is missing.
    pub programs: Vec<DeclaredProgram>,
    /// What `(tail-call ctx program)` goes through, where the unit has such calls.
    pub tail_calls: Option<TailCalls>,
    /// What is logged through, where something is.
    pub log: Option<Log>,
}

/// What `log-info` and its kin go through.
#[derive(Copy, Clone, Debug)]
pub struct Log {
    /// A ring buffer.
    pub map: MapId,
    /// The global up to whose level is logged.
    pub level: GlobalId,
}

/// The map of programs that other programs go on with.
#[derive(Clone, Debug)]
pub struct TailCalls {
    /// The map, which no text defines.
    pub map: MapId,
    /// The program at each index.
    pub programs: Vec<ProgramId>,
}

/// What a definition declares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Declared {
    /// `define-map`
    Map(MapId),
    /// `define-struct`
    Struct(StructId),
    /// `define-header`
    Header(HeaderId),
    /// `define-enum`
    Enum(EnumId),
    /// `define-global`
    Global(GlobalId),
    /// `define-kernel-struct`
    KernelStruct(KernelStructId),
    /// `define-kernel-enum`
    KernelEnum(KernelEnumId),
    /// `define-kfunc`
    Kfunc(KfuncId),
    /// `define-type`
    Alias(DataType),
    /// A constant or procedure: the checker's business.
    Value,
}

/// A program and its clauses, with those of the programs around it.
#[derive(Clone, Debug)]
pub struct DeclaredProgram {
    /// Which program.
    pub id: ProgramId,
    /// Its name.
    pub name: Ident,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// The whole form.
    pub span: Span,
    /// `(program-type …)`
    pub program_type: ProgramType,
    /// `(license "…")`
    pub license: Arc<str>,
    /// `(min-kernel "…")`
    pub min_kernel: KernelVersion,
    /// `(attach-point "…")`, in order.
    pub attach_points: Vec<(Arc<str>, Span)>,
    /// `(sleepable)`
    pub sleepable: bool,
    /// `(frags)`
    pub frags: bool,
    /// `(entry NAME)`: a procedure that the program holds, and the name as it stands in the clause.
    pub entry: Option<(DefId, Ident)>,
}

impl DeclaredProgram {
    /// The hook that it is made for, where its type has several and its attach points name one.
    pub fn attach_type(&self) -> Option<&'static AttachType> {
        self.program_type.hook(self.attach_points.iter().map(|(point, _)| &**point))
    }
}

/// A header of `define-header`.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// Fields in order, one directly after the other.
    pub fields: Vec<HeaderField>,
    /// Bytes.
    pub size: u32,
}

/// A field of a header.
#[derive(Clone, Debug)]
pub struct HeaderField {
    /// Its name.
    pub name: Name,
    /// The defining token.
    pub span: Span,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// Bytes from the start of the header to the bytes that `storage` reads.
    pub offset: u32,
    /// What reading it gives.
    pub ty: DataType,
    /// How it lies there, where it is one scalar; else it is an array or struct.
    pub storage: Option<Storage>,
}

/// Makes the declarations of a unit, and says what is wrong with them.
pub fn declare(unit: &Unit, diagnostics: &mut Diagnostics) -> Declarations {
    let declared = program::declare_programs(unit, diagnostics);
    let min_kernel = declared.min_kernel;
    let mut maps = Arena::new();
    let mut globals = Arena::new();
    let mut kfuncs = Arena::new();
    let mut declarer = Declarer::new(unit, diagnostics);
    declarer.declare_kernel_types();
    declarer.declare_types();
    for (id, definition) in unit.definitions.iter() {
        let declared = match &definition.kind {
            DefinitionKind::Map { kind, clauses } => {
                declarer.declare_map(definition, kind, clauses, min_kernel).map(|map| {
                    let id = maps.push(map.clone());
                    if map.kind.takes_events() {
                        globals.push(hidden::lost_events(id, &map));
                    }
                    Declared::Map(id)
                })
            }
            DefinitionKind::Global { mutable, ty, init } => declarer
                .declare_global(definition, *mutable, ty, init.as_ref(), min_kernel)
                .map(|global| Declared::Global(globals.push(global))),
            DefinitionKind::Kfunc { parameters, result } => declarer
                .declare_kfunc(definition, parameters, result.as_ref(), min_kernel)
                .map(|kfunc| Declared::Kfunc(kfuncs.push(kfunc))),
            _ => None,
        };
        if let Some(declared) = declared {
            declarer.by_definition.insert(id, declared);
        }
    }
    let Declarer { types, headers, by_definition, .. } = declarer;
    let used = hidden::used(unit);
    let tail_calls = used.programs.first().map(|(_, span)| {
        let map = maps.push(hidden::programs(used.programs.len(), *span));
        TailCalls { map, programs: used.programs.iter().map(|(program, _)| *program).collect() }
    });
    let log = used.log.map(|span| {
        let map = hidden::log(span);
        let id = maps.push(map.clone());
        globals.push(hidden::lost_events(id, &map));
        Log { map: id, level: globals.push(hidden::log_level(span)) }
    });
    Declarations {
        name: declared.name,
        doc: declared.doc,
        license: declared.license,
        min_kernel,
        types,
        maps,
        globals,
        kfuncs,
        headers,
        by_definition,
        programs: declared.programs,
        tail_calls,
        log,
    }
}

impl Declarations {
    /// What a definition declares; `None` where it was reported as wrong.
    pub fn declared(&self, definition: DefId) -> Option<&Declared> {
        self.by_definition.get(&definition)
    }

    /// The type that is written in `program` (`None` beside all programs): one datum, or an array type and its length. `None`,
    /// with a diagnostic at `place` or in the data, where there is none.
    pub fn data_type(
        &self,
        unit: &Unit,
        program: Option<ProgramId>,
        data: &[Datum],
        place: Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<DataType> {
        type_syntax::data_type(&mut Reader::new(unit, self, diagnostics), program, data, place)
    }

    /// The type of the kernel that is written in `program`, as in `(the (ref task-struct) e)`. `None`, with a diagnostic, where it
    /// is none.
    pub fn kernel_type(
        &self,
        unit: &Unit,
        program: Option<ProgramId>,
        datum: &Datum,
        diagnostics: &mut Diagnostics,
    ) -> Option<KernelType> {
        let mut reader = Reader::new(unit, self, diagnostics);
        kernel::kernel_type(&mut reader, program, std::slice::from_ref(datum), datum.span)
    }

    /// The value of a constant expression that stands in `program`. `None`, with a diagnostic, where it has none before the
    /// program runs.
    pub fn constant(
        &self,
        unit: &Unit,
        program: Option<ProgramId>,
        expr: &Expr,
        diagnostics: &mut Diagnostics,
    ) -> Option<i128> {
        constant::of_expression(&mut Reader::new(unit, self, diagnostics), program, expr)
    }
}
