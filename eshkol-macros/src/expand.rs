//! From an invocation to the tokens it stands for.

use std::path::{Path, PathBuf};

use eshkol_core::diagnostic::Severity;
use eshkol_core::include::Files;
use eshkol_core::source::{SourceId, Sources};
use eshkol_core::{Architecture, Compilation, Options};
use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::bindings;
use crate::errors;
use crate::positions::{Positions, Range};
use crate::source_text::{self, Located};
use crate::tokens::Place;

/// `eshkol! { … }`
pub(crate) fn inline(input: TokenStream, architecture: Architecture) -> TokenStream {
    let whole = Span::call_site();
    let here = whole.unwrap();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let begin = Place { line: number(here.line()), column: number(here.column()).saturating_sub(1) };
    let written = whole.source_text();
    let text = source_text::text(written.as_deref().map(|written| (written, begin)), input);
    let name = here.file();
    let path = here.local_file().unwrap_or_else(|| PathBuf::from(&name));
    let mut sources = Sources::new();
    let main = sources.add_at(&*name, text.text, text.begin.line, text.begin.column);
    let mut files = files();
    files.know(&name, &path);
    unit(Invocation { sources, main, tokens: Some(text.tokens), whole, files }, architecture)
}

/// `eshkol_file!("…")`
pub(crate) fn file(input: TokenStream, architecture: Architecture) -> TokenStream {
    let literal: syn::LitStr = match syn::parse2(input) {
        Ok(literal) => literal,
        Err(error) => {
            let range = Range::token(error.span());
            return errors::error(
                range,
                "eshkol_file! takes the path of a Scheme file, as in eshkol_file!(\"src/xdp.esh\")",
            );
        }
    };
    let base = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let path = base.join(literal.value());
    let mut files = files();
    let (text, name) = match files.open(&path) {
        Ok(opened) => opened,
        Err(reason) => return errors::error(Range::token(literal.span()), &reason),
    };
    let mut sources = Sources::new();
    let main = sources.add(&*name, text);
    let items = unit(Invocation { sources, main, tokens: None, whole: literal.span(), files }, architecture);
    let tracked = tracked(&path);
    quote!(#items #tracked)
}

/// Files, called as in rustc's own messages: by their path from where cargo started it.
fn files() -> Files {
    Files::new(|path| std::fs::read(path), std::env::current_dir().unwrap_or_default())
}

/// A text to compile, and what is known of it.
struct Invocation {
    sources: Sources,
    main: SourceId,
    /// `None` for a file.
    tokens: Option<Vec<Located>>,
    whole: Span,
    files: Files,
}

/// The items of a unit, or its errors.
fn unit(invocation: Invocation, architecture: Architecture) -> TokenStream {
    let Invocation { mut sources, main, tokens, whole, mut files } = invocation;
    let options = Options { architecture, ..Options::default() };
    let Compilation { diagnostics, output } = eshkol_core::compile(&mut sources, main, &mut files, options);
    let included = files.into_included();
    let tracked: TokenStream = included.iter().filter_map(|included| included.file.as_deref()).map(tracked).collect();
    let positions = Positions::new(main, tokens, whole, included);
    let messages = errors::messages(&diagnostics, &positions, &sources);
    let items = match &output {
        Some(output) => {
            let input = bindings::Input { output, architecture, sources: &sources, positions: &positions };
            bindings::items(input)
        }
        None if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) => TokenStream::new(),
        None => errors::error(Range::token(whole), "a fault in the compiler: there is no object, and no error either"),
    };
    quote!(#messages #items #tracked)
}

/// Tells rustc, and so cargo, that the crate is to be built again when the file changes.
fn tracked(path: &Path) -> TokenStream {
    // A path that is not Unicode can't be said in Rust.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.to_str().map_or_else(TokenStream::new, |path| quote! { const _: &[u8] = ::core::include_bytes!(#path); })
}
