//! Events through the buffers of the CPUs.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use eshkol::{PerfEventArray, Sampling, eshkol};
use eshkol_test_support::{Privilege, require_root, stay_on_first_processor, trace_fs};

eshkol! {
    (define-ebpf-object outputs
      (license "GPL"))

    (define-struct counted (number :u64) (cpu :u32))
    (define-struct labelled (length :u32) (label :char-array 25))
    (define-struct switched (previous :u64) (next :u64) (thread :u32))

    ;;; What becomes of packets.
    (define-map packets :perf-event-array)
    (define-map switches :perf-event-array)
    (define-map samples :perf-event-array)
    (define-map unused :perf-event-array (max-entries 1))
    (define-global (sent :mutable) :u64 0)
    (define-global (failures :mutable) :u64 0)

    (define (checked result)
      (when (< result 0)
        (set! failures (+ failures 1))))

    (define-ebpf-program on-packet
      (program-type :xdp)
      (define (seeing ctx)
        (set! sent (+ sent 1))
        (checked (perf-output ctx packets (make-counted sent (cpu-id))))
        (when (> (packet-length ctx) 100)
          (let ((event (make-labelled)))
            (set-labelled-length! event (packet-length ctx))
            (set-labelled-label! event 0 76)
            (checked (perf-output ctx packets event))))
        :xdp-pass))

    (define-ebpf-program on-switch
      (program-type :btf-tracepoint)
      (attach-point "sched_switch")
      (define (switching ctx)
        (perf-output ctx switches (make-switched 0 0 (current-tid)))))

    (define-ebpf-program on-raw-switch
      (program-type :raw-tracepoint)
      (attach-point "sched_switch")
      (define (raw-switching ctx)
        (perf-output ctx switches (make-switched (raw-tracepoint-arg ctx 1) (raw-tracepoint-arg ctx 2) (current-tid)))))

    (define-ebpf-program on-call
      (program-type :tracepoint)
      (attach-point "syscalls:sys_enter_getppid")
      (define (calling ctx)
        (perf-output ctx switches (make-counted (get-syscall-id ctx) (cpu-id)))))

    (define-ebpf-program on-sample
      (program-type :perf-event)
      (define (sampling ctx)
        (perf-output ctx samples (make-counted 1 (cpu-id)))))

    ;; Loaded alone: the kernel has the helper for it.
    (define-ebpf-program on-bind
      (program-type :cgroup-sock-addr)
      (attach-point "bind4")
      (define (binding ctx)
        (perf-output ctx samples (make-counted 2 (cpu-id)))
        :allow))
}

const SMALL: [u8; 64] = [0; 64];
const LARGE: [u8; 200] = [0; 200];

/// The numbers of those that were counted.
fn numbers(events: &PerfEventArray<PacketsEvent>) -> Vec<u64> {
    let mut numbers = Vec::new();
    events
        .drain(|event| {
            if let PacketsEvent::Counted(event) = event {
                numbers.push(event.number);
            }
        })
        .unwrap();
    numbers
}

/// In the simulator, and in the kernel.
fn in_both(check: impl Fn(&Outputs) + Sync, load: impl Fn(OutputsLoader) -> OutputsLoader + Sync) {
    check(&load(Outputs::loader()).test().unwrap());
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on_first_processor().unwrap();
            check(&load(Outputs::loader()).load().unwrap());
        });
    });
}

#[test]
fn events_come_as_the_structs_they_were_sent_as() {
    in_both(
        |unit| {
            assert!(unit.packets.try_next().unwrap().is_none());
            unit.seeing.test_run(&LARGE).unwrap();
            unit.seeing.test_run(&SMALL).unwrap();
            let events: Vec<_> = unit.packets.iter().map(Result::unwrap).collect();
            let [PacketsEvent::Counted(first), PacketsEvent::Labelled(label), PacketsEvent::Counted(second)] =
                events.as_slice()
            else {
                panic!("{events:?}")
            };
            assert_eq!((first.number, second.number, first.cpu), (1, 2, 0));
            assert_eq!((label.length, label.label_str().as_ref()), (200, "L"));
            assert!(unit.packets.try_next().unwrap().is_none());
            assert_eq!((unit.packets.lost().unwrap(), unit.failures.get().unwrap()), (0, 0));
            assert!(unit.unused.try_next().unwrap().is_none());
            assert_eq!(unit.packets.name(), "packets");
        },
        |loader| loader,
    );
}

#[test]
fn what_finds_no_room_is_counted() {
    in_both(
        |unit| {
            for _ in 0..200 {
                unit.seeing.test_run(&SMALL).unwrap();
            }
            // A sample takes 20 bytes and 12 before it; one byte stays free.
            let there = 4095 / 32;
            assert_eq!(unit.packets.lost().unwrap(), 200 - there);
            assert_eq!(unit.failures.get().unwrap(), 200 - there);
            assert_eq!(numbers(&unit.packets), (1..=there).collect::<Vec<_>>());
            // The kernel tells what was lost before the next, which is counted once.
            unit.seeing.test_run(&SMALL).unwrap();
            assert_eq!(numbers(&unit.packets), [201]);
            assert_eq!(unit.packets.lost().unwrap(), 200 - there);
        },
        |loader| loader.packets_pages(1),
    );
}

#[test]
fn a_buffer_is_read_round_and_round() {
    in_both(
        |unit| {
            let mut seen = Vec::new();
            // Records of 32 and of 48 bytes, so that they end up everywhere, the end of the memory included.
            for round in 0..300_u32 {
                for _ in 0..=round % 7 {
                    unit.seeing.test_run(&LARGE).unwrap();
                }
                if round % 3 == 0 {
                    unit.seeing.test_run(&SMALL).unwrap();
                }
                let mut labels = 0;
                while let Some(event) = unit.packets.try_next().unwrap() {
                    match event {
                        PacketsEvent::Counted(event) => seen.push(event.number),
                        PacketsEvent::Labelled(event) => {
                            labels += 1;
                            assert_eq!((event.length, event.label[0], event.label[24]), (200, 76, 0));
                        }
                    }
                }
                assert_eq!(labels, round % 7 + 1);
            }
            assert!(seen.len() > 1000);
            assert!(seen.iter().copied().eq(1..=seen.len() as u64));
            assert_eq!(unit.packets.lost().unwrap(), 0);
        },
        |loader| loader.packets_pages(1),
    );
}

#[test]
fn every_cpu_has_a_buffer() {
    let unit = Outputs::test().unwrap();
    let cpus = unit.simulator().unwrap().cpus();
    for cpu in 0..cpus {
        unit.simulator().unwrap().set_cpu(cpu).unwrap();
        unit.seeing.test_run(&SMALL).unwrap();
        unit.seeing.test_run(&SMALL).unwrap();
    }
    // In turn, so that none waits for the others.
    let seen: Vec<_> = unit.packets.iter().map(Result::unwrap).collect();
    let cpu_of = |event: &PacketsEvent| match event {
        PacketsEvent::Counted(event) => event.cpu as usize,
        PacketsEvent::Labelled(_) => panic!("that was not sent"),
    };
    assert!(seen.iter().map(cpu_of).eq((0..cpus).chain(0..cpus)));
}

#[test]
fn who_waits_is_woken() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let unit = Outputs::load().unwrap();
    let start = Instant::now();
    assert!(unit.packets.next_timeout(Duration::from_millis(30)).unwrap().is_none());
    assert!(start.elapsed() >= Duration::from_millis(30));

    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            unit.seeing.test_run(&LARGE).unwrap();
        });
        let first = unit.packets.next_timeout(Duration::from_secs(20)).unwrap().expect("nobody was woken");
        assert!(matches!(first, PacketsEvent::Counted(Counted { number: 1, .. })), "{first:?}");
    });
    // The other came with it, and needs no waking.
    assert!(matches!(unit.packets.next_timeout(Duration::ZERO).unwrap(), Some(PacketsEvent::Labelled(_))));
    assert!(start.elapsed() < Duration::from_secs(20));

    // As event loops do.
    let ready = |timeout| {
        let mut poll = libc::pollfd { fd: unit.packets.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one `pollfd`, which is live and ours.
        unsafe { libc::poll(&raw mut poll, 1, timeout) == 1 }
    };
    ready(0);
    assert!(!ready(0));
    unit.seeing.test_run(&SMALL).unwrap();
    assert!(ready(10_000));
    assert_eq!(numbers(&unit.packets), [2]);
}

#[test]
fn programs_that_trace_output_as_well() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let unit = Outputs::load().unwrap();
    let links = unit.switching.attach().unwrap();
    let me = this_thread();
    let next = |wanted: &dyn Fn(&SwitchesEvent) -> bool| {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
            if let Some(event) = unit.switches.iter().map(Result::unwrap).find(wanted) {
                return event;
            }
        }
        panic!("no such event came")
    };
    next(&|event| matches!(event, SwitchesEvent::Switched(Switched { thread, .. }) if *thread == me));
    drop(links);
    let links = unit.raw_switching.attach().unwrap();
    next(&|event| matches!(event, SwitchesEvent::Switched(Switched { previous, .. }) if *previous != 0));
    drop(links);
    let links = unit.calling.attach().unwrap();
    // SAFETY: getppid(2) has no preconditions.
    unsafe { libc::getppid() };
    next(
        &|event| matches!(event, SwitchesEvent::Counted(Counted { number, .. }) if number.cast_signed() == libc::SYS_getppid),
    );
    drop(links);
    let links = unit.sampling.attach_to(&Sampling::cpu_clock().period(1_000_000)).unwrap();
    let start = Instant::now();
    while unit.samples.try_next().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "no sample came");
    }
    drop(links);
}

/// The number of this thread.
fn this_thread() -> u32 {
    // SAFETY: gettid(2) has no preconditions.
    unsafe { libc::gettid() }.cast_unsigned()
}

#[test]
fn pages_are_a_power_of_two() {
    for pages in [0, 3] {
        let error = Outputs::loader().packets_pages(pages).load().unwrap_err();
        assert!(error.to_string().contains("give the buffers of `packets`"), "{error}");
        assert!(error.to_string().contains("power of two"), "{error}");
    }
}
