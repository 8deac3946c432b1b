#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use aya_programs::at;
use aya_programs::headers::{ETH_P_8021Q, Eth, Vlan};

aya_programs::program!();

const VID_MASK: u16 = 0x0fff_u16.to_be();

#[xdp]
pub fn xdp_main(ctx: XdpContext) -> u32 {
    rewrite(&ctx);
    XDP_PASS
}

#[inline(always)]
fn rewrite(ctx: &XdpContext) -> Option<()> {
    let eth = at::<Eth>(ctx, 0)?;
    if unsafe { (*eth).proto } != ETH_P_8021Q {
        return None;
    }
    let vlan = unsafe { &mut *at::<Vlan>(ctx, size_of::<Eth>())? };
    if vlan.tci & VID_MASK == 100_u16.to_be() {
        vlan.tci = (vlan.tci & !VID_MASK) | 200_u16.to_be();
    }
    Some(())
}
