//! Program types (`enum bpf_prog_type` in `include/uapi/linux/bpf.h`).

/// A program type.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum ProgramType {
    /// `:xdp`
    Xdp,
}
