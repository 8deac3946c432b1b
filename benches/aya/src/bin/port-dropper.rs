#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use aya_programs::headers::{ETH_P_IP, Eth, IPPROTO_TCP, Ipv4, Tcp};
use aya_programs::{after, at};

aya_programs::program!();

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
    Some(if unsafe { (*tcp).dest } == 8080_u16.to_be() { XDP_DROP } else { XDP_PASS })
}
