//! What is told to user space: events in buffers, counts in histograms.

use eshkol_core::kernel::MapKind;

use super::super::definition::{Buffer, Histogram};
use super::{Kind, Writer};

/// Names of what is reserved in a ring buffer begin so.
const RECORD: &str = "r";

impl Writer<'_> {
    fn buffer(&mut self, wanted: impl Fn(MapKind) -> bool) -> Option<Buffer> {
        let buffers: Vec<&Buffer> = self.definitions.buffers.iter().filter(|buffer| wanted(buffer.kind)).collect();
        if buffers.is_empty() { None } else { Some(buffers[self.choices.below(buffers.len())].clone()) }
    }

    /// A struct in scope that is no record of a ring buffer, which the kernel follows under its own name alone.
    pub(super) fn lasting_struct(&mut self, index: usize) -> Option<String> {
        let known = self.pick(|kind| *kind == Kind::Struct(index));
        known.map(|(name, _)| name).filter(|name| !name.starts_with(RECORD))
    }

    /// Sends a struct: of the stack, a map or a global; the number that it gives.
    pub(super) fn sent(&mut self, depth: usize) -> String {
        let with_context = self.names_context();
        let known = self.buffer(|kind| kind == MapKind::RingBuf || with_context);
        let Some(Buffer { name, kind, events, .. }) = known else { return self.map_result(depth) };
        let event = events[self.choices.below(events.len())];
        let event = match self.lasting_struct(event) {
            Some(known) if self.choices.below(3) > 0 => known,
            _ if self.allocations >= 5 => return self.map_result(depth),
            _ => self.made(event, depth),
        };
        match kind {
            MapKind::RingBuf => format!("(ringbuf-submit {name} {event})"),
            _ => format!("(perf-output ctx {name} {event})"),
        }
    }

    /// An event, reserved, filled in place, and sent or given up on each way; and a number.
    pub(super) fn reserved(&mut self, depth: usize) -> String {
        let Some(Buffer { name: ring, events, .. }) = self.buffer(|kind| kind == MapKind::RingBuf) else {
            return self.histogram_or_result(depth);
        };
        let index = events[self.choices.below(events.len())];
        let name = self.name(RECORD);
        let lookup = format!("(ringbuf-reserve {ring} s{index})");
        let otherwise = self.int(depth);
        let mut body = String::new();
        let names = vec![(name.clone(), Kind::Struct(index))];
        for _ in 0..self.choices.below(4) {
            let statement = self.within(names.clone(), |this| match this.choices.below(3) {
                0 => this.statement(depth),
                _ => this.set_field(&name, index, depth),
            });
            body.push_str(&statement);
            body.push(' ');
        }
        let field = match self.choices.below(3) {
            0 => None,
            _ => Some((self.name("x"), self.within(names.clone(), |this| this.struct_field(&name, index, 2)))),
        };
        let settled = self.settled(&ring, &name, names, depth);
        let then = match field {
            Some((field, value)) => {
                let value = self.read(value);
                format!("(let (({field} {value})) (+ {settled} {field}))")
            }
            None => settled,
        };
        self.found(&name, &lookup, &format!("(let () {body}{then})"), &otherwise)
    }

    /// What becomes of an event; the number that it gives.
    fn settled(&mut self, ring: &str, name: &str, names: Vec<(String, Kind)>, depth: usize) -> String {
        let (send, discard) = (format!("(ringbuf-submit {ring} {name})"), format!("(ringbuf-discard {ring} {name})"));
        match self.choices.below(6) {
            0..3 => send,
            3 => discard,
            4 => {
                let test = self.within(names, |this| this.bool(depth));
                format!("(if {test} {send} {discard})")
            }
            _ => {
                let (test, more) = (
                    self.within(names.clone(), |this| this.bool(depth)),
                    self.within(names, |this| this.statement(depth)),
                );
                let after = self.int(depth);
                format!("(if {test} (begin {more} {send}) (begin {discard} {after}))")
            }
        }
    }

    fn histogram_or_result(&mut self, depth: usize) -> String {
        match self.counted(depth) {
            Some(statement) => format!("(begin {statement} {})", self.int(depth)),
            None => self.map_result(depth),
        }
    }

    /// Counts a number in a histogram.
    pub(super) fn counted(&mut self, depth: usize) -> Option<String> {
        let histograms = &self.definitions.histograms;
        if histograms.is_empty() {
            return None;
        }
        let Histogram { name, by, .. } = histograms[self.choices.below(histograms.len())].clone();
        let key = if by.is_some() { format!("(bitwise-and {} 3) ", self.int(depth)) } else { String::new() };
        let number = match self.choices.below(3) {
            0 => self.field(),
            _ => self.int(depth),
        };
        Some(format!("(update-histogram {name} {key}{number})"))
    }
}
