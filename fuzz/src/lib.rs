//! What is fuzzed: each function takes anything at all, and must come back without a panic.

use eshkol_core::expand::NoIncludes;
use eshkol_core::source::Sources;
use eshkol_core::{Architecture, Optimisation, Options};

/// Reads a text.
pub fn read(text: &str) {
    let mut sources = Sources::new();
    let source = sources.add("fuzz.esh", text);
    eshkol_core::syntax::read(&sources, source, &mut eshkol_core::diagnostic::Diagnostics::new());
}

/// Reads, expands and checks a text.
pub fn check(text: &str) {
    let mut sources = Sources::new();
    let source = sources.add("fuzz.esh", text);
    eshkol_core::compile::check(&mut sources, source, &mut NoIncludes, Architecture::OtherLittle);
}

/// Compiles a text, in each way.
pub fn compile(text: &str) {
    for optimisation in [Optimisation::None, Optimisation::Full] {
        let mut sources = Sources::new();
        let source = sources.add("fuzz.esh", text);
        let options =
            Options { architecture: Architecture::OtherLittle, optimisation, check_allocation: true, externs: false };
        eshkol_core::compile(&mut sources, source, &mut NoIncludes, options);
    }
}

/// The object that a text is compiled to.
pub fn object(text: &str) -> Option<Vec<u8>> {
    let mut sources = Sources::new();
    let source = sources.add("fuzz.esh", text);
    let options = Options { optimisation: Optimisation::Full, ..Options::default() };
    Some(eshkol_core::compile(&mut sources, source, &mut NoIncludes, options).output?.object)
}
