//! Loads, attaches and talks to the eBPF programs that Eshkol compiled.
#![warn(missing_docs)]

pub mod error;
mod global;
mod interface;
mod link;
mod loader;
pub mod map;
mod net;
mod plain;
pub mod program;
pub mod spec;

#[doc(hidden)]
pub mod __private;

pub use aya;

pub use error::{Error, Result};
pub use global::Global;
pub use interface::Interface;
pub use link::{Link, XdpLink};
pub use loader::{Loaded, Loader};
pub use map::{
    Array, CpuMap, DevMap, HashMap, LpmTrie, Map, PerCpu, PerCpuArray, PerCpuHashMap, XskMap, possible_cpus,
};
pub use net::{Be16, Be32, Be64, Ipv4Tuple, MacAddr, ParseMacAddrError};
pub use plain::{Argument, InvalidValue, Plain};
pub use program::{Program, TestRun, XdpAction, XdpMode, XdpProgram};
