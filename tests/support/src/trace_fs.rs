//! The file system through which the kernel tells of its tracepoints.

use std::path::Path;

/// Mounts it where systems do, unless it is there.
///
/// # Panics
///
/// Where it is not there and can't be mounted.
pub fn trace_fs() {
    const PLACE: &str = "/sys/kernel/tracing";
    if Path::new(PLACE).join("events").is_dir() {
        return;
    }
    // SAFETY: four NUL-terminated strings, and no data.
    let result = unsafe {
        libc::mount(c"tracefs".as_ptr(), c"/sys/kernel/tracing".as_ptr(), c"tracefs".as_ptr(), 0, std::ptr::null())
    };
    let error = std::io::Error::last_os_error();
    // Another test may have been faster.
    assert!(result == 0 || Path::new(PLACE).join("events").is_dir(), "tracefs can't be mounted at {PLACE}: {error}");
}
