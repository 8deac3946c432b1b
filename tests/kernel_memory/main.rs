//! Reading structs of the running kernel: what programs find there is what `/proc` and system calls say. Run on kernels whose
//! layouts differ, the same object finds the same.

mod filled;
mod no_types;

use std::time::{Duration, Instant};

use eshkol_test_support::{Privilege, require_root, trace_fs};

/// Reads the current task at a system call of one thread.
mod task {
    eshkol::eshkol_file!("tests/kernel_memory/task.esh");
}

/// Reads the current task as the kernel types it.
mod newer {
    eshkol::eshkol_file!("tests/kernel_memory/newer.esh");
}

/// Reads tasks that a tracepoint gives, and its record.
mod tracepoints {
    eshkol::eshkol_file!("tests/kernel_memory/tracepoints.esh");
}

/// Belongs to a tracepoint that no kernel has.
mod nowhere {
    eshkol::eshkol! {
        (define-ebpf-program nowhere
          (license "GPL")
          (program-type :btf-tracepoint)
          (attach-point "sched_swich")
          (define (main ctx) 0))
    }
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

/// The same program in the simulator, on tasks that lie as they are declared.
#[test]
fn tasks_of_the_simulator_are_read_as_they_are_declared() {
    let unit = newer::Newer::loader().watched(7).test().unwrap();
    let machine = unit.simulator().unwrap();
    // pid, tgid, real-parent, comm, sched-reset-on-fork
    let task = |pid: i32, tgid: i32, parent: u64, comm: &[u8; 16], reset: u8| {
        let fields = [&pid.to_ne_bytes()[..], &tgid.to_ne_bytes(), &parent.to_ne_bytes(), comm, &[reset; 8]];
        machine.add_kernel_memory(&fields.concat())
    };
    let parent = task(1, 3, 0, b"init\0\0\0\0\0\0\0\0\0\0\0\0", 0);
    let child = task(7, 8, parent, b"child\0\0\0\0\0\0\0\0\0\0\0", 5);
    machine.set_task_address(child);
    unit.main.test_run(&[]).unwrap();
    let event = unit.tasks.try_next().unwrap().expect("no event came");
    assert_eq!((event.pid, event.parent, event.reset, event.letter), (7, 3, 5, b'c'));
    assert_eq!((event.address, event.first), (child, child));
    assert_eq!(event.comm_str(), "child");
    // Its parent has none: what is read there is 0.
    machine.set_task_address(task(7, 8, 0, b"orphan\0\0\0\0\0\0\0\0\0\0", 0));
    unit.main.test_run(&[]).unwrap();
    assert_eq!(unit.tasks.try_next().unwrap().expect("no event came").parent, 0);
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

/// The name of this thread.
fn name_of(thread: i32) -> String {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap().trim_end().to_owned()
}

/// The priority of this thread as the kernel has it: a nice value of 0 is 120 (`NICE_TO_PRIO` in `include/linux/sched/prio.h`).
fn priority_of(thread: i32) -> i32 {
    // SAFETY: getpriority(2) reads no memory.
    120 + unsafe { libc::getpriority(libc::PRIO_PROCESS, thread.cast_unsigned()) }
}

#[test]
fn a_typed_task_is_what_proc_says() {
    let Privilege::Granted = require_root() else { return };
    set_reset_on_fork();
    let thread = thread_id();
    let unit = match newer::Newer::loader().watched(thread).load() {
        Err(eshkol::Error::KernelTooOld { .. }) => return,
        loaded => loaded.unwrap(),
    };
    let link = unit.main.attach().unwrap();
    // SAFETY: getppid(2) has no preconditions.
    let parent = unsafe { libc::getppid() };
    let event = first(&unit.tasks);
    drop(link);
    assert_eq!((event.pid, event.parent, event.reset), (thread, parent, 1));
    assert_eq!(event.address, event.first, "the address as a number is what the older helper gives");
    assert_eq!(event.comm_str(), name_of(thread));
    assert_eq!(event.letter, name_of(thread).as_bytes()[0]);
}

#[test]
fn typed_arguments_and_fields_of_the_record_agree() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let thread = thread_id();
    let unit = tracepoints::Switches::loader().watched(thread).load().unwrap();
    let links = unit.attach_all().unwrap();
    // Sleeping switches to another task.
    std::thread::sleep(Duration::from_millis(20));
    let (typed, record) = (first(&unit.typed), first(&unit.records));
    drop(links);
    assert_eq!((typed.previous, record.previous), (thread, thread));
    // SAFETY: getppid(2) has no preconditions.
    assert_eq!(typed.parent, unsafe { libc::getppid() });
    assert_eq!((typed.next_known, record.priority), (1, priority_of(thread)));
    assert_eq!(typed.comm_str(), name_of(thread));
    assert_eq!(record.comm_str(), name_of(thread));
    assert_eq!(record.letter, name_of(thread).as_bytes()[0]);
}

#[test]
fn a_tracepoint_that_is_not_there_is_an_error_that_knows_which_are_near() {
    let Privilege::Granted = require_root() else { return };
    trace_fs();
    let error = nowhere::Nowhere::load().unwrap_err().to_string();
    assert!(error.contains("load program `main` of `nowhere`") && error.contains("sched_switch"), "{error}");
}
