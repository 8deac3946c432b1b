//! What the guide prints for debugging, and the helper functions that it wraps, verbatim: in a program around them.

use std::io::Read;
use std::time::{Duration, Instant};

use eshkol_core::diagnostic::render::{Style, render};
use eshkol_core::include::Files;
use eshkol_core::source::Sources;
use eshkol_core::{Options, compile};
use eshkol_test_support::{Loaded, Privilege, Runner, require_root, trace_fs};

/// A program that prints, in the words of the guide, of addresses that it makes up.
const PRINTING: &str = concat!(
    "(define-ebpf-program printing (license \"GPL\") (program-type :xdp) (define (main ctx)",
    "(let ((src-ip (the u32 3232235777)) (dst-ip (the u32 167772161)))\n",
    include_str!("debug-print.esh"),
    ") :xdp-pass))"
);

/// A program that calls the guide's wrappers.
const WRAPPING: &str = concat!(
    "(define-map results :array (key-type :u32) (value-type :u64) (max-entries 2))\n",
    include_str!("helper-functions.esh"),
    "(define-ebpf-program wrapping (license \"GPL\") (program-type :tracepoint)
       (attach-point \"syscalls:sys_enter_getppid\")
       (define (main ctx)
         (map-update results 0 (get-time))
         (map-update results 1 (get-pid))
         (debug-print \"pid %d of %d, %d and %d\" (get-pid) 1 2 3)))"
);

/// The object that a text gives.
fn object(text: &str) -> Vec<u8> {
    let mut sources = Sources::new();
    let source = sources.add("guide.esh", text);
    let mut files = Files::new(|path| std::fs::read(path), std::env::temp_dir());
    let compilation = compile(&mut sources, source, &mut files, Options::default());
    let drawn: Vec<_> = compilation.diagnostics.iter().map(|message| render(message, &sources, Style::Plain)).collect();
    compilation.output.unwrap_or_else(|| panic!("{}", drawn.join("\n"))).object
}

const LINE: &str = "Processing packet: src=3232235777 dst=167772161";

#[test]
fn debug_print_writes_a_line() {
    let machine = eshkol::sim::Machine::load(&object(PRINTING)).unwrap();
    machine.run_xdp("main", &[0; 64]).unwrap();
    assert_eq!(machine.take_trace(), [LINE]);
}

#[test]
fn debug_print_writes_a_line_to_the_trace_pipe() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let loaded = Loaded::load(&object(PRINTING), "main").unwrap();
    let mut pipe = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(pipe.read(true), libc::O_NONBLOCK);
    let mut pipe = pipe.open("/sys/kernel/tracing/trace_pipe").unwrap();
    loaded.run(&[0; 64]).unwrap();
    let (mut seen, end) = (Vec::new(), Instant::now() + Duration::from_secs(10));
    while !String::from_utf8_lossy(&seen).contains(LINE) {
        assert!(Instant::now() < end, "in the trace pipe there is {:?}", String::from_utf8_lossy(&seen));
        let mut bytes = [0; 4096];
        match pipe.read(&mut bytes) {
            Ok(count) => seen.extend_from_slice(&bytes[..count]),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn helper_functions_give_time_and_process() {
    let machine = eshkol::sim::Machine::load(&object(WRAPPING)).unwrap();
    machine.set_time(5_000);
    machine.run_on_memory("main", &[0; 64]).unwrap();
    let result = |index: u32| {
        let value = machine.map("results").unwrap().lookup(&index.to_ne_bytes()).unwrap().unwrap();
        u64::from_ne_bytes(value.try_into().unwrap())
    };
    assert!((5_000..6_000).contains(&result(0)));
    // The process in the upper half, the thread in the lower.
    assert_eq!(result(1), 1000 << 32 | 1000);
    // More than three at once are several lines, for kernels that can't print them in one.
    assert_eq!(machine.take_trace(), [format!("pid {} of 1, 2", 1000_u64 << 32 | 1000), " and 3".to_owned()]);
}
