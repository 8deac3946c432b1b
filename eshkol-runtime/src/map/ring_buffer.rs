//! Ring buffers: events from programs, in the order in which they were sent.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::events::{Event, Events, Reader};
use super::{Handle, Opened, Shape};
use crate::error::Result;
use crate::global::Global;
use crate::spec::MapSpec;
use crate::sys::kind;
use crate::sys::mapping::{Mapping, page_size};

/// A `:ringbuf` map whose events are `E`s.
///
/// An event that is taken is gone: threads that read the same buffer, through this handle or another, share its events.
pub struct RingBuf<E>(Events<E, Memory>);

impl<E: Event> RingBuf<E> {
    /// Takes over the ring buffer that `spec` declares; `lost` counts what it had no room for.
    #[doc(hidden)]
    pub fn new(map: Opened, spec: &'static MapSpec, lost: Global<u64>) -> Result<Self> {
        let handle = Handle::new(map, spec.name, Shape { kinds: &[kind::RINGBUF], key_size: None, value_size: None })?;
        let memory = if handle.is_simulated() {
            None
        } else {
            let memory = Memory::new(handle.as_fd(), handle.info().max_entries);
            Some(memory.map_err(|error| handle.failed("map the memory of", error))?)
        };
        Ok(Self(Events::new(handle, lost, memory)))
    }

    /// The next event, where there is one.
    pub fn try_next(&self) -> Result<Option<E>> {
        self.0.try_next()
    }

    /// The next event, waiting for it at most this long.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<E>> {
        self.0.next_timeout(timeout, self.as_fd())
    }

    /// The events that are there, one after the other; it ends where none is left.
    pub fn iter(&self) -> impl Iterator<Item = Result<E>> {
        std::iter::from_fn(|| self.try_next().transpose())
    }

    /// Gives every event that is there to `work`; gives how many there were. This is the fastest way to read them: it takes some dozens at a time.
    pub fn drain(&self, work: impl FnMut(E)) -> Result<usize> {
        self.0.drain(work)
    }

    /// How many events programs could not send since the unit was loaded, because there was no room for them: read faster, or say a larger
    /// `(size …)`.
    pub fn lost(&self) -> Result<u64> {
        self.0.lost()
    }

    /// Its name in the source.
    pub fn name(&self) -> &str {
        self.0.handle().name()
    }
}

impl<E> AsFd for RingBuf<E> {
    /// For epoll(7) and its kin: it is readable when there are events.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.handle().as_fd()
    }
}

impl<E> fmt::Debug for RingBuf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingBuf").field("name", &self.0.handle().name()).finish_non_exhaustive()
    }
}

/// A ring buffer's memory, as `kernel/bpf/ringbuf.c` lays it out: a page with the reader's place, a page with the writer's, and then the
/// data twice, one behind the other, so that no event is ever in two pieces.
#[derive(Debug)]
struct Memory {
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

impl Memory {
    fn new(fd: BorrowedFd<'_>, size: u32) -> io::Result<Self> {
        let page = page_size();
        let consumer = Mapping::new(fd, 0, page, true)?;
        let producer = Mapping::new(fd, page, page + 2 * size as usize, false)?;
        Ok(Self { consumer, producer, page, size: size.into() })
    }
}

impl Reader for Memory {
    /// The room of all events is given back once, at the end: that is what takes time.
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
