//! What all handles on events have in common: an event is taken out of where the kernel or the simulator put it, and read as a value.

use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Handle;
use crate::error::{Error, Need, Result};
use crate::global::Global;
use crate::plain::{InvalidValue, Plain};
use crate::sys::readiness;

/// How many events [`Events::drain`] takes at a time.
const AT_ONCE: usize = 64;

/// What programs send: a struct of the unit or, where they send several, an enum of them.
pub trait Event: Sized {
    /// Bytes of each kind of event.
    const SIZES: &'static [usize];

    /// Reads an event from its bytes.
    fn decode_event(bytes: &[u8]) -> std::result::Result<Self, InvalidValue>;
}

impl<T: Plain> Event for T {
    const SIZES: &'static [usize] = &[T::SIZE];

    fn decode_event(bytes: &[u8]) -> std::result::Result<Self, InvalidValue> {
        match bytes.get(..T::SIZE) {
            Some(event) if bytes.len() == T::SIZE => T::decode(event),
            _ => Err(InvalidValue::new(std::any::type_name::<T>(), bytes.len() as u64)),
        }
    }
}

/// What comes where nothing is sent.
impl Event for () {
    const SIZES: &'static [usize] = &[];

    fn decode_event(bytes: &[u8]) -> std::result::Result<Self, InvalidValue> {
        Err(InvalidValue::new("()", bytes.len() as u64))
    }
}

/// Reads the memory into which the kernel puts events.
pub(super) trait Reader {
    /// Takes up to `most` events, and gives the bytes of each to `each`; one that it does not take for an event is gone, and the last.
    fn take<R>(
        &mut self,
        most: usize,
        each: &mut impl FnMut(&[u8]) -> std::result::Result<(), R>,
    ) -> std::result::Result<(), R>;

    /// The event itself in the bytes that came, where events have one of these sizes.
    fn event<'b>(bytes: &'b [u8], _sizes: &[usize]) -> &'b [u8] {
        bytes
    }
}

/// A map whose events are `E`s. An event that is taken is gone, whoever takes it.
pub(super) struct Events<E, R> {
    handle: Handle,
    lost: Global<u64>,
    /// Where events are read; `None` in the simulator, which hands them over.
    reader: Option<Mutex<R>>,
    events: PhantomData<fn() -> E>,
}

impl<E: Event, R: Reader> Events<E, R> {
    pub(super) fn new(handle: Handle, lost: Global<u64>, reader: Option<R>) -> Self {
        Self { handle, lost, reader: reader.map(Mutex::new), events: PhantomData }
    }

    pub(super) fn try_next(&self) -> Result<Option<E>> {
        let mut event = None;
        self.take(1, |taken| event = Some(taken))?;
        Ok(event)
    }

    /// Takes up to `most` events.
    fn take(&self, most: usize, mut each: impl FnMut(E)) -> Result<()> {
        let mut each = |bytes: &[u8]| E::decode_event(R::event(bytes, E::SIZES)).map(&mut each);
        let taken = match &self.reader {
            Some(reader) => reader.lock().unwrap_or_else(PoisonError::into_inner).take(most, &mut each),
            None => (0..most).map_while(|_| self.handle.pop_event()).try_for_each(|bytes| each(&bytes)),
        };
        taken.map_err(|error| self.handle.invalid(error))
    }

    /// The next event; `ready` is readable when there may be one.
    pub(super) fn next_timeout(&self, timeout: Duration, ready: BorrowedFd<'_>) -> Result<Option<E>> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            let left = end.saturating_duration_since(Instant::now());
            // Nothing comes while the simulator stands still.
            if left.is_zero() || self.reader.is_none() {
                return Ok(None);
            }
            readiness::wait(ready, left).map_err(|error| {
                Error::system(format!("wait for events of `{}`", self.handle.name()), Need::Maps, error)
            })?;
        }
    }

    pub(super) fn drain(&self, mut work: impl FnMut(E)) -> Result<usize> {
        let mut events = Vec::with_capacity(AT_ONCE);
        let mut count = 0;
        loop {
            let taken = self.take(AT_ONCE, |event| events.push(event));
            count += events.len();
            let last = events.is_empty();
            events.drain(..).for_each(&mut work);
            taken?;
            if last {
                return Ok(count);
            }
        }
    }
}

impl<E, R> Events<E, R> {
    /// What programs counted as lost.
    pub(super) fn lost(&self) -> Result<u64> {
        self.lost.get()
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What the reader knows, for a map in the kernel.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&R) -> T) -> Option<T> {
        let reader = self.reader.as_ref()?;
        Some(question(&reader.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
