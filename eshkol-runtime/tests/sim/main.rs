//! The simulator does what the kernel does, and stops what the kernel would refuse.

mod conformance;
mod helpers;
mod in_kernel;
mod maps;
mod outputs;
mod random;
mod socket_buffers;
mod tracing;
#[expect(dead_code, reason = "the tests of the kernel need more of it")]
#[path = "../kernel/unit.rs"]
mod unit;
mod violations;

use eshkol_runtime::KernelVersion;
use eshkol_test_support::{Privilege, require_root};

/// Whether the kernel that runs can be compared with the simulator, which gives what newer kernels give: before 6.13, checksums have other bits
/// (`bpf_csum_diff` in `net/core/filter.c`) and a full trie replaces nothing (`trie_update_elem` in `kernel/bpf/lpm_trie.c`), and the oldest lack helpers.
fn kernel_compares() -> bool {
    const SINCE: KernelVersion = KernelVersion::new(6, 13);
    require_root() == Privilege::Granted && KernelVersion::running().is_none_or(|running| running >= SINCE)
}
