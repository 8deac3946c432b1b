//! Loads, attaches and talks to the eBPF programs that Eshkol compiled.
#![warn(missing_docs)]

pub mod spec;
