#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::XDP_DROP;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::Array;
use aya_ebpf::programs::XdpContext;

aya_programs::program!();

#[map(name = "packet_counter")]
static PACKET_COUNTER: Array<u64> = Array::with_max_entries(1, 0);

#[xdp]
pub fn xdp_main(_: XdpContext) -> u32 {
    if let Some(&count) = PACKET_COUNTER.get(0) {
        let _ = PACKET_COUNTER.set(0, count + 1, 0);
    }
    XDP_DROP
}
