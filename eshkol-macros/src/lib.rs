//! The `eshkol!` and `eshkol_file!` macros: a shim that finds the Scheme text, lets `eshkol-core` compile it, and writes down
//! what Rust sees of it. Documented in the crate `eshkol`, which exports them.
#![warn(missing_docs)]

mod bindings;
mod errors;
mod expand;
mod positions;
mod source_text;
mod tokens;

use eshkol_core::Architecture;
use proc_macro::TokenStream;

/// The two macros for an architecture. A macro runs on the machine that builds and can't ask for the target; the crate that exports it can.
macro_rules! for_architecture {
    ($architecture:ident, $inline:ident, $file:ident) => {
        /// Compiles the Scheme text between its delimiters to eBPF, and stands for what Rust sees of it.
        #[proc_macro]
        pub fn $inline(input: TokenStream) -> TokenStream {
            expand::inline(input.into(), Architecture::$architecture).into()
        }

        /// Compiles a Scheme file, named relative to the crate's `Cargo.toml`, to eBPF, and stands for what Rust sees of it.
        #[proc_macro]
        pub fn $file(input: TokenStream) -> TokenStream {
            expand::file(input.into(), Architecture::$architecture).into()
        }
    };
}

for_architecture!(X86_64, eshkol_x86_64, eshkol_file_x86_64);
for_architecture!(Aarch64, eshkol_aarch64, eshkol_file_aarch64);
for_architecture!(Riscv64, eshkol_riscv64, eshkol_file_riscv64);
for_architecture!(LoongArch64, eshkol_loongarch64, eshkol_file_loongarch64);
for_architecture!(PowerPc64Le, eshkol_powerpc64le, eshkol_file_powerpc64le);
for_architecture!(PowerPc64, eshkol_powerpc64, eshkol_file_powerpc64);
for_architecture!(S390x, eshkol_s390x, eshkol_file_s390x);
for_architecture!(OtherLittle, eshkol_little_endian, eshkol_file_little_endian);
for_architecture!(OtherBig, eshkol_big_endian, eshkol_file_big_endian);
