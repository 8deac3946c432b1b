#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::{XDP_PASS, XDP_TX};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use aya_programs::headers::{ETH_P_IP, Eth, IPPROTO_ICMP, Icmp, Ipv4};
use aya_programs::{after, at};

aya_programs::program!();

const ICMP_ECHOREPLY: u8 = 0;
const ICMP_ECHO: u8 = 8;

#[xdp]
pub fn xdp_main(ctx: XdpContext) -> u32 {
    answer(&ctx).unwrap_or(XDP_PASS)
}

#[inline(always)]
fn answer(ctx: &XdpContext) -> Option<u32> {
    let eth = at::<Eth>(ctx, 0)?;
    if unsafe { (*eth).proto } != ETH_P_IP {
        return None;
    }
    let ip = at::<Ipv4>(ctx, size_of::<Eth>())?;
    if unsafe { (*ip).protocol } != IPPROTO_ICMP {
        return None;
    }
    let icmp = after::<Icmp>(ip as usize + unsafe { (*ip).length() }, ctx)?;
    if unsafe { (*icmp).kind } != ICMP_ECHO {
        return None;
    }
    unsafe {
        core::mem::swap(&mut (*eth).source, &mut (*eth).dest);
        // The sum is the same whichever way round the addresses are.
        core::mem::swap(&mut (*ip).saddr, &mut (*ip).daddr);
        // RFC 1624, equation 3.
        let old = icmp.cast::<u16>().read();
        (*icmp).kind = ICMP_ECHOREPLY;
        let new = icmp.cast::<u16>().read();
        let mut sum = u32::from(!(*icmp).checksum) + u32::from(!old) + u32::from(new);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        (*icmp).checksum = !sum as u16;
    }
    Some(XDP_TX)
}
