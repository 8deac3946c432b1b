//! The `eshkol!` and `eshkol_file!` macros.
