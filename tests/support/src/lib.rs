//! What the kernel tests stand on.
//!
//! [`require_root`] decides whether a test that needs the kernel runs. [`Namespace`] and [`Namespace::veth`] make networks of the test's own,
//! [`Wire`] puts frames on them, [`Packet`] builds frames. [`Object`] makes eBPF objects by hand, for programs that no compiler would let through.

mod namespace;
mod object_file;
mod packet;
mod privilege;
mod wire;

pub use namespace::Namespace;
pub use object_file::{Instruction, Object, asm};
pub use packet::{Packet, internet_checksum};
pub use privilege::{Privilege, require_root};
pub use wire::Wire;
