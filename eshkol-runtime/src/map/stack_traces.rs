//! Call stacks that programs kept.

use super::{FromMap, Handle, Opened, Shape, common_to_handles};
use crate::error::Result;
use crate::spec::MapSpec;
use crate::sys::kind;

/// A `:stack-trace` map: the call stacks that `stack-id` kept, by the numbers that it gave.
pub struct StackTraces(Handle);

impl StackTraces {
    /// The addresses of a stack's instructions, the innermost first. `None`: there is no stack of this number.
    pub fn get(&self, id: u32) -> Result<Option<Vec<u64>>> {
        let bytes = self.0.lookup(&id.to_ne_bytes())?;
        Ok(bytes.map(|bytes| {
            let words = bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word));
            words.take_while(|address| *address != 0).collect()
        }))
    }

    /// Removes a stack, so that its number can be given to another. False: there was none.
    pub fn remove(&self, id: u32) -> Result<bool> {
        self.0.remove(&id.to_ne_bytes())
    }

    fn handle(&self) -> &Handle {
        &self.0
    }

    fn from_handle(handle: Handle) -> Self {
        Self(handle)
    }
}

impl FromMap for StackTraces {
    fn from_map(map: Opened, spec: &'static MapSpec) -> Result<Self> {
        let shape = Shape { kinds: &[kind::STACK_TRACE], key_size: Some(size_of::<u32>()), value_size: None };
        Handle::new(map, spec.name, shape).map(Self)
    }
}

common_to_handles!(StackTraces);
