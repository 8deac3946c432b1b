//! Values that stand for others: what a pass finds out, applied to the whole function at once.

use super::{Function, Value};
use crate::arena::Id as _;

/// Which value stands for which. What stands for a value may itself be replaced later; there is never a cycle.
#[derive(Clone, Debug, Default)]
pub struct Substitution {
    replacements: Vec<Option<Value>>,
}

impl Substitution {
    /// Nothing is replaced.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `by` stands for `value`. Nothing happens where they are the same already.
    pub fn replace(&mut self, value: Value, by: Value) {
        let (value, by) = (self.resolve(value), self.resolve(by));
        if value == by {
            return;
        }
        if self.replacements.len() <= value.index() {
            self.replacements.resize(value.index() + 1, None);
        }
        if let Some(place) = self.replacements.get_mut(value.index()) {
            *place = Some(by);
        }
    }

    /// The value to use in place of this one.
    pub fn resolve(&self, mut value: Value) -> Value {
        while let Some(next) = self.replacements.get(value.index()).copied().flatten() {
            value = next;
        }
        value
    }

    /// Whether something else stands for this value.
    pub fn replaces(&self, value: Value) -> bool {
        self.resolve(value) != value
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.replacements.is_empty()
    }

    /// Changes every use in a function.
    pub fn apply(&self, function: &mut Function) {
        if !self.is_empty() {
            function.rewrite_uses(|value| self.resolve(value));
        }
    }
}
