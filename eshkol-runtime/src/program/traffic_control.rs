//! Programs at traffic control.

use std::io;

use super::test_run::{Action, Framing, TestRun, test_run};
use super::{Direction, Handle, common_to_programs};
use crate::error::{Error, Need, Result};
use crate::interface::Interface;
use crate::kernel_version::KernelVersion;
use crate::link::{Link, TcLink, TcxLink};
use crate::spec::ProgramSpec;
use crate::sys::{self, Hook, traffic_control};

/// A loaded `:tc` program.
#[derive(Debug)]
pub struct TcProgram(Handle);

/// A loaded `:tcx` program.
#[derive(Debug)]
pub struct TcxProgram(Handle);

/// What a `:tc` program decides on a packet (`TC_ACT_…` of include/uapi/linux/pkt_cls.h).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum TcAction {
    /// What the next filter says; where there is none, on with it.
    Unspecified = -1,
    /// On with it.
    Ok = 0,
    /// Classified anew, from the first filter on.
    Reclassify = 1,
    /// Dropped.
    Shot = 2,
    /// On to the next action.
    Pipe = 3,
    /// Taken: nobody sees it, and nobody takes it for dropped.
    Stolen = 4,
    /// Taken and queued.
    Queued = 5,
    /// The filter again.
    Repeat = 6,
    /// Sent to another interface.
    Redirect = 7,
    /// Handed to the processor by hardware.
    Trap = 8,
}

/// What a `:tcx` program decides on a packet (`enum tcx_action_base`).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum TcxAction {
    /// What the next program says; where there is none, on with it.
    Next = -1,
    /// On with it, without asking the programs after this one.
    Pass = 0,
    /// Dropped.
    Drop = 2,
    /// Sent to another interface.
    Redirect = 7,
}

impl Action for TcAction {
    fn from_return_value(value: u32) -> Option<Self> {
        Some(match value.cast_signed() {
            -1 => Self::Unspecified,
            0 => Self::Ok,
            1 => Self::Reclassify,
            2 => Self::Shot,
            3 => Self::Pipe,
            4 => Self::Stolen,
            5 => Self::Queued,
            6 => Self::Repeat,
            7 => Self::Redirect,
            8 => Self::Trap,
            _ => return None,
        })
    }
}

impl Action for TcxAction {
    fn from_return_value(value: u32) -> Option<Self> {
        Some(match value.cast_signed() {
            -1 => Self::Next,
            0 => Self::Pass,
            2 => Self::Drop,
            7 => Self::Redirect,
            _ => return None,
        })
    }
}

/// The oldest kernel with tcx.
const TCX: KernelVersion = KernelVersion::new(6, 6);

/// What attaching is called in messages.
fn attaching(program: &Handle, interface: &Interface, direction: Direction) -> String {
    format!("attach program `{}` to the {direction} of interface `{interface}`", program.spec.name)
}

impl TcProgram {
    /// Attaches it to an interface, by name or index, as a filter of its discipline `clsact`, which is added where it is not there. It runs before
    /// those attached earlier.
    pub fn attach(&self, interface: impl Into<Interface>, direction: Direction) -> Result<TcLink> {
        let interface = interface.into();
        let action = || attaching(&self.0, &interface, direction);
        let program = self.0.in_kernel(action)?;
        let index = interface.index(action)?;
        let egress = direction == Direction::Egress;
        let filter = traffic_control::add_filter(index, egress, &program, self.0.spec.symbol);
        filter.map(TcLink::new).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT | libc::EOPNOTSUPP) => {
                let advice = "The kernel lacks `clsact` or filters that are programs (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF), or can't load \
                              their modules sch_ingress and cls_bpf";
                Error::with_advice(action(), advice, error)
            }
            _ => Error::system(action(), Need::Networking, error),
        })
    }

    /// Attaches it where its `(attach-point …)`s say: everywhere or, when one of them fails, nowhere.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        declared(self.0.spec)?.map(|(interface, direction)| Ok(self.attach(interface, direction)?.into())).collect()
    }

    /// Runs it on `packet`, from the Ethernet header on, without any interface.
    pub fn test_run(&self, packet: &[u8]) -> Result<TestRun<TcAction>> {
        self.test_run_repeat(packet, 1)
    }

    /// Runs it on `packet` `repeat` times, for measuring: `data` is the packet after all of them, `duration` their mean.
    pub fn test_run_repeat(&self, packet: &[u8], repeat: u32) -> Result<TestRun<TcAction>> {
        test_run(&self.0, packet, repeat, Framing::Ethernet)
    }
}

impl TcxProgram {
    /// Attaches it to an interface, by name or index. It runs after those attached earlier, and before `:tc` programs.
    pub fn attach(&self, interface: impl Into<Interface>, direction: Direction) -> Result<TcxLink> {
        // `BPF_TCX_INGRESS` and `BPF_TCX_EGRESS`
        let hook = match direction {
            Direction::Ingress => Hook(46),
            Direction::Egress => Hook(47),
        };
        let interface = interface.into();
        let action = || attaching(&self.0, &interface, direction);
        let program = self.0.in_kernel(action)?;
        let index = interface.index(action)?;
        sys::link_create(program, index, hook).map(TcxLink::new).map_err(|error: io::Error| {
            match (error.raw_os_error(), KernelVersion::running()) {
                (Some(libc::EINVAL), Some(running)) if running < TCX => {
                    Error::KernelTooOld { action: action(), needed: TCX, running }
                }
                _ => Error::system(action(), Need::Networking, error),
            }
        })
    }

    /// Attaches it where its `(attach-point …)`s say: everywhere or, when one of them fails, nowhere.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        declared(self.0.spec)?.map(|(interface, direction)| Ok(self.attach(interface, direction)?.into())).collect()
    }

    /// Runs it on `packet`, from the Ethernet header on, without any interface.
    pub fn test_run(&self, packet: &[u8]) -> Result<TestRun<TcxAction>> {
        self.test_run_repeat(packet, 1)
    }

    /// Runs it on `packet` `repeat` times, for measuring: `data` is the packet after all of them, `duration` their mean.
    pub fn test_run_repeat(&self, packet: &[u8], repeat: u32) -> Result<TestRun<TcxAction>> {
        test_run(&self.0, packet, repeat, Framing::Ethernet)
    }
}

/// The interfaces and directions that a program's attach points name: `ingress:eth0`. The compiler has checked how they are written.
fn declared(spec: &ProgramSpec) -> Result<impl Iterator<Item = (&'static str, Direction)>> {
    if spec.attach_points.is_empty() {
        return Err(Error::NoAttachPoint { program: spec.name.to_owned() });
    }
    let points = spec.attach_points.iter().filter_map(|point| Direction::of_attach_point(point));
    Ok(points.filter_map(|(direction, interface)| Some((interface?, direction))))
}

common_to_programs!(TcProgram);
common_to_programs!(TcxProgram);
