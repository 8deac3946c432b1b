//! Programs for sockets and packets, attached for real where their `(attach-point …)`s say.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eshkol::{Direction, KernelVersion, eshkol};
use eshkol_test_support::{Cgroup, Mounts, Namespace, Privilege, require_root};

eshkol! {
    (define-ebpf-object declared
      (license "GPL"))

    (define-map counts :array (key-type :u32) (value-type :u64) (max-entries 4))
    (define-global real-port :u16 0)

    // One address is nobody's, another is a third one to who asks for it.
    (define-ebpf-program on-binding
      (program-type :cgroup-sock-addr)
      (attach-point "bind4:/sys/fs/cgroup/web")
      (define (other-address ctx)
        (map-increment! counts 0)
        (cond ((= (ctx-user-ip4 ctx) (ipv4 "127.0.0.3")) :deny)
              ((= (ctx-user-ip4 ctx) (ipv4 "127.0.0.4"))
               (set-ctx-user-ip4! ctx (ipv4 "127.0.0.5"))
               :allow)
              (else :allow))))

    (define-ebpf-program on-sending
      (program-type :cgroup-sock-addr)
      (attach-point "sendmsg6:/sys/fs/cgroup/web")
      (define (other-port ctx)
        (map-increment! counts 1)
        (cond ((= (ctx-user-port ctx) 7) :deny)
              ((= (ctx-user-port ctx) 9)
               (set-ctx-user-port! ctx real-port)
               :allow)
              (else :allow))))

    (define-ebpf-program on-receiving
      (program-type :cgroup-skb)
      (attach-point "ingress:/sys/fs/cgroup/web")
      (define (no-udp ctx)
        (let ((ip (parse-ipv4-header ctx)))
          (map-increment! counts 2)
          (if (and ip (= (ctx-protocol ctx) :eth-p-ip) (= (ipv4-protocol ip) :ipproto-udp)) :deny :allow))))
}

eshkol! {
    (define-ebpf-program tcx-ingress
      (license "GPL")
      (min-kernel "6.6")
      (program-type :tcx)
      (attach-point "ingress:near0")
      (define-map datagrams :array (key-type :u32) (value-type :u64) (max-entries 1))
      (define (none-for-7002 ctx)
        (let* ((eth (parse-eth-header ctx))
               (ip (and eth (= (eth-type eth) :eth-p-ip) (parse-ipv4-header (eth-payload eth))))
               (udp (and ip (= (ipv4-protocol ip) :ipproto-udp) (parse-udp-header (ipv4-payload ip)))))
          (when udp (map-increment! datagrams 0))
          (if (and udp (= (udp-dst-port udp) 7002)) :tcx-drop :tcx-next))))
}

const SOON: Duration = Duration::from_millis(300);

/// Attaches while the cgroup is where the source says that it is.
fn at_web<T: Send>(cgroup: &Cgroup, attach: impl FnOnce() -> T + Send) -> T {
    Mounts::run(|mounts| {
        let place = Path::new("/sys/fs/cgroup");
        // It is hidden with the rest, but not from who has it open.
        let directory = File::open(cgroup.path()).unwrap();
        mounts.hide(place);
        fs::create_dir(place.join("web")).unwrap();
        mounts.show(&PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())), &place.join("web"));
        attach()
    })
}

/// Binds a socket in the cgroup: where it is then, or why not.
fn bind(cgroup: &Cgroup, address: [u8; 4], wanted: [u8; 4]) -> Result<(), ErrorKind> {
    let bind = move || {
        let bound = UdpSocket::bind((Ipv4Addr::from(address), 0))?.local_addr()?.ip();
        if bound == Ipv4Addr::from(wanted) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)) }
    };
    cgroup.call(bind).map_err(|error| error.kind())
}

#[test]
fn sockets_are_bound_where_the_program_says() {
    let Privilege::Granted = require_root() else { return };
    let cgroup = Cgroup::new("eshkol-bind4");
    let unit = Declared::load().unwrap();
    assert_eq!(unit.other_address.hook(), "bind4");
    let [denied, asked, given] = [[127, 0, 0, 3], [127, 0, 0, 4], [127, 0, 0, 5]];
    assert_eq!([bind(&cgroup, denied, denied), bind(&cgroup, asked, asked)], [Ok(()), Ok(())]);
    assert_eq!(unit.counts.get(0).unwrap(), 0);
    let links = at_web(&cgroup, || unit.other_address.attach_declared()).unwrap();
    assert_eq!(links.len(), 1);
    assert_eq!(bind(&cgroup, denied, denied), Err(ErrorKind::PermissionDenied));
    assert_eq!(bind(&cgroup, asked, given), Ok(()));
    assert_eq!(bind(&cgroup, [127, 0, 0, 1], [127, 0, 0, 1]), Ok(()));
    assert_eq!(unit.counts.get(0).unwrap(), 3, "who is not in the cgroup is not asked");
    drop(links);
    assert_eq!([bind(&cgroup, denied, denied), bind(&cgroup, asked, asked)], [Ok(()), Ok(())]);
}

#[test]
fn datagrams_go_where_the_program_says() {
    let Privilege::Granted = require_root() else { return };
    let cgroup = Cgroup::new("eshkol-sendmsg6");
    let namespace = Namespace::new().unwrap();
    namespace.run(|| fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0")).unwrap();
    let receiver = namespace.run(|| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))).unwrap();
    receiver.set_read_timeout(Some(SOON)).unwrap();
    let unit = Declared::loader().real_port(receiver.local_addr().unwrap().port()).load().unwrap();
    assert_eq!(unit.other_port.hook(), "sendmsg6");
    let send = |port: u16| {
        let send = move || {
            let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?;
            socket.send_to(b"hello", (Ipv6Addr::LOCALHOST, port)).map(drop)
        };
        let sent = namespace.run(|| cgroup.call(send)).map_err(|error| error.kind());
        (sent, receiver.recv(&mut [0; 64]).ok())
    };
    assert_eq!([send(7), send(9)], [(Ok(()), None), (Ok(()), None)]);
    let links = at_web(&cgroup, || unit.other_port.attach_declared()).unwrap();
    assert_eq!(send(7), (Err(ErrorKind::PermissionDenied), None));
    assert_eq!(send(9), (Ok(()), Some(5)));
    assert_eq!(unit.counts.get(1).unwrap(), 2);
    drop(links);
    assert_eq!([send(7), send(9)], [(Ok(()), None), (Ok(()), None)]);
}

/// Sends a datagram from one socket in the cgroup to another: why it does not come, if it does not.
fn exchange(cgroup: &Cgroup) -> Result<(), ErrorKind> {
    let exchange = || {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        receiver.set_read_timeout(Some(SOON))?;
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.send_to(b"hello", receiver.local_addr()?)?;
        receiver.recv(&mut [0; 64]).map(drop)
    };
    cgroup.call(exchange).map_err(|error| error.kind())
}

#[test]
fn what_comes_in_is_not_received_and_yet_sent() {
    let Privilege::Granted = require_root() else { return };
    let cgroup = Cgroup::new("eshkol-ingress");
    let unit = Declared::load().unwrap();
    assert_eq!(exchange(&cgroup), Ok(()));
    let links = at_web(&cgroup, || unit.no_udp.attach_declared()).unwrap();
    assert_eq!(exchange(&cgroup), Err(ErrorKind::WouldBlock));
    assert_eq!(unit.counts.get(2).unwrap(), 1, "the packet comes in once");
    drop(links);
    assert_eq!(exchange(&cgroup), Ok(()));
    // On the way out, who sends is told.
    let link = unit.no_udp.attach(cgroup.path(), Direction::Egress).unwrap();
    assert_eq!(exchange(&cgroup), Err(ErrorKind::PermissionDenied));
    drop(link);
}

#[test]
fn a_cgroup_that_is_not_there_is_an_error_and_leaves_nothing() {
    let Privilege::Granted = require_root() else { return };
    let unit = Declared::load().unwrap();
    // Nobody has a cgroup of this name where the cgroups of this test are hidden.
    let error = Mounts::run(|mounts| {
        mounts.hide(Path::new("/sys/fs/cgroup"));
        unit.attach_all().map(drop)
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("cgroup /sys/fs/cgroup/web") && error.contains("no such directory"), "{error}");
}

#[test]
fn packets_that_come_in_meet_a_tcx_program_while_its_link_lives() {
    let Privilege::Granted = require_root() else { return };
    if KernelVersion::running().is_some_and(|running| running < KernelVersion::new(6, 6)) {
        return;
    }
    let (near, far) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    near.veth("near0", &far, "far0").unwrap();
    near.ip("addr add 10.8.0.1/24 dev near0").unwrap();
    far.ip("addr add 10.8.0.2/24 dev far0").unwrap();
    let bound = |namespace: &Namespace, last, port| {
        let socket = namespace.run(|| UdpSocket::bind((Ipv4Addr::new(10, 8, 0, last), port))).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket
    };
    let [open, closed, away] = [bound(&near, 1, 7001), bound(&near, 1, 7002), bound(&far, 2, 7002)];
    let exchange = |from: &UdpSocket, to: &UdpSocket| {
        from.send_to(b"hello", to.local_addr().unwrap()).unwrap();
        to.recv(&mut [0; 64]).ok()
    };
    let unit = TcxIngress::load().unwrap();
    assert_eq!(exchange(&away, &closed), Some(5));
    let links = near.run(|| unit.none_for_7002.attach_declared()).unwrap();
    assert_eq!([exchange(&away, &closed), exchange(&away, &open)], [None, Some(5)]);
    assert_eq!(exchange(&open, &away), Some(5), "what goes out is not seen");
    assert_eq!(unit.datagrams.get(0).unwrap(), 2);
    drop(links);
    assert_eq!(exchange(&away, &closed), Some(5));
}
