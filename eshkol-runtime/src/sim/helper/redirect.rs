//! Helpers that say where a packet is to go (`net/core/filter.c`).

use super::network::packet;
use super::{Arguments, Errno, Fault, Helper, Run, negated};
use crate::sim::alu::low;
use crate::sim::context::Context;
use crate::sim::execute::{ClonedPacket, Redirect};
use crate::sys::kind;

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 13, name: "bpf_clone_redirect", arguments: 3, call: clone_redirect },
    Helper { number: 23, name: "bpf_redirect", arguments: 2, call: redirect },
    Helper { number: 51, name: "bpf_redirect_map", arguments: 3, call: redirect_map },
    Helper { number: 152, name: "bpf_redirect_neigh", arguments: 4, call: redirect_neighbour },
    Helper { number: 155, name: "bpf_redirect_peer", arguments: 2, call: redirect_peer },
];

/// `XDP_ABORTED` and `XDP_REDIRECT`.
const ABORTED: u64 = 0;
const REDIRECT: u64 = 4;

/// `TC_ACT_SHOT` and `TC_ACT_REDIRECT`.
const SHOT: u64 = 2;
const REDIRECT_AT_TRAFFIC_CONTROL: u64 = 7;

/// `BPF_F_INGRESS`
const INGRESS: u64 = 1;

fn redirect(run: &mut Run<'_>, [interface, flags, ..]: Arguments) -> Result<u64, Fault> {
    if let Context::SocketBuffer(_) = run.context {
        return Ok(redirect_at_traffic_control(run, interface, flags));
    }
    if flags != 0 {
        return Ok(ABORTED);
    }
    run.redirect = Some(Redirect::Interface(low(interface)));
    Ok(REDIRECT)
}

/// `bpf_redirect` in `net/core/filter.c`, which takes the flag `BPF_F_INGRESS`.
fn redirect_at_traffic_control(run: &mut Run<'_>, interface: u64, flags: u64) -> u64 {
    if flags & !INGRESS != 0 {
        return SHOT;
    }
    run.redirect = Some(Redirect::Interface(low(interface)));
    REDIRECT_AT_TRAFFIC_CONTROL
}

/// `__bpf_xdp_redirect_map` in `include/linux/filter.h`.
fn redirect_map(run: &mut Run<'_>, [map, key, flags, ..]: Arguments) -> Result<u64, Fault> {
    /// The lower bits of the flags are what is returned where the map has nothing.
    const ACTIONS: u64 = 3;
    /// `BPF_F_BROADCAST` and `BPF_F_EXCLUDE_INGRESS`.
    const BROADCAST: u64 = 1 << 3;
    const EXCLUDE_INGRESS: u64 = 1 << 4;
    let map = run.map(map)?;
    let world = &mut *run.world;
    let is_device_map = [kind::DEVMAP, kind::DEVMAP_HASH].contains(&world.maps[map].definition.kind);
    let allowed = if is_device_map { ACTIONS | BROADCAST | EXCLUDE_INGRESS } else { ACTIONS };
    if flags & !allowed != 0 {
        return Ok(ABORTED);
    }
    let key = low(key);
    if flags & BROADCAST == 0 && !world.maps[map].has(&mut world.memory, &key.to_ne_bytes()) {
        return Ok(flags & ACTIONS);
    }
    let map = world.maps[map].definition.name.clone();
    run.redirect = Some(if flags & BROADCAST == 0 { Redirect::Entry { map, key } } else { Redirect::All { map } });
    Ok(REDIRECT)
}

/// `bpf_redirect_neigh(interface, next hop, its size, flags)`
fn redirect_neighbour(run: &mut Run<'_>, [interface, next_hop, length, flags, _]: Arguments) -> Result<u64, Fault> {
    /// `sizeof(struct bpf_redir_neigh)`
    const NEXT_HOP: u64 = 20;
    run.world.memory.bytes(next_hop, super::size(length))?;
    if (length != 0 && length < NEXT_HOP) || flags != 0 {
        return Ok(SHOT);
    }
    run.redirect = Some(Redirect::Neighbour(low(interface)));
    Ok(REDIRECT_AT_TRAFFIC_CONTROL)
}

fn redirect_peer(run: &mut Run<'_>, [interface, flags, ..]: Arguments) -> Result<u64, Fault> {
    if flags != 0 {
        return Ok(SHOT);
    }
    run.redirect = Some(Redirect::Peer(low(interface)));
    Ok(REDIRECT_AT_TRAFFIC_CONTROL)
}

/// `bpf_clone_redirect(skb, interface, flags)`: the copy goes nowhere but into the outcome of the run.
fn clone_redirect(run: &mut Run<'_>, [context, interface, flags, ..]: Arguments) -> Result<u64, Fault> {
    let (packet, memory) = packet(run, context)?;
    packet.renew(memory, "bpf_clone_redirect makes the packet writable, which may move it");
    let (_, bytes) = packet.bytes(memory);
    if flags & !INGRESS != 0 || !run.world.environment.is_interface(low(interface)) {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    run.clones.push(ClonedPacket { interface: low(interface), into: flags == INGRESS, packet: bytes });
    Ok(0)
}
