#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::helpers::generated::bpf_map_update_elem;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::XdpContext;
use aya_programs::at;
use aya_programs::headers::Eth;

aya_programs::program!();

#[repr(C)]
pub struct TrafficStats {
    packets: u64,
    bytes: u64,
}

#[map(name = "traffic_stats")]
static TRAFFIC_STATS: PerCpuArray<TrafficStats> = PerCpuArray::with_max_entries(256, 0);

#[xdp]
pub fn xdp_main(ctx: XdpContext) -> u32 {
    count(&ctx);
    XDP_PASS
}

#[inline(always)]
fn count(ctx: &XdpContext) -> Option<()> {
    let length = (ctx.data_end() - ctx.data()) as u64;
    let eth = at::<Eth>(ctx, 0)?;
    let key = u32::from(u16::from_be(unsafe { (*eth).proto }));
    match TRAFFIC_STATS.get_ptr_mut(key) {
        None => put(key, &TrafficStats { packets: 1, bytes: length }),
        Some(stats) => unsafe {
            (*stats).packets += 1;
            (*stats).bytes += length;
            put(key, &*stats);
        },
    }
    Some(())
}

/// The map's own type has no such procedure.
#[inline(always)]
fn put(key: u32, value: &TrafficStats) {
    let map = (&raw const TRAFFIC_STATS).cast_mut().cast();
    unsafe { bpf_map_update_elem(map, (&raw const key).cast(), (&raw const *value).cast(), 0) };
}
