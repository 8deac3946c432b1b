//! Errors of the reader stand where the text goes wrong.
eshkol::eshkol! {
    (define-ebpf-program p (license "GPL") (program-type :xdp)
      (define (main ctx) (+ 1 10abc) :xdp-pass))
}

eshkol::eshkol! {}

fn main() {}
