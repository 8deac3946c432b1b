//! The backend: SSA → eBPF machine code, by RFC 9669. Instruction selection per ISA version, register allocation by
//! `regalloc2`, frame and branch layout, encoder, disassembler.

pub mod code;

pub use code::{Code, Instruction, LineEntry, Relocation, RelocationTarget};

use crate::compile::Endianness;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::ir::Function;
use crate::kernel::IsaVersion;
use crate::source::Span;

/// Why a function has no code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// Slots and spills need more than 512 bytes.
    StackTooLarge {
        /// The function.
        span: Span,
        /// What it needs.
        bytes: u32,
    },
    /// The compiler made something it can't encode.
    Internal {
        /// The function.
        span: Span,
        /// What went wrong.
        reason: String,
    },
}

impl Error {
    /// The error as the user sees it.
    pub fn into_diagnostic(self) -> Diagnostic {
        match self {
            Self::StackTooLarge { span, bytes } => Diagnostic::error(
                catalogue::STACK_TOO_LARGE,
                span,
                format!("this needs {bytes} bytes of stack, and eBPF has 512"),
            )
            .with_help("keep large structs in a map value instead of making them on the stack"),
            Self::Internal { span, reason } => Diagnostic::error(catalogue::INTERNAL, span, reason),
        }
    }
}

/// Generates the code of a function.
pub fn generate(function: &Function, _isa: IsaVersion, _endianness: Endianness) -> Result<Code, Error> {
    Err(Error::Internal { span: function.span, reason: "not generated".to_owned() })
}
