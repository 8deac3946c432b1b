//! Scheme to eBPF inside `cargo build`, with typed Rust handles to what was compiled.
//!
//! ```no_run
//! use std::net::Ipv4Addr;
//!
//! use eshkol::eshkol;
//!
//! eshkol! {
//!     (define-ebpf-program xdp-firewall
//!       (license "GPL")
//!       (program-type :xdp)
//!
//!       ;;; Addresses whose packets are dropped.
//!       (define-map blocklist :hash
//!         (key-type :u32)
//!         (value-type :u8)
//!         (max-entries 10000))
//!
//!       (define (xdp-main ctx)
//!         (let* ((eth (parse-eth-header ctx))
//!                (ip (and eth (= (eth-type eth) :eth-p-ip) (parse-ipv4-header (eth-payload eth)))))
//!           (if (and ip (map-lookup blocklist (ipv4-src ip)))
//!               :xdp-drop
//!               :xdp-pass))))
//! }
//!
//! fn main() -> eshkol::Result<()> {
//!     let firewall = XdpFirewall::load()?;
//!     firewall.blocklist.insert(Ipv4Addr::new(10, 0, 0, 1), 1)?;
//!     let _link = firewall.xdp_main.attach("eth0")?; // detaches when dropped
//!     std::thread::park();
//!     Ok(())
//! }
//! ```
//!
//! The Scheme text is checked and compiled while the crate is built, by stable Rust alone. What the kernel's verifier would
//! refuse is an error at the token that causes it. `xdp-firewall` becomes a struct in the scope of the macro, with a field for
//! each map and each program; maps take and give Rust types.
#![warn(missing_docs)]

pub use eshkol_runtime::*;
/// Compiles Scheme to eBPF and stands for what Rust sees of it: a struct that loads the unit, the unit's own structs and enums.
///
/// The text between the delimiters is one *unit*: a `define-ebpf-program`, or several in a `define-ebpf-object`, loaded together
/// with shared maps. For a unit `xdp-firewall` the macro gives, in the scope where it stands:
///
/// | item | is |
/// |---|---|
/// | `XdpFirewall` | the loaded unit: a field for each map, each program and each mutable global |
/// | `XdpFirewall::load()` | creates the maps, has the kernel verify the programs |
/// | `XdpFirewall::loader()` | the same with settings: a method for each global and each map's size, `pin` |
/// | `XdpFirewall::test()` | the same in the simulator, without the kernel (feature `sim`); `simulator()` sets the time and what else is around |
/// | `attach_all()` | attaches programs where their `attach-point` says, if any does |
/// | `ebpf_mut()` | the unit as aya has it |
/// | `spec()` | the compiled object and its description |
/// | a struct or enum for each `define-struct`, `define-enum` | plain Rust types with the unit's names in Rust's case |
///
/// Names go from `kebab-case` to Rust's: `xdp-main` → `xdp_main`, `exec-event` → `ExecEvent`, `a->b` → `a_to_b`, `empty?` →
/// `empty_p`. `;;;` comments become documentation.
///
/// # What rustc reads first
///
/// rustc splits the text into tokens before the macro sees it. The macro takes the text itself, so every name is read as it is
/// written, but a few spellings stop rustc: an apostrophe in a `;` comment (`// comments` are always safe), `'(…)` (write
/// `(quote …)`), a backquote, `#\a`, an unmatched quote or delimiter. [`eshkol_file!`] has no such limits.
pub use for_target::eshkol;
/// The same as [`eshkol!`] for a file, named relative to the crate's `Cargo.toml`: `eshkol_file!("src/xdp.esh");`
///
/// All of Scheme's syntax can be used. The crate is built again when the file, or one it includes, changes; errors show the
/// place in the file.
pub use for_target::eshkol_file;

/// Exports the macros that compile for the machine that this crate is built for, which may be another than the one it is built on.
macro_rules! for_target {
    ($(($condition:meta) => $inline:ident, $file:ident;)+ otherwise $little:ident, $little_file:ident, $big:ident, $big_file:ident;) => {
        $(#[cfg($condition)]
        mod for_target {
            pub use eshkol_macros::{$inline as eshkol, $file as eshkol_file};
        })+

        #[cfg(all(not(any($($condition),+)), target_endian = "little"))]
        mod for_target {
            pub use eshkol_macros::{$little as eshkol, $little_file as eshkol_file};
        }

        #[cfg(all(not(any($($condition),+)), target_endian = "big"))]
        mod for_target {
            pub use eshkol_macros::{$big as eshkol, $big_file as eshkol_file};
        }
    };
}

for_target! {
    (target_arch = "x86_64") => eshkol_x86_64, eshkol_file_x86_64;
    (all(target_arch = "aarch64", target_endian = "little")) => eshkol_aarch64, eshkol_file_aarch64;
    (target_arch = "riscv64") => eshkol_riscv64, eshkol_file_riscv64;
    (target_arch = "loongarch64") => eshkol_loongarch64, eshkol_file_loongarch64;
    (all(target_arch = "powerpc64", target_endian = "little")) => eshkol_powerpc64le, eshkol_file_powerpc64le;
    (all(target_arch = "powerpc64", target_endian = "big")) => eshkol_powerpc64, eshkol_file_powerpc64;
    (target_arch = "s390x") => eshkol_s390x, eshkol_file_s390x;
    otherwise eshkol_little_endian, eshkol_file_little_endian, eshkol_big_endian, eshkol_file_big_endian;
}
