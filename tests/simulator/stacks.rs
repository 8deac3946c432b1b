//! Call stacks, which the test gives.

use eshkol::{TestSample, eshkol};

eshkol! {
    (define-ebpf-program sampling
      (license "GPL")
      (program-type :perf-event)
      (define-struct place (user :i64) (kernel :i64))
      (define-struct frames (address (array :u64 3)))
      (define-map stacks :stack-trace (max-entries 2))
      (define-map samples :hash (key-type place) (value-type :u64) (max-entries 64))
      (define-map written :array (key-type :u32) (value-type :i64) (max-entries 1))
      (define-map innermost :array (key-type :u32) (value-type frames) (max-entries 1))
      (define (sample ctx)
        (map-increment! samples (make-place (stack-id ctx stacks :user) (stack-id ctx stacks)))
        (let ((found (make-frames)))
          (map-update written 0 (bpf-get-stack ctx (frames-address found) 24 0))
          (map-update innermost 0 found))
        0))
}

eshkol! {
    (define-ebpf-program sampled
      (license "GPL")
      (program-type :perf-event)
      (define-map words :array (key-type :u32) (value-type :u64) (max-entries 4))
      (define (at-sample ctx)
        (map-update words 0 (ctx-ip ctx))
        (map-update words 1 (ctx-sp ctx))
        (map-update words 2 (ctx-sample-period ctx))
        (map-update words 3 (ctx-addr ctx))))
}

#[test]
fn a_sample_says_where_it_was_taken() {
    let unit = Sampled::test().unwrap();
    let sample =
        TestSample { instruction_pointer: 0x40_1000, stack_pointer: 0x7ffe_0000, period: 10_101_010, address: 7 };
    unit.at_sample.test_sample(&sample).unwrap();
    let words: Vec<_> = (0..4).map(|index| unit.words.get(index).unwrap()).collect();
    assert_eq!(words, [0x40_1000, 0x7ffe_0000, 10_101_010, 7]);
    unit.at_sample.test_run().unwrap();
    assert_eq!(unit.words.get(2).unwrap(), 0);
}

/// No frame is there, and another stack has the place of this one.
const NONE: i64 = -14;
const TAKEN: i64 = -17;

#[test]
fn a_stack_has_one_number_and_is_found_under_it() {
    let unit = Sampling::test().unwrap();
    let simulator = unit.simulator().unwrap();
    let count = |user, kernel| unit.samples.get(Place { user, kernel }).unwrap();
    assert_eq!(unit.sample.test_run().unwrap(), 0);
    assert_eq!((count(NONE, NONE), unit.written.get(0).unwrap()), (Some(1), NONE));

    let process = [0x40_1000, 0x40_2000, 0x40_3000, 0x40_4000];
    simulator.set_user_stack(&process);
    unit.sample.test_run().unwrap();
    unit.sample.test_run().unwrap();
    assert_eq!(count(0, NONE), Some(2));
    simulator.set_kernel_stack(&[u64::MAX - 0xfff]);
    unit.sample.test_run().unwrap();
    assert_eq!(count(0, 1), Some(1));
    assert_eq!(unit.stacks.get(0).unwrap().as_deref(), Some(&process[..]));
    assert_eq!(unit.stacks.get(1).unwrap(), Some(vec![u64::MAX - 0xfff]));
    assert_eq!((unit.written.get(0).unwrap(), unit.innermost.get(0).unwrap().address), (8, [u64::MAX - 0xfff, 0, 0]));

    simulator.set_kernel_stack(&process[1..]);
    unit.sample.test_run().unwrap();
    assert_eq!(count(0, TAKEN), Some(1), "there is room for two");
    assert_eq!(unit.innermost.get(0).unwrap().address, process[1..]);
    assert!(unit.stacks.remove(1).unwrap() && !unit.stacks.remove(1).unwrap());
    assert_eq!(unit.stacks.get(1).unwrap(), None);
    unit.sample.test_run().unwrap();
    assert_eq!(count(0, 1), Some(2));
    let deep: Vec<u64> = (1..=200).collect();
    simulator.set_user_stack(&deep);
    unit.stacks.remove(0).unwrap();
    unit.sample.test_run().unwrap();
    assert_eq!(unit.stacks.get(0).unwrap().as_deref(), Some(&deep[..127]), "127 at most");
}
