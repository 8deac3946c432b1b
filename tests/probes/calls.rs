//! What programs are told of calls: arguments and results, also where calls are within each other, at the same time, or too many.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use eshkol::eshkol;
use eshkol_test_support::{Privilege, require_probes};

eshkol! {
    (define-ebpf-object options
      (license "GPL"))

    (define-struct entry (fd :i32) (level :i32) (name :i32) (value :u64) (length :i32) (thread :u32) (ip :u64) (sp :u64))
    (define-struct result (fd :i32) (length :i32) (status :i64))
    (define-map calls :ringbuf (size 65536))

    (define-ebpf-program on-entry
      (program-type :kprobe)
      (attach-point "__sys_setsockopt")
      (define (entered ctx)
        (ringbuf-submit calls
          (make-entry (get-kprobe-arg ctx 0) (get-kprobe-arg ctx 1) (get-kprobe-arg ctx 2) (get-kprobe-arg ctx 3)
                      (get-kprobe-arg ctx 4) (current-tid) (ctx-ip ctx) (ctx-sp ctx)))))

    (define-ebpf-program on-return
      (program-type :kretprobe)
      (attach-point "__sys_setsockopt")
      (define (returned (fd : i32) (_level : i32) (_name : i32) (_value : u64) (length : i32))
        (ringbuf-submit calls (make-result fd length 0))))
}

mod sleeps {
    eshkol::eshkol! {
        (define-ebpf-object sleeps
          (license "GPL"))

        ;;; By thread: what the function was called with.
        (define-map called :hash (key-type :u32) (value-type :u64) (max-entries 4096))
        (define-global (right :mutable) :u64 0)
        (define-global (wrong :mutable) :u64 0)

        (define-ebpf-program on-entry
          (program-type :kprobe)
          (attach-point "hrtimer_nanosleep")
          (define (entered ctx)
            (map-update called (current-tid) (get-kprobe-arg ctx 0))))

        (define-ebpf-program on-return
          (program-type :kretprobe)
          (attach-point "hrtimer_nanosleep")
          (define (returned ctx)
            (let ((argument (get-kprobe-arg ctx 0))
                  (known (map-lookup called (current-tid))))
              (when known
                (if (= known argument)
                    (atomic-add! right 1)
                    (atomic-add! wrong 1)))
              0)))
    }
}

mod nested {
    eshkol::eshkol! {
        (define-ebpf-object nested
          (license "GPL"))

        (define-struct call (thread :u32) (argument :u64))
        (define-struct back (thread :u32) (status :i32) (argument :u64) (results :u64))
        (define-map steps :ringbuf (size 65536))

        (define-ebpf-program on-entry
          (program-type :kprobe)
          (attach-point "ep_loop_check_proc")
          (define (entered ctx)
            (ringbuf-submit steps (make-call (current-tid) (get-kprobe-arg ctx 0)))))

        (define-ebpf-program on-return
          (program-type :kretprobe)
          (attach-point "ep_loop_check_proc")
          (define (returned ctx)
            (ringbuf-submit steps (make-back (current-tid) (kprobe-return-value ctx) (get-kprobe-arg ctx 0) 1))))
    }
}

fn thread_id() -> u32 {
    // SAFETY: gettid(2) has no preconditions.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// Sets an option of a socket that there is not.
fn set_option(length: libc::socklen_t) {
    // SAFETY: there is no descriptor -7, so the kernel looks at nothing else.
    let result = unsafe { libc::setsockopt(-7, 11, 22, std::ptr::without_provenance(0x33), length) };
    assert_eq!(result, -1);
}

/// Where a function of the kernel begins.
fn address_of(function: &str) -> u64 {
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap();
    let line = symbols.lines().find(|line| line.split_whitespace().nth(2) == Some(function)).unwrap();
    u64::from_str_radix(line.split_whitespace().next().unwrap(), 16).unwrap()
}

#[test]
fn a_function_is_entered_and_left_with_its_arguments() {
    let Privilege::Granted = require_probes() else { return };
    let unit = Options::load().unwrap();
    let start = address_of("__sys_setsockopt");
    let links = unit.attach_all().unwrap();
    set_option(44);
    set_option(55);
    drop(links);
    // Nothing is attached any more.
    set_option(66);
    let mut seen = Vec::new();
    unit.calls
        .drain(|event| match event {
            CallsEvent::Entry(entry) if entry.thread == thread_id() => {
                assert_eq!((entry.fd, entry.level, entry.name, entry.value), (-7, 11, 22, 0x33));
                assert!((start..start + 32).contains(&entry.ip), "{:#x} is not where {start:#x} begins", entry.ip);
                assert!(entry.sp > start & (1 << 63), "{:#x} is no stack of the kernel", entry.sp);
                seen.push((true, entry.length));
            }
            CallsEvent::Result(result) if result.fd == -7 => seen.push((false, result.length)),
            _ => {}
        })
        .unwrap();
    assert_eq!(seen, [(true, 44), (false, 44), (true, 55), (false, 55)]);
}

#[test]
fn calls_at_the_same_time_keep_their_own_arguments_and_missed_returns_confuse_none() {
    let Privilege::Granted = require_probes() else { return };
    const THREADS: u64 = 100;
    const ROUNDS: u64 = 4;
    let unit = sleeps::Sleeps::load().unwrap();
    let links = unit.attach_all().unwrap();
    let together = Arc::new(Barrier::new(usize::try_from(THREADS).unwrap()));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let together = together.clone();
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    together.wait();
                    // More sleep at a time than the kernel has return probes for.
                    thread::sleep(Duration::from_nanos(20_000_000 + 1000 * number + round));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    drop(links);
    let (right, wrong) = (unit.right.get().unwrap(), unit.wrong.get().unwrap());
    assert_eq!(wrong, 0, "{right} right");
    assert!((ROUNDS..THREADS * ROUNDS).contains(&right), "{right} returns of {} calls", THREADS * ROUNDS);
}

#[test]
fn calls_within_calls_keep_their_own_arguments() {
    let Privilege::Granted = require_probes() else { return };
    // Without preemption the kernel has as many return probes at hand as there can be processors; others are missed.
    if eshkol::possible_cpus().unwrap() < 4 {
        eprintln!("SKIPPED: too few processors for returns of calls within calls");
        return;
    }
    let unit = nested::Nested::load().unwrap();
    let links = unit.attach_all().unwrap();
    // Each in the one before: the kernel goes down the chain to see that it is no ring.
    let chain: Vec<OwnedFd> = (0..4)
        .map(|_| {
            // SAFETY: no pointers; what it gives is a descriptor of our own, or -1.
            unsafe {
                let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
                assert!(fd >= 0);
                OwnedFd::from_raw_fd(fd)
            }
        })
        .collect();
    for pair in chain.windows(2) {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        // SAFETY: both are open, and `event` lives.
        let added =
            unsafe { libc::epoll_ctl(pair[1].as_raw_fd(), libc::EPOLL_CTL_ADD, pair[0].as_raw_fd(), &raw mut event) };
        assert_eq!(added, 0);
    }
    drop(links);
    let mut stack = Vec::new();
    let (mut deepest, mut returns) = (0, 0);
    let mut calls = BTreeMap::<u64, u32>::new();
    unit.steps
        .drain(|step| match step {
            nested::StepsEvent::Call(call) if call.thread == thread_id() => {
                *calls.entry(call.argument).or_default() += 1;
                stack.push(call.argument);
                deepest = deepest.max(stack.len());
            }
            nested::StepsEvent::Back(back) if back.thread == thread_id() => {
                assert_eq!(stack.pop(), Some(back.argument), "the innermost call returns first");
                returns += 1;
            }
            _ => {}
        })
        .unwrap();
    assert!(stack.is_empty(), "{} calls did not return", stack.len());
    assert!(deepest >= 2 && returns > deepest, "{returns} returns, {deepest} deep: {calls:?}");
}
