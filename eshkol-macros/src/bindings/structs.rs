//! `define-struct` as a Rust struct.

use eshkol_core::check::types::{DataType, Field, Struct};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use super::Input;
use super::names::{braced, doc, public};

/// The struct and what it can do.
pub(super) fn item(input: Input<'_>, data: &Struct) -> TokenStream {
    let name = input.type_ident(&data.name, data.span);
    let docs = doc(data.doc.as_deref(), &format!("The struct `{}`.", data.name));
    let fields = data.fields.iter().map(|field| {
        let (name, ty) = (input.value_ident(&field.name, field.span), input.data_type(&field.ty));
        let docs = doc(field.doc.as_deref(), &format!("The field `{}`.", field.name));
        let public = public(&name);
        quote! { #docs #public #name: #ty }
    });
    let fields = braced(&name, quote!(#(#fields),*));
    let public = public(&name);
    let (debug, readers, default) = (debug(input, data), readers(input, data), default(input, data));
    let (plain, layout) = (plain(input, data), layout(input, data));
    quote! {
        #docs
        #[repr(C)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(dead_code, missing_debug_implementations)]
        #public struct #name #fields
        #debug
        #default
        #readers
        #plain
        #layout
    }
}

/// `Debug` that shows text as text.
fn debug(input: Input<'_>, data: &Struct) -> TokenStream {
    let name = input.type_ident(&data.name, None);
    let title = name.to_string();
    let fields = data.fields.iter().map(|field| {
        let ident = input.value_ident(&field.name, None);
        let title = ident.to_string();
        let title = title.trim_start_matches("r#");
        let value = match field.ty {
            DataType::CharArray(_) => quote!(&::eshkol::__private::text(&self.#ident)),
            _ => quote!(&self.#ident),
        };
        quote!(.field(#title, #value))
    });
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#title)#(#fields)*.finish()
            }
        }
    }
}

/// `Default`, where all zero is a value.
fn default(input: Input<'_>, data: &Struct) -> Option<TokenStream> {
    let name = input.type_ident(&data.name, None);
    let fields = data.fields.iter().map(|field| {
        let zero = input.zero(&field.ty)?;
        let ident = input.value_ident(&field.name, None);
        Some(quote!(#ident: #zero))
    });
    let fields = fields.collect::<Option<Vec<_>>>()?;
    let docs = doc(None, &format!("All zero, as `(make-{})` gives.", data.name));
    Some(quote! {
        #[automatically_derived]
        impl ::core::default::Default for #name {
            #docs
            fn default() -> Self {
                Self { #(#fields),* }
            }
        }
    })
}

/// `…_str()` for the fields that hold text.
fn readers(input: Input<'_>, data: &Struct) -> Option<TokenStream> {
    let name = input.type_ident(&data.name, None);
    let is_text = |field: &&Field| matches!(field.ty, DataType::CharArray(_));
    let readers = data.fields.iter().filter(is_text).map(|field| {
        let ident = input.value_ident(&field.name, field.span);
        let reader = format_ident!("{}_str", ident, span = ident.span());
        let public = public(&reader);
        let docs =
            format!(" The text in `{}`: up to the first NUL, with `\u{fffd}` for what is not UTF-8.", field.name);
        quote! {
            #[doc = #docs]
            #public fn #reader(&self) -> ::std::borrow::Cow<'_, str> {
                ::eshkol::__private::text(&self.#ident)
            }
        }
    });
    let readers: Vec<_> = readers.collect();
    (!readers.is_empty()).then(|| {
        quote! {
            #[allow(dead_code)]
            impl #name { #(#readers)* }
        }
    })
}

/// How the struct gets into kernel memory and back: field by field, so that padding is zero there.
fn plain(input: Input<'_>, data: &Struct) -> TokenStream {
    let name = input.type_ident(&data.name, None);
    let size = Literal::u32_unsuffixed(data.size);
    let idents: Vec<_> = data.fields.iter().map(|field| input.value_ident(&field.name, None)).collect();
    let offsets: Vec<_> = data.fields.iter().map(|field| Literal::u32_unsuffixed(field.offset)).collect();
    quote! {
        #[automatically_derived]
        impl ::eshkol::__private::Plain for #name {
            const SIZE: usize = #size;
            fn encode(&self, bytes: &mut [u8]) {
                #(::eshkol::__private::put(&self.#idents, bytes, #offsets);)*
            }
            fn decode(bytes: &[u8]) -> ::core::result::Result<Self, ::eshkol::__private::InvalidValue> {
                ::core::result::Result::Ok(Self { #(#idents: ::eshkol::__private::take(bytes, #offsets)?),* })
            }
        }
    }
}

/// Proof, at compile time, that the compiler and Rust agree on every size; and on the struct's layout in Rust's own memory where
/// that is the same (an `Ipv4Addr` of the standard library has no alignment; 32-bit x86 aligns `u64` to 4).
fn layout(input: Input<'_>, data: &Struct) -> TokenStream {
    let name = input.type_ident(&data.name, None);
    let sizes = data.fields.iter().map(|field| {
        let (ty, size) = (input.data_type(&field.ty), Literal::u32_unsuffixed(input.unit().types.size(&field.ty)));
        quote!(::core::assert!(<#ty as ::eshkol::__private::Plain>::SIZE == #size);)
    });
    let own = data.fields.iter().all(|field| is_laid_out_as_in_c(input, &field.ty)).then(|| {
        let (size, align) = (Literal::u32_unsuffixed(data.size), Literal::u32_unsuffixed(data.align));
        let idents = data.fields.iter().map(|field| input.value_ident(&field.name, None));
        let offsets = data.fields.iter().map(|field| Literal::u32_unsuffixed(field.offset));
        quote! {
            #[cfg(target_pointer_width = "64")]
            const _: () = {
                ::core::assert!(::core::mem::size_of::<#name>() == #size);
                ::core::assert!(::core::mem::align_of::<#name>() == #align);
                #(::core::assert!(::core::mem::offset_of!(#name, #idents) == #offsets);)*
            };
        }
    });
    quote! {
        const _: () = { #(#sizes)* };
        #own
    }
}

fn is_laid_out_as_in_c(input: Input<'_>, ty: &DataType) -> bool {
    match ty {
        DataType::Ipv4 => false,
        DataType::Array(element, _) => is_laid_out_as_in_c(input, element),
        DataType::Struct(id) => {
            input.unit().types.structs.at(*id).fields.iter().all(|field| is_laid_out_as_in_c(input, &field.ty))
        }
        _ => true,
    }
}
