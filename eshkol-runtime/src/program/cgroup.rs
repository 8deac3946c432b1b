//! Programs at cgroups.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use super::test_run::{Action, Framing, TestRun, test_run};
use super::{Direction, Handle, common_to_programs};
use crate::error::{Error, Need, Result};
use crate::kernel_version::KernelVersion;
use crate::link::{CgroupLink, Link};
use crate::sys::{self, Hook};

/// A loaded `:cgroup-skb` program.
#[derive(Debug)]
pub struct CgroupSkbProgram(Handle);

/// A loaded `:cgroup-sock-addr` program.
#[derive(Debug)]
pub struct CgroupSockAddrProgram(Handle);

/// What a cgroup's program decides.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum CgroupAction {
    /// The packet is dropped; the system call gives "operation not permitted".
    Deny = 0,
    /// On with it.
    Allow = 1,
}

impl Action for CgroupAction {
    fn from_return_value(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Deny),
            1 => Some(Self::Allow),
            _ => None,
        }
    }
}

/// The oldest kernel with links for cgroups.
const CGROUP_LINKS: KernelVersion = KernelVersion::new(5, 7);
/// The oldest kernel that shows programs the packet of a test run. Before, what ends it is 0 (`bpf_prog_test_run_skb` in `net/bpf/test_run.c`, until the
/// commit "bpf: fix cgroup_skb prog test run direct packet access").
const TEST_RUNS_SHOW_PACKETS: KernelVersion = KernelVersion::new(6, 14);
/// `CGROUP2_SUPER_MAGIC` of include/uapi/linux/magic.h.
const CGROUP2: i64 = 0x6367_7270;

/// Attaches a program to a hook of the cgroup in a directory.
fn attach(program: &Handle, cgroup: &Path, hook_name: &str, hook: Hook) -> Result<CgroupLink> {
    let action = || format!("attach program `{}` to `{hook_name}` of cgroup {}", program.spec.name, cgroup.display());
    let descriptor = program.in_kernel(action)?;
    let directory = File::open(cgroup).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::with_advice(
            action(),
            "There is no such directory. A cgroup is a directory in the cgroup2 file system, usually below /sys/fs/cgroup or \
             /sys/fs/cgroup/unified; `mkdir` makes one",
            error,
        ),
        _ => Error::system(action(), Need::Networking, error),
    })?;
    sys::link_create_at(descriptor, directory.as_fd(), hook).map(CgroupLink::new).map_err(|error| {
        if !sys::is_on_file_system(directory.as_fd(), CGROUP2) {
            let advice = "That directory is not in a cgroup2 file system, which `mount -t cgroup2` lists";
            return Error::with_advice(action(), advice, error);
        }
        match (error.raw_os_error(), KernelVersion::running()) {
            (Some(libc::EINVAL), Some(running)) if running < CGROUP_LINKS => {
                Error::KernelTooOld { action: action(), needed: CGROUP_LINKS, running }
            }
            _ => Error::system(action(), Need::Networking, error),
        }
    })
}

impl CgroupSkbProgram {
    /// Attaches it to the packets of the sockets of the cgroup in a directory, and of those below it.
    pub fn attach(&self, cgroup: impl AsRef<Path>, direction: Direction) -> Result<CgroupLink> {
        // `BPF_CGROUP_INET_INGRESS` and `BPF_CGROUP_INET_EGRESS`
        let hook = match direction {
            Direction::Ingress => Hook(0),
            Direction::Egress => Hook(1),
        };
        attach(&self.0, cgroup.as_ref(), &direction.to_string(), hook)
    }

    /// Attaches it where its `(attach-point …)`s say: everywhere or, when one of them fails, nowhere.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        let points = self.0.spec.attach_points.iter().filter_map(|point| Direction::of_attach_point(point));
        let links = points.map(|(direction, cgroup)| {
            let cgroup = cgroup.ok_or_else(|| no_cgroup(&self.0))?;
            Ok(self.attach(cgroup, direction)?.into())
        });
        let links: Vec<Link> = links.collect::<Result<_>>()?;
        if links.is_empty() { Err(no_cgroup(&self.0)) } else { Ok(links) }
    }

    /// Runs it on `packet`, from the IP header on, without any socket.
    ///
    /// An error on kernels before Linux 6.14, which would show it an empty packet and take its answer to that (`bpf_prog_test_run_skb` in
    /// `net/bpf/test_run.c`); the simulator shows it the packet.
    pub fn test_run(&self, packet: &[u8]) -> Result<TestRun<CgroupAction>> {
        self.test_run_repeat(packet, 1)
    }

    /// The same `repeat` times, for measuring: `duration` is their mean.
    pub fn test_run_repeat(&self, packet: &[u8], repeat: u32) -> Result<TestRun<CgroupAction>> {
        const IPV4: u16 = 0x0800;
        const IPV6: u16 = 0x86dd;
        let version = packet.first().map_or(0, |byte| byte >> 4);
        let ether_type = if version == 6 { IPV6 } else { IPV4 };
        test_run(&self.0, packet, repeat, Framing::Bare { ether_type, shown_since: Some(TEST_RUNS_SHOW_PACKETS) })
    }
}

impl CgroupSockAddrProgram {
    /// Attaches it to what processes of the cgroup in a directory, and of those below it, do with addresses: to the hook that its `(attach-point …)`
    /// names.
    pub fn attach(&self, cgroup: impl AsRef<Path>) -> Result<CgroupLink> {
        let name = self.hook();
        let hook = HOOKS.iter().find(|(known, _)| *known == name);
        let hook = hook.ok_or_else(|| Error::NoAttachPoint { program: self.name().to_owned() })?;
        attach(&self.0, cgroup.as_ref(), name, hook.1)
    }

    /// Attaches it to every cgroup that its `(attach-point …)`s name: to all of them or, when one fails, to none.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        let points = self.0.spec.attach_points.iter();
        points
            .map(|point| match point.split_once(':') {
                Some((_, cgroup)) => Ok(self.attach(cgroup)?.into()),
                None => Err(no_cgroup(&self.0)),
            })
            .collect()
    }

    #[cfg(feature = "sim")]
    pub(super) fn handle(&self) -> &Handle {
        &self.0
    }

    /// The hook that it was compiled for.
    pub fn hook(&self) -> &'static str {
        let point = self.0.spec.attach_points.first().copied().unwrap_or_default();
        point.split(':').next().unwrap_or(point)
    }
}

/// Hooks for addresses, in `enum bpf_attach_type`.
const HOOKS: &[(&str, Hook)] = &[
    ("bind4", Hook(8)),
    ("bind6", Hook(9)),
    ("connect4", Hook(10)),
    ("connect6", Hook(11)),
    ("sendmsg4", Hook(14)),
    ("sendmsg6", Hook(15)),
    ("recvmsg4", Hook(19)),
    ("recvmsg6", Hook(20)),
    ("getpeername4", Hook(29)),
    ("getpeername6", Hook(30)),
    ("getsockname4", Hook(31)),
    ("getsockname6", Hook(32)),
];

fn no_cgroup(program: &Handle) -> Error {
    let hook = program.spec.attach_points.first().copied().unwrap_or("egress");
    Error::with_advice(
        format!("attach program `{}` where its source says", program.spec.name),
        format!(
            "It does not say to which cgroup. Write `(attach-point \"{hook}:/sys/fs/cgroup/…\")`, or name the cgroup with `attach`"
        ),
        io::Error::from(io::ErrorKind::InvalidInput),
    )
}

common_to_programs!(CgroupSkbProgram);
common_to_programs!(CgroupSockAddrProgram);
