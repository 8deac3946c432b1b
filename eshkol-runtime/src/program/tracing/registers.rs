//! The registers that programs are given, in the simulator.

use super::{Handle, TestSample};
use crate::error::{Error, Result};
use crate::sim::SimulatorError;
use crate::spec::RegistersSpec;

/// Where a function is entered with these arguments.
pub(super) fn at_entry(program: &Handle, arguments: &[u64], frame: Option<u64>) -> Result<Vec<u8>> {
    let registers = registers(program)?;
    if arguments.len() > registers.arguments.len() {
        return Err(unable(format!(
            "call a function with {} arguments: {} are in registers",
            arguments.len(),
            registers.arguments.len()
        )));
    }
    let frame = registers.frame.zip(frame).map(|((register, _), frame)| (register, frame));
    Ok(image(registers, registers.arguments.iter().copied().zip(arguments.iter().copied()).chain(frame)))
}

/// Where it has returned.
pub(super) fn at_return(program: &Handle, result: u64, frame: u64) -> Result<Vec<u8>> {
    let registers = registers(program)?;
    let frame = registers.frame.map(|(register, returned)| (register, frame.wrapping_add(returned.into())));
    Ok(image(registers, std::iter::once((registers.result, result)).chain(frame)))
}

/// Where a sample is taken: `struct bpf_perf_event_data` in `include/uapi/linux/bpf_perf_event.h`.
pub(super) fn at_sample(program: &Handle, sample: &TestSample) -> Result<Vec<u8>> {
    let registers = registers(program)?;
    let places = [registers.instruction_pointer, registers.stack_pointer];
    let mut bytes = image(registers, places.into_iter().zip([sample.instruction_pointer, sample.stack_pointer]));
    bytes.extend([sample.period, sample.address].into_iter().flat_map(u64::to_ne_bytes));
    Ok(bytes)
}

fn registers(program: &Handle) -> Result<&RegistersSpec> {
    let unknown =
        || unable(format!("run program `{}`: the registers of this machine are not known", program.spec.name));
    program.spec.registers.as_ref().ok_or_else(unknown)
}

fn unable(reason: String) -> Error {
    Error::Simulator(SimulatorError::unable(reason))
}

/// The registers with these values at these places; the others are 0.
fn image(registers: &RegistersSpec, values: impl Iterator<Item = (u32, u64)>) -> Vec<u8> {
    let mut bytes = vec![0; registers.size as usize];
    for (place, value) in values {
        let place = place as usize;
        bytes[place..place + size_of::<u64>()].copy_from_slice(&value.to_ne_bytes());
    }
    bytes
}
