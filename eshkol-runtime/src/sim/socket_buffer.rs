//! What programs are called with that get a packet in a socket buffer: `struct __sk_buff`, as `bpf_skb_is_valid_access` and its kin in
//! `net/core/filter.c` let them see it.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::memory::{Fault, counted};
use super::packet::Packet;

/// The types of programs that get one.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum SocketBufferProgram {
    SocketFilter,
    TrafficControl,
    CgroupSkb,
}

/// A socket buffer.
#[derive(Debug)]
pub(super) struct SocketBuffer {
    pub(super) packet: Packet,
    pub(super) program: SocketBufferProgram,
    /// The type of what the packet carries, as memory has it.
    protocol: u16,
    /// Fields that are not 0, by their offset in `struct __sk_buff`.
    fields: BTreeMap<usize, u64>,
}

/// Bytes of `struct __sk_buff`.
pub(super) const SK_BUFF: usize = 192;

// Offsets.
const LEN: usize = 0;
const MARK: usize = 8;
const QUEUE_MAPPING: usize = 12;
const PROTOCOL: usize = 16;
const PRIORITY: usize = 32;
const INGRESS_IFINDEX: usize = 36;
const IFINDEX: usize = 40;
const TC_INDEX: usize = 44;
const CB: std::ops::Range<usize> = 48..68;
pub(super) const HASH: usize = 68;
const TC_CLASSID: usize = 72;
const DATA: usize = 76;
const DATA_END: usize = 80;
const SOCKET: std::ops::Range<usize> = 88..140;
const DATA_META: usize = 140;
const TSTAMP: usize = 152;
const WIRE_LEN: usize = 160;
const HWTSTAMP: usize = 184;
/// Those that every type can read, and that have nothing to say here.
const PLAIN: &[usize] = &[4, MARK, QUEUE_MAPPING, 20, 24, 28, PRIORITY, TC_INDEX, HASH, 84, 164, 176];

impl SocketBuffer {
    pub(super) fn new(packet: Packet, program: SocketBufferProgram, bytes: &[u8]) -> Self {
        let protocol = match program {
            SocketBufferProgram::SocketFilter | SocketBufferProgram::TrafficControl => {
                bytes.get(12..14).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_ne_bytes)
            }
            SocketBufferProgram::CgroupSkb => match bytes.first().map(|byte| byte >> 4) {
                Some(6) => 0x86dd_u16.to_be(),
                _ => 0x0800_u16.to_be(),
            },
        };
        Self { packet, program, protocol, fields: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, field: usize, value: u64) {
        self.fields.insert(field, value);
    }

    pub(super) fn load(&self, environment: &Environment, offset: usize, size: usize) -> Result<u64, Fault> {
        use SocketBufferProgram::{CgroupSkb, SocketFilter, TrafficControl};
        let [meta, data, end] = self.packet.addresses();
        let stored = || Ok(self.fields.get(&offset).copied().unwrap_or(0));
        match (offset, size, self.program) {
            (LEN, 4, _) | (WIRE_LEN, 4, TrafficControl) => Ok(self.packet.len() as u64),
            (PROTOCOL, 4, _) => Ok(self.protocol.into()),
            (INGRESS_IFINDEX | IFINDEX, 4, _) => Ok(environment.ingress.0.into()),
            (DATA, 4, TrafficControl | CgroupSkb) => Ok(data),
            (DATA_END, 4, TrafficControl | CgroupSkb) => Ok(end),
            (DATA_META, 4, TrafficControl) => Ok(meta),
            (DATA | DATA_END, 4, SocketFilter) => {
                Err(Fault::new("reads where the packet is, which socket filters can't"))
            }
            (offset, 4, _) if CB.contains(&offset) && offset.is_multiple_of(4) => stored(),
            (TC_CLASSID, 4, TrafficControl) | (TSTAMP | HWTSTAMP, 8, TrafficControl | CgroupSkb) => stored(),
            (offset, 4, CgroupSkb) if SOCKET.contains(&offset) && offset.is_multiple_of(4) => stored(),
            (offset, 4, _) if PLAIN.contains(&offset) => stored(),
            _ => Err(Fault(format!(
                "reads {} at offset {offset} of the context, where no field of that size is that it may read",
                counted(size)
            ))),
        }
    }

    pub(super) fn store(&mut self, offset: usize, size: usize, value: u64) -> Result<(), Fault> {
        use SocketBufferProgram::{CgroupSkb, TrafficControl};
        let allowed = match (offset, size, self.program) {
            (offset, 4, _) if CB.contains(&offset) && offset.is_multiple_of(4) => true,
            (MARK | PRIORITY, 4, TrafficControl | CgroupSkb) | (TSTAMP, 8, TrafficControl | CgroupSkb) => true,
            (TC_INDEX | TC_CLASSID | QUEUE_MAPPING, 4, TrafficControl) => true,
            _ => false,
        };
        if !allowed {
            let what = counted(size);
            return Err(Fault(format!(
                "writes {what} at offset {offset} of the context, where is nothing that it may write"
            )));
        }
        // What is behind these has 16 bits.
        let bits = match offset {
            TC_INDEX | TC_CLASSID | QUEUE_MAPPING => 16,
            _ => 8 * size,
        };
        self.fields.insert(offset, value & (u64::MAX >> (64 - bits)));
        Ok(())
    }
}
