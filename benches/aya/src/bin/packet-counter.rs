#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::XdpContext;

aya_programs::program!();

#[map(name = "packets")]
static PACKETS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

#[xdp]
pub fn xdp_main(_: XdpContext) -> u32 {
    if let Some(count) = PACKETS.get_ptr_mut(0) {
        unsafe { *count += 1 };
    }
    XDP_PASS
}
