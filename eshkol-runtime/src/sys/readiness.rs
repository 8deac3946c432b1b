//! Waiting until descriptors can be read.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Waits until a descriptor may be read, at most this long; a signal ends it earlier.
pub(crate) fn wait(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
    // In whole milliseconds, rounded up: less would be no wait at all.
    let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
    let milliseconds = libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX);
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one `pollfd`, which is live and ours.
    let result = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
    if result >= 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        error => Err(error),
    }
}

/// A descriptor that can be read when one of these can.
pub(crate) fn any_of<'a>(fds: impl IntoIterator<Item = BorrowedFd<'a>>) -> io::Result<OwnedFd> {
    // SAFETY: no addresses.
    let any = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if any < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
    let any = unsafe { OwnedFd::from_raw_fd(any) };
    for fd in fds {
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: 0 };
        // SAFETY: `event` is live for the call.
        let added = unsafe { libc::epoll_ctl(any.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) };
        if added < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(any)
}
