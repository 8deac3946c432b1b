//! How long both run, by turns, each time on the same packet.
//!
//! A program that changes its packet would not find the same one again. Before each of its runs `clang/restore.c` makes the packet what it
//! was and goes on with the program by a tail call; what that takes without a program is measured as well, and taken off.

use std::net::Ipv6Addr;

use eshkol::{Array, ProgArray, Program as AnyProgram};
use eshkol_test_support::Packet;

use crate::clang;
use crate::packets::{OURS, PEER, PacketProgram};
use crate::programs::Program;

/// A packet that a program does its work on.
pub(crate) struct Workload {
    packet: Vec<u8>,
    /// Whether the program changes it.
    changes: bool,
}

/// The packet for a program; `None` where it works on none.
pub(crate) fn workload(program: &Program) -> Option<Workload> {
    let tcp = Packet::ethernet().ipv4(PEER, OURS).tcp(4000, 8080, 0x02).payload(&[7; 32]);
    let stays = |packet: Packet| Some(Workload { packet: packet.build(), changes: false });
    let changes = |packet: Packet| Some(Workload { packet: packet.build(), changes: true });
    match program.name.as_str() {
        "packet-counter" | "guide-packet-counter" | "guide-benchmark" => stays(tcp),
        "guide-traffic-counter" => {
            // Of an EtherType that its array of 256 has an entry for.
            let mut packet = tcp.build();
            packet[12..14].copy_from_slice(&[0, 8]);
            Some(Workload { packet, changes: false })
        }
        "guide-conn-tracker" | "guide-firewall" | "port-dropper" | "syn-limiter" | "token-bucket" => stays(tcp),
        "ipv6-walk" => {
            let headers = Packet::ethernet().ipv6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
            stays(headers.extension(0, &[0; 6]).extension(60, &[0; 6]).udp(1, 53))
        }
        "load-balancer" => changes(tcp),
        "icmp-echo" => changes(Packet::ethernet().ipv4(PEER, OURS).icmp(8, 0).payload(&[7; 32])),
        "vlan-rewrite" => changes(Packet::ethernet().vlan(100).ipv4(PEER, OURS).udp(1, 2).payload(&[7; 32])),
        "arp-responder" => {
            let request = Packet::ethernet().arp(1, ([2, 0, 0, 0, 0, 9], PEER), ([0; 6], OURS));
            changes(request.payload(&[0; 32]))
        }
        _ => None,
    }
}

/// What runs.
struct Runner<'a> {
    /// The program that is called for each run.
    outer: &'a PacketProgram,
    packet: &'a [u8],
}

impl Runner<'_> {
    /// Nanoseconds of a run, in the mean, as the kernel counts: in whole ones, without its own preparations and without the time in which others ran.
    fn time(&self) -> Result<f64, String> {
        const TIMES: u32 = 300_000;
        let (_, duration) = self.outer.run_timed(self.packet, TIMES)?;
        Ok(duration.as_nanos() as f64)
    }
}

/// `restore.c`, which goes on with a program.
fn restoring(packet: &[u8], inner: Option<&PacketProgram>) -> Result<PacketProgram, String> {
    let outer = PacketProgram::load(clang::restore()?)?;
    let failed = |error: eshkol::Error| error.to_string();
    let mut beginning = [0; 72];
    let (words, length) = beginning.split_at_mut(64);
    words.copy_from_slice(packet.get(..64).ok_or("the packet is too short to be made again")?);
    length.copy_from_slice(&(packet.len() as u64).to_ne_bytes());
    outer.unit.loaded.map::<Array<[u8; 72]>>("beginning").and_then(|map| map.set(0, beginning)).map_err(failed)?;
    if let Some(inner) = inner {
        let inner: AnyProgram = inner.unit.loaded.program("xdp_main").map_err(failed)?;
        outer.unit.loaded.map::<ProgArray>("program").and_then(|map| map.set(0, &inner)).map_err(failed)?;
    }
    Ok(outer)
}

/// Whether a program does the same on the packet each time, made what it was in between, as on the first.
pub(crate) fn is_restored(program: &PacketProgram, workload: &Workload) -> Result<(), String> {
    program.fill()?;
    let packet = &workload.packet;
    let first = program.run(packet, 1)?;
    if !workload.changes {
        return Ok(());
    }
    if first.packet == *packet {
        return Err("the program leaves the packet as it is".to_owned());
    }
    let outer = restoring(packet, Some(program))?;
    for times in [1, 2, 1000] {
        let last = outer.run(packet, times)?;
        if last != first {
            return Err(format!("run {times} gives {last:02x?}, and the first {first:02x?}"));
        }
    }
    Ok(())
}

/// How long runs take, in nanoseconds: the shortest.
pub(crate) struct Race {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// The median of what one run of ours takes for each one of theirs right before or after it.
    pub(crate) ratio: f64,
}

/// Lets both run, by turns.
pub(crate) fn race(ours: &PacketProgram, theirs: &PacketProgram, workload: &Workload) -> Result<Race, String> {
    const ROUNDS: usize = 31;
    ours.fill()?;
    theirs.fill()?;
    let packet = workload.packet.as_slice();
    let direct = |outer| Runner { outer, packet };
    let mut rounds = Vec::new();
    let outer;
    let (ours, theirs, nothing) = if workload.changes {
        outer = (restoring(packet, Some(ours))?, restoring(packet, Some(theirs))?, restoring(packet, None)?);
        (direct(&outer.0), direct(&outer.1), Some(direct(&outer.2)))
    } else {
        (direct(ours), direct(theirs), None)
    };
    for round in 0..ROUNDS {
        // Whoever comes first has the caches as the other left them.
        let (one, other) = if round % 2 == 0 {
            let first = ours.time()?;
            (first, theirs.time()?)
        } else {
            let first = theirs.time()?;
            (ours.time()?, first)
        };
        rounds.push((one, other, nothing.as_ref().map_or(Ok(0.0), Runner::time)?));
    }
    let least = |of: fn(&(f64, f64, f64)) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
    let without = least(|round| round.2);
    let mut ratios: Vec<f64> = rounds.iter().map(|(ours, theirs, _)| (ours - without) / (theirs - without)).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    Ok(Race { ours: least(|round| round.0) - without, theirs: least(|round| round.1) - without, ratio })
}
