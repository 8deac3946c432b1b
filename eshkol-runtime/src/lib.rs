//! Loads, attaches and talks to the eBPF programs that Eshkol compiled.
//!
//! The entry is [`Loader`]; what `eshkol!` generates wraps it, so that users see a struct with a field for each map and program. Handles on maps
//! ([`map`]) and programs ([`program`]) own what they need and borrow nothing. Attachments are [`link`](XdpLink) values that detach
//! when dropped. Everything fails with [`Error`].
#![warn(missing_docs)]

pub mod error;
mod global;
mod interface;
mod kernel_functions;
mod kernel_types;
mod kernel_version;
mod link;
mod loader;
mod logging;
pub mod map;
mod net;
mod object;
mod pin;
mod plain;
pub mod program;
#[cfg(feature = "sim")]
pub mod sim;
pub mod spec;
mod sys;
mod tcp;
mod through_aya;
pub mod verifier;

#[doc(hidden)]
pub mod __private;

pub use aya;

pub use error::{Error, Result};
pub use global::Global;
pub use interface::Interface;
pub use kernel_version::KernelVersion;
pub use link::{CgroupLink, Link, PacketSocket, SocketFilterLink, TcLink, TcxLink, TracingLink, XdpLink};
pub use loader::{Loaded, Loader};
pub use log;
pub use logging::{Log, LogForwarder, LogLine};
pub use map::{
    Array, Bucket, Counts, CpuMap, DevMap, Event, FamilyKey, HashMap, Histogram, HistogramFamily, LpmTrie, Map, PerCpu,
    PerCpuArray, PerCpuHashMap, PerfEventArray, ProgArray, RingBuf, StackTraces, XskMap, possible_cpus,
};
pub use net::{Be16, Be32, Be64, Ipv4Tuple, MacAddr, ParseMacAddrError};
pub use plain::{Argument, InvalidValue, Plain};
pub use program::{
    Action, AnyProgram, BtfTracepointProgram, CgroupAction, CgroupSkbProgram, CgroupSockAddrProgram, Direction,
    KprobeProgram, KretprobeProgram, PerfEventProgram, Program, RawTracepointProgram, Sampling, SocketFilterProgram,
    TcAction, TcProgram, TcxAction, TcxProgram, TestRun, TracepointProgram, UprobeProgram, UretprobeProgram, XdpAction,
    XdpMode, XdpProgram,
};
#[cfg(feature = "sim")]
pub use program::{SocketCall, SocketCallRun, TestCall, TestSample};
pub use tcp::TcpState;
pub use verifier::{Location, VerifierError};

#[cfg(test)]
mod tests {
    use super::*;

    /// Handles go into structs, threads and async tasks without ceremony.
    #[test]
    fn handles_are_at_home_everywhere() {
        fn anywhere<T: Send + Sync + 'static>() {}
        anywhere::<Loaded>();
        anywhere::<Loader>();
        anywhere::<HashMap<u32, u64>>();
        anywhere::<PerCpuArray<[u8; 3]>>();
        anywhere::<LpmTrie<std::net::Ipv4Addr, bool>>();
        anywhere::<DevMap>();
        anywhere::<Global<u64>>();
        anywhere::<XdpProgram>();
        anywhere::<Link>();
        anywhere::<Error>();
    }
}
