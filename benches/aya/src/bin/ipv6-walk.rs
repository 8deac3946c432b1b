#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use aya_programs::headers::{
    ETH_P_IPV6, Eth, IPPROTO_AH, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_MH, IPPROTO_NONE,
    IPPROTO_ROUTING, IPPROTO_UDP, Ipv6, Ipv6Extension, Ipv6Fragment, Udp,
};
use aya_programs::{after, at};

aya_programs::program!();

const EXTENSIONS: u32 = 6;

#[xdp]
pub fn xdp_main(ctx: XdpContext) -> u32 {
    verdict(&ctx).unwrap_or(XDP_PASS)
}

/// The protocol of the upper layer, and where it begins.
#[inline(always)]
fn upper_layer(ip: *const Ipv6, ctx: &XdpContext) -> Option<(u8, usize)> {
    let mut protocol = unsafe { (*ip).nexthdr };
    let mut place = ip as usize + size_of::<Ipv6>();
    for _ in 0..EXTENSIONS {
        match protocol {
            IPPROTO_FRAGMENT => {
                let fragment = after::<Ipv6Fragment>(place, ctx)?;
                if unsafe { (*fragment).frag_off } & 0xfff8_u16.to_be() != 0 {
                    return Some((IPPROTO_NONE, place));
                }
                protocol = unsafe { (*fragment).nexthdr };
                place += size_of::<Ipv6Fragment>();
            }
            IPPROTO_HOPOPTS | IPPROTO_ROUTING | IPPROTO_DSTOPTS | IPPROTO_AH | IPPROTO_MH | 139 | 140 => {
                let extension = after::<Ipv6Extension>(place, ctx)?;
                let length = usize::from(unsafe { (*extension).length });
                place += if protocol == IPPROTO_AH { (length + 2) * 4 } else { (length + 1) * 8 };
                protocol = unsafe { (*extension).nexthdr };
            }
            _ => break,
        }
    }
    Some((protocol, place))
}

#[inline(always)]
fn verdict(ctx: &XdpContext) -> Option<u32> {
    let eth = at::<Eth>(ctx, 0)?;
    if unsafe { (*eth).proto } != ETH_P_IPV6 {
        return None;
    }
    let ip = at::<Ipv6>(ctx, size_of::<Eth>())?;
    let (protocol, place) = upper_layer(ip, ctx)?;
    if protocol != IPPROTO_UDP {
        return None;
    }
    let udp = after::<Udp>(place, ctx)?;
    Some(if unsafe { (*udp).dest } == 53_u16.to_be() { XDP_DROP } else { XDP_PASS })
}
