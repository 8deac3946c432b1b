//! The simulator: the bytes that the kernel would run, in this process, without it (feature `sim`).
//!
//! [`Machine`] loads an object and runs its programs; the handles of [`crate::map`] work on its maps as they do on the kernel's. Every access is
//! checked: whether it is in the stack, the packet, a value, whether the bytes have been written, whether it is aligned where the kernel asks for
//! it. What the kernel's verifier refuses for what might happen, the simulator stops when it does happen: a run that ends well says nothing of
//! other runs. The time, random numbers and CPUs are the same in every run unless the test sets them.
//!
//! What it does not have: most kernel functions (kfuncs), for which [`Machine::set_kernel_function`] has something stand in, routing tables and
//! SYN cookies (`bpf_fib_lookup`, `bpf_tcp_raw_…`), packets of several fragments, sockets, spin locks, and the memory of a real process.

mod alu;
mod context;
mod environment;
mod execute;
mod helper;
mod instruction;
mod kernel_function;
mod lines;
mod machine;
mod map;
mod map_handle;
mod memory;
mod object;
mod packet;
mod socket_buffer;
mod unit;
mod violation;

pub use environment::{Signal, Task};
pub use execute::{ClonedPacket, Redirect};
pub use kernel_function::KernelArguments;
pub use machine::{Machine, Outcome};
pub use map_handle::SimulatedMap;
pub(crate) use unit::{Placeholder, Unit};
pub use violation::SimulatorError;
