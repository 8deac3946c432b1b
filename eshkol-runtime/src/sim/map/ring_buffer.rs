//! Ring buffers: events, oldest first.

use std::collections::VecDeque;

use super::{By, Errno, Memory, RegionId, Storage, Value};

/// Bytes that the kernel keeps before each event (`BPF_RINGBUF_HDR_SZ`).
const HEADER: usize = 8;

#[derive(Debug)]
pub(super) struct RingBuffer {
    /// Bytes that there is room for.
    size: usize,
    used: usize,
    events: VecDeque<Vec<u8>>,
}

/// Bytes that an event takes up.
fn room(event: &[u8]) -> usize {
    (HEADER + event.len()).next_multiple_of(HEADER)
}

impl RingBuffer {
    pub(super) fn new(size: u32) -> Self {
        Self { size: size as usize, used: 0, events: VecDeque::new() }
    }
}

impl Storage for RingBuffer {
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

    fn push_event(&mut self, event: &[u8]) -> Result<(), Errno> {
        // `__bpf_ringbuf_reserve` in `kernel/bpf/ringbuf.c` keeps one byte free.
        if self.used + room(event) > self.size - 1 {
            return Err(Errno(libc::EAGAIN));
        }
        self.used += room(event);
        self.events.push_back(event.to_vec());
        Ok(())
    }

    fn pop_event(&mut self) -> Option<Vec<u8>> {
        let event = self.events.pop_front()?;
        self.used -= room(&event);
        Some(event)
    }

    fn waiting(&self) -> usize {
        self.used
    }
}
