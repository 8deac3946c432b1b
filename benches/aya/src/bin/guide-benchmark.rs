#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_map_update_elem;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::XdpContext;

aya_programs::program!();

const PACKETS: u32 = 0;
const BYTES: u32 = 1;
const START_TIME: u32 = 2;
const CURRENT_TIME: u32 = 3;

#[map(name = "perf_stats")]
static PERF_STATS: PerCpuArray<u64> = PerCpuArray::with_max_entries(4, 0);

/// The map's own type has no such procedure.
#[inline(always)]
fn put(key: u32, value: u64) {
    let map = (&raw const PERF_STATS).cast_mut().cast();
    unsafe { bpf_map_update_elem(map, (&raw const key).cast(), (&raw const value).cast(), 0) };
}

#[inline(always)]
fn get(key: u32, otherwise: u64) -> u64 {
    PERF_STATS.get(key).copied().unwrap_or(otherwise)
}

#[xdp]
pub fn xdp_main(ctx: XdpContext) -> u32 {
    let length = (ctx.data_end() - ctx.data()) as u64;
    put(PACKETS, get(PACKETS, 0) + 1);
    put(BYTES, get(BYTES, 0) + length);
    let now = unsafe { bpf_ktime_get_ns() };
    put(START_TIME, get(START_TIME, now));
    put(CURRENT_TIME, now);
    XDP_PASS
}
