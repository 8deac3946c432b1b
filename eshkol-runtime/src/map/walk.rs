//! Walking through a map's keys.

use super::Handle;
use crate::error::Result;

/// The keys of a map, as bytes.
///
/// The key after the one that is given out has been asked for already, so removing the latter does not start the walk again, as it would by
/// the kernel's rule that the key after a missing one is the first. A change by somebody else can: then keys are seen twice, or not at all.
pub(super) struct Walk<'a> {
    handle: &'a Handle,
    state: State,
}

enum State {
    Start,
    /// This key is the next to be given out.
    At(Vec<u8>),
    End,
}

impl<'a> Walk<'a> {
    pub(super) fn new(handle: &'a Handle) -> Self {
        Self { handle, state: State::Start }
    }

    fn step(&mut self) -> Result<Option<Vec<u8>>> {
        let current = match std::mem::replace(&mut self.state, State::End) {
            State::Start => self.handle.next_key(None)?,
            State::At(key) => Some(key),
            State::End => None,
        };
        let Some(current) = current else { return Ok(None) };
        if let Some(next) = self.handle.next_key(Some(&current))? {
            self.state = State::At(next);
        }
        Ok(Some(current))
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Vec<u8>>;

    /// After an error there is nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Elements of a map, as bytes: those that are still there when the walk comes to them.
pub(super) fn elements(handle: &Handle) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> {
    Walk::new(handle)
        .filter_map(|key| key.and_then(|key| Ok(handle.lookup(&key)?.map(|value| (key, value)))).transpose())
}

/// Removes every element that is there at the start.
pub(super) fn clear(handle: &Handle) -> Result<()> {
    // The keys first: with a program that inserts all the while, removing the first until there is none might never end.
    let keys = Walk::new(handle).collect::<Result<Vec<_>>>()?;
    for key in keys {
        handle.remove(&key)?;
    }
    Ok(())
}
