//! Programs at sockets.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::error::{Error, Need, Result};
use crate::sys::packet_socket;

/// The attachment of a `:socket-filter` program to a socket. Dropping it takes the program off the socket.
///
/// A socket has one filter: attaching another replaces it, and dropping any of their links takes off the one that is there.
#[derive(Debug)]
#[must_use = "dropping the link detaches the program"]
pub struct SocketFilterLink(OwnedFd);

impl SocketFilterLink {
    /// Of a program attached to what this is a descriptor of.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Takes the program off the socket.
    pub fn detach(self) -> Result<()> {
        let detached = packet_socket::detach_filter(self.0.as_fd());
        self.forget();
        match detached {
            // It is gone already.
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => {
                Err(Error::system("detach a socket filter", Need::Maps, error))
            }
            _ => Ok(()),
        }
    }

    /// Leaves the program attached for as long as the process or the socket lives, whichever is longer.
    pub fn forget(self) {
        mem::forget(self);
    }
}

impl Drop for SocketFilterLink {
    fn drop(&mut self) {
        // Nobody is there to be told; `detach` tells.
        let _ = packet_socket::detach_filter(self.0.as_fd());
    }
}

/// A raw packet socket that a `:socket-filter` program lets packets of one interface through to, as
/// [`SocketFilterProgram::attach_to_interface`](crate::SocketFilterProgram::attach_to_interface) makes it. Dropping it closes it, and with that detaches
/// the program.
///
/// It need not be read: a program that returns 0 keeps every packet from it.
#[derive(Debug)]
#[must_use = "dropping the socket detaches the program"]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// The next packet, as much of it as the program kept and fits into `buffer`, if one comes within the time. Gives how many bytes the program
    /// kept.
    pub fn receive(&self, buffer: &mut [u8], timeout: Duration) -> Result<Option<usize>> {
        // Whole milliseconds, rounded up: what is left of one would be a busy wait.
        let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
        let milliseconds = libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX);
        packet_socket::receive(self.0.as_fd(), buffer, milliseconds)
            .map_err(|error| Error::system("receive from a packet socket", Need::Networking, error))
    }

    /// Closes it, which detaches the program.
    pub fn detach(self) {}

    /// Leaves it open, and the program attached, for as long as the process lives.
    pub fn forget(self) {
        mem::forget(self);
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
