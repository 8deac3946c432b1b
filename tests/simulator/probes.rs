//! Programs where functions of the kernel are entered and return.

use eshkol::{Error, eshkol};

eshkol! {
    (define-ebpf-object probes
      (license "GPL"))

    (define-map entered :hash (key-type :u64) (value-type :u64) (max-entries 16))
    ;;; By the first argument: the sum of the second and the result.
    (define-map returned :hash (key-type :u64) (value-type :u64) (max-entries 16))

    (define-ebpf-program on-entry
      (program-type :kprobe)
      (attach-point "tcp_sendmsg")
      (define (entering ctx)
        (map-update entered (get-kprobe-arg ctx 0) (get-kprobe-arg ctx 5))
        (bitwise-ior (ctx-ip ctx) (ctx-sp ctx))))

    (define-ebpf-program typed
      (program-type :kprobe)
      (attach-point "vfs_read" "vfs_write")
      (define (reading (file : u64) (_ : u64) (count : u16))
        (map-update entered file count)
        3))

    (define-ebpf-program on-return
      (program-type :kretprobe)
      (attach-point "tcp_sendmsg")
      (define (returning ctx)
        (map-update returned (get-kprobe-arg ctx 0) (+ (get-kprobe-arg ctx 2) (kprobe-return-value ctx)))
        1))

    (define-ebpf-program typed-return
      (program-type :kretprobe)
      (attach-point "vfs_read")
      (define (read-done (file : u64))
        (map-update returned file 5)))

    (define-ebpf-program result-alone
      (program-type :kretprobe)
      (attach-point "vfs_read")
      (define (result ctx)
        (kprobe-return-value ctx)))
}

#[test]
fn a_function_is_entered_with_its_arguments() {
    let unit = Probes::test().unwrap();
    assert_eq!(unit.entering.test_run(&[1, 2, 3, 4, 5, 6]).unwrap(), 0, "no place is given");
    assert_eq!(unit.entered.get(1).unwrap(), Some(6));
    assert_eq!(unit.reading.test_run(&[7, 0, 0x1_0002]).unwrap(), 3);
    assert_eq!(unit.entered.get(7).unwrap(), Some(2));
}

#[test]
fn a_return_knows_what_the_function_was_called_with() {
    let unit = Probes::test().unwrap();
    assert_eq!(unit.returning.test_run(&[1, 2, 30], 400).unwrap(), 1);
    assert_eq!(unit.returned.get(1).unwrap(), Some(430));
    unit.read_done.test_run(&[9], 0).unwrap();
    assert_eq!(unit.returned.get(9).unwrap(), Some(5));
    assert_eq!(unit.result.test_run(&[], 0x1_0000_0007).unwrap(), 7);
}

#[test]
fn calls_within_calls_each_have_their_own_arguments() {
    let unit = Probes::test().unwrap();
    let outer = unit.returning.test_call(&[1, 0, 10]).unwrap();
    let inner = unit.returning.test_call(&[2, 0, 20]).unwrap();
    // As on two CPUs, the outer one may be the first to return.
    let other = unit.returning.test_call(&[3, 0, 30]).unwrap();
    assert_eq!(outer.test_return(1).unwrap(), 1);
    assert_eq!(other.test_return(3).unwrap(), 1);
    assert_eq!(inner.test_return(2).unwrap(), 1);
    let mut sums = unit.returned.iter().map(Result::unwrap).collect::<Vec<_>>();
    sums.sort_unstable();
    assert_eq!(sums, [(1, 11), (2, 22), (3, 33)]);
    // Nothing is left of them.
    let kept = unit.simulator().unwrap().map("eshkol_args_returning").unwrap();
    assert_eq!(kept.next_key(None).unwrap(), None);
}

#[test]
fn nothing_is_attached_in_the_simulator() {
    let unit = Probes::test().unwrap();
    for error in [unit.entering.attach().unwrap_err(), unit.returning.attach_to("vfs_read").unwrap_err()] {
        assert!(matches!(error, Error::Simulator(_)), "{error}");
    }
    let error = unit.entering.test_run(&[0; 20]).unwrap_err().to_string();
    assert!(error.contains("call a function with 20 arguments"), "{error}");
}
