//! Signals, while the kernel is at work that it would leave for them: it gives up verifying a program when one comes (`do_check` in
//! `kernel/bpf/verifier.c`: EAGAIN), and a profiler's come so often that trying again leads nowhere.

use std::marker::PhantomData;

/// While it is there, signals to this thread wait.
#[must_use = "signals come again when it is dropped"]
pub(crate) struct HeldBack {
    before: libc::sigset_t,
    /// It is a matter of one thread.
    thread: PhantomData<*const ()>,
}

impl HeldBack {
    pub(crate) fn new() -> Self {
        // SAFETY: both sets are live and exclusively ours, and plain bits, for which zeros are values; only this thread is changed.
        let before = unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            before
        };
        Self { before, thread: PhantomData }
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        // SAFETY: a live set, which is what this thread had before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}
