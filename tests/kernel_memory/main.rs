//! Reading structs of the running kernel: what programs find there is what `/proc` and system calls say. Run on kernels whose
//! layouts differ, the same object finds the same.

use std::time::{Duration, Instant};

use eshkol_test_support::{Privilege, require_root};

/// Reads the current task at a system call of one thread.
mod task {
    eshkol::eshkol_file!("tests/kernel_memory/task.esh");
}

/// Reads a field that no kernel has.
mod missing {
    eshkol::eshkol! {
        (define-kernel-struct task-struct (pid :i32) (no-such-field :u32))
        (define-ebpf-program missing
          (license "GPL")
          (program-type :raw-tracepoint)
          (attach-point "sys_enter")
          (define (reads ctx)
            (let ((t (the (ref task-struct) (bpf-get-current-task))))
              (task-struct-no-such-field t))))
    }
}

/// The first event that the watched thread causes.
fn first<E: eshkol::Event>(events: &eshkol::RingBuf<E>) -> E {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if let Some(event) = events.next_timeout(Duration::from_millis(100)).unwrap() {
            return event;
        }
    }
    panic!("no event came");
}

fn thread_id() -> i32 {
    // SAFETY: gettid(2) has no preconditions.
    unsafe { libc::gettid() }
}

/// Lets the scheduler reset this thread's policy in its children: a bit field of its task.
fn set_reset_on_fork() {
    // SAFETY: the parameters are there for the call, 0 is this thread.
    let result = unsafe {
        let parameters = libc::sched_param { sched_priority: 0 };
        libc::sched_setscheduler(0, libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, &raw const parameters)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

fn open_files() -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is there for the call.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    limit
}

#[test]
fn a_task_is_what_proc_says() {
    let Privilege::Granted = require_root() else { return };
    set_reset_on_fork();
    let thread = thread_id();
    let unit = task::ReadTask::loader().watched(thread.cast_unsigned()).load().unwrap();
    let link = unit.read_task.attach().unwrap();
    // SAFETY: getppid(2) has no preconditions.
    let parent = unsafe { libc::getppid() };
    let event = first(&unit.tasks);
    drop(link);
    assert_eq!((event.pid, event.parent), (thread, parent));
    assert_eq!(event.tgid, i32::try_from(std::process::id()).unwrap());
    let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap();
    assert_eq!(event.comm_str(), name.trim_end());
    assert_eq!(event.first_letter, name.as_bytes()[0]);
    let limit = open_files();
    assert_eq!(
        (event.open_files, event.open_files_again, event.most_open_files),
        (limit.rlim_cur, limit.rlim_cur, limit.rlim_max)
    );
    assert_eq!((event.number, event.number_again), (thread, thread));
    assert_eq!((event.reset_on_fork, event.reset_on_fork_signed), (1, -1));
    assert_eq!((event.pid_types, event.session_type), (4, 3), "PIDTYPE_MAX, PIDTYPE_SID");
    assert_eq!(event.state, 0, "TASK_RUNNING");
    assert!(event.task_size > 1000, "{}", event.task_size);
    assert_eq!(event.answers, 0b101_0101, "{:b}", event.answers);
    assert_eq!(event.of_nothing, 0);
}

#[test]
fn a_field_that_is_not_there_is_named_with_its_line() {
    let Privilege::Granted = require_root() else { return };
    let error = missing::Missing::load().unwrap_err().to_string();
    assert!(error.contains("the running kernel has no `task-struct.no-such-field`"), "{error}");
    assert!(error.contains("(task-struct-no-such-field t)"), "{error}");
    assert!(error.contains("field-exists?"), "{error}");
    assert!(!error.contains("please report"), "{error}");
}
