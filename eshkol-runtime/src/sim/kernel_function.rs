//! Functions of the kernel that a unit declares: what stands in for them.

use std::fmt;

use super::execute::Run;
use super::memory::Fault;
use crate::sys::kind;

/// What a test has in the place of a function.
type StandIn = Box<dyn FnMut(&[u64]) -> u64 + Send>;

/// A function, by the number that the unit has for it.
pub(super) struct KernelFunction {
    /// Its name in the kernel.
    pub(super) symbol: &'static str,
    /// How many arguments it takes.
    pub(super) parameters: usize,
    pub(super) stand_in: Option<StandIn>,
}

impl fmt::Debug for KernelFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelFunction").field("symbol", &self.symbol).finish_non_exhaustive()
    }
}

/// Calls a function with as many arguments as it takes.
pub(super) fn call(run: &mut Run<'_>, number: usize, arguments: &[u64]) -> Result<u64, Fault> {
    let function = run.world.kernel_functions.get_mut(number);
    let function = function.ok_or_else(|| Fault::new("calls a function of the kernel that nothing declares"))?;
    let symbol = function.symbol;
    if let Some(stand_in) = &mut function.stand_in {
        return Ok(stand_in(arguments));
    }
    match (symbol, arguments) {
        // `kernel/bpf/map_iter.c`
        ("bpf_map_sum_elem_count", [map]) => {
            let map = run.map(*map)?;
            let map = &run.world.maps[map];
            // Others are not counted.
            let is_hash =
                [kind::HASH, kind::PERCPU_HASH, kind::LRU_HASH, kind::LRU_PERCPU_HASH].contains(&map.definition.kind);
            Ok(if is_hash { map.count() } else { 0 })
        }
        _ => Err(Fault(format!(
            "calls {symbol}, for which `set_kernel_function` can give the simulator something that stands in"
        ))),
    }
}
