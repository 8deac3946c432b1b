//! What `eshkol_file!` takes.
eshkol::eshkol_file!(src/xdp.esh);
eshkol::eshkol_file!();
eshkol::eshkol_file!("a.esh", "b.esh");

fn main() {}
