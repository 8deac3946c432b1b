//! The tracing programs of the guide, verbatim: what they send of real system calls.

use std::process::Command;
use std::time::{Duration, Instant};

use eshkol::RingBuf;
use eshkol_test_support::{Privilege, require_root, trace_fs};

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
    // The record of this one is shorter than what the program reads.
    let error = unit.trace_main.attach_to("sched:sched_process_hang").map(drop);
    assert!(error.is_ok() || error.unwrap_err().to_string().contains("`format`"));
}
