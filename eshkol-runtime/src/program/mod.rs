//! Programs of a loaded unit.

mod xdp;

pub use xdp::{TestRun, XdpAction, XdpMode, XdpProgram};

/// A program of a type that has no handle of its own yet.
#[derive(Debug)]
pub struct Program {}

/// What a program of a loaded unit can be taken as.
pub trait FromProgram: Sized {}

impl FromProgram for Program {}
