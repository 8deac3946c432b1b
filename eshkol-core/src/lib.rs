//! The Eshkol compiler: Scheme text in; an eBPF object, the description of what Rust sees, and diagnostics out.
//!
//! The crate is pure: it reads no files, knows no kernel but the facts in [`kernel`], and never panics on user input.
//! A program goes one way, one stage per module:
//!
//! ```text
//! text ─ syntax ─▶ data ─ expand ─▶ forms ─ check ─▶ typed tree ─ lower ─▶ SSA ─ opt ─▶ SSA ─ bpf ─▶ code ─ object ─▶ ELF
//! ```
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    unsafe_code
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::allow_attributes,
        reason = "a test that fails should say where"
    )
)]

pub mod arena;
pub mod bindings;
pub mod bpf;
pub mod check;
pub mod compile;
pub mod deep_stack;
pub mod diagnostic;
#[cfg(any(test, feature = "evaluate"))]
pub mod evaluate;
pub mod expand;
pub mod include;
pub mod ir;
pub mod kernel;
pub mod lower;
pub mod object;
pub mod opt;
pub mod source;
pub mod syntax;

pub use compile::{Architecture, Compilation, Endianness, Optimisation, Options, Output, compile};
