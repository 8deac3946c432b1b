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
        let mut at = range.start;
        while at < range.end {
            let (mask, next) = part(at, range.end);
            if let Some(word) = self.0.get_mut(at / 64) {
                *word |= mask;
            }
            at = next;
        }
    }

    /// The first byte of the range that has not been written.
    pub(super) fn first_missing(&self, range: Range<usize>) -> Option<usize> {
        let mut at = range.start;
        while at < range.end {
            let (mask, next) = part(at, range.end);
            let missing = mask & !self.0.get(at / 64).copied().unwrap_or(0);
            if missing != 0 {
                return Some(at / 64 * 64 + missing.trailing_zeros() as usize);
            }
            at = next;
        }
        None
    }
}

/// The bits of a range that are in the word of its start, and where the rest of it starts.
fn part(start: usize, end: usize) -> (u64, usize) {
    let next = end.min((start / 64 + 1) * 64);
    let ones = u64::MAX >> (64 - (next - start));
    (ones << (start % 64), next)
}
