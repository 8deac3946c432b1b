//! XDP programs.

use std::time::Duration;

use super::FromProgram;
use crate::error::Result;
use crate::interface::Interface;
use crate::link::{Link, XdpLink};

/// A loaded `:xdp` program.
#[derive(Debug)]
pub struct XdpProgram {}

impl FromProgram for XdpProgram {}

/// Where in the receive path an XDP program runs.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Default, Debug)]
pub enum XdpMode {
    /// In the driver where it can, else generic.
    #[default]
    Default,
    /// In the network stack, on any interface.
    Generic,
    /// In the driver.
    Native,
    /// In the network card.
    Offload,
}

/// What an XDP program decides on a packet (`enum xdp_action`).
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum XdpAction {
    /// The program failed: dropped, and counted as an exception.
    Aborted = 0,
    /// Dropped.
    Drop = 1,
    /// Handed to the network stack.
    Pass = 2,
    /// Sent back out of the interface it came in on.
    Tx = 3,
    /// Sent to another interface, CPU or socket.
    Redirect = 4,
}

/// What a test run gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestRun {
    /// What the program returned.
    pub return_value: u32,
    /// The packet as the program left it.
    pub data: Vec<u8>,
    /// Mean time of a run.
    pub duration: Duration,
}

impl TestRun {
    /// The decision, where the return value is one.
    pub fn action(&self) -> Option<XdpAction> {
        todo!()
    }
}

impl XdpProgram {
    /// Attaches it to an interface.
    pub fn attach(&self, interface: impl Into<Interface>) -> Result<XdpLink> {
        self.attach_with(interface, XdpMode::Default)
    }

    /// Attaches it to an interface, in this mode and no other.
    pub fn attach_with(&self, _interface: impl Into<Interface>, _mode: XdpMode) -> Result<XdpLink> {
        todo!()
    }

    /// Attaches it to every interface its `(attach-point …)`s name; to all of them or, when one fails, to none.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        todo!()
    }

    /// Runs it on `packet` without any interface.
    pub fn test_run(&self, packet: &[u8]) -> Result<TestRun> {
        self.test_run_repeat(packet, 1)
    }

    /// Runs it `repeat` times.
    pub fn test_run_repeat(&self, _packet: &[u8], _repeat: u32) -> Result<TestRun> {
        todo!()
    }
}
