//! Buffers of the CPUs: events from programs, those of each CPU in the order in which they were sent.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::events::{Event, Events, Reader};
use super::per_cpu::online_cpus;
use super::{Handle, Opened, Shape};
use crate::error::{Error, Need, Result};
use crate::global::Global;
use crate::spec::MapSpec;
use crate::sys::mapping::{Mapping, page_size};
use crate::sys::{kind, perf, readiness};

/// Bytes of a buffer, unless its pages are set.
const USUAL_SIZE: usize = 256 << 10;

/// A `:perf-event-array` map whose events are `E`s.
///
/// Each CPU that is online when the unit is loaded has a buffer, and is read in its turn: events of one CPU come in the order in which they were
/// sent, those of several may not. An event that is taken is gone: threads that read through this handle share its events.
pub struct PerfEventArray<E> {
    events: Events<E, Buffers>,
    /// Readable when events have come.
    ready: Option<OwnedFd>,
}

impl<E: Event> PerfEventArray<E> {
    /// Takes over the map that `spec` declares, and opens a buffer of so many pages for each CPU; `lost` counts what programs could not send.
    #[doc(hidden)]
    pub fn new(map: Opened, spec: &'static MapSpec, lost: Global<u64>, pages: Option<u32>) -> Result<Self> {
        let shape = Shape { kinds: &[kind::PERF_EVENT_ARRAY], key_size: Some(4), value_size: Some(4) };
        let handle = Handle::new(map, spec.name, shape)?;
        let page = page_size();
        let size = pages.map_or(USUAL_SIZE.max(page), |pages| (pages as usize).saturating_mul(page));
        #[cfg(feature = "sim")]
        if handle.is_simulated() {
            handle.open_buffers(size);
            return Ok(Self { events: Events::new(handle, lost, None), ready: None });
        }
        let buffers = Buffers::open(&handle, page, size)?;
        let ready = readiness::any_of(buffers.buffers.iter().map(|buffer| buffer.event.as_fd()))
            .map_err(|error| handle.failed("watch the buffers of", error))?;
        Ok(Self { events: Events::new(handle, lost, Some(buffers)), ready: Some(ready) })
    }

    /// The next event, where there is one.
    pub fn try_next(&self) -> Result<Option<E>> {
        self.events.try_next()
    }

    /// The next event, waiting for it at most this long.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<E>> {
        self.events.next_timeout(timeout, self.as_fd())
    }

    /// The events that are there, one after the other; it ends where none is left.
    pub fn iter(&self) -> impl Iterator<Item = Result<E>> {
        std::iter::from_fn(|| self.try_next().transpose())
    }

    /// Gives every event that is there to `work`; gives how many there were. This is the fastest way to read them: it takes some dozens at a time.
    pub fn drain(&self, work: impl FnMut(E)) -> Result<usize> {
        self.events.drain(work)
    }

    /// How many events programs could not send since the unit was loaded: there was no room for them, or the CPU has no buffer. Read faster, or
    /// have it loaded with more pages.
    pub fn lost(&self) -> Result<u64> {
        // Programs count what they are told. Before Linux 5.1 they are not told that there is no room; the kernel counts that itself, and says so with
        // the next event.
        let told = self.events.ask(|buffers| buffers.lost).unwrap_or_default();
        Ok(self.events.lost()?.max(told))
    }

    /// Its name in the source.
    pub fn name(&self) -> &str {
        self.events.handle().name()
    }
}

impl<E> AsFd for PerfEventArray<E> {
    /// For epoll(7) and its kin: it becomes readable when events come. Take all of them then: those that are left do not make it readable again.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_ref().map_or_else(|| self.events.handle().as_fd(), AsFd::as_fd)
    }
}

impl<E> fmt::Debug for PerfEventArray<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerfEventArray").field("name", &self.events.handle().name()).finish_non_exhaustive()
    }
}

/// The buffers of all CPUs.
#[derive(Debug)]
struct Buffers {
    buffers: Vec<Buffer>,
    /// The one that is read next.
    next: usize,
    /// How many events the kernel has said that it had no room for.
    lost: u64,
}

/// The buffer of a CPU, as `include/uapi/linux/perf_event.h` lays it out: a page with the places of writer and reader, then the records.
#[derive(Debug)]
struct Buffer {
    event: OwnedFd,
    memory: Mapping,
    page: usize,
    size: usize,
    /// For a record that goes over the end of the memory.
    whole: Vec<u8>,
}

/// Where `struct perf_event_mmap_page` has `data_head` and `data_tail`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
/// Bytes of `struct perf_event_header`: type, flags and size of the record.
const HEADER: usize = 8;
/// `PERF_RECORD_LOST`: a number, and how many were lost.
const LOST: u32 = 2;
/// `PERF_RECORD_SAMPLE`: its length in 4 bytes, and the event, filled up.
const SAMPLE: u32 = 9;
/// Bytes of the length of a sample.
const LENGTH: usize = 4;

/// Bytes of the sample of an event, filled up so that with its length it is a multiple of 8.
pub(crate) const fn sample_size(event: usize) -> usize {
    (event + LENGTH).next_multiple_of(8) - LENGTH
}

impl Buffers {
    /// Opens a buffer for each CPU that is online, and puts it into the map.
    fn open(handle: &Handle, page: usize, size: usize) -> Result<Self> {
        let name = handle.name();
        let failed = |doing: &str, error| Error::system(format!("{doing} of `{name}`"), Need::Tracing, error);
        let online = online_cpus().map_err(|error| failed("find the CPUs", error))?;
        let mut buffers = Vec::new();
        for cpu in online.into_iter().filter(|cpu| *cpu < handle.info().max_entries) {
            let event = match perf::bpf_output(cpu) {
                Ok(event) => event,
                // It went off meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => continue,
                Err(error) => return Err(failed("open the buffers", error)),
            };
            let memory = Mapping::new(event.as_fd(), 0, page + size, true).map_err(|error| no_memory(name, error))?;
            handle.set(&cpu.to_ne_bytes(), &event.as_raw_fd().to_ne_bytes())?;
            perf::enable(event.as_fd()).map_err(|error| failed("enable the buffers", error))?;
            buffers.push(Buffer { event, memory, page, size, whole: Vec::new() });
        }
        Ok(Self { buffers, next: 0, lost: 0 })
    }
}

fn no_memory(name: &str, error: io::Error) -> Error {
    let action = format!("map the buffers of `{name}`");
    match error.raw_os_error() {
        // `perf_mmap` in kernel/events/core.c.
        Some(libc::EPERM) => Error::with_advice(
            action,
            "So much memory for each CPU is more than this user may lock (`sysctl kernel.perf_event_mlock_kb`, `ulimit -l`): load it with fewer pages",
            error,
        ),
        _ => Error::system(action, Need::Tracing, error),
    }
}

impl Reader for Buffers {
    fn take<R>(
        &mut self,
        most: usize,
        each: &mut impl FnMut(&[u8]) -> std::result::Result<(), R>,
    ) -> std::result::Result<(), R> {
        let mut left = most;
        for _ in 0..self.buffers.len() {
            let Some(buffer) = self.buffers.get_mut(self.next) else { break };
            let taken = buffer.take(left, &mut self.lost, each);
            // Whoever sends most does not keep the others waiting.
            self.next = (self.next + 1) % self.buffers.len();
            left -= taken?;
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    fn event<'b>(bytes: &'b [u8], sizes: &[usize]) -> &'b [u8] {
        let size = sizes.iter().find(|size| sample_size(**size) == bytes.len());
        size.and_then(|size| bytes.get(..*size)).unwrap_or(bytes)
    }
}

impl Buffer {
    /// As [`Reader::take`]; gives how many were taken. Their room is given back once, at the end.
    fn take<R>(
        &mut self,
        most: usize,
        lost: &mut u64,
        each: &mut impl FnMut(&[u8]) -> std::result::Result<(), R>,
    ) -> std::result::Result<usize, R> {
        let start = self.memory.load_u64(TAIL);
        let head = self.memory.load_u64(HEAD);
        let (mut place, mut taken) = (start, 0);
        let mut result = Ok(());
        while taken < most && place < head && result.is_ok() {
            // The size is a power of two, so the rest is an index; records begin at multiples of 8.
            let at = usize::try_from(place & (self.size as u64 - 1)).unwrap_or_default();
            let (record, length) = self.record(at);
            place += length as u64;
            match record {
                (SAMPLE, sample) => {
                    let bytes = sample.get(..LENGTH).and_then(|length| length.try_into().ok());
                    let bytes = bytes.map_or(0, |length| u32::from_ne_bytes(length) as usize);
                    result = each(sample.get(LENGTH..LENGTH + bytes).unwrap_or_default());
                    taken += 1;
                }
                (LOST, counts) => {
                    let count = counts.get(8..16).and_then(|count| count.try_into().ok());
                    *lost += count.map_or(0, u64::from_ne_bytes);
                }
                _ => {}
            }
        }
        if place != start {
            self.memory.store_u64(TAIL, place);
        }
        result.map(|()| taken)
    }

    /// The type of the record at an index and what is in it, and its whole length.
    fn record(&mut self, at: usize) -> ((u32, &[u8]), usize) {
        let start = self.page + at;
        let kind = self.memory.load_u32(start);
        // SAFETY: the kernel has published it, and leaves it alone until the reader's place is beyond it.
        let header = unsafe { self.memory.bytes(start, HEADER) };
        let length = usize::from(u16::from_ne_bytes([header[6], header[7]]));
        let content = length.saturating_sub(HEADER);
        let straight = self.size - at;
        // Not one that ends before it begins: that would be read for ever.
        let length = length.max(HEADER);
        if length <= straight {
            // SAFETY: as above.
            return ((kind, unsafe { self.memory.bytes(start + HEADER, content) }), length);
        }
        self.whole.clear();
        // SAFETY: as above.
        self.whole.extend_from_slice(unsafe { self.memory.bytes(start + HEADER, straight - HEADER) });
        // SAFETY: as above.
        self.whole.extend_from_slice(unsafe { self.memory.bytes(self.page, length - straight) });
        ((kind, &self.whole), length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_in_their_samples() {
        let sample = [7; 20];
        assert_eq!(Buffers::event(&sample, &[4, 13, 24]).len(), 13);
        assert_eq!(Buffers::event(&sample, &[20]).len(), 20);
        // None of them: whoever decodes it says so.
        assert_eq!(Buffers::event(&sample, &[12, 21]).len(), 20);
        assert_eq!([1, 4, 5, 12, 13].map(sample_size), [4, 4, 12, 12, 20]);
    }
}
