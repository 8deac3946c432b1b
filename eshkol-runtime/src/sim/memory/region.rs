//! A piece of memory: what it is, how large, what may be done with it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::initialised::Initialised;
use super::{Access, Fault, counted};

/// The name of a map, which each of its values has.
pub(in crate::sim) type Name = Arc<str>;

/// What a region is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::sim) enum Kind {
    /// The stack of a call, so deep.
    Stack { depth: usize },
    /// A packet, with the room around it.
    Packet { writable: bool },
    /// What the program is called with.
    Context,
    /// A value of the map of this name. Programs can't write to one that is constant.
    MapValue { map: Name, constant: bool },
    /// A key of a map, which a function is called with.
    MapKey,
    /// An event in the ring buffer of this name, for which room was made.
    Record(Name),
    /// A map itself, which programs only hand to helpers.
    Map(usize),
    /// A function of the program, by its first slot.
    Function(usize),
    /// Memory that a test gives.
    Given,
    /// A part of the kernel's memory, which programs only read.
    Kernel,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack { depth: 0 } => f.write_str("the stack"),
            Self::Stack { .. } => f.write_str("the stack of a function it calls"),
            Self::Packet { .. } => f.write_str("the packet"),
            Self::Context => f.write_str("the context"),
            // A section of globals is a map with one value.
            Self::MapValue { map, .. } if map.starts_with(".rodata") => write!(f, "the constants in `{map}`"),
            Self::MapValue { map, .. } if map.starts_with('.') => write!(f, "the globals in `{map}`"),
            Self::MapValue { map, .. } => write!(f, "a value of map `{map}`"),
            Self::MapKey => f.write_str("a key of a map"),
            Self::Record(map) => write!(f, "an event reserved in `{map}`"),
            Self::Map(_) => f.write_str("a map, which only helpers look into"),
            Self::Function(_) => f.write_str("a function"),
            Self::Given => f.write_str("the given memory"),
            Self::Kernel => f.write_str("the kernel's memory"),
        }
    }
}

/// A region.
#[derive(Debug)]
pub(in crate::sim) struct Region {
    pub(in crate::sim) kind: Kind,
    /// Everything that is there, which may be more than the program may touch.
    pub(in crate::sim) bytes: Vec<u8>,
    /// The part that the program may touch.
    pub(in crate::sim) visible: Range<usize>,
    /// `None`: all.
    initialised: Option<Initialised>,
}

impl Region {
    /// A region with these bytes, all of which may be touched.
    pub(in crate::sim) fn new(kind: Kind, bytes: Vec<u8>) -> Self {
        Self { kind, visible: 0..bytes.len(), bytes, initialised: None }
    }

    /// A region of which nothing has been written.
    pub(in crate::sim) fn uninitialised(kind: Kind, size: usize) -> Self {
        Self { initialised: Some(Initialised::none(size)), ..Self::new(kind, vec![0; size]) }
    }

    /// That so many bytes at an offset may be read or written; gives where they are.
    pub(super) fn check(&self, offset: i64, size: usize, access: Access) -> Result<Range<usize>, Fault> {
        let doing = || format!("{} {} at {}", access.verb(), counted(size), self.position(offset));
        let Some(range) = self.range(offset, size) else {
            return Err(Fault(format!("{}, {}", doing(), self.outside(offset, size))));
        };
        match self.kind {
            Kind::Map(_) | Kind::Function(_) => return Err(Fault(doing())),
            Kind::MapValue { constant: true, .. } | Kind::MapKey | Kind::Kernel if access != Access::Read => {
                return Err(Fault(format!("{}, which programs can't change", doing())));
            }
            // Loads of fields don't come here.
            Kind::Context => return Err(Fault(format!("{}, of which there are only fields to load", doing()))),
            Kind::Packet { writable: false } if access != Access::Read => {
                return Err(Fault(format!("{}, which programs of this type can't change", doing())));
            }
            Kind::Packet { .. } if access == Access::Atomic => {
                return Err(Fault(format!(
                    "{} in one, which the kernel allows in maps and on the stack only",
                    doing()
                )));
            }
            _ => {}
        }
        if access != Access::Write
            && let Some(initialised) = &self.initialised
            && let Some(missing) = initialised.first_missing(range.clone())
        {
            let which = if size == 1 {
                "which has not been written".to_owned()
            } else {
                format!("of which the byte at {} has not been written", self.place(missing))
            };
            return Err(Fault(format!("{}, {which}", doing())));
        }
        Ok(range)
    }

    /// So many bytes at an offset, where all of them may be touched.
    fn range(&self, offset: i64, size: usize) -> Option<Range<usize>> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(size)?;
        if start >= self.visible.start && end <= self.visible.end { Some(start..end) } else { None }
    }

    /// That an instruction may access so many bytes at an offset: some regions want that to be a multiple of the size. The kernel always asks it of
    /// atomic operations, and on the stack, where it follows what is stored; elsewhere it is the machine's business, and most do not mind.
    pub(super) fn check_alignment(&self, offset: i64, size: usize, access: Access) -> Result<(), Fault> {
        let asked = access == Access::Atomic || matches!(self.kind, Kind::Stack { .. });
        // Regions start at multiples of every size, so that the offset tells.
        if asked && usize::try_from(offset).is_ok_and(|offset| !offset.is_multiple_of(size)) {
            let doing = format!("{} {} at {}", access.verb(), counted(size), self.position(offset));
            return Err(Fault(format!("{doing}, which is no multiple of {size}")));
        }
        Ok(())
    }

    /// Writes where [`check`](Self::check) allowed it.
    pub(super) fn write(&mut self, range: Range<usize>, bytes: &[u8]) {
        if let Some(initialised) = &mut self.initialised {
            initialised.set(range.clone());
        }
        self.bytes[range].copy_from_slice(bytes);
    }

    /// `offset 8 of the packet`.
    fn position(&self, offset: i64) -> String {
        format!("offset {} of {}", self.relative(offset), self.kind)
    }

    fn place(&self, offset: usize) -> i64 {
        self.relative(i64::try_from(offset).unwrap_or(i64::MAX))
    }

    /// An offset as programs count: on the stack from its top, in a packet from its start.
    fn relative(&self, offset: i64) -> i64 {
        let origin = match self.kind {
            Kind::Stack { .. } => self.bytes.len(),
            _ => self.visible.start,
        };
        offset.saturating_sub(i64::try_from(origin).unwrap_or(i64::MAX))
    }

    /// What an access outside of the region is.
    fn outside(&self, offset: i64, size: usize) -> String {
        let length = counted(self.visible.len());
        let end = i64::try_from(self.visible.end).unwrap_or(i64::MAX);
        let beyond = offset.saturating_add(i64::try_from(size).unwrap_or(i64::MAX)).saturating_sub(end);
        if offset < i64::try_from(self.visible.start).unwrap_or(i64::MAX) {
            "which is before its start".to_owned()
        } else if let Ok(beyond @ 1..) = usize::try_from(beyond) {
            format!("{} past its end: it has {length}", counted(beyond))
        } else {
            "which can't be".to_owned()
        }
    }
}
