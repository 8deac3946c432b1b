//! The language, by cases: one idea a file, the expectation in the file.
//!
//! `pass/*.esh` are compiled for old and new kernels, with and without optimisation, and run in the simulator and, with privilege, in the kernel, which
//! must agree; `fail/*.esh` are refused at the places they say. `ESHKOL_CASE=text` runs only the files whose names hold the text. What a file may say is in [`case`].

mod case;
mod catalogue;
mod fail;
mod packet;
mod pass;
