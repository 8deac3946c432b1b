//! Loads, attaches and talks to the eBPF programs that Eshkol compiled.

pub mod spec;
