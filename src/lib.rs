//! Scheme to eBPF inside `cargo build`, with typed Rust handles to what was compiled.
#![warn(missing_docs)]
