//! Runs of programs on packets that no interface or socket has sent.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use super::Handle;
use super::xdp::XdpAction;
use crate::error::{Error, Need, Result};
use crate::kernel_version::KernelVersion;
#[cfg(feature = "sim")]
use crate::sim::Machine;
use crate::sys;

/// What a test run gave. `A` is what programs of the type decide.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TestRun<A = XdpAction> {
    /// What the program returned.
    pub return_value: u32,
    /// The packet as the program left it, with its metadata before it, if it made any.
    pub data: Vec<u8>,
    /// Mean time of a run, to the nanosecond. In the simulator, where time goes on by instructions, a nanosecond for each.
    pub duration: Duration,
    action: PhantomData<A>,
}

impl<A: Action> TestRun<A> {
    /// The decision, where the return value is one.
    pub fn action(&self) -> Option<A> {
        A::from_return_value(self.return_value)
    }
}

/// What programs of a type decide.
pub trait Action: Sized {
    /// The decision that a return value stands for, if it does.
    fn from_return_value(value: u32) -> Option<Self>;
}

/// What a packet begins with, of which the kernel wants an Ethernet header.
#[derive(Copy, Clone)]
pub(super) enum Framing {
    /// That, and the program sees it.
    Ethernet,
    /// Something else: the kernel is given an Ethernet header of this type before it, which the program does not see. Before the kernel
    /// `shown_since`, the program does not see the packet either.
    Bare { ether_type: u16, shown_since: Option<KernelVersion> },
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Runs a program on `packet` `repeat` times.
pub(super) fn test_run<A>(program: &Handle, packet: &[u8], repeat: u32, framing: Framing) -> Result<TestRun<A>> {
    // As much as the kernel leaves around the packet for it to grow.
    const SPARE: usize = 4096;
    let name = program.spec.name;
    let action = || format!("run program `{name}` on a packet of {} bytes", packet.len());
    #[cfg(feature = "sim")]
    if let Some(machine) = program.simulated() {
        return simulate(machine, program.spec.symbol, packet, repeat);
    }
    let descriptor = program.in_kernel(action)?;
    if let Framing::Bare { shown_since: Some(since), .. } = framing
        && let Some(running) = KernelVersion::running().filter(|running| *running < since)
    {
        let advice = format!(
            "For a test, Linux before {since} runs programs of this type as if the packet were empty, and this is {running}. `test()` in place of \
             `load()` runs it in the simulator; attached, it sees its packets"
        );
        return Err(Error::with_advice(action(), advice, io::Error::from_raw_os_error(libc::EOPNOTSUPP)));
    }
    let framed = match framing {
        Framing::Ethernet => packet.to_vec(),
        Framing::Bare { ether_type, .. } => [&[0; ETHERNET - 2][..], &ether_type.to_be_bytes(), packet].concat(),
    };
    let mut output = sys::program_test_run(descriptor, &framed, SPARE, repeat).map_err(|error| {
        let action = action();
        match error.raw_os_error() {
            Some(libc::EINVAL | libc::ENOMEM | libc::E2BIG | libc::EMSGSIZE) => {
                let advice = match framing {
                    Framing::Ethernet => {
                        "The kernel takes packets of 14 bytes, an Ethernet header, up to about 3500, and more for programs with `(frags)`"
                    }
                    Framing::Bare { .. } => "The kernel takes packets of at least an IP header, up to about 3500 bytes",
                };
                Error::with_advice(action, advice, error)
            }
            _ => Error::system(action, Need::Networking, error),
        }
    })?;
    if let Framing::Bare { .. } = framing {
        output.data.drain(..ETHERNET.min(output.data.len()));
    }
    Ok(TestRun {
        return_value: output.return_value,
        data: output.data,
        duration: Duration::from_nanos(output.nanoseconds.into()),
        action: PhantomData,
    })
}

/// A test run in the simulator: each run gets the packet as the one before has left it, as in the kernel.
#[cfg(feature = "sim")]
fn simulate<A>(machine: &Machine, program: &str, packet: &[u8], repeat: u32) -> Result<TestRun<A>> {
    let repeat = repeat.max(1);
    let mut run = TestRun { return_value: 0, data: Vec::new(), duration: Duration::ZERO, action: PhantomData };
    let mut packet = packet.to_vec();
    for _ in 0..repeat {
        let outcome = machine.run_on_packet(program, &packet).map_err(Error::Simulator)?;
        // A program's result has 32 bits.
        run.return_value = u32::try_from(outcome.return_value).unwrap_or(u32::MAX);
        run.data = [outcome.metadata, outcome.packet.clone()].concat();
        packet = outcome.packet;
        run.duration += Duration::from_nanos(outcome.instructions);
    }
    run.duration /= repeat;
    Ok(run)
}
