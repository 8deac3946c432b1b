//! Removes stores to packets, map values and records that are overwritten before anything can look.
//!
//! Before: `store.1 v0 + 15, v1; store.1 v0 + 15, v2`. After: `store.1 v0 + 15, v2`.
//!
//! What can look is a load that may touch the same bytes, a call, an atomic operation, and whatever comes after the block: another CPU
//! may see each store to a map value, but need not, as in C. Stores to the stack are the business of [`super::dead_stores`], which looks
//! further.
//!
//! What the verifier sees: the accesses that are left are within the same bounds. Memory other than the stack always has a
//! value for it.

use super::alias::Place;
use crate::ir::{Cfg, Function, Op, ValueType};

/// Removes them. Whether there were any.
pub(super) fn run(function: &mut Function) -> bool {
    let mut changed = false;
    for block in Cfg::new(function).reverse_post_order() {
        let insts = std::mem::take(&mut function.blocks.at_mut(*block).insts);
        let count = insts.len();
        let mut overwritten: Vec<Place> = Vec::new();
        let mut kept: Vec<_> = insts
            .into_iter()
            .rev()
            .filter(|inst| {
                match &function.insts.at(*inst).op {
                    Op::Store { size, base, offset, .. } => {
                        let place = Place::new(function, *base, *offset, size.bytes());
                        if is_covered(&place, &overwritten) {
                            return false;
                        }
                        if is_followed(place.region) {
                            overwritten.push(place);
                        }
                    }
                    Op::Load { size, base, offset, .. } => {
                        let place = Place::new(function, *base, *offset, size.bytes());
                        overwritten.retain(|later| !later.may_overlap(&place, function));
                    }
                    Op::Atomic { .. }
                    | Op::CompareExchange { .. }
                    | Op::CallHelper { .. }
                    | Op::CallFunction { .. } => {
                        overwritten.clear();
                    }
                    _ => {}
                }
                true
            })
            .collect();
        kept.reverse();
        changed |= kept.len() != count;
        function.blocks.at_mut(*block).insts = kept;
    }
    changed
}

fn is_followed(region: ValueType) -> bool {
    matches!(region, ValueType::Packet | ValueType::MapValue | ValueType::RingBuffer)
}

/// Whether every byte of a place is in one of others.
fn is_covered(place: &Place, others: &[Place]) -> bool {
    let has = |byte: i64| {
        others.iter().any(|other| {
            other.root == place.root && other.offset <= byte && byte < other.offset.saturating_add(other.bytes.into())
        })
    };
    (place.offset..place.offset.saturating_add(place.bytes.into())).all(has)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{differential, gives};
    use super::*;

    #[test]
    fn before_anything_can_look() {
        gives(
            run,
            "b0(v0: map-value, v1, v2):
               store.1 v0 + 1, v1
               store.1 v0 + 0, v1
               v3 = load.1 v0 + 2
               store.2 v0 + 0, v2
               store.8 v0 + 8, v1
               v4 = load.4 v0 + 12
               store.8 v0 + 8, v4
               store.4 v0 + 16, v1
               store.2 v0 + 16, v2
               store.4 v0 + 20, v1
               v5 = helper 5()
               store.4 v0 + 20, v5
               return v3",
            "b0(v0: map-value, v1, v2):
               v3 = load.1 v0 + 2
               store.2 v0 + 0, v2
               store.8 v0 + 8, v1
               v4 = load.4 v0 + 12
               store.8 v0 + 8, v4
               store.4 v0 + 16, v1
               store.2 v0 + 16, v2
               store.4 v0 + 20, v1
               v5 = helper 5()
               store.4 v0 + 20, v5
               return v3",
        );
    }

    #[test]
    fn nothing_else_changes() {
        differential(|function, _| run(function));
    }
}
