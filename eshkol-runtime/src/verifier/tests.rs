//! Logs that kernels gave for bad programs, and what is made of them.

use super::*;
use crate::spec::{FactSpec, LineSpec};

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("samples/", $name, ".log"))
    };
}

/// Message and instruction.
fn read(log: &str) -> (String, Option<u32>) {
    let report = Report::read(log);
    (report.message.unwrap_or_default(), report.instruction)
}

#[test]
fn messages_and_instructions_of_three_kernels() {
    let absent = "R0 invalid mem access 'map_value_or_null'";
    let packet_end = "invalid access to packet, off=0 size=8, R1(id=0,off=0,r=0); R1 offset is outside of the packet";
    let unbounded = "math between map_value pointer and register with unbounded min value is not allowed";
    let past_value =
        "invalid access to map value, value_size=8 off=8 size=8; R0 min value is outside of the allowed memory range";
    let never_written = "invalid indirect read from stack R2 off -4+0 size 4";
    let endless = "infinite loop detected at insn 1";
    let reference = "Unreleased reference id=2 alloc_insn=4";
    let leak = "Unreleased reference id=2 alloc_insn=4; BPF_EXIT instruction in main prog would lead to reference leak";
    let at_7_3 = "invalid access to packet, off=0 size=8, R1(id=0,off=0,r=0); R1 min value is outside of the allowed memory range";
    for (log, message, instruction) in [
        (sample!("maybe-absent-5.10"), absent, 6),
        (sample!("maybe-absent-6.18"), absent, 6),
        (sample!("maybe-absent-7.3"), absent, 6),
        (sample!("packet-end-5.10"), packet_end, 1),
        (sample!("packet-end-6.18"), packet_end, 1),
        (sample!("packet-end-7.3"), at_7_3, 1),
        (sample!("endless-loop-5.10"), endless, 1),
        (sample!("endless-loop-6.18"), endless, 1),
        (sample!("endless-loop-7.3"), endless, 1),
        (sample!("unreachable-5.10"), "unreachable insn 2", 2),
        (sample!("unreachable-7.3"), "unreachable insn 2", 2),
        (sample!("no-such-helper-5.10"), "invalid func unknown#9999", 0),
        (sample!("no-such-helper-7.3"), "invalid func unknown#9999", 0),
        (sample!("never-set-5.10"), "R6 !read_ok", 8),
        (sample!("never-set-6.18"), "R6 !read_ok", 8),
        (sample!("never-set-7.3"), "R6 !read_ok", 8),
        (sample!("not-submitted-5.10"), reference, 4),
        (sample!("not-submitted-6.18"), leak, 4),
        (sample!("not-submitted-7.3"), leak, 4),
        (sample!("unbounded-5.10"), unbounded, 8),
        (sample!("number-as-reference-5.10"), "R1 invalid mem access 'inv'", 1),
        (sample!("stack-never-written-5.10"), never_written, 4),
        (sample!("past-value-6.18"), past_value, 7),
        (sample!("jump-out-6.18"), "jump out of range from insn 1 to 9", 1),
    ] {
        assert_eq!(read(log), (message.to_owned(), Some(instruction)), "{log}");
        assert!(advice::find(message).is_some(), "{message}");
    }
}

#[test]
fn the_report_of_7_3_explains_itself() {
    let report = Report::read(sample!("not-submitted-7.3"));
    let reason =
        "Owned resource (id=2) was acquired at instruction 4 and still needs to be released before this exit path.";
    assert_eq!(report.reason.as_deref(), Some(reason));
    let suggestion = "Release or transfer ownership of the acquired resource on every path before the program exits.";
    assert_eq!(report.suggestion.as_deref(), Some(suggestion));
    let report = Report::read(sample!("unreachable-7.3"));
    let reason = "Instruction 2 is not reachable from the program entry point.";
    assert_eq!(report.reason.as_deref(), Some(reason));
}

#[test]
fn source_lines_beside_the_instructions() {
    let line = |log| Report::read(log).source.unwrap();
    let text = "(+ hits 1))))".to_owned();
    assert_eq!(line(sample!("with-lines-5.10")), SourceLine { text: text.clone(), place: None });
    let place = Some(("firewall.esh".to_owned(), 4));
    assert_eq!(line(sample!("with-lines-6.18")), SourceLine { text: text.clone(), place: place.clone() });
    assert_eq!(line(sample!("with-lines-7.3")), SourceLine { text, place });
    assert_eq!(read(sample!("with-lines-7.3")), ("R0 invalid mem access 'map_value_or_null'".to_owned(), Some(6)));
}

#[test]
fn logs_that_say_nothing() {
    for log in ["", "\n\n", "processed 0 insns (limit 1000000)\n", "0: R1=ctx() R10=fp0\n"] {
        assert_eq!(read(log), (String::new(), None), "{log:?}");
    }
    let too_large = "2: (a5) if r0 < 0x1e8480 goto pc-2\nBPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns\n";
    assert_eq!(read(too_large), ("BPF program is too large. Processed 1000001 insn".to_owned(), None));
    assert_eq!(read("Verification failed: Something New\n").0, "Something New");
}

static PROGRAM: ProgramSpec = ProgramSpec {
    name: "main",
    symbol: "main",
    program_type: "xdp",
    attach_points: &[],
    file: "src/firewall.esh",
    lines: &[
        LineSpec { instruction: 0, line: 3, column: 17, text: "(let ((hits (map-lookup m 0)))" },
        LineSpec { instruction: 6, line: 4, column: 7, text: "(+ hits 1))))" },
    ],
    facts: &[FactSpec { instruction: 6, subject: "task-struct.state" }],
    registers: None,
    entry_probe: None,
};

fn error(log: &str) -> VerifierError {
    VerifierError::new(&PROGRAM, log.to_owned(), io::Error::from_raw_os_error(libc::EACCES))
}

#[test]
fn an_error_shows_the_line_of_scheme() {
    let error = error(sample!("with-lines-6.18"));
    let expected = "\
the kernel's verifier refuses program `main`: R0 invalid mem access 'map_value_or_null'
 --> src/firewall.esh:4:7
  |
4 | (+ hits 1))))
  |
  = it means: what a lookup gave is used where it may be absent
  = try: test it first: `(when-let ((value (map-lookup m key))) …)`
  = note: Eshkol should have refused this when it was compiled; please report it, with the log
  = the verifier's log, its end (`{:#}` prints all):
      ; (let ((hits (map-lookup m 0))) @ firewall.esh:3
      0: (62) *(u32 *)(r10 -4) = 0          ; R10=fp0 fp-8=0000????
      1: (bf) r2 = r10                      ; R2=fp0 R10=fp0
      2: (07) r2 += -4                      ; R2=fp-4
      3: (18) r1 = 0xffff888252879000       ; R1=map_ptr(map=m,ks=4,vs=8)
      5: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=8)
      ; (+ hits 1)))) @ firewall.esh:4
      6: (79) r0 = *(u64 *)(r0 +0)
      R0 invalid mem access 'map_value_or_null'
      verification time 85 usec
      stack depth 8
      processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0";
    // Kernel addresses differ from run to run.
    assert_eq!(error.to_string().lines().count(), expected.lines().count());
    assert!(
        error.to_string().lines().zip(expected.lines()).all(|(a, b)| a == b || a.contains("r1 = 0xffff")),
        "{error}"
    );
    assert!(format!("{error:#}").contains("\n      0: R1=ctx() R10=fp0\n"));
    assert_eq!((error.program(), error.log()), ("main", sample!("with-lines-6.18")));
}

#[test]
fn the_line_in_the_log_counts_where_the_table_ends() {
    // A procedure linked behind the program: the table only knows the program's own instructions.
    let log = "; (helper 1) @ lib.esh:77\n9: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'scalar'\n";
    let location = error(log).location.unwrap();
    assert_eq!((location.file.as_str(), location.line, location.column), ("lib.esh", 77, None));
    let log = "; (helper 1) @ firewall.esh:77\n9: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'scalar'\n";
    assert_eq!(error(log).location.unwrap().file, "src/firewall.esh");
}

#[test]
fn the_kernels_own_words_are_preferred() {
    let error = error(sample!("with-lines-7.3"));
    assert!(error.explanation().unwrap().starts_with("R0 may be NULL here (a nullable map value pointer)."));
    assert!(error.to_string().contains("= try: Add a NULL check before the access"));
}
