//! Globals of a loaded unit.

use std::fmt;
use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::map::{Handle, Opened, Shape};
use crate::plain::{Argument, Plain, to_vec};
use crate::spec::GlobalSpec;
use crate::sys::kind;

/// A `(define-global (NAME :mutable) …)` of a loaded unit: one variable, that the programs and Rust both see.
///
/// It is in a map of its own, so `set` touches nothing else. A value of more than 8 bytes is not read and written in one step: a program may see
/// the first part of the new value with the rest of the old one, and Rust likewise.
pub struct Global<T> {
    spec: &'static GlobalSpec,
    section: Handle,
    types: PhantomData<fn(T) -> T>,
}

/// The only key of a section's map.
const SECTION: [u8; 4] = [0; 4];

impl<T: Plain> Global<T> {
    pub(crate) fn new(map: Opened, spec: &'static GlobalSpec) -> Result<Self> {
        check_size::<T>(spec)?;
        let shape = Shape { kinds: &[kind::ARRAY], key_size: Some(4), value_size: Some(T::SIZE) };
        Ok(Self { spec, section: Handle::new(map, spec.section, shape)?, types: PhantomData })
    }

    /// Its value now.
    pub fn get(&self) -> Result<T> {
        let missing =
            || Error::UnknownName { what: "section", name: self.spec.section.into(), unit: self.spec.name.into() };
        let bytes = self.section.lookup(&SECTION)?.ok_or_else(missing)?;
        T::decode(&bytes)
            .map_err(|source| Error::InvalidValue { place: format!("global `{}`", self.spec.name), source })
    }

    /// Sets it.
    pub fn set(&self, value: impl Argument<T>) -> Result<()> {
        self.section.set(&SECTION, &to_vec::<T>(&value))
    }

    /// Another handle on the same global.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { spec: self.spec, section: self.section.try_clone()?, types: PhantomData })
    }

    /// Its name in the source.
    pub fn name(&self) -> &str {
        self.spec.name
    }
}

impl<T> fmt::Debug for Global<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Global").field("name", &self.spec.name).finish_non_exhaustive()
    }
}

/// That a `T` is what the global holds.
pub(crate) fn check_size<T: Plain>(spec: &GlobalSpec) -> Result<()> {
    let size = spec.size as usize;
    if size == T::SIZE { Ok(()) } else { Err(Error::GlobalSize { global: spec.name.into(), size, given: T::SIZE }) }
}
