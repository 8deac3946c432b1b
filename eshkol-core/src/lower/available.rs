//! What is at hand where instructions go now and need not be made again: arguments that are in memory since the last call,
//! the limits of the packet.
//!
//! A block begins with what is at hand at the end of every block that jumps to it; a loop's, with nothing.

use super::function::{FunctionLowering, Words};
use crate::check::types::Storage;
use crate::ir::{Slot, Value};
use crate::kernel::HelperId;
use crate::kernel::helper::{self, ArgumentKind};
use crate::kernel::program_type::ContextFieldKind;

/// What is at hand.
#[derive(Clone, Debug, Default)]
pub(super) struct Available {
    /// Slots, and the scalars that they hold.
    spilled: Vec<(Slot, Storage, Words)>,
    /// Limits of a context's packet.
    limits: Vec<(Value, ContextFieldKind, Value)>,
}

impl Available {
    /// Keeps what is at hand there, too.
    pub(super) fn meet(&mut self, other: &Self) {
        self.spilled.retain(|spilled| other.spilled.contains(spilled));
        self.limits.retain(|limit| other.limits.contains(limit));
    }

    /// A limit of a context's packet.
    pub(super) fn limit(&self, context: Value, kind: ContextFieldKind) -> Option<Value> {
        let mut limits = self.limits.iter();
        limits.find(|limit| (limit.0, limit.1) == (context, kind)).map(|limit| limit.2)
    }

    pub(super) fn add_limit(&mut self, context: Value, kind: ContextFieldKind, limit: Value) {
        self.limits.push((context, kind, limit));
    }

    /// Something else is written to a slot.
    pub(super) fn overwrite(&mut self, slot: Slot, storage: Storage, words: Words) {
        self.forget(slot);
        self.spilled.push((slot, storage, words));
    }

    fn forget(&mut self, slot: Slot) {
        self.spilled.retain(|spilled| spilled.0 != slot);
    }
}

impl FunctionLowering<'_> {
    /// Whether a slot holds a scalar already.
    pub(super) fn holds(&self, slot: Slot, storage: Storage, words: &[Value]) -> bool {
        let same = |one: &Value, other: &Value| {
            one == other || self.number(*one).is_some_and(|number| self.number(*other) == Some(number))
        };
        self.available.spilled.iter().any(|(held, held_storage, held_words)| {
            *held == slot
                && *held_storage == storage
                && held_words.len() == words.len()
                && held_words.iter().zip(words).all(|(held, word)| same(held, word))
        })
    }

    /// A helper is called with these slots, each at its position among the arguments.
    pub(super) fn after_helper(&mut self, id: HelperId, slots: &[(usize, Slot)]) {
        // A call ends what pointers into the packet prove, or at least the registers that hold them.
        self.available.limits.clear();
        let kinds = helper::by_id(id).map(|helper| helper.arguments).unwrap_or_default();
        for (position, slot) in slots {
            let is_read_only = matches!(
                kinds.get(*position),
                Some(
                    ArgumentKind::MapKey
                        | ArgumentKind::MapValue
                        | ArgumentKind::Memory
                        | ArgumentKind::MemoryOrNull
                        | ArgumentKind::FixedMemory(_)
                )
            );
            if !is_read_only {
                self.available.forget(*slot);
            }
        }
    }

    /// A function of the unit is called.
    pub(super) fn after_function(&mut self) {
        self.available.limits.clear();
    }
}
