//! What the kernel tests stand on.
//!
//! [`require_root`] decides whether a test that needs the kernel runs. [`Namespace`] and [`Namespace::veth`] make networks of the test's own,
//! [`Wire`] puts frames on them, [`Packet`] builds frames. [`Cgroup`] makes a cgroup, [`Mounts`] gives a thread file systems of its own. [`Object`] makes eBPF objects by hand, for programs that no compiler would let
//! through. [`trace_fs`] makes tracepoints reachable, [`require_probes`] asks whether
//! functions of the kernel can be probed. A [`Runner`] runs a compiled program on packets without any network: [`Loaded`] in the kernel, [`Simulated`] without it.

mod cgroup;
mod loaded;
mod mounts;
mod namespace;
mod object_file;
mod packet;
mod privilege;
mod probes;
mod runner;
mod simulated;
mod trace_fs;
mod wire;

pub use cgroup::Cgroup;
pub use loaded::{Loaded, stay_on_first_processor};
pub use mounts::Mounts;
pub use namespace::Namespace;
pub use object_file::{Instruction, Object, asm};
pub use packet::{Packet, internet_checksum};
pub use privilege::{Privilege, require_root, require_root_for};
pub use probes::{probes_are_there, require_probes};
pub use runner::{Outcome, Runner};
pub use simulated::Simulated;
pub use trace_fs::trace_fs;
pub use wire::Wire;
