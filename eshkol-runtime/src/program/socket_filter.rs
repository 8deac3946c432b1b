//! Programs that filter what sockets get.

use std::io;
use std::os::fd::AsFd;

use super::test_run::{Action, Framing, TestRun, test_run};
use super::{Handle, common_to_programs};
use crate::error::{Error, Need, Result};
use crate::interface::Interface;
use crate::link::{Link, PacketSocket, SocketFilterLink};
use crate::sys::packet_socket;

/// A loaded `:socket-filter` program.
#[derive(Debug)]
pub struct SocketFilterProgram(Handle);

/// How many bytes of the packet a socket filter keeps at most; 0 drops it.
impl Action for u32 {
    fn from_return_value(value: Self) -> Option<Self> {
        Some(value)
    }
}

impl SocketFilterProgram {
    /// Attaches it to a socket of any kind, in place of the filter that it has. What the packets begin with is up to the socket: a raw packet
    /// socket's with an Ethernet header, a UDP or TCP socket's with the UDP or TCP header.
    pub fn attach(&self, socket: impl AsFd) -> Result<SocketFilterLink> {
        let action = || format!("attach program `{}` to a socket", self.name());
        let program = self.0.in_kernel(action)?;
        let failed = |error: io::Error| match error.raw_os_error() {
            Some(libc::ENOTSOCK) => Error::with_advice(action(), "What was given is no socket", error),
            Some(libc::EPERM) => {
                let advice = "The socket's filter is locked (`SO_LOCK_FILTER`)";
                Error::with_advice(action(), advice, error)
            }
            _ => Error::system(action(), Need::Maps, error),
        };
        let socket = socket.as_fd().try_clone_to_owned().map_err(failed)?;
        packet_socket::attach_filter(socket.as_fd(), program).map_err(failed)?;
        Ok(SocketFilterLink::new(socket))
    }

    /// Attaches it to a raw packet socket of its own, which gets every packet that comes or goes through an interface, by name or index.
    pub fn attach_to_interface(&self, interface: impl Into<Interface>) -> Result<PacketSocket> {
        let interface = interface.into();
        let action = || format!("attach program `{}` to the packets of interface `{interface}`", self.name());
        let program = self.0.in_kernel(action)?;
        let index = interface.index(action)?;
        let failed = |error| match io::Error::raw_os_error(&error) {
            Some(libc::EPERM) => Error::with_advice(action(), "Raw packet sockets take CAP_NET_RAW", error),
            _ => Error::system(action(), Need::Networking, error),
        };
        let socket = packet_socket::open().map_err(failed)?;
        // Nothing comes before the filter is there.
        packet_socket::attach_filter(socket.as_fd(), program).map_err(failed)?;
        packet_socket::bind(socket.as_fd(), index).map_err(failed)?;
        Ok(PacketSocket::new(socket))
    }

    /// Attaches it to the packets of every interface that its `(attach-point …)`s name: of all of them or, when one fails, of none.
    pub fn attach_declared(&self) -> Result<Vec<Link>> {
        if self.0.spec.attach_points.is_empty() {
            return Err(Error::NoAttachPoint { program: self.name().to_owned() });
        }
        // On the first failure the sockets made so far are dropped, which closes them.
        let points = self.0.spec.attach_points.iter();
        points.map(|interface| self.attach_to_interface(*interface).map(Link::from)).collect()
    }

    /// Runs it on `packet`, as a socket would give it, without any socket. The action is how many bytes it keeps.
    pub fn test_run(&self, packet: &[u8]) -> Result<TestRun<u32>> {
        self.test_run_repeat(packet, 1)
    }

    /// The same `repeat` times, for measuring: `duration` is their mean.
    pub fn test_run_repeat(&self, packet: &[u8], repeat: u32) -> Result<TestRun<u32>> {
        // Most filters are for raw packet sockets, whose packets say their type there.
        let ether_type = packet.get(12..14).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_be_bytes);
        test_run(&self.0, packet, repeat, Framing::Bare { ether_type, shown_since: None })
    }
}

common_to_programs!(SocketFilterProgram);
