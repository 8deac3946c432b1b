//! Programs that trace, and ring buffers.

use std::time::Duration;

use eshkol::{Error, eshkol};
use eshkol_test_support::{Privilege, require_root, trace_fs};

eshkol! {
    (define-ebpf-object traces
      (license "GPL"))

    (define-struct opened (call :i32) (flags :u64) (time :u64))
    (define-struct closed (result :i64))
    (define-struct switched (previous :u64))

    ;;; What happens to files.
    (define-map files :ringbuf (size 4096))
    (define-map switches :ringbuf (size 4096))
    (define-map unused :ringbuf (size 8192))
    (define-global (failures :mutable) :u64 0)

    (define-ebpf-program on-open
      (program-type :tracepoint)
      (attach-point "syscalls:sys_enter_openat")
      (define (opening ctx)
        (let ((sent (ringbuf-submit files (make-opened (get-syscall-id ctx) (get-syscall-arg ctx 2) (bpf-ktime-get-ns)))))
          (when (< sent 0)
            (set! failures (+ failures 1))))))

    (define-ebpf-program on-close
      (program-type :tracepoint)
      (attach-point "syscalls:sys_exit_close")
      (define (closing ctx)
        (ringbuf-submit files (make-closed (get-syscall-return ctx)))
        7))

    (define-ebpf-program on-switch
      (program-type :raw-tracepoint)
      (attach-point "sched_switch")
      (define (switching ctx)
        (ringbuf-submit switches (make-switched (raw-tracepoint-arg ctx 1)))))
}

/// The record of a system call's tracepoint: 8 bytes of the kernel's, the call's number, six numbers.
fn record(call: i32, numbers: [u64; 6]) -> Vec<u8> {
    let mut record = vec![0; 8];
    record.extend(i64::from(call).to_ne_bytes());
    record.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
    record
}

#[test]
fn events_come_in_order_as_the_structs_they_were_sent_as() {
    let unit = Traces::test().unwrap();
    assert!(unit.files.try_next().unwrap().is_none());
    unit.simulator().unwrap().set_time(100);
    assert_eq!(unit.opening.test_run(&record(257, [1, 2, 3, 4, 5, 6])).unwrap(), 0);
    assert_eq!(unit.closing.test_run(&record(3, [(-9_i64).cast_unsigned(), 0, 0, 0, 0, 0])).unwrap(), 7);
    let events: Vec<_> = unit.files.iter().map(Result::unwrap).collect();
    let [FilesEvent::Opened(opened), FilesEvent::Closed(closed)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((opened.call, opened.flags), (257, 3));
    assert!((100..200).contains(&opened.time));
    assert_eq!(*closed, Closed { result: -9 });
    assert!(unit.files.try_next().unwrap().is_none());
    assert_eq!(unit.files.lost().unwrap(), 0);
}

#[test]
fn what_finds_no_room_is_counted() {
    let unit = Traces::test().unwrap();
    for _ in 0..200 {
        unit.opening.test_run(&record(257, [0; 6])).unwrap();
    }
    // An event takes 24 bytes and 8 before it; one byte stays free.
    let there = 4095 / 32;
    let lost = 200 - there;
    assert_eq!(unit.files.lost().unwrap(), lost);
    assert_eq!(unit.failures.get().unwrap(), lost);
    assert_eq!(unit.switches.lost().unwrap(), 0);
    let mut count = 0;
    assert_eq!(unit.files.drain(|_| count += 1).unwrap(), usize::try_from(there).unwrap());
    assert_eq!(count, there);
    unit.opening.test_run(&record(257, [0; 6])).unwrap();
    assert!(unit.files.next_timeout(Duration::ZERO).unwrap().is_some());
}

#[test]
fn raw_tracepoints_are_called_with_arguments() {
    let unit = Traces::test().unwrap();
    unit.switching.test_run(&[1, 2, 3]).unwrap();
    assert_eq!(unit.switches.try_next().unwrap(), Some(Switched { previous: 2 }));
    // The program reads more than it is given.
    let Err(Error::Simulator(stopped)) = unit.switching.test_run(&[1]) else { panic!("not stopped") };
    assert!(stopped.is_violation());
}

#[test]
fn nothing_is_attached_in_the_simulator() {
    let unit = Traces::test().unwrap();
    let error = unit.attach_all().unwrap_err();
    assert!(error.to_string().contains("`load()` loads it there"), "{error}");
}

#[test]
fn the_size_of_a_buffer_can_be_set() {
    let unit = Traces::loader().files_size(8192).test().unwrap();
    for _ in 0..200 {
        unit.opening.test_run(&record(257, [0; 6])).unwrap();
    }
    assert_eq!(unit.files.lost().unwrap(), 0);
}

#[test]
fn the_kernel_runs_the_same() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let unit = Traces::load().unwrap();
    let links = unit.attach_all().unwrap();
    drop(std::fs::File::open("/dev/null").unwrap());
    // Sleeping switches to another task.
    std::thread::sleep(Duration::from_millis(20));
    drop(links);
    let (mut opened, mut closed) = (0, 0);
    unit.files
        .drain(|event| match event {
            FilesEvent::Opened(event) => opened += usize::from(i64::from(event.call) == libc::SYS_openat),
            FilesEvent::Closed(event) => closed += usize::from(event.result == 0),
        })
        .unwrap();
    assert!(opened > 0 && closed > 0, "{opened} opened, {closed} closed");
    // What is sent is the address of the task that ran before.
    let switched = unit.switches.try_next().unwrap().expect("no switch was seen");
    assert_ne!(switched.previous, 0);
}
