//! Helpers that call functions (`kernel/bpf/bpf_iter.c`), go on with another program (`kernel/bpf/core.c`), or say what a system call gives
//! (`kernel/bpf/cgroup.c`).

use super::{Arguments, Errno, Fault, Helper, Run, negated};
use crate::sim::alu::low;

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 12, name: "bpf_tail_call", arguments: 3, call: tail_call },
    Helper { number: 181, name: "bpf_loop", arguments: 4, call: repeat },
    Helper {
        number: 186,
        name: "bpf_get_retval",
        arguments: 0,
        call: |run, _| Ok(i64::from(run.call_result).cast_unsigned()),
    },
    Helper { number: 187, name: "bpf_set_retval", arguments: 1, call: set_call_result },
];

/// `BPF_MAX_LOOPS`
const MOST_ROUNDS: u64 = 8 << 20;

/// Calls `callback(round, context)` so often, until it gives something else than 0; gives how often.
fn repeat(run: &mut Run<'_>, [rounds, callback, context, flags, _]: Arguments) -> Result<u64, Fault> {
    let function = run.function(callback)?;
    let rounds = rounds & u64::from(u32::MAX);
    if flags != 0 {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    if rounds > MOST_ROUNDS {
        return Ok(negated(Errno(libc::E2BIG)));
    }
    for round in 0..rounds {
        if run.call(function, &[round, context])? != 0 {
            return Ok(round + 1);
        }
    }
    Ok(rounds)
}

/// `bpf_tail_call(context, map, index)`: where there is a program, it begins as soon as the helper has returned.
fn tail_call(run: &mut Run<'_>, [_, map, index, ..]: Arguments) -> Result<u64, Fault> {
    let map = run.map(map)?;
    let index = u32::try_from(index & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let world = &mut *run.world;
    let entry = world.maps[map].read(&mut world.memory, &index.to_ne_bytes());
    if let Some(program) = entry.and_then(|entry| <[u8; 4]>::try_from(entry).ok()) {
        run.go_on_with(u32::from_ne_bytes(program))?;
    }
    Ok(0)
}

fn set_call_result(run: &mut Run<'_>, [result, ..]: Arguments) -> Result<u64, Fault> {
    run.call_result = low(result).cast_signed();
    Ok(0)
}
