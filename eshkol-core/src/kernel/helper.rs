//! Helper functions of the kernel (`include/uapi/linux/bpf.h`).

/// The number of a helper, as in `enum bpf_func_id`.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct HelperId(pub u32);
