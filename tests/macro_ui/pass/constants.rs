//! Constants of a unit, and the predefined struct, as Rust sees them.

use std::net::{Ipv4Addr, Ipv6Addr};

use eshkol::{HashMap, Ipv4Tuple, MacAddr, eshkol};

eshkol! {
    (define-ebpf-object limits (license "GPL"))
    ;;; How many connections are kept.
    (define max-connections : u32 (* 4 256))
    (define slots 16)
    (define lowest -5)
    (define verbose #t)
    (define greeting "hello")
    (define gateway (ipv4 "10.0.0.1"))
    (define loopback (ipv6 "::1"))
    (define router (mac "02:00:00:00:00:01"))
    (define-enum level low high)
    (define usual high)
    (define (square-of x) (* x x))
    (define-map connections :hash (key-type :ipv4-tuple) (value-type :u64) (max-entries max-connections))
    (define-ebpf-program first
      (program-type :xdp)
      (define limit 1)
      (define own 7)
      (define (first-main ctx) (if (> (packet-length ctx) limit) :xdp-pass :xdp-drop)))
    (define-ebpf-program second
      (program-type :xdp)
      (define limit 2)
      (define (second-main ctx) (if (> (packet-length ctx) limit) :xdp-pass :xdp-drop)))
}

const CONNECTIONS: u32 = Limits::MAX_CONNECTIONS;

fn _typed(limits: &mut Limits) -> &mut HashMap<Ipv4Tuple, u64> {
    &mut limits.connections
}

fn main() {
    assert_eq!(CONNECTIONS, 1024);
    assert_eq!((Limits::SLOTS, Limits::LOWEST, Limits::OWN), (16_u64, -5_i64, 7_u64));
    assert!(Limits::VERBOSE);
    assert_eq!(Limits::GREETING, "hello");
    assert_eq!(Limits::GATEWAY, Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(Limits::LOOPBACK, Ipv6Addr::LOCALHOST);
    assert_eq!(Limits::ROUTER, MacAddr::new(2, 0, 0, 0, 0, 1));
    assert_eq!(Limits::USUAL, Level::High);
}
