//! Maps of where packets are redirected to: interfaces, CPUs, AF_XDP sockets.

use std::os::fd::{AsFd, AsRawFd};

use super::{FromMap, Handle, Opened, Shape, common_to_handles};
use crate::error::Result;
use crate::interface::Interface;
use crate::spec::MapSpec;
use crate::sys::kind;

/// A `:devmap` or `:devmap-hash`: interfaces by index or key.
pub struct DevMap(Handle);

/// A `:cpumap`: CPUs that packets are handed to, by number.
pub struct CpuMap(Handle);

/// An `:xskmap`: AF_XDP sockets, by queue.
pub struct XskMap(Handle);

impl DevMap {
    /// Has packets for `index` sent out of `interface`. In the simulator, an interface given by its index need not be there.
    pub fn set(&self, index: u32, interface: impl Into<Interface>) -> Result<()> {
        let key = self.key(index)?;
        let interface = interface.into();
        let ifindex = match interface {
            // The simulator sends nothing anywhere, so any number will do.
            Interface::Index(index) if self.0.is_simulated() => index,
            _ => interface.index(|| format!("put interface `{interface}` into map `{}`", self.name()))?,
        };
        self.0.set(&key, &without_program(&self.0, ifindex))
    }

    /// The index of the interface at `index`.
    pub fn get(&self, index: u32) -> Result<Option<u32>> {
        let value = self.0.lookup(&self.key(index)?)?;
        value.map(|bytes| self.0.decode(&bytes[..4])).transpose()
    }

    /// Clears `index`. False: there was nothing (a `:devmap` does not tell).
    pub fn remove(&self, index: u32) -> Result<bool> {
        self.0.remove(&self.key(index)?)
    }

    fn key(&self, index: u32) -> Result<[u8; 4]> {
        // The hash takes any number.
        if self.0.info().kind == kind::DEVMAP { self.0.index(index) } else { Ok(index.to_ne_bytes()) }
    }
}

impl CpuMap {
    /// Has packets for `cpu` handed to that CPU, through a queue of `queue_size` packets.
    pub fn set(&self, cpu: u32, queue_size: u32) -> Result<()> {
        self.0.set(&self.0.index(cpu)?, &without_program(&self.0, queue_size))
    }

    /// The size of the queue of `cpu`.
    pub fn get(&self, cpu: u32) -> Result<Option<u32>> {
        let value = self.0.lookup(&self.0.index(cpu)?)?;
        value.map(|bytes| self.0.decode(&bytes[..4])).transpose()
    }

    /// Has no packets handed to `cpu` any more.
    pub fn remove(&self, cpu: u32) -> Result<()> {
        self.0.remove(&self.0.index(cpu)?).map(|_| ())
    }
}

impl XskMap {
    /// Has packets for `queue` handed to `socket`, an AF_XDP socket bound to it.
    pub fn set(&self, queue: u32, socket: impl AsFd) -> Result<()> {
        self.0.set(&self.0.index(queue)?, &socket.as_fd().as_raw_fd().to_ne_bytes())
    }

    /// Has no packets handed to a socket for `queue` any more.
    pub fn remove(&self, queue: u32) -> Result<()> {
        self.0.remove(&self.0.index(queue)?).map(|_| ())
    }
}

/// A value of the map: a number and, where there is room for one (`struct bpf_devmap_val`, `bpf_cpumap_val`), no program. aya makes room on kernels
/// that can run one.
fn without_program(handle: &Handle, number: u32) -> Vec<u8> {
    let mut value = number.to_ne_bytes().to_vec();
    value.resize(handle.lookup_size(), 0);
    value
}

macro_rules! redirect_map {
    ($name:ident, $kinds:expr) => {
        impl $name {
            fn handle(&self) -> &Handle {
                &self.0
            }

            fn from_handle(handle: Handle) -> Self {
                Self(handle)
            }
        }

        impl FromMap for $name {
            fn from_map(map: Opened, spec: &'static MapSpec) -> Result<Self> {
                let shape = Shape { kinds: $kinds, key_size: Some(4), value_size: None };
                Handle::new(map, spec.name, shape).map(Self::from_handle)
            }
        }

        common_to_handles!($name);
    };
}

redirect_map!(DevMap, &[kind::DEVMAP, kind::DEVMAP_HASH]);
redirect_map!(CpuMap, &[kind::CPUMAP]);
redirect_map!(XskMap, &[kind::XSKMAP]);
