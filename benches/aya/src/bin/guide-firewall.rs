#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::XdpContext;
use aya_programs::at;
use aya_programs::headers::{ETH_P_IP, Eth, Ipv4};

aya_programs::program!();

/// The keys are numbers in the host's order, as the program's text has them.
#[map(name = "blocklist")]
static BLOCKLIST: HashMap<u32, u8> = HashMap::with_max_entries(1024, 0);

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
    let source = u32::from_be(unsafe { (*ip).saddr });
    Some(if BLOCKLIST.get_ptr(&source).is_some() { XDP_DROP } else { XDP_PASS })
}
