//! The simulator does what the kernel does, and stops what the kernel would refuse.

mod conformance;
mod in_kernel;
mod violations;
