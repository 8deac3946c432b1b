//! A kernel that does not tell its types: in a mount namespace where `/sys/kernel/btf` is empty.

use std::ffi::CStr;
use std::io;
use std::ptr;
use std::thread;

use eshkol::{Error, KernelVersion};
use eshkol_test_support::{Privilege, require_root};

/// Looks at no type of the kernel's.
mod plain {
    eshkol::eshkol! {
        (define-ebpf-program plain
          (license "GPL")
          (program-type :raw-tracepoint)
          (attach-point "sys_enter")
          (define (main ctx) 0))
    }
}

/// Belongs to a tracepoint whose arguments the kernel's types describe.
mod typed {
    eshkol::eshkol! {
        (define-ebpf-program typed
          (license "GPL")
          (program-type :btf-tracepoint)
          (attach-point "sched_switch")
          (define (main ctx) 0))
    }
}

/// Calls a function of the kernel.
mod calling {
    eshkol::eshkol! {
        (define-ebpf-program calling
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.6")
          (define-kfunc bpf-map-sum-elem-count (map :map) :i64)
          (define-map flows :hash (key-type :u32) (value-type :u64) (max-entries 64))
          (define (main ctx) (if (> (bpf-map-sum-elem-count flows) 2) :xdp-drop :xdp-pass)))
    }
}

/// Mounts something where only this thread sees it.
fn mount(kind: &CStr, place: &CStr, flags: libc::c_ulong) {
    // SAFETY: NUL-terminated strings that live through the call, and no data.
    let result = unsafe { libc::mount(kind.as_ptr(), place.as_ptr(), kind.as_ptr(), flags, ptr::null()) };
    assert_eq!(result, 0, "{place:?}: {}", io::Error::last_os_error());
}

/// Does something on a thread for which the kernel's types are not there.
fn without_types<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let hide_and_work = || {
        // SAFETY: no addresses; only this thread is changed, which ends after the work.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "{}", io::Error::last_os_error());
        mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE);
        mount(c"tmpfs", c"/sys/kernel/btf", 0);
        work()
    };
    match thread::scope(|scope| scope.spawn(hide_and_work).join()) {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn told<T>(loaded: Result<T, Error>) -> String {
    loaded.err().expect("it loads without the kernel's types").to_string()
}

#[test]
fn what_needs_the_kernels_types_says_that_they_are_not_there() {
    let Privilege::Granted = require_root() else { return };
    let (reads, follows, calls) = without_types(|| {
        // What needs none of them is not held up.
        plain::Plain::load().unwrap();
        (told(crate::task::ReadTask::load()), told(typed::Typed::load()), told(calling::Calling::load()))
    });
    // Older kernels have no functions for programs of this type, whatever they tell of them.
    let is_too_old = KernelVersion::running().is_some_and(|running| running < KernelVersion::new(6, 6));
    assert_eq!(calls.contains("needs Linux 6.6"), is_too_old, "{calls}");
    for (error, wanted) in [
        (&reads, "cannot load `read-task`: /sys/kernel/btf/vmlinux is not there. It reads structs of the kernel"),
        (
            &follows,
            "cannot load program `main` of `typed`: /sys/kernel/btf/vmlinux is not there. It belongs to a tracepoint",
        ),
        (&calls, "cannot load `calling`: "),
    ]
    .into_iter()
    .filter(|(error, _)| !(is_too_old && **error == calls))
    {
        assert!(error.contains(wanted), "{error}");
        assert!(error.contains("CONFIG_DEBUG_INFO_BTF") && error.contains("/sys"), "{error}");
    }
    // It was the namespace.
    crate::task::ReadTask::load().unwrap();
}
