//! The simulator does what the kernel does, and stops what the kernel would refuse.

mod conformance;
mod helpers;
mod in_kernel;
mod maps;
mod outputs;
mod random;
#[expect(dead_code, reason = "the tests of the kernel need more of it")]
#[path = "../kernel/unit.rs"]
mod unit;
mod violations;
