//! Ring buffers, as the kernel's are when user space has taken everything out of them before the run: `kernel/bpf/ringbuf.c`.

use super::memory::{Memory, ObjectId, State};

/// Bytes that the kernel keeps before each event (`BPF_RINGBUF_HDR_SZ`).
const HEADER: u64 = 8;
/// What earlier events have left where a new one is reserved.
const LEFT: u8 = 0xa5;

/// A ring buffer during a run: its events in the order in which room was made for them, which is that in which user space finds them.
#[derive(Debug)]
pub(super) struct RingBuffer {
    size: u64,
    used: u64,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Event {
    object: ObjectId,
    state: EventState,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum EventState {
    Reserved,
    Sent,
    Discarded,
}

impl RingBuffer {
    pub(super) fn new(size: u32) -> Self {
        Self { size: size.into(), used: 0, events: Vec::new() }
    }

    /// Room for an event. One byte stays free (`__bpf_ringbuf_reserve`).
    pub(super) fn reserve(&mut self, bytes: usize, memory: &mut Memory) -> Option<ObjectId> {
        let room = HEADER.saturating_add(bytes as u64).checked_next_multiple_of(HEADER)?;
        self.used = self.used.checked_add(room).filter(|used| *used < self.size)?;
        let object = memory.add(vec![LEFT; bytes], true);
        self.events.push(Event { object, state: EventState::Reserved });
        Some(object)
    }

    /// Sends an event that was reserved, or gives it up; `None` where it is none.
    pub(super) fn settle(&mut self, object: ObjectId, sent: bool, memory: &mut Memory) -> Option<()> {
        let is_it = |event: &&mut Event| event.object == object && event.state == EventState::Reserved;
        let event = self.events.iter_mut().find(is_it)?;
        event.state = if sent { EventState::Sent } else { EventState::Discarded };
        memory.set_state(object, State::Settled);
        Some(())
    }

    /// Whether an event was neither sent nor given up.
    pub(super) fn forgets(&self) -> bool {
        self.events.iter().any(|event| event.state == EventState::Reserved)
    }

    /// What user space finds.
    pub(super) fn sent(&self, memory: &Memory) -> Vec<Vec<u8>> {
        let sent = self.events.iter().filter(|event| event.state == EventState::Sent);
        sent.map(|event| memory.bytes(event.object).to_vec()).collect()
    }
}
