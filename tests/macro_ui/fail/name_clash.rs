//! Names that only Scheme can tell apart.
eshkol::eshkol! {
    (define-ebpf-program p (license "GPL") (program-type :xdp)
      (define-map open-ports :array (key-type :u32) (value-type :u64) (max-entries 4))
      (define-map open_ports :array (key-type :u32) (value-type :u64) (max-entries 4))
      (define (main ctx) (map-increment! open-ports 0) (map-increment! open_ports 0) :xdp-pass))
}

fn main() {}
