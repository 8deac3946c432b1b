//! The guide's connection tracker, verbatim: what it makes of a real connection.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use eshkol::TcpState;
use eshkol_test_support::{Namespace, Packet, Privilege, require_root};

/// `conn-tracker` of the guide.
mod conn_tracker {
    eshkol::eshkol_file!("tests/guide/conn-tracker.esh");
}

use conn_tracker::{ConnTracker, ConnectionTuple};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const TCP: u8 = 6;

fn tuple(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16)) -> ConnectionTuple {
    ConnectionTuple {
        src_ip: source.0.into(),
        dst_ip: destination.0.into(),
        src_port: source.1,
        dst_port: destination.1,
        protocol: TCP,
    }
}

#[test]
fn connections_are_told_apart_in_the_simulator() {
    let unit = ConnTracker::test().unwrap();
    unit.simulator().unwrap().set_time(1_000_000);
    let run = |packet: Vec<u8>| unit.socket_filter.test_run(&packet).unwrap().return_value;
    let segment = |from, to, flags: u8| Packet::ethernet().ipv4(CLIENT, SERVER).tcp(from, to, flags);
    assert_eq!(run(segment(4000, 80, 0x02).build()), u32::MAX, "all of a segment is kept");
    assert_eq!(run(segment(4000, 80, 0x10).payload(b"hello").build()), u32::MAX);
    assert_eq!(run(segment(4001, 80, 0x14).build()), u32::MAX);
    assert_eq!(run(Packet::ethernet().ipv4(CLIENT, SERVER).udp(4000, 80).build()), 0, "what is not TCP is not");
    assert_eq!(run(segment(4000, 80, 0x02).build()[..40].to_vec()), 0, "nor what is cut off");
    let first = unit.connections.get(tuple((CLIENT, 4000), (SERVER, 80))).unwrap().unwrap();
    let lengths = [segment(4000, 80, 0x02).build().len(), segment(4000, 80, 0x10).payload(b"hello").build().len()];
    assert_eq!((first.packets, first.bytes), (2, lengths.iter().sum::<usize>() as u64));
    assert_eq!(TcpState::try_from(first.state).unwrap(), TcpState::Established);
    assert!(first.start_time >= 1_000_000 && first.last_seen > first.start_time);
    let second = unit.connections.get(tuple((CLIENT, 4001), (SERVER, 80))).unwrap().unwrap();
    assert_eq!(TcpState::try_from(second.state).unwrap(), TcpState::Close);
    assert_eq!(unit.connections.keys().count(), 2);
}

/// What the packets that a socket got say of each connection: the flags of the last one, how many, and their bytes.
type Seen = BTreeMap<(Ipv4Addr, u16, Ipv4Addr, u16), (u8, u64, u64)>;

fn note(seen: &mut Seen, frame: &[u8]) {
    let address = |at: usize| Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]);
    let port = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let tcp = 14 + usize::from(frame[14] & 15) * 4;
    let entry = seen.entry((address(26), port(tcp), address(30), port(tcp + 2))).or_default();
    *entry = (frame[tcp + 13], entry.1 + 1, entry.2 + frame.len() as u64);
}

#[test]
fn a_real_connection_is_counted_packet_by_packet() {
    let Privilege::Granted = require_root() else { return };
    let (near, far) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    near.veth("near0", &far, "far0").unwrap();
    near.ip("addr add 10.9.0.1/24 dev near0").unwrap();
    far.ip("addr add 10.9.0.2/24 dev far0").unwrap();
    let unit = ConnTracker::load().unwrap();
    let socket = near.run(|| unit.socket_filter.attach_to_interface("near0")).unwrap();

    let listener = far.run(|| TcpListener::bind((SERVER, 7000))).unwrap();
    let mut client = near.run(|| TcpStream::connect((SERVER, 7000))).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"ping").unwrap();
    let mut buffer = [0; 4];
    server.read_exact(&mut buffer).unwrap();
    server.write_all(&[7; 3000]).unwrap();
    let mut answer = vec![0; 3000];
    client.read_exact(&mut answer).unwrap();
    let port = client.local_addr().unwrap().port();
    let established = unit.connections.get(tuple((CLIENT, port), (SERVER, 7000))).unwrap().unwrap();
    assert_eq!(TcpState::try_from(established.state).unwrap(), TcpState::Established);
    drop(client);
    assert_eq!(server.read(&mut buffer).unwrap(), 0);
    drop(server);

    // The socket got all of every packet that the program let through: they say what it must have counted.
    let mut seen = Seen::new();
    let mut frame = vec![0; 1 << 16];
    while let Some(length) = socket.receive(&mut frame, Duration::from_millis(300)).unwrap() {
        note(&mut seen, &frame[..length]);
    }
    drop(socket);
    assert_eq!(seen.len(), 2, "{seen:?}");
    for ((source, source_port, destination, destination_port), (flags, packets, bytes)) in seen {
        let info =
            unit.connections.get(tuple((source, source_port), (destination, destination_port))).unwrap().unwrap();
        assert_eq!((info.packets, info.bytes), (packets, bytes));
        assert!(packets >= 4, "{packets}");
        let state = if flags & 1 != 0 { TcpState::FinWait1 } else { TcpState::Established };
        assert_eq!(TcpState::try_from(info.state).unwrap(), state);
        assert!(info.last_seen > info.start_time);
    }
    let before = unit.connections.keys().count();
    let _ = near.run(|| TcpStream::connect((SERVER, 7000)));
    assert_eq!(unit.connections.keys().count(), before, "it is still attached");
}
