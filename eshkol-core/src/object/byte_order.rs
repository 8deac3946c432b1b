//! Numbers as bytes in the target's order.

use super::Error;
use crate::compile::Endianness;

/// Bytes that grow.
#[derive(Debug)]
pub(super) struct Bytes {
    bytes: Vec<u8>,
    endianness: Endianness,
}

impl Bytes {
    /// None yet.
    pub(super) fn new(endianness: Endianness) -> Self {
        Self { bytes: Vec::new(), endianness }
    }

    /// One byte.
    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes.
    pub(super) fn u16(&mut self, value: u16) {
        self.bytes.extend(match self.endianness {
            Endianness::Little => value.to_le_bytes(),
            Endianness::Big => value.to_be_bytes(),
        });
    }

    /// Four bytes.
    pub(super) fn u32(&mut self, value: u32) {
        self.bytes.extend(match self.endianness {
            Endianness::Little => value.to_le_bytes(),
            Endianness::Big => value.to_be_bytes(),
        });
    }

    /// Bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many there are.
    pub(super) fn len(&self) -> Result<u32, Error> {
        size(self.bytes.len())
    }

    /// All of them.
    pub(super) fn into_vec(self) -> Vec<u8> {
        self.bytes
    }
}

/// A size as the 32-bit number that object files hold.
pub(super) fn size(bytes: usize) -> Result<u32, Error> {
    u32::try_from(bytes).map_err(|_| Error::new("the object is larger than 4 GiB"))
}
