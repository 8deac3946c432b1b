//! Which memory accesses may touch the same bytes.
//!
//! Pointers of different regions never do ([`ValueType`]), except that `Memory` may be anything. Within the stack, slots are apart;
//! within the globals, sections are.

use std::collections::BTreeSet;

use crate::ir::{Cfg, Function, GlobalSection, Op, Slot, Value, ValueType};

/// What a pointer was made from by adding constants.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Root {
    Slot(Slot),
    Global(GlobalSection),
    Value(Value),
}

/// Some bytes of memory.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) root: Root,
    pub(super) region: ValueType,
    /// From the root.
    pub(super) offset: i64,
    pub(super) bytes: u32,
}

impl Place {
    pub(super) fn new(function: &Function, base: Value, offset: i32, bytes: u32) -> Self {
        let region = function.value_type(base);
        let (value, offset) = function.address(base, offset.into());
        let (root, offset) = match function.defining_op(value) {
            Some(Op::SlotAddress(slot)) => (Root::Slot(*slot), offset),
            Some(Op::GlobalAddress { section, offset: start }) => {
                (Root::Global(*section), offset.saturating_add(i64::from(*start)))
            }
            _ => (Root::Value(value), offset),
        };
        Self { root, region, offset, bytes }
    }

    /// Whether the two may share a byte.
    pub(super) fn may_overlap(&self, other: &Self, function: &Function) -> bool {
        if self.root == other.root {
            let end = |place: &Self| place.offset.saturating_add(place.bytes.into());
            return self.offset < end(other) && other.offset < end(self);
        }
        if self.region != other.region {
            return self.region == ValueType::Memory || other.region == ValueType::Memory;
        }
        match (self.slot(function), other.slot(function)) {
            (Some(one), Some(other)) => one == other,
            _ => !matches!((self.root, other.root), (Root::Global(_), Root::Global(_))),
        }
    }

    /// The slot it is in, if that is known.
    pub(super) fn slot(&self, function: &Function) -> Option<Slot> {
        match self.root {
            Root::Slot(slot) => Some(slot),
            Root::Value(value) => slot_of(function, value),
            Root::Global(_) => None,
        }
    }
}

/// The slot that an address is in, even if where in it is only known when it runs.
pub(super) fn slot_of(function: &Function, mut value: Value) -> Option<Slot> {
    loop {
        match function.defining_op(value)? {
            Op::SlotAddress(slot) => return Some(*slot),
            Op::Binary(_, _, pointer, _) => value = *pointer,
            _ => return None,
        }
    }
}

/// Slots whose address goes where it can't be followed: into memory, or through a parameter of a block. Addresses given to
/// calls are not among them: what is called does not keep them.
pub(super) fn escaped_slots(function: &Function) -> BTreeSet<Slot> {
    let mut escaped = BTreeSet::new();
    let mut escape = |value: Value| {
        if function.value_type(value) == ValueType::Stack {
            escaped.extend(slot_of(function, value));
        }
    };
    for block in Cfg::new(function).reverse_post_order() {
        let data = function.blocks.at(*block);
        for inst in &data.insts {
            match &function.insts.at(*inst).op {
                Op::Store { value, .. } | Op::Atomic { value, .. } => escape(*value),
                Op::CompareExchange { expected, value, .. } => {
                    escape(*expected);
                    escape(*value);
                }
                _ => {}
            }
        }
        for target in data.terminator.targets() {
            target.arguments.iter().for_each(|value| escape(*value));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{InstData, MemorySize, parse};

    #[test]
    fn places() {
        let function = parse(
            "slot s0 size 16 align 8
             slot s1 size 16 align 8
             b0(v0, v1: packet, v2: map-value, v3: map-value, v4: memory):
               v5: stack = slot s0
               v6: stack = slot s1
               v7 = const 8
               v8: stack = add v5, v7
               v9: stack = add v5, v0
               v10: global = global .data.global0 + 8
               v11: global = global .data.global0 + 0
               v12: global = global .data.global1 + 8
               v13: packet = add v1, v0
               store.8 v5 + 8, v0
               store.4 v8 + 0, v0
               store.4 v5 + 4, v0
               store.4 v9 + 0, v0
               store.8 v6 + 8, v0
               store.8 v10 + 0, v0
               store.4 v11 + 8, v0
               store.8 v12 + 0, v0
               store.8 v2 + 0, v0
               store.8 v3 + 8, v0
               store.8 v2 + 8, v0
               store.8 v1 + 0, v0
               store.8 v13 + 64, v0
               store.8 v4 + 0, v0
               return v0",
        )
        .unwrap();
        let places: Vec<Place> = function
            .insts
            .values()
            .filter_map(|InstData { op, .. }| match op {
                Op::Store { size, base, offset, .. } => {
                    Some(Place::new(&function, *base, *offset, MemorySize::bytes(*size)))
                }
                _ => None,
            })
            .collect();
        let overlap: Vec<(usize, usize)> = (0..places.len())
            .flat_map(|one| (one + 1..places.len()).map(move |other| (one, other)))
            .filter(|(one, other)| places[*one].may_overlap(&places[*other], &function))
            .filter(|(_, other)| *other != places.len() - 1)
            .collect();
        assert_eq!(overlap, [(0, 1), (0, 3), (1, 3), (2, 3), (5, 6), (8, 9), (9, 10), (11, 12)]);
        assert!(places.iter().all(|place| place.may_overlap(&places[13], &function)));
    }
}
