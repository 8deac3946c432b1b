//! Flags with which maps are made (`BPF_F_…` in `include/uapi/linux/bpf.h`), as `(flags …)` names them.

use super::{KernelVersion, MapKind};

/// `BPF_F_NO_PREALLOC`
pub const NO_PREALLOC: u32 = 1 << 0;
/// `BPF_F_NO_COMMON_LRU`
pub const NO_COMMON_LRU: u32 = 1 << 1;
/// `BPF_F_RDONLY`: user space may only read.
pub const RDONLY: u32 = 1 << 3;
/// `BPF_F_WRONLY`: user space may only write.
pub const WRONLY: u32 = 1 << 4;
/// `BPF_F_ZERO_SEED`
pub const ZERO_SEED: u32 = 1 << 6;
/// `BPF_F_RDONLY_PROG`: programs may only read.
pub const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_WRONLY_PROG`: programs may only write.
pub const WRONLY_PROG: u32 = 1 << 8;
/// `BPF_F_MMAPABLE`
pub const MMAPABLE: u32 = 1 << 10;

/// A flag of `(flags …)`.
#[derive(Debug)]
pub struct MapFlag {
    /// Its keyword, without colon.
    pub name: &'static str,
    /// The bit.
    pub bit: u32,
    /// The first kernel that has it.
    pub since: KernelVersion,
    /// The kinds of maps that take it.
    pub kinds: &'static [MapKind],
}

/// Every flag. Which kinds take which: `…_CREATE_FLAG_MASK` and `…_alloc_check` in `kernel/bpf/{hashtab,arraymap,lpm_trie,devmap}.c`;
/// that an LRU map can't go without preallocation, and that per-CPU arrays can't be mapped: the same.
pub static FLAGS: &[MapFlag] = {
    use MapKind::{Array, DevMap, DevMapHash, Hash, LpmTrie, LruHash, LruPerCpuHash, PerCpuArray, PerCpuHash};
    const HASHES: &[MapKind] = &[Hash, PerCpuHash, LruHash, LruPerCpuHash];
    const STORAGE: &[MapKind] = &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash, LpmTrie];
    const ACCESS: &[MapKind] =
        &[Hash, Array, PerCpuHash, PerCpuArray, LruHash, LruPerCpuHash, LpmTrie, DevMap, DevMapHash];
    &[
        MapFlag {
            name: "no-prealloc",
            bit: NO_PREALLOC,
            since: KernelVersion::new(4, 6),
            kinds: &[Hash, PerCpuHash, LpmTrie],
        },
        MapFlag {
            name: "no-common-lru",
            bit: NO_COMMON_LRU,
            since: KernelVersion::new(4, 10),
            kinds: &[LruHash, LruPerCpuHash],
        },
        MapFlag { name: "rdonly", bit: RDONLY, since: KernelVersion::new(4, 15), kinds: ACCESS },
        MapFlag { name: "wronly", bit: WRONLY, since: KernelVersion::new(4, 15), kinds: ACCESS },
        MapFlag { name: "zero-seed", bit: ZERO_SEED, since: KernelVersion::new(5, 0), kinds: HASHES },
        MapFlag { name: "rdonly-prog", bit: RDONLY_PROG, since: KernelVersion::new(5, 2), kinds: STORAGE },
        MapFlag { name: "wronly-prog", bit: WRONLY_PROG, since: KernelVersion::new(5, 2), kinds: STORAGE },
        MapFlag { name: "mmapable", bit: MMAPABLE, since: KernelVersion::new(5, 5), kinds: &[Array] },
    ]
};

/// The flag of a keyword.
pub fn by_name(name: &str) -> Option<&'static MapFlag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_one_bit_of_its_own() {
        let all = FLAGS.iter().fold(0, |seen: u32, flag| {
            assert_eq!(flag.bit.count_ones(), 1, "{}", flag.name);
            assert_eq!(seen & flag.bit, 0, "{}", flag.name);
            seen | flag.bit
        });
        assert_eq!(all, 0b101_1101_1011);
    }

    #[test]
    fn a_kind_takes_the_flags_it_requires() {
        for kind in MapKind::all() {
            let required = kind.facts().required_flags;
            for flag in FLAGS.iter().filter(|flag| flag.bit & required != 0) {
                assert!(flag.kinds.contains(&kind), "{}", flag.name);
            }
        }
    }
}
