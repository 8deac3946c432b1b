//! Buffers of the CPUs: events, those of each oldest first.

use std::collections::VecDeque;

use super::{By, Errno, Memory, RegionId, Storage, Value};
use crate::map::sample_size;

/// Bytes before the sample: the record's header, and the sample's length.
const HEADER: usize = 12;
/// Bytes of the record that says how many events were lost.
const LOST: usize = 24;
/// What the kernel leaves behind an event that it fills up.
const LEFT: u8 = 0xa5;

#[derive(Debug)]
pub(super) struct PerfBuffers {
    /// By CPU; `None` where nobody has opened one.
    buffers: Vec<Option<Buffer>>,
    /// The one that is read next.
    next: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    /// Bytes that there is room for.
    size: usize,
    used: usize,
    records: VecDeque<Record>,
    /// Whether there was no room for the last event.
    has_lost: bool,
}

#[derive(Debug)]
enum Record {
    Event(Vec<u8>),
    Lost,
}

impl Record {
    /// Bytes that it takes up.
    fn room(&self) -> usize {
        match self {
            Self::Event(sample) => HEADER + sample.len(),
            Self::Lost => LOST,
        }
    }
}

impl Buffer {
    fn push(&mut self, record: Record) {
        self.used += record.room();
        self.records.push_back(record);
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        loop {
            let record = self.records.pop_front()?;
            self.used -= record.room();
            if let Record::Event(sample) = record {
                return Some(sample);
            }
        }
    }
}

impl PerfBuffers {
    pub(super) fn new(entries: usize) -> Self {
        Self { buffers: (0..entries).map(|_| None).collect(), next: 0 }
    }
}

impl Storage for PerfBuffers {
    fn find(&mut self, _memory: &mut Memory, _key: &[u8], _by: By) -> Option<Vec<RegionId>> {
        None
    }

    fn update(&mut self, _memory: &mut Memory, _key: &[u8], _value: Value<'_>, _flags: u64) -> Result<(), Errno> {
        Err(Errno(libc::EOPNOTSUPP))
    }

    fn delete(&mut self, _memory: &mut Memory, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno(libc::EOPNOTSUPP))
    }

    fn next_key(&self, _key: Option<&[u8]>) -> Option<Vec<u8>> {
        None
    }

    fn open_buffers(&mut self, size: usize, cpus: usize) {
        for buffer in self.buffers.iter_mut().take(cpus) {
            *buffer = Some(Buffer { size, ..Buffer::default() });
        }
    }

    /// `__bpf_perf_event_output` in `kernel/trace/bpf_trace.c`.
    fn output_event(&mut self, index: usize, cpu: usize, event: &[u8]) -> Result<(), Errno> {
        let buffer = self.buffers.get_mut(index).ok_or(Errno(libc::E2BIG))?;
        let buffer = buffer.as_mut().ok_or(Errno(libc::ENOENT))?;
        if index != cpu {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        let mut sample = event.to_vec();
        sample.resize(sample_size(event.len()), LEFT);
        let record = Record::Event(sample);
        // `__perf_output_begin` in `kernel/events/ring_buffer.c` keeps one byte free, and says first what was lost before.
        let needed = record.room() + if buffer.has_lost { LOST } else { 0 };
        if buffer.used + needed > buffer.size.saturating_sub(1) {
            buffer.has_lost = true;
            return Err(Errno(libc::ENOSPC));
        }
        if std::mem::take(&mut buffer.has_lost) {
            buffer.push(Record::Lost);
        }
        buffer.push(record);
        Ok(())
    }

    fn pop_event(&mut self) -> Option<Vec<u8>> {
        let count = self.buffers.len();
        let first = self.next;
        (0..count).find_map(|step| {
            let index = (first + step) % count;
            self.next = (index + 1) % count;
            self.buffers[index].as_mut().and_then(Buffer::pop)
        })
    }
}
