//! The object: BTF, BTF.ext, relocations, ELF, in the form that aya, libbpf and `llvm-objdump` accept.

use crate::bpf::Code;
use crate::check::typed;
use crate::compile::Endianness;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::lower::GlobalLayout;
use crate::source::{Sources, Span};

/// What goes into an object.
#[derive(Debug)]
pub struct Input<'a> {
    /// Maps, types, license, program types.
    pub unit: &'a typed::Unit,
    /// For line information.
    pub sources: &'a Sources,
    /// Code of each program of the unit.
    pub programs: &'a [Code],
    /// Code of each function of the unit.
    pub functions: &'a [Code],
    /// Data sections.
    pub globals: &'a GlobalLayout,
    /// Byte order of the target.
    pub endianness: Endianness,
}

/// Why there is no object: a fault in the compiler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// What is wrong with it.
    pub reason: String,
}

impl Error {
    /// The error as the user sees it, at the unit's name.
    pub fn into_diagnostic(self, span: Span) -> Diagnostic {
        Diagnostic::error(catalogue::INTERNAL, span, self.reason)
    }
}

/// Writes the object, and reads it back with `aya_obj` before it gives it out.
pub fn write(_input: &Input<'_>) -> Result<Vec<u8>, Error> {
    Err(Error { reason: "not written".to_owned() })
}
