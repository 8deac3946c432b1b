//! What programs are called with that get a packet in a socket buffer: `struct __sk_buff`, as `bpf_skb_is_valid_access` and its kin in
//! `net/core/filter.c` let them see it.

use std::collections::BTreeMap;

use super::alu::low;
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
    pub(super) protocol: u16,
    pub(super) headers: Headers,
    /// The VLAN tag that is kept beside the packet.
    pub(super) vlan: Option<VlanTag>,
    /// How many checksums within the outermost are known to be right, as it is (`csum_level` of `CHECKSUM_UNNECESSARY`).
    pub(super) checksums: Option<u8>,
    /// What the program has said of the tunnel that the packet is sent through.
    pub(super) tunnel: Option<Tunnel>,
    /// Whether the field of the hash holds one.
    has_hash: bool,
    /// Fields that are not 0, by their offset in `struct __sk_buff`.
    fields: BTreeMap<usize, u64>,
}

/// Where headers begin, from the start of the packet.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) network: usize,
    /// Where that was said, which may be before the packet now.
    pub(super) transport: Option<isize>,
    /// Whether the program has put headers before those that the packet came with.
    pub(super) encapsulated: bool,
}

impl Headers {
    /// Something was put in behind the start of the network header, or taken out there. What lies behind keeps its place, so that it is further from
    /// the start (`bpf_skb_net_hdr_push` in `net/core/filter.c`).
    pub(super) fn data_behind_network_moved(&mut self, by: isize) {
        let network = self.network.cast_signed();
        self.transport = self.transport.map(|at| if at == network { at } else { at + by });
    }

    /// The least length that leaves the headers whole (`__bpf_skb_min_len`).
    pub(super) fn shortest(&self) -> usize {
        self.transport.and_then(|at| usize::try_from(at).ok()).filter(|at| *at > 0).unwrap_or(self.network)
    }
}

/// A VLAN tag: its type, as memory has it, and its number and priority.
#[derive(Copy, Clone, Debug)]
pub(super) struct VlanTag {
    pub(super) kind: u16,
    pub(super) tag: u16,
}

/// What a tunnel is to do with a packet (`struct ip_tunnel_info`). Addresses of IPv4 are the first four bytes.
#[derive(Clone, Debug)]
pub(super) struct Tunnel {
    pub(super) is_ipv6: bool,
    pub(super) id: u32,
    pub(super) remote: [u8; 16],
    pub(super) local: [u8; 16],
    pub(super) service: u8,
    pub(super) time_to_live: u8,
    pub(super) label: u32,
    pub(super) flags: u16,
    pub(super) options: Vec<u8>,
}

/// `ETH_HLEN`
pub(super) const ETHERNET_HEADER: usize = 14;

// Types of what packets carry, as memory has them.
pub(super) const IPV4: u16 = 0x0800_u16.to_be();
pub(super) const IPV6: u16 = 0x86dd_u16.to_be();

/// Whether a type is that of a VLAN tag (`eth_type_vlan`).
pub(super) fn is_vlan(protocol: u16) -> bool {
    [0x8100, 0x88a8].contains(&u16::from_be(protocol))
}

/// Whom a packet with an Ethernet header is for (`eth_skb_pkt_type` in `include/linux/etherdevice.h`). The address of an interface here is whatever the
/// packet is sent to.
fn packet_type(bytes: &[u8]) -> u64 {
    const HOST: u64 = 0;
    const BROADCAST: u64 = 1;
    const MULTICAST: u64 = 2;
    match bytes {
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ..] => BROADCAST,
        [first, ..] if first & 1 == 1 => MULTICAST,
        _ => HOST,
    }
}

/// The type that the last two bytes of an Ethernet header say, or the two bytes behind them where they are a length (`eth_type_trans` in
/// `net/ethernet/eth.c`).
pub(super) fn link_protocol(bytes: [u8; 2], behind: Option<[u8; 2]>) -> u16 {
    const FIRST_TYPE: u16 = 0x600;
    const IEEE_802_3: u16 = 1;
    const IEEE_802_2: u16 = 4;
    match (u16::from_be_bytes(bytes), behind) {
        (FIRST_TYPE.., _) => u16::from_ne_bytes(bytes),
        (_, Some([0xff, 0xff])) => IEEE_802_3.to_be(),
        _ => IEEE_802_2.to_be(),
    }
}

/// Bytes of `struct __sk_buff`.
pub(super) const SK_BUFF: usize = 192;

// Offsets.
const LEN: usize = 0;
pub(super) const PACKET_TYPE: usize = 4;
const MARK: usize = 8;
const QUEUE_MAPPING: usize = 12;
const PROTOCOL: usize = 16;
const VLAN_PRESENT: usize = 20;
const VLAN_TCI: usize = 24;
const VLAN_PROTO: usize = 28;
const PRIORITY: usize = 32;
const INGRESS_IFINDEX: usize = 36;
const IFINDEX: usize = 40;
const TC_INDEX: usize = 44;
const CB: std::ops::Range<usize> = 48..68;
const HASH: usize = 68;
const TC_CLASSID: usize = 72;
const DATA: usize = 76;
const DATA_END: usize = 80;
const SOCKET: std::ops::Range<usize> = 88..140;
const DATA_META: usize = 140;
pub(super) const TIME: usize = 152;
const WIRE_LEN: usize = 160;
pub(super) const TIME_TYPE: usize = 180;
const HWTSTAMP: usize = 184;
/// Those that every type can read, and that have nothing to say here.
const PLAIN: &[usize] = &[PACKET_TYPE, MARK, QUEUE_MAPPING, PRIORITY, TC_INDEX, HASH, 84, 164, 176];

impl SocketBuffer {
    pub(super) fn new(packet: Packet, program: SocketBufferProgram, bytes: &[u8]) -> Self {
        let pair = |at: usize| bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
        let (protocol, network) = match program {
            SocketBufferProgram::SocketFilter | SocketBufferProgram::TrafficControl => {
                let protocol = pair(ETHERNET_HEADER - 2).map(|kind| link_protocol(kind, pair(ETHERNET_HEADER)));
                (protocol.unwrap_or(0), ETHERNET_HEADER)
            }
            SocketBufferProgram::CgroupSkb => match bytes.first().map(|byte| byte >> 4) {
                Some(6) => (IPV6, 0),
                _ => (IPV4, 0),
            },
        };
        // What waits to be sent knows how long it was then (`qdisc_pkt_len_init` in `net/core/dev.c`).
        let mut fields = BTreeMap::from([(WIRE_LEN, bytes.len() as u64)]);
        if program != SocketBufferProgram::CgroupSkb {
            fields.insert(PACKET_TYPE, packet_type(bytes));
        }
        Self {
            packet,
            program,
            protocol,
            headers: Headers { network, transport: None, encapsulated: false },
            vlan: None,
            checksums: None,
            tunnel: None,
            has_hash: false,
            fields,
        }
    }

    pub(super) fn set(&mut self, field: usize, value: u64) {
        self.fields.insert(field, value);
    }

    /// The hash of the packet's flow, where it is known.
    pub(super) fn hash(&self) -> Option<u32> {
        let hash = self.fields.get(&HASH).map_or(0, |hash| low(*hash));
        self.has_hash.then_some(hash)
    }

    pub(super) fn set_hash(&mut self, hash: Option<u32>) {
        self.has_hash = hash.is_some();
        self.set(HASH, hash.unwrap_or(0).into());
    }

    /// Whether the packet begins with one.
    pub(super) fn has_ethernet_header(&self) -> bool {
        self.program != SocketBufferProgram::CgroupSkb
    }

    pub(super) fn load(&self, environment: &Environment, offset: usize, size: usize) -> Result<u64, Fault> {
        use SocketBufferProgram::{CgroupSkb, SocketFilter, TrafficControl};
        let [meta, data, end] = self.packet.addresses();
        let stored = || Ok(self.fields.get(&offset).copied().unwrap_or(0));
        match (offset, size, self.program) {
            (LEN, 4, _) => Ok(self.packet.len() as u64),
            (WIRE_LEN, 4, TrafficControl) | (TIME_TYPE, 1, TrafficControl) => stored(),
            (PROTOCOL, 4, _) => Ok(self.protocol.into()),
            (VLAN_PRESENT, 4, _) => Ok(self.vlan.is_some().into()),
            (VLAN_TCI, 4, _) => Ok(self.vlan.map_or(0, |vlan| vlan.tag.into())),
            (VLAN_PROTO, 4, _) => Ok(self.vlan.map_or(0, |vlan| vlan.kind.into())),
            (INGRESS_IFINDEX | IFINDEX, 4, _) => Ok(environment.ingress.0.into()),
            (DATA, 4, TrafficControl | CgroupSkb) => Ok(data),
            (DATA_END, 4, TrafficControl | CgroupSkb) => Ok(end),
            (DATA_META, 4, TrafficControl) => Ok(meta),
            (DATA | DATA_END, 4, SocketFilter) => {
                Err(Fault::new("reads where the packet is, which socket filters can't"))
            }
            (offset, 4, _) if CB.contains(&offset) && offset.is_multiple_of(4) => stored(),
            (TC_CLASSID, 4, TrafficControl) | (TIME | HWTSTAMP, 8, TrafficControl | CgroupSkb) => stored(),
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
            (MARK | PRIORITY, 4, TrafficControl | CgroupSkb) | (TIME, 8, TrafficControl | CgroupSkb) => true,
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
