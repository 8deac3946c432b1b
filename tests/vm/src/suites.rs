//! Which tests run in the machines: those that need a kernel, as far as that has what they need.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Result;

/// An executable with tests.
pub(crate) struct Suite {
    /// Its name, as in `cargo test --test NAME`.
    pub(crate) name: &'static str,
    pub(crate) executable: PathBuf,
}

/// Packages, and of each the tests that run in the machines.
const TESTS: &[(&str, &[&str])] =
    &[("eshkol", &["probes", "guide", "kernel_memory", "simulator"]), ("eshkol-runtime", &["kernel"])];

/// Tests that look at files of the project, which are not in the machines; and those of programs at cgroups and by tcx, where the machines have no
/// cgroups mounted, and the oldest no tcx.
pub(crate) const LEFT_OUT: &[&str] = &["a_run_that_is_stopped_is_told_at_its_scheme_line", "network::"];

/// Modules that the tests want: interfaces and attachments.
pub(crate) const MODULES: &[&str] = &["veth", "sch_ingress", "cls_bpf", "act_bpf", "dummy", "8021q", "ipv6"];

/// Programs that the tests call.
pub(crate) const PROGRAMS: &[&str] = &["/bin/true", "/sbin/ip"];

/// Builds the tests; with a name, those that are called so.
pub(crate) fn build(only: Option<&str>) -> Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for (package, names) in TESTS {
        let names: Vec<_> = names.iter().copied().filter(|name| only.is_none_or(|only| only == *name)).collect();
        if names.is_empty() {
            continue;
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics", "-p", package]);
        cargo.args(names.iter().flat_map(|name| ["--test", name]));
        let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("{cargo:?}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{cargo:?}: {}", output.status));
        }
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        for name in names {
            let executable =
                executable(&messages, name).ok_or_else(|| format!("cargo names no executable of {name}"))?;
            suites.push(Suite { name, executable });
        }
    }
    if suites.is_empty() {
        return Err(format!("there is no test {}: there are {TESTS:?}", only.unwrap_or_default()));
    }
    Ok(suites)
}

/// The executable of a test, as cargo's messages tell, a line of JSON each.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let is_its = |line: &&str| {
        line.contains("\"reason\":\"compiler-artifact\"")
            && line.contains("\"kind\":[\"test\"]")
            && line.contains(&format!("\"name\":\"{name}\""))
    };
    let line = messages.lines().find(is_its)?;
    let path = line.split("\"executable\":\"").nth(1)?.split('"').next()?;
    Some(PathBuf::from(path))
}
