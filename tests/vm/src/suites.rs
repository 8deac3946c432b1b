//! Which tests run in the machines: those that need a kernel, as far as that has what they need; and the examples, which some of them run.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Result;

/// An executable, with the name by which cargo knows it.
pub(crate) struct Executable {
    pub(crate) name: &'static str,
    pub(crate) file: PathBuf,
}

/// What was built.
pub(crate) struct Suites {
    pub(crate) tests: Vec<Executable>,
    pub(crate) examples: Vec<Executable>,
}

/// Packages, and of each the tests that run in the machines.
const TESTS: &[(&str, &[&str])] = &[
    ("eshkol", &["probes", "guide", "kernel_memory", "simulator", "processes", EXAMPLES, "language", "differential"]),
    ("eshkol-runtime", &["kernel", "sim"]),
];

/// The test that runs the examples.
const EXAMPLES: &str = "examples";
/// The examples that it runs.
const EXAMPLE_NAMES: [&str; 6] =
    ["conn_tracker", "exec_snoop", "profile", "syscall_audit", "tcp_latency", "xdp_firewall"];

/// Tests among them that take no kernel, and files that are not in the machines: of the language, what is refused.
pub(crate) const LEFT_OUT: [&str; 2] = ["fail::", "catalogue::"];

/// Directories of the project whose files tests read.
pub(crate) const DIRECTORIES: &[&str] = &["tests/language/pass", "tests/language/pass/included", "tests/simulator"];

/// Modules that the tests want: interfaces and attachments.
pub(crate) const MODULES: &[&str] =
    &["veth", "sch_ingress", "cls_bpf", "act_bpf", "dummy", "8021q", "ipv6", "af_packet"];

/// Programs that the tests call.
pub(crate) const PROGRAMS: &[&str] = &["/bin/true", "/bin/sh", "/bin/bash", "/bin/echo", "/bin/cat", "/sbin/ip"];

/// Of them, those that take minutes, and run where they are asked for.
const LONG: [&str; 2] = ["language", "differential"];

/// Builds the tests with these names and what they run; without names, all that take no minutes.
pub(crate) fn build(only: &[String], release: bool) -> Result<Suites> {
    let is_wanted = |name: &str| match only {
        [] => !LONG.contains(&name),
        only => only.iter().any(|only| only == name),
    };
    if let Some(unknown) = only.iter().find(|only| !TESTS.iter().any(|(_, names)| names.contains(&only.as_str()))) {
        return Err(format!("there is no test {unknown}: there are {TESTS:?}"));
    }
    let mut tests = Vec::new();
    for (package, names) in TESTS {
        let names: Vec<_> = names.iter().copied().filter(|name| is_wanted(name)).collect();
        let wanted: Vec<_> = names.iter().flat_map(|name| ["--test", name]).collect();
        if !names.is_empty() {
            tests.extend(built(
                &[&["test", "--no-run", "-p", package], &wanted[..]].concat(),
                "test",
                &names,
                release,
            )?);
        }
    }
    let examples = match tests.iter().any(|test| test.name == EXAMPLES) {
        true => built(&["build", "-p", "eshkol", "--examples"], "example", &EXAMPLE_NAMES, release)?,
        false => Vec::new(),
    };
    Ok(Suites { tests, examples })
}

/// What cargo builds with these arguments: the executables of a kind with these names.
fn built(arguments: &[&str], kind: &str, names: &[&'static str], release: bool) -> Result<Vec<Executable>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).arg("--message-format=json-render-diagnostics").args(release.then_some("--release"));
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("{cargo:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{cargo:?}: {}", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let find = |name: &&'static str| {
        let file = executable(&messages, kind, name).ok_or_else(|| format!("cargo names no executable of {name}"))?;
        Ok(Executable { name, file })
    };
    names.iter().map(find).collect()
}

/// The executable of this kind with this name, as cargo's messages tell, a line of JSON each.
fn executable(messages: &str, kind: &str, name: &str) -> Option<PathBuf> {
    let is_its = |line: &&str| {
        line.contains("\"reason\":\"compiler-artifact\"")
            && line.contains(&format!("\"kind\":[\"{kind}\"]"))
            && line.contains(&format!("\"name\":\"{name}\""))
    };
    let line = messages.lines().find(is_its)?;
    let path = line.split("\"executable\":\"").nth(1)?.split('"').next()?;
    Some(PathBuf::from(path))
}
