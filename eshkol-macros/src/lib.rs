//! The `eshkol!` and `eshkol_file!` macros.
#![warn(missing_docs)]
#![allow(dead_code)]

mod errors;
mod includes;
mod positions;
mod source_text;
mod tokens;
