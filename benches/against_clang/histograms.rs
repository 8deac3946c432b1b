//! Programs that count how long something took, both in the kernel: what happens there they count alike.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use eshkol::{Counts, HashMap, Histogram, TracepointProgram, TracingLink, UprobeProgram, UretprobeProgram};

use crate::programs::Program;
use crate::unit::Unit;

fn failed(error: eshkol::Error) -> String {
    error.to_string()
}

/// Whether both count the same, but for the differences of when they ask for the time.
pub(crate) fn compare(program: &Program, ours: &Unit, theirs: &Unit) -> Result<(), String> {
    if program.name == "run-queue" { compare_waits(ours, theirs) } else { compare_calls(ours, theirs) }
}

/// Threads wait for a processor, on the whole machine.
fn compare_waits(ours: &Unit, theirs: &Unit) -> Result<(), String> {
    let links = (watch_scheduler(ours)?, watch_scheduler(theirs)?);
    let counts = || -> Result<_, String> { Ok((histogram(ours, "waits")?, histogram(theirs, "waits")?)) };
    let before = counts()?;
    const ROUNDS: u64 = 5000;
    wake_each_other(ROUNDS)?;
    let after = counts()?;
    drop(links);
    let (ours, theirs) = (since(&before.0, &after.0), since(&before.1, &after.1));
    let total = |counts: &BTreeMap<u64, u64>| counts.values().sum::<u64>();
    // Whoever else runs is seen by one of them a little earlier than by the other, and as waiting a little longer.
    let [least, other, differing] = [total(&ours), total(&theirs), distance(&ours, &theirs)];
    if least >= ROUNDS && least.abs_diff(other) <= least / 50 && differing <= least / 5 {
        return Ok(());
    }
    Err(format!("counts {ours:?}, and the other's {theirs:?}"))
}

fn watch_scheduler(unit: &Unit) -> Result<[TracingLink; 2], String> {
    let attach = |symbol, point| {
        let program: TracepointProgram = unit.loaded.program(symbol).map_err(failed)?;
        program.attach_to(point).map_err(failed)
    };
    Ok([attach("on_wakeup", "sched:sched_wakeup")?, attach("on_switch", "sched:sched_switch")?])
}

/// Two threads, each of which waits for the other.
fn wake_each_other(rounds: u64) -> Result<(), String> {
    let ((ask, asked), (answer, answered)) = (channel(), channel());
    let other = thread::spawn(move || {
        for question in asked {
            if answer.send(question).is_err() {
                break;
            }
        }
    });
    for round in 0..rounds {
        ask.send(round).map_err(|error| error.to_string())?;
        answered.recv().map_err(|error| error.to_string())?;
    }
    drop(ask);
    other.join().map_err(|_| "a thread panicked".to_owned())
}

fn histogram(unit: &Unit, name: &str) -> Result<Counts, String> {
    let histogram: Histogram = unit.loaded.histogram(name, None).map_err(failed)?;
    histogram.read().map_err(failed)
}

/// What has been counted in between, by the smallest number of each bucket.
fn since(before: &Counts, after: &Counts) -> BTreeMap<u64, u64> {
    let mut counts: BTreeMap<_, _> = after.buckets().map(|bucket| (bucket.first, bucket.count)).collect();
    for bucket in before.buckets() {
        counts.entry(bucket.first).and_modify(|count| *count -= bucket.count);
    }
    counts
}

/// How many would have to be counted in other buckets for both to be equal.
fn distance(one: &BTreeMap<u64, u64>, other: &BTreeMap<u64, u64>) -> u64 {
    let of = |counts: &BTreeMap<u64, u64>, bucket| counts.get(bucket).copied().unwrap_or(0);
    one.keys().map(|bucket| of(one, bucket).saturating_sub(of(other, bucket))).sum()
}

/// What is called while both look on.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eshkol_benchmark_probed(socket: u64, nanoseconds: u64) -> u64 {
    thread::sleep(Duration::from_nanos(nanoseconds));
    black_box(socket)
}

/// A function of this process is called. To the kernel, programs in its own functions and in those of processes are of one type, and have the same
/// registers; so these can be run where its functions can't be probed, too.
fn compare_calls(ours: &Unit, theirs: &Unit) -> Result<(), String> {
    let links = (watch_calls(ours)?, watch_calls(theirs)?);
    const LONG: u64 = 40_000_000;
    let calls = [0, 0, LONG, 0, 0, LONG, 0];
    for (socket, nanoseconds) in (0x5e_0000..).zip(calls) {
        eshkol_benchmark_probed(socket, nanoseconds);
    }
    drop(links);
    let count = |unit| -> Result<_, String> {
        let counts = histogram(unit, "latency_hist")?;
        let long: u64 = counts.buckets().filter(|bucket| bucket.last >= LONG).map(|bucket| bucket.count).sum();
        let starts: HashMap<u64, u64> = unit.loaded.map("start_times").map_err(failed)?;
        Ok((counts.total(), long, starts.iter().count()))
    };
    let (ours, theirs) = (count(ours)?, count(theirs)?);
    // Short calls may take long where the processor has other things to do.
    let is_right = |(total, long, waiting)| total == calls.len() as u64 && (2..total).contains(&long) && waiting == 0;
    if is_right(ours) && is_right(theirs) {
        return Ok(());
    }
    Err(format!("counts {ours:?} calls, long ones and unfinished ones, and the other's {theirs:?}"))
}

fn watch_calls(unit: &Unit) -> Result<[TracingLink; 3], String> {
    let this_file = std::env::current_exe().map_err(|error| error.to_string())?;
    let point = format!("{}:eshkol_benchmark_probed", this_file.display());
    let entry = |symbol| {
        let program: UprobeProgram = unit.loaded.program(symbol).map_err(failed)?;
        program.attach_to(&point).map_err(failed)
    };
    let returning: UretprobeProgram = unit.loaded.program("return_probe").map_err(failed)?;
    Ok([entry("eshkol_entry_return_probe")?, entry("entry_probe")?, returning.attach_to(&point).map_err(failed)?])
}
