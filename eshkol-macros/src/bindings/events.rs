//! What programs send through a map, as Rust sees it: the struct that programs send, or an enum of several.

use eshkol_core::bindings::type_name;
use eshkol_core::check::typed::Map;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::Input;
use super::names::{doc, public};

/// The type of the events of a map.
pub(super) fn ty(input: Input<'_>, map: &Map) -> TokenStream {
    match map.events.as_slice() {
        // Nothing is ever sent.
        [] => quote!(()),
        [event] => {
            let event = struct_ident(input, *event);
            quote!(#event)
        }
        _ => {
            let name = enum_ident(input, map);
            quote!(#name)
        }
    }
}

/// The enum, for a map that takes several structs.
pub(super) fn item(input: Input<'_>, map: &Map) -> Option<TokenStream> {
    if map.events.len() < 2 {
        return None;
    }
    let name = enum_ident(input, map);
    let docs = doc(None, &format!("What programs send through `{}`.", map.name));
    let public = public(&name);
    let events: Vec<_> = map.events.iter().map(|event| struct_ident(input, *event)).collect();
    let docs_of = events.iter().map(|event| format!("A [`{event}`]."));
    // Whether a user's crate takes the events apart is its business: `expect` would warn where it does.
    Some(quote! {
        #docs
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(dead_code)]
        #public enum #name {
            #(#[doc = #docs_of] #events(#events),)*
        }
        #[automatically_derived]
        impl ::eshkol::Event for #name {
            const SIZES: &'static [usize] = &[#(<#events as ::eshkol::Plain>::SIZE),*];
            fn decode_event(bytes: &[u8]) -> ::core::result::Result<Self, ::eshkol::InvalidValue> {
                // No two of them have the same size.
                #(if bytes.len() == <#events as ::eshkol::Plain>::SIZE {
                    return <#events as ::eshkol::Plain>::decode(bytes).map(Self::#events);
                })*
                ::core::result::Result::Err(::eshkol::InvalidValue::new(stringify!(#name), bytes.len() as u64))
            }
        }
    })
}

fn struct_ident(input: Input<'_>, event: eshkol_core::check::types::StructId) -> Ident {
    let data = input.unit().types.structs.at(event);
    input.type_ident(&data.name, data.span)
}

/// `events` gives `EventsEvent`, `exec-events` gives `ExecEventsEvent`.
fn enum_ident(input: Input<'_>, map: &Map) -> Ident {
    let place = input.type_ident(&map.name, Some(map.span));
    format_ident!("{}Event", type_name(&map.name), span = place.span())
}
