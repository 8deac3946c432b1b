//! Codes of rules that the kernel sets, `ESK08xx`.

super::codes! { ALL_KERNEL_RULE:
    STACK_TOO_LARGE = 801, "more than 512 bytes of stack", "An eBPF program has 512 bytes of stack, spills included.";
}
