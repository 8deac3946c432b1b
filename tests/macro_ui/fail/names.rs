//! Errors stand at the whole Scheme name, however many Rust tokens it is; one error does not hide the next.
use eshkol::eshkol;

eshkol! {
    (define-ebpf-program xdp-firewall
      (license "GPL")
      (program-type :xdp)
      (define-map block-list :hash (key-type :u32) (value-type :u46) (max-entries 16))
      (define (xdp-main ctx)
        (let ((eth (parse-eth-header ctx)))
          (if (and eth (map-lookup blok-list (eth-type eth)))
              (λ-é "🦀" :xdp-drop)	; a tab before, a crab inside
              :xdp-pas))))
}

fn main() {}
