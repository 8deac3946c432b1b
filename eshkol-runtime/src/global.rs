//! Globals of a loaded unit.

use std::marker::PhantomData;

use crate::error::Result;
use crate::plain::{Argument, Plain};

/// A `(define-global (NAME :mutable) …)` of a loaded unit: one variable, that the programs and Rust both see.
#[derive(Debug)]
pub struct Global<T> {
    marker: PhantomData<fn() -> T>,
}

impl<T: Plain> Global<T> {
    /// Its value now.
    pub fn get(&self) -> Result<T> {
        todo!()
    }

    /// Sets it.
    pub fn set(&self, _value: impl Argument<T>) -> Result<()> {
        todo!()
    }
}
