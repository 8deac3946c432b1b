//! Who talks to whom: a table of TCP connections, kept in the kernel by a socket filter.
//!
//! `cargo run --example conn_tracker`, as root: makes two network namespaces with a cable between them, watches the cable's end, and has real clients
//! and servers talk over it: one that downloads, one that chats, one that nobody answers. It ends by itself after four seconds. The namespaces have no
//! name and belong to this process alone, so nothing is left behind, however it ends.
//!
//! Without privilege the same program runs in the simulator, on segments that are made here and go nowhere.

use std::io::{self, IsTerminal, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use eshkol::{TcpState, eshkol};
use eshkol_test_support::{Namespace, Packet};

eshkol! {
    (define-ebpf-program connections
      (license "GPL")
      (program-type :socket-filter)

      ;;; A connection, and what went each way: from the end with the lower address, and back.
      (define-struct connection
        (state :u8)
        (packets :u64-array 2)
        (bytes :u64-array 2)
        (first-seen :u64)
        (last-seen :u64))

      ;;; By both ends, the lower address first. What was quiet longest makes room for what is new.
      (define-map table :lru-hash
        (key-type :ipv4-tuple)
        (value-type :connection)
        (max-entries 4096))

      // What a connection comes to by a segment, in whatever direction.
      (define (next-state now tcp) : u8
        (cond ((tcp-rst? tcp) :tcp-close)
              ((tcp-syn? tcp) (if (tcp-ack? tcp) :tcp-syn-recv :tcp-syn-sent))
              ((tcp-fin? tcp) (if (= now :tcp-fin-wait1) :tcp-last-ack :tcp-fin-wait1))
              ((= now :tcp-syn-recv) :tcp-established)
              ((= now :tcp-last-ack) :tcp-close)
              (else now)))

      (define (note key direction tcp length)
        (let ((known (map-lookup table key))
              (now (bpf-ktime-get-ns)))
          (if known
              (begin
                (set-connection-state! known (next-state (connection-state known) tcp))
                (set-connection-packets! known direction (+ 1 (connection-packets known direction)))
                (set-connection-bytes! known direction (+ length (connection-bytes known direction)))
                (set-connection-last-seen! known now))
              (let ((new (make-connection)))
                (set-connection-state! new (tcp-flags->state tcp))
                (set-connection-packets! new direction 1)
                (set-connection-bytes! new direction length)
                (set-connection-first-seen! new now)
                (set-connection-last-seen! new now)
                (map-update table key new)))))

      ;;; Takes note of a segment, and gives nothing of it to the socket.
      (define (watch ctx)
        (let* ((eth (parse-eth-header ctx))
               (ip (and eth (= (eth-type eth) :eth-p-ip) (parse-ipv4-header (eth-payload eth))))
               (tcp (and ip (= (ipv4-protocol ip) :ipproto-tcp) (parse-tcp-header (ipv4-payload ip)))))
          (when tcp
            (let ((source (ipv4-src ip)) (destination (ipv4-dst ip)))
              (if (< source destination)
                  (note (make-ipv4-tuple source destination (tcp-src-port tcp) (tcp-dst-port tcp)) 0 tcp (packet-length ctx))
                  (note (make-ipv4-tuple destination source (tcp-dst-port tcp) (tcp-src-port tcp)) 1 tcp (packet-length ctx)))))
          0)))
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
const DOWNLOADS: u16 = 8080;
const CHATS: u16 = 7000;
/// Where nobody listens.
const NOBODY: u16 = 7001;

/// How often the table is drawn, in quarters of a second.
const DRAWN: u32 = 16;
const QUARTER: Duration = Duration::from_millis(250);
const CHUNK: usize = 40_000;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let terminal = io::stdout().is_terminal();
    match run(&mut io::stdout(), terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Watches connections for four seconds, and draws them: over and over at the same place on a terminal, else once a second.
fn run(out: &mut impl Write, terminal: bool) -> Result<()> {
    match network() {
        Ok((near, far)) => watch_traffic(&near, &far, out, terminal),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => simulate(out, terminal),
        Err(error) => {
            Err(format!("no network namespace can be made here: {error} (is `ip` of iproute2 installed?)").into())
        }
    }
}

/// Two namespaces and the cable between them.
fn network() -> io::Result<(Namespace, Namespace)> {
    let (near, far) = (Namespace::new()?, Namespace::new()?);
    near.veth("clients", &far, "servers")?;
    near.ip(&format!("addr add {CLIENT}/24 dev clients"))?;
    far.ip(&format!("addr add {SERVER}/24 dev servers"))?;
    Ok((near, far))
}

/// The kernel notes what real sockets send.
fn watch_traffic(near: &Namespace, far: &Namespace, out: &mut impl Write, terminal: bool) -> Result<()> {
    let unit = match Connections::load() {
        Err(eshkol::Error::Permission { .. }) => return simulate(out, terminal),
        loaded => loaded?,
    };
    let _socket = far.run(|| unit.watch.attach_to_interface("servers"))?;
    writeln!(
        out,
        "`watch` sees what comes by the servers' end of the cable: {} instructions\n",
        unit.watch.instructions()
    )?;
    let listeners = [DOWNLOADS, CHATS].map(|port| far.run(|| TcpListener::bind((SERVER, port))));
    let [downloads, chats] = listeners;
    let (downloads, chats) = (downloads?, chats?);
    let connect = |port: u16| near.run(|| TcpStream::connect((SERVER, port)));
    let (mut download, mut chat) = (connect(DOWNLOADS)?, connect(CHATS)?);
    let ((mut sender, _), (mut friend, _)) = (downloads.accept()?, chats.accept()?);
    let mut chatting = true;
    draw_often(&unit, out, terminal, |tick| {
        sender.write_all(&[0; CHUNK])?;
        download.read_exact(&mut [0; CHUNK])?;
        if chatting {
            chat.write_all(b"how are you?")?;
            friend.read_exact(&mut [0; 12])?;
        }
        match tick {
            // Nobody is there, and the kernel says so.
            4 => drop(connect(NOBODY)),
            8 => {
                chatting = false;
                chat.shutdown(std::net::Shutdown::Both)?;
                friend.shutdown(std::net::Shutdown::Both)?;
            }
            _ => {}
        }
        Ok(())
    })
}

/// The simulator notes segments that are nothing but bytes.
fn simulate(out: &mut impl Write, terminal: bool) -> Result<()> {
    const FIN: u8 = 0x11;
    const SYN: u8 = 0x02;
    const RST: u8 = 0x14;
    const ACK: u8 = 0x10;
    let unit = Connections::test()?;
    writeln!(
        out,
        "SIMULATED: watching real connections takes root. Without it, `watch` runs in the simulator: the same {} instructions, on segments made here.\n\
         With the kernel, a cable and sockets: sudo -E cargo run --example conn_tracker\n",
        unit.watch.instructions()
    )?;
    let send = |up: bool, client: u16, server: u16, flags: u8, length: usize| -> Result<()> {
        let ends = if up { (CLIENT, SERVER, client, server) } else { (SERVER, CLIENT, server, client) };
        let segment = Packet::ethernet().ipv4(ends.0, ends.1).tcp(ends.2, ends.3, flags);
        unit.watch.test_run(&segment.payload(&vec![0; length]).build())?;
        Ok(())
    };
    for (client, server) in [(40_000, DOWNLOADS), (40_001, CHATS)] {
        send(true, client, server, SYN, 0)?;
        send(false, client, server, SYN | ACK, 0)?;
        send(true, client, server, ACK, 0)?;
    }
    draw_often(&unit, out, terminal, |tick| {
        for _ in 0..CHUNK / 1000 {
            send(false, 40_000, DOWNLOADS, ACK, 1000)?;
        }
        send(true, 40_000, DOWNLOADS, ACK, 0)?;
        match tick {
            0..8 => send(true, 40_001, CHATS, ACK, 12)?,
            8 => {
                send(true, 40_001, CHATS, FIN, 0)?;
                send(false, 40_001, CHATS, FIN, 0)?;
                send(true, 40_001, CHATS, ACK, 0)?;
            }
            _ => {}
        }
        if tick == 4 {
            send(true, 40_002, NOBODY, SYN, 0)?;
            send(false, 40_002, NOBODY, RST, 0)?;
        }
        Ok(())
    })
}

/// Has something happen every quarter of a second, and draws what became of it.
fn draw_often(
    unit: &Connections,
    out: &mut impl Write,
    terminal: bool,
    mut happen: impl FnMut(u32) -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    let mut drawn = 0;
    for tick in 0..DRAWN {
        happen(tick)?;
        thread::sleep(QUARTER);
        if !terminal && !(tick + 1).is_multiple_of(4) {
            continue;
        }
        if drawn > 0 && terminal {
            write!(out, "\x1b[{drawn}A")?;
        }
        drawn = draw(unit, out, started.elapsed())?;
        out.flush()?;
    }
    Ok(())
}

/// Draws the table; gives how many lines it has.
fn draw(unit: &Connections, out: &mut impl Write, elapsed: Duration) -> Result<usize> {
    let mut entries = unit.table.iter().collect::<eshkol::Result<Vec<_>>>()?;
    entries.sort_by_key(|(_, connection)| connection.first_seen);
    let (seconds, up, down) = (elapsed.as_secs_f64(), "packets up", "packets down");
    writeln!(out, "{seconds:>5.1} s  {:<37} {:<12} {up:>16} {down:>18}", "connection", "state")?;
    for (ends, connection) in &entries {
        let ends = format!("{}:{} - {}:{}", ends.src_ip, ends.src_port, ends.dst_ip, ends.dst_port);
        let state = TcpState::try_from(connection.state)?;
        let way = |index: usize| format!("{} ({} B)", connection.packets[index], connection.bytes[index]);
        writeln!(out, "         {ends:<37} {state:<12} {:>16} {:>18}", way(0), way(1))?;
    }
    writeln!(out)?;
    Ok(entries.len() + 2)
}
