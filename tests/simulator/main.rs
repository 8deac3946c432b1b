//! `test()`: a unit's handles work on the simulator as they do on the kernel.

mod declared_places;
mod helpers;
mod histograms;
mod kernel_functions;
mod kernel_functions_with_memory;
mod large_events;
mod logging;
mod network;
mod perf_events;
mod probes;
mod stacks;
mod tail_calls;
mod tracing;

use std::net::Ipv4Addr;

use eshkol::{Error, XdpAction, eshkol};
use eshkol_test_support::{Packet, Privilege, require_root};

eshkol! {
    (define-ebpf-program firewall
      (license "GPL")
      (program-type :xdp)
      (attach-point "eth0")

      ;;; What happened to packets.
      (define-struct traffic (passed :u64) (dropped :u64))

      (define-global limit :u64 2)
      (define-global (runs :mutable) :u64 0)
      (define-global (last-length :mutable) :u32 7)

      (define-map blocklist :hash (key-type :ipv4-addr) (value-type :u8) (max-entries 2))
      (define-map networks :lpm-trie (key-type :ipv4-addr) (value-type :u8) (max-entries 8) (flags :no-prealloc))
      (define-map seen :lru-hash (key-type :ipv4-addr) (value-type :traffic) (max-entries 8))
      (define-map by-cpu :percpu-array (key-type :u32) (value-type :u64) (max-entries 1))
      (define-map out :devmap (key-type :u32) (value-type :u32) (max-entries 4))

      (define (count address passed dropped)
        (let ((entry (map-lookup seen address)))
          (if entry
              (begin
                (atomic-add! (traffic-passed entry) passed)
                (atomic-add! (traffic-dropped entry) dropped))
              (map-update seen address (make-traffic passed dropped)))))

      (define (filter ctx)
        (set! runs (+ runs 1))
        (set! last-length (packet-length ctx))
        (map-increment! by-cpu 0)
        (let* ((eth (parse-eth-header ctx))
               (ip (and eth (= (eth-type eth) :eth-p-ip) (parse-ipv4-header (eth-payload eth)))))
          (cond ((not ip) :xdp-pass)
                ((> runs limit) (redirect out 1))
                ((or (map-lookup blocklist (ipv4-src ip)) (map-lookup networks (ipv4-src ip)))
                 (count (ipv4-src ip) 0 1)
                 :xdp-drop)
                (else
                 (count (ipv4-src ip) 1 0)
                 (set-ipv4-ttl! ip 9)
                 :xdp-pass)))))
}

eshkol! {
    (define-ebpf-program curious
      (license "GPL")
      (program-type :xdp)
      (min-kernel "6.16")

      (define-struct answers
        (time :u64) (random :u32) (cpu :u32) (process :u64) (user :u64) (interface :u32) (queue :u32))
      (define-map seen :array (key-type :u32) (value-type :answers) (max-entries 1))

      (define (ask ctx)
        (bpf-trace-printk "from interface %d, %d bytes" (ctx-ingress-ifindex ctx) (packet-length ctx))
        (map-update seen 0
          (make-answers (bpf-ktime-get-ns) (bpf-get-prandom-u32) (bpf-get-smp-processor-id) (bpf-get-current-pid-tgid)
                        (bpf-get-current-uid-gid) (ctx-ingress-ifindex ctx) (ctx-rx-queue-index ctx)))
        (bpf-redirect 7 0)))
}

eshkol! {
    (define-ebpf-object pair (license "GPL"))
    (define-map counts :array (key-type :u32) (value-type :u64) (max-entries 2))
    (define-ebpf-program first
      (program-type :xdp)
      (define (count-first ctx) (map-increment! counts 0) :xdp-pass))
    (define-ebpf-program second
      (program-type :xdp)
      (define (count-second ctx)
        (map-increment! counts 1 (or (map-lookup counts 0) 0))
        :xdp-drop))
}

const GOOD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const BAD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

fn packet_from(source: Ipv4Addr) -> Vec<u8> {
    Packet::ethernet().ipv4(source, Ipv4Addr::new(10, 0, 0, 1)).udp(4000, 5000).payload(b"hello").build()
}

/// What every unit does, wherever it is.
fn exercise(unit: &Firewall) {
    unit.blocklist.insert(BAD, 1).unwrap();
    assert_eq!(unit.blocklist.get(BAD).unwrap(), Some(1));
    assert!(!unit.blocklist.insert_new(BAD, 2).unwrap());
    unit.blocklist.insert(GOOD, 1).unwrap();
    assert!(matches!(unit.blocklist.insert(Ipv4Addr::LOCALHOST, 1), Err(Error::MapFull { max_entries: 2, .. })));
    assert!(unit.blocklist.remove(GOOD).unwrap());
    assert_eq!(unit.blocklist.keys().map(Result::unwrap).collect::<Vec<_>>(), [BAD]);
    unit.networks.insert(Ipv4Addr::new(192, 168, 0, 0), 16, 1).unwrap();
    assert_eq!(unit.networks.get(Ipv4Addr::new(192, 168, 7, 7)).unwrap(), Some(1));

    let run = |packet: &[u8]| unit.filter.test_run(packet).unwrap();
    let passed = run(&packet_from(GOOD));
    assert_eq!(passed.action(), Some(XdpAction::Pass));
    assert_eq!(passed.data[22], 9);
    assert_eq!(run(&packet_from(BAD)).action(), Some(XdpAction::Drop));
    assert_eq!(unit.seen.get(GOOD).unwrap(), Some(Traffic { passed: 1, dropped: 0 }));
    assert_eq!(unit.seen.get(BAD).unwrap(), Some(Traffic { passed: 0, dropped: 1 }));
    assert_eq!(unit.runs.get().unwrap(), 2);
    assert_eq!(usize::try_from(unit.last_length.get().unwrap()).unwrap(), packet_from(BAD).len());
    assert_eq!(unit.by_cpu.get(0).unwrap().sum(), 2);

    // Beyond the limit, packets go out of an interface, if the map has one.
    assert_eq!(run(&packet_from(GOOD)).action(), Some(XdpAction::Aborted));
    unit.out.set(1, 1).unwrap();
    assert_eq!(run(&packet_from(GOOD)).action(), Some(XdpAction::Redirect));
    unit.runs.set(0).unwrap();
    assert_eq!(run(&packet_from(Ipv4Addr::new(192, 168, 7, 7))).action(), Some(XdpAction::Drop));
}

#[test]
fn a_unit_works_without_the_kernel() {
    exercise(&Firewall::test().unwrap());
}

#[test]
fn the_kernel_gives_the_same() {
    let Privilege::Granted = require_root() else { return };
    exercise(&Firewall::load().unwrap());
}

#[test]
fn settings_count() {
    let unit = Firewall::loader().limit(0).blocklist_max_entries(5).runs(10).test().unwrap();
    assert_eq!(unit.blocklist.capacity(), 5);
    unit.out.set(1, 77).unwrap();
    let run = unit.filter.test_run(&packet_from(GOOD)).unwrap();
    assert_eq!(run.action(), Some(XdpAction::Redirect));
    assert_eq!(unit.runs.get().unwrap(), 11);
    assert!(run.duration.as_nanos() > 10);
}

#[test]
fn a_unit_has_cpus_and_handles_of_its_own() {
    let unit = Firewall::test().unwrap();
    let last = unit.simulator().unwrap().cpus() - 1;
    unit.simulator().unwrap().set_cpu(last).unwrap();
    let elsewhere = unit.seen.try_clone().unwrap();
    let filter = unit.filter;
    std::thread::spawn(move || filter.test_run(&packet_from(GOOD)).map(|_| ())).join().unwrap().unwrap();
    assert_eq!(unit.by_cpu.get(0).unwrap()[last], 1);
    assert_eq!(elsewhere.get(GOOD).unwrap().unwrap().passed, 1);
    assert_eq!(Firewall::test().unwrap().seen.get(GOOD).unwrap(), None);
}

#[test]
fn what_needs_the_kernel_says_so() {
    let unit = Firewall::test().unwrap();
    let error = unit.filter.attach("lo").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the simulator cannot attach program `filter` to interface `lo`: it was loaded by `test()`, and nothing of it is in the kernel. \
         `load()` loads it there"
    );
    assert!(matches!(unit.attach_all(), Err(Error::Simulator(_))));
    let error = unit.filter.test_run(&[0; 13]).unwrap_err();
    assert!(error.to_string().contains("packets of 14 bytes, an Ethernet header, up to 3520"), "{error}");
    assert_eq!((unit.filter.id(), unit.filter.verified_instructions()), (0, 0));
    assert!(unit.filter.instructions() > 20);
}

#[test]
fn a_run_that_is_stopped_is_told_at_its_scheme_line() {
    let unit = Firewall::test().unwrap();
    // Wherever it is stopped: what comes from the prelude is told where the text uses it.
    let whole = unit.simulator().unwrap().run_xdp("filter", &packet_from(GOOD)).unwrap().instructions;
    for limit in 1..whole {
        let unit = Firewall::test().unwrap();
        unit.simulator().unwrap().set_instruction_limit(limit);
        let Err(Error::Simulator(stopped)) = unit.filter.test_run(&packet_from(GOOD)) else { panic!("not stopped") };
        assert_eq!(stopped.location().unwrap().file, "tests/simulator/main.rs", "at {limit}");
    }
    let unit = Firewall::test().unwrap();
    unit.simulator().unwrap().set_instruction_limit(60);
    let error = unit.filter.test_run(&packet_from(GOOD)).unwrap_err();
    let Error::Simulator(stopped) = &error else { panic!("{error}") };
    assert!(stopped.is_violation());
    let location = stopped.location().unwrap();
    let file = std::fs::read_to_string(&location.file).unwrap();
    let line = file.lines().nth(usize::try_from(location.line).unwrap() - 1).unwrap();
    assert_eq!(line.trim(), location.text);
    assert!(location.text.starts_with('('), "{}", location.text);
    let text = error.to_string();
    assert!(text.starts_with("the simulator stops program `filter` at instruction"), "{text}");
    assert!(text.contains("it has not ended after 60 instructions"), "{text}");
    assert!(text.contains(&format!("--> tests/simulator/main.rs:{}", location.line)), "{text}");
}

#[test]
fn what_programs_ask_about_can_be_set_and_is_the_same_every_time() {
    let ask = |set: &dyn Fn(&eshkol::sim::Machine)| {
        let unit = Curious::test().unwrap();
        let simulator = unit.simulator().unwrap();
        set(simulator);
        let outcome = simulator.run_xdp("ask", &packet_from(GOOD)).unwrap();
        assert_eq!(outcome.redirect, Some(eshkol::sim::Redirect::Interface(7)));
        (unit.seen.get(0).unwrap(), simulator.take_trace())
    };
    let (answers, trace) = ask(&|_| ());
    assert_eq!((answers, trace.clone()), ask(&|_| ()));
    assert_eq!(trace, ["from interface 1, 47 bytes"]);
    assert!((1_000_000_000..1_000_001_000).contains(&answers.time), "{}", answers.time);
    assert_eq!((answers.cpu, answers.process, answers.interface, answers.queue), (0, 1000 << 32 | 1000, 1, 0));

    let (set, trace) = ask(&|simulator| {
        simulator.set_time(7);
        simulator.set_seed(1);
        simulator.set_ingress(3, 2);
        let mut task = eshkol::sim::Task::default();
        (task.process, task.thread, task.user, task.group) = (1, 2, 3, 4);
        simulator.set_task(task);
    });
    assert_eq!(trace, ["from interface 3, 47 bytes"]);
    assert!(set.time < 1000 && set.random != answers.random);
    assert_eq!((set.process, set.user, set.interface, set.queue), (1 << 32 | 2, 4 << 32 | 3, 3, 2));
    assert!(Curious::test().unwrap().simulator().unwrap().set_cpu(usize::MAX).is_err());
}

#[test]
fn programs_of_a_unit_share_its_maps() {
    let unit = Pair::test().unwrap();
    for _ in 0..2 {
        assert_eq!(unit.count_first.test_run(&packet_from(GOOD)).unwrap().action(), Some(XdpAction::Pass));
        assert_eq!(unit.count_second.test_run(&packet_from(GOOD)).unwrap().action(), Some(XdpAction::Drop));
    }
    assert_eq!(unit.counts.iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 3]);
}
