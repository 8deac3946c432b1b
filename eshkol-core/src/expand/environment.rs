//! Which name means what, and where.
//!
//! Hygiene is by renaming. An identifier is a name and an *alias*: 0 as the user wrote it, a number of its own for what one
//! use of a macro brought in. An alias that is not bound under itself means what its name means where the macro was
//! defined. So a macro's temporaries can't catch the user's names, and the user's bindings can't catch the macro's.
//!
//! Local scopes nest and are left in the order they were entered. A place is therefore known by its depth alone, and each
//! identifier has a stack of bindings; a lookup costs the same in a scope of any depth.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::form::{ProgramId, StructProcedure, VarId};
use super::prelude;
use super::special::Special;
use super::syntax_rules::Macro;
use crate::arena::{Arena, Id};
use crate::source::Span;
use crate::syntax::{Datum, DatumKind, Name};

/// The prelude, the unit, or a program: something that holds definitions.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct ContainerId(usize);

impl ContainerId {
    /// The outermost, which an environment begins with.
    pub(super) const PRELUDE: Self = Self(0);
}

/// A definition as it was found, expanded or not.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct DeclarationId(usize);

impl Id for ContainerId {
    fn new(index: usize) -> Self {
        Self(index)
    }
    fn index(self) -> usize {
        self.0
    }
}

impl Id for DeclarationId {
    fn new(index: usize) -> Self {
        Self(index)
    }
    fn index(self) -> usize {
        self.0
    }
}

/// A name as the expander tells names apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Identifier {
    pub(super) name: Name,
    pub(super) alias: u32,
}

impl Identifier {
    /// The identifier that a symbol is.
    pub(super) fn of(datum: &Datum) -> Option<Self> {
        match &datum.kind {
            DatumKind::Symbol { name, alias } => Some(Self { name: name.clone(), alias: *alias }),
            _ => None,
        }
    }
}

/// A place in the scopes.
#[derive(Copy, Clone, Debug)]
pub(super) struct Place {
    container: ContainerId,
    /// How many local scopes are open.
    level: usize,
}

/// What an alias stands for: the same name, with this alias, at this place.
#[derive(Debug)]
struct Alias {
    parent: u32,
    place: Place,
}

/// What a local binding is.
#[derive(Clone, Debug)]
pub(super) enum Local {
    Variable(VarId),
    Macro(Arc<Macro>),
}

/// What a name of a container is.
#[derive(Clone, Debug)]
pub(super) enum Global {
    Definition(DeclarationId),
    StructProcedure(DeclarationId, StructProcedure),
    EnumVariant(DeclarationId, usize),
    Program(ProgramId),
    Macro(Arc<Macro>),
}

/// Something that holds definitions.
#[derive(Debug)]
pub(super) struct Container {
    parent: Option<ContainerId>,
    /// The program it is, for a program.
    pub(super) program: Option<ProgramId>,
    /// Whether it is the prelude.
    pub(super) prelude: bool,
    values: FxHashMap<Identifier, (Global, Span)>,
    types: FxHashMap<Name, (DeclarationId, Span)>,
    /// `(: name type)`, until its definition is found.
    pub(super) signatures: Vec<(Identifier, Span, Datum)>,
}

/// What a name means.
#[derive(Clone, Debug)]
pub(super) enum Denotation {
    Variable(VarId),
    Macro(Arc<Macro>),
    Special(Special),
    Definition(DeclarationId),
    StructProcedure(DeclarationId, StructProcedure),
    EnumVariant(DeclarationId, usize),
    Program(ProgramId),
    Builtin(Name),
    /// Nothing is called that.
    Free(Name),
}

impl Denotation {
    /// Whether both are the same thing (R7RS `free-identifier=?`).
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Variable(a), Self::Variable(b)) => a == b,
            (Self::Macro(a), Self::Macro(b)) => Arc::ptr_eq(a, b),
            (Self::Special(a), Self::Special(b)) => a == b,
            (Self::Definition(a), Self::Definition(b)) => a == b,
            (Self::StructProcedure(a, p), Self::StructProcedure(b, q)) => a == b && p == q,
            (Self::EnumVariant(a, p), Self::EnumVariant(b, q)) => a == b && p == q,
            (Self::Program(a), Self::Program(b)) => a == b,
            (Self::Builtin(a), Self::Builtin(b)) | (Self::Free(a), Self::Free(b)) => a == b,
            _ => false,
        }
    }
}

/// The names of the language that are not syntax.
#[derive(Copy, Clone)]
pub(super) struct Builtins {
    /// Whether a name is one.
    pub(super) exists: fn(&str) -> bool,
    /// Every one that can be listed, for suggestions.
    pub(super) names: fn() -> Vec<&'static str>,
}

/// The bindings so far of a `let` whose initialisers are being expanded.
struct EarlierBindings {
    level: usize,
    bound: Vec<(Identifier, VarId)>,
}

/// All scopes.
pub(super) struct Environment {
    builtins: Builtins,
    containers: Arena<ContainerId, Container>,
    /// The record of alias n stands at n - 1.
    aliases: Vec<Alias>,
    locals: FxHashMap<Identifier, Vec<(usize, Local)>>,
    scopes: Vec<Vec<Identifier>>,
    earlier: Vec<EarlierBindings>,
    /// The container whose text is being expanded.
    pub(super) container: ContainerId,
}

impl Environment {
    /// An environment with one container, the prelude's.
    pub(super) fn new(builtins: Builtins) -> Self {
        let mut containers = Arena::new();
        let container = containers.push(Container::new(None, None, true));
        Self {
            builtins,
            containers,
            aliases: Vec::new(),
            locals: FxHashMap::default(),
            scopes: Vec::new(),
            earlier: Vec::new(),
            container,
        }
    }

    /// Adds a container within the current one.
    pub(super) fn add_container(&mut self, program: Option<ProgramId>) -> ContainerId {
        self.containers.push(Container::new(Some(self.container), program, false))
    }

    /// The container that is being expanded.
    pub(super) fn current(&mut self) -> &mut Container {
        self.containers.at_mut(self.container)
    }

    pub(super) fn container(&self, id: ContainerId) -> &Container {
        self.containers.at(id)
    }

    /// Here.
    pub(super) fn place(&self) -> Place {
        Place { container: self.container, level: self.scopes.len() }
    }

    /// Opens a local scope.
    pub(super) fn push_scope(&mut self) {
        self.scopes.push(Vec::new());
    }

    /// Leaves the innermost local scope.
    pub(super) fn pop_scope(&mut self) {
        for identifier in self.scopes.pop().unwrap_or_default() {
            if let Some(bindings) = self.locals.get_mut(&identifier) {
                bindings.pop();
                if bindings.is_empty() {
                    self.locals.remove(&identifier);
                }
            }
        }
    }

    /// Binds an identifier in the innermost local scope.
    pub(super) fn bind(&mut self, identifier: Identifier, local: Local) {
        let level = self.scopes.len();
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(identifier.clone());
            self.locals.entry(identifier).or_default().push((level, local));
        }
    }

    /// Binds an identifier in the current container; the place of the earlier definition where there is one.
    pub(super) fn define(&mut self, identifier: Identifier, global: Global, span: Span) -> Result<(), Span> {
        match self.current().values.get(&identifier) {
            Some((_, first)) => Err(*first),
            None => {
                self.current().values.insert(identifier, (global, span));
                Ok(())
            }
        }
    }

    /// The same for a type.
    pub(super) fn define_type(&mut self, name: Name, declaration: DeclarationId, span: Span) -> Result<(), Span> {
        match self.current().types.get(&name) {
            Some((_, first)) => Err(*first),
            None => {
                self.current().types.insert(name, (declaration, span));
                Ok(())
            }
        }
    }

    /// What the current container itself binds an identifier to.
    pub(super) fn defined_here(&self, identifier: &Identifier) -> Option<&Global> {
        self.containers.at(self.container).values.get(identifier).map(|(global, _)| global)
    }

    /// A new alias, for what a macro defined at `place` brings in of names with the alias `parent`.
    pub(super) fn add_alias(&mut self, parent: u32, place: Place) -> u32 {
        self.aliases.push(Alias { parent, place });
        u32::try_from(self.aliases.len()).unwrap_or(u32::MAX)
    }

    fn alias(&self, alias: u32) -> Option<&Alias> {
        self.aliases.get((alias as usize).checked_sub(1)?)
    }

    /// Starts the initialisers of a `let`: see [`Self::add_earlier`].
    pub(super) fn begin_initialisers(&mut self) {
        self.earlier.push(EarlierBindings { level: self.scopes.len(), bound: Vec::new() });
    }

    /// Lets later initialisers of the same `let` see a binding, where nothing else has that name.
    pub(super) fn add_earlier(&mut self, identifier: Identifier, variable: VarId) {
        if let Some(earlier) = self.earlier.last_mut() {
            earlier.bound.push((identifier, variable));
        }
    }

    /// Ends the initialisers of a `let`.
    pub(super) fn end_initialisers(&mut self) {
        self.earlier.pop();
    }

    /// What an identifier means here.
    pub(super) fn resolve(&self, identifier: &Identifier) -> Denotation {
        self.resolve_at(identifier, self.place())
    }

    /// What an identifier means at a place.
    pub(super) fn resolve_at(&self, identifier: &Identifier, place: Place) -> Denotation {
        let chain = self.meanings(identifier, place);
        if let Some(found) = chain.iter().find_map(|(identifier, place)| self.bound(identifier, *place)) {
            return found;
        }
        let name = &identifier.name;
        if let Some(special) = Special::named(name) {
            return Denotation::Special(special);
        }
        if (self.builtins.exists)(name) {
            return Denotation::Builtin(name.clone());
        }
        // What a macro brought in sees the earlier bindings only where the macro itself was defined among them.
        let inside = |(index, (identifier, place)): (usize, &(Identifier, Place))| {
            self.earlier(identifier, place.level.checked_sub(usize::from(index > 0))?)
        };
        let earlier = chain.iter().enumerate().find_map(inside);
        earlier.map_or_else(|| Denotation::Free(name.clone()), Denotation::Variable)
    }

    /// The identifiers to look for, with the places to look from: itself, then what its aliases stand for.
    fn meanings(&self, identifier: &Identifier, place: Place) -> Vec<(Identifier, Place)> {
        let mut chain = vec![(identifier.clone(), place)];
        let mut alias = identifier.alias;
        while let Some(record) = self.alias(alias) {
            alias = record.parent;
            chain.push((Identifier { name: identifier.name.clone(), alias }, record.place));
        }
        chain
    }

    fn bound(&self, identifier: &Identifier, place: Place) -> Option<Denotation> {
        let locals = self.locals.get(identifier).map_or(&[][..], Vec::as_slice);
        if let Some((_, local)) = locals.iter().rev().find(|(level, _)| *level <= place.level) {
            return Some(match local {
                Local::Variable(variable) => Denotation::Variable(*variable),
                Local::Macro(rules) => Denotation::Macro(rules.clone()),
            });
        }
        self.chain(place.container).find_map(|container| container.values.get(identifier)).map(|(global, _)| {
            match global.clone() {
                Global::Definition(declaration) => Denotation::Definition(declaration),
                Global::StructProcedure(declaration, procedure) => Denotation::StructProcedure(declaration, procedure),
                Global::EnumVariant(declaration, variant) => Denotation::EnumVariant(declaration, variant),
                Global::Program(program) => Denotation::Program(program),
                Global::Macro(rules) => Denotation::Macro(rules),
            }
        })
    }

    fn earlier(&self, identifier: &Identifier, level: usize) -> Option<VarId> {
        let visible = self.earlier.iter().rev().filter(|earlier| level >= earlier.level);
        visible.flat_map(|earlier| earlier.bound.iter().rev()).find(|(bound, _)| bound == identifier).map(|(_, v)| *v)
    }

    /// A container and those around it, from the inside.
    fn chain(&self, container: ContainerId) -> impl Iterator<Item = &Container> {
        let mut next = Some(container);
        std::iter::from_fn(move || {
            let container = self.containers.at(next?);
            next = container.parent;
            Some(container)
        })
    }

    /// Whether two identifiers, one here and one at a place, mean the same.
    pub(super) fn same(&self, here: &Identifier, there: &Identifier, place: Place) -> bool {
        self.resolve(here).is(&self.resolve_at(there, place))
    }

    /// Whether a datum is a name of fixed meaning, like `else`, that nothing rebinds here.
    pub(super) fn is_auxiliary(&self, datum: &Datum, name: &str) -> bool {
        datum.as_symbol().is_some_and(|symbol| &**symbol == name)
            && Identifier::of(datum).is_some_and(|identifier| matches!(self.resolve(&identifier), Denotation::Free(_)))
    }

    /// The type that a name means here.
    pub(super) fn find_type(&self, name: &str) -> Option<DeclarationId> {
        self.chain(self.container).find_map(|container| container.types.get(name)).map(|(declaration, _)| *declaration)
    }

    /// Every name that could be meant here, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        let locals = self.locals.keys();
        let earlier = self.earlier.iter().flat_map(|earlier| earlier.bound.iter().map(|(identifier, _)| identifier));
        let globals = self.chain(self.container).flat_map(|container| container.values.keys());
        let own = locals.chain(earlier).chain(globals).filter(|identifier| identifier.alias == 0);
        own.map(|identifier| identifier.name.clone())
            .chain(Special::NAMES.iter().map(|name| Name::from(*name)))
            .chain(prelude::names().chain((self.builtins.names)()).map(Name::from))
    }

    /// Whether a name is defined here by a macro, under an alias that keeps it from the user.
    pub(super) fn is_hidden_definition(&self, name: &str) -> bool {
        self.chain(self.container)
            .flat_map(|container| container.values.keys())
            .any(|identifier| identifier.alias != 0 && &*identifier.name == name)
    }

    /// Whether a name is one of the language's procedures.
    pub(super) fn is_builtin(&self, name: &str) -> bool {
        (self.builtins.exists)(name)
    }
}

impl Container {
    fn new(parent: Option<ContainerId>, program: Option<ProgramId>, prelude: bool) -> Self {
        Self {
            parent,
            program,
            prelude,
            values: FxHashMap::default(),
            types: FxHashMap::default(),
            signatures: Vec::new(),
        }
    }
}
