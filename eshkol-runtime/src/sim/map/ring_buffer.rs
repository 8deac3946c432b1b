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
    events: VecDeque<Event>,
    /// Of the next event.
    number: u64,
}

#[derive(Debug)]
struct Event {
    number: u64,
    /// Bytes that it takes up.
    room: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It is being written.
    Busy,
    Sent(Vec<u8>),
    GivenUp,
}

/// Bytes that an event takes up.
fn room(bytes: usize) -> usize {
    HEADER.saturating_add(bytes).next_multiple_of(HEADER)
}

impl RingBuffer {
    pub(super) fn new(size: u32) -> Self {
        Self { size: size as usize, used: 0, events: VecDeque::new(), number: 0 }
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
        let number = self.reserve_event(event.len())?;
        self.settle_event(number, Some(event.to_vec()));
        Ok(())
    }

    fn reserve_event(&mut self, bytes: usize) -> Result<u64, Errno> {
        let room = room(bytes);
        // `__bpf_ringbuf_reserve` in `kernel/bpf/ringbuf.c` keeps one byte free.
        if self.used.saturating_add(room) > self.size - 1 {
            return Err(Errno(libc::EAGAIN));
        }
        let number = self.number;
        self.number += 1;
        self.used += room;
        self.events.push_back(Event { number, room, state: State::Busy });
        Ok(number)
    }

    fn settle_event(&mut self, number: u64, event: Option<Vec<u8>>) {
        if let Some(busy) = self.events.iter_mut().find(|event| event.number == number) {
            busy.state = event.map_or(State::GivenUp, State::Sent);
        }
    }

    fn pop_event(&mut self) -> Option<Vec<u8>> {
        while self.events.front().is_some_and(|event| !matches!(event.state, State::Busy)) {
            let Event { room, state, .. } = self.events.pop_front()?;
            self.used -= room;
            if let State::Sent(event) = state {
                return Some(event);
            }
        }
        None
    }

    fn waiting(&self) -> usize {
        self.used
    }
}
