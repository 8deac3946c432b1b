//! The expander: data → core [`form`]s. Hygiene, `syntax-rules`, the derived forms, and which name means what.

mod annotation;
mod binding;
mod body;
mod conditional;
mod declaration;
mod environment;
mod expander;
mod expression;
pub mod form;
mod hint;
mod loops;
mod prelude;
mod print;
mod quasiquote;
mod special;
mod syntax_rules;
#[cfg(test)]
mod tests;
mod unit;
mod unknown;

use environment::Builtins;
use expander::Expander;

use crate::check::builtin;
use crate::diagnostic::Diagnostics;
use crate::source::{SourceId, Sources};

/// Fetches the files that `(include "…")` names; the compiler itself reads none.
pub trait IncludeLoader: Send {
    /// The text of the file `path`, named in the source `from`, and the name messages call it by; or why it can't be had.
    fn load(&mut self, from: &str, path: &str) -> Result<(String, String), String>;
}

/// There are no files to include.
#[derive(Debug)]
pub struct NoIncludes;

impl IncludeLoader for NoIncludes {
    fn load(&mut self, _from: &str, _path: &str) -> Result<(String, String), String> {
        Err("files can't be included here".to_owned())
    }
}

/// Reads and expands a source, and what it uses of the prelude.
pub fn expand(
    sources: &mut Sources,
    source: SourceId,
    includes: &mut dyn IncludeLoader,
    diagnostics: &mut Diagnostics,
) -> form::Unit {
    let builtins = Builtins { exists: builtin::exists, names: || builtin::names().collect() };
    expand_with(sources, source, includes, builtins, diagnostics)
}

fn expand_with(
    sources: &mut Sources,
    source: SourceId,
    includes: &mut dyn IncludeLoader,
    builtins: Builtins,
    diagnostics: &mut Diagnostics,
) -> form::Unit {
    let name = sources.get(source).name.clone();
    let mut expander = Expander::new(sources, includes, builtins, diagnostics);
    let unit = expander.environment.add_container(None);
    expander.environment.container = unit;
    expander.including.push(name);
    let forms = expander.read(source);
    expander.collect(forms, None);
    expander.apply_signatures();
    while let Some(declaration) = expander.queue.pop_front() {
        expander.expand_declaration(declaration);
    }
    expander.unit
}
