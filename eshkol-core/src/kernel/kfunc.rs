//! Functions of the kernel that are no helpers (kfuncs): since when programs call them, and which begin something that must be ended.

use super::KernelVersion;

/// Since when programs of every type may call such functions, where the kernel has them for all (`BTF_KFUNC_HOOK_COMMON`, commit cfe1456440c8).
pub const SINCE: KernelVersion = KernelVersion::new(6, 2);

/// Commit e91370550f1f: those that only read text.
const STRINGS: KernelVersion = KernelVersion::new(6, 17);

/// Functions that are known, and since when programs may call them.
const KNOWN: &[(&str, KernelVersion)] = &[
    // Commit 9c29804961c1.
    ("bpf_map_sum_elem_count", KernelVersion::new(6, 6)),
    ("bpf_strchr", STRINGS),
    ("bpf_strchrnul", STRINGS),
    ("bpf_strcmp", STRINGS),
    ("bpf_strcspn", STRINGS),
    ("bpf_strlen", STRINGS),
    ("bpf_strnchr", STRINGS),
    ("bpf_strnlen", STRINGS),
    ("bpf_strnstr", STRINGS),
    ("bpf_strrchr", STRINGS),
    ("bpf_strspn", STRINGS),
    ("bpf_strstr", STRINGS),
    // Commit 323302f54db9.
    ("bpf_xdp_pull_data", KernelVersion::new(6, 18)),
];

/// How the names of functions begin after which the kernel waits for another: locks, interrupts that are off, iterators, objects; and of the one
/// that does not come back. Source: `enum special_kfunc_type` and the checks of it in `kernel/bpf/verifier.c`.
const FOLLOWED: &[&str] = &[
    "bpf_rcu_read_",
    "bpf_preempt_",
    "bpf_local_irq_",
    "bpf_res_spin_",
    "bpf_throw",
    "bpf_iter_",
    "bpf_obj_",
    "bpf_dynptr_",
    "bpf_wq_",
    "bpf_task_work_",
    "bpf_percpu_obj_",
    "bpf_refcount_",
    "bpf_list_",
    "bpf_rbtree_",
];

/// The first kernel of which programs may call a function of this name.
pub fn since(symbol: &str) -> KernelVersion {
    KNOWN.iter().find(|(name, _)| *name == symbol).map_or(SINCE, |(_, since)| *since)
}

/// Whether the verifier follows what becomes of a call through the rest of the program.
pub fn is_followed(symbol: &str) -> bool {
    FOLLOWED.iter().any(|start| symbol.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_functions() {
        assert!(is_followed("bpf_rcu_read_lock") && is_followed("bpf_iter_num_new"));
        assert!(!is_followed("bpf_map_sum_elem_count"));
        assert!(is_followed("bpf_dynptr_from_xdp"));
        assert_eq!(since("bpf_map_sum_elem_count"), KernelVersion::new(6, 6));
        assert_eq!(since("bpf_strnlen"), KernelVersion::new(6, 17));
        assert_eq!(since("bpf_of_tomorrow"), SINCE);
    }
}
