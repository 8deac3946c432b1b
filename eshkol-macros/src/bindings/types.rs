//! Rust types for the language's data types.

use eshkol_core::check::types::{DataType, EnumId, IntType, StructId};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use super::Input;

impl Input<'_> {
    /// The Rust type.
    pub(super) fn data_type(self, ty: &DataType) -> TokenStream {
        match ty {
            DataType::Int(int) => integer(*int),
            DataType::Bool => quote!(bool),
            DataType::BigEndian(int) => {
                let name = format_ident!("Be{}", int.bits);
                quote!(::eshkol::#name)
            }
            DataType::Ipv4 => quote!(::core::net::Ipv4Addr),
            DataType::Ipv6 => quote!(::core::net::Ipv6Addr),
            DataType::Mac => quote!(::eshkol::MacAddr),
            DataType::Array(element, count) => {
                let (element, count) = (self.data_type(element), Literal::u32_unsuffixed(*count));
                quote!([#element; #count])
            }
            DataType::CharArray(count) => {
                let count = Literal::u32_unsuffixed(*count);
                quote!([u8; #count])
            }
            DataType::Struct(id) => self.struct_type(*id),
            DataType::Enum(id) => self.enum_type(*id),
        }
    }

    /// The value whose bytes are all zero; `None` where there is none.
    pub(super) fn zero(self, ty: &DataType) -> Option<TokenStream> {
        Some(match ty {
            DataType::Int(_) => quote!(0),
            DataType::Bool => quote!(false),
            DataType::BigEndian(int) => {
                let name = format_ident!("Be{}", int.bits);
                quote!(::eshkol::#name::new(0))
            }
            DataType::Ipv4 => quote!(::core::net::Ipv4Addr::UNSPECIFIED),
            DataType::Ipv6 => quote!(::core::net::Ipv6Addr::UNSPECIFIED),
            DataType::Mac => quote!(::eshkol::MacAddr::new(0, 0, 0, 0, 0, 0)),
            DataType::Array(element, count) => {
                let (element, count) = (self.zero(element)?, Literal::u32_unsuffixed(*count));
                quote!([#element; #count])
            }
            DataType::CharArray(count) => {
                let count = Literal::u32_unsuffixed(*count);
                quote!([0; #count])
            }
            DataType::Struct(id) => {
                let fields = &self.unit().types.structs.at(*id).fields;
                let names = fields.iter().map(|field| self.value_ident(&field.name, field.span));
                let zeros = fields.iter().map(|field| self.zero(&field.ty)).collect::<Option<Vec<_>>>()?;
                let ty = self.struct_type(*id);
                quote!(#ty { #(#names: #zeros),* })
            }
            DataType::Enum(id) => {
                let data = self.unit().types.enums.at(*id);
                let (name, _) = data.variants.iter().find(|(_, value)| *value == 0)?;
                let (ty, variant) = (self.enum_type(*id), self.type_ident(name, None));
                quote!(#ty::#variant)
            }
        })
    }

    /// A struct's type: one that the unit defines stands beside it, a predefined one is the runtime's.
    fn struct_type(self, id: StructId) -> TokenStream {
        let data = self.unit().types.structs.at(id);
        let name = self.type_ident(&data.name, None);
        if data.span.is_some() { quote!(#name) } else { quote!(::eshkol::#name) }
    }

    fn enum_type(self, id: EnumId) -> TokenStream {
        let name = self.type_ident(&self.unit().types.enums.at(id).name, None);
        quote!(#name)
    }
}

fn integer(int: IntType) -> TokenStream {
    let name = format_ident!("{int}");
    quote!(#name)
}
