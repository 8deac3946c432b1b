//! Errors stand at the whole Scheme name, however many Rust tokens it is; one error does not hide the next.
use eshkol::eshkol;

eshkol! {
    (define-ebpf-program xdp-firewall
      (license "GPL")
      (program-type :xdp)
      (define-map block-list :hash (key-type :u32) (value-type :u46) (max-entries 16))
      (define (xdp-main ctx)
        (let ((ip (parse-ipv4-header ctx)))
          (if (and ip (map-lookup blok-list (ipv4-src ip)))
              (λ-é "🦀" :xdp-drop)	; a tab before, a crab inside
              :xdp-pas))))
}

fn main() {}
