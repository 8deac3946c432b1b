//! A warning is one that rustc knows, so that lint levels apply to it.
#![deny(deprecated)]

eshkol::eshkol! {
    (define-ebpf-program p (license "GPL") (program-type :xdp)
      (define-map counts :array (key-type :u32) (value-type :u64) (max-entries 256))
      (define (main ctx)
        (let ((eth (parse-eth-header ctx)))
          (when eth (map-increment! counts (eth-type eth))))
        :xdp-pass))
}

fn main() {
    let _ = P::spec();
}
