//! Functions of the kernel that a unit declares.

use eshkol::{KernelVersion, eshkol};
use eshkol_test_support::{Privilege, require_root};

eshkol! {
    (define-ebpf-object counts
      (license "GPL"))

    (define-kfunc bpf-map-sum-elem-count (map :map) :i64)

    (define-map flows :hash (key-type :u32) (value-type :u64) (max-entries 64))
    (define-map slots :array (key-type :u32) (value-type :u64) (max-entries 4))
    (define-global (slots-counted :mutable) :i64 -1)
    (define-global (counted :mutable) :i64 -1)

    ;; Called from two places, one of them a function of its own.
    (define (busy? limit)
      (> (bpf-map-sum-elem-count flows) limit))

    (define-ebpf-program guard
      (program-type :xdp)
      (min-kernel "6.6")
      (define (guarding ctx)
        (set! counted (bpf-map-sum-elem-count flows))
        (set! slots-counted (bpf-map-sum-elem-count slots))
        (if (busy? 2) :xdp-drop :xdp-pass)))

    (define-ebpf-program watch
      (program-type :tracepoint)
      (min-kernel "6.6")
      (attach-point "syscalls:sys_enter_getppid")
      (define (watching ctx)
        (set! counted (+ 100 (bpf-map-sum-elem-count flows)))))
}

mod unknown {
    eshkol::eshkol! {
        (define-ebpf-program unknown
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.6")
          (define-kfunc bpf-map-sum-elem-counts (map :map) :i64)
          (define-map flows :hash (key-type :u32) (value-type :u64) (max-entries 64))
          (define (main ctx)
            (if (> (bpf-map-sum-elem-counts flows) 2) :xdp-drop :xdp-pass)))
    }
}

mod different {
    eshkol::eshkol! {
        (define-ebpf-program different
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.6")
          (define-kfunc bpf-map-sum-elem-count (map :map) (number :u32) :i64)
          (define-map flows :hash (key-type :u32) (value-type :u64) (max-entries 64))
          (define (main ctx)
            (if (> (bpf-map-sum-elem-count flows 7) 2) :xdp-drop :xdp-pass)))
    }
}

mod misplaced {
    eshkol::eshkol! {
        (define-ebpf-program misplaced
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.6")
          (define-kfunc bpf-session-is-return :u8)
          (define (main ctx)
            (if (= (bpf-session-is-return) 1) :xdp-drop :xdp-pass)))
    }
}

mod numbers {
    eshkol::eshkol! {
        (define-ebpf-program numbers
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.6")
          (define-kfunc bpf-of-tomorrow (small :u8) (large :i64) :i32)
          (define-kfunc bpf-without-result (number :u64))
          (define-global given :u64 0)
          (define-global (result :mutable) :i64 0)
          (define (main ctx)
            (bpf-without-result given)
            (set! result (bpf-of-tomorrow given (- given)))
            :xdp-pass))
    }
}

/// Root, and a kernel that has the function for every program.
fn in_kernel() -> bool {
    let has_it = KernelVersion::running().is_some_and(|running| running >= KernelVersion::new(6, 6));
    has_it && require_root() == Privilege::Granted
}

fn check(unit: &Counts) {
    for (count, dropped) in [(0, false), (1, false), (2, false), (3, true), (4, true)] {
        let run = unit.guarding.test_run(&[0; 64]).unwrap();
        assert_eq!(run.return_value == 1, dropped, "{count}");
        assert_eq!(unit.counted.get().unwrap(), count);
        // Arrays are not counted.
        assert_eq!(unit.slots_counted.get().unwrap(), 0);
        unit.flows.insert(u32::try_from(count).unwrap(), 1).unwrap();
    }
    unit.flows.remove(0).unwrap();
    unit.guarding.test_run(&[0; 64]).unwrap();
    assert_eq!(unit.counted.get().unwrap(), 4);
}

#[test]
fn a_function_of_the_kernel_counts_the_elements_of_a_map() {
    check(&Counts::test().unwrap());
    if in_kernel() {
        check(&Counts::load().unwrap());
    }
}

#[test]
fn programs_that_trace_call_it_as_well() {
    if !in_kernel() {
        return;
    }
    eshkol_test_support::trace_fs();
    let unit = Counts::load().unwrap();
    unit.flows.insert(1, 1).unwrap();
    let link = unit.watching.attach().unwrap();
    // SAFETY: getppid(2) has no preconditions.
    unsafe { libc::getppid() };
    drop(link);
    assert_eq!(unit.counted.get().unwrap(), 101);
}

#[test]
fn one_that_the_kernel_does_not_have_is_an_error_that_knows_which_are_near() {
    if !in_kernel() {
        return;
    }
    let error = unknown::Unknown::load().unwrap_err().to_string();
    assert!(error.contains("the function `bpf_map_sum_elem_counts` is not there"), "{error}");
    // Before 6.10 kernels do not tell which functions programs may call.
    if KernelVersion::running().is_some_and(|running| running >= KernelVersion::new(6, 12)) {
        assert!(error.contains("Did you mean `bpf_map_sum_elem_count`"), "{error}");
    }
}

#[test]
fn one_that_is_declared_otherwise_is_an_error_that_shows_how_it_is() {
    if !in_kernel() {
        return;
    }
    let error = different::Different::load().unwrap_err().to_string();
    assert!(error.contains("takes or gives something else"), "{error}");
    assert!(error.contains("(define-kfunc bpf-map-sum-elem-count (p1 :map) :u64)"), "{error}");
}

#[test]
fn one_that_is_for_other_programs_is_refused_by_the_verifier() {
    // It is there since 6.10, for probes.
    let Some(running) = KernelVersion::running().filter(|running| *running >= KernelVersion::new(6, 12)) else {
        return;
    };
    if !in_kernel() {
        return;
    }
    let error = misplaced::Misplaced::load().unwrap_err().to_string();
    // By now it takes the context as well, and so the verifier does not get to see the call.
    if running >= KernelVersion::new(7, 0) {
        assert!(error.contains("takes or gives something else"), "{error}");
        return;
    }
    assert!(error.contains("may not call that function of the kernel"), "{error}");
    assert!(error.contains("(bpf-session-is-return)"), "{error}");
}

#[test]
fn anything_stands_in_for_a_function_in_the_simulator() {
    let unit = numbers::Numbers::loader().given(0x1ff_u64).test().unwrap();
    let error = unit.main.test_run(&[0; 64]).unwrap_err().to_string();
    assert!(error.contains("calls bpf_without_result, for which `set_kernel_function`"), "{error}");

    let simulator = unit.simulator().unwrap();
    simulator.set_kernel_function("bpf_without_result", |_| 0).unwrap();
    let (given, seen) = std::sync::mpsc::channel();
    simulator
        .set_kernel_function("bpf_of_tomorrow", move |arguments| {
            given.send(arguments.to_vec()).unwrap();
            // What is above the number is no part of it.
            0xdead_beef_ffff_fffe
        })
        .unwrap();
    unit.main.test_run(&[0; 64]).unwrap();
    assert_eq!(seen.recv().unwrap(), [0xff, 0_u64.wrapping_sub(0x1ff)]);
    assert_eq!(unit.result.get().unwrap(), -2);
    assert!(simulator.set_kernel_function("bpf_other", |_| 0).is_err());
}
