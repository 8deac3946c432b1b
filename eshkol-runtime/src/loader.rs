//! Loads a unit into the kernel.

use std::path::Path;

use crate::error::Result;
use crate::global::Global;
use crate::map::FromMap;
use crate::plain::{Argument, Plain};
use crate::program::FromProgram;
use crate::spec::UnitSpec;

/// Settings for loading a unit.
#[derive(Debug)]
pub struct Loader {
    _spec: &'static UnitSpec,
}

impl Loader {
    /// The settings as they are in the source.
    pub fn new(spec: &'static UnitSpec) -> Self {
        Self { _spec: spec }
    }

    /// Sets the global with this symbol.
    pub fn global<T: Plain>(self, _symbol: &str, _value: impl Argument<T>) -> Self {
        self
    }

    /// Sets how many elements the map with this symbol holds at most.
    pub fn max_entries(self, _symbol: &str, _entries: u32) -> Self {
        self
    }

    /// Sets the directory, in a `bpf` file system, for maps that are `(pinning :by-name)`. `/sys/fs/bpf` when this is not called.
    pub fn pin(self, _directory: impl AsRef<Path>) -> Self {
        self
    }

    /// Creates the maps and has the kernel verify every program. Nothing is attached.
    pub fn load(self) -> Result<Loaded> {
        todo!()
    }
}

/// A unit in the kernel.
#[derive(Debug)]
pub struct Loaded {
    ebpf: aya::Ebpf,
}

impl Loaded {
    /// A handle on the map with this symbol, of the kind and types that its place wants.
    pub fn map<M: FromMap>(&self, _symbol: &str) -> Result<M> {
        todo!()
    }

    /// A handle on the program with this symbol.
    pub fn program<P: FromProgram>(&self, _symbol: &str) -> Result<P> {
        todo!()
    }

    /// A handle on the mutable global with this symbol.
    pub fn global<T: Plain>(&self, _symbol: &str) -> Result<Global<T>> {
        todo!()
    }

    /// The unit as aya has it.
    pub fn ebpf_mut(&mut self) -> &mut aya::Ebpf {
        &mut self.ebpf
    }
}
