//! How long the kernel takes to take data for a TCP connection (`tcp_sendmsg`), drawn as it is measured, for each process apart at the end.
//!
//! `cargo run --example tcp_latency`, as root: measures for three seconds, and sends something itself so that there is something to see. `-- 60`
//! measures for a minute.
//!
//! Where the kernel has no probes in its functions, and without privilege, the same programs run in the simulator, on calls that are made up here.

use std::io::{IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use eshkol::eshkol;

eshkol! {
    (define-ebpf-object tcp-latency
      (license "GPL"))

    ;;; When the call for each socket has begun.
    (define-map begun :lru-hash
      (key-type :u64)
      (value-type :u64)
      (max-entries 4096))

    ;;; Nanoseconds of all calls.
    (define-map nanoseconds :histogram)

    ;;; Bytes of the calls of each process.
    (define-map sizes :histogram
      (by :u32)
      (max-entries 10240))

    (define-ebpf-program on-entry
      (program-type :kprobe)
      (attach-point "tcp_sendmsg")

      (define (enter (socket : u64) (_message : u64) (size : u64))
        (map-update begun socket (bpf-ktime-get-ns))
        (update-histogram sizes (current-pid) size)))

    (define-ebpf-program on-return
      (program-type :kretprobe)
      (attach-point "tcp_sendmsg")

      (define (leave (socket : u64))
        (when-let (start (map-lookup begun socket))
          (update-histogram nanoseconds (- (bpf-ktime-get-ns) start))
          (map-delete begun socket))))
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

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
    let seconds = match std::env::args().nth(1) {
        Some(argument) => argument.parse().map_err(|_| format!("`{argument}` is no number of seconds"))?,
        None => 3,
    };
    let latency = match TcpLatency::load() {
        Err(error @ eshkol::Error::Permission { .. }) => return simulate(&error),
        loaded => loaded?,
    };
    let links = match latency.attach_all() {
        Ok(links) => links,
        Err(error) => return simulate(&error),
    };
    println!("Measuring for {seconds} seconds.");
    let sender = thread::spawn(move || send(Duration::from_secs(seconds)));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut drawn = 0;
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(500));
        drawn = draw(&latency.nanoseconds.read()?, drawn)?;
    }
    drop(links);
    sender.join().map_err(|_| "what was to be sent could not be")??;
    summary(&latency)
}

/// Draws over what was drawn before, so many lines, where that is on a terminal. How many lines there are now.
fn draw(counts: &eshkol::Counts, before: usize) -> Result<usize> {
    let mut out = std::io::stdout().lock();
    if !out.is_terminal() {
        return Ok(0);
    }
    let text = format!("tcp_sendmsg, nanoseconds\n{counts:100}");
    if before > 0 {
        write!(out, "\x1b[{before}A\x1b[J")?;
    }
    write!(out, "{text}")?;
    out.flush()?;
    Ok(text.lines().count())
}

fn summary(latency: &TcpLatency) -> Result<()> {
    let counts = latency.nanoseconds.read()?;
    println!("\n{} calls of tcp_sendmsg, nanoseconds:\n{counts:100}", counts.total());
    for (name, part) in [("half", 0.5), ("90 %", 0.9), ("99 %", 0.99)] {
        if let Some(nanoseconds) = counts.quantile(part) {
            println!("{name:>4} took at most about {nanoseconds} ns");
        }
    }
    for (process, counts) in latency.sizes.read()? {
        println!("\nprocess {process}, bytes of each call:\n{counts:100}");
    }
    Ok(())
}

/// Sends something to itself, in pieces of several sizes.
fn send(time: Duration) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    let end = Instant::now() + time;
    while Instant::now() < end {
        for size in [64, 1500, 16_000] {
            sender.write_all(&vec![1; size])?;
            receiver.read_exact(&mut vec![0; size])?;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The simulator runs the same programs on calls of a function that there is none of.
fn simulate(missing: &eshkol::Error) -> Result<()> {
    println!("SIMULATED: {missing}\n\nWithout that, the programs run in the simulator, on calls that are made up.");
    let latency = TcpLatency::test()?;
    let machine = latency.simulator()?;
    for number in 0..200_u64 {
        let (socket, size) = (0xffff_8880_0001_0000 + number % 7, 64 << (number % 5));
        let call = latency.leave.test_call(&[socket, 0, size])?;
        latency.enter.test_run(&[socket, 0, size])?;
        // The larger, the longer; now and then it takes its time.
        machine.set_time(machine.time() + 800 + 2 * size + if number % 50 == 0 { 100_000 } else { 0 });
        call.test_return(size)?;
    }
    summary(&latency)
}
