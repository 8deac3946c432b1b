//! A firewall in an XDP program, on a network of its own.
//!
//! `cargo run --example xdp_firewall`, as root: makes two network namespaces with a cable between them, puts the firewall on
//! one end, sends packets both ways, and blocks an address from Rust while they flow. It ends by itself after six seconds. The
//! namespaces have no name and belong to this process alone, so nothing is left behind, however it ends.
//!
//! Without privilege the same program runs in the simulator, on packets that are made here and go nowhere.

use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eshkol::{XdpAction, eshkol};
use eshkol_test_support::{Namespace, Packet};

eshkol! {
    (define-ebpf-program firewall
      (license "GPL")
      (program-type :xdp)

      ;;; What happened to the packets of one address.
      (define-struct traffic
        (passed :u64)
        (dropped :u64))

      ;;; Addresses whose packets are dropped.
      (define-map blocklist :hash
        (key-type :ipv4-addr)
        (value-type :u8)
        (max-entries 1024))

      ;;; By source address.
      (define-map seen :lru-hash
        (key-type :ipv4-addr)
        (value-type :traffic)
        (max-entries 1024))

      (define (count-passed address)
        (let ((entry (map-lookup seen address)))
          (if entry
              (atomic-add! (traffic-passed entry) 1)
              (map-update seen address (make-traffic 1 0)))))

      (define (count-dropped address)
        (let ((entry (map-lookup seen address)))
          (if entry
              (atomic-add! (traffic-dropped entry) 1)
              (map-update seen address (make-traffic 0 1)))))

      ;;; Drops what comes from a blocked address.
      (define (filter ctx)
        (let ((eth (parse-eth-header ctx)))
          (if (and eth (= (eth-type eth) :eth-p-ip))
              (let ((ip (parse-ipv4-header (eth-payload eth))))
                (if ip
                    (let ((source (ipv4-src ip)))
                      (if (map-lookup blocklist source)
                          (begin (count-dropped source) :xdp-drop)
                          (begin (count-passed source) :xdp-pass)))
                    :xdp-pass))
              :xdp-pass))))
}

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 7777);
const CLIENTS: [Ipv4Addr; 3] = [Ipv4Addr::new(10, 77, 0, 2), Ipv4Addr::new(10, 77, 0, 3), Ipv4Addr::new(10, 77, 0, 4)];
const BLOCKED: Ipv4Addr = CLIENTS[1];

/// How often the table is drawn, and when an address is blocked and let through again: in quarters of a second.
const DRAWN: u32 = 24;
const BLOCK_AT: u32 = 8;
const UNBLOCK_AT: u32 = 16;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match network() {
        Ok((server, clients)) => filter_traffic(&server, &clients),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => simulate(),
        Err(error) => {
            Err(format!("no network namespace can be made here: {error} (is `ip` of iproute2 installed?)").into())
        }
    }
}

/// The kernel filters what real sockets send.
fn filter_traffic(server: &Namespace, clients: &Namespace) -> Result<()> {
    let firewall = match Firewall::load() {
        Err(eshkol::Error::Permission { .. }) => return simulate(),
        loaded => loaded?,
    };
    let _link = server.run(|| firewall.filter.attach("server"))?;
    println!(
        "`filter` is on the server's end of the cable: {} instructions, {} looked at by the kernel's verifier\n",
        firewall.filter.instructions(),
        firewall.filter.verified_instructions()
    );

    let listener = server.run(|| UdpSocket::bind(SERVER))?;
    let sockets = CLIENTS.map(|address| clients.run(|| UdpSocket::bind((address, 0))));
    let sockets = sockets.into_iter().collect::<io::Result<Vec<_>>>()?;
    for socket in &sockets {
        socket.set_nonblocking(true)?;
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| answer(&listener, &done));
        scope.spawn(|| ask(&sockets, &done));
        let result = watch(&firewall, |client| {
            let mut buffer = [0; 64];
            Ok((0..).take_while(|_| sockets[client].recv_from(&mut buffer).is_ok()).count())
        });
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// The simulator filters packets that are nothing but bytes.
fn simulate() -> Result<()> {
    let firewall = Firewall::test()?;
    println!(
        "SIMULATED: filtering real packets takes root. Without it, `filter` runs in the simulator: the same {} instructions, on packets made here.\n\
         With the kernel, a cable and sockets: sudo -E cargo run --example xdp_firewall\n",
        firewall.filter.instructions()
    );
    watch(&firewall, |client| {
        let packet = Packet::ethernet().ipv4(CLIENTS[client], *SERVER.ip()).udp(4000, SERVER.port()).payload(b"hello");
        let packet = packet.build();
        let mut answers = 0;
        for _ in 0..25 {
            // What passes would be answered.
            answers += usize::from(firewall.filter.test_run(&packet)?.action() == Some(XdpAction::Pass));
        }
        Ok(answers)
    })
}

/// Two namespaces and the cable between them.
fn network() -> io::Result<(Namespace, Namespace)> {
    let (server, clients) = (Namespace::new()?, Namespace::new()?);
    clients.veth("clients", &server, "server")?;
    server.ip(&format!("addr add {}/24 dev server", SERVER.ip()))?;
    for address in CLIENTS {
        clients.ip(&format!("addr add {address}/24 dev clients"))?;
    }
    Ok((server, clients))
}

/// Each client sends a packet a hundred times a second.
fn ask(sockets: &[UdpSocket], done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        for socket in sockets {
            // What does not get through shows in the table as a missing answer.
            let _ = socket.send_to(b"hello", SERVER);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The server sends every packet back.
fn answer(listener: &UdpSocket, done: &AtomicBool) {
    let _ = listener.set_read_timeout(Some(Duration::from_millis(100)));
    let mut buffer = [0; 64];
    while !done.load(Ordering::Relaxed) {
        if let Ok((length, from)) = listener.recv_from(&mut buffer) {
            let _ = listener.send_to(&buffer[..length], from);
        }
    }
}

/// Shows what the firewall does, and changes what it does on the way. `answers` says how many answers a client got since it was asked last.
fn watch(firewall: &Firewall, mut answers: impl FnMut(usize) -> Result<usize>) -> Result<()> {
    let started = Instant::now();
    let mut table = Table { terminal: io::stdout().is_terminal(), drawn: 0 };
    let mut answered = [0; CLIENTS.len()];
    for tick in 0..DRAWN {
        match tick {
            BLOCK_AT => firewall.blocklist.insert(BLOCKED, 1)?,
            UNBLOCK_AT => {
                firewall.blocklist.remove(BLOCKED)?;
            }
            _ => {}
        }
        thread::sleep(Duration::from_millis(250));
        for (client, answered) in answered.iter_mut().enumerate() {
            *answered += answers(client)?;
        }
        table.draw(firewall, &answered, started.elapsed())?;
    }
    Ok(())
}

/// A table that is drawn over itself on a terminal, and once a second elsewhere.
struct Table {
    terminal: bool,
    drawn: u32,
}

impl Table {
    fn draw(&mut self, firewall: &Firewall, answers: &[usize], elapsed: Duration) -> Result<()> {
        self.drawn += 1;
        if !self.terminal && !self.drawn.is_multiple_of(4) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        if self.terminal && self.drawn > 1 {
            write!(out, "\x1b[{}A", CLIENTS.len() + 2)?;
        }
        let seconds = elapsed.as_secs_f64();
        writeln!(out, "{seconds:>5.1} s  {:<12} {:>8} {:>8} {:>8}", "source", "passed", "dropped", "answers")?;
        for (address, answers) in CLIENTS.iter().zip(answers) {
            let (passed, dropped) =
                firewall.seen.get(*address)?.map_or((0, 0), |traffic| (traffic.passed, traffic.dropped));
            let blocked = if firewall.blocklist.contains_key(*address)? { "  blocked" } else { "         " };
            writeln!(out, "{:>9}{:<12} {passed:>8} {dropped:>8} {answers:>8}{blocked}", "", address.to_string())?;
        }
        writeln!(out)?;
        out.flush()?;
        Ok(())
    }
}
