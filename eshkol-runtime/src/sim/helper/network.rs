//! Helpers on packets and checksums (`net/core/filter.c`).

use super::{Arguments, Errno, Fault, Helper, Run, negated, outcome, size};
use crate::sim::alu::low;
use crate::sim::context::Context;
use crate::sim::execute::Redirect;
use crate::sim::memory::Memory;
use crate::sim::packet::Packet;
use crate::sys::kind;

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 23, name: "bpf_redirect", arguments: 2, call: redirect },
    Helper { number: 28, name: "bpf_csum_diff", arguments: 5, call: csum_diff },
    Helper {
        number: 44,
        name: "bpf_xdp_adjust_head",
        arguments: 2,
        call: |run, a| adjust(run, a, Packet::adjust_head),
    },
    Helper { number: 51, name: "bpf_redirect_map", arguments: 3, call: redirect_map },
    Helper {
        number: 54,
        name: "bpf_xdp_adjust_meta",
        arguments: 2,
        call: |run, a| adjust(run, a, Packet::adjust_meta),
    },
    Helper {
        number: 65,
        name: "bpf_xdp_adjust_tail",
        arguments: 2,
        call: |run, a| adjust(run, a, Packet::adjust_tail),
    },
    Helper { number: 188, name: "bpf_xdp_get_buff_len", arguments: 1, call: packet_length },
    Helper { number: 189, name: "bpf_xdp_load_bytes", arguments: 4, call: load_bytes },
    Helper { number: 190, name: "bpf_xdp_store_bytes", arguments: 4, call: store_bytes },
];

/// `XDP_ABORTED` and `XDP_REDIRECT`.
const ABORTED: u64 = 0;
const REDIRECT: u64 = 4;

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
    const INGRESS: u64 = 1;
    const SHOT: u64 = 2;
    const REDIRECT: u64 = 7;
    if flags & !INGRESS != 0 {
        return SHOT;
    }
    run.redirect = Some(Redirect::Interface(low(interface)));
    REDIRECT
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

/// The change of a checksum. Since Linux 6.13 it is folded to 16 bits, and memory of any size will do.
fn csum_diff(run: &mut Run<'_>, [from, from_size, to, to_size, seed]: Arguments) -> Result<u64, Fault> {
    let memory = &run.world.memory;
    let (from_size, to_size, seed) = (low(from_size), low(to_size), low(seed));
    let bytes =
        |address, length| if length == 0 { Ok(&[][..]) } else { memory.bytes(address, size(u64::from(length))) };
    let (from, to) = (bytes(from, from_size)?, bytes(to, to_size)?);
    let sum = match (from_size, to_size) {
        (0, 0) => seed,
        (0, _) => sum(to, seed),
        (_, 0) => !sum(from, !seed),
        _ => fold(u64::from(sum(to, seed)) + u64::from(!sum(from, 0))),
    };
    // `csum_from32to16`
    Ok(u64::from(sum.wrapping_add(sum.rotate_left(16)) >> 16))
}

/// The sum of the words of memory (RFC 1071) in 32 bits (`csum_partial`). What is missing of a last word is zero. Which of the numbers that
/// mean the same sum it is shows where it is complemented; this is what x86 makes of words of 32 bits and more.
fn sum(bytes: &[u8], start: u32) -> u32 {
    let words = bytes.chunks(4).map(|part| {
        let mut word = [0; 4];
        word[..part.len()].copy_from_slice(part);
        u32::from_ne_bytes(word)
    });
    fold(words.fold(u64::from(start), |sum, word| sum + u64::from(word)))
}

/// Adds the upper half to the lower one until there is none.
pub(super) fn fold(mut sum: u64) -> u32 {
    while sum >> 32 != 0 {
        sum = (sum & u64::from(u32::MAX)) + (sum >> 32);
    }
    low(sum)
}

/// One of the helpers that move the packet.
fn adjust(
    run: &mut Run<'_>,
    [context, by, ..]: Arguments,
    how: fn(&mut Packet, &mut Memory, i32) -> Result<(), Errno>,
) -> Result<u64, Fault> {
    let by = low(by).cast_signed();
    let (packet, memory) = packet(run, context)?;
    Ok(outcome(how(packet, memory, by)))
}

fn packet_length(run: &mut Run<'_>, [context, ..]: Arguments) -> Result<u64, Fault> {
    Ok(packet(run, context)?.0.len() as u64)
}

fn load_bytes(run: &mut Run<'_>, [context, offset, buffer, length, _]: Arguments) -> Result<u64, Fault> {
    let place = match slice(run, context, offset, length)? {
        Ok(place) => place,
        Err(errno) => return Ok(negated(errno)),
    };
    let bytes = run.world.memory.bytes(place, size(length))?.to_vec();
    run.world.memory.fill(buffer, &bytes)?;
    Ok(0)
}

fn store_bytes(run: &mut Run<'_>, [context, offset, buffer, length, _]: Arguments) -> Result<u64, Fault> {
    let place = match slice(run, context, offset, length)? {
        Ok(place) => place,
        Err(errno) => return Ok(negated(errno)),
    };
    let bytes = run.world.memory.bytes(buffer, size(length))?.to_vec();
    run.world.memory.fill(place, &bytes)?;
    Ok(0)
}

/// A part of the packet, where it is one (`bpf_xdp_pointer`).
fn slice(run: &mut Run<'_>, context: u64, offset: u64, length: u64) -> Result<Result<u64, Errno>, Fault> {
    let offset = offset & u64::from(u32::MAX);
    let (packet, _) = packet(run, context)?;
    if offset > 0xffff || length > 0xffff {
        return Ok(Err(Errno(libc::EFAULT)));
    }
    Ok(packet.slice(size(offset), size(length)).ok_or(Errno(libc::EINVAL)))
}

/// The packet of the context that a helper is given.
pub(super) fn packet<'a>(run: &'a mut Run<'_>, context: u64) -> Result<(&'a mut Packet, &'a mut Memory), Fault> {
    if context != run.context_address {
        return Err(Fault(format!("gives {context:#x} where the context belongs")));
    }
    match run.context.packet() {
        Some(packet) => Ok((packet, &mut run.world.memory)),
        None => Err(Fault::new("has no packet")),
    }
}
