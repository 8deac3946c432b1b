//! Whether a test may talk to the kernel.

use std::env;
use std::io::Write;
use std::thread;

/// The answer of [`require_root`].
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[must_use = "a test without privilege must end here"]
pub enum Privilege {
    /// The test runs.
    Granted,
    /// The test has been skipped, and it has been said.
    Skipped,
}

/// For a test that needs root: `let Privilege::Granted = require_root() else { return };`.
///
/// Without root the test is skipped, which is said on the terminal even where the output of tests is captured.
///
/// # Panics
///
/// Without root, where `CI` or `ESHKOL_REQUIRE_KERNEL` is set: there nothing is to be skipped.
pub fn require_root() -> Privilege {
    require_root_for("")
}

/// The same for a part of a test, such as `, in the kernel,`: the rest of it runs without root, too.
///
/// # Panics
///
/// As [`require_root`].
pub fn require_root_for(part: &str) -> Privilege {
    // SAFETY: no arguments, cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        return Privilege::Granted;
    }
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let demanded = ["CI", "ESHKOL_REQUIRE_KERNEL"].iter().any(|name| env::var_os(name).is_some_and(|v| !v.is_empty()));
    assert!(!demanded, "{test}{part} needs root, and is not to be skipped here (CI or ESHKOL_REQUIRE_KERNEL is set)");
    // Not `eprintln!`, which is captured.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}{part} needs root; run it with `sudo -E cargo test`");
    Privilege::Skipped
}
