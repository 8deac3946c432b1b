//! File systems of a test's own.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

/// The mounts of one thread, which the rest of the system does not see.
#[derive(Debug)]
pub struct Mounts(());

impl Mounts {
    /// Runs `work` on a thread with mounts of its own, which begin as those of the system. Needs root.
    ///
    /// # Panics
    ///
    /// Where `work` does, and where the thread gets no mounts of its own.
    pub fn run<T: Send>(work: impl FnOnce(&Self) -> T + Send) -> T {
        let leave_and_work = || {
            // SAFETY: no addresses; only this thread is changed, which ends after the work.
            let left = unsafe { libc::unshare(libc::CLONE_NEWNS) };
            assert_eq!(left, 0, "no mounts of its own: {}", io::Error::last_os_error());
            // What is mounted here is to stay here.
            mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE).expect("the mounts can be made private");
            work(&Self(()))
        };
        match thread::scope(|scope| scope.spawn(leave_and_work).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Hides what is in a directory behind an empty file system.
    ///
    /// # Panics
    ///
    /// Where that can't be done.
    pub fn hide(&self, directory: &Path) {
        mount(None, &name(directory), Some(c"tmpfs"), 0).expect("a directory can be hidden");
    }

    /// Shows a directory at another's place.
    ///
    /// # Panics
    ///
    /// Where that can't be done.
    pub fn show(&self, directory: &Path, place: &Path) {
        mount(Some(&name(directory)), &name(place), None, libc::MS_BIND).expect("a directory can be shown elsewhere");
    }
}

fn name(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path without NUL")
}

fn mount(source: Option<&CStr>, place: &CStr, kind: Option<&CStr>, flags: libc::c_ulong) -> io::Result<()> {
    let [source, kind] = [source, kind].map(|text| text.map_or(std::ptr::null(), CStr::as_ptr));
    // SAFETY: strings that end with NUL or null, and no data.
    let result = unsafe { libc::mount(source, place.as_ptr(), kind, flags, std::ptr::null()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
