//! The buffers of the CPUs, of which programs here fill one.

use crate::kernel::MapKind;

/// Bytes of the smallest buffer that user space can open: a page. How much room a larger one has, it alone knows.
const SIZE: u64 = 4096;
/// Bytes before each event: a header, and the event's length.
const HEADER: u64 = 12;

/// A buffer during a run, before which user space has taken everything out of it.
#[derive(Debug, Default)]
pub(super) struct PerfBuffer {
    used: u64,
    pub(super) events: Vec<Vec<u8>>,
}

impl PerfBuffer {
    /// Sends an event, if there is room for it whatever the buffer's size (`__perf_output_begin` in `kernel/events/ring_buffer.c`, which keeps
    /// one byte free).
    pub(super) fn output(&mut self, event: Vec<u8>) -> Option<()> {
        let bytes = u32::try_from(event.len()).ok()?;
        let room = HEADER + u64::from(MapKind::PerfEventArray.event_size(bytes));
        self.used = self.used.checked_add(room).filter(|used| *used < SIZE)?;
        self.events.push(event);
        Some(())
    }
}
