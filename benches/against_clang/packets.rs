//! Programs that get packets, both in the kernel: on the same packets they do the same.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use eshkol::{Array, HashMap, PerCpuArray, SocketFilterProgram, XdpProgram};
use eshkol_test_support::Packet;

use crate::programs::Program;
use crate::unit::Unit;

/// A program that gets packets, in the kernel.
pub(crate) struct PacketProgram {
    pub(crate) unit: Unit,
    handle: Handle,
}

enum Handle {
    Xdp(XdpProgram),
    SocketFilter(SocketFilterProgram),
}

/// What a run of it gave.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    verdict: u32,
    pub(crate) packet: Vec<u8>,
}

impl PacketProgram {
    /// Loads an object with one.
    pub(crate) fn load(object: Vec<u8>) -> Result<Self, String> {
        let unit = Unit::load(object)?;
        let xdp = unit.loaded.program("xdp_main").map(Handle::Xdp);
        let handle = xdp.or_else(|_| unit.loaded.program("socket_filter").map(Handle::SocketFilter));
        Ok(Self { handle: handle.map_err(|error| error.to_string())?, unit })
    }

    /// Puts into its maps what the packets find there.
    pub(crate) fn fill(&self) -> Result<(), String> {
        if let Ok(map) = self.unit.loaded.map::<HashMap<u32, u8>>("blocklist") {
            map.insert(BLOCKED, 1).map_err(|error| error.to_string())?;
        }
        if let (Ok(services), Ok(backends)) = (
            self.unit.loaded.map::<HashMap<[u8; 8], u32>>("services"),
            self.unit.loaded.map::<Array<[u8; 12]>>("backends"),
        ) {
            for (number, service) in (0_u32..).zip(SERVICES) {
                services.insert(service_key(service), number * PLACES).map_err(|error| error.to_string())?;
            }
            for place in 0..PLACES * 2 {
                let [.., high, low] = place.to_be_bytes();
                let backend = [172, 16, high, low, 2, 0, 0, 1, high, low, 0, 0];
                backends.set(place, backend).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// The shortest packet that the kernel runs it on.
    fn shortest(&self) -> usize {
        match self.handle {
            // An Ethernet header.
            Handle::Xdp(_) => 14,
            // As long as an IPv6 header, whatever it holds.
            Handle::SocketFilter(_) => 40,
        }
    }

    /// What becomes of a packet that comes so many times, the last time, and how long a run takes.
    pub(crate) fn run_timed(&self, packet: &[u8], times: u32) -> Result<(Outcome, Duration), String> {
        let (verdict, packet, duration) = match &self.handle {
            Handle::Xdp(program) => {
                let run = program.test_run_repeat(packet, times).map_err(|error| error.to_string())?;
                (run.return_value, run.data, run.duration)
            }
            Handle::SocketFilter(program) => {
                let run = program.test_run_repeat(packet, times).map_err(|error| error.to_string())?;
                (run.return_value, run.data, run.duration)
            }
        };
        Ok((Outcome { verdict, packet }, duration))
    }

    /// What becomes of a packet that comes so many times, the last time.
    pub(crate) fn run(&self, packet: &[u8], times: u32) -> Result<Outcome, String> {
        Ok(self.run_timed(packet, times)?.0)
    }

    /// Whether a few packets pass and of very many some are dropped.
    fn drops_floods(&self, packet: &[u8]) -> Result<(), String> {
        const DROPPED: u32 = 1;
        if self.run(packet, 50)?.verdict == DROPPED {
            return Err("drops a few packets".to_owned());
        }
        // The verdict is that on the last, which may just be allowed again.
        for _ in 0..5 {
            if self.run(packet, 20_000)?.verdict == DROPPED {
                return Ok(());
            }
        }
        Err("lets a flood pass".to_owned())
    }

    /// What has been counted, where the program has a map of counters.
    fn counted(&self) -> Vec<u64> {
        let sums = |values: &[u64]| values.iter().sum::<u64>();
        let mut counted = Vec::new();
        if let Ok(map) = self.unit.loaded.map::<Array<u64>>("packet_counter") {
            counted.extend(map.get(0));
        }
        for name in ["packets", "forwarded"] {
            if let Ok(map) = self.unit.loaded.map::<PerCpuArray<u64>>(name) {
                counted.extend(map.get(0).map(|values| sums(&values)));
            }
        }
        // The other two numbers of `perf_stats` are times.
        if let Ok(map) = self.unit.loaded.map::<PerCpuArray<u64>>("perf_stats") {
            counted.extend((0..2).flat_map(|index| map.get(index)).map(|values| sums(&values)));
        }
        if let Ok(map) = self.unit.loaded.map::<PerCpuArray<[u64; 2]>>("traffic_stats") {
            let of_all = map.iter().flatten();
            counted.extend(of_all.flat_map(|values| values.iter().flatten().copied().collect::<Vec<_>>()));
        }
        if let Ok(map) = self.unit.loaded.map::<HashMap<[u8; 16], [u64; 5]>>("connections") {
            let mut connections: Vec<_> = map.iter().flatten().collect();
            connections.sort();
            for (tuple, [state, packets, bytes, _start, _last_seen]) in connections {
                let [source, rest @ ..] = tuple.map(u64::from);
                counted.push(source);
                counted.extend(rest);
                // Of its word the state is the low byte, and nothing writes the others.
                counted.extend([state & 0xff, packets, bytes]);
            }
        }
        counted
    }
}

const BLOCKED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// What the load balancer balances, over so many places each: ports of TCP and UDP at our address.
const SERVICES: [(u16, u8); 2] = [(8080, 6), (53, 17)];
const PLACES: u32 = 256;

/// A service as the load balancer's map has it: all in network byte order but the protocol.
fn service_key((port, protocol): (u16, u8)) -> [u8; 8] {
    let ([a, b, c, d], [e, f], [g, h]) = (OURS.octets(), port.to_be_bytes(), u16::from(protocol).to_ne_bytes());
    [a, b, c, d, e, f, g, h]
}

/// Packets that the programs tell apart.
fn packets() -> Vec<Vec<u8>> {
    let ethernet = Packet::ethernet;
    let ipv6 = || ethernet().ipv6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let mac = [2, 0, 0, 0, 0, 9];
    let mut packets = vec![
        ethernet().arp(1, (mac, PEER), ([0; 6], OURS)),
        ethernet().arp(1, (mac, PEER), ([0; 6], PEER)),
        ethernet().arp(2, (mac, PEER), (mac, OURS)),
        ethernet().vlan(100).ipv4(PEER, OURS).udp(1, 2),
        ethernet().vlan(101).ipv4(PEER, OURS).udp(1, 2),
        ethernet().service_vlan(100).vlan(100).ipv4(PEER, OURS).udp(1, 2),
        ethernet().ipv4(BLOCKED, OURS).udp(1, 2),
        ethernet().ipv4(OURS, BLOCKED).udp(1, 2),
        ethernet().ipv4(PEER, OURS).icmp(8, 0).payload(&[1, 2, 3, 4]),
        ethernet().ipv4_with_options(PEER, OURS, &[1, 1, 1, 0]).icmp(8, 0).payload(&[0xff; 7]),
        ethernet().ipv4(PEER, OURS).icmp(0, 0).payload(&[5; 8]),
        ethernet().ipv4_fragment(PEER, OURS, 3).payload(&[8; 30]),
    ];
    for flags in [0x02, 0x12, 0x10, 0x04, 0xff, 0x00] {
        packets.push(ethernet().ipv4(PEER, OURS).tcp(4000, 8080, flags));
        packets.push(ethernet().ipv4_with_options(PEER, OURS, &[1; 40]).tcp(4000, 8080, flags).payload(b"x"));
        packets.push(ethernet().ipv4(PEER, OURS).tcp_with_options(8080, 4000, flags, &[1; 8]));
    }
    for number in 0..40 {
        let source = Ipv4Addr::from_bits(PEER.to_bits() + number * 0x0203);
        packets.push(ethernet().ipv4(source, OURS).tcp(4000 + number as u16, 8080, 0x10).payload(b"x"));
        packets.push(ethernet().ipv4(source, OURS).udp(53, 53 + (number as u16 & 1)));
    }
    // Extension headers: hop by hop, routing, fragment, authentication, destination options, mobility, experiments.
    for extensions in
        [&[][..], &[0], &[0, 43, 60], &[44], &[51], &[135, 139, 140], &[0, 43, 60, 51, 44, 0], &[0; 7], &[59]]
    {
        for port in [53, 54] {
            let headers = extensions.iter().fold(ipv6(), |packet, protocol| packet.extension(*protocol, &[0; 6]));
            packets.push(headers.udp(1, port).payload(b"question"));
        }
    }
    let mut bytes: Vec<_> = packets.iter().map(Packet::build).collect();
    // Tags with priority, later fragments, long and odd lengths: what the builder does not make, by changing single bytes.
    for packet in bytes.clone() {
        for place in [14, 15, 20, 21, 46, 54, 55, 56, 57] {
            let mut changed = packet.clone();
            if let Some(byte) = changed.get_mut(place) {
                *byte ^= 0x25;
                bytes.push(changed);
            }
        }
    }
    bytes
}

/// Whether both do the same on each packet and each beginning of it, one after the other.
pub(crate) fn compare(program: &Program, ours: &PacketProgram, theirs: &PacketProgram) -> Result<(), String> {
    ours.fill()?;
    theirs.fill()?;
    let same = |packet: &[u8]| {
        let (ours, theirs) = (ours.run(packet, 1)?, theirs.run(packet, 1)?);
        if ours == theirs {
            return Ok(());
        }
        Err(format!("{packet:02x?} gives {ours:02x?}, and the other's {theirs:02x?}"))
    };
    // What may pass depends on the time, and so each packet comes from an address of its own.
    let limits = matches!(program.name.as_str(), "syn-limiter" | "token-bucket");
    const SOURCE: std::ops::Range<usize> = 26..30;
    let mut number = 0_u32;
    for mut packet in packets() {
        for length in ours.shortest()..=packet.len() {
            number += 1;
            if limits && packet.len() >= SOURCE.end {
                packet[SOURCE].copy_from_slice(&number.to_be_bytes());
            }
            same(&packet[..length])?;
        }
    }
    if limits {
        let syn = Packet::ethernet().ipv4(OURS, BLOCKED).tcp(1, 2, 0x02).build();
        ours.drops_floods(&syn).and_then(|()| theirs.drops_floods(&syn))?;
    }
    let (ours, theirs) = (ours.counted(), theirs.counted());
    if ours == theirs { Ok(()) } else { Err(format!("counts {ours:?}, and the other's {theirs:?}")) }
}
