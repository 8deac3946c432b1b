//! Programs that get packets in socket buffers, and those that get addresses: at real sockets, interfaces and cgroups.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use eshkol::{CgroupAction, Direction, Error, KernelVersion, Link, SocketCall, TcAction, TcxAction, eshkol};
use eshkol_test_support::{Cgroup, Namespace, Packet, Privilege, require_root};

eshkol! {
    (define-ebpf-object network
      (license "GPL"))

    (define-map seen :array (key-type :u32) (value-type :u64) (max-entries 8))
    (define-global closed-port :u16 9)
    (define-global real-port :u16 0)

    // Datagrams from one port come through, and of those no more than their header and two bytes.
    (define-ebpf-program on-socket
      (program-type :socket-filter)
      (attach-point "lo")
      (define (from-port ctx)
        (let ((udp (parse-udp-header ctx)))
          (map-increment! seen 0)
          (if (and udp (= (udp-src-port udp) 4444)) 10 0))))

    // What comes in for port 7000 goes to 7001, and what comes for 7002 to nobody.
    (define-ebpf-program on-interface
      (program-type :tc)
      (attach-point "ingress:near0")
      (define (port-forward ctx)
        (let* ((eth (parse-eth-header ctx))
               (ip (and eth (= (eth-type eth) :eth-p-ip) (parse-ipv4-header (eth-payload eth))))
               (udp (and ip (= (ipv4-protocol ip) :ipproto-udp) (parse-udp-header (ipv4-payload ip)))))
          (map-increment! seen 1 (packet-length ctx))
          (cond ((not udp) :tc-act-unspec)
                ((= (udp-dst-port udp) 7002) :tc-act-shot)
                ((= (udp-dst-port udp) 7000)
                 (set-udp-dst-port! udp 7001)
                 (set-ctx-mark! ctx 7)
                 :tc-act-ok)
                (else :tc-act-ok)))))

    (define-ebpf-program on-cgroup
      (program-type :cgroup-skb)
      (attach-point "egress")
      (define (no-udp ctx)
        (let ((ip (parse-ipv4-header ctx)))
          (map-increment! seen 2)
          (if (and ip (= (ctx-protocol ctx) :eth-p-ip) (= (ipv4-protocol ip) :ipproto-udp)) :deny :allow))))

    (define-ebpf-program on-connect
      (program-type :cgroup-sock-addr)
      (attach-point "connect4")
      (define (to-real ctx)
        (cond ((= (ctx-user-port ctx) closed-port) :deny)
              ((= (ctx-user-ip4 ctx) (ipv4 "192.0.2.1"))
               (map-increment! seen 3)
               (set-ctx-user-ip4! ctx (ipv4 "127.0.0.1"))
               (set-ctx-user-port! ctx real-port)
               :allow)
              (else :allow))))
}

eshkol! {
    (define-ebpf-object addresses
      (license "GPL"))

    // What is sent to one host goes to another, from an address of the program's.
    (define-ebpf-program on-sending
      (program-type :cgroup-sock-addr)
      (attach-point "sendmsg6")
      (define (to-other ctx)
        (cond ((not (= (ctx-protocol ctx) :ipproto-udp)) :deny)
              ((equal? (ctx-user-ip6 ctx) (ipv6 "2001:db8::1"))
               (set-ctx-user-ip6! ctx (ipv6 "2001:db8::2"))
               (set-ctx-msg-src-ip6! ctx (ipv6 "2001:db8::3"))
               (set-ctx-user-port! ctx (+ (ctx-user-port ctx) 1))
               :allow)
              (else :allow))))

    (define-ebpf-program on-binding
      (program-type :cgroup-sock-addr)
      (attach-point "bind4")
      (define (low-ports ctx)
        (if (and (= (ctx-user-family ctx) 2) (= (ctx-type ctx) 1) (< (ctx-user-port ctx) 1024)) :allow :deny)))
}

eshkol! {
    (define-ebpf-program refusal
      (license "GPL")
      (min-kernel "5.18")
      (program-type :cgroup-sock-addr)
      (attach-point "connect4")
      (define (unreachable ctx)
        (cond ((= (ctx-user-port ctx) 80)
               (bpf-set-retval (- 0 (+ 100 (ctx-protocol ctx) (bpf-get-retval))))
               (if (= (bpf-get-retval) -106) :deny :allow))
              ((= (ctx-user-port ctx) 81) :deny)
              (else :allow))))
}

eshkol! {
    (define-ebpf-program tcx-unit
      (license "GPL")
      (min-kernel "6.6")
      (program-type :tcx)
      (attach-point "egress:near0")
      (define-map lengths :array (key-type :u32) (value-type :u32) (max-entries 1))
      (define (no-ipv6 ctx)
        (map-update lengths 0 (ctx-wire-len ctx))
        (if (= (ctx-protocol ctx) :eth-p-ipv6) :tcx-drop :tcx-next)))
}

const NEAR: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 2);
const SOON: Duration = Duration::from_millis(300);

fn datagram(from: u16, to: u16) -> Vec<u8> {
    Packet::ethernet().ipv4(FAR, NEAR).udp(from, to).payload(b"hello").build()
}

/// Two namespaces with an address each, on a wire.
fn wired() -> (Namespace, Namespace) {
    let (near, far) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    near.veth("near0", &far, "far0").unwrap();
    near.ip("addr add 10.8.0.1/24 dev near0").unwrap();
    far.ip("addr add 10.8.0.2/24 dev far0").unwrap();
    (near, far)
}

fn bound(namespace: &Namespace, address: Ipv4Addr, port: u16) -> UdpSocket {
    let socket = namespace.run(|| UdpSocket::bind((address, port))).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// The length of the next datagram, if one comes.
fn received(socket: &UdpSocket) -> Option<usize> {
    loop {
        match socket.recv(&mut [0; 64]) {
            Ok(length) => return Some(length),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn each_type_decides_in_the_simulator_and_in_the_kernel() {
    let mut units = vec![Network::test().unwrap()];
    if require_root() == Privilege::Granted {
        units.push(Network::load().unwrap());
    }
    for unit in units {
        let [inner, other] = [datagram(4444, 7000), datagram(4445, 7000)];
        let kept = |packet: &[u8]| unit.from_port.test_run(packet).unwrap().action();
        assert_eq!([kept(&inner[34..]), kept(&other[34..])], [Some(10), Some(0)]);

        let run = unit.port_forward.test_run(&inner).unwrap();
        assert_eq!(run.action(), Some(TcAction::Ok));
        assert_eq!(run.data, datagram(4444, 7001), "with the right checksum");
        let action = |packet: &[u8]| unit.port_forward.test_run(packet).unwrap().action();
        assert_eq!(action(&datagram(1, 7002)), Some(TcAction::Shot));
        assert_eq!(action(&Packet::ethernet().ipv4(FAR, NEAR).tcp(1, 2, 2).build()), Some(TcAction::Unspecified));

        let tcp = Packet::ethernet().ipv4(FAR, NEAR).tcp(1, 2, 2).build();
        let shows_packets = KernelVersion::running().is_none_or(|running| running >= KernelVersion::new(6, 14));
        if unit.simulator().is_err() && !shows_packets {
            let error = unit.no_udp.test_run(&tcp[14..]).unwrap_err().to_string();
            assert!(error.contains("as if the packet were empty"), "{error}");
            continue;
        }
        let decide = |packet: &[u8]| unit.no_udp.test_run(&packet[14..]).unwrap().action();
        assert_eq!([decide(&inner), decide(&tcp)], [Some(CgroupAction::Deny), Some(CgroupAction::Allow)]);
        let counts = [0, 1, 2].map(|index| unit.seen.get(index).unwrap());
        let lengths = 2 * inner.len() + tcp.len();
        assert_eq!(counts, [2, u64::try_from(lengths).unwrap(), 2]);
    }
}

#[test]
fn a_filter_stays_on_its_socket_while_its_link_lives() {
    let Privilege::Granted = require_root() else { return };
    let namespace = Namespace::new().unwrap();
    let unit = Network::load().unwrap();
    let receiver = bound(&namespace, Ipv4Addr::LOCALHOST, 5000);
    let [good, bad] = [4444, 4445].map(|port| bound(&namespace, Ipv4Addr::LOCALHOST, port));
    let send = |socket: &UdpSocket| socket.send_to(b"hello", (Ipv4Addr::LOCALHOST, 5000)).unwrap();
    let link = unit.from_port.attach(&receiver).unwrap();
    send(&bad);
    send(&good);
    assert_eq!(received(&receiver), Some(2), "the header and two bytes are kept");
    assert_eq!(received(&receiver), None);
    assert_eq!(unit.seen.get(0).unwrap(), 2);
    drop(link);
    send(&bad);
    assert_eq!(received(&receiver), Some(5));

    unit.from_port.attach(receiver.as_fd()).unwrap().forget();
    send(&bad);
    assert_eq!(received(&receiver), None, "forgotten, it stays");
    unit.from_port.attach(&receiver).unwrap().detach().unwrap();
    send(&bad);
    assert_eq!(received(&receiver), Some(5));
    let error = unit.from_port.attach(fs::File::open("/dev/null").unwrap()).unwrap_err().to_string();
    assert!(error.contains("attach program `from-port` to a socket") && error.contains("no socket"), "{error}");
}

#[test]
fn a_packet_socket_of_its_own_gets_what_the_program_keeps() {
    let Privilege::Granted = require_root() else { return };
    let namespace = Namespace::new().unwrap();
    let unit = Network::load().unwrap();
    let links = namespace.run(|| unit.from_port.attach_declared()).unwrap();
    let [Link::PacketSocket(socket)] = links.as_slice() else { panic!("{links:?}") };
    let sender = bound(&namespace, Ipv4Addr::LOCALHOST, 4444);
    sender.send_to(b"hello", (Ipv4Addr::LOCALHOST, 5000)).unwrap();
    // Where the program looks for a UDP header is an Ethernet header here.
    assert_eq!(socket.receive(&mut [0; 64], SOON).unwrap(), None);
    assert!(unit.seen.get(0).unwrap() >= 1);
    let error = unit.from_port.attach_to_interface("lo0").unwrap_err().to_string();
    assert!(error.contains("no network interface `lo0`"), "{error}");
}

#[test]
fn packets_meet_a_tc_program_while_its_link_lives() {
    let Privilege::Granted = require_root() else { return };
    let (near, far) = wired();
    let unit = Network::load().unwrap();
    let sender = bound(&far, FAR, 6000);
    let [closed, old, new] = [7002, 7000, 7001].map(|port| bound(&near, NEAR, port));
    let send = |port: u16| sender.send_to(b"hello", (NEAR, port)).unwrap();
    send(7000);
    assert_eq!(received(&old), Some(5));
    let links = near.run(|| unit.port_forward.attach_declared()).unwrap();
    send(7000);
    assert_eq!((received(&new), received(&old)), (Some(5), None), "the checksum is right, or nobody would get it");
    send(7002);
    assert_eq!(received(&closed), None);
    assert!(unit.seen.get(1).unwrap() > 0);
    drop(links);
    send(7002);
    assert_eq!(received(&closed), Some(5));

    // A second one runs before the first, and each goes by itself.
    let first = near.run(|| unit.port_forward.attach("near0", Direction::Ingress)).unwrap();
    let second = near.run(|| unit.port_forward.attach("near0", Direction::Ingress)).unwrap();
    second.detach().unwrap();
    send(7002);
    assert_eq!(received(&closed), None);
    first.detach().unwrap();
    send(7002);
    assert_eq!(received(&closed), Some(5));
    // Its interface may be gone first.
    let link = near.run(|| unit.port_forward.attach("near0", Direction::Egress)).unwrap();
    near.ip("link del near0").unwrap();
    link.detach().unwrap();
    let error = near.run(|| unit.port_forward.attach("near0", Direction::Ingress)).unwrap_err();
    assert!(matches!(error, Error::UnknownInterface { .. }), "{error}");
}

#[test]
fn packets_meet_a_tcx_program_while_its_link_lives() {
    let packet = datagram(1, 2);
    let run = TcxUnit::test().unwrap().no_ipv6.test_run(&packet).unwrap();
    assert_eq!(run.action(), Some(TcxAction::Next));
    let Privilege::Granted = require_root() else { return };
    if KernelVersion::running().is_some_and(|running| running < KernelVersion::new(6, 6)) {
        let error = TcxUnit::load().unwrap_err();
        assert!(matches!(error, Error::KernelTooOld { .. }), "{error}");
        return;
    }
    let (near, far) = wired();
    let unit = TcxUnit::load().unwrap();
    let (sender, receiver) = (bound(&near, NEAR, 6000), bound(&far, FAR, 7000));
    let links = near.run(|| unit.no_ipv6.attach_declared()).unwrap();
    sender.send_to(b"hello", (FAR, 7000)).unwrap();
    assert_eq!(received(&receiver), Some(5));
    let lengths = unit.lengths.get(0).unwrap();
    assert!(lengths >= 42, "{lengths}");
    for link in links {
        link.detach().unwrap();
    }
    unit.lengths.set(0, 0).unwrap();
    sender.send_to(b"hello", (FAR, 7000)).unwrap();
    assert_eq!((received(&receiver), unit.lengths.get(0).unwrap()), (Some(5), 0));
}

#[test]
fn packets_of_a_cgroup_meet_the_program_while_its_link_lives() {
    let Privilege::Granted = require_root() else { return };
    let cgroup = Cgroup::new("eshkol-skb");
    let unit = Network::load().unwrap();
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    receiver.set_read_timeout(Some(SOON)).unwrap();
    let send = format!("echo hi > /dev/udp/127.0.0.1/{}", receiver.local_addr().unwrap().port());
    assert!(cgroup.run(&send));
    assert_eq!(received(&receiver), Some(3));
    let link = unit.no_udp.attach(cgroup.path(), Direction::Egress).unwrap();
    assert!(!cgroup.run(&send), "the system call says that it is not permitted");
    assert_eq!(received(&receiver), None);
    assert!(unit.seen.get(2).unwrap() > 0);
    drop(link);
    assert!(cgroup.run(&send));
    assert_eq!(received(&receiver), Some(3));
    // The source says which hook, and leaves the cgroup to user space.
    let error = unit.no_udp.attach_declared().unwrap_err().to_string();
    assert!(error.contains("does not say to which cgroup") && error.contains("egress:/sys/fs/cgroup/"), "{error}");
    let error = unit.no_udp.attach("/sys/fs/cgroup/nothing-here", Direction::Egress).unwrap_err().to_string();
    assert!(error.contains("`mkdir` makes one"), "{error}");
    let error = unit.no_udp.attach("/tmp", Direction::Ingress).unwrap_err().to_string();
    assert!(error.contains("not in a cgroup2 file system"), "{error}");
}

#[test]
fn addresses_are_what_the_program_makes_of_them() {
    let Privilege::Granted = require_root() else { return };
    let cgroup = Cgroup::new("eshkol-connect");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let unit = Network::loader().real_port(port).closed_port(port).load().unwrap();
    assert_eq!(unit.to_real.hook(), "connect4");
    let connect = |address: &str, port: u16| cgroup.run(&format!("exec 3<>/dev/tcp/{address}/{port}"));
    assert!(connect("127.0.0.1", port));
    let link = unit.to_real.attach(cgroup.path()).unwrap();
    assert!(!connect("127.0.0.1", port), "denied");
    assert!(connect("192.0.2.1", 1), "sent to the real server");
    assert_eq!(unit.seen.get(3).unwrap(), 1);
    link.detach().unwrap();
    assert!(connect("127.0.0.1", port));
}

#[test]
fn a_call_gives_what_the_program_says() {
    let unit = Refusal::test().unwrap();
    let run = |call: &SocketCall| {
        let run = unit.unreachable.test_run(call).unwrap();
        (run.action(), run.result)
    };
    assert_eq!(run(&SocketCall::tcp(([10, 0, 0, 1], 80))), (Some(CgroupAction::Deny), -106));
    // Allowed, with an error all the same.
    assert_eq!(run(&SocketCall::udp(([10, 0, 0, 1], 80))), (Some(CgroupAction::Allow), -117));
    assert_eq!(run(&SocketCall::tcp(([10, 0, 0, 1], 81))), (Some(CgroupAction::Deny), -libc::EPERM));
    assert_eq!(run(&SocketCall::tcp(([10, 0, 0, 1], 82))), (Some(CgroupAction::Allow), 0));
}

#[test]
fn calls_of_sockets_are_what_the_program_makes_of_them() {
    let unit = Network::test().unwrap();
    let run = unit.to_real.test_run(&SocketCall::tcp(([192, 0, 2, 1], 80))).unwrap();
    assert_eq!(run.action(), Some(CgroupAction::Allow));
    // The global was not set.
    assert_eq!(run.call, SocketCall::tcp(([127, 0, 0, 1], 0)));
    assert_eq!(unit.seen.get(3).unwrap(), 1);
    let other = SocketCall::udp(([10, 0, 0, 1], 0xff01));
    assert_eq!(unit.to_real.test_run(&other).unwrap().call, other);
    let denied = unit.to_real.test_run(&SocketCall::tcp(([192, 0, 2, 1], 9))).unwrap();
    assert_eq!((denied.action(), unit.seen.get(3).unwrap()), (Some(CgroupAction::Deny), 1));

    let unit = Addresses::test().unwrap();
    let [first, second, source] = [1, 2, 3].map(|last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
    let run = unit.to_other.test_run(&SocketCall::udp((first, 0x12ff))).unwrap();
    assert_eq!((run.call.address, run.call.source), (SocketAddr::from((second, 0x1300)), Some(IpAddr::V6(source))));
    let mut from = SocketCall::udp((second, 53));
    from.source = Some(IpAddr::V6(first));
    assert_eq!(unit.to_other.test_run(&from).unwrap().call, from);
    assert_eq!(unit.to_other.test_run(&SocketCall::tcp((first, 1))).unwrap().action(), Some(CgroupAction::Deny));
    let ports = [80, 1024].map(|port| unit.low_ports.test_run(&SocketCall::tcp(([0; 4], port))).unwrap().action());
    assert_eq!(ports, [Some(CgroupAction::Allow), Some(CgroupAction::Deny)]);

    let error = unit.to_other.test_run(&SocketCall::udp(([10, 0, 0, 1], 53))).unwrap_err().to_string();
    assert!(error.contains("at `sendmsg6` are addresses of IPv6"), "{error}");
    let Privilege::Granted = require_root() else { return };
    let error = Network::load().unwrap().to_real.test_run(&other).unwrap_err().to_string();
    assert!(error.contains("run program `to-real` without a call"), "{error}");
}
