//! Helpers on checksums in socket buffers, and on what is known of them (`net/core/filter.c`). The sum of the whole packet is never known here
//! (`CHECKSUM_COMPLETE`).

use super::super::network::{fold, packet};
use super::super::{Arguments, ENOTSUPP, Errno, Fault, Helper, Run, negated, size};
use super::{MOVED, low_16, socket_buffer};
use crate::sim::alu::low;
use crate::sim::memory::Memory;
use crate::sim::socket_buffer::{IPV4, IPV6, SocketBuffer, is_vlan};

pub(in super::super) static HELPERS: &[Helper] = &[
    Helper { number: 10, name: "bpf_l3_csum_replace", arguments: 5, call: l3_checksum },
    Helper { number: 11, name: "bpf_l4_csum_replace", arguments: 5, call: l4_checksum },
    Helper { number: 40, name: "bpf_csum_update", arguments: 2, call: no_sum },
    Helper { number: 97, name: "bpf_skb_ecn_set_ce", arguments: 1, call: met_congestion },
    Helper { number: 135, name: "bpf_csum_level", arguments: 2, call: level },
];

/// Bits of flags that say how large the changed field is (`BPF_F_HDR_FIELD_MASK`).
const FIELD: u64 = 0xf;

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
    /// Since Linux 6.16 (commit ead7f9b8de65).
    const IPV6: u64 = 0x80;
    /// `CSUM_MANGLED_0`: in UDP, 0 says that there is no checksum.
    const MANGLED_0: u16 = 0xffff;
    let place = checksum(run, context, offset)?;
    if flags & !(FIELD | PSEUDO_HEADER | MARK_MANGLED_0 | MARK_ENFORCE | IPV6) != 0 {
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
            fold(
                u64::from(fold(u64::from(!u32::from(checksum) & 0xffff) + u64::from(!low(from)))) + u64::from(low(to)),
            )
            .into(),
        ),
        _ => return None,
    };
    Some(!sum)
}

fn fold_to_16(sum: u64) -> u16 {
    let mut sum = u64::from(fold(sum));
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    low_16(sum)
}

/// The sum that an interface found, which there is not.
fn no_sum(run: &mut Run<'_>, [context, ..]: Arguments) -> Result<u64, Fault> {
    socket_buffer(run, context)?;
    Ok(negated(ENOTSUPP))
}

/// `bpf_csum_level`: how many checksums, one within the other, are known to be right.
fn level(run: &mut Run<'_>, [context, what, ..]: Arguments) -> Result<u64, Fault> {
    /// `SKB_MAX_CSUM_LEVEL`
    const MOST: u8 = 3;
    let (buffer, _) = socket_buffer(run, context)?;
    buffer.checksums = match (what, buffer.checksums) {
        (0, None) => return Ok(negated(Errno(libc::EACCES))),
        (0, Some(level)) => return Ok(level.into()),
        (1, None) => Some(0),
        (1, Some(level)) => Some(MOST.min(level + 1)),
        (2, level) => level.and_then(|level| level.checked_sub(1)),
        (3, _) => None,
        _ => return Ok(negated(Errno(libc::EINVAL))),
    };
    Ok(0)
}

fn met_congestion(run: &mut Run<'_>, [context, ..]: Arguments) -> Result<u64, Fault> {
    let (buffer, memory) = socket_buffer(run, context)?;
    Ok(mark(buffer, memory).unwrap_or(false).into())
}

/// Marks the IP header where its sender minds (`INET_ECN_set_ce` in `include/net/inet_ecn.h`); whether it is marked now. `None` where there is none.
fn mark(buffer: &SocketBuffer, memory: &mut Memory) -> Option<bool> {
    const MARK: u8 = 0b11;
    let (packet, at) = (&buffer.packet, buffer.headers.network);
    match network_protocol(buffer, memory)? {
        IPV4 => {
            let header: [u8; 20] = packet.read(memory, at)?;
            let [_, service, ..] = header;
            let checksum = [header[10], header[11]];
            let added: u16 = match service & MARK {
                0 => return Some(false),
                MARK => return Some(true),
                1 => 0xfffd,
                _ => 0xfffe,
            };
            // `csum16_add`
            let (sum, carries) = u16::from_be_bytes(checksum).overflowing_add(added);
            packet.write(memory, at + 10, &sum.wrapping_add(carries.into()).to_be_bytes());
            packet.write(memory, at + 1, &[service | MARK]);
            Some(true)
        }
        IPV6 => {
            let [_, second, ..] = packet.read::<40>(memory, at)?;
            // The service begins in the middle of the first byte.
            if second >> 4 & MARK == 0 {
                return Some(false);
            }
            packet.write(memory, at + 1, &[second | MARK << 4]);
            Some(true)
        }
        _ => None,
    }
}

/// What is behind the tags of VLANs (`__vlan_get_protocol_offset` in `include/linux/if_vlan.h`).
fn network_protocol(buffer: &SocketBuffer, memory: &Memory) -> Option<u16> {
    /// `VLAN_MAX_DEPTH`, of which the last one is not looked behind.
    const MOST: usize = 8;
    // The type in front of the network header is that of the first tag.
    let (mut protocol, mut end) = (buffer.protocol, buffer.headers.network);
    let mut tags = 0;
    while is_vlan(protocol) {
        tags += 1;
        let kind = buffer.packet.read(memory, end.checked_sub(2)?).filter(|_| tags < MOST)?;
        (protocol, end) = (u16::from_ne_bytes(kind), end + 4);
    }
    Some(protocol)
}
