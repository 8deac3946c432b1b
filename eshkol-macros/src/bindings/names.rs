//! Rust identifiers for Scheme names, and their documentation.

use eshkol_core::bindings::{symbol, type_name};
use eshkol_core::source::Span as SourceSpan;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::Input;

impl Input<'_> {
    /// The name of a field, method or the like, at its place in the source.
    pub(super) fn value_ident(self, name: &str, span: Option<SourceSpan>) -> Ident {
        value_ident(&symbol(name), self.rust_span(span))
    }

    /// The name of a type or variant, at its place in the source.
    pub(super) fn type_ident(self, name: &str, span: Option<SourceSpan>) -> Ident {
        type_ident(&type_name(name), self.rust_span(span))
    }

    /// The name of a constant, at its place in the source.
    pub(super) fn constant_ident(self, name: &str, span: SourceSpan) -> Ident {
        value_ident(name, self.rust_span(Some(span)))
    }

    /// The place of a Scheme token with the name resolution and lint rules of generated code.
    fn rust_span(self, span: Option<SourceSpan>) -> Span {
        let here = Span::call_site();
        span.map_or(here, |span| here.located_at(self.positions.first(span, self.sources)))
    }
}

/// An identifier in snake case; a raw one where it is a keyword of Rust.
pub(super) fn value_ident(name: &str, span: Span) -> Ident {
    match name {
        // These can't even be raw.
        "self" | "super" | "crate" | "_" => Ident::new(&format!("{name}_"), span),
        _ if is_keyword(name) => Ident::new_raw(name, span),
        _ => Ident::new(name, span),
    }
}

fn type_ident(name: &str, span: Span) -> Ident {
    match name {
        "Self" | "_" => Ident::new(&format!("{name}_"), span),
        _ => Ident::new(name, span),
    }
}

/// Keywords in lower case of every edition, those that are only reserved included.
fn is_keyword(name: &str) -> bool {
    matches!(
        name,
        "abstract"
            | "as"
            | "async"
            | "await"
            | "become"
            | "box"
            | "break"
            | "const"
            | "continue"
            | "do"
            | "dyn"
            | "else"
            | "enum"
            | "extern"
            | "false"
            | "final"
            | "fn"
            | "for"
            | "gen"
            | "if"
            | "impl"
            | "in"
            | "let"
            | "loop"
            | "macro"
            | "match"
            | "mod"
            | "move"
            | "mut"
            | "override"
            | "priv"
            | "pub"
            | "ref"
            | "return"
            | "static"
            | "struct"
            | "trait"
            | "true"
            | "try"
            | "type"
            | "typeof"
            | "unsafe"
            | "unsized"
            | "use"
            | "virtual"
            | "where"
            | "while"
            | "yield"
    )
}

/// The `pub` of an item, at the place of its name: what rustc shows of an item begins with it.
pub(super) fn public(name: &Ident) -> TokenStream {
    quote_spanned!(name.span()=> pub)
}

/// The braces of an item, at the place of its name: what rustc shows of an item is taken from all of it.
pub(super) fn braced(name: &Ident, content: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, content);
    group.set_span(name.span());
    group
}

/// Documentation: the `;;;` text or, since some crates insist that everything has some, `otherwise`.
pub(super) fn doc(text: Option<&str>, otherwise: &str) -> TokenStream {
    let lines = text.unwrap_or(otherwise).lines();
    let lines = lines.map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote! { #(#[doc = #lines])* }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_become_raw() {
        let name = |name| value_ident(name, Span::call_site()).to_string();
        assert_eq!(name("type"), "r#type");
        assert_eq!(name("self"), "self_");
        assert_eq!(name("_"), "__");
        assert_eq!(name("xdp_main"), "xdp_main");
    }

    #[test]
    fn docs_keep_their_lines() {
        let tokens = doc(Some("one\n\n  two"), "").to_string();
        assert_eq!(tokens, "# [doc = \" one\"] # [doc = \"\"] # [doc = \"   two\"]");
    }
}
