//! Helpers on packets and checksums (`net/core/filter.c`).

use super::{Arguments, Errno, Fault, Helper, Run, negated, outcome, size};
use crate::sim::alu::low;
use crate::sim::context::Context;
use crate::sim::memory::Memory;
use crate::sim::packet::Packet;

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 28, name: "bpf_csum_diff", arguments: 5, call: csum_diff },
    Helper {
        number: 44,
        name: "bpf_xdp_adjust_head",
        arguments: 2,
        call: |run, a| adjust(run, a, Packet::adjust_head),
    },
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
    Helper { number: 163, name: "bpf_check_mtu", arguments: 5, call: check_mtu },
    Helper { number: 188, name: "bpf_xdp_get_buff_len", arguments: 1, call: packet_length },
    Helper { number: 189, name: "bpf_xdp_load_bytes", arguments: 4, call: load_bytes },
    Helper { number: 190, name: "bpf_xdp_store_bytes", arguments: 4, call: store_bytes },
];

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

/// `bpf_check_mtu(context, interface, length, difference, flags)`: the length is that of the IP packet or, where it is 0, the packet's own. It is made the
/// MTU of the interface.
fn check_mtu(run: &mut Run<'_>, [context, interface, place, difference, flags]: Arguments) -> Result<u64, Fault> {
    /// `BPF_MTU_CHK_SEGS`, for packets of several segments.
    const SEGMENTS: u64 = 1;
    const FITS: u64 = 0;
    const IS_TOO_LONG: u64 = 1;
    /// `ETH_HLEN`, which interfaces have beside their MTU.
    const HEADER: i32 = 14;
    let in_segments = matches!(run.context, Context::SocketBuffer(_)) && flags == SEGMENTS;
    let own = packet(run, context)?.0.len();
    let given = low(run.world.memory.read(place, 4)?).cast_signed();
    let difference = low(difference).cast_signed();
    if (flags != 0 && !in_segments) || (in_segments && (difference != 0 || given != 0)) {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    let Some(mtu) = run.world.environment.mtu(low(interface)) else { return Ok(negated(Errno(libc::ENODEV))) };
    // As the kernel counts, which leaves it to programs to give no lengths that can't be.
    let length = if given == 0 { i32::try_from(own).unwrap_or(i32::MAX) } else { given.wrapping_add(HEADER) };
    let fits = length.wrapping_add(difference) <= mtu.cast_signed().wrapping_add(HEADER);
    run.world.memory.write(place, 4, mtu.into())?;
    Ok(if fits { FITS } else { IS_TOO_LONG })
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
