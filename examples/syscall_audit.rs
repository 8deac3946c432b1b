//! Audits a command: counts every system call that it and its threads make, and shows the watched ones with their arguments.
//!
//! `cargo run --example syscall_audit -- ls -l /etc`, as root; without a command it audits `ls /`. What is counted is counted in the kernel;
//! only the watched calls, which touch files, the network or other processes, come up as events.
//!
//! Without privilege the same program runs in the simulator, on system calls that are made up here.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use eshkol::eshkol;
use eshkol_test_support::trace_fs;

eshkol! {
    (define-ebpf-program syscall-audit
      (license "GPL")
      (program-type :tracepoint)
      (attach-point "raw_syscalls:sys_enter")

      ;;; The process that is audited; 0 while there is none.
      (define-global (audited :mutable) :u32 0)

      ;;; A watched call.
      (define-struct call
        (time :u64)
        (number :u64)
        (thread :u32)
        (user :u32)
        (arguments :u64-array 6)
        (name :char-array 16))

      ;;; The numbers of the calls that are watched.
      (define-map watched :hash
        (key-type :u64)
        (value-type :u8)
        (max-entries 512))

      ;;; How often each call was made.
      (define-map counts :hash
        (key-type :u64)
        (value-type :u64)
        (max-entries 512))

      (define-map calls :ringbuf
        (size (* 256 1024)))

      (define (fill call ctx number)
        (set-call-time! call (bpf-ktime-get-ns))
        (set-call-number! call number)
        (set-call-thread! call (current-tid))
        (set-call-user! call (current-uid))
        (for (i in (range 0 6))
          (set-call-arguments! call i (get-syscall-arg ctx i)))
        (bpf-get-current-comm (call-name call) 16))

      (define (audit ctx)
        (when (and (= (current-pid) audited) (not (= audited 0)))
          (let ((number (get-syscall-id ctx)))
            (map-increment! counts number)
            (when (map-lookup watched number)
              (when-let (call (ringbuf-reserve calls call))
                (fill call ctx number)
                (ringbuf-submit calls call)))))))
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The calls that are watched, and what others are called.
const WATCHED: &[(libc::c_long, &str)] = &[
    (libc::SYS_openat, "openat"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_ptrace, "ptrace"),
];
const OTHERS: &[(libc::c_long, &str)] = &[
    (libc::SYS_read, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_close, "close"),
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_mprotect, "mprotect"),
    (libc::SYS_munmap, "munmap"),
    (libc::SYS_brk, "brk"),
    (libc::SYS_pread64, "pread64"),
    (libc::SYS_getdents64, "getdents64"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_prlimit64, "prlimit64"),
    (libc::SYS_exit_group, "exit_group"),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let audit = match SyscallAudit::load() {
        Err(eshkol::Error::Permission { .. }) => return simulate(),
        loaded => loaded?,
    };
    trace_fs();
    watch(&audit)?;
    let _link = audit.audit.attach()?;

    let mut arguments = std::env::args_os().skip(1);
    let mut command = match arguments.next() {
        Some(program) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        None => {
            let mut command = Command::new("ls");
            command.arg("/").stdout(Stdio::null());
            command
        }
    };
    // The child says who it is before it becomes the command, so that nothing of that is missed.
    let audited = audit.audited.try_clone()?;
    // SAFETY: between fork and exec it makes two system calls, and allocates nothing.
    unsafe { command.pre_exec(move || audited.set(std::process::id()).map_err(io::Error::other)) };
    let status = command.status().map_err(|error| format!("the command can't be run: {error}"))?;

    report(&audit)?;
    println!("\nThe command ended with {status}.");
    Ok(())
}

fn watch(audit: &SyscallAudit) -> Result<()> {
    for (number, _) in WATCHED {
        audit.watched.insert(u64::try_from(*number)?, 1)?;
    }
    Ok(())
}

/// Shows the watched calls, and then how many there were of each.
fn report(audit: &SyscallAudit) -> Result<()> {
    println!("{:>10} {:>8} {:>6} {:16} call", "ms", "thread", "user", "program");
    let mut start = None;
    while let Some(call) = audit.calls.next_timeout(Duration::ZERO)? {
        let milliseconds = (call.time - *start.get_or_insert(call.time)) as f64 / 1e6;
        let arguments = call.arguments.map(|argument| format!("{argument:#x}")).join(", ");
        let (thread, user, name) = (call.thread, call.user, call.name_str());
        println!("{milliseconds:>10.3} {thread:>8} {user:>6} {name:16} {}({arguments})", name_of(call.number));
    }
    let mut counts = audit.counts.iter().collect::<eshkol::Result<Vec<(u64, u64)>>>()?;
    counts.sort_by_key(|(number, count)| (std::cmp::Reverse(*count), *number));
    println!("\n{:>10}  call", "times");
    for (number, count) in counts {
        println!("{count:>10}  {}", name_of(number));
    }
    match audit.calls.lost()? {
        0 => {}
        lost => println!("\n{lost} watched calls were lost: the buffer was full"),
    }
    Ok(())
}

fn name_of(number: u64) -> String {
    let known = WATCHED.iter().chain(OTHERS).find(|(known, _)| u64::try_from(*known) == Ok(number));
    known.map_or_else(|| format!("call {number}"), |(_, name)| (*name).to_owned())
}

/// The simulator runs the same program on calls of its own process.
fn simulate() -> Result<()> {
    println!(
        "SIMULATED: auditing a real command takes root. Without it, the program runs in the simulator, on calls that are made up.\n\
         For real: sudo -E cargo run --example syscall_audit\n"
    );
    let audit = SyscallAudit::test()?;
    watch(&audit)?;
    audit.audited.set(1000)?;
    for call in [libc::SYS_execve, libc::SYS_openat, libc::SYS_read, libc::SYS_read, libc::SYS_close] {
        let record: Vec<u8> = [0, call, 3, 4, 5, 6, 7, 8].iter().flat_map(|number| number.to_ne_bytes()).collect();
        audit.audit.test_run(&record)?;
    }
    report(&audit)
}
