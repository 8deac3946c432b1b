//! Network namespaces, with veth pairs between them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{self, Command};
use std::thread;

/// A network namespace of its own, with nothing in it but a loopback interface that is up. It is gone when this is dropped, with all that was in it.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// A new, empty one. Needs root.
    pub fn new() -> io::Result<Self> {
        // A thread of its own, since it is the thread that changes its namespace.
        let fd = thread::scope(|scope| scope.spawn(Self::unshare).join())
            .map_err(|_| io::Error::other("the thread died"))??;
        let namespace = Self { fd };
        namespace.ip("link set dev lo up")?;
        Ok(namespace)
    }

    fn unshare() -> io::Result<OwnedFd> {
        // SAFETY: no addresses; only this thread is changed, which ends soon.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // No chatter of IPv6 on the wires: what a test sees there, it has sent. Kernels without IPv6 have no such file.
        for which in ["all", "default"] {
            match fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1") {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(File::open("/proc/thread-self/ns/net")?.into())
    }

    /// Runs `work` in the namespace, on a thread of its own. Sockets and attachments made there stay there.
    ///
    /// # Panics
    ///
    /// Where `work` does, and where the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter_and_work = || {
            // SAFETY: a descriptor of a namespace that is alive; only this thread is changed, which ends after the work.
            let entered = unsafe { libc::setns(self.fd.as_fd().as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(entered, 0, "cannot enter the network namespace: {}", io::Error::last_os_error());
            work()
        };
        match thread::scope(|scope| scope.spawn(enter_and_work).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Runs `ip` in the namespace, with arguments that have no spaces in them: `ns.ip("addr add 10.0.0.1/24 dev a")`.
    pub fn ip(&self, arguments: &str) -> io::Result<()> {
        self.run(|| {
            let output = Command::new("ip").args(arguments.split_whitespace()).output()?;
            if output.status.success() {
                return Ok(());
            }
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(io::Error::other(format!("ip {arguments}: {message}")))
        })
    }

    /// Makes a pair of interfaces that are each other's wire: `here` in this namespace, `there` in the other. Both are up.
    pub fn veth(&self, here: &str, other: &Self, there: &str) -> io::Result<()> {
        let other_namespace = format!("/proc/{}/fd/{}", process::id(), other.fd.as_raw_fd());
        self.ip(&format!("link add name {here} type veth peer name {there} netns {other_namespace}"))?;
        self.ip(&format!("link set dev {here} up"))?;
        other.ip(&format!("link set dev {there} up"))
    }
}
