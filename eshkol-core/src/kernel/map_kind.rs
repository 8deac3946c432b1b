//! Kinds of maps (`enum bpf_map_type` in `include/uapi/linux/bpf.h`).

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
}
