//! The book in `docs/`: the pages of it that are made from the compiler's tables, and what its examples are.
//!
//! The Rust of the README and of the book's pages is compiled as tests of this documentation.

pub mod example;
pub mod generated;
mod helper_page;
mod map_page;
mod packet_page;
mod program_page;

use std::path::PathBuf;

/// Where the repository is.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

macro_rules! compile_rust_of {
    ($($name:ident: $path:literal),* $(,)?) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../../", $path))]
            struct $name;
        )*
    };
}

compile_rust_of! {
    Readme: "README.md",
    Quickstart: "docs/src/quickstart.md",
    Rust: "docs/src/rust.md",
    ShareMaps: "docs/src/how-to/share-maps.md",
    Pinning: "docs/src/how-to/pinning.md",
    WithAya: "docs/src/how-to/with-aya.md",
    Testing: "docs/src/how-to/test.md",
    Tracing: "docs/src/how-to/trace.md",
    Probing: "docs/src/how-to/probe.md",
}
