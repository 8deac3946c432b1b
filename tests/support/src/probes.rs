//! Whether this kernel has probes in its functions.

use std::env;
use std::io::Write;
use std::path::Path;
use std::thread;

use crate::privilege::{Privilege, require_root};

/// Whether programs can be attached to functions of this kernel.
pub fn probes_are_there() -> bool {
    Path::new("/sys/bus/event_source/devices/kprobe").exists()
}

/// Root, and a kernel with probes. Where that is missing, the test is to be left out, and it is said so: the virtual machines of `tests/vm`
/// run it, where `ESHKOL_REQUIRE_PROBES` is set and lets nothing be missing.
///
/// # Panics
///
/// Where probes are missing and required.
pub fn require_probes() -> Privilege {
    if !probes_are_there() {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let required = env::var_os("ESHKOL_REQUIRE_PROBES").is_some_and(|value| !value.is_empty());
        assert!(!required, "{test} needs a kernel with probes (ESHKOL_REQUIRE_PROBES is set)");
        // Not `eprintln!`, which is captured.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {test}: this kernel has no probes; the virtual machines of tests/vm run it"
        );
        return Privilege::Skipped;
    }
    require_root()
}
