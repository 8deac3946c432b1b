//! `eshkol explain`: a page of the error index.

use clap::Args;
use eshkol_core::diagnostic::catalogue;

use crate::Failure;
use crate::output::Destination;

/// What to explain.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The code in brackets: ESK0201. Without one, all codes are listed
    code: Option<String>,
}

/// Prints the page.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let codes = catalogue::all();
    let page = match &arguments.code {
        None => codes.iter().map(|code| format!("{code}  {}\n", code.title())).collect(),
        Some(wanted) => {
            let number = number(wanted);
            let code = codes.iter().find(|code| Some(code.number()) == number);
            let code = code.ok_or_else(|| {
                Failure::Other(format!("there is no message with the code {wanted}; `eshkol explain` lists all"))
            })?;
            format!("{code}: {}\n\n{}\n", code.title(), code.explanation())
        }
    };
    Destination::Standard.write(page.as_bytes())
}

/// The number in `ESK0201`, `esk201`, `[ESK0201]` or `201`.
fn number(code: &str) -> Option<u16> {
    let code = code.trim_matches(['[', ']']).to_ascii_uppercase();
    code.strip_prefix("ESK").unwrap_or(&code).parse().ok()
}
