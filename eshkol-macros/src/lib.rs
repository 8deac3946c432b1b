//! The `eshkol!` and `eshkol_file!` macros: a shim that finds the Scheme text, lets `eshkol-core` compile it, and writes down
//! what Rust sees of it. Documented in the crate `eshkol`, which exports them.
#![warn(missing_docs)]

mod bindings;
mod errors;
mod expand;
mod positions;
mod source_text;
mod tokens;

use eshkol_core::Endianness;
use proc_macro::TokenStream;

/// Compiles the Scheme text between its delimiters to eBPF, and stands for what Rust sees of it: where the target is a
/// little-endian machine. A macro runs on the machine that builds and can't ask for the target; the crate that exports it can.
#[proc_macro]
pub fn eshkol(input: TokenStream) -> TokenStream {
    expand::inline(input.into(), Endianness::Little).into()
}

/// The same where the target is a big-endian machine.
#[proc_macro]
pub fn eshkol_big_endian(input: TokenStream) -> TokenStream {
    expand::inline(input.into(), Endianness::Big).into()
}

/// Compiles a Scheme file, named relative to the crate's `Cargo.toml`, to eBPF, and stands for what Rust sees of it: where the target is
/// a little-endian machine.
#[proc_macro]
pub fn eshkol_file(input: TokenStream) -> TokenStream {
    expand::file(input.into(), Endianness::Little).into()
}

/// The same where the target is a big-endian machine.
#[proc_macro]
pub fn eshkol_file_big_endian(input: TokenStream) -> TokenStream {
    expand::file(input.into(), Endianness::Big).into()
}
