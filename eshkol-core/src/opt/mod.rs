//! Optimisation: SSA → better SSA. One pass a file; each module's documentation gives its before → after.

use crate::compile::Options;
use crate::ir::Function;

/// Runs the passes that `options` ask for.
pub fn optimise(_function: &mut Function, _options: Options) {}
