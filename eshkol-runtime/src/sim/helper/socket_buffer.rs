//! Helpers on packets in socket buffers (`net/core/filter.c`). All of a packet lies in one piece here, and its checksum is not known to be right.

pub(super) mod checksum;
pub(super) mod flow;
pub(super) mod origin;
pub(super) mod room;
pub(super) mod tunnel;
pub(super) mod vlan;

use super::network::packet;
use super::{Arguments, Errno, Fault, Helper, Run, negated, size};
use crate::sim::alu::low;
use crate::sim::context::Context;
use crate::sim::memory::Memory;
use crate::sim::socket_buffer::{IPV4, IPV6, PACKET_TYPE, SocketBuffer, TIME, TIME_TYPE};

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 9, name: "bpf_skb_store_bytes", arguments: 5, call: store_bytes },
    Helper { number: 26, name: "bpf_skb_load_bytes", arguments: 4, call: load_bytes },
    Helper { number: 32, name: "bpf_skb_change_type", arguments: 2, call: change_type },
    Helper { number: 39, name: "bpf_skb_pull_data", arguments: 2, call: pull_data },
    Helper { number: 68, name: "bpf_skb_load_bytes_relative", arguments: 5, call: load_bytes_relative },
    Helper { number: 192, name: "bpf_skb_set_tstamp", arguments: 3, call: set_time },
];

/// What becomes of a packet that a helper may have moved.
const MOVED: &str = "a helper has made the packet writable, which may move it";

/// The kernel fills the buffer with zeros where the packet has not so much.
fn load_bytes(run: &mut Run<'_>, [context, offset, buffer, length, _]: Arguments) -> Result<u64, Fault> {
    let offset = low(offset);
    let place = packet(run, context)?.0.slice(size(offset.into()), size(length));
    load(run, place.filter(|_| offset <= i32::MAX.cast_unsigned()), buffer, length)
}

/// The same from where a header begins. Where a raw packet socket gives a filter the packet, there is an Ethernet header; the kernel's test runs have it
/// before what such programs see.
fn load_bytes_relative(run: &mut Run<'_>, [context, offset, to, length, from]: Arguments) -> Result<u64, Fault> {
    const FROM_LINK: u32 = 0;
    const FROM_NETWORK: u32 = 1;
    let (buffer, _) = socket_buffer(run, context)?;
    let start = match low(from) {
        FROM_LINK if buffer.has_ethernet_header() => Some(0),
        FROM_NETWORK => Some(buffer.headers.network),
        _ => None,
    };
    let offset = low(offset);
    let place = start
        .filter(|_| offset <= 0xffff)
        .and_then(|start| buffer.packet.slice(start + size(offset.into()), size(low(length).into())));
    load(run, place, to, length)
}

/// Fills a buffer from a place in the packet, or with zeros where there is none.
fn load(run: &mut Run<'_>, place: Option<u64>, to: u64, length: u64) -> Result<u64, Fault> {
    let length = size(length);
    let (bytes, result) = match place {
        Some(place) => (run.world.memory.bytes(place, length)?.to_vec(), 0),
        None => (Vec::new(), negated(Errno(libc::EFAULT))),
    };
    run.write_all(to, &bytes, length)?;
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
        socket_buffer(run, context)?.0.set_hash(None);
    }
    Ok(0)
}

fn pull_data(run: &mut Run<'_>, [context, length, ..]: Arguments) -> Result<u64, Fault> {
    let (packet, memory) = packet(run, context)?;
    packet.renew(memory, MOVED);
    let is_there = size(low(length).into()) <= packet.len();
    Ok(if is_there { 0 } else { negated(Errno(libc::ENOMEM)) })
}

fn low_16(number: u64) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or(0)
}

fn change_type(run: &mut Run<'_>, [context, kind, ..]: Arguments) -> Result<u64, Fault> {
    /// `PACKET_OTHERHOST`: those after it are the kernel's own.
    const LAST: u32 = 3;
    let (buffer, _) = socket_buffer(run, context)?;
    if low(kind) > LAST {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    buffer.set(PACKET_TYPE, low(kind).into());
    Ok(0)
}

/// `bpf_skb_set_tstamp(skb, time, clock)`
fn set_time(run: &mut Run<'_>, [context, time, clock, ..]: Arguments) -> Result<u64, Fault> {
    /// `BPF_SKB_CLOCK_REALTIME`, `BPF_SKB_CLOCK_MONOTONIC` and `BPF_SKB_CLOCK_TAI`.
    const REAL: u32 = 0;
    const MONOTONIC: u32 = 1;
    const ATOMIC: u32 = 2;
    let (buffer, _) = socket_buffer(run, context)?;
    if ![IPV4, IPV6].contains(&buffer.protocol) {
        return Ok(negated(Errno(libc::EOPNOTSUPP)));
    }
    match low(clock) {
        REAL => {}
        MONOTONIC | ATOMIC if time != 0 => {}
        _ => return Ok(negated(Errno(libc::EINVAL))),
    }
    buffer.set(TIME, time);
    buffer.set(TIME_TYPE, low(clock).into());
    Ok(0)
}

/// The socket buffer of the context that a helper is given.
fn socket_buffer<'a>(run: &'a mut Run<'_>, context: u64) -> Result<(&'a mut SocketBuffer, &'a mut Memory), Fault> {
    packet(run, context)?;
    match &mut run.context {
        Context::SocketBuffer(buffer) => Ok((buffer, &mut run.world.memory)),
        Context::Xdp(_) | Context::Given => Err(Fault::new("has no socket buffer")),
    }
}
