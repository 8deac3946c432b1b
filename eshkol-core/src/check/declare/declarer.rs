//! Declares types on demand, so that definitions may come in any order.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::{Constants, Scope};
use super::{Declared, Header, HeaderId};
use crate::arena::Arena;
use crate::check::type_syntax;
use crate::check::types::Types;
use crate::diagnostic::catalogue::{CONSTANT_CYCLE, MALFORMED_TYPE, RECURSIVE_TYPE};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expand::form::{DefId, DefinitionKind, Unit};
use crate::source::Span;

/// Types in types at most.
const MAXIMUM_DEPTH: usize = 64;

/// The scope while declarations are being made.
pub(super) struct Declarer<'u, 'd> {
    pub(super) unit: &'u Unit,
    pub(super) diagnostics: &'d mut Diagnostics,
    pub(super) types: Types,
    pub(super) headers: Arena<HeaderId, Header>,
    pub(super) by_definition: BTreeMap<DefId, Declared>,
    /// Definitions that were found wrong, and reported.
    failed: BTreeSet<DefId>,
    /// Types that are being declared, outermost first.
    open_types: Vec<DefId>,
    constants: Constants,
    /// The variants so far of enums that are being declared: later ones may build on them.
    pub(super) open_enums: BTreeMap<DefId, Vec<u32>>,
}

impl<'u, 'd> Declarer<'u, 'd> {
    pub(super) fn new(unit: &'u Unit, diagnostics: &'d mut Diagnostics) -> Self {
        Self {
            unit,
            diagnostics,
            types: Types::default(),
            headers: Arena::new(),
            by_definition: BTreeMap::new(),
            failed: BTreeSet::new(),
            open_types: Vec::new(),
            constants: Constants::default(),
            open_enums: BTreeMap::new(),
        }
    }

    /// Declares every struct, header, enum and alias; values are only noted.
    pub(super) fn declare_types(&mut self) {
        for (id, definition) in self.unit.definitions.iter() {
            match definition.kind {
                DefinitionKind::Value { .. } => {
                    self.by_definition.insert(id, Declared::Value);
                }
                DefinitionKind::Map { .. }
                | DefinitionKind::Global { .. }
                | DefinitionKind::Kfunc { .. }
                | DefinitionKind::KernelStruct { .. }
                | DefinitionKind::KernelEnum { .. } => {}
                _ => {
                    self.declared(id, definition.name.span);
                }
            }
        }
    }

    fn declare_type(&mut self, id: DefId) -> Option<Declared> {
        let definition = self.unit.definitions.get(id)?;
        match &definition.kind {
            DefinitionKind::Struct { fields } => self.declare_struct(definition, fields).map(Declared::Struct),
            DefinitionKind::Header { fields } => self.declare_header(definition, fields).map(Declared::Header),
            DefinitionKind::Enum { variants } => self.declare_enum(id, definition, variants).map(Declared::Enum),
            DefinitionKind::Alias { ty } => {
                type_syntax::data_type(self, definition.program, std::slice::from_ref(ty), ty.span).map(Declared::Alias)
            }
            DefinitionKind::Map { .. }
            | DefinitionKind::Global { .. }
            | DefinitionKind::Kfunc { .. }
            | DefinitionKind::Value { .. }
            | DefinitionKind::KernelStruct { .. }
            | DefinitionKind::KernelEnum { .. } => None,
        }
    }
}

impl<'u> Scope<'u> for Declarer<'u, '_> {
    fn unit(&self) -> &'u Unit {
        self.unit
    }

    fn types(&self) -> &Types {
        &self.types
    }

    fn declared(&mut self, id: DefId, used: Span) -> Option<Declared> {
        if let Some(declared) = self.by_definition.get(&id) {
            return Some(declared.clone());
        }
        if self.failed.contains(&id) {
            return None;
        }
        if self.open_types.contains(&id) {
            let name = &self.unit.definitions.get(id)?.name;
            self.report(
                Diagnostic::error(RECURSIVE_TYPE, used, format!("`{}` would hold itself", name.name))
                    .with_note(name.span, "it is defined here")
                    .with_help(
                        "a value of it would have no end; keep a key of a map instead, and look the other one up",
                    ),
            );
            return None;
        }
        if self.open_types.len() >= MAXIMUM_DEPTH {
            self.report(Diagnostic::error(MALFORMED_TYPE, used, "types are nested too deeply"));
            return None;
        }
        self.open_types.push(id);
        let declared = self.declare_type(id);
        self.open_types.pop();
        match &declared {
            Some(declared) => {
                self.by_definition.insert(id, declared.clone());
            }
            None => {
                self.failed.insert(id);
            }
        }
        declared
    }

    fn variant(&mut self, definition: DefId, variant: usize, used: Span) -> Option<u32> {
        if let Some(known) = self.open_enums.get(&definition) {
            let value = known.get(variant).copied();
            if value.is_none() {
                self.report(
                    Diagnostic::error(CONSTANT_CYCLE, used, "the value of this variant is not known yet")
                        .with_help("a variant can only build on those before it"),
                );
            }
            return value;
        }
        let Declared::Enum(id) = self.declared(definition, used)? else { return None };
        self.types.enums.at(id).variants.get(variant).map(|(_, value)| *value)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn constants(&mut self) -> &mut Constants {
        &mut self.constants
    }
}
