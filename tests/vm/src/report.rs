//! What the tests in a machine said.

use std::fmt;

use crate::guest::ENDED;

/// How the tests on one kernel ended.
pub(crate) struct Report {
    kernel: String,
    passed: u32,
    failed: u32,
    /// Tests that said that something is missing there.
    skipped: usize,
    /// Executables that ended well, and how many there are.
    good: usize,
    executables: usize,
}

/// Reads the output of a machine in which so many executables ran.
pub(crate) fn read(kernel: &str, output: &str, executables: usize) -> Report {
    // test result: ok. 10 passed; 0 failed; …
    let count = |word: &str| {
        let results = output.lines().filter(|line| line.starts_with("test result:"));
        let parts = results.flat_map(|line| line.split([';', '.']));
        parts.filter_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u32>().ok()).sum()
    };
    Report {
        kernel: kernel.to_owned(),
        passed: count("passed"),
        failed: count("failed"),
        skipped: output.lines().filter(|line| line.contains("SKIPPED")).count(),
        good: output.lines().filter(|line| line.starts_with(ENDED) && line.trim_end().ends_with(" 0")).count(),
        executables,
    }
}

impl Report {
    pub(crate) fn is_good(&self) -> bool {
        self.good == self.executables && self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_good() { "ok    " } else { "FAILED" };
        let Self { kernel, passed, failed, skipped, .. } = self;
        write!(f, "{verdict}  Linux {kernel}: {passed} passed, {failed} failed, {skipped} skipped")
    }
}
