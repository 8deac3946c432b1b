//! The `eshkol` command.
fn main() {}
