//! `define-enum` as a Rust enum.

use eshkol_core::check::types::Enum;
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::Input;
use super::names::{braced, doc, public};

/// The enum and what it can do.
pub(super) fn item(input: Input<'_>, data: &Enum) -> TokenStream {
    let name = input.type_ident(&data.name, Some(data.span));
    let (title, public) = (name.to_string(), public(&name));
    let docs = doc(data.doc.as_deref(), &format!("The enum `{}`.", data.name));
    // Rust has one variant to a number; further names of it become constants.
    let is_first = |index: usize, value: u32| !data.variants.iter().take(index).any(|(_, earlier)| *earlier == value);
    let mut variants = Vec::new();
    let mut values = Vec::new();
    let mut aliases = Vec::new();
    for (index, (variant, value)) in data.variants.iter().enumerate() {
        let ident = input.type_ident(variant, None);
        let docs = doc(None, &format!("`{variant}`"));
        if is_first(index, *value) {
            let value = Literal::u32_unsuffixed(*value);
            variants.push(quote!(#docs #ident = #value));
            values.push(quote!(#value => Self::#ident));
        } else if let Some((first, _)) = data.variants.iter().find(|(_, earlier)| earlier == value) {
            let first = input.type_ident(first, None);
            aliases.push(quote!(#docs pub const #ident: Self = Self::#first;));
        }
    }
    let variants = braced(&name, quote!(#(#variants),*));
    let aliases = (!aliases.is_empty()).then(|| {
        quote! {
            #[allow(dead_code, non_upper_case_globals)]
            impl #name { #(#aliases)* }
        }
    });
    quote! {
        #docs
        #[repr(u32)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(dead_code)]
        #public enum #name #variants
        #aliases
        #[automatically_derived]
        impl ::core::convert::From<#name> for u32 {
            fn from(value: #name) -> u32 {
                value as u32
            }
        }
        #[automatically_derived]
        impl ::core::convert::TryFrom<u32> for #name {
            type Error = ::eshkol::__private::InvalidValue;
            fn try_from(value: u32) -> ::core::result::Result<Self, Self::Error> {
                ::core::result::Result::Ok(match value {
                    #(#values,)*
                    other => return ::core::result::Result::Err(
                        ::eshkol::__private::InvalidValue::new(#title, ::core::convert::From::from(other)),
                    ),
                })
            }
        }
        #[automatically_derived]
        impl ::eshkol::__private::Plain for #name {
            const SIZE: usize = 4;
            fn encode(&self, bytes: &mut [u8]) {
                ::eshkol::__private::Plain::encode(&(*self as u32), bytes);
            }
            fn decode(bytes: &[u8]) -> ::core::result::Result<Self, ::eshkol::__private::InvalidValue> {
                let value: u32 = ::eshkol::__private::Plain::decode(bytes)?;
                ::core::convert::TryFrom::try_from(value)
            }
        }
    }
}
