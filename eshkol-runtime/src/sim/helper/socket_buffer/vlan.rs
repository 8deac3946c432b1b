//! Helpers that add and take VLAN tags (`skb_vlan_push` and `skb_vlan_pop` in `net/core/skbuff.c`). The outermost tag is kept beside the packet, as
//! interfaces do that put it in themselves; those within it are in the packet.

use super::super::{Arguments, Errno, Fault, Helper, Run, outcome};
use super::{low_16, socket_buffer};
use crate::sim::memory::Memory;
use crate::sim::socket_buffer::{ETHERNET_HEADER, SocketBuffer, VlanTag, is_vlan, link_protocol};

pub(in super::super) static HELPERS: &[Helper] = &[
    Helper { number: 18, name: "bpf_skb_vlan_push", arguments: 3, call: push },
    Helper { number: 19, name: "bpf_skb_vlan_pop", arguments: 1, call: |run, [context, ..]| pop(run, context) },
];

const PUSHED: &str = "bpf_skb_vlan_push has moved the packet";
const POPPED: &str = "bpf_skb_vlan_pop has moved the packet";

/// Bytes of a tag, and of the two addresses before it.
const TAG: usize = 4;
const ADDRESSES: usize = 12;

/// `bpf_skb_vlan_push(skb, type, tag)`: any other type stands for 802.1Q.
fn push(run: &mut Run<'_>, [context, kind, tag, ..]: Arguments) -> Result<u64, Fault> {
    let (buffer, memory) = socket_buffer(run, context)?;
    let kind = Some(low_16(kind)).filter(|kind| is_vlan(*kind)).unwrap_or(0x8100_u16.to_be());
    buffer.packet.renew(memory, PUSHED);
    if let Some(outer) = buffer.vlan.replace(VlanTag { kind, tag: low_16(tag) }) {
        buffer.packet.replace(memory, ADDRESSES..ADDRESSES, TAG, PUSHED);
        buffer.packet.write(memory, ADDRESSES, &outer.kind.to_ne_bytes());
        buffer.packet.write(memory, ADDRESSES + 2, &outer.tag.to_be_bytes());
        buffer.protocol = outer.kind;
        // The IP header is where it was, seen from the start of the packet, which is now that of the tag.
        buffer.headers.transport = buffer.headers.transport.map(|at| at + TAG.cast_signed());
    }
    Ok(0)
}

fn pop(run: &mut Run<'_>, context: u64) -> Result<u64, Fault> {
    let (buffer, memory) = socket_buffer(run, context)?;
    buffer.packet.renew(memory, POPPED);
    Ok(outcome(take_outermost(buffer, memory)))
}

fn take_outermost(buffer: &mut SocketBuffer, memory: &mut Memory) -> Result<(), Errno> {
    if buffer.vlan.take().is_none() {
        if !is_vlan(buffer.protocol) {
            return Ok(());
        }
        take_from_packet(buffer, memory)?;
    }
    // The next one takes its place.
    if is_vlan(buffer.protocol) {
        let kind = buffer.protocol;
        let tag = take_from_packet(buffer, memory)?;
        buffer.vlan = Some(VlanTag { kind, tag });
    }
    Ok(())
}

/// Takes a tag out of the packet, and knows then what is behind it (`__skb_vlan_pop`, `vlan_set_encap_proto`).
fn take_from_packet(buffer: &mut SocketBuffer, memory: &mut Memory) -> Result<u16, Errno> {
    let [_, _, first, second, kind @ ..] = buffer.packet.read::<6>(memory, ADDRESSES).ok_or(Errno(libc::ENOMEM))?;
    let behind = buffer.packet.read(memory, ETHERNET_HEADER + TAG);
    buffer.packet.replace(memory, ADDRESSES..ADDRESSES + TAG, 0, POPPED);
    buffer.headers.network = buffer.headers.network.saturating_sub(TAG).max(ETHERNET_HEADER);
    buffer.headers.transport = buffer.headers.transport.map(|at| at - TAG.cast_signed());
    buffer.protocol = link_protocol(kind, behind);
    Ok(u16::from_be_bytes([first, second]))
}
