//! Typed handles on maps.
//!
//! A handle owns its own descriptor of the map: it is `'static`, `Send` and `Sync`, needs nothing else to stay alive, and `try_clone` gives another.
//! All its methods take `&self`, since the kernel orders concurrent access itself, as it does with the programs'. Each handle is checked
//! against what the kernel says of the map when it is made, so sizes always fit.
//!
//! The handles of a unit that the simulator runs are the same, with simulated maps behind them; the descriptor that [`AsFd`](std::os::fd::AsFd) gives
//! is then one of `/dev/null`.

mod array;
mod backing;
mod events;
mod handle;
mod hash;
mod histogram;
mod lpm_trie;
mod per_cpu;
mod perf_event_array;
mod prog_array;
mod redirect;
mod ring_buffer;
mod stack_traces;
mod walk;

pub use array::{Array, PerCpuArray};
pub use backing::Opened;
pub(crate) use backing::Source;
pub use events::Event;
pub(crate) use handle::{Handle, Shape};
pub use hash::{HashMap, PerCpuHashMap};
pub use histogram::{Bucket, Counts, FamilyKey, FromHistogram, Histogram, HistogramFamily};
pub use lpm_trie::LpmTrie;
pub use per_cpu::{PerCpu, possible_cpus};
pub(crate) use per_cpu::{cpus, online_cpus};
pub use perf_event_array::PerfEventArray;
#[cfg(feature = "sim")]
pub(crate) use perf_event_array::sample_size;
pub use prog_array::ProgArray;
pub use redirect::{CpuMap, DevMap, XskMap};
pub use ring_buffer::RingBuf;
pub use stack_traces::StackTraces;

use crate::error::Result;
use crate::spec::MapSpec;

/// What a map of a loaded unit can be taken as: the handles of this module.
pub trait FromMap: Sized {
    /// Takes over the map that `spec` declares.
    #[doc(hidden)]
    fn from_map(map: Opened, spec: &'static MapSpec) -> Result<Self>;
}

/// A map of a kind that has no handle of its own: its facts, and its descriptor for whoever knows what to do with it.
pub struct Map(Handle);

impl Map {
    /// `enum bpf_map_type`.
    pub fn kind(&self) -> u32 {
        self.0.info().kind
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> u32 {
        self.0.info().key_size
    }

    /// Bytes of a value, of one CPU.
    pub fn value_size(&self) -> u32 {
        self.0.info().value_size
    }

    /// How many elements it holds at most.
    pub fn max_entries(&self) -> u32 {
        self.0.info().max_entries
    }
}

impl FromMap for Map {
    fn from_map(map: Opened, spec: &'static MapSpec) -> Result<Self> {
        Handle::new(map, spec.name, Shape { kinds: &[spec.kind], key_size: None, value_size: None }).map(Self)
    }
}

/// What every handle can do.
macro_rules! common_to_handles {
    ($(<$($p:ident),*>)? $name:ident) => {
        impl $(<$($p: $crate::plain::Plain),*>)? $name $(<$($p),*>)? {
            /// Its name in the source.
            pub fn name(&self) -> &str {
                self.handle().name()
            }

            /// Another handle on the same map.
            pub fn try_clone(&self) -> $crate::error::Result<Self> {
                Ok(Self::from_handle(self.handle().try_clone()?))
            }
        }

        impl $(<$($p: $crate::plain::Plain),*>)? std::os::fd::AsFd for $name $(<$($p),*>)? {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.handle().as_fd()
            }
        }

        impl $(<$($p: $crate::plain::Plain),*>)? std::fmt::Debug for $name $(<$($p),*>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("name", &self.name()).finish_non_exhaustive()
            }
        }
    };
}
use common_to_handles;

impl Map {
    fn handle(&self) -> &Handle {
        &self.0
    }

    fn from_handle(handle: Handle) -> Self {
        Self(handle)
    }
}

common_to_handles!(Map);
