//! How it is said that memory may not be written, or not be read.

use super::super::typed::{Expr, ExprKind as Typed, Global, KfuncId, Map};
use super::{Given, Memory};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::ProgramType;
use crate::kernel::helper::Access;
use crate::source::Span;

/// What reads or writes.
#[derive(Copy, Clone)]
pub(super) enum By {
    /// The form that stands there.
    Form,
    /// The same, which reads something and writes it anew.
    Change,
    /// A helper that is given the memory.
    Helper(&'static str),
    /// A declared function of the kernel that is given it.
    Kfunc(KfuncId),
}

/// Memory that is read or written, and may not be.
pub(super) struct Event<'e> {
    pub(super) memory: Memory,
    /// Where the program came by it.
    pub(super) origin: Span,
    pub(super) reference: &'e Expr,
    /// What may not be done: reading or writing.
    pub(super) access: Access,
    pub(super) by: By,
    /// The whole form.
    pub(super) span: Span,
}

impl Event<'_> {
    pub(super) fn report(&self, given: Given<'_>, program_type: ProgramType) -> Diagnostic {
        let span = self.place();
        let mut diagnostic = match self.memory {
            Memory::Global(global) => global_is_constant(given.globals.at(global), span),
            Memory::MapValue(map) => {
                let map = given.maps.at(map);
                match self.access {
                    Access::Read => map_is_write_only(map, span),
                    Access::Write | Access::Both => map_is_read_only(map, span),
                }
            }
            Memory::Packet => packet_is_read_only(program_type, span),
        };
        match self.memory {
            Memory::Global(global) => {
                let name = &given.globals.at(global).name;
                if self.origin != span {
                    diagnostic =
                        diagnostic.with_label(format!("this may be `{name}`")).with_note(self.origin, "from here");
                } else if given.sources.text(span) != &**name {
                    diagnostic = diagnostic.with_label(format!("this is `{name}`"));
                }
            }
            Memory::MapValue(map) if self.origin != span => {
                let note = format!("the value of `{}` is from here", given.maps.at(map).name);
                diagnostic = diagnostic.with_note(self.origin, note);
            }
            Memory::Packet if self.origin != span => {
                diagnostic = diagnostic.with_note(self.origin, "this is in the packet");
            }
            Memory::MapValue(_) | Memory::Packet => {}
        }
        match self.by {
            By::Form => diagnostic,
            By::Change if self.access == Access::Read => diagnostic.with_help("this reads what it changes"),
            By::Change => diagnostic,
            By::Helper(name) if self.access == Access::Read => {
                diagnostic.with_help(format!("to the kernel, `{name}` reads the memory that it is given here"))
            }
            By::Helper(name) => diagnostic.with_help(format!("`{name}` writes to the memory that it is given here")),
            By::Kfunc(kfunc) => {
                let name = &given.kfuncs.at(kfunc).name;
                diagnostic.with_help(format!("`{name}` may read and write the memory that it is given"))
            }
        }
    }

    /// What names the memory, where it stands in the form; else the form.
    fn place(&self) -> Span {
        let mut reference = self.reference;
        while let Typed::Address(place) = &reference.kind {
            reference = &place.base;
        }
        let (inner, outer) = (reference.span, self.span);
        let is_within = inner.source == outer.source && outer.start <= inner.start && inner.end <= outer.end;
        if is_within { inner } else { outer }
    }
}

/// A program changes a global that is set before loading.
pub(in super::super) fn global_is_constant(global: &Global, span: Span) -> Diagnostic {
    let name = &global.name;
    let message = format!("the program can't change `{name}`: Rust sets it before loading");
    Diagnostic::error(catalogue::GLOBAL_IS_CONSTANT, span, message)
        .with_note(global.span, "defined here")
        .with_help(format!("write `(define-global ({name} :mutable) …)` for one that is live in both"))
}

/// A program changes a map that is `:rdonly-prog`.
pub(in super::super) fn map_is_read_only(map: &Map, span: Span) -> Diagnostic {
    let message = format!("programs can't change `{}`: it has the flag `:rdonly-prog`", map.name);
    Diagnostic::error(catalogue::MAP_ACCESS, span, message)
        .with_note(map.span, "the map is defined here")
        .with_help("leave the flag out for a map that programs may change, or keep what changes in a map of its own")
}

fn map_is_write_only(map: &Map, span: Span) -> Diagnostic {
    let message = format!("programs can't read what is in `{}`: it has the flag `:wronly-prog`", map.name);
    Diagnostic::error(catalogue::MAP_ACCESS, span, message)
        .with_note(map.span, "the map is defined here")
        .with_help("leave the flag out for a map that programs may read")
}

/// A program changes the packet, and its type does not let it.
pub(in super::super) fn packet_is_read_only(program_type: ProgramType, span: Span) -> Diagnostic {
    let message = format!("`:{}` programs can't write to the packet", program_type.keyword());
    Diagnostic::error(catalogue::READ_ONLY_FIELD, span, message)
}
