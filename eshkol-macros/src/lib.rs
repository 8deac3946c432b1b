//! The `eshkol!` and `eshkol_file!` macros.
#![warn(missing_docs)]
