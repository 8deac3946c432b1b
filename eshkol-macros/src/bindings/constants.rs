//! Constants of the unit as constants of its struct.

use eshkol_core::bindings::constant_name;
use eshkol_core::check::typed::{Constant, ConstantValue};
use eshkol_core::check::types::DataType;
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::Input;
use super::names::{doc, public};

/// `pub const NAME: type = value;` for each.
pub(super) fn items(input: Input<'_>) -> TokenStream {
    input.unit().constants.iter().map(|constant| item(input, constant)).collect()
}

fn item(input: Input<'_>, constant: &Constant) -> TokenStream {
    let name = input.constant_ident(&constant_name(&constant.name), constant.span);
    let docs = doc(constant.doc.as_deref(), &format!("The constant `{}`.", constant.name));
    let (ty, value) = match &constant.value {
        ConstantValue::Number(int, value) => {
            let digits = Literal::u128_unsuffixed(value.unsigned_abs());
            let value = if *value < 0 { quote!(-#digits) } else { quote!(#digits) };
            (input.data_type(&DataType::Int(*int)), value)
        }
        ConstantValue::Bool(value) => (quote!(bool), quote!(#value)),
        ConstantValue::Text(text) => {
            let text = &**text;
            (quote!(&'static str), quote!(#text))
        }
        ConstantValue::Ipv4(address) => {
            let [a, b, c, d] = address.to_be_bytes();
            (quote!(::core::net::Ipv4Addr), quote!(::core::net::Ipv4Addr::new(#a, #b, #c, #d)))
        }
        ConstantValue::Ipv6(bytes) => {
            let bits = u128::from_be_bytes(*bytes);
            (quote!(::core::net::Ipv6Addr), quote!(::core::net::Ipv6Addr::from_bits(#bits)))
        }
        ConstantValue::Mac([a, b, c, d, e, f]) => {
            (quote!(::eshkol::MacAddr), quote!(::eshkol::MacAddr::new(#a, #b, #c, #d, #e, #f)))
        }
        ConstantValue::Enum(id, value) => {
            let variants = &input.unit().types.enums.at(*id).variants;
            let Some((variant, _)) = variants.iter().find(|(_, number)| number == value) else {
                return TokenStream::new();
            };
            let (ty, variant) = (input.data_type(&DataType::Enum(*id)), input.type_ident(variant, None));
            (ty.clone(), quote!(#ty::#variant))
        }
    };
    let public = public(&name);
    quote!(#docs #public const #name: #ty = #value;)
}
