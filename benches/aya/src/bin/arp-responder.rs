#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::{XDP_PASS, XDP_TX};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use aya_programs::at;
use aya_programs::headers::{Arp, ETH_P_ARP, ETH_P_IP, Eth, OUR_ADDRESS, OUR_MAC};

aya_programs::program!();

const ARPHRD_ETHER: u16 = 1_u16.to_be();
const ARPOP_REQUEST: u16 = 1_u16.to_be();
const ARPOP_REPLY: u16 = 2_u16.to_be();

#[xdp]
pub fn xdp_main(ctx: XdpContext) -> u32 {
    answer(&ctx).unwrap_or(XDP_PASS)
}

/// A 32-bit address at an even place.
#[inline(always)]
unsafe fn address(field: *const [u16; 2]) -> u32 {
    unsafe { field.cast::<u32>().read() }
}

#[inline(always)]
fn answer(ctx: &XdpContext) -> Option<u32> {
    let eth = at::<Eth>(ctx, 0)?;
    if unsafe { (*eth).proto } != ETH_P_ARP {
        return None;
    }
    let arp = at::<Arp>(ctx, size_of::<Eth>())?;
    unsafe {
        if (*arp).htype != ARPHRD_ETHER || (*arp).ptype != ETH_P_IP || (*arp).op != ARPOP_REQUEST {
            return None;
        }
        if address(&raw const (*arp).target_ip) != OUR_ADDRESS {
            return None;
        }
        (*arp).op = ARPOP_REPLY;
        (*arp).target_mac = (*arp).sender_mac;
        (&raw mut (*arp).target_ip).cast::<u32>().write(address(&raw const (*arp).sender_ip));
        (*arp).sender_mac = OUR_MAC;
        (&raw mut (*arp).sender_ip).cast::<u32>().write(OUR_ADDRESS);
        (*eth).dest = (*eth).source;
        (*eth).source = OUR_MAC;
    }
    Some(XDP_TX)
}
