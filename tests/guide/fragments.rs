//! Blocks of the guide that are parts of programs, verbatim: with a program around them, or in place of their `...`.

use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use eshkol::aya::EbpfLoader;
use eshkol::aya::maps::Array;
use eshkol::aya::programs::Program;
use eshkol::aya::programs::xdp::XdpMode;
use eshkol_core::diagnostic::render::{Style, render};
use eshkol_core::include::Files;
use eshkol_core::source::Sources;
use eshkol_core::{Options, compile};
use eshkol_test_support::{
    Loaded, Namespace, Packet, Privilege, Runner, Simulated, probes_are_there, require_root, stay_on_first_processor,
    trace_fs,
};

/// A program that prints, in the words of the guide, of addresses that it makes up.
const PRINTING: &str = concat!(
    "(define-ebpf-program printing (license \"GPL\") (program-type :xdp) (define (main ctx)",
    "(let ((src-ip (the u32 3232235777)) (dst-ip (the u32 167772161)))\n",
    include_str!("debug-print.esh"),
    ") :xdp-pass))"
);

/// A program that calls the guide's wrappers.
const WRAPPING: &str = concat!(
    "(define-map results :array (key-type :u32) (value-type :u64) (max-entries 2))\n",
    include_str!("helper-functions.esh"),
    "(define-ebpf-program wrapping (license \"GPL\") (program-type :tracepoint)
       (attach-point \"syscalls:sys_enter_getppid\")
       (define (main ctx)
         (map-update results 0 (get-time))
         (map-update results 1 (get-pid))
         (debug-print \"pid %d of %d, %d and %d\" (get-pid) 1 2 3)))"
);

/// The guide's map definitions with what they leave to be defined, and a program that uses each map.
const MAPS: &str = concat!(
    include_str!("maps.esh"),
    "(define-struct stats-struct (packets :u64) (bytes :u64))
     (define-struct seen (source :ipv4-addr) (length :u32))
     (define-ebpf-program using-maps (license \"GPL\") (program-type :xdp)
       (define (main ctx)
         (let* ((eth (parse-eth-header ctx))
                (ip (and eth (= (eth-type eth) :eth-p-ip) (parse-ipv4-header (eth-payload eth))))
                (udp (and ip (parse-udp-header (ipv4-payload ip)))))
           (when udp
             (let ((stats (map-lookup statistics (ipv4-protocol ip))))
               (map-increment! connection-table
                 (make-ipv4-tuple (ipv4-src ip) (ipv4-dst ip) (udp-src-port udp) (udp-dst-port udp)))
               (when stats
                 (set-stats-struct-packets! stats (+ (stats-struct-packets stats) 1))
                 (set-stats-struct-bytes! stats (+ (stats-struct-bytes stats) (packet-length ctx))))
               (map-increment! per-cpu-stats 9)
               (ringbuf-submit events (make-seen (ipv4-src ip) (packet-length ctx)))))
           :xdp-pass)))"
);

/// The object that a text gives.
fn object(text: &str) -> Vec<u8> {
    let mut sources = Sources::new();
    let source = sources.add("guide.esh", text);
    let mut files = Files::new(|path| std::fs::read(path), std::env::temp_dir());
    let compilation = compile(&mut sources, source, &mut files, Options::default());
    let drawn: Vec<_> = compilation.diagnostics.iter().map(|message| render(message, &sources, Style::Plain)).collect();
    compilation.output.unwrap_or_else(|| panic!("{}", drawn.join("\n"))).object
}

const LINE: &str = "Processing packet: src=3232235777 dst=167772161";

#[test]
fn debug_print_writes_a_line() {
    let machine = eshkol::sim::Machine::load(&object(PRINTING)).unwrap();
    machine.run_xdp("main", &[0; 64]).unwrap();
    assert_eq!(machine.take_trace(), [LINE]);
}

#[test]
fn debug_print_writes_a_line_to_the_trace_pipe() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let loaded = Loaded::load(&object(PRINTING), "main").unwrap();
    let mut pipe = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(pipe.read(true), libc::O_NONBLOCK);
    let mut pipe = pipe.open("/sys/kernel/tracing/trace_pipe").unwrap();
    let (mut seen, end) = (Vec::new(), Instant::now() + Duration::from_secs(10));
    while !String::from_utf8_lossy(&seen).contains(LINE) {
        // Once more each time: where other tests of the machine read the pipe, a line comes to one of them.
        loaded.run(&[0; 64]).unwrap();
        assert!(Instant::now() < end, "in the trace pipe there is {:?}", String::from_utf8_lossy(&seen));
        let mut bytes = [0; 4096];
        match pipe.read(&mut bytes) {
            Ok(count) => seen.extend_from_slice(&bytes[..count]),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn helper_functions_give_time_and_process() {
    let machine = eshkol::sim::Machine::load(&object(WRAPPING)).unwrap();
    machine.set_time(5_000);
    machine.run_on_memory("main", &[0; 64]).unwrap();
    let result = |index: u32| {
        let value = machine.map("results").unwrap().lookup(&index.to_ne_bytes()).unwrap().unwrap();
        u64::from_ne_bytes(value.try_into().unwrap())
    };
    assert!((5_000..6_000).contains(&result(0)));
    // The process in the upper half, the thread in the lower.
    assert_eq!(result(1), 1000 << 32 | 1000);
    // More than three at once are several lines, for kernels that can't print them in one.
    assert_eq!(machine.take_trace(), [format!("pid {} of 1, 2", 1000_u64 << 32 | 1000), " and 3".to_owned()]);
}

#[test]
fn helper_functions_give_time_and_process_of_the_kernel() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let mut unit = EbpfLoader::new().btf(None).load(&object(WRAPPING)).unwrap();
    let Some(Program::TracePoint(program)) = unit.program_mut("main") else { panic!("no such program") };
    program.load().unwrap();
    let before = uptime();
    program.attach("syscalls", "sys_enter_getppid").unwrap();
    let results: Array<_, u64> = Array::try_from(unit.map("results").unwrap()).unwrap();
    // SAFETY: getpid(2), gettid(2) and getppid(2) have no preconditions.
    let here = unsafe { (libc::getpid().cast_unsigned(), libc::gettid().cast_unsigned()) };
    let wanted = u64::from(here.0) << 32 | u64::from(here.1);
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        // SAFETY: as above.
        unsafe { libc::getppid() };
        // Other processes call it, too.
        if results.get(&1, 0).unwrap() == wanted {
            break;
        }
        assert!(Instant::now() < end, "the call was not seen");
    }
    let (time, after) = (results.get(&0, 0).unwrap(), uptime());
    // The clock of programs may be a little off that of processes (`ktime_get_mono_fast_ns` in `kernel/time/timekeeping.c`).
    const A_LITTLE: u64 = 1_000_000_000;
    assert!(before < time + A_LITTLE && time < after + A_LITTLE, "{time} is not from {before} to {after}");
}

/// Nanoseconds since the system was started, as `bpf_ktime_get_ns` counts them.
fn uptime() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live struct, exclusively ours.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) }, 0);
    u64::try_from(Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec.try_into().unwrap()).as_nanos()).unwrap()
}

/// The four programs of the guide, with a body for each.
fn skeletons() -> String {
    let mut bodies = ["xdp :xdp-drop", "filter -1", "trace 0", "probe 0"].iter();
    let mut text = "(define-ebpf-object skeletons (license \"GPL\"))\n".to_owned();
    for part in include_str!("program-types.esh").split_inclusive("...") {
        text += &part.replace(
            "...",
            &bodies.next().map_or(String::new(), |body| {
                let (name, result) = body.split_once(' ').unwrap();
                format!("(define (on-{name} ctx) {result})")
            }),
        );
    }
    assert!(bodies.next().is_none(), "the guide has four");
    text
}

#[test]
fn the_skeletons_are_programs_of_their_types() {
    let machine = eshkol::sim::Machine::load(&object(&skeletons())).unwrap();
    let programs: Vec<_> = machine.programs().collect();
    assert_eq!(programs, ["on_filter", "on_probe", "on_trace", "on_xdp"]);
    assert_eq!(machine.run_xdp("on_xdp", &[0; 64]).unwrap().return_value, 1);
    // A filter's result is how much of the packet is kept.
    assert_eq!(machine.run_on_packet("on_filter", &[0; 64]).unwrap().return_value, u64::from(u32::MAX));
    for program in ["on_trace", "on_probe"] {
        assert_eq!(machine.run_on_memory(program, &[0; 512]).unwrap().return_value, 0, "{program}");
    }
}

#[test]
fn the_skeletons_are_attached_in_the_kernel() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let namespace = Namespace::new().unwrap();
    let mut unit = EbpfLoader::new().btf(None).load(&object(&skeletons())).unwrap();
    let Some(Program::KProbe(probe)) = unit.program_mut("on_probe") else { panic!("no such program") };
    probe.load().unwrap();
    if probes_are_there() {
        probe.attach("tcp_v4_connect", 0).unwrap();
    }
    let Some(Program::TracePoint(trace)) = unit.program_mut("on_trace") else { panic!("no such program") };
    trace.load().unwrap();
    trace.attach("syscalls", "sys_enter_write").unwrap();

    let socket = namespace.run(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let exchange = || {
        socket.send_to(b"hello", socket.local_addr().unwrap()).unwrap();
        socket.recv(&mut [0; 64]).ok()
    };
    let Some(Program::SocketFilter(filter)) = unit.program_mut("on_filter") else { panic!("no such program") };
    filter.load().unwrap();
    filter.attach(&socket).unwrap();
    assert_eq!(exchange(), Some(5), "all of the datagram is kept");
    let Some(Program::Xdp(xdp)) = unit.program_mut("on_xdp") else { panic!("no such program") };
    xdp.load().unwrap();
    let link = namespace.run(|| xdp.attach("lo", XdpMode::Skb)).unwrap();
    assert_eq!(exchange(), None, "all packets are dropped");
    namespace.run(|| xdp.detach(link)).unwrap();
    assert_eq!(exchange(), Some(5));
}

#[test]
fn the_maps_take_what_a_program_puts_there() {
    let packet = Packet::ethernet().ipv4([10, 0, 0, 2].into(), [10, 0, 0, 1].into()).udp(4000, 5000).payload(b"hello");
    let packet = packet.build();
    let object = object(MAPS);
    let in_simulator = Simulated::load(&object, "main").unwrap();
    maps_are_used(&in_simulator, &packet);
    let Privilege::Granted = require_root() else { return };
    stay_on_first_processor().unwrap();
    maps_are_used(&Loaded::load(&object, "main").unwrap(), &packet);
}

fn maps_are_used(runner: &dyn Runner, packet: &[u8]) {
    for _ in 0..2 {
        runner.run(packet).unwrap();
    }
    // Addresses and ports as they lie in a packet.
    let key = [10, 0, 0, 2, 10, 0, 0, 1, 0x0f, 0xa0, 0x13, 0x88];
    let keys = runner.keys("connection-table", 12).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].len(), key.len());
    assert_eq!(keys[0][..8], key[..8]);
    assert_eq!(runner.lookup("connection-table", &keys[0], 8).unwrap().unwrap(), 2_u64.to_ne_bytes());
    let stats = runner.lookup("statistics", &17_u32.to_ne_bytes(), 16).unwrap().unwrap();
    assert_eq!(stats, [2_u64.to_ne_bytes(), (2 * packet.len() as u64).to_ne_bytes()].concat());
    assert_eq!(runner.lookup("per-cpu-stats", &9_u32.to_ne_bytes(), 8).unwrap().unwrap(), 2_u64.to_ne_bytes());
    let event = [&[10, 0, 0, 2][..], &(packet.len() as u32).to_ne_bytes()].concat();
    assert_eq!(runner.events("events").unwrap(), [event.clone(), event]);
}
