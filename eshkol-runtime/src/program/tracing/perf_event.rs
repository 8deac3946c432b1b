//! Programs that sample: they run many times a second wherever a processor is.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use super::Handle;
use crate::error::{Error, Need, Result};
use crate::link::{Link, TracingLink};
use crate::map::online_cpus;
use crate::program::common_to_programs;
use crate::sys::perf::{self, Rate, Target};

/// A loaded `:perf-event` program.
#[derive(Debug)]
pub struct PerfEventProgram(Handle);

common_to_programs!(PerfEventProgram);

/// What is sampled, how often, and where.
#[derive(Clone, Debug)]
#[must_use = "it says what `attach_to` is to sample"]
pub struct Sampling {
    rate: Rate,
    scope: Scope,
}

#[derive(Clone, Debug)]
enum Scope {
    Everywhere,
    Cpu(u32),
    Process(u32),
}

/// The rate of profilers: near 100 a second, and in step with nothing.
const USUAL_RATE: u64 = 99;

impl Sampling {
    /// Of time on each processor: 99 samples a second while it does anything.
    pub fn cpu_clock() -> Self {
        Self { rate: Rate::Frequency(USUAL_RATE), scope: Scope::Everywhere }
    }

    /// So many samples a second of time on a processor.
    pub fn frequency(self, samples: u64) -> Self {
        Self { rate: Rate::Frequency(samples), ..self }
    }

    /// A sample each time so many nanoseconds were spent.
    pub fn period(self, nanoseconds: u64) -> Self {
        Self { rate: Rate::Period(nanoseconds), ..self }
    }

    /// On one processor alone.
    pub fn cpu(self, cpu: u32) -> Self {
        Self { scope: Scope::Cpu(cpu), ..self }
    }

    /// While a process runs, on whichever processor: the threads that it has now, and those that they start.
    pub fn process(self, process: u32) -> Self {
        Self { scope: Scope::Process(process), ..self }
    }
}

/// What a program finds at a sample in the simulator.
#[cfg(feature = "sim")]
#[derive(Copy, Clone, PartialEq, Eq, Default, Debug)]
pub struct TestSample {
    /// The address of the next instruction: `(ctx-ip ctx)`.
    pub instruction_pointer: u64,
    /// `(ctx-sp ctx)`
    pub stack_pointer: u64,
    /// How much was counted since the last sample; nanoseconds, where time is: `(ctx-sample-period ctx)`.
    pub period: u64,
    /// The address that was accessed, where the event has one: `(ctx-addr ctx)`.
    pub address: u64,
}

impl PerfEventProgram {
    /// Has it run at each sample.
    pub fn attach_to(&self, sampling: &Sampling) -> Result<TracingLink> {
        let action = || format!("attach program `{}` to samples", self.name());
        let program = self.0.in_kernel(action)?;
        let mut events = Vec::new();
        for target in targets(&sampling.scope).map_err(|error| failed(action(), error))? {
            let event = match perf::cpu_clock(sampling.rate, target) {
                Ok(event) => event,
                // A thread that has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) && !events.is_empty() => continue,
                Err(error) => return Err(failed(action(), error)),
            };
            perf::attach(event.as_fd(), program).map_err(|error| failed(action(), error))?;
            events.push(event);
        }
        Ok(TracingLink::new(events))
    }

    /// Has it run 99 times a second of time on each processor.
    pub fn attach(&self) -> Result<TracingLink> {
        self.attach_to(&Sampling::cpu_clock())
    }

    /// Runs it in the simulator as if a sample were taken there: the result. The kernel has no such runs.
    ///
    /// The stacks that it finds are those of `set_kernel_stack` and `set_user_stack` of the simulator; what else it finds is 0.
    #[cfg(feature = "sim")]
    pub fn test_run(&self) -> Result<u32> {
        self.test_sample(&TestSample::default())
    }

    /// The same, with what it finds.
    #[cfg(feature = "sim")]
    pub fn test_sample(&self, sample: &TestSample) -> Result<u32> {
        super::simulate(&self.0, &super::registers::at_sample(&self.0, sample)?)
    }

    /// The same as [`attach`](Self::attach), as [`Link`]s of any kind of program.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        Ok(vec![self.attach()?.into()])
    }
}

fn failed(action: String, error: io::Error) -> Error {
    let advice = match error.raw_os_error() {
        Some(libc::ESRCH) => "There is no such process",
        Some(libc::ENODEV | libc::ENXIO) => "There is no such processor, or it is off",
        Some(libc::EINVAL) => {
            "So many samples a second are more than the kernel takes (`sysctl kernel.perf_event_max_sample_rate`), or the rate is 0"
        }
        _ => return Error::system(action, Need::Tracing, error),
    };
    Error::with_advice(action, advice, error)
}

/// Where events are to be opened.
fn targets(scope: &Scope) -> io::Result<Vec<Target>> {
    match scope {
        Scope::Cpu(cpu) if online_cpus()?.contains(cpu) => Ok(vec![Target::Cpu(*cpu)]),
        Scope::Cpu(_) => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        Scope::Everywhere => Ok(online_cpus()?.into_iter().map(Target::Cpu).collect()),
        Scope::Process(process) => {
            let entries = fs::read_dir(format!("/proc/{process}/task"));
            let entries = entries.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => io::Error::from_raw_os_error(libc::ESRCH),
                _ => error,
            })?;
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            Ok(names.filter_map(|name| name.parse().ok()).map(Target::Thread).collect())
        }
    }
}
