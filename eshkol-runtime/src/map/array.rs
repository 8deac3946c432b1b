//! Arrays, whose elements are always there.

use std::marker::PhantomData;

use super::{FromMap, Handle, Opened, PerCpu, Shape, common_to_handles, per_cpu};
use crate::error::{Error, Result};
use crate::plain::{Argument, Plain};
use crate::spec::MapSpec;
use crate::sys::kind;

/// An `:array` of `V`.
pub struct Array<V> {
    handle: Handle,
    types: PhantomData<fn() -> V>,
}

/// A `:percpu-array` of a `V` for every CPU.
pub struct PerCpuArray<V> {
    handle: Handle,
    types: PhantomData<fn() -> V>,
}

impl<V: Plain> Array<V> {
    /// The element at `index`.
    pub fn get(&self, index: u32) -> Result<V> {
        self.handle.decode(&element(&self.handle, index)?)
    }

    /// Sets the element at `index`.
    pub fn set(&self, index: u32, value: impl Argument<V>) -> Result<()> {
        self.handle.set(&self.handle.index(index)?, &self.handle.encode(&value))
    }

    /// All elements, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<V>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl<V: Plain> PerCpuArray<V> {
    /// The CPUs' elements at `index`.
    pub fn get(&self, index: u32) -> Result<PerCpu<V>> {
        PerCpu::decode(&self.handle, &element(&self.handle, index)?)
    }

    /// Sets the CPUs' elements at `index`.
    pub fn set(&self, index: u32, values: impl AsRef<[V]>) -> Result<()> {
        self.handle.set(&self.handle.index(index)?, &per_cpu::encode(&self.handle, values.as_ref())?)
    }

    /// All elements, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<PerCpu<V>>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

fn element(handle: &Handle, index: u32) -> Result<Vec<u8>> {
    let missing = || Error::IndexOutOfRange { map: handle.name().into(), index, len: handle.info().max_entries };
    handle.lookup(&handle.index(index)?)?.ok_or_else(missing)
}

macro_rules! common_to_arrays {
    ($name:ident, $kind:expr) => {
        impl<V: Plain> $name<V> {
            /// How many elements it has.
            pub fn len(&self) -> u32 {
                self.handle.info().max_entries
            }

            /// Whether it has no elements.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            fn handle(&self) -> &Handle {
                &self.handle
            }

            fn from_handle(handle: Handle) -> Self {
                Self { handle, types: PhantomData }
            }
        }

        impl<V: Plain> FromMap for $name<V> {
            fn from_map(map: Opened, spec: &'static MapSpec) -> Result<Self> {
                let shape = Shape { kinds: &[$kind], key_size: Some(4), value_size: Some(V::SIZE) };
                Handle::new(map, spec.name, shape).map(Self::from_handle)
            }
        }

        common_to_handles!(<V> $name);
    };
}

common_to_arrays!(Array, kind::ARRAY);
common_to_arrays!(PerCpuArray, kind::PERCPU_ARRAY);
