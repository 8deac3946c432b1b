//! Which bytes of a region have been written.

use std::ops::Range;

/// A bit for each byte of a region.
#[derive(Clone, Debug)]
pub(super) struct Initialised(Vec<u64>);

impl Initialised {
    /// None of so many bytes.
    pub(super) fn none(bytes: usize) -> Self {
        Self(vec![0; bytes.div_ceil(64)])
    }

    pub(super) fn set(&mut self, range: Range<usize>) {
        for byte in range {
            if let Some(word) = self.0.get_mut(byte / 64) {
                *word |= 1 << (byte % 64);
            }
        }
    }

    /// The first byte of the range that has not been written.
    pub(super) fn first_missing(&self, mut range: Range<usize>) -> Option<usize> {
        range.find(|byte| self.0.get(byte / 64).is_none_or(|word| word >> (byte % 64) & 1 == 0))
    }
}
