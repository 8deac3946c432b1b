//! How fast events are read from a ring buffer: `RingBuf::drain` beside aya's consumer, which gives the bytes as they are.
//!
//! `cargo bench --bench ring_buffer`, as root. A program fills the buffer, and each reader empties it, in turn: what counts is the
//! shortest time of each. Then a program sends from one thread what another reads, for a second.

use std::hint::black_box;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eshkol::aya::maps::{Map, MapData, RingBuf};
use eshkol::{XdpProgram, eshkol};

eshkol! {
    (define-ebpf-object sender
      (license "GPL"))

    (define-struct event
      (number :u64)
      (length :u32)
      (kind :u32)
      (comment :char-array 8))

    ;;; What our reader takes.
    (define-map events :ringbuf (size (* 16 1024 1024)))
    ;;; What aya takes, whose consumer wants to be the only one.
    (define-map raw-events :ringbuf (size (* 16 1024 1024)))
    (define-global (sent :mutable) :u64 0)

    (define (fill event length i)
      (set! sent (+ sent 1))
      (set-event-number! event sent)
      (set-event-length! event length)
      (set-event-kind! event i))

    ;; A thousand events.
    (define-ebpf-program typed
      (program-type :xdp)
      (define (send ctx)
        (let ((length (packet-length ctx)))
          (for (i in (range 0 1000))
            (when-let (event (ringbuf-reserve events event))
              (fill event length i)
              (ringbuf-submit events event))))
        :xdp-pass))

    (define-ebpf-program raw
      (program-type :xdp)
      (define (send-raw ctx)
        (let ((length (packet-length ctx)))
          (for (i in (range 0 1000))
            (when-let (event (ringbuf-reserve raw-events event))
              (fill event length i)
              (ringbuf-submit raw-events event))))
        :xdp-pass))
}

/// Rounds of filling and emptying, and runs of the program in each.
const ROUNDS: usize = 30;
const RUNS: u64 = 300;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    // `cargo bench` says `--bench`; as a test there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let sender = Sender::load()?;
    let data = MapData::from_fd(sender.raw_events.as_fd().try_clone_to_owned()?)?;
    let mut ring = RingBuf::try_from(Map::RingBuf(data))?;
    let packet = [0; 64];
    let fill = |program: &XdpProgram| -> Result<()> {
        for _ in 0..RUNS {
            program.test_run(&packet)?;
        }
        Ok(())
    };
    let events = RUNS * 1000;
    let (mut ours, mut raw) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        fill(&sender.send)?;
        let mut sum = 0_u64;
        let start = Instant::now();
        let count = sender.events.drain(|event| sum = sum.wrapping_add(event.number ^ u64::from(event.kind)))?;
        ours = ours.min(start.elapsed());
        black_box(sum);
        check(count as u64, events)?;

        fill(&sender.send_raw)?;
        let (mut sum, mut count) = (0_u64, 0);
        let start = Instant::now();
        while let Some(event) = ring.next() {
            let number = event.get(..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes);
            let kind = event.get(12..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
            sum = sum.wrapping_add(number ^ u64::from(kind));
            count += 1;
        }
        raw = raw.min(start.elapsed());
        black_box(sum);
        check(count, events)?;
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / events as f64;
    println!("reading {events} events of 24 bytes, shortest of {ROUNDS} times:");
    println!("  RingBuf::drain, typed    {:>6.1} ns an event", each(ours));
    println!("  aya's consumer, bytes    {:>6.1} ns an event", each(raw));
    println!("  ours / aya's             {:>6.2}", each(ours) / each(raw));

    println!("\nsending from one CPU while another reads, for a second:");
    send_and_read(&sender, Some(Duration::from_millis(1)))?;
    send_and_read(&sender, None)
}

/// Sends a thousand events at a time from this thread, that often or without a pause, while another reads.
fn send_and_read(sender: &Sender, every: Option<Duration>) -> Result<()> {
    let done = AtomicBool::new(false);
    let lost = sender.events.lost()?;
    let start = Instant::now();
    let (runs, read) = thread::scope(|scope| -> Result<(u32, usize)> {
        let reader = scope.spawn(|| -> eshkol::Result<usize> {
            let mut read = 0;
            let mut last = false;
            while !last {
                last = done.load(Ordering::Acquire);
                read += sender.events.drain(|event| {
                    black_box(event);
                })?;
            }
            Ok(read)
        });
        let mut runs = 0;
        while start.elapsed() < Duration::from_secs(1) {
            if every.is_none_or(|every| start.elapsed() >= every * runs) {
                sender.send.test_run(&[0; 64])?;
                runs += 1;
            }
        }
        done.store(true, Ordering::Release);
        Ok((runs, reader.join().map_err(|_| "the reader has panicked")??))
    })?;
    let (sent, lost) = (f64::from(runs) * 1000.0, sender.events.lost()? - lost);
    let million = |count: f64| count / start.elapsed().as_secs_f64() / 1e6;
    println!("  sent {:>5.2} million a second, read {:>5.2}, lost {lost}", million(sent), million(read as f64));
    Ok(())
}

fn check(count: u64, wanted: u64) -> Result<()> {
    if count == wanted { Ok(()) } else { Err(format!("{count} events came of {wanted}").into()) }
}
