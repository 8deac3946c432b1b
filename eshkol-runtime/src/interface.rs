//! Network interfaces, by name or by index.

/// A network interface of the calling thread's network namespace.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Interface {
    /// By name: `eth0`.
    Name(String),
    /// By index, as `ip link` counts them.
    Index(u32),
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
