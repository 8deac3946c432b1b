//! What programs are called with, by their type.

use super::environment::Environment;
use super::memory::{Fault, counted};
use super::packet::Packet;

/// What a program is called with.
#[derive(Debug)]
pub(super) enum Context {
    /// `struct xdp_md`, and the packet behind it.
    Xdp(Packet),
    /// Memory that the test gives, and nothing of the kernel's.
    Given,
}

/// Bytes of `struct xdp_md`.
pub(super) const XDP_MD: usize = 24;

impl Context {
    /// What the program reads of it. The context in the kernel is another struct; what is read is what the verifier puts in place of the access, so
    /// only whole fields can be, and some give more than their size says.
    pub(super) fn load(&self, environment: &Environment, offset: usize, size: usize) -> Result<u64, Fault> {
        let Self::Xdp(packet) = self else {
            return Err(Fault::new("reads a context that it has not been given"));
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
}
