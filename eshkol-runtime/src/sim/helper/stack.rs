//! Helpers that look at the call stack (`kernel/bpf/stackmap.c`): there is the one that the test has set, of the kernel or of the process.

use super::{Arguments, Errno, Fault, Helper, Run, negated, size};

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 27, name: "bpf_get_stackid", arguments: 3, call: stack_id },
    Helper { number: 67, name: "bpf_get_stack", arguments: 4, call: stack },
];

// `BPF_F_SKIP_FIELD_MASK` and its kin in include/uapi/linux/bpf.h.
const SKIPPED: u64 = 0xff;
const USER: u64 = 1 << 8;
const FAST_COMPARISON: u64 = 1 << 9;
const REUSE: u64 = 1 << 10;

/// Bytes of an address.
const ADDRESS: usize = 8;

/// The stack that the flags ask for, the innermost first, without what they skip; `None` where nothing is left.
fn wanted(run: &Run<'_>, flags: u64) -> Option<Vec<u64>> {
    let environment = &run.world.environment;
    let whole = if flags & USER == 0 { &environment.kernel_stack } else { &environment.user_stack };
    let rest = whole.get(size(flags & SKIPPED)..).unwrap_or_default();
    (!rest.is_empty()).then(|| rest.to_vec())
}

/// `bpf_get_stackid(ctx, map, flags)`
fn stack_id(run: &mut Run<'_>, [_, map, flags, ..]: Arguments) -> Result<u64, Fault> {
    let map = run.map(map)?;
    if flags & !(SKIPPED | USER | FAST_COMPARISON | REUSE) != 0 {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    let Some(mut stack) = wanted(run, flags) else { return Ok(negated(Errno(libc::EFAULT))) };
    let world = &mut *run.world;
    let map = &mut world.maps[map];
    stack.truncate(map.definition.value_size / ADDRESS);
    Ok(match map.keep_stack(&mut world.memory, &stack, flags & REUSE != 0) {
        Ok(number) => number.into(),
        Err(errno) => negated(errno),
    })
}

/// `bpf_get_stack(ctx, buffer, size, flags)`: gives how many bytes it has written; the rest of the buffer is zero.
fn stack(run: &mut Run<'_>, [_, buffer, length, flags, _]: Arguments) -> Result<u64, Fault> {
    let length = size(length);
    let (bytes, result) = if flags & !(SKIPPED | USER) != 0 || !length.is_multiple_of(ADDRESS) {
        (Vec::new(), negated(Errno(libc::EINVAL)))
    } else {
        match wanted(run, flags) {
            Some(mut stack) => {
                stack.truncate(length / ADDRESS);
                (stack.iter().flat_map(|address| address.to_ne_bytes()).collect(), (stack.len() * ADDRESS) as u64)
            }
            None => (Vec::new(), negated(Errno(libc::EFAULT))),
        }
    };
    run.write_all(buffer, &bytes, length)?;
    Ok(result)
}
