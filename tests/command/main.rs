//! The `eshkol` command, run as users run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use object::{Object, ObjectSection};

/// A program that compiles.
const PASS: &str = "(define-ebpf-program pass-all
  (license \"GPL\")
  (program-type :xdp)
  (define-map hits :array (key-type :u32) (value-type :u64) (max-entries 4))
  (define (xdp-main ctx)
    (map-increment! hits 0)
    :xdp-pass))
";

/// The same with a name that nothing has.
fn wrong() -> String {
    PASS.replace("map-increment! hits", "map-increment! hitz")
}

/// A directory of one test, gone with it.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("command-{test}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    /// The names of all files, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the command here.
    fn eshkol(&self, arguments: &[&str]) -> Ran {
        Ran::new(Command::new(env!("CARGO_BIN_EXE_eshkol")).args(arguments).current_dir(&self.0).output().unwrap())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a run gave.
struct Ran {
    status: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        Self { status: output.status.code().unwrap(), stdout: output.stdout, stderr }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

#[test]
fn compiles_to_an_object() {
    let here = Directory::new("object");
    here.write("pass.esh", PASS);
    let ran = here.eshkol(&["compile", "--target=bpf", "--btf", "-O2", "-o", "out.o", "pass.esh"]);
    assert_eq!((ran.status, ran.stderr.as_str(), ran.text()), (0, "", ""));
    assert!(is_elf(&here.read("out.o")));
    assert_eq!(here.names(), ["out.o", "pass.esh"]);
}

#[test]
fn the_object_is_named_after_the_input() {
    let here = Directory::new("default-name");
    here.write("pass.all.esh", PASS);
    assert_eq!(here.eshkol(&["compile", "pass.all.esh"]).status, 0);
    assert!(is_elf(&here.read("pass.all.o")));
}

#[test]
fn a_section_says_where_its_program_belongs() {
    let here = Directory::new("sections");
    // libbpf can't load the first without its tracepoint, and attaches the second by itself.
    let text = "(define-ebpf-object places (license \"GPL\"))
        (define-ebpf-program typed (program-type :btf-tracepoint) (attach-point \"sched:sched_switch\")
          (define (on-switch (preempt : bool)) 0))
        (define-ebpf-program plain (program-type :tracepoint) (attach-point \"syscalls:sys_enter_getppid\")
          (define (on-call ctx) 0))";
    here.write("places.esh", text);
    assert_eq!(here.eshkol(&["compile", "places.esh"]).stderr, "");
    let object = here.read("places.o");
    let file = object::File::parse(&*object).unwrap();
    for section in ["tp_btf/sched_switch", "tracepoint/syscalls/sys_enter_getppid"] {
        assert_eq!(file.section_by_name(section).expect(section).size(), 16);
    }
}

#[test]
fn the_byte_order_is_the_targets() {
    let here = Directory::new("target");
    here.write("pass.esh", PASS);
    // EI_DATA in e_ident: 1 is little-endian, 2 is big-endian.
    for (target, data) in [("bpfel", 1), ("bpfeb", 2)] {
        let ran = here.eshkol(&["compile", "--target", target, "-o", "-", "pass.esh"]);
        assert_eq!((ran.status, ran.stdout.get(5)), (0, Some(&data)), "{target}: {}", ran.stderr);
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let here = Directory::new("deterministic");
    here.write("pass.esh", PASS);
    let run = || here.eshkol(&["compile", "-o", "-", "pass.esh"]).stdout;
    let first = run();
    assert!(is_elf(&first) && first == run());
}

#[test]
fn reads_standard_input() {
    let here = Directory::new("stdin");
    here.write("pass.esh", PASS);
    let run = |arguments: &[&str]| {
        let input = fs::File::open(here.0.join("pass.esh")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_eshkol"));
        Ran::new(command.args(arguments).current_dir(&here.0).stdin(Stdio::from(input)).output().unwrap())
    };
    assert!(is_elf(&run(&["compile", "-", "-o", "-"]).stdout));
    let nowhere = run(&["compile", "-"]);
    assert_eq!(nowhere.status, 2);
    assert!(nowhere.stderr.contains("-o FILE"), "{}", nowhere.stderr);
}

#[test]
fn errors_show_their_place_and_leave_no_file() {
    let here = Directory::new("errors");
    here.write("wrong.esh", &wrong());
    here.write("old.o", "old");
    let ran = here.eshkol(&["compile", "-o", "old.o", "wrong.esh"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("wrong.esh:6:21"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hitz"), "{}", ran.stderr);
    assert!(ran.stderr.contains("run `eshkol explain ESK"), "{}", ran.stderr);
    assert_eq!(here.read("old.o"), b"old");
    assert_eq!(here.names(), ["old.o", "wrong.esh"]);
}

#[test]
fn shows_what_the_stages_see() {
    let here = Directory::new("emit");
    here.write("pass.esh", PASS);
    for (emit, expected) in [
        ("ast", "(define xdp-main (lambda"),
        ("typed", "(program pass-all :xdp"),
        ("ir", "function \"xdp_main\""),
        ("asm", "xdp_main:\n"),
    ] {
        let ran = here.eshkol(&["compile", "--emit", emit, "pass.esh"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(ran.text().contains(expected), "{emit}: {}", ran.text());
        let ran = here.eshkol(&["compile", "--emit", emit, "-o", emit, "pass.esh"]);
        assert_eq!((ran.status, ran.text()), (0, ""));
        assert!(String::from_utf8(here.read(emit)).unwrap().contains(expected));
    }
}

#[test]
fn includes_are_relative_to_the_file() {
    let here = Directory::new("include");
    fs::create_dir(here.0.join("sub")).unwrap();
    here.write(
        "sub/pass.esh",
        &PASS.replace("(define-map hits :array", "(include \"parts/map.esh\") (define-map rest :array"),
    );
    fs::create_dir(here.0.join("sub/parts")).unwrap();
    here.write("sub/parts/map.esh", "(define-map hits :array (key-type :u32) (value-type :u64) (max-entries 4))");
    let ran = here.eshkol(&["compile", "-o", "-", "sub/pass.esh"]);
    assert!(is_elf(&ran.stdout), "{}", ran.stderr);
    here.write("sub/parts/map.esh", "(define-map hits :array (key-type :u32) (value-type :u46) (max-entries 4))");
    let ran = here.eshkol(&["compile", "-o", "-", "sub/pass.esh"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("sub/parts/map.esh:1:"), "{}", ran.stderr);
}

#[test]
fn verbose_counts_what_was_compiled() {
    let here = Directory::new("verbose");
    here.write("pass.esh", PASS);
    let ran = here.eshkol(&["compile", "--verbose", "-o", "out.o", "pass.esh"]);
    assert!(ran.stderr.contains("pass-all: license GPL, Linux 5.10 and newer"), "{}", ran.stderr);
    assert!(ran.stderr.contains("map hits: array, 4 entries, keys of 4 bytes, values of 8 bytes"), "{}", ran.stderr);
    assert!(ran.stderr.contains("program xdp_main: xdp, "), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_with_the_command_itself() {
    let here = Directory::new("usage");
    here.write("pass.esh", PASS);
    for arguments in [
        &["compile", "missing.esh"][..],
        &["compile", "-o", "no/such/directory/x.o", "pass.esh"],
        &["compile", "--target=arm", "pass.esh"],
        &["compile", "-O9", "pass.esh"],
        &["frobnicate"],
        &["explain", "ESK9999"],
    ] {
        let ran = here.eshkol(arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(here.names(), ["pass.esh"]);
}

#[test]
fn a_device_is_not_replaced_by_a_file() {
    let here = Directory::new("device");
    here.write("pass.esh", PASS);
    let ran = here.eshkol(&["compile", "-o", "/dev/stdout", "pass.esh"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(is_elf(&ran.stdout));
}

#[test]
fn explains_messages() {
    let here = Directory::new("explain");
    for code in ["ESK0101", "esk0101", "[ESK0101]", "101"] {
        let ran = here.eshkol(&["explain", code]);
        assert_eq!(ran.status, 0, "{code}");
        assert!(ran.text().starts_with("ESK0101: a list is not closed\n\n"), "{}", ran.text());
    }
    let all = here.eshkol(&["explain"]);
    assert!(all.text().lines().any(|line| line == "ESK0101  a list is not closed"), "{}", all.text());
}
