//! Programs that look at processes: in their functions, and at samples of their time.

use std::ffi::CString;
use std::hint::black_box;
use std::time::{Duration, Instant};

use eshkol::{RingBuf, Sampling};
use eshkol_test_support::{Privilege, require_root};

mod functions {
    eshkol::eshkol_file!("tests/processes/functions.esh");
}

/// The example, as a module.
#[path = "../../examples/profile.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod profile;

/// Programs whose attach points are in whatever file this process runs.
mod places {
    eshkol::eshkol_file!("tests/processes/places.esh");
}

mod samples {
    eshkol::eshkol_file!("tests/processes/samples.esh");
}

/// What is probed, in this very file.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eshkol_probed(first: u64, second: u32) -> u64 {
    black_box(first).wrapping_add(black_box(u64::from(second)))
}

/// A function whose instructions can be told apart: 16 that do nothing.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn eshkol_idle() {
    std::arch::naked_asm!(".rept 16", "nop", ".endr", "ret");
}

fn this_file() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

fn thread_id() -> u32 {
    // SAFETY: gettid(2) has no preconditions.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// The first event that is the wanted one.
fn find<E: eshkol::Event>(events: &RingBuf<E>, wanted: impl Fn(&E) -> bool) -> E {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        let event = events.next_timeout(Duration::from_millis(100)).unwrap();
        if let Some(event) = event.filter(|event| wanted(event)) {
            return event;
        }
    }
    panic!("no event came");
}

#[test]
fn a_function_is_seen_with_its_arguments_and_its_result() {
    let Privilege::Granted = require_root() else { return };
    let unit = functions::Functions::load().unwrap();
    let point = format!("{}:eshkol_probed", this_file());
    let links = (unit.on_call.attach_to(&point).unwrap(), unit.on_return.attach_to(&point).unwrap());
    assert_eq!(eshkol_probed(0x5e_0001, u32::MAX), 0x5e_0001 + u64::from(u32::MAX));
    let call = find(&unit.calls, |call| call.thread == thread_id());
    assert_eq!((call.first, call.second), (0x5e_0001, u32::MAX));
    let result = find(&unit.results, |result| result.thread == thread_id());
    assert_eq!(result.value, 0x5e_0001 + u64::from(u32::MAX));
    drop(links);
    eshkol_probed(1, 2);
    assert!(unit.calls.next_timeout(Duration::from_millis(50)).unwrap().is_none(), "it is still attached");
}

#[test]
fn the_declared_functions_are_seen() {
    let Privilege::Granted = require_root() else { return };
    let unit = places::Places::load().unwrap();
    let call = || eshkol_probed(0x5e_0003, 4);
    let seen_values = || {
        let mut values = Vec::new();
        while let Some(event) = unit.events.try_next().unwrap() {
            // Other tests call it, too.
            values.extend((event.thread == thread_id()).then_some((event.kind, event.value)));
        }
        values
    };
    let (entered, returned) = ((1, 0x5e_0003), (2, 0x5e_0007));
    call();
    assert_eq!(seen_values(), []);
    let link = unit.on_call.attach().unwrap();
    call();
    assert_eq!(seen_values(), [entered]);
    drop(link);
    let link = unit.on_return.attach().unwrap();
    call();
    assert_eq!(seen_values(), [returned]);
    link.detach();
    let links = unit.attach_all().unwrap();
    call();
    assert_eq!(seen_values(), [entered, returned]);
    drop(links);
    call();
    assert_eq!(seen_values(), []);
}

/// Where in its file an address of this process is.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
fn place_in_file(address: u64) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let mut places = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let file_offset = number(words.nth(1)?);
        (number(start)..number(end)).contains(&address).then(|| address - number(start) + file_offset)
    });
    places.next().expect("an address of this process")
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
#[test]
fn an_instruction_is_named_by_its_function_or_by_its_place_in_the_file() {
    let Privilege::Granted = require_root() else { return };
    let unit = places::Places::load().unwrap();
    let address = (eshkol_idle as extern "C" fn() as *const ()).expose_provenance() as u64;
    let (file, place) = (this_file(), place_in_file(address));
    for (point, offset) in [
        (format!("{file}:eshkol_idle+0x10"), 16),
        (format!("{file}:eshkol_idle+12"), 12),
        (format!("{file}:{place:#x}"), 0),
        (format!("{file}:{:#x}", place + 8), 8),
    ] {
        let link = unit.on_instruction.attach_to(&point).unwrap();
        eshkol_idle();
        let event = find(&unit.instructions, |event| event.thread == thread_id());
        assert_eq!(event.place, address + offset, "{point}");
        drop(link);
        eshkol_idle();
        assert!(unit.instructions.try_next().unwrap().is_none(), "{point}: it is still attached");
    }
    // Of a return there is only one place.
    let error = unit.on_return.attach_to(&format!("{file}:eshkol_idle+0x10")).unwrap_err().to_string();
    assert!(error.contains("for an entry also"), "{error}");
}

#[test]
fn a_function_of_a_library_is_seen_in_one_process() {
    let Privilege::Granted = require_root() else { return };
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("libc.so"));
    // A program that is linked statically has the function itself.
    let point = format!("{}:getenv", libc.map_or_else(this_file, str::to_owned));
    let unit = functions::Functions::load().unwrap();
    let link = unit.on_getenv.attach_to_process(std::process::id(), &point).unwrap();
    let name = CString::new("ESHKOL_NO_SUCH_VARIABLE").unwrap();
    // SAFETY: the name ends with NUL; no thread of this test changes the environment.
    assert!(unsafe { libc::getenv(name.as_ptr()) }.is_null());
    let asked = find(&unit.variables, |asked| asked.name_str() == "ESHKOL_NO_SUCH_VARIABLE");
    assert_eq!(asked.thread, thread_id());
    drop(link);
}

#[test]
fn functions_are_called_in_the_simulator() {
    let unit = functions::Functions::test().unwrap();
    unit.on_call.test_run(&[7, 1 << 32 | 9]).unwrap();
    let call = unit.calls.try_next().unwrap().expect("no event came");
    assert_eq!((call.first, call.second), (7, 9), "the second is of 32 bits");
    unit.on_return.test_run(16).unwrap();
    assert_eq!(unit.results.try_next().unwrap().expect("no event came").value, 16);
    // The simulated process has no memory.
    unit.on_getenv.test_run(&[0x1000]).unwrap();
    assert_eq!(unit.variables.try_next().unwrap().expect("no event came").name_str(), "");
}

#[test]
fn what_is_not_there_is_an_error_that_knows_what_is() {
    let Privilege::Granted = require_root() else { return };
    let unit = functions::Functions::load().unwrap();
    for (point, wanted) in [
        (format!("{}:eshkol_porbed", this_file()), "`eshkol_probed`"),
        ("/no/such/file:main".to_owned(), "no file `/no/such/file`"),
        ("main".to_owned(), "`path:function`"),
    ] {
        let error = unit.on_call.attach_to(&point).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("attach program `on-call`"), "{error}");
    }
}

#[test]
fn samples_have_the_stack_of_what_runs() {
    let Privilege::Granted = require_root() else { return };
    let unit = samples::Samples::load().unwrap();
    let sampling = Sampling::cpu_clock().frequency(999).process(std::process::id());
    let link = unit.sample.attach_to(&sampling).unwrap();
    black_box(profile::work(Instant::now() + Duration::from_millis(500)));
    drop(link);
    let mine: Vec<_> =
        unit.counts.iter().map(Result::unwrap).filter(|(place, _)| place.thread == thread_id()).collect();
    let samples: u64 = mine.iter().map(|(_, count)| count).sum();
    assert!(samples >= 20, "{samples} samples in half a second");
    // Every stack that was kept is one of addresses.
    let stacks: Vec<_> = mine.iter().filter_map(|(place, _)| u32::try_from(place.user).ok()).collect();
    assert!(!stacks.is_empty());
    for id in stacks {
        let stack = unit.stacks.get(id).unwrap().expect("the stack is not there");
        assert!(!stack.is_empty() && stack.len() <= 127);
    }
    assert!(unit.stacks.get(u32::MAX).unwrap().is_none());
}

#[test]
fn samples_know_where_and_how_long() {
    const PERIOD: u64 = 1_250_000;
    let Privilege::Granted = require_root() else { return };
    let unit = samples::Samples::load().unwrap();
    let sampling = Sampling::cpu_clock().period(PERIOD).process(std::process::id());
    let link = unit.sample.attach_to(&sampling).unwrap();
    black_box(profile::work(Instant::now() + Duration::from_millis(100)));
    drop(link);
    let state = unit.states.get(thread_id()).unwrap().expect("no sample was taken");
    assert_eq!(state.period, PERIOD);
    assert!(state.ip != 0 && state.sp != 0, "{state:x?}");
}

#[test]
fn a_processor_or_process_that_is_not_there_is_an_error() {
    let Privilege::Granted = require_root() else { return };
    let unit = samples::Samples::load().unwrap();
    let error = unit.sample.attach_to(&Sampling::cpu_clock().cpu(100_000)).unwrap_err().to_string();
    assert!(error.contains("no such processor"), "{error}");
    let error = unit.sample.attach_to(&Sampling::cpu_clock().process(u32::MAX / 2)).unwrap_err().to_string();
    assert!(error.contains("no such process"), "{error}");
}

#[test]
fn the_example_finds_what_a_process_does() {
    let Privilege::Granted = require_root() else { return };
    let time = Duration::from_millis(500);
    let worker = std::thread::spawn(move || black_box(profile::work(Instant::now() + time * 2)));
    let report = profile::profile(std::process::id(), time).unwrap();
    worker.join().unwrap();
    assert!(report.contains(" samples\n"), "{report}");
    // The function, or what is left of it in the caller.
    assert!(report.contains("work"), "{report}");
}
