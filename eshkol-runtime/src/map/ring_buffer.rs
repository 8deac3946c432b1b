//! Ring buffers: events from programs, in the order in which they were sent.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Handle, Opened, Shape};
use crate::error::{Error, Need, Result};
use crate::global::Global;
use crate::plain::{InvalidValue, Plain};
use crate::spec::MapSpec;
use crate::sys::kind;
use crate::sys::mapping::{Mapping, page_size};

/// How many events [`RingBuf::drain`] takes at a time.
const AT_ONCE: usize = 64;

/// What comes through a ring buffer: a struct of the unit or, where programs send several, an enum of them.
pub trait Event: Sized {
    /// Reads an event from its bytes.
    fn decode_event(bytes: &[u8]) -> std::result::Result<Self, InvalidValue>;
}

impl<T: Plain> Event for T {
    fn decode_event(bytes: &[u8]) -> std::result::Result<Self, InvalidValue> {
        match bytes.get(..T::SIZE) {
            Some(event) if bytes.len() == T::SIZE => T::decode(event),
            _ => Err(InvalidValue::new(std::any::type_name::<T>(), bytes.len() as u64)),
        }
    }
}

/// What comes through a buffer that nothing is sent through.
impl Event for () {
    fn decode_event(bytes: &[u8]) -> std::result::Result<Self, InvalidValue> {
        Err(InvalidValue::new("()", bytes.len() as u64))
    }
}

/// A `:ringbuf` map whose events are `E`s.
///
/// An event that is taken is gone: threads that read the same buffer, through this handle or another, share its events.
pub struct RingBuf<E> {
    handle: Handle,
    lost: Global<u64>,
    /// Where events are read, for a buffer in the kernel.
    reader: Option<Mutex<Reader>>,
    events: std::marker::PhantomData<fn() -> E>,
}

impl<E: Event> RingBuf<E> {
    /// Takes over the ring buffer that `spec` declares; `lost` counts what it had no room for.
    #[doc(hidden)]
    pub fn new(map: Opened, spec: &'static MapSpec, lost: Global<u64>) -> Result<Self> {
        let handle = Handle::new(map, spec.name, Shape { kinds: &[kind::RINGBUF], key_size: None, value_size: None })?;
        let reader = if handle.is_simulated() {
            None
        } else {
            let reader = Reader::new(handle.as_fd(), handle.info().max_entries);
            Some(Mutex::new(reader.map_err(|error| handle.failed("map the memory of", error))?))
        };
        Ok(Self { handle, lost, reader, events: std::marker::PhantomData })
    }

    /// The next event, where there is one.
    pub fn try_next(&self) -> Result<Option<E>> {
        let mut event = None;
        self.take(1, |taken| event = Some(taken))?;
        Ok(event)
    }

    /// Takes up to `most` events.
    fn take(&self, most: usize, mut each: impl FnMut(E)) -> Result<()> {
        let mut each = |bytes: &[u8]| E::decode_event(bytes).map(&mut each);
        let taken = match &self.reader {
            Some(reader) => reader.lock().unwrap_or_else(PoisonError::into_inner).take(most, &mut each),
            None => (0..most).map_while(|_| self.handle.pop_event()).try_for_each(|bytes| each(&bytes)),
        };
        taken.map_err(|error| self.handle.invalid(error))
    }

    /// The next event, waiting for it at most this long.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<E>> {
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
            self.poll(left)?;
        }
    }

    /// The events that are there, one after the other; it ends where none is left.
    pub fn iter(&self) -> impl Iterator<Item = Result<E>> {
        std::iter::from_fn(|| self.try_next().transpose())
    }

    /// Gives every event that is there to `work`; gives how many there were. This is the fastest way to read them: it takes some dozens at a time.
    pub fn drain(&self, mut work: impl FnMut(E)) -> Result<usize> {
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

    /// How many events programs could not send since the unit was loaded, because there was no room for them: read faster, or say a larger
    /// `(size …)`.
    pub fn lost(&self) -> Result<u64> {
        self.lost.get()
    }

    /// Its name in the source.
    pub fn name(&self) -> &str {
        self.handle.name()
    }

    /// Waits until something may be there.
    fn poll(&self, timeout: Duration) -> Result<()> {
        // In whole milliseconds, rounded up: less would be no wait at all.
        let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
        let milliseconds = libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX);
        let mut poll = libc::pollfd { fd: self.handle.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one `pollfd`, which is live and ours.
        let result = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
        if result >= 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            // A signal came; the caller looks at the time.
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(Error::system(format!("wait for events of `{}`", self.name()), Need::Maps, error)),
        }
    }
}

impl<E> AsFd for RingBuf<E> {
    /// For epoll(7) and its kin: it is readable when there are events.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl<E> fmt::Debug for RingBuf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingBuf").field("name", &self.handle.name()).finish_non_exhaustive()
    }
}

/// Reads a ring buffer's memory, as `kernel/bpf/ringbuf.c` lays it out: a page with the reader's place, a page with the writer's, and then the
/// data twice, one behind the other, so that no event is ever in two pieces.
#[derive(Debug)]
struct Reader {
    consumer: Mapping,
    producer: Mapping,
    page: usize,
    size: u64,
}

/// Set in an event's length while it is being written (`BPF_RINGBUF_BUSY_BIT`).
const BUSY: u32 = 1 << 31;
/// Set in an event's length where it was given up (`BPF_RINGBUF_DISCARD_BIT`).
const DISCARDED: u32 = 1 << 30;
/// Bytes before each event (`BPF_RINGBUF_HDR_SZ`).
const HEADER: usize = 8;

impl Reader {
    fn new(fd: BorrowedFd<'_>, size: u32) -> io::Result<Self> {
        let page = page_size();
        let consumer = Mapping::new(fd, 0, page, true)?;
        let producer = Mapping::new(fd, page, page + 2 * size as usize, false)?;
        Ok(Self { consumer, producer, page, size: size.into() })
    }

    /// Takes up to `most` events, and gives the bytes of each to `each`; one that it does not take for an event is gone, and the last. Their room is
    /// given back once, at the end: that is what takes time.
    fn take<R>(
        &mut self,
        most: usize,
        each: &mut impl FnMut(&[u8]) -> std::result::Result<(), R>,
    ) -> std::result::Result<(), R> {
        let start = self.consumer.load_u64(0);
        let (mut place, mut end, mut left) = (start, start, most);
        let mut result = Ok(());
        while left > 0 && result.is_ok() {
            if place >= end {
                end = self.producer.load_u64(0);
                if place >= end {
                    break;
                }
            }
            // The size is a power of two below 2³², so the rest is an index.
            let at = self.page + usize::try_from(place & (self.size - 1)).unwrap_or_default();
            let length = self.producer.load_u32(at);
            if length & BUSY != 0 {
                break;
            }
            let bytes = (length & !DISCARDED) as usize;
            if length & DISCARDED == 0 {
                // SAFETY: the kernel has published it, and leaves it alone until its room is given back below.
                result = each(unsafe { self.producer.bytes(at + HEADER, bytes) });
                left -= 1;
            }
            place += (HEADER + bytes).next_multiple_of(HEADER) as u64;
        }
        if place != start {
            self.consumer.store_u64(0, place);
        }
        result
    }
}
