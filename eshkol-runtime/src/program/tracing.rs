//! Programs that look on: at tracepoints.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;

use super::backing::{Handle, Opened};
use super::{FromProgram, common_to_programs};
use crate::error::{Error, Need, Result, suggestions};
use crate::link::{Link, TracingLink};
#[cfg(feature = "sim")]
use crate::sim::SimulatorError;
use crate::spec::ProgramSpec;
use crate::sys::{self, perf};

/// A loaded `:tracepoint` program.
#[derive(Debug)]
pub struct TracepointProgram(Handle);

/// A loaded `:raw-tracepoint` program.
#[derive(Debug)]
pub struct RawTracepointProgram(Handle);

/// Where tracefs is mounted, or where older systems have it.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The directory of all tracepoints.
fn events(action: impl Fn() -> String) -> Result<&'static Path> {
    let known =
        TRACEFS.iter().map(|directory| Path::new(*directory)).find(|directory| directory.join("events").is_dir());
    known.ok_or_else(|| {
        Error::with_advice(
            action(),
            "The kernel tells of its tracepoints through tracefs, which is not mounted, or not readable for this user: as root, \
             `mount -t tracefs tracefs /sys/kernel/tracing`",
            io::Error::new(io::ErrorKind::NotFound, "/sys/kernel/tracing/events is not there"),
        )
    })
}

/// The names of what is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The number of a tracepoint, `category:name`.
fn tracepoint_id(tracepoint: &str, action: &impl Fn() -> String) -> Result<u64> {
    let root = events(action)?.join("events");
    let malformed = || {
        let error = io::Error::from(io::ErrorKind::InvalidInput);
        Error::with_advice(
            action(),
            "A tracepoint is written `category:name`, as in `syscalls:sys_enter_openat`",
            error,
        )
    };
    let (category, name) =
        tracepoint.split_once(':').filter(|(c, n)| !c.is_empty() && !n.contains(':')).ok_or_else(malformed)?;
    let unknown = |what: &str, wanted: &str, directory: &Path, prefix: &str| {
        let advice = suggestions(&format!("{what} `{wanted}`"), wanted, &names(directory), prefix);
        Error::with_advice(action(), advice, io::Error::from_raw_os_error(libc::ENOENT))
    };
    let directory = root.join(category);
    if category.contains('/') || !directory.is_dir() {
        return Err(unknown("category of tracepoints", category, &root, ""));
    }
    let path = directory.join(name).join("id");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            let error = io::Error::new(io::ErrorKind::InvalidData, format!("`{}`", text.trim()));
            Error::with_advice(action(), format!("{} has no number in it", path.display()), error)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound || name.contains('/') => {
            Err(unknown("tracepoint", name, &directory, &format!("{category}:")))
        }
        Err(error) => Err(Error::system(action(), Need::Tracing, error)),
    }
}

impl TracepointProgram {
    /// Attaches it to the tracepoints that its `(attach-point …)`s name: to all of them or, when one fails, to none.
    pub fn attach(&self) -> Result<TracingLink> {
        attach_declared(self.0.spec, |point| self.open(point))
    }

    /// Attaches it to a tracepoint, `category:name`, whatever the source says. The program must be made for its record.
    pub fn attach_to(&self, tracepoint: &str) -> Result<TracingLink> {
        Ok(TracingLink::new(vec![self.open(tracepoint)?]))
    }

    /// The same, as [`Link`]s of any kind of program.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        Ok(vec![self.attach()?.into()])
    }

    fn open(&self, tracepoint: &str) -> Result<std::os::fd::OwnedFd> {
        let action = || format!("attach program `{}` to tracepoint `{tracepoint}`", self.name());
        let program = self.0.in_kernel(action)?;
        let id = tracepoint_id(tracepoint, &action)?;
        let failed = |error: io::Error| match error.raw_os_error() {
            Some(libc::EACCES | libc::EINVAL) => Error::with_advice(
                action(),
                "The program reads more than the tracepoint's record has, which tracefs describes in the tracepoint's `format`",
                error,
            ),
            Some(libc::E2BIG) => Error::with_advice(
                action(),
                "64 programs are at this tracepoint, which is all that the kernel takes",
                error,
            ),
            _ => Error::system(action(), Need::Tracing, error),
        };
        let event = perf::tracepoint(id).map_err(|error| Error::system(action(), Need::Tracing, error))?;
        perf::attach(std::os::fd::AsFd::as_fd(&event), program).map_err(failed)?;
        Ok(event)
    }

    /// Runs it in the simulator on the record of an event, as tracefs describes it in the tracepoint's `format`: the result. The kernel has no
    /// such runs.
    #[cfg(feature = "sim")]
    pub fn test_run(&self, record: &[u8]) -> Result<u32> {
        simulate(&self.0, record)
    }

    fn handle(&self) -> &Handle {
        &self.0
    }
}

impl RawTracepointProgram {
    /// Attaches it to the tracepoints that its `(attach-point …)`s name: to all of them or, when one fails, to none.
    pub fn attach(&self) -> Result<TracingLink> {
        attach_declared(self.0.spec, |point| self.open(point))
    }

    /// Attaches it to a tracepoint, by its name without category, whatever the source says.
    pub fn attach_to(&self, tracepoint: &str) -> Result<TracingLink> {
        Ok(TracingLink::new(vec![self.open(tracepoint)?]))
    }

    /// The same, as [`Link`]s of any kind of program.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        Ok(vec![self.attach()?.into()])
    }

    fn open(&self, tracepoint: &str) -> Result<std::os::fd::OwnedFd> {
        let action = || format!("attach program `{}` to raw tracepoint `{tracepoint}`", self.name());
        let program = self.0.in_kernel(action)?;
        // The kernel knows them by name alone; with the category they are as good.
        let name = tracepoint.rsplit_once(':').map_or(tracepoint, |(_, name)| name);
        let name = CString::new(name)
            .map_err(|error| Error::with_advice(action(), "No name has a NUL in it", error.into()))?;
        sys::raw_tracepoint_open(program, &name).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => {
                let advice = match events(action) {
                    Ok(root) => {
                        let root = root.join("events");
                        let known: Vec<_> =
                            names(&root).iter().flat_map(|category| names(&root.join(category))).collect();
                        suggestions("tracepoint of this name", tracepoint, &known, "")
                    }
                    Err(_) => "This kernel has no tracepoint of this name".to_owned(),
                };
                Error::with_advice(action(), advice, error)
            }
            _ => Error::system(action(), Need::Tracing, error),
        })
    }

    /// Runs it in the simulator on the arguments of a tracepoint: the result.
    #[cfg(feature = "sim")]
    pub fn test_run(&self, arguments: &[u64]) -> Result<u32> {
        let record: Vec<u8> = arguments.iter().flat_map(|argument| argument.to_ne_bytes()).collect();
        simulate(&self.0, &record)
    }

    fn handle(&self) -> &Handle {
        &self.0
    }
}

/// A run in the simulator, with what the program is called with.
#[cfg(feature = "sim")]
fn simulate(program: &Handle, context: &[u8]) -> Result<u32> {
    let Some(machine) = program.simulated() else {
        let reason =
            format!("run program `{}` without an event: `test()` loads it where that can be done", program.spec.name);
        return Err(Error::Simulator(SimulatorError::unable(reason)));
    };
    let outcome = machine.run_on_memory(program.spec.symbol, context).map_err(Error::Simulator)?;
    // A program's result has 32 bits.
    Ok(u32::try_from(outcome.return_value & u64::from(u32::MAX)).unwrap_or(u32::MAX))
}

/// Opens every declared attach point. On the first failure those opened so far are dropped, which detaches the program.
fn attach_declared(spec: &ProgramSpec, open: impl Fn(&str) -> Result<std::os::fd::OwnedFd>) -> Result<TracingLink> {
    if spec.attach_points.is_empty() {
        return Err(Error::NoAttachPoint { program: spec.name.to_owned() });
    }
    Ok(TracingLink::new(spec.attach_points.iter().map(|point| open(point)).collect::<Result<_>>()?))
}

impl FromProgram for TracepointProgram {
    fn from_program(program: Opened, spec: &'static ProgramSpec) -> Result<Self> {
        Handle::new(program, spec).map(Self)
    }
}

impl FromProgram for RawTracepointProgram {
    fn from_program(program: Opened, spec: &'static ProgramSpec) -> Result<Self> {
        Handle::new(program, spec).map(Self)
    }
}

common_to_programs!(TracepointProgram);
common_to_programs!(RawTracepointProgram);
