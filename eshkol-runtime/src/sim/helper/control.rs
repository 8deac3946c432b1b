//! Helpers that call back (`kernel/bpf/bpf_iter.c`).

use super::{Arguments, Errno, Fault, Helper, Run, negated};

pub(super) static HELPERS: &[Helper] = &[Helper { number: 181, name: "bpf_loop", arguments: 4, call: repeat }];

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
