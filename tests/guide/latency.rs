//! The guide's latency monitor, verbatim: how long real sends take.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use eshkol_test_support::{Privilege, require_probes};

/// `latency-monitor` of the guide.
mod latency_monitor {
    eshkol::eshkol_file!("tests/guide/latency-monitor.esh");
}

#[test]
fn latency_monitor_measures_calls_in_the_simulator() {
    let unit = latency_monitor::LatencyMonitor::test().unwrap();
    let machine = unit.simulator().unwrap();
    for (socket, nanoseconds) in [(0xffff_8880_0000_1000, 900), (0xffff_8880_0000_2000, 70_000)] {
        let arguments = [socket, 0xffff_8880_0000_5000, 100];
        let call = unit.return_probe.test_call(&arguments).unwrap();
        unit.entry_probe.test_run(&arguments).unwrap();
        machine.set_time(machine.time() + nanoseconds);
        assert_eq!(call.test_return(100).unwrap(), 0);
    }
    let counts = unit.latency_hist.read().unwrap();
    let buckets: Vec<_> = counts.buckets().map(|bucket| (bucket.first, bucket.last, bucket.count)).collect();
    // The programs' own instructions take time as well, a nanosecond each.
    assert_eq!(buckets, [(512, 1023, 1), (65_536, 131_071, 1)]);
    assert_eq!(unit.start_times.keys().count(), 0);
    // A return without an entry counts nothing.
    unit.return_probe.test_run(&[1, 2, 3], 0).unwrap();
    assert_eq!(unit.latency_hist.read().unwrap().total(), 2);
    unit.latency_hist.reset().unwrap();
    assert!(unit.latency_hist.read().unwrap().is_empty());
}

#[test]
fn latency_monitor_fills_its_histogram_from_real_sends() {
    let Privilege::Granted = require_probes() else { return };
    const SENDS: u64 = 50;
    let unit = latency_monitor::LatencyMonitor::load().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    let links = unit.attach_all().unwrap();
    for _ in 0..SENDS {
        sender.write_all(&[7; 100]).unwrap();
        receiver.read_exact(&mut [0; 100]).unwrap();
    }
    drop(links);
    let counts = unit.latency_hist.read().unwrap();
    // No other TCP connection is around in the machine; elsewhere there may be.
    assert!(counts.total() >= SENDS, "{counts}");
    let median = counts.quantile(0.5).unwrap();
    // The clock of a virtual machine may stand still for longer than a send takes.
    assert!(median < 1_000_000_000, "{median} ns\n{counts}");
    sender.write_all(&[7; 100]).unwrap();
    assert_eq!(unit.latency_hist.read().unwrap().total(), counts.total(), "it is still attached");
}
