//! Programs that others go on with, by tail calls.

use super::{FromMap, Handle, Opened, Shape, common_to_handles};
use crate::error::Result;
use crate::program::AnyProgram;
use crate::spec::MapSpec;
use crate::sys::kind;

/// A `:prog-array`: programs by index, for `(tail-call ctx map index)`.
///
/// The kernel clears it when the last descriptor of it in user space is closed, unless it is pinned: keep the unit, or this handle, as long as the
/// programs are to run.
pub struct ProgArray(Handle);

impl ProgArray {
    /// Has tail calls to `index` go on with a program. It must be of the type of the programs that call it.
    pub fn set(&self, index: u32, program: &impl AnyProgram) -> Result<()> {
        let key = self.0.index(index)?;
        self.0.set(&key, &program.table_entry().to_ne_bytes())
    }

    /// Clears `index`. False: there was nothing.
    pub fn remove(&self, index: u32) -> Result<bool> {
        self.0.remove(&self.0.index(index)?)
    }

    fn handle(&self) -> &Handle {
        &self.0
    }

    fn from_handle(handle: Handle) -> Self {
        Self(handle)
    }
}

impl FromMap for ProgArray {
    fn from_map(map: Opened, spec: &'static MapSpec) -> Result<Self> {
        let shape = Shape { kinds: &[kind::PROG_ARRAY], key_size: Some(4), value_size: Some(4) };
        Handle::new(map, spec.name, shape).map(Self)
    }
}

common_to_handles!(ProgArray);
