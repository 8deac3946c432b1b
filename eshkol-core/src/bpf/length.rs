//! How long a program may be: kernels before 5.2 take 4096 instructions, with those of all functions that it calls (`bpf_prog_load` in
//! `kernel/bpf/syscall.c`). Newer ones take as many as their verifier gets through, which is a matter of loops.

use super::Error;
use super::code::{Code, RelocationTarget};
use crate::arena::Id as _;
use crate::kernel::KernelVersion;

/// `BPF_MAXINSNS`.
pub(super) const OLD_LIMIT: usize = 4096;
/// Since this version, it holds for programs without privilege only.
pub(super) const LIFTED_IN: KernelVersion = KernelVersion::new(5, 2);

/// Whether a program with all that it calls is short enough. `functions` are those of the unit, by number.
pub fn check(program: &Code, functions: &[Code], min_kernel: KernelVersion) -> Result<(), Error> {
    let mut instructions = program.instructions.len();
    let mut counted = vec![false; functions.len()];
    let mut waiting = callees(program);
    while let Some(index) = waiting.pop() {
        let Some(flag) = counted.get_mut(index).filter(|counted| !**counted) else { continue };
        *flag = true;
        if let Some(function) = functions.get(index) {
            instructions = instructions.saturating_add(function.instructions.len());
            waiting.extend(callees(function));
        }
    }
    if min_kernel < LIFTED_IN && instructions > OLD_LIMIT {
        return Err(Error::TooLong { span: program.span, instructions });
    }
    Ok(())
}

fn callees(code: &Code) -> Vec<usize> {
    let called = code.relocations.iter().filter_map(|relocation| match relocation.target {
        RelocationTarget::Function(function) => Some(function.index()),
        _ => None,
    });
    called.collect()
}
