//! Shows what is executed on this machine, by whom, with which arguments, and whether it worked.
//!
//! `cargo run --example exec_snoop`, as root: watches every `execve` for four seconds, and executes a few things itself so that there is
//! something to see. `-- 60` watches for a minute.
//!
//! Without privilege the same programs run in the simulator, on system calls that are made up here.

use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use eshkol::eshkol;
use eshkol_test_support::trace_fs;

eshkol! {
    (define-ebpf-object exec-snoop
      (license "GPL"))

    (define ARGUMENTS 6)

    ;;; An argument, as far as there is room for it.
    (define-struct argument
      (text :char-array 32))

    ;;; Something that was to be executed.
    (define-struct execution
      (process :u32)
      (user :u32)
      ;;; 0, or a negative errno.
      (result :i32)
      (count :u32)
      ;;; The name of the program that called.
      (caller :char-array 16)
      (path :char-array 96)
      (arguments (array argument ARGUMENTS)))

    ;;; Where the arguments are in the memory of the process.
    (define-struct places
      (of :u64-array ARGUMENTS))

    ;;; Calls that have begun, by thread.
    (define-map begun :lru-hash
      (key-type :u32)
      (value-type :execution)
      (max-entries 1024))

    (define-map executions :ringbuf
      (size (* 256 1024)))

    (define-ebpf-program on-enter
      (program-type :tracepoint)
      (attach-point "syscalls:sys_enter_execve")

      (define (enter ctx)
        (let ((execution (make-execution))
              (places (make-places))
              (count 0))
          (set-execution-process! execution (current-pid))
          (set-execution-user! execution (current-uid))
          (bpf-get-current-comm (execution-caller execution) 16)
          (bpf-probe-read-user-str (execution-path execution) 96 (get-syscall-arg ctx 0))
          (bpf-probe-read-user (places-of places) (sizeof places) (get-syscall-arg ctx 1))
          (for (i in (range 0 ARGUMENTS))
            (let ((place (places-of places i)))
              ;; The first 0 is the end.
              (when (and (= count i) (not (= place 0)))
                (bpf-probe-read-user-str (argument-text (execution-arguments execution i)) 32 place)
                (set! count (+ count 1)))))
          (set-execution-count! execution count)
          (map-update begun (current-tid) execution))))

    (define-ebpf-program on-exit
      (program-type :tracepoint)
      (attach-point "syscalls:sys_exit_execve")

      (define (leave ctx)
        (when-let (execution (map-lookup begun (current-tid)))
          (set-execution-result! execution (get-syscall-return ctx))
          (ringbuf-submit executions execution)
          (map-delete begun (current-tid)))))
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

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
    let seconds = match std::env::args().nth(1) {
        Some(argument) => argument.parse().map_err(|_| format!("`{argument}` is no number of seconds"))?,
        None => 4,
    };
    let snoop = match ExecSnoop::load() {
        Err(eshkol::Error::Permission { .. }) => return simulate(),
        loaded => loaded?,
    };
    trace_fs();
    let _links = snoop.attach_all()?;
    println!("Watching for {seconds} seconds.");
    heading();
    let own = thread::spawn(execute_something);
    let end = Instant::now() + Duration::from_secs(seconds);
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if let Some(execution) = snoop.executions.next_timeout(left)? {
            show(&execution);
        }
    }
    let lost = snoop.executions.lost()?;
    if lost > 0 {
        eprintln!("{lost} were lost: they came faster than they were read");
    }
    own.join().map_err(|_| "what was to be executed could not be")?;
    Ok(())
}

/// Something to see: commands that work, and one that is not there.
fn execute_something() {
    for (path, arguments) in [
        ("/bin/true", &["--version"][..]),
        ("/bin/sh", &["-c", "exec /bin/echo from a shell"]),
        ("/nowhere/nothing", &["at", "all"]),
    ] {
        thread::sleep(Duration::from_millis(200));
        // That one of them fails is the point.
        let _ = Command::new(path).args(arguments).stdout(Stdio::null()).status();
    }
}

/// The simulator runs the same programs on the records of two system calls.
fn simulate() -> Result<()> {
    const EXECVE: i64 = 59;
    println!(
        "SIMULATED: watching what is executed takes root. Without it, the programs run in the simulator, on calls that are made up; there is no\n\
         process whose memory could be read, so that paths and arguments are empty. For real: sudo -E cargo run --example exec_snoop\n"
    );
    let snoop = ExecSnoop::test()?;
    heading();
    for result in [0, -i64::from(libc::ENOENT)] {
        let record = |numbers: [i64; 6]| -> Vec<u8> {
            [0, EXECVE].iter().chain(&numbers).flat_map(|number| number.to_ne_bytes()).collect()
        };
        snoop.enter.test_run(&record([0; 6]))?;
        snoop.leave.test_run(&record([result, 0, 0, 0, 0, 0]))?;
    }
    snoop.executions.drain(|execution| show(&execution))?;
    Ok(())
}

fn heading() {
    println!("{:>8} {:>6} {:16} {:>7}  executed", "process", "user", "by", "result");
}

fn show(execution: &Execution) {
    let known = execution.arguments.iter().take(execution.count as usize);
    let arguments: Vec<_> = known.map(|argument| argument.text_str()).collect();
    let path = execution.path_str();
    // The first argument is the name by which it was called.
    let rest = arguments.get(1..).unwrap_or_default().join(" ");
    let more = if execution.count as usize == execution.arguments.len() { " …" } else { "" };
    let (process, user, caller, result) = (execution.process, execution.user, execution.caller_str(), execution.result);
    println!("{process:>8} {user:>6} {caller:16} {result:>7}  {path} {rest}{more}");
}
