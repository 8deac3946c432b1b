//! Programs where functions of the kernel are entered and return, on real functions. Kernels without probes run them in a virtual machine
//! (`tests/vm`).

mod calls;
mod places;
