//! The programs of the guide, verbatim: they compile, and with real packets and system calls they do what their text says.
//!
//! The blocks stand in files of their own, since one has an apostrophe in a comment, which rustc would stumble over;
//! [`the_blocks_are_the_guides`] compares them with the guide, where it is beside the project.

mod fragments;
mod latency;
mod sockets;
mod tracing;
mod traffic;

use std::net::Ipv4Addr;

use eshkol::XdpAction;
use eshkol_test_support::{Packet, Privilege, require_root};
use traffic::Wired;

/// `xdp-drop` of the guide.
mod xdp_drop {
    eshkol::eshkol_file!("tests/guide/xdp-drop.esh");
}

/// `xdp-firewall` of the guide.
mod xdp_firewall {
    eshkol::eshkol_file!("tests/guide/xdp-firewall.esh");
}

/// `benchmark` of the guide.
mod benchmark {
    eshkol::eshkol_file!("tests/guide/benchmark.esh");
}

/// `traffic-counter` of the guide.
#[expect(deprecated, reason = "its table is too small for EtherTypes, of which the compiler warns")]
mod traffic_counter {
    eshkol::eshkol_file!("tests/guide/traffic-counter.esh");
}

/// Frames of every kind that the programs tell apart.
fn udp_from(source: Ipv4Addr) -> Vec<u8> {
    Packet::ethernet().ipv4(source, Ipv4Addr::new(10, 0, 0, 1)).udp(4000, 5000).payload(b"hello").build()
}

/// A frame with this EtherType and 46 bytes behind it.
fn frame_of_type(ether_type: u16) -> Vec<u8> {
    let mut frame = vec![2; 60];
    frame[12..14].copy_from_slice(&ether_type.to_be_bytes());
    frame
}

#[test]
fn the_blocks_are_the_guides() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/guide/ebpf-guide.md");
    let Ok(guide) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: the guide is not beside the project");
        return;
    };
    let blocks: Vec<&str> = guide.split("```scheme\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    for (name, here) in [
        ("xdp-drop", include_str!("xdp-drop.esh")),
        ("xdp-firewall", include_str!("xdp-firewall.esh")),
        ("benchmark", include_str!("benchmark.esh")),
        ("traffic-counter", include_str!("traffic-counter.esh")),
        ("syscall-tracer", include_str!("syscall-tracer.esh")),
        ("syscall-audit", include_str!("syscall-audit.esh")),
        ("latency-monitor", include_str!("latency-monitor.esh")),
        ("debug-print", include_str!("debug-print.esh")),
        ("helper-functions", include_str!("helper-functions.esh")),
        ("program-types", include_str!("program-types.esh")),
        ("maps", include_str!("maps.esh")),
        ("conn-tracker", include_str!("conn-tracker.esh")),
    ] {
        assert!(blocks.contains(&here), "`{name}` is not as the guide has it");
    }
}

#[test]
fn every_program_does_its_work_in_the_simulator() {
    let (good, bad) = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3));
    let unit = xdp_drop::XdpDrop::test().unwrap();
    for _ in 0..5 {
        assert_eq!(unit.xdp_main.test_run(&udp_from(good)).unwrap().action(), Some(XdpAction::Drop));
    }
    assert_eq!(unit.packet_counter.get(0).unwrap(), 5);

    let unit = xdp_firewall::XdpFirewall::test().unwrap();
    unit.blocklist.insert(bad, 1).unwrap();
    let verdict = |packet: &[u8]| unit.xdp_main.test_run(packet).unwrap().action();
    assert_eq!([verdict(&udp_from(good)), verdict(&udp_from(bad))], [Some(XdpAction::Pass), Some(XdpAction::Drop)]);
    assert_eq!(verdict(&udp_from(bad)[..33]), Some(XdpAction::Pass));

    let unit = benchmark::Benchmark::test().unwrap();
    unit.simulator().unwrap().set_time(5000);
    for _ in 0..3 {
        assert_eq!(unit.xdp_main.test_run(&frame_of_type(46)).unwrap().action(), Some(XdpAction::Pass));
    }
    let [packets, bytes, start, now] = [0, 1, 2, 3].map(|index| unit.perf_stats.get(index).unwrap().sum());
    assert_eq!([packets, bytes], [3, 180]);
    assert!(start <= now && (5000..6000).contains(&now), "{start} {now}");

    let unit = traffic_counter::TrafficCounter::test().unwrap();
    for _ in 0..4 {
        unit.xdp_main.test_run(&frame_of_type(46)).unwrap();
    }
    let stats = unit.traffic_stats.get(46).unwrap();
    assert_eq!((stats[0].packets, stats[0].bytes), (4, 240));
}

#[test]
fn xdp_drop_counts_and_drops_every_packet() {
    let Privilege::Granted = require_root() else { return };
    let unit = xdp_drop::XdpDrop::load().unwrap();
    let wired = Wired::new();
    let frame = udp_from(Ipv4Addr::new(10, 0, 0, 2));
    assert!(wired.passes(&frame));
    let link = wired.near.run(|| unit.xdp_main.attach(Wired::NEAR)).unwrap();
    for _ in 0..5 {
        assert!(!wired.passes(&frame));
    }
    assert_eq!(unit.packet_counter.get(0).unwrap(), 5);
    link.detach().unwrap();
    assert!(wired.passes(&frame));
    assert_eq!(unit.packet_counter.get(0).unwrap(), 5);
}

#[test]
fn xdp_firewall_drops_what_rust_blocks() {
    let Privilege::Granted = require_root() else { return };
    let unit = xdp_firewall::XdpFirewall::load().unwrap();
    let wired = Wired::new();
    let _link = wired.near.run(|| unit.xdp_main.attach(Wired::NEAR)).unwrap();
    let (good, bad) = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3));
    assert!(wired.passes(&udp_from(good)) && wired.passes(&udp_from(bad)));
    unit.blocklist.insert(bad, 1).unwrap();
    assert!(wired.passes(&udp_from(good)));
    assert!(!wired.passes(&udp_from(bad)));
    unit.blocklist.remove(bad).unwrap();
    assert!(wired.passes(&udp_from(bad)));
}

#[test]
fn xdp_firewall_passes_what_is_no_ipv4() {
    let Privilege::Granted = require_root() else { return };
    let unit = xdp_firewall::XdpFirewall::load().unwrap();
    let blocked = Ipv4Addr::new(10, 0, 0, 3);
    unit.blocklist.insert(u32::from(blocked), 1).unwrap();
    let verdict = |packet: &[u8]| unit.xdp_main.test_run(packet).unwrap().action();
    let frame = udp_from(blocked);
    assert_eq!(verdict(&frame), Some(XdpAction::Drop));
    // The same bytes under another EtherType, and too few of them for an IPv4 header.
    let mut arp = frame.clone();
    arp[12..14].copy_from_slice(&0x0806_u16.to_be_bytes());
    assert_eq!(verdict(&arp), Some(XdpAction::Pass));
    assert_eq!(verdict(&frame[..33]), Some(XdpAction::Pass));
    assert_eq!(verdict(&frame[..34]), Some(XdpAction::Drop));
}

#[test]
fn benchmark_counts_packets_bytes_and_time() {
    let Privilege::Granted = require_root() else { return };
    let unit = benchmark::Benchmark::load().unwrap();
    let wired = Wired::new();
    let _link = wired.near.run(|| unit.xdp_main.attach(Wired::NEAR)).unwrap();
    let short = udp_from(Ipv4Addr::new(10, 0, 0, 2));
    let long = Packet::ethernet()
        .ipv4(Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1))
        .udp(1, 2)
        .payload(&[7; 900])
        .build();
    for frame in [&short, &long, &short] {
        assert!(wired.passes(frame));
    }
    let total = |index| unit.perf_stats.get(index).unwrap().iter().sum::<u64>();
    assert_eq!(total(0), 3);
    assert_eq!(total(1), u64::try_from(2 * short.len() + long.len()).unwrap());
    for (start, now) in unit.perf_stats.get(2).unwrap().iter().zip(unit.perf_stats.get(3).unwrap().iter()) {
        assert!(start <= now, "{start} {now}");
    }
    assert!(total(3) > 0);
}

#[test]
fn traffic_counter_counts_by_ether_type() {
    let Privilege::Granted = require_root() else { return };
    let unit = traffic_counter::TrafficCounter::load().unwrap();
    let wired = Wired::new();
    let _link = wired.near.run(|| unit.xdp_main.attach(Wired::NEAR)).unwrap();
    // The table has 256 entries: of EtherTypes, only the lengths of IEEE 802.3 frames are in it. The others pass uncounted.
    let counted = frame_of_type(46);
    for _ in 0..4 {
        assert!(wired.passes(&counted));
    }
    assert!(wired.passes(&udp_from(Ipv4Addr::new(10, 0, 0, 2))));
    let all = unit.traffic_stats.get(46).unwrap();
    assert_eq!(all.iter().map(|stats| stats.packets).sum::<u64>(), 4);
    assert_eq!(all.iter().map(|stats| stats.bytes).sum::<u64>(), 240);
    for index in (0..256).filter(|index| *index != 46) {
        assert!(unit.traffic_stats.get(index).unwrap().iter().all(|stats| stats.packets == 0));
    }
}
