//! Helpers of programs that look on (`kernel/trace/bpf_trace.c`).

use super::{Arguments, Errno, Fault, Helper, Run, negated};
use crate::sim::alu::low;
use crate::sim::environment::Signal;

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 109, name: "bpf_send_signal", arguments: 1, call: |run, [number, ..]| send(run, number, false) },
    Helper {
        number: 117,
        name: "bpf_send_signal_thread",
        arguments: 1,
        call: |run, [number, ..]| send(run, number, true),
    },
    Helper {
        number: 173,
        name: "bpf_get_func_ip",
        arguments: 1,
        call: |run, _| Ok(run.world.environment.function_address),
    },
    Helper {
        number: 174,
        name: "bpf_get_attach_cookie",
        arguments: 1,
        call: |run, _| Ok(run.world.environment.attach_cookie),
    },
    Helper { number: 176, name: "bpf_get_branch_snapshot", arguments: 3, call: no_branches },
];

/// The signal goes to whoever asks the machine for it. As in the kernel, the first process gets none, and the signal 0 is none.
fn send(run: &mut Run<'_>, number: u64, thread: bool) -> Result<u64, Fault> {
    /// `_NSIG`
    const LAST: u32 = 64;
    const FIRST_PROCESS: u32 = 1;
    let environment = &mut run.world.environment;
    if environment.task.process == FIRST_PROCESS {
        return Ok(negated(Errno(libc::EPERM)));
    }
    let number = low(number);
    if number > LAST {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    if number != 0 {
        environment.signals.push(Signal { number, thread });
    }
    Ok(0)
}

/// The CPU has kept no branches, and the buffer stays as it is.
fn no_branches(_: &mut Run<'_>, [_, _, flags, ..]: Arguments) -> Result<u64, Fault> {
    Ok(negated(Errno(if flags == 0 { libc::ENOENT } else { libc::EINVAL })))
}
