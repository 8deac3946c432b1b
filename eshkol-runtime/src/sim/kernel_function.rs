//! Functions of the kernel that a unit declares: what stands in for them.

mod strings;

use std::fmt;
use std::ops::Deref;

use super::execute::Run;
use super::memory::{Fault, Memory};
use crate::spec::KfuncPart;
use crate::sys::kind;

/// What a test has in the place of a function.
type StandIn = Box<dyn FnMut(&mut KernelArguments<'_>) -> u64 + Send>;

/// What a function of the kernel is called with: a slice of the arguments as numbers, and the memory at those that are addresses.
///
/// Where the memory that is asked for is not there, zeros are read, and the run of the program fails.
#[derive(Debug)]
pub struct KernelArguments<'a> {
    numbers: &'a [u64],
    memory: &'a mut Memory,
    /// What was wrong first.
    fault: Option<Fault>,
}

impl Deref for KernelArguments<'_> {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        self.numbers
    }
}

impl KernelArguments<'_> {
    /// So many bytes at the address that an argument is; the first is 0.
    pub fn bytes(&mut self, argument: usize, count: usize) -> Vec<u8> {
        let found = self.address(argument).and_then(|address| Ok(self.memory.bytes(address, count)?.to_vec()));
        self.checked(found).unwrap_or_else(|| vec![0; count])
    }

    /// Writes bytes to the address that an argument is.
    pub fn set_bytes(&mut self, argument: usize, bytes: &[u8]) {
        let written = self.address(argument).and_then(|address| self.memory.fill(address, bytes));
        self.checked(written);
    }

    /// The text at the address that an argument is, without its NUL.
    pub fn text(&mut self, argument: usize) -> Vec<u8> {
        let found = self.address(argument).and_then(|address| strings::read(self.memory, address, u64::MAX));
        self.checked(found).unwrap_or_default()
    }

    fn address(&self, argument: usize) -> Result<u64, Fault> {
        let count = self.numbers.len();
        self.numbers.get(argument).copied().ok_or_else(|| Fault(format!("has {count} arguments, and no {argument}")))
    }

    fn checked<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault.get_or_insert(fault);
                None
            }
        }
    }
}

/// A function, by the number that the unit has for it.
pub(super) struct KernelFunction {
    /// Its name in the kernel.
    pub(super) symbol: &'static str,
    /// What it takes.
    pub(super) parameters: &'static [KfuncPart],
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
    let memory = &mut run.world.memory;
    let called = |fault: Fault| Fault(format!("calls {symbol}, which {}", fault.0));
    check_memory(memory, function.parameters, arguments).map_err(called)?;
    if let Some(stand_in) = &mut function.stand_in {
        let mut arguments = KernelArguments { numbers: arguments, memory, fault: None };
        let result = stand_in(&mut arguments);
        return arguments.fault.map_or(Ok(result), |fault| Err(called(fault)));
    }
    if let Some(result) = strings::call(memory, symbol, arguments) {
        return result.map_err(called);
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

/// Whether memory that a function is given has a value everywhere (`check_mem_reg` and `check_mem_size_reg` in `kernel/bpf/verifier.c`).
fn check_memory(memory: &Memory, parameters: &[KfuncPart], arguments: &[u64]) -> Result<(), Fault> {
    for (index, (parameter, address)) in parameters.iter().zip(arguments).enumerate() {
        let size = match parameter {
            KfuncPart::Memory(bytes) => u64::from(*bytes),
            KfuncPart::SizedMemory => arguments.get(index + 1).copied().unwrap_or_default(),
            _ => continue,
        };
        memory.bytes(*address, usize::try_from(size).unwrap_or(usize::MAX))?;
    }
    Ok(())
}
