//! Helpers that make a packet longer or shorter (`net/core/filter.c`).

use super::super::{Arguments, ENOTSUPP, Errno, Fault, Helper, Run, outcome, size};
use super::{low_16, socket_buffer};
use crate::sim::alu::low;
use crate::sim::memory::Memory;
use crate::sim::socket_buffer::{IPV4, IPV6, SocketBuffer};

pub(in super::super) static HELPERS: &[Helper] = &[
    Helper { number: 31, name: "bpf_skb_change_proto", arguments: 3, call: |run, a| change(run, a, change_protocol) },
    Helper { number: 38, name: "bpf_skb_change_tail", arguments: 3, call: |run, a| change(run, a, change_tail) },
    Helper { number: 43, name: "bpf_skb_change_head", arguments: 3, call: |run, a| change(run, a, change_head) },
    Helper { number: 50, name: "bpf_skb_adjust_room", arguments: 4, call: |run, a| change(run, a, adjust_room) },
];

const MOVED: &str = "a helper has changed the packet's length, which moves it";

/// The longest that a packet gets so (`BPF_SKB_MAX_LEN`): four pages, without what the kernel needs at their end (`struct skb_shared_info`).
const LONGEST: usize = 4 * 4096 - 320;

/// `sizeof(struct iphdr)` and `sizeof(struct ipv6hdr)`.
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// One of the helpers here. The packet has moved also where nothing has become of it, as it may have for the kernel's verifier.
fn change(
    run: &mut Run<'_>,
    [context, arguments @ ..]: Arguments,
    how: fn(&mut SocketBuffer, &mut Memory, [u64; 4]) -> Result<(), Errno>,
) -> Result<u64, Fault> {
    let (buffer, memory) = socket_buffer(run, context)?;
    buffer.packet.renew(memory, MOVED);
    Ok(outcome(how(buffer, memory, arguments)))
}

fn change_tail(buffer: &mut SocketBuffer, memory: &mut Memory, [length, flags, ..]: [u64; 4]) -> Result<(), Errno> {
    let (length, old) = (size(low(length).into()), buffer.packet.len());
    if flags != 0 || length > LONGEST || length < buffer.headers.shortest() {
        return Err(Errno(libc::EINVAL));
    }
    if buffer.headers.encapsulated {
        return Err(ENOTSUPP);
    }
    buffer.packet.replace(memory, length.min(old)..old, length.saturating_sub(old), MOVED);
    Ok(())
}

fn change_head(buffer: &mut SocketBuffer, memory: &mut Memory, [room, flags, ..]: [u64; 4]) -> Result<(), Errno> {
    let room = usize::try_from(low(room).cast_signed()).map_err(|_| Errno(libc::EINVAL))?;
    if flags != 0 || buffer.packet.len() + room > LONGEST {
        return Err(Errno(libc::EINVAL));
    }
    buffer.packet.replace(memory, 0..0, room, MOVED);
    buffer.headers.network += room;
    buffer.headers.transport = buffer.headers.transport.map(|at| at + room.cast_signed());
    Ok(())
}

fn change_protocol(buffer: &mut SocketBuffer, memory: &mut Memory, [to, flags, ..]: [u64; 4]) -> Result<(), Errno> {
    const DIFFERENCE: usize = IPV6_HEADER - IPV4_HEADER;
    if flags != 0 {
        return Err(Errno(libc::EINVAL));
    }
    let (to, at) = (low_16(to), buffer.headers.network);
    match (buffer.protocol, to) {
        (IPV4, IPV6) => push(buffer, memory, at, DIFFERENCE),
        (IPV6, IPV4) => pop(buffer, memory, at, DIFFERENCE)?,
        _ => return Err(ENOTSUPP),
    }
    buffer.protocol = to;
    buffer.set_hash(None);
    Ok(())
}

// Flags of `bpf_skb_adjust_room`.
const FIXED_GSO: u64 = 1 << 0;
const ENCAPSULATE_IPV4: u64 = 1 << 1;
const ENCAPSULATE_IPV6: u64 = 1 << 2;
const ENCAPSULATE_GRE: u64 = 1 << 3;
const ENCAPSULATE_UDP: u64 = 1 << 4;
const KEEP_CHECKSUM: u64 = 1 << 5;
const ENCAPSULATE_ETHERNET: u64 = 1 << 6;
const TAKE_IPV4: u64 = 1 << 7;
const TAKE_IPV6: u64 = 1 << 8;
/// Where the length of the inner Ethernet header is (`BPF_ADJ_ROOM_ENCAP_L2_SHIFT`).
const INNER_LENGTH: u32 = 56;

/// `bpf_skb_adjust_room(skb, difference, mode, flags)`
fn adjust_room(
    buffer: &mut SocketBuffer,
    memory: &mut Memory,
    [difference, mode, flags, _]: [u64; 4],
) -> Result<(), Errno> {
    const ALLOWED: u64 = 0x1ff | 0xff << INNER_LENGTH;
    const AFTER_NETWORK: u32 = 0;
    const AFTER_LINK: u32 = 1;
    const MOST: usize = 0xfff;
    let difference = low(difference).cast_signed();
    let by = size(difference.unsigned_abs().into());
    if flags & !ALLOWED != 0 {
        return Err(Errno(libc::EINVAL));
    }
    if by > MOST {
        return Err(Errno(libc::EFAULT));
    }
    let header = ip_header(buffer.protocol).ok_or(ENOTSUPP)?;
    let at = match low(mode) {
        AFTER_NETWORK => buffer.headers.network + header,
        AFTER_LINK => buffer.headers.network,
        _ => return Err(ENOTSUPP),
    };
    let shrinks = difference < 0;
    let shortest = match flags & (TAKE_IPV4 | TAKE_IPV6) {
        0 => header,
        TAKE_IPV4 if shrinks => IPV4_HEADER,
        TAKE_IPV6 if shrinks => IPV6_HEADER,
        _ => return Err(Errno(libc::EINVAL)),
    };
    if shrinks {
        let length = buffer.packet.len().saturating_sub(buffer.headers.network);
        if by >= length || length - by < shortest {
            return Err(ENOTSUPP);
        }
        shrink(buffer, memory, at, by, flags)?;
    } else {
        if buffer.packet.len() + by > LONGEST {
            return Err(ENOTSUPP);
        }
        grow(buffer, memory, at, by, flags)?;
    }
    if flags & KEEP_CHECKSUM == 0 {
        buffer.checksums = None;
    }
    Ok(())
}

/// `bpf_skb_net_shrink`
fn shrink(buffer: &mut SocketBuffer, memory: &mut Memory, at: usize, by: usize, flags: u64) -> Result<(), Errno> {
    if flags & !(FIXED_GSO | TAKE_IPV4 | TAKE_IPV6 | KEEP_CHECKSUM) != 0 {
        return Err(Errno(libc::EINVAL));
    }
    pop(buffer, memory, at, by)?;
    match buffer.protocol {
        IPV4 if flags & TAKE_IPV6 != 0 => buffer.protocol = IPV6,
        IPV6 if flags & TAKE_IPV4 != 0 => buffer.protocol = IPV4,
        _ => {}
    }
    Ok(())
}

/// `bpf_skb_net_grow`
fn grow(buffer: &mut SocketBuffer, memory: &mut Memory, at: usize, by: usize, flags: u64) -> Result<(), Errno> {
    /// `ETH_HLEN`, which is the least that an inner Ethernet header has.
    const ETHERNET: usize = 14;
    let has = |wanted: u64| flags & wanted == wanted;
    if flags & (ENCAPSULATE_IPV4 | ENCAPSULATE_IPV6) == 0 {
        push(buffer, memory, at, by);
        return Ok(());
    }
    let inner = size(flags >> INNER_LENGTH);
    if has(ENCAPSULATE_IPV4 | ENCAPSULATE_IPV6)
        || has(ENCAPSULATE_GRE | ENCAPSULATE_UDP)
        || (has(ENCAPSULATE_ETHERNET) && inner < ETHERNET)
    {
        return Err(Errno(libc::EINVAL));
    }
    if buffer.headers.encapsulated {
        return Err(Errno(libc::EALREADY));
    }
    if inner > by {
        return Err(Errno(libc::EINVAL));
    }
    push(buffer, memory, at, by);
    buffer.headers.encapsulated = true;
    let (protocol, header) = if has(ENCAPSULATE_IPV6) { (IPV6, IPV6_HEADER) } else { (IPV4, IPV4_HEADER) };
    buffer.protocol = protocol;
    if flags & (ENCAPSULATE_GRE | ENCAPSULATE_UDP) != 0 {
        buffer.headers.transport = Some((buffer.headers.network + header).cast_signed());
    }
    Ok(())
}

/// The least that an IP header of this protocol has.
fn ip_header(protocol: u16) -> Option<usize> {
    match protocol {
        IPV4 => Some(IPV4_HEADER),
        IPV6 => Some(IPV6_HEADER),
        _ => None,
    }
}

/// Puts zeros into the packet, at its end where it is too short (`bpf_skb_net_hdr_push`).
fn push(buffer: &mut SocketBuffer, memory: &mut Memory, at: usize, by: usize) {
    let at = at.min(buffer.packet.len());
    buffer.packet.replace(memory, at..at, by, MOVED);
    buffer.headers.data_behind_network_moved(by.cast_signed());
}

/// Takes a part out of the packet, where it is in it (`bpf_skb_net_hdr_pop`).
fn pop(buffer: &mut SocketBuffer, memory: &mut Memory, at: usize, by: usize) -> Result<(), Errno> {
    if at + by > buffer.packet.len() {
        return Err(Errno(libc::ENOMEM));
    }
    buffer.packet.replace(memory, at..at + by, 0, MOVED);
    buffer.headers.data_behind_network_moved(-by.cast_signed());
    Ok(())
}
