//! Finding what a name in a type or constant means: while declarations are being made, and after.

use std::collections::BTreeMap;

use super::{Declarations, Declared};
use crate::check::types::Types;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::form::{DefId, Definition, DefinitionKind, ProgramId, Unit};
use crate::source::Span;

/// What types and constants are read against.
pub trait Scope<'u> {
    /// The unit.
    fn unit(&self) -> &'u Unit;
    /// The types known so far.
    fn types(&self) -> &Types;
    /// What a definition of a type declares, for a use of its name at `used`; `None` where that was reported as wrong.
    fn declared(&mut self, definition: DefId, used: Span) -> Option<Declared>;
    /// The value of a variant of an enum, for a use at `used`; `None` where it was reported as wrong.
    fn variant(&mut self, definition: DefId, variant: usize, used: Span) -> Option<u32>;
    /// Says that something is wrong.
    fn report(&mut self, diagnostic: Diagnostic);
    /// What is known of constants.
    fn constants(&mut self) -> &mut Constants;
}

/// What is known of constants while values are being found.
#[derive(Clone, Debug, Default)]
pub struct Constants {
    /// Those whose value is being found, outermost first: one that needs itself has none.
    pub(crate) open: Vec<DefId>,
    /// Those whose value was found, or (`None`) reported as wrong.
    pub(crate) known: BTreeMap<DefId, Option<i128>>,
}

/// The scope after all declarations are made.
pub struct Reader<'a> {
    unit: &'a Unit,
    declarations: &'a Declarations,
    diagnostics: &'a mut Diagnostics,
    constants: Constants,
}

impl<'a> Reader<'a> {
    /// A scope that reads what was declared.
    pub fn new(unit: &'a Unit, declarations: &'a Declarations, diagnostics: &'a mut Diagnostics) -> Self {
        Self { unit, declarations, diagnostics, constants: Constants::default() }
    }
}

impl<'u> Scope<'u> for Reader<'u> {
    fn unit(&self) -> &'u Unit {
        self.unit
    }

    fn types(&self) -> &Types {
        &self.declarations.types
    }

    fn declared(&mut self, definition: DefId, _used: Span) -> Option<Declared> {
        self.declarations.by_definition.get(&definition).cloned()
    }

    fn variant(&mut self, definition: DefId, variant: usize, _used: Span) -> Option<u32> {
        let Some(Declared::Enum(id)) = self.declarations.by_definition.get(&definition) else { return None };
        self.declarations.types.enums.at(*id).variants.get(variant).map(|(_, value)| *value)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn constants(&mut self) -> &mut Constants {
        &mut self.constants
    }
}

/// The programs around a place, innermost first, and last the unit itself.
fn levels(unit: &Unit, program: Option<ProgramId>) -> impl Iterator<Item = Option<ProgramId>> {
    let mut next = Some(program);
    std::iter::from_fn(move || {
        let level = next?;
        next = level.map(|id| unit.programs.get(id).and_then(|program| program.parent));
        Some(level)
    })
}

/// The definition of a name that a place in `program` sees, among those that `wanted` takes: of the innermost program; the
/// user's before the prelude's.
fn find(
    unit: &Unit,
    program: Option<ProgramId>,
    name: &str,
    wanted: impl Fn(&DefinitionKind) -> bool,
) -> Option<DefId> {
    levels(unit, program).find_map(|level| {
        let here = |definition: &Definition| {
            definition.program == level && *definition.name.name == *name && wanted(&definition.kind)
        };
        let of_user = |(_, definition): &(DefId, &Definition)| here(definition) && !definition.prelude;
        let any = |(_, definition): &(DefId, &Definition)| here(definition);
        let mut definitions = unit.definitions.iter();
        definitions.find(of_user).or_else(|| unit.definitions.iter().find(any)).map(|(id, _)| id)
    })
}

/// The struct, header, enum or alias of a name.
pub fn find_type(unit: &Unit, program: Option<ProgramId>, name: &str) -> Option<DefId> {
    find(unit, program, name, is_type)
}

/// The constant, procedure or global of a name.
pub fn find_value(unit: &Unit, program: Option<ProgramId>, name: &str) -> Option<DefId> {
    find(unit, program, name, |kind| matches!(kind, DefinitionKind::Value { .. } | DefinitionKind::Global { .. }))
}

/// The names of all types that a place in `program` sees.
pub fn type_names(unit: &Unit, program: Option<ProgramId>) -> impl Iterator<Item = &str> {
    levels(unit, program).flat_map(move |level| {
        let here = move |definition: &&Definition| definition.program == level && is_type(&definition.kind);
        unit.definitions.values().filter(here).map(|definition| &*definition.name.name)
    })
}

fn is_type(kind: &DefinitionKind) -> bool {
    matches!(
        kind,
        DefinitionKind::Struct { .. }
            | DefinitionKind::Header { .. }
            | DefinitionKind::Enum { .. }
            | DefinitionKind::KernelStruct { .. }
            | DefinitionKind::KernelEnum { .. }
            | DefinitionKind::Alias { .. }
    )
}
