#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "the target can add atomically, but the library's atomic types have no procedure for it there")]

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::XdpContext;
use aya_programs::headers::{ETH_P_IP, Eth, IPPROTO_TCP, Ipv4, Tcp};
use aya_programs::{after, at};

aya_programs::program!();

const INTERVAL: u64 = 1_000_000_000;
const LIMIT: u64 = 100;

#[repr(C)]
pub struct Window {
    start: u64,
    count: u64,
}

#[map(name = "windows")]
static WINDOWS: LruHashMap<u32, Window> = LruHashMap::with_max_entries(65536, 0);

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
    if unsafe { (*ip).protocol } != IPPROTO_TCP {
        return None;
    }
    let tcp = after::<Tcp>(ip as usize + unsafe { (*ip).length() }, ctx)?;
    if unsafe { (*tcp).flags } & (Tcp::SYN | Tcp::ACK) != Tcp::SYN {
        return None;
    }

    let source = unsafe { (*ip).saddr };
    let now = unsafe { bpf_ktime_get_ns() };
    let Some(window) = WINDOWS.get_ptr_mut(&source) else {
        let _ = WINDOWS.insert(&source, &Window { start: now, count: 1 }, 0);
        return None;
    };
    unsafe {
        if now - (*window).start > INTERVAL {
            (*window).start = now;
            (*window).count = 1;
            return None;
        }
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*window).count, 1);
        Some(if (*window).count <= LIMIT { XDP_PASS } else { XDP_DROP })
    }
}
