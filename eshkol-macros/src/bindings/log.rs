//! What programs log, as Rust sees it.

use eshkol_core::check::typed::{LogKind, LogLine, LogPart};
use proc_macro2::TokenStream;
use quote::quote;

use super::Input;
use super::names::value_ident;
use super::unit::LOADED;

/// What the runtime needs to know of a line.
pub(super) fn line(input: Input<'_>, line: &LogLine) -> TokenStream {
    let level = line.level;
    let file = &input.sources.get(line.span.source).name;
    let place = input.sources.location(line.span).line;
    let parts = line.parts.iter().map(|part| match part {
        LogPart::Text(text) => quote!(::eshkol::spec::LogPart::Text(#text)),
        LogPart::Value { kind, offset } => {
            let kind = match kind {
                LogKind::Unsigned => quote!(Unsigned),
                LogKind::Signed => quote!(Signed),
                LogKind::Hex => quote!(Hex),
                LogKind::Bool => quote!(Bool),
                LogKind::Ipv4 => quote!(Ipv4),
                LogKind::Ipv6 => quote!(Ipv6),
                LogKind::Mac => quote!(Mac),
                LogKind::Text(bytes) => quote!(Text(#bytes)),
            };
            quote!(::eshkol::spec::LogPart::Value { kind: ::eshkol::spec::LogKind::#kind, offset: #offset })
        }
    });
    quote! {
        ::eshkol::spec::LogSpec { level: #level, file: #file, line: #place, parts: &[#(#parts),*] }
    }
}

/// The method that gives what is logged, where something is.
pub(super) fn method(input: Input<'_>) -> Option<TokenStream> {
    let loaded = value_ident(LOADED, proc_macro2::Span::call_site());
    (!input.unit().log.is_empty()).then(|| {
        quote! {
            /// What the programs log, for the `log` facade: `unit.log()?.forward()?` has a thread hand it on.
            pub fn log(&self) -> ::eshkol::Result<::eshkol::Log> {
                self.#loaded.log(::core::module_path!())
            }
        }
    })
}

/// The setting up to which level is logged, where something is.
pub(super) fn setting(input: Input<'_>) -> Option<TokenStream> {
    (!input.unit().log.is_empty()).then(|| {
        quote! {
            /// Up to which level the programs log; without this, what the `log` facade lets through when the unit is loaded. Lines above are left
            /// out of the programs.
            pub fn log_level(self, level: ::eshkol::log::LevelFilter) -> Self {
                Self { loader: self.loader.log_level(level) }
            }
        }
    })
}
