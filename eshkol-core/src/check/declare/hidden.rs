//! What a unit has without saying so: the map of programs that `(tail-call ctx program)` goes through, the ring buffer and the level of
//! `log-info` and its kin.

use crate::check::builtin::is_log;
use crate::check::typed::{Global, GlobalInit, HiddenGlobal, HiddenMap, Map, MapId};
use crate::check::types::{DataType, IntType};
use crate::check::walk;
use crate::expand::form::{DefinitionKind, Expr, ExprKind, ProgramId, Unit};
use crate::kernel::MapKind;
use crate::source::Span;

/// What procedures make use of.
#[derive(Default)]
pub(super) struct Used {
    /// The programs that are named, in the order in which they are, and where the first is.
    pub(super) programs: Vec<(ProgramId, Span)>,
    /// Where something is logged.
    pub(super) log: Option<Span>,
}

/// Looks through all procedures.
pub(super) fn used(unit: &Unit) -> Used {
    let mut used = Used::default();
    for definition in unit.definitions.values() {
        if let DefinitionKind::Value { value, .. } = &definition.kind {
            used.look(value);
        }
    }
    used
}

impl Used {
    fn look(&mut self, expr: &Expr) {
        let mut pending = vec![expr];
        while let Some(expr) = pending.pop() {
            match &expr.kind {
                ExprKind::Program(program) if self.programs.iter().all(|(known, _)| known != program) => {
                    self.programs.push((*program, expr.span));
                }
                ExprKind::Builtin(name) if is_log(name) => {
                    self.log.get_or_insert(expr.span);
                }
                _ => {}
            }
            walk::children(expr, &mut |child| pending.push(child));
        }
    }
}

/// The map of programs.
pub(super) fn programs(count: usize, span: Span) -> Map {
    let number = DataType::Int(IntType::U32);
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    map("eshkol-programs", MapKind::ProgArray, number.clone(), number, count, HiddenMap::Programs(Vec::new()), span)
}

/// The ring buffer of what is logged.
pub(super) fn log(span: Span) -> Map {
    /// Bytes: some thousand lines.
    const SIZE: u32 = 256 << 10;
    map("eshkol-log", MapKind::RingBuf, DataType::NOTHING, DataType::NOTHING, SIZE, HiddenMap::Log, span)
}

fn map(
    name: &str,
    kind: MapKind,
    key: DataType,
    value: DataType,
    max_entries: u32,
    hidden: HiddenMap,
    span: Span,
) -> Map {
    Map {
        name: name.into(),
        span,
        doc: None,
        kind,
        key,
        value,
        max_entries,
        flags: 0,
        pin_by_name: false,
        events: Vec::new(),
        hidden: Some(hidden),
        histogram: None,
    }
}

/// The global that counts the events for which there was no room.
pub(super) fn lost_events(id: MapId, map: &Map) -> Global {
    let name = format!("eshkol-lost-{}", map.name);
    global(&name, IntType::U64, GlobalInit::Zero, true, HiddenGlobal::LostEventsOf(id), map.span)
}

/// The global up to whose level is logged: the loader sets it, so that the verifier leaves out what is above.
pub(super) fn log_level(span: Span) -> Global {
    /// Everything.
    const LEVEL: u64 = 5;
    global("eshkol-log-level", IntType::U32, GlobalInit::Scalar(LEVEL), false, HiddenGlobal::LogLevel, span)
}

fn global(name: &str, int: IntType, init: GlobalInit, mutable: bool, hidden: HiddenGlobal, span: Span) -> Global {
    Global { name: name.into(), span, doc: None, ty: DataType::Int(int), init, mutable, hidden: Some(hidden) }
}
