//! Tail merging: blocks that end in the same instructions share them.
//!
//! ```text
//! a: …; r0 = 1; exit        a: …; goto c
//! b: …; r0 = 1; exit   →    b: …
//!                           c: r0 = 1; exit
//! ```
//!
//! A whole block that is the end of another is shared as it is. Instructions are the same whatever source they come
//! from; the shared ones keep the source of one of them. Those that access what the kernel rewrites accesses to are the same only where they
//! access the same ([`Rewritten`](super::machine::Rewritten)).
//!
//! Blocks are merged by groups of those that go to the same place. A group is sorted by what its blocks do, from their ends on, which
//! brings the longest common tails side by side; what merging makes lies where the merged were, so that nothing is sorted again.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::assembly::{Assembly, AssemblyBlock, AssemblyInst, End};
use super::machine::BlockId;
use crate::arena::Arena;

/// Merges tails until none is left to merge.
pub(super) fn run(assembly: &mut Assembly) {
    let mut groups = Groups::new(assembly);
    while let Some(end) = groups.changed.pop_first() {
        let members = groups.members.get(&end).into_iter().flatten().copied().collect();
        merge_group(assembly, &mut groups, end, members);
    }
}

/// Blocks by where they go.
struct Groups {
    members: BTreeMap<End, BTreeSet<BlockId>>,
    /// Those that have members which have not been compared.
    changed: BTreeSet<End>,
    /// The blocks that go to a block, and some that did.
    predecessors: Arena<BlockId, Vec<BlockId>>,
}

impl Groups {
    fn new(assembly: &Assembly) -> Self {
        let predecessors = assembly.blocks.ids().map(|_| Vec::new()).collect();
        let mut groups = Self { members: BTreeMap::new(), changed: BTreeSet::new(), predecessors };
        for block in assembly.reachable() {
            groups.add(block, assembly.blocks.at(block).end);
        }
        groups
    }

    fn add(&mut self, block: BlockId, end: End) {
        self.members.entry(end).or_default().insert(block);
        self.changed.insert(end);
        for to in end.successors() {
            self.predecessors.at_mut(to).push(block);
        }
    }

    fn remove(&mut self, block: BlockId, end: End) {
        if let Some(members) = self.members.get_mut(&end) {
            members.remove(&block);
        }
    }

    /// Gives a block, which goes to `before`, another end.
    fn set_end(&mut self, assembly: &mut Assembly, block: BlockId, before: End, end: End) {
        self.remove(block, before);
        assembly.blocks.at_mut(block).end = end;
        self.add(block, end);
    }

    /// Leads whoever goes to a block to another.
    fn redirect(&mut self, assembly: &mut Assembly, from: BlockId, to: BlockId) {
        for block in std::mem::take(self.predecessors.at_mut(from)) {
            let before = assembly.blocks.at(block).end;
            let end = match before.map(|block| if block == from { to } else { block }) {
                End::Branch { then, otherwise, .. } if then == otherwise => End::Jump(then),
                end => end,
            };
            if end != before {
                self.set_end(assembly, block, before, end);
            }
        }
    }
}

/// A block among those of its group.
struct Place {
    block: BlockId,
    before: Option<usize>,
    after: Option<usize>,
    /// How many instructions it shares with the one after it.
    shared: usize,
}

/// Merges blocks that go to the same place, those with the longest common tails first.
fn merge_group(assembly: &mut Assembly, groups: &mut Groups, end: End, mut blocks: Vec<BlockId>) {
    blocks.sort_by(|first, second| by_tail(assembly.blocks.at(*first), assembly.blocks.at(*second)));
    let mut places = Vec::with_capacity(blocks.len());
    let mut pairs = BinaryHeap::new();
    for (position, block) in blocks.iter().enumerate() {
        let after = blocks.get(position + 1);
        let shared = after.map_or(0, |after| shared_tail(assembly.blocks.at(*block), assembly.blocks.at(*after)));
        let before = position.checked_sub(1);
        places.push(Place { block: *block, before, after: after.map(|_| position + 1), shared });
        pairs.push((shared, Reverse(position)));
    }
    while let Some((shared, Reverse(position))) = pairs.pop() {
        let Some((first, other)) = pair(&places, position, shared) else { continue };
        let goes_there = |block: BlockId| assembly.blocks.at(block).end == end;
        if !goes_there(first) || !goes_there(other) || !is_shorter(assembly, first, other, shared) {
            continue;
        }
        let tail = merge(assembly, groups, end, (first, other), shared);
        for changed in put(&mut places, position, tail).into_iter().flatten() {
            if let Some(place) = places.get(changed) {
                pairs.push((place.shared, Reverse(changed)));
            }
        }
    }
}

/// The block at a position and the one after it, if they still share so much.
fn pair(places: &[Place], position: usize, shared: usize) -> Option<(BlockId, BlockId)> {
    let first = places.get(position).filter(|place| place.shared == shared && shared > 0)?;
    Some((first.block, places.get(first.after?)?.block))
}

/// Puts what two blocks side by side became in their place. Gives the positions that have someone else after them now.
fn put(places: &mut [Place], position: usize, tail: BlockId) -> [Option<usize>; 2] {
    let Some(place) = places.get(position) else { return [None, None] };
    // The tail shares with others what the merged shared with them, as far as it reaches.
    let (before, gone, reach) = (place.before, place.after, place.shared);
    let gone = gone.and_then(|gone| places.get_mut(gone));
    let (after, shared) = gone.map_or((None, 0), |gone| (gone.after.take(), std::mem::take(&mut gone.shared)));
    if let Some(place) = places.get_mut(position) {
        (place.block, place.after, place.shared) = (tail, after, shared.min(reach));
    }
    if let Some(after) = after.and_then(|after| places.get_mut(after)) {
        after.before = Some(position);
    }
    if let Some(before) = before.and_then(|before| places.get_mut(before)) {
        before.shared = before.shared.min(reach);
    }
    [before, Some(position)]
}

/// How many instructions two blocks have in common before their ends.
fn shared_tail(first: &AssemblyBlock, second: &AssemblyBlock) -> usize {
    let pairs = first.insts.iter().rev().zip(second.insts.iter().rev());
    pairs.take_while(|(one, other)| one.does_the_same(other)).count()
}

/// Whether sharing so many instructions makes the code shorter.
fn is_shorter(assembly: &Assembly, first: BlockId, second: BlockId, shared: usize) -> bool {
    let whole = |block: BlockId| assembly.blocks.at(block).insts.len() == shared;
    if [first, second].into_iter().any(|block| whole(block) && block == assembly.entry) {
        return false;
    }
    match assembly.blocks.at(first).end {
        // The `exit` or the branch is shared too, for one `goto`.
        End::Exit | End::Branch { .. } => shared > 0,
        // A block that is the tail as a whole needs no `goto` of its own.
        End::Jump(_) => shared > 1 || (shared > 0 && (whole(first) || whole(second))),
    }
}

/// Makes two blocks share their last instructions. Gives the block of these.
fn merge(
    assembly: &mut Assembly,
    groups: &mut Groups,
    end: End,
    (first, second): (BlockId, BlockId),
    shared: usize,
) -> BlockId {
    let is_whole = |block: BlockId| assembly.blocks.at(block).insts.len() == shared;
    let (kept, other) = if is_whole(second) { (second, first) } else { (first, second) };
    let tail = if is_whole(kept) {
        kept
    } else {
        let data = assembly.blocks.at_mut(kept);
        let insts = data.insts.split_off(data.insts.len().saturating_sub(shared));
        let tail = AssemblyBlock { insts, ..*data };
        let tail = assembly.blocks.push(tail);
        groups.predecessors.push(Vec::new());
        groups.add(tail, end);
        groups.set_end(assembly, kept, end, End::Jump(tail));
        tail
    };
    let data = assembly.blocks.at_mut(other);
    data.insts.truncate(data.insts.len().saturating_sub(shared));
    if data.insts.is_empty() {
        // Nothing but a jump is left: whoever comes here can go on by itself.
        groups.remove(other, end);
        assembly.blocks.at_mut(other).end = End::Jump(tail);
        groups.redirect(assembly, other, tail);
    } else {
        groups.set_end(assembly, other, end, End::Jump(tail));
    }
    tail
}

/// Brings blocks with the same instructions before their ends side by side.
fn by_tail(first: &AssemblyBlock, second: &AssemblyBlock) -> Ordering {
    let key = |inst: &AssemblyInst| (inst.instruction, inst.high, inst.relocation, inst.rewritten);
    first.insts.iter().rev().map(key).cmp(second.insts.iter().rev().map(key))
}
