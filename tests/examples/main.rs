//! The examples, run as the README says: each ends by itself, and shows what it is there to show.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use eshkol_test_support::{Privilege, require_root, trace_fs};

/// What an example writes.
fn run(name: &str, arguments: &[&str]) -> String {
    let mut command = match env::var_os("ESHKOL_EXAMPLES") {
        // Where there is no cargo, in the virtual machines of `tests/vm`: the directory of their executables.
        Some(directory) => Command::new(Path::new(&directory).join(name)),
        None => {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["run", "--quiet", "--example", name, "--"]).current_dir(env!("CARGO_MANIFEST_DIR"));
            cargo
        }
    };
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn exec_snoop_shows_what_is_executed() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let text = run("exec_snoop", &["6"]);
    let line = |end: &str| {
        let found = text.lines().find(|line| line.ends_with(end));
        found.unwrap_or_else(|| panic!("no line ends with `{end}` in\n{text}")).split_whitespace().nth(3)
    };
    assert_eq!(line("/bin/true --version"), Some("0"));
    assert_eq!(line("/bin/sh -c exec /bin/echo from a shell"), Some("0"));
    assert_eq!(line("/bin/echo from a shell"), Some("0"));
    assert_eq!(line("/nowhere/nothing at all"), Some("-2"));
}

#[test]
fn syscall_audit_counts_and_shows_the_calls_of_a_command() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let text = run("syscall_audit", &["cat", "/etc/passwd", "/nowhere"]);
    let ends_with = |end: &str| text.lines().filter(|line| line.ends_with(end)).count();
    assert!(text.contains("execve(0x"), "{text}");
    // The file that is there, the one that is not, and the libraries.
    let opened = text.lines().filter(|line| line.contains(" openat(0xffffff")).count();
    assert!(opened >= 3, "{text}");
    assert_eq!((ends_with(" openat"), ends_with(" exit_group")), (1, 1), "{text}");
    let counted = text.lines().find_map(|line| line.strip_suffix("  openat")).unwrap().trim();
    assert_eq!(counted, opened.to_string(), "{text}");
    assert!(text.contains("root:"), "the command's own output is there");
    assert!(text.contains("ended with exit status: 1"), "{text}");
}

#[test]
fn tcp_latency_draws_how_long_sends_take() {
    // Where there are no probes or no privilege it says so, and runs in the simulator.
    let text = run("tcp_latency", &["1"]);
    let calls = text.lines().find_map(|line| line.strip_suffix(" calls of tcp_sendmsg, nanoseconds:"));
    assert!(calls.is_some_and(|calls| calls.parse::<u64>().unwrap() > 50), "{text}");
    assert!(text.contains('█') && text.contains("99 % took at most about"), "{text}");
    assert_eq!(text.contains("SIMULATED"), !eshkol_test_support::probes_are_there() || text.contains("CAP_"), "{text}");
}

#[test]
fn conn_tracker_follows_each_connection_to_its_end() {
    let text = run("conn_tracker", &[]);
    let states = |port: u16| -> Vec<&str> {
        let end = format!("10.78.0.2:{port} ");
        let lines = text.lines().filter(|line| line.contains(&end));
        lines.filter_map(|line| line.split_whitespace().nth(3)).collect()
    };
    assert_eq!(states(8080), ["established"; 4], "{text}");
    assert_eq!(states(7000), ["established", "established", "close", "close"], "{text}");
    assert_eq!(states(7001), ["close"; 3], "{text}");
    // What is downloaded comes back from the servers: 40,000 bytes and more each time.
    let last = text.lines().rfind(|line| line.contains("10.78.0.2:8080")).unwrap();
    let bytes: u64 = last.rsplit('(').next().unwrap().trim_end_matches(" B)").parse().unwrap();
    assert!(bytes > 16 * 40_000, "{last}");
}

#[test]
fn xdp_firewall_blocks_and_lets_through_again() {
    // Without privilege it says so, and runs in the simulator.
    let text = run("xdp_firewall", &[]);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("10.77.0.3")).collect();
    assert!(lines.iter().any(|line| line.ends_with("blocked")), "{text}");
    let last: Vec<&str> = lines.last().unwrap().split_whitespace().collect();
    assert!(last.len() == 4 && last[2].parse::<u64>().unwrap() > 0, "blocked, and no more at the end: {text}");
}

#[test]
fn profile_names_the_function_that_works() {
    let Privilege::Granted = require_root() else { return };
    let text = run("profile", &[]);
    let samples: u64 = text.lines().next().unwrap().trim_end_matches(" samples").parse().unwrap();
    assert!(samples > 20, "{text}");
    assert!(text.contains(" profile::work+0x"), "{text}");
}
