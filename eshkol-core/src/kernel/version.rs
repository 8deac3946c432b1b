//! Kernel versions, and what instruction set each has.

use std::fmt;

/// `major.minor` of a Linux kernel.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KernelVersion {
    /// The 6 of 6.12.
    pub major: u16,
    /// The 12 of 6.12.
    pub minor: u16,
}

impl KernelVersion {
    /// What `min-kernel` is when it is not said: the oldest that is tested.
    pub const DEFAULT: Self = Self::new(5, 10);
    /// The oldest that `min-kernel` takes.
    pub const OLDEST: Self = Self::new(4, 18);

    /// A version.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads `major.minor`, as `(min-kernel "5.8")` writes it; a further `.patch` is not a version of its own for what
    /// the kernel has, and not taken.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |part: &str| -> Option<u16> {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if plain { part.parse().ok() } else { None }
        };
        Some(Self::new(number(major)?, number(minor)?))
    }

    /// The newest instruction set that every kernel from this one on has.
    ///
    /// v2 (unsigned and signed `<`, `<=`) came with 4.14, v3 (32-bit jumps) with 5.1, v4 (sign-extending loads and moves, signed division,
    /// unconditional byte swap, long jump) with 6.6. Source: `Documentation/bpf/standardization/instruction-set.rst` and `kernel/bpf/verifier.c`.
    pub fn isa(self) -> IsaVersion {
        if self >= Self::new(6, 6) {
            IsaVersion::V4
        } else if self >= Self::new(5, 1) {
            IsaVersion::V3
        } else {
            IsaVersion::V2
        }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The version of the instruction set, as clang's `-mcpu` counts it.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum IsaVersion {
    /// The first.
    V1,
    /// With the other half of the comparisons.
    V2,
    /// With 32-bit arithmetic and jumps. (Fetching atomics are counted by kernel version: 5.12.)
    V3,
    /// With sign extension, signed division, byte swap, long jumps.
    V4,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_major_and_minor() {
        assert_eq!(KernelVersion::parse("5.8"), Some(KernelVersion::new(5, 8)));
        assert_eq!(KernelVersion::parse("6.12"), Some(KernelVersion::new(6, 12)));
        for text in ["", "5", "5.", ".8", "5.8.1", "5.x", "+5.8", "5.-8", " 5.8", "99999999.1"] {
            assert_eq!(KernelVersion::parse(text), None, "{text}");
        }
        assert!(KernelVersion::parse("5.8") < KernelVersion::parse("5.10"));
    }
}
