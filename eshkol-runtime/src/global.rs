//! Globals of a loaded unit.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::map::{Handle, Shape};
use crate::plain::{Argument, Plain, to_vec};
use crate::spec::GlobalSpec;
use crate::sys::kind;

/// A `(define-global (NAME :mutable) …)` of a loaded unit: one variable, that the programs and Rust both see.
///
/// The kernel reads and writes a data section as a whole. Where the section holds more than this variable, `set` writes the others back as they
/// were a moment before: what a program adds to one of those in between is lost.
pub struct Global<T> {
    spec: &'static GlobalSpec,
    section: Handle,
    /// Held for reading a section and writing it back, so that handles on its other variables do not undo it.
    writing: Arc<Mutex<()>>,
    types: PhantomData<fn(T) -> T>,
}

/// The only key of a section's map.
const SECTION: [u8; 4] = [0; 4];

impl<T: Plain> Global<T> {
    pub(crate) fn new(fd: OwnedFd, spec: &'static GlobalSpec, writing: Arc<Mutex<()>>) -> Result<Self> {
        check_size::<T>(spec)?;
        let section =
            Handle::new(fd, spec.section, Shape { kinds: &[kind::ARRAY], key_size: Some(4), value_size: None })?;
        let end = spec.offset as usize + T::SIZE;
        if end > section.lookup_size() {
            let differences = vec![format!("`{}` would lie past its {} bytes", spec.name, section.lookup_size())];
            return Err(Error::MapMismatch { map: spec.section.into(), differences });
        }
        Ok(Self { spec, section, writing, types: PhantomData })
    }

    /// Its value now.
    pub fn get(&self) -> Result<T> {
        let section = self.read()?;
        T::decode(&section[self.range()])
            .map_err(|source| Error::InvalidValue { place: format!("global `{}`", self.spec.name), source })
    }

    /// Sets it.
    pub fn set(&self, value: impl Argument<T>) -> Result<()> {
        let bytes = to_vec::<T>(&value);
        // What the lock guards is in the kernel, and whole whoever panicked.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut section = if bytes.len() == self.section.lookup_size() { vec![0; bytes.len()] } else { self.read()? };
        section[self.range()].copy_from_slice(&bytes);
        self.section.set(&SECTION, &section)
    }

    /// Its name in the source.
    pub fn name(&self) -> &str {
        self.spec.name
    }

    fn read(&self) -> Result<Vec<u8>> {
        let missing =
            || Error::UnknownName { what: "section", name: self.spec.section.into(), unit: self.spec.name.into() };
        self.section.lookup(&SECTION)?.ok_or_else(missing)
    }

    /// In the section, whose size was checked.
    fn range(&self) -> std::ops::Range<usize> {
        let start = self.spec.offset as usize;
        start..start + T::SIZE
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
