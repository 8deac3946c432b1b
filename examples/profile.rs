//! Where a process spends its time: samples its stacks, and prints those that came most often.
//!
//! `cargo run --example profile -- PID [SECONDS]`, as root. Without arguments it profiles itself at work for two seconds. Functions are named by the
//! tables of symbols of what the process has loaded, so a program that was stripped of its table shows addresses.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use eshkol::{Sampling, eshkol};
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _, SymbolKind};

eshkol! {
    (define-ebpf-program profile
      (license "GPL")
      (program-type :perf-event)

      ;;; The stacks of a sample: their numbers, or a negative errno where there is none.
      (define-struct place
        (user :i64)
        (kernel :i64))

      (define-map stacks :stack-trace
        (max-entries 16384))

      ;;; How often each place was seen.
      (define-map samples :hash
        (key-type :place)
        (value-type :u64)
        (max-entries 16384))

      (define (sample ctx)
        (map-increment! samples
          (make-place (stack-id ctx stacks :user) (stack-id ctx stacks)))))
}

/// How many stacks are printed.
const SHOWN: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(process) = arguments.next() else {
        let seconds = Duration::from_secs(2);
        let worker = thread::spawn(move || work(Instant::now() + seconds));
        print!("{}", profile(std::process::id(), seconds)?);
        return worker.join().map(|_| ()).map_err(|_| "the work failed".into());
    };
    let seconds = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;
    print!("{}", profile(process.parse()?, Duration::from_secs(seconds))?);
    Ok(())
}

/// Something to find in a profile.
#[inline(never)]
pub(crate) fn work(until: Instant) -> u64 {
    let mut bits = 1_u64;
    while Instant::now() < until {
        let mut round = 0;
        while round < 100_000 {
            bits ^= bits << 7;
            bits ^= bits >> 9;
            round += 1;
        }
    }
    bits
}

/// The stacks of a process that came most often, each with its share, the innermost function first.
pub(crate) fn profile(process: u32, time: Duration) -> Result<String, Box<dyn Error>> {
    let unit = Profile::load()?;
    let link = unit.sample.attach_to(&Sampling::cpu_clock().process(process))?;
    thread::sleep(time);
    // Before the names are looked up: that takes its time, too, and is not to be found in the profile of this process.
    drop(link);
    let symbols = Symbols::of_process(process)?;
    let mut places = unit.samples.iter().collect::<Result<Vec<_>, _>>()?;
    places.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let all: u64 = places.iter().map(|(_, count)| count).sum();
    let mut text = format!("{all} samples\n");
    for (place, count) in places.iter().take(SHOWN) {
        text += &format!("\n{:>5.1} %\n", *count as f64 * 100.0 / all.max(1) as f64);
        for address in stack(&unit, place.kernel)? {
            text += &format!("        {} (kernel)\n", symbols.kernel.name(address));
        }
        for address in stack(&unit, place.user)? {
            text += &format!("        {}\n", symbols.process.name(address));
        }
    }
    Ok(text)
}

/// The addresses of a stack; none where the sample had none.
fn stack(unit: &Profile, id: i64) -> eshkol::Result<Vec<u64>> {
    match u32::try_from(id) {
        Ok(id) => Ok(unit.stacks.get(id)?.unwrap_or_default()),
        Err(_) => Ok(Vec::new()),
    }
}

/// Functions by the address at which they begin: names, and how many bytes they have where that is known.
#[derive(Default)]
struct Names(BTreeMap<u64, (String, Option<u64>)>);

impl Names {
    fn name(&self, address: u64) -> String {
        match self.0.range(..=address).next_back() {
            // Behind a function's end something else stands, whose name the table has not.
            Some((start, (name, size))) if size.is_none_or(|size| address - start < size) => {
                format!("{name}+{:#x}", address - start)
            }
            _ => format!("{address:#x}"),
        }
    }
}

struct Symbols {
    process: Names,
    kernel: Names,
}

impl Symbols {
    fn of_process(process: u32) -> Result<Self, Box<dyn Error>> {
        let mut symbols = Self { process: Names::default(), kernel: Names::default() };
        // address type name
        for line in fs::read_to_string("/proc/kallsyms").unwrap_or_default().lines() {
            let mut words = line.split(' ');
            if let (Some(address), Some("t" | "T"), Some(name)) = (words.next(), words.next(), words.next()) {
                symbols.kernel.0.insert(u64::from_str_radix(address, 16)?, (name.to_owned(), None));
            }
        }
        // start-end permissions offset device inode path
        for line in fs::read_to_string(format!("/proc/{process}/maps"))?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [range, permissions, offset, _, _, path] = words[..]
                && permissions.contains('x')
                && path.starts_with('/')
                && let Some((start, _)) = range.split_once('-')
            {
                let (start, offset) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(offset, 16)?);
                // What can't be read has no names.
                let file = fs::read(format!("/proc/{process}/root{path}")).unwrap_or_default();
                symbols.process.add_file(&file, start, offset);
            }
        }
        Ok(symbols)
    }
}

impl Names {
    /// The functions of a file whose part from `offset` on is loaded at `start`.
    fn add_file(&mut self, file: &[u8], start: u64, offset: u64) {
        let Ok(file) = object::File::parse(file) else { return };
        let in_file = |address: u64| {
            file.segments().find_map(|segment| {
                let (place, length) = segment.file_range();
                address.checked_sub(segment.address()).filter(|into| *into < length).map(|into| place + into)
            })
        };
        let symbols = file.dynamic_symbols().chain(file.symbols());
        for symbol in symbols.filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text) {
            let loaded = in_file(symbol.address()).and_then(|place| (place.checked_sub(offset)?).checked_add(start));
            if let (Some(address), Ok(name)) = (loaded, symbol.name()) {
                let size = Some(symbol.size()).filter(|size| *size > 0);
                self.0.insert(address, (format!("{:#}", rustc_demangle::demangle(name)), size));
            }
        }
    }
}
