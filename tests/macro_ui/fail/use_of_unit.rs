//! Rust code that uses a unit wrongly is shown what the unit has.
eshkol::eshkol! {
    (define-ebpf-program xdp-firewall (license "GPL") (program-type :xdp)
      (define-map blocklist :hash (key-type :u32) (value-type :u8) (max-entries 16))
      (define (xdp-main ctx) (if (map-lookup blocklist 1) :xdp-drop :xdp-pass)))
}

fn main() {
    let firewall = XdpFirewall::load().unwrap();
    firewall.blocklst;
    // There is no `(attach-point …)`.
    firewall.attach_all();
}
