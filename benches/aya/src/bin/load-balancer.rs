#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_PASS, XDP_TX};
use aya_ebpf::helpers::bpf_xdp_adjust_head;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use aya_ebpf::programs::XdpContext;
use aya_programs::headers::{ETH_P_IP, Eth, IPPROTO_IPIP, IPPROTO_TCP, IPPROTO_UDP, Ipv4, Mac, OUR_ADDRESS, OUR_MAC};
use aya_programs::{after, at};

aya_programs::program!();

const SERVICES_AT_MOST: u32 = 16;
const PLACES: u32 = 256;

#[repr(C)]
pub struct Ports {
    source: u16,
    destination: u16,
}

#[repr(C)]
pub struct Service {
    address: u32,
    port: u16,
    protocol: u16,
}

#[repr(C)]
pub struct Backend {
    address: u32,
    mac: Mac,
}

/// Where in `backends` the places of each service begin.
#[map(name = "services")]
static SERVICES: HashMap<Service, u32> = HashMap::with_max_entries(SERVICES_AT_MOST, 0);
#[map(name = "backends")]
static BACKENDS: Array<Backend> = Array::with_max_entries(SERVICES_AT_MOST * PLACES, 0);
#[map(name = "forwarded")]
static FORWARDED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

#[xdp]
pub fn xdp_main(ctx: XdpContext) -> u32 {
    forward(&ctx).unwrap_or(XDP_PASS)
}

#[inline(always)]
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// Of the numbers as they are and not as they lie in memory, so that machines of either byte order agree.
#[inline(always)]
fn hash_of(ip: &Ipv4, ports: &Ports) -> u64 {
    let addresses = u64::from(u32::from_be(ip.saddr)) << 32 | u64::from(u32::from_be(ip.daddr));
    let source = u64::from(u16::from_be(ports.source)) << 32;
    let destination = u64::from(u16::from_be(ports.destination)) << 16;
    mix(mix(addresses) ^ source ^ destination ^ u64::from(ip.protocol))
}

#[inline(always)]
fn forward(ctx: &XdpContext) -> Option<u32> {
    let eth = at::<Eth>(ctx, 0)?;
    if unsafe { (*eth).proto } != ETH_P_IP {
        return None;
    }
    let ip = unsafe { &*at::<Ipv4>(ctx, size_of::<Eth>())? };
    if ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP {
        return None;
    }
    if ip.frag_off & 0x1fff_u16.to_be() != 0 {
        return None;
    }
    let ports = unsafe { &*after::<Ports>(&raw const *ip as usize + ip.length(), ctx)? };
    let service = Service { address: ip.daddr, port: ports.destination, protocol: u16::from(ip.protocol) };
    let first = unsafe { *SERVICES.get_ptr(&service)? };
    let place = first + (hash_of(ip, ports) % u64::from(PLACES)) as u32;
    let backend = BACKENDS.get(place)?;
    Some(encapsulate(ctx, u16::from_be(ip.tot_len), backend))
}

#[inline(always)]
fn encapsulate(ctx: &XdpContext, length: u16, backend: &Backend) -> u32 {
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, -(size_of::<Ipv4>() as i32)) } < 0 {
        return XDP_ABORTED;
    }
    let (Some(eth), Some(ip)) = (at::<Eth>(ctx, 0), at::<Ipv4>(ctx, size_of::<Eth>())) else {
        return XDP_ABORTED;
    };
    unsafe {
        *eth = Eth { dest: backend.mac, source: OUR_MAC, proto: ETH_P_IP };
        *ip = Ipv4 {
            version_ihl: 0x45,
            tos: 0,
            tot_len: (length + size_of::<Ipv4>() as u16).to_be(),
            id: 0,
            frag_off: 0,
            ttl: 64,
            protocol: IPPROTO_IPIP,
            check: 0,
            saddr: OUR_ADDRESS,
            daddr: backend.address,
        };
        let halves = ip.cast::<[u16; size_of::<Ipv4>() / 2]>();
        let mut sum: u32 = (*halves).iter().map(|half| u32::from(*half)).sum();
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        (*ip).check = !sum as u16;
    }
    if let Some(count) = FORWARDED.get_ptr_mut(0) {
        unsafe { *count += 1 };
    }
    XDP_TX
}
