//! Programs that go on with others.

use eshkol::{Error, XdpAction, XdpProgram, eshkol};
use eshkol_test_support::{Privilege, require_root};

eshkol! {
    (define-ebpf-object dispatcher
      (license "GPL"))

    (define-map handlers :prog-array (max-entries 4))
    (define-global (steps :mutable) :u64 0)

    (define-ebpf-program dispatch
      (program-type :xdp)
      (define (dispatching ctx)
        (set! steps (+ steps 1))
        (if (< (packet-length ctx) 60)
            (tail-call ctx short)
            (tail-call ctx handlers (- (packet-length ctx) 64)))
        :xdp-aborted))

    (define-ebpf-program short
      (program-type :xdp)
      (define (short-packet ctx)
        (set! steps (+ steps 10))
        (tail-call ctx short)
        :xdp-drop))

    (define-ebpf-program odd
      (program-type :xdp)
      (define (odd-packet ctx)
        (set! steps (+ steps 1000))
        :xdp-tx))
}

fn verdict(program: &XdpProgram, length: usize) -> XdpAction {
    program.test_run(&vec![0; length]).unwrap().action().unwrap()
}

fn programs_go_on(unit: &Dispatcher) {
    let steps = |wanted: u64| {
        assert_eq!(unit.steps.get().unwrap(), wanted);
        unit.steps.set(0).unwrap();
    };
    // The kernel follows 33 tail calls: one to the program for short packets, and its own to itself.
    assert_eq!(verdict(&unit.dispatching, 40), XdpAction::Drop);
    steps(1 + 33 * 10);
    // Nobody has put anything there yet.
    assert_eq!(verdict(&unit.dispatching, 65), XdpAction::Aborted);
    steps(1);
    unit.handlers.set(1, &unit.odd_packet).unwrap();
    assert_eq!(verdict(&unit.dispatching, 65), XdpAction::Tx);
    steps(1001);
    // Past the end of the map.
    assert_eq!(verdict(&unit.dispatching, 71), XdpAction::Aborted);
    steps(1);
    assert!(matches!(unit.handlers.set(4, &unit.odd_packet), Err(Error::IndexOutOfRange { index: 4, len: 4, .. })));
    unit.handlers.remove(1).unwrap();
    assert_eq!(verdict(&unit.dispatching, 65), XdpAction::Aborted);
    steps(1);
}

#[test]
fn in_the_simulator() {
    programs_go_on(&Dispatcher::test().unwrap());
}

#[test]
fn in_the_kernel() {
    let Privilege::Granted = require_root() else { return };
    programs_go_on(&Dispatcher::load().unwrap());
}
