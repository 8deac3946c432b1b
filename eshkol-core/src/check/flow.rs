//! What is known at a point of the program: ranges of numbers, which optionals are there, and whether the packet has
//! moved since a header was parsed.

use std::collections::{BTreeMap, BTreeSet};

use super::implied::Implied;
use super::loops::LeavingTest;
use super::range::Range;
use super::typed::LocalId;

/// A state of the packet. Whatever moves the packet begins a new one; headers belong to the one they were parsed in.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Epoch(pub(super) usize);

/// Facts that hold at one point.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Flow {
    /// Whether control can get here.
    pub(super) reachable: bool,
    /// Of integer locals.
    pub(super) ranges: BTreeMap<LocalId, Range>,
    /// Integer locals that are not zero, though their range may say that they could be: it has no holes.
    pub(super) nonzero: BTreeSet<LocalId>,
    /// Optional locals that are known to be there; booleans that are known to be true.
    pub(super) present: BTreeSet<LocalId>,
    /// What is there wherever a local is, or where it is true.
    pub(super) implied: BTreeMap<LocalId, Implied>,
    /// Locals whose range the kernel's verifier has learnt from a comparison.
    pub(super) visible: BTreeSet<LocalId>,
    /// Tests that end a loop where they hold, and did not hold on any way here.
    pub(super) went_on: BTreeSet<LeavingTest>,
    /// The packet's state.
    pub(super) epoch: Epoch,
}

impl Flow {
    /// Nothing known.
    pub(super) fn new() -> Self {
        Self {
            reachable: true,
            ranges: BTreeMap::new(),
            nonzero: BTreeSet::new(),
            present: BTreeSet::new(),
            implied: BTreeMap::new(),
            visible: BTreeSet::new(),
            went_on: BTreeSet::new(),
            epoch: Epoch(0),
        }
    }

    /// The same facts where control can't get.
    pub(super) fn unreachable(&self) -> Self {
        Self { reachable: false, ..self.clone() }
    }

    /// Learns that a local is in a range.
    pub(super) fn refine(&mut self, local: LocalId, range: Range) {
        let known = self.ranges.get(&local).copied();
        let refined = known.map_or(range, |known| known.intersect(range));
        if refined.is_empty() {
            self.reachable = false;
        }
        self.ranges.insert(local, refined);
    }

    /// Whether a local is known not to be zero.
    pub(super) fn excludes_zero(&self, local: LocalId) -> bool {
        self.nonzero.contains(&local) || self.ranges.get(&local).is_some_and(|range| !range.contains(0))
    }

    /// What holds after either of two ways. `moved` makes the epoch of a packet that moved on one of them only.
    pub(super) fn join(self, other: Self, moved: impl FnOnce(Epoch, Epoch) -> Epoch) -> Self {
        if !self.reachable {
            return other;
        }
        if !other.reachable {
            return self;
        }
        let epoch = if self.epoch == other.epoch { self.epoch } else { moved(self.epoch, other.epoch) };
        let ranges = self
            .ranges
            .iter()
            .filter_map(|(local, range)| Some((*local, range.union(*other.ranges.get(local)?))))
            .collect();
        let tested = |local: &LocalId| self.excludes_zero(*local) && other.excludes_zero(*local);
        let nonzero = self.ranges.keys().copied().filter(tested).collect();
        let present = self.present.intersection(&other.present).copied().collect();
        let both = |(local, one): (LocalId, Implied)| {
            let both = one.both(other.implied.get(&local)?);
            (!both.is_empty()).then_some((local, both))
        };
        let implied = self.implied.into_iter().filter_map(both).collect();
        let visible = self.visible.intersection(&other.visible).copied().collect();
        let went_on = self.went_on.intersection(&other.went_on).cloned().collect();
        Self { reachable: true, ranges, nonzero, present, implied, visible, went_on, epoch }
    }
}
