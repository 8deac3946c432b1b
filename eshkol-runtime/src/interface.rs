//! Network interfaces, by name or by index.

use std::ffi::{CStr, CString};
use std::fmt;

use crate::error::{Error, Result};

/// A network interface of the calling thread's network namespace.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Interface {
    /// By name: `eth0`.
    Name(String),
    /// By index, as `ip link` counts them.
    Index(u32),
}

impl Interface {
    /// Its index, for doing `action` with it.
    pub(crate) fn index(&self, action: impl FnOnce() -> String) -> Result<u32> {
        let index = match self {
            Self::Name(name) => index_of(name),
            Self::Index(index) => names().iter().any(|(i, _)| i == index).then_some(*index),
        };
        index.ok_or_else(|| Error::UnknownInterface {
            action: action(),
            interface: self.to_string(),
            known: names().into_iter().map(|(_, name)| name).collect(),
        })
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => {
                match names().into_iter().find(|(i, _)| i == index) {
                    Some((_, name)) => f.write_str(&name),
                    // As tcpdump and others write it.
                    None => write!(f, "if{index}"),
                }
            }
        }
    }
}

impl From<&str> for Interface {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<&String> for Interface {
    fn from(name: &String) -> Self {
        Self::Name(name.clone())
    }
}

impl From<String> for Interface {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<u32> for Interface {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a NUL-terminated string that outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// All interfaces, by index. None where they cannot be listed.
fn names() -> Vec<(u32, String)> {
    let mut names = Vec::new();
    // SAFETY: no arguments. Null on failure, else an array to be freed by `if_freenameindex`, which ends with an entry of index 0.
    let first = unsafe { libc::if_nameindex() };
    if first.is_null() {
        return names;
    }
    let mut entry = first;
    // SAFETY: `entry` walks the array, and stops at its last entry.
    while let libc::if_nameindex { if_index: index @ 1.., if_name: name } = unsafe { *entry } {
        // SAFETY: a NUL-terminated string, alive until the array is freed.
        let name = unsafe { CStr::from_ptr(name) };
        names.push((index, name.to_string_lossy().into_owned()));
        // SAFETY: this entry was not the last.
        entry = unsafe { entry.add(1) };
    }
    // SAFETY: from `if_nameindex`, and freed once.
    unsafe { libc::if_freenameindex(first) };
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_index_one_everywhere() {
        assert_eq!(Interface::from("lo").index(String::new).unwrap(), 1);
        assert_eq!(Interface::from(1).index(String::new).unwrap(), 1);
        assert_eq!(Interface::from(1).to_string(), "lo");
    }

    #[test]
    fn what_is_not_there_is_an_error_that_lists_what_is() {
        let error = Interface::from("lo0").index(|| "attach".into()).unwrap_err();
        assert!(error.to_string().contains("Did you mean `lo`?"), "{error}");
        let error = Interface::from(u32::MAX).index(|| "attach".into()).unwrap_err();
        assert!(error.to_string().contains("no network interface `if4294967295`"), "{error}");
        assert!(Interface::from("a\0b").index(String::new).is_err());
    }
}
