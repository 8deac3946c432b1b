//! Helpers on packets in socket buffers (`net/core/filter.c`). All of a packet lies in one piece here, and its checksum is not known to be right.

use super::network::{fold, packet};
use super::{Arguments, Errno, Fault, Helper, Run, negated, size};
use crate::sim::alu::low;
use crate::sim::context::Context;
use crate::sim::socket_buffer::HASH;

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 9, name: "bpf_skb_store_bytes", arguments: 5, call: store_bytes },
    Helper { number: 10, name: "bpf_l3_csum_replace", arguments: 5, call: l3_checksum },
    Helper { number: 11, name: "bpf_l4_csum_replace", arguments: 5, call: l4_checksum },
    Helper { number: 26, name: "bpf_skb_load_bytes", arguments: 4, call: load_bytes },
    Helper { number: 39, name: "bpf_skb_pull_data", arguments: 2, call: pull_data },
    Helper {
        number: 41,
        name: "bpf_set_hash_invalid",
        arguments: 1,
        call: |run, [context, ..]| set_hash(run, context, 0),
    },
    Helper { number: 46, name: "bpf_get_socket_cookie", arguments: 1, call: no_socket },
    Helper {
        number: 48,
        name: "bpf_set_hash",
        arguments: 2,
        call: |run, [context, hash, ..]| set_hash(run, context, hash),
    },
];

/// What becomes of a packet that a helper may have moved.
const MOVED: &str = "a helper has made the packet writable, which may move it";
/// Bits of flags that say how large the changed field is (`BPF_F_HDR_FIELD_MASK`).
const FIELD: u64 = 0xf;

/// The kernel fills the buffer with zeros where the packet has not so much.
fn load_bytes(run: &mut Run<'_>, [context, offset, buffer, length, _]: Arguments) -> Result<u64, Fault> {
    let offset = low(offset);
    let place = packet(run, context)?.0.slice(size(offset.into()), size(length));
    let place = place.filter(|_| offset <= i32::MAX.cast_unsigned());
    let (bytes, result) = match place {
        Some(place) => (run.world.memory.bytes(place, size(length))?.to_vec(), 0),
        None => (vec![0; size(length)], negated(Errno(libc::EFAULT))),
    };
    run.world.memory.fill(buffer, &bytes)?;
    Ok(result)
}

fn store_bytes(run: &mut Run<'_>, [context, offset, buffer, length, flags]: Arguments) -> Result<u64, Fault> {
    /// `BPF_F_RECOMPUTE_CSUM` and `BPF_F_INVALIDATE_HASH`.
    const ALLOWED: u64 = 0b11;
    const INVALIDATE_HASH: u64 = 0b10;
    let bytes = run.world.memory.bytes(buffer, size(length))?.to_vec();
    let offset = low(offset);
    let (packet, memory) = packet(run, context)?;
    packet.renew(memory, MOVED);
    if flags & !ALLOWED != 0 {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    let Some(place) = packet.slice(size(offset.into()), bytes.len()).filter(|_| offset <= i32::MAX.cast_unsigned())
    else {
        return Ok(negated(Errno(libc::EFAULT)));
    };
    memory.fill(place, &bytes)?;
    if flags & INVALIDATE_HASH != 0 {
        set_hash(run, context, 0)?;
    }
    Ok(0)
}

fn pull_data(run: &mut Run<'_>, [context, length, ..]: Arguments) -> Result<u64, Fault> {
    let (packet, memory) = packet(run, context)?;
    packet.renew(memory, MOVED);
    let is_there = size(low(length).into()) <= packet.len();
    Ok(if is_there { 0 } else { negated(Errno(libc::ENOMEM)) })
}

/// The checksum at an offset, where there is one.
fn checksum(run: &mut Run<'_>, context: u64, offset: u64) -> Result<Option<u64>, Fault> {
    let offset = low(offset);
    let (packet, memory) = packet(run, context)?;
    packet.renew(memory, MOVED);
    let is_aligned = offset <= 0xffff && offset.is_multiple_of(2);
    Ok(packet.slice(size(offset.into()), 2).filter(|_| is_aligned))
}

fn l3_checksum(run: &mut Run<'_>, [context, offset, from, to, flags]: Arguments) -> Result<u64, Fault> {
    let place = checksum(run, context, offset)?;
    if flags & !FIELD != 0 {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    let Some(place) = place else { return Ok(negated(Errno(libc::EFAULT))) };
    let old = read(run, place)?;
    match changed(old, from, to, flags & FIELD) {
        Some(new) => write(run, place, new),
        None => Ok(negated(Errno(libc::EINVAL))),
    }
}

fn l4_checksum(run: &mut Run<'_>, [context, offset, from, to, flags]: Arguments) -> Result<u64, Fault> {
    const PSEUDO_HEADER: u64 = 0x10;
    const MARK_MANGLED_0: u64 = 0x20;
    const MARK_ENFORCE: u64 = 0x40;
    /// `CSUM_MANGLED_0`: in UDP, 0 says that there is no checksum.
    const MANGLED_0: u16 = 0xffff;
    let place = checksum(run, context, offset)?;
    if flags & !(FIELD | PSEUDO_HEADER | MARK_MANGLED_0 | MARK_ENFORCE) != 0 {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    let Some(place) = place else { return Ok(negated(Errno(libc::EFAULT))) };
    let old = read(run, place)?;
    let marks = flags & MARK_MANGLED_0 != 0;
    if marks && flags & MARK_ENFORCE == 0 && old == 0 {
        return Ok(0);
    }
    match changed(old, from, to, flags & FIELD) {
        Some(0) if marks => write(run, place, MANGLED_0),
        Some(new) => write(run, place, new),
        None => Ok(negated(Errno(libc::EINVAL))),
    }
}

fn read(run: &Run<'_>, place: u64) -> Result<u16, Fault> {
    let bytes = run.world.memory.bytes(place, 2)?;
    Ok(u16::from_ne_bytes([bytes[0], bytes[1]]))
}

fn write(run: &mut Run<'_>, place: u64, checksum: u16) -> Result<u64, Fault> {
    run.world.memory.fill(place, &checksum.to_ne_bytes())?;
    Ok(0)
}

/// A checksum for data of which a field of so many bytes had one value and has another (RFC 1624), or whose sum changes by `to`.
fn changed(checksum: u16, from: u64, to: u64, bytes: u64) -> Option<u16> {
    let sum = match bytes {
        0 if from == 0 => {
            let sum = u64::from(!checksum) + u64::from(low(to));
            fold_to_16(sum)
        }
        2 => fold_to_16(u64::from(!checksum) + u64::from(!low_16(from)) + u64::from(low_16(to))),
        4 => fold_to_16(
            fold_32(
                u64::from(fold_32(u64::from(!u32::from(checksum) & 0xffff) + u64::from(!low(from))))
                    + u64::from(low(to)),
            )
            .into(),
        ),
        _ => return None,
    };
    Some(!sum)
}

fn low_16(number: u64) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or(0)
}

fn fold_32(sum: u64) -> u32 {
    fold(sum)
}

fn fold_to_16(sum: u64) -> u16 {
    let mut sum = u64::from(fold(sum));
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    low_16(sum)
}

fn set_hash(run: &mut Run<'_>, context: u64, hash: u64) -> Result<u64, Fault> {
    packet(run, context)?;
    if let Context::SocketBuffer(buffer) = &mut run.context {
        buffer.set(HASH, low(hash).into());
    }
    Ok(0)
}

/// No socket belongs to a packet here.
fn no_socket(run: &mut Run<'_>, [context, ..]: Arguments) -> Result<u64, Fault> {
    packet(run, context)?;
    Ok(0)
}
