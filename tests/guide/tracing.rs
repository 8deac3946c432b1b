//! The tracing programs of the guide, verbatim: what they send of real system calls.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eshkol::RingBuf;
use eshkol_test_support::{Mounts, Privilege, require_root, trace_fs};

/// `syscall-tracer` of the guide.
#[expect(deprecated, reason = "it keeps the lower half of what identifies the task, of which the compiler warns")]
mod syscall_tracer {
    eshkol::eshkol_file!("tests/guide/syscall-tracer.esh");
}

/// `syscall-audit` of the guide.
#[expect(deprecated, reason = "it keeps the lower half of what identifies the task, of which the compiler warns")]
mod syscall_audit {
    eshkol::eshkol_file!("tests/guide/syscall-audit.esh");
}

/// The first event that is the wanted one; whatever else happens on the machine goes by.
fn find<E: eshkol::Event>(events: &RingBuf<E>, wanted: impl Fn(&E) -> bool) -> Option<E> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        let event = events.next_timeout(Duration::from_millis(100)).unwrap();
        if let Some(event) = event.filter(|event| wanted(event)) {
            return Some(event);
        }
    }
    None
}

#[test]
fn syscall_tracer_sends_what_is_executed() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let unit = syscall_tracer::SyscallTracer::load().unwrap();
    let links = unit.attach_all().unwrap();
    let child = Command::new("/bin/true").arg("traced").spawn().unwrap();
    let thread = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let event = find(&unit.exec_events, |event| event.pid == thread).expect("no event came of the child");
    assert_eq!(event.filename_str(), "/bin/true");
    // The name is that of the program before: of this test's thread.
    assert!(!event.comm_str().is_empty());
    assert_eq!(unit.exec_events.lost().unwrap(), 0);
    drop(links);
    while unit.exec_events.try_next().unwrap().is_some() {}
    assert!(Command::new("/bin/true").status().unwrap().success());
    assert!(find_nothing(&unit.exec_events), "it is still attached");
}

fn find_nothing<E: eshkol::Event>(events: &RingBuf<E>) -> bool {
    events.next_timeout(Duration::from_millis(50)).unwrap().is_none()
}

#[test]
fn syscall_audit_sends_number_arguments_and_user_of_every_call() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let unit = syscall_audit::SyscallAudit::load().unwrap();
    let link = unit.trace_main.attach().unwrap();
    // A call that does nothing, with six arguments that nobody else gives.
    let arguments: [libc::c_long; 6] = [-1, 0x5e_0001, 0x5e_0002, 0x5e_0003, 0x5e_0004, 0x5e_0005];
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: there is no descriptor -1, so the kernel looks at nothing else.
    unsafe { libc::syscall(libc::SYS_pwritev2, a, b, c, d, e, f) };
    drop(link);
    let thread = thread_id();
    let wanted = arguments.map(libc::c_long::cast_unsigned);
    let event = find(&unit.events, |event| event.pid == thread && event.args == wanted).expect("the call was not seen");
    assert_eq!(event.syscall_id, u64::try_from(libc::SYS_pwritev2).unwrap());
    assert_eq!(event.uid, 0);
    let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap();
    assert_eq!(event.comm_str(), name.trim_end());
    assert!(event.timestamp > 0);
}

/// The number of this thread, as the kernel counts.
fn thread_id() -> u32 {
    // SAFETY: gettid(2) has no preconditions.
    unsafe { libc::gettid() }.cast_unsigned()
}

#[test]
fn a_tracepoint_that_is_not_there_is_an_error_that_knows_which_are_near() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let unit = syscall_tracer::SyscallTracer::load().unwrap();
    for (wrong, near) in [
        ("syscalls:sys_enter_execv", "`syscalls:sys_enter_execve`"),
        ("syscall:sys_enter_execve", "`syscalls`"),
        ("sys_enter_execve", "written `category:name`"),
    ] {
        let error = unit.trace_main.attach_to(wrong).unwrap_err().to_string();
        assert!(error.contains(&format!("attach program `trace-main` to tracepoint `{wrong}`")), "{error}");
        assert!(error.contains(near), "{error}");
    }
    // The record of this one ends at byte 16, where that which the program reads begins.
    let error = unit.trace_main.attach_to("timer:hrtimer_cancel").unwrap_err().to_string();
    assert!(error.contains("reads more than the tracepoint's record has") && error.contains("`format`"), "{error}");
}

#[test]
fn without_tracefs_a_tracepoint_is_an_error_that_says_how_to_mount_it() {
    let Privilege::Granted = require_root() else { return };
    let unit = syscall_tracer::SyscallTracer::load().unwrap();
    let error = Mounts::run(|mounts| {
        // tracefs, and debugfs, in which it is, too.
        mounts.hide(Path::new("/sys/kernel"));
        unit.attach_all().map(drop)
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("attach program `trace-main` to tracepoint `syscalls:sys_enter_execve`"), "{error}");
    assert!(error.contains("`mount -t tracefs tracefs /sys/kernel/tracing`"), "{error}");
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn signals_interrupt_neither_loading_nor_attaching() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let handler: extern "C" fn(libc::c_int) = count_signal;
    // SAFETY: of the struct, zeros are a value: no flags, so that calls are interrupted; the handler does what one may do.
    let set = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut())
    };
    assert_eq!(set, 0);
    let (thread, done) = (thread_id().cast_signed(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // SAFETY: numbers; the thread waits for this one at the end of the scope.
                unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1) };
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        let trial = |round: u32| {
            let unit = syscall_tracer::SyscallTracer::load()?;
            drop(unit.attach_all()?);
            Ok::<_, eshkol::Error>(round)
        };
        let rounds: Result<Vec<_>, _> = (0..20).map(trial).collect();
        done.store(true, Ordering::Relaxed);
        assert_eq!(rounds.unwrap().len(), 20);
    });
    // Those that came while they were held back are one.
    assert!(SIGNALS.load(Ordering::Relaxed) > 0, "no signal came");
}
