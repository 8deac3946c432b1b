//! Kinds of maps (`enum bpf_map_type` in `include/uapi/linux/bpf.h`).

use super::{KernelVersion, map_flag};

/// A kind of map.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum MapKind {
    /// `:hash`
    Hash,
    /// `:array`
    Array,
    /// `:percpu-hash`
    PerCpuHash,
    /// `:percpu-array`
    PerCpuArray,
    /// `:lru-hash`
    LruHash,
    /// `:lru-percpu-hash`
    LruPerCpuHash,
    /// `:lpm-trie`
    LpmTrie,
    /// `:devmap`
    DevMap,
    /// `:devmap-hash`
    DevMapHash,
    /// `:cpumap`
    CpuMap,
    /// `:xskmap`
    XskMap,
    /// `:ringbuf`
    RingBuf,
    /// `:prog-array`
    ProgArray,
    /// `:stack-trace`
    StackTrace,
    /// `:perf-event-array`
    PerfEventArray,
}

/// What the kernel says of a kind of map.
#[derive(Debug)]
pub struct MapKindFacts {
    /// The kind.
    pub kind: MapKind,
    /// Its keyword in `(define-map name :keyword …)`, without colon.
    pub keyword: &'static str,
    /// In `enum bpf_map_type`.
    pub number: u32,
    /// The first kernel that has it.
    pub since: KernelVersion,
    /// What keys it takes.
    pub key: KeyRule,
    /// What values it takes.
    pub value: ValueRule,
    /// A value for each CPU.
    pub per_cpu: bool,
    /// `BPF_F_…` bits without which the kernel makes no such map.
    pub required_flags: u32,
    /// Since when programs may look elements up.
    pub lookup: Option<KernelVersion>,
    /// Since when programs may update elements, by `map-update` or through a reference.
    pub update: Option<KernelVersion>,
    /// Since when programs may delete elements.
    pub delete: Option<KernelVersion>,
    /// Since when `(redirect map key)` takes it.
    pub redirect: Option<KernelVersion>,
}

/// What the keys of a kind of map are.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum KeyRule {
    /// Any data of at most 512 bytes.
    Any,
    /// A 32-bit number below `max-entries`.
    Index,
    /// Any 32-bit number.
    Number,
    /// A 32-bit prefix length and at most 256 bytes.
    Prefix,
    /// There are none.
    None,
}

/// What the values of a kind of map are.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ValueRule {
    /// Any data.
    Any,
    /// 4 bytes, or 8 with a program in the second 4, since the version.
    Device(KernelVersion),
    /// 4 bytes.
    Socket,
    /// Addresses of instructions, the innermost first.
    Stack,
    /// There are none: what is in it has no place of its own.
    None,
    /// Programs, which user space puts there.
    Program,
    /// A buffer for each CPU, which user space puts there.
    Buffer,
}

const fn version(major: u16, minor: u16) -> KernelVersion {
    KernelVersion::new(major, minor)
}

/// A kind that programs read and write freely.
const fn storage(
    kind: MapKind,
    keyword: &'static str,
    number: u32,
    since: KernelVersion,
    key: KeyRule,
    per_cpu: bool,
) -> MapKindFacts {
    MapKindFacts {
        kind,
        keyword,
        number,
        since,
        key,
        value: ValueRule::Any,
        per_cpu,
        required_flags: 0,
        lookup: Some(since),
        update: Some(since),
        // `array_map_delete_elem` in `kernel/bpf/arraymap.c` always fails.
        delete: if matches!(key, KeyRule::Index) { None } else { Some(since) },
        redirect: None,
    }
}

/// A kind whose elements only user space sets, for `redirect`. What programs may do with it: `check_map_func_compatibility`
/// in `kernel/bpf/verifier.c`.
const fn redirect(
    kind: MapKind,
    keyword: &'static str,
    number: u32,
    since: KernelVersion,
    value: ValueRule,
) -> MapKindFacts {
    MapKindFacts {
        kind,
        keyword,
        number,
        since,
        key: KeyRule::Index,
        value,
        per_cpu: false,
        required_flags: 0,
        lookup: None,
        update: None,
        delete: None,
        redirect: Some(since),
    }
}

/// One row for each kind. The versions are those of the commits that added them: 3.19 array 28fbcfa08d8e, hash 0f8e4bd8a1fc;
/// 4.6 per-CPU 15a07b33814d, 824bd0ce6c7c; 4.10 LRU 29ba732acbee, 8f8449384ec3; 4.11 trie b95a5c4db09b; 4.14 devmap
/// 546ac1ffb70d; 4.15 cpumap 6710e1126934; 4.18 xskmap fbfc504a24f5; 5.4 devmap_hash 6f9d451ab1a3. Lookup in devmap and
/// xskmap: 5.3. A program in the value: devmap 5.8, cpumap 5.9.
static KINDS: &[MapKindFacts] = &[
    storage(MapKind::Hash, "hash", 1, version(3, 19), KeyRule::Any, false),
    storage(MapKind::Array, "array", 2, version(3, 19), KeyRule::Index, false),
    storage(MapKind::PerCpuHash, "percpu-hash", 5, version(4, 6), KeyRule::Any, true),
    storage(MapKind::PerCpuArray, "percpu-array", 6, version(4, 6), KeyRule::Index, true),
    storage(MapKind::LruHash, "lru-hash", 9, version(4, 10), KeyRule::Any, false),
    storage(MapKind::LruPerCpuHash, "lru-percpu-hash", 10, version(4, 10), KeyRule::Any, true),
    MapKindFacts {
        // `trie_alloc` in `kernel/bpf/lpm_trie.c`; deletion: commit e454cf595853 (4.16).
        required_flags: map_flag::NO_PREALLOC,
        delete: Some(version(4, 16)),
        ..storage(MapKind::LpmTrie, "lpm-trie", 11, version(4, 11), KeyRule::Prefix, false)
    },
    MapKindFacts {
        lookup: Some(version(5, 3)),
        ..redirect(MapKind::DevMap, "devmap", 14, version(4, 14), ValueRule::Device(version(5, 8)))
    },
    MapKindFacts {
        lookup: Some(version(5, 4)),
        key: KeyRule::Number,
        ..redirect(MapKind::DevMapHash, "devmap-hash", 25, version(5, 4), ValueRule::Device(version(5, 8)))
    },
    redirect(MapKind::CpuMap, "cpumap", 16, version(4, 15), ValueRule::Device(version(5, 9))),
    MapKindFacts {
        // A lookup gives the socket, whose first 4 bytes (`struct bpf_xdp_sock`) are its queue's number.
        lookup: Some(version(5, 3)),
        ..redirect(MapKind::XskMap, "xskmap", 17, version(4, 18), ValueRule::Socket)
    },
    MapKindFacts {
        key: KeyRule::None,
        redirect: None,
        // Commit 457f44363a88.
        ..redirect(MapKind::RingBuf, "ringbuf", 27, version(5, 8), ValueRule::None)
    },
    MapKindFacts {
        redirect: None,
        // Commit 04fd61ab36ec.
        ..redirect(MapKind::ProgArray, "prog-array", 3, version(4, 2), ValueRule::Program)
    },
    MapKindFacts {
        key: KeyRule::Number,
        redirect: None,
        // Commit d5a3b1f69186.
        ..redirect(MapKind::StackTrace, "stack-trace", 7, version(4, 6), ValueRule::Stack)
    },
    MapKindFacts {
        redirect: None,
        // Commit ea317b267e9d.
        ..redirect(MapKind::PerfEventArray, "perf-event-array", 4, version(4, 3), ValueRule::Buffer)
    },
];

/// Keywords of kinds that the language has and this compiler does not make yet.
const NOT_AVAILABLE_YET: &[&str] = &[
    "user-ringbuf",
    "queue",
    "stack",
    "bloom-filter",
    "array-of-maps",
    "hash-of-maps",
    "sockmap",
    "sockhash",
    "reuseport-sockarray",
    "cgroup-array",
    "cgroup-storage",
    "sk-storage",
    "task-storage",
    "inode-storage",
    "cgrp-storage",
    "arena",
];

impl MapKind {
    /// Every kind, in the kernel's order.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|row| row.kind)
    }

    /// What the kernel says of it.
    pub fn facts(self) -> &'static MapKindFacts {
        let row = match self {
            Self::Hash => 0,
            Self::Array => 1,
            Self::PerCpuHash => 2,
            Self::PerCpuArray => 3,
            Self::LruHash => 4,
            Self::LruPerCpuHash => 5,
            Self::LpmTrie => 6,
            Self::DevMap => 7,
            Self::DevMapHash => 8,
            Self::CpuMap => 9,
            Self::XskMap => 10,
            Self::RingBuf => 11,
            Self::ProgArray => 12,
            Self::StackTrace => 13,
            Self::PerfEventArray => 14,
        };
        #[expect(clippy::indexing_slicing, reason = "a test checks that every kind has its row")]
        &KINDS[row]
    }

    /// The kind of `(define-map name :keyword …)`.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.keyword == keyword).map(|row| row.kind)
    }

    /// Whether the language has a kind of this keyword that this compiler does not make yet.
    pub fn is_not_available_yet(keyword: &str) -> bool {
        NOT_AVAILABLE_YET.contains(&keyword)
    }

    /// Its keyword, without colon.
    pub fn keyword(self) -> &'static str {
        self.facts().keyword
    }

    /// Its number in `enum bpf_map_type`.
    pub fn number(self) -> u32 {
        self.facts().number
    }

    /// The first kernel that has it.
    pub fn since(self) -> KernelVersion {
        self.facts().since
    }

    /// Whether there is a value for each CPU; a program sees its own CPU's.
    pub fn is_per_cpu(self) -> bool {
        self.facts().per_cpu
    }

    /// Whether keys are the numbers from 0 to `max-entries` - 1, all of which exist from the start. (The keys of `:devmap`,
    /// `:cpumap` and `:xskmap` are such numbers, too, but not all of them are there.)
    pub fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::PerCpuArray)
    }

    /// Whether keys are the numbers from 0 to `max-entries` - 1.
    pub fn has_index_keys(self) -> bool {
        self.facts().key == KeyRule::Index
    }

    /// Whether programs may look elements up.
    pub fn has_lookup(self) -> bool {
        self.facts().lookup.is_some()
    }

    /// Whether programs may update elements, by `map-update` or through a reference that a lookup gave.
    pub fn has_update(self) -> bool {
        self.facts().update.is_some()
    }

    /// Whether programs may delete elements.
    pub fn has_delete(self) -> bool {
        self.facts().delete.is_some()
    }

    /// Whether programs may go through its elements, since 5.13 (those with a `map_for_each_callback` in `kernel/bpf/hashtab.c` and
    /// `kernel/bpf/arraymap.c`).
    pub fn has_for_each(self) -> bool {
        matches!(
            self,
            Self::Hash | Self::Array | Self::PerCpuHash | Self::PerCpuArray | Self::LruHash | Self::LruPerCpuHash
        )
    }

    /// Whether it takes events, by `(ringbuf-submit map event)`.
    pub fn has_submit(self) -> bool {
        self == Self::RingBuf
    }

    /// Whether it takes events, by `(perf-output ctx map event)`.
    pub fn has_output(self) -> bool {
        self == Self::PerfEventArray
    }

    /// Whether it takes events, in whichever way.
    pub fn takes_events(self) -> bool {
        self.has_submit() || self.has_output()
    }

    /// Bytes of an event as user space gets it: by these alone, kinds of events are told apart.
    pub fn event_size(self, bytes: u32) -> u32 {
        /// Bytes of the length that stands before the event.
        const LENGTH: u32 = 4;
        match self {
            // `perf_sample_save_raw_data` in `include/linux/perf_event.h`, before 6.3 in `perf_prepare_sample`.
            Self::PerfEventArray => bytes.saturating_add(LENGTH).next_multiple_of(8).saturating_sub(LENGTH),
            _ => bytes,
        }
    }

    /// Whether `(tail-call ctx map index)` takes it.
    pub fn has_tail_call(self) -> bool {
        self == Self::ProgArray
    }

    /// Whether `(redirect map key)` takes it.
    pub fn has_redirect(self) -> bool {
        self.facts().redirect.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for row in KINDS {
            assert_eq!(row.kind.facts().keyword, row.keyword);
            assert_eq!(MapKind::from_keyword(row.keyword), Some(row.kind));
            assert!(!MapKind::is_not_available_yet(row.keyword));
        }
    }

    #[test]
    fn numbers_are_those_of_the_kernel_header() {
        // In the order of `enum bpf_map_type`, from 0.
        let header = "unspec hash array prog-array perf-event-array percpu-hash percpu-array stack-trace cgroup-array \
            lru-hash lru-percpu-hash lpm-trie array-of-maps hash-of-maps devmap sockmap cpumap xskmap sockhash \
            cgroup-storage reuseport-sockarray percpu-cgroup-storage queue stack sk-storage devmap-hash struct-ops \
            ringbuf inode-storage task-storage bloom-filter user-ringbuf";
        let header: Vec<_> = header.split_whitespace().collect();
        for kind in MapKind::all() {
            assert_eq!(header[kind.number() as usize], kind.keyword());
        }
    }

    #[test]
    fn only_kinds_that_programs_fill_have_update() {
        let without: Vec<_> = MapKind::all().filter(|kind| !kind.has_update()).collect();
        let redirects = [MapKind::DevMap, MapKind::DevMapHash, MapKind::CpuMap, MapKind::XskMap];
        let by_helper = [MapKind::RingBuf, MapKind::ProgArray, MapKind::StackTrace, MapKind::PerfEventArray];
        assert_eq!(without, [&redirects[..], &by_helper[..]].concat());
        assert!(without.iter().all(|kind| kind.has_redirect() == redirects.contains(kind)));
        assert!(!MapKind::Array.has_delete());
        assert!(MapKind::Hash.has_delete());
    }

    #[test]
    fn samples_are_filled_up() {
        assert_eq!([1, 4, 5, 12, 13].map(|bytes| MapKind::PerfEventArray.event_size(bytes)), [4, 4, 12, 12, 20]);
        assert_eq!(MapKind::RingBuf.event_size(5), 5);
    }
}
