//! Helpers that tell something: the time, random numbers, the CPU, the task (`kernel/bpf/helpers.c`).

use super::{Arguments, Errno, Fault, Helper, Run, negated, size, text};

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 5, name: "bpf_ktime_get_ns", arguments: 0, call: clock },
    Helper { number: 6, name: "bpf_trace_printk", arguments: 2, call: trace_printk },
    Helper { number: 7, name: "bpf_get_prandom_u32", arguments: 0, call: random },
    Helper { number: 8, name: "bpf_get_smp_processor_id", arguments: 0, call: cpu },
    Helper { number: 14, name: "bpf_get_current_pid_tgid", arguments: 0, call: process },
    Helper { number: 15, name: "bpf_get_current_uid_gid", arguments: 0, call: user },
    Helper { number: 16, name: "bpf_get_current_comm", arguments: 2, call: task_name },
    Helper { number: 35, name: "bpf_get_current_task", arguments: 0, call: task_address },
    Helper { number: 42, name: "bpf_get_numa_node_id", arguments: 0, call: |_, _| Ok(0) },
    Helper { number: 80, name: "bpf_get_current_cgroup_id", arguments: 0, call: cgroup },
    Helper { number: 118, name: "bpf_jiffies64", arguments: 0, call: |run, _| Ok(run.world.environment.clock / TICK) },
    Helper { number: 120, name: "bpf_get_ns_current_pid_tgid", arguments: 4, call: process_of_namespace },
    Helper { number: 123, name: "bpf_get_current_ancestor_cgroup_id", arguments: 1, call: ancestor_cgroup },
    Helper { number: 125, name: "bpf_ktime_get_boot_ns", arguments: 0, call: clock },
    Helper { number: 158, name: "bpf_get_current_task_btf", arguments: 0, call: task_address },
    Helper { number: 160, name: "bpf_ktime_get_coarse_ns", arguments: 0, call: coarse_clock },
    Helper { number: 177, name: "bpf_trace_vprintk", arguments: 4, call: trace_vprintk },
    Helper { number: 208, name: "bpf_ktime_get_tai_ns", arguments: 0, call: clock },
];

/// Nanoseconds between two timer interrupts, of which there are 250 a second.
const TICK: u64 = 4_000_000;

fn clock(run: &mut Run<'_>, _: Arguments) -> Result<u64, Fault> {
    Ok(run.world.environment.clock)
}

fn task_address(run: &mut Run<'_>, _: Arguments) -> Result<u64, Fault> {
    Ok(run.world.environment.task_address)
}

fn coarse_clock(run: &mut Run<'_>, _: Arguments) -> Result<u64, Fault> {
    Ok(run.world.environment.clock / TICK * TICK)
}

fn random(run: &mut Run<'_>, _: Arguments) -> Result<u64, Fault> {
    Ok(run.world.environment.random_u32())
}

fn cpu(run: &mut Run<'_>, _: Arguments) -> Result<u64, Fault> {
    Ok(run.world.environment.cpu as u64)
}

fn process(run: &mut Run<'_>, _: Arguments) -> Result<u64, Fault> {
    let task = &run.world.environment.task;
    Ok(u64::from(task.process) << 32 | u64::from(task.thread))
}

fn user(run: &mut Run<'_>, _: Arguments) -> Result<u64, Fault> {
    let task = &run.world.environment.task;
    Ok(u64::from(task.group) << 32 | u64::from(task.user))
}

fn cgroup(run: &mut Run<'_>, _: Arguments) -> Result<u64, Fault> {
    Ok(run.world.environment.task.cgroup)
}

/// The task's cgroup is the root of the hierarchy.
fn ancestor_cgroup(run: &mut Run<'_>, [level, ..]: Arguments) -> Result<u64, Fault> {
    Ok(if level & u64::from(u32::MAX) == 0 { run.world.environment.task.cgroup } else { 0 })
}

/// The name, cut to the buffer, with zeros behind it.
fn task_name(run: &mut Run<'_>, [buffer, length, ..]: Arguments) -> Result<u64, Fault> {
    /// `TASK_COMM_LEN`, with the NUL.
    const LONGEST: usize = 16;
    let length = size(length);
    let mut name = run.world.environment.task.name.clone().into_bytes();
    name.truncate(length.min(LONGEST).saturating_sub(1));
    run.write_all(buffer, &name, length)?;
    Ok(0)
}

/// There is one pid namespace, in which the task has the numbers that it has everywhere.
fn process_of_namespace(run: &mut Run<'_>, [_, _, buffer, length, _]: Arguments) -> Result<u64, Fault> {
    if length != 8 {
        run.write_all(buffer, &[], size(length))?;
        return Ok(negated(Errno(libc::EINVAL)));
    }
    let task = &run.world.environment.task;
    let info = [task.thread.to_ne_bytes(), task.process.to_ne_bytes()].concat();
    run.write_all(buffer, &info, 8)?;
    Ok(0)
}

fn trace_printk(run: &mut Run<'_>, [format, length, arguments @ ..]: Arguments) -> Result<u64, Fault> {
    let format = run.world.memory.bytes(format, size(length))?.to_vec();
    trace(run, &format, &arguments)
}

fn trace_vprintk(run: &mut Run<'_>, [format, length, data, data_length, _]: Arguments) -> Result<u64, Fault> {
    let format = run.world.memory.bytes(format, size(length))?.to_vec();
    let data = if data_length == 0 { &[][..] } else { run.world.memory.bytes(data, size(data_length))? };
    let arguments: Vec<u64> =
        data.chunks_exact(8).filter_map(|word| word.try_into().ok()).map(u64::from_ne_bytes).collect();
    trace(run, &format, &arguments)
}

fn trace(run: &mut Run<'_>, format: &[u8], arguments: &[u64]) -> Result<u64, Fault> {
    let Some(line) = text::format(&run.world.memory, format, arguments) else {
        return Ok(negated(Errno(libc::EINVAL)));
    };
    let length = line.len() as u64;
    run.world.environment.trace.push(line.trim_end_matches('\n').to_owned());
    Ok(length)
}
