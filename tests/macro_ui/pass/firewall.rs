//! A whole unit in a crate that insists on everything.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused)]

use std::net::Ipv4Addr;

use eshkol::{Plain, eshkol};

eshkol! {
    ;;; Drops what comes from blocked addresses.
    (define-ebpf-program xdp-firewall
      (license "GPL")
      (program-type :xdp)
      (attach-point "lo")
      (min-kernel "5.15")

      ;;; Who is blocked, and why.
      (define-map blocklist :hash
        (key-type :u32)
        (value-type reason)
        (max-entries 1024))

      (define-map drops :percpu-array (key-type :u32) (value-type :u64) (max-entries 1))
      (define-map seen :lru-hash (key-type :ipv4-addr) (value-type sighting) (max-entries 64))

      (define-enum kind (manual 0) (by-rule 7))

      ;;; Why somebody is blocked.
      (define-struct reason
        ;;; Who decided.
        (kind kind)
        (since :u64)
        (comm :char-array 16))
      (define-struct sighting (type :u8) (addr :ipv4-addr) (port :be16))

      (define-global threshold :u64 100)
      (define-global (hits :mutable) :u64 0)

      ;;; The entry.
      (define (xdp-main ctx)
        (let* ((eth (parse-eth-header ctx))
               (ip (and eth (= (eth-type eth) :eth-p-ip) (parse-ipv4-header (eth-payload eth)))))
          (if (and ip (map-lookup blocklist (ipv4-src ip)))
              (begin
                (map-increment! drops 0)
                :xdp-drop)
              :xdp-pass))))
}

/// Never called: loading needs privileges. That it compiles is the test.
#[allow(dead_code)]
fn load() -> eshkol::Result<()> {
    let mut firewall = XdpFirewall::loader().threshold(50).hits(1).blocklist_max_entries(10).pin("/sys/fs/bpf/x").load()?;
    firewall.blocklist.insert(Ipv4Addr::new(10, 0, 0, 1), Reason::default())?;
    let reason: Option<Reason> = firewall.blocklist.get(7)?;
    println!("{reason:?} {:?}", firewall.hits.get()?);
    let links: Vec<eshkol::Link> = firewall.attach_all()?;
    drop(links);
    let _link = firewall.xdp_main.attach("lo")?;
    firewall.ebpf_mut();
    let _other: XdpFirewall = XdpFirewall::load()?;
    Ok(())
}

fn main() {
    let spec = XdpFirewall::spec();
    assert_eq!((spec.name, spec.min_kernel), ("xdp-firewall", (5, 15)));
    assert!(spec.object.starts_with(b"\x7fELF"));
    assert_eq!(spec.object.as_ptr() as usize % 8, 0);
    assert_eq!((spec.maps[0].symbol, spec.maps[0].value_size), ("blocklist", 32));
    let program = &spec.programs[0];
    assert_eq!((program.symbol, program.attach_points), ("xdp_main", &["lo"][..]));
    assert!(program.file.ends_with("firewall.rs"), "{}", program.file);
    let lookup = program.lines.iter().find(|line| line.text.contains("map-lookup blocklist")).unwrap();
    assert_eq!(lookup.line, 42);

    let mut reason = Reason { kind: Kind::ByRule, since: 1, comm: [0; 16] };
    reason.comm[..4].copy_from_slice(b"bash");
    assert_eq!(reason.comm_str(), "bash");
    assert_eq!(format!("{reason:?}"), "Reason { kind: ByRule, since: 1, comm: \"bash\" }");
    let mut bytes = [0; Reason::SIZE];
    reason.encode(&mut bytes);
    assert_eq!(bytes[..4], 7_u32.to_ne_bytes());
    assert_eq!(Reason::decode(&bytes), Ok(reason));
    bytes[0] = 9;
    assert!(Reason::decode(&bytes).is_err());
    assert_eq!((Kind::try_from(0), u32::from(Kind::ByRule)), (Ok(Kind::Manual), 7));
    // Aligned as in C, which an `Ipv4Addr` of its own is not.
    let sighting = Sighting { r#type: 1, addr: Ipv4Addr::LOCALHOST, port: 80.into() };
    let mut bytes = [0; Sighting::SIZE];
    sighting.encode(&mut bytes);
    assert_eq!(bytes, [1, 0, 0, 0, 127, 0, 0, 1, 0, 80, 0, 0]);
}
