#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::XdpContext;
use aya_programs::at;
use aya_programs::headers::{ETH_P_IP, Eth, Ipv4};

aya_programs::program!();

const CAPACITY: u64 = 2000;
const NANOSECONDS_PER_TOKEN: u64 = 1_000_000;

#[repr(C)]
pub struct Bucket {
    tokens: u64,
    filled: u64,
}

#[map(name = "buckets")]
static BUCKETS: LruHashMap<u32, Bucket> = LruHashMap::with_max_entries(65536, 0);

#[xdp]
pub fn xdp_main(ctx: XdpContext) -> u32 {
    verdict(&ctx).unwrap_or(XDP_PASS)
}

#[inline(always)]
fn verdict(ctx: &XdpContext) -> Option<u32> {
    let eth = at::<Eth>(ctx, 0)?;
    if unsafe { (*eth).proto } != ETH_P_IP {
        return None;
    }
    let ip = at::<Ipv4>(ctx, size_of::<Eth>())?;

    let source = unsafe { (*ip).saddr };
    let now = unsafe { bpf_ktime_get_ns() };
    let Some(bucket) = BUCKETS.get_ptr_mut(&source) else {
        let _ = BUCKETS.insert(&source, &Bucket { tokens: CAPACITY - 1, filled: now }, 0);
        return None;
    };
    let bucket = unsafe { &mut *bucket };
    let new = (now - bucket.filled) / NANOSECONDS_PER_TOKEN;
    let tokens = (bucket.tokens + new).min(CAPACITY);
    if new > 0 {
        bucket.filled += new * NANOSECONDS_PER_TOKEN;
    }
    if tokens == 0 {
        return Some(XDP_DROP);
    }
    bucket.tokens = tokens - 1;
    None
}
