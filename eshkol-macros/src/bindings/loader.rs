//! The settings for loading a unit: a builder with a method per global and per map.

use std::collections::BTreeSet;

use eshkol_core::bindings::symbol;
use eshkol_core::check::typed::Map;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::Input;
use super::names::{doc, public, value_ident};

/// The builder's name.
pub(super) fn ident(input: Input<'_>) -> Ident {
    let unit = input.type_ident(&input.unit().name, None);
    format_ident!("{unit}Loader", span = unit.span())
}

/// What the builder can set of a map.
struct Setting {
    /// What its method ends with, after the map's name.
    name: &'static str,
    /// What its argument is called.
    value: &'static str,
    /// The method of `Loader`.
    set: &'static str,
    meaning: String,
}

impl Setting {
    fn of(map: &Map) -> Self {
        let Map { name, max_entries, kind, .. } = map;
        if kind.has_output() {
            let meaning = format!(
                "How many pages of events of each CPU may wait for user space in `{name}`: a power of 2. Without it they have 256 KiB."
            );
            return Self { name: "pages", value: "pages", set: "pages", meaning };
        }
        if kind.has_submit() {
            let meaning = format!(
                "How many bytes of events may wait for user space in the ring buffer `{name}`: {max_entries} in the source."
            );
            return Self { name: "size", value: "bytes", set: "max_entries", meaning };
        }
        let meaning = format!("How many elements at most are in the map `{name}`: {max_entries} in the source.");
        Self { name: "max_entries", value: "entries", set: "max_entries", meaning }
    }
}

/// The builder and what it can do.
pub(super) fn item(input: Input<'_>) -> TokenStream {
    let unit = input.unit();
    let (name, loaded) = (ident(input), input.type_ident(&unit.name, None));
    let docs = doc(None, &format!("Settings for loading `{}`.", unit.name));
    let mut methods = BTreeSet::from(["load", "log_level", "pin", "test"].map(str::to_owned));
    let maps: Vec<_> = unit
        .maps
        .values()
        // The program knows how many buckets there are.
        .filter(|map| map.hidden.is_none() && map.histogram.is_none_or(|histogram| histogram.by.is_some()))
        .filter_map(|map| {
            let symbol = symbol(&map.name);
            let setting = Setting::of(map);
            let value = format_ident!("{}", setting.value);
            let method = format!("{symbol}_{}", setting.name);
            let ident = Ident::new(&method, input.value_ident(&map.name, Some(map.span)).span());
            let docs = doc(None, &setting.meaning);
            let set = format_ident!("{}", setting.set);
            let public = public(&ident);
            methods.insert(method).then(|| {
                quote! {
                    #docs
                    #public fn #ident(self, #value: u32) -> Self {
                        Self { loader: self.loader.#set(#symbol, #value) }
                    }
                }
            })
        })
        .collect();
    let globals: Vec<_> = unit
        .globals
        .values()
        .filter(|global| global.hidden.is_none())
        .map(|global| {
            let symbol = symbol(&global.name);
            let mut method = symbol.clone();
            while !methods.insert(method.clone()) {
                method.insert_str(0, "global_");
            }
            let ident = value_ident(&method, input.value_ident(&global.name, Some(global.span)).span());
            let (public, ty) = (public(&ident), input.data_type(&global.ty));
            let docs = doc(global.doc.as_deref(), &format!("The value that the global `{}` starts with.", global.name));
            quote! {
                #docs
                #public fn #ident(self, value: impl ::eshkol::Argument<#ty>) -> Self {
                    Self { loader: self.loader.global::<#ty>(#symbol, value) }
                }
            }
        })
        .collect();
    let log_level = super::log::setting(input);
    quote! {
        #docs
        #[derive(Debug)]
        #[must_use]
        #[allow(dead_code)]
        pub struct #name {
            loader: ::eshkol::__private::Loader,
        }
        #[allow(dead_code)]
        impl #name {
            #(#globals)*
            #(#maps)*
            #log_level
            /// The directory, in a `bpf` file system, for the maps that are `(pinning :by-name)`.
            pub fn pin(self, directory: impl ::core::convert::AsRef<::std::path::Path>) -> Self {
                Self { loader: self.loader.pin(directory) }
            }
            /// Loads the unit into the simulator, for tests: the same programs and maps, without the kernel. It takes the feature `sim` of `eshkol`.
            pub fn test<'a>(self) -> ::eshkol::Result<#loaded>
            where
                &'a (): ::eshkol::__private::Simulation,
            {
                #loaded::from_loaded(<&'a () as ::eshkol::__private::Simulation>::test(self.loader)?)
            }
            /// Creates the maps and has the kernel verify every program. Nothing is attached yet.
            pub fn load(self) -> ::eshkol::Result<#loaded> {
                #loaded::from_loaded(self.loader.load()?)
            }
        }
    }
}
