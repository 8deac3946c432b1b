//! Helpers on the hash of a packet's flow (`net/core/filter.c`, `net/core/flow_dissector.c`).

use super::super::{Arguments, Fault, Helper, Run};
use super::socket_buffer;
use crate::sim::alu::low;
use crate::sim::memory::Memory;
use crate::sim::socket_buffer::{IPV4, IPV6, SocketBuffer, is_vlan};

pub(in super::super) static HELPERS: &[Helper] = &[
    Helper { number: 34, name: "bpf_get_hash_recalc", arguments: 1, call: hash },
    Helper {
        number: 41,
        name: "bpf_set_hash_invalid",
        arguments: 1,
        call: |run, [context, ..]| set_hash(run, context, None),
    },
    Helper {
        number: 48,
        name: "bpf_set_hash",
        arguments: 2,
        call: |run, [context, hash, ..]| set_hash(run, context, Some(low(hash))),
    },
];

fn set_hash(run: &mut Run<'_>, context: u64, hash: Option<u32>) -> Result<u64, Fault> {
    socket_buffer(run, context)?.0.set_hash(hash);
    Ok(0)
}

fn hash(run: &mut Run<'_>, [context, ..]: Arguments) -> Result<u64, Fault> {
    let (buffer, memory) = socket_buffer(run, context)?;
    let hash = buffer.hash().unwrap_or_else(|| flow(buffer, memory).hash());
    buffer.set_hash(Some(hash));
    Ok(hash.into())
}

/// What the packets of a flow have in common, in both directions.
#[derive(Default)]
struct Flow {
    protocols: u32,
    /// Addresses, and ports, the lower one of each first (`__flow_hash_consistentify`).
    ends: [Vec<u8>; 2],
    ports: [[u8; 2]; 2],
}

impl Flow {
    /// A number that is the flow's. In the kernel it comes from a secret that is another with every boot (`hashrnd`), so it is as good as any; never 0, which
    /// says that there is none.
    fn hash(&self) -> u32 {
        let ends = self.ends.iter().flatten().chain(self.ports.iter().flatten()).copied();
        // FNV-1a (Fowler, Noll, Vo).
        let hash = self
            .protocols
            .to_be_bytes()
            .into_iter()
            .chain(ends)
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        hash.max(1)
    }
}

fn flow(buffer: &SocketBuffer, memory: &Memory) -> Flow {
    let (mut protocol, mut at) = (buffer.protocol, buffer.headers.network);
    while is_vlan(protocol) {
        let Some([_, _, kind @ ..]) = buffer.packet.read::<4>(memory, at) else { return Flow::default() };
        (protocol, at) = (u16::from_ne_bytes(kind), at + 4);
    }
    let byte = |at: usize| buffer.packet.read::<1>(memory, at).map_or(0, |[byte]| byte);
    let ends = |addresses: usize, length: usize| {
        [addresses, addresses + length].map(|start| (start..start + length).map(byte).collect::<Vec<_>>())
    };
    let (mut ends, transport, payload) = match protocol {
        IPV4 => {
            // Fragments belong together without ports, which the first of them alone has.
            let is_fragment = u16::from_be_bytes([byte(at + 6), byte(at + 7)]) & 0x3fff != 0;
            let payload = (!is_fragment).then(|| at + 4 * usize::from(byte(at) & 0xf));
            (ends(at + 12, 4), byte(at + 9), payload)
        }
        IPV6 => (ends(at + 8, 16), byte(at + 6), Some(at + 40)),
        _ => return Flow { protocols: protocol.into(), ..Flow::default() },
    };
    let has_ports = [libc::IPPROTO_TCP, libc::IPPROTO_UDP, libc::IPPROTO_SCTP].contains(&i32::from(transport));
    let mut ports =
        payload.filter(|_| has_ports).map_or([[0; 2]; 2], |at| [at, at + 2].map(|port| [port, port + 1].map(byte)));
    ends.sort_unstable();
    ports.sort_unstable();
    Flow { protocols: u32::from(protocol) << 8 | u32::from(transport), ends, ports }
}
