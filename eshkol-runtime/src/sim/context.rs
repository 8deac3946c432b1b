//! What programs are called with, by their type.

use super::environment::Environment;
use super::memory::{Fault, counted};
use super::packet::Packet;
use super::socket_buffer::SocketBuffer;

/// What a program is called with.
#[derive(Debug)]
pub(super) enum Context {
    /// `struct xdp_md`, and the packet behind it.
    Xdp(Packet),
    /// `struct __sk_buff`, and the packet behind it.
    SocketBuffer(SocketBuffer),
    /// Memory that the test gives, and nothing of the kernel's.
    Given,
}

/// Bytes of `struct xdp_md`.
pub(super) const XDP_MD: usize = 24;

impl Context {
    /// What the program reads of it. The context in the kernel is another struct; what is read is what the verifier puts in place of the access, so
    /// only whole fields can be, and some give more than their size says.
    pub(super) fn load(&self, environment: &Environment, offset: usize, size: usize) -> Result<u64, Fault> {
        let packet = match self {
            Self::Xdp(packet) => packet,
            Self::SocketBuffer(buffer) => return buffer.load(environment, offset, size),
            Self::Given => return Err(Fault::new("reads a context that it has not been given")),
        };
        let [meta, data, end] = packet.addresses();
        let (interface, queue) = environment.ingress;
        match (offset, size) {
            (0, 4) => Ok(data),
            (4, 4) => Ok(end),
            (8, 4) => Ok(meta),
            (12, 4) => Ok(interface.into()),
            (16, 4) => Ok(queue.into()),
            (20, 4) => Err(Fault::new("reads the egress interface, which only a program in a device map has")),
            _ => Err(Fault(format!(
                "reads {} at offset {offset} of the context, where no field of that size is",
                counted(size)
            ))),
        }
    }

    /// Writes to it what the program may write.
    pub(super) fn store(&mut self, offset: usize, size: usize, value: u64) -> Result<(), Fault> {
        match self {
            Self::SocketBuffer(buffer) => buffer.store(offset, size, value),
            Self::Xdp(_) | Self::Given => {
                Err(Fault::new("writes to the context, which programs of this type can't change"))
            }
        }
    }

    /// The packet, where it has one.
    pub(super) fn packet(&mut self) -> Option<&mut Packet> {
        match self {
            Self::Xdp(packet) => Some(packet),
            Self::SocketBuffer(buffer) => Some(&mut buffer.packet),
            Self::Given => None,
        }
    }
}
