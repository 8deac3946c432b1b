//! What Rust sees of a unit: one struct with a field per map, program and live global; its structs and enums; a loader.
//!
//! Every name carries the place of the Scheme name it came from, so that "go to definition" lands there and rustc's
//! errors point there. Nothing but `::eshkol` and `::core` is named, so that no import is needed and none gets in the way.

mod constants;
mod enums;
mod events;
mod loader;
mod log;
mod names;
mod spec;
mod structs;
mod types;
mod unit;

use eshkol_core::check::typed;
use eshkol_core::source::Sources;
use eshkol_core::{Architecture, Output};
use proc_macro2::TokenStream;
use quote::quote;

use crate::positions::Positions;

/// What bindings are made from.
#[derive(Copy, Clone)]
pub(crate) struct Input<'a> {
    /// The compiled unit.
    pub(crate) output: &'a Output,
    /// The machine that it is compiled for.
    pub(crate) architecture: Architecture,
    /// The texts.
    pub(crate) sources: &'a Sources,
    /// Where their tokens are.
    pub(crate) positions: &'a Positions,
}

impl<'a> Input<'a> {
    /// The checked unit.
    fn unit(self) -> &'a typed::Unit {
        &self.output.unit
    }
}

/// The items that a macro invocation stands for.
pub(crate) fn items(input: Input<'_>) -> TokenStream {
    let types = &input.unit().types;
    let structs =
        types.structs.iter().filter(|(_, data)| data.span.is_some()).map(|(_, data)| structs::item(input, data));
    let enums = types.enums.values().map(|data| enums::item(input, data));
    let events = input.unit().maps.values().filter_map(|map| events::item(input, map));
    let unit = unit::item(input);
    let loader = loader::item(input);
    quote! { #(#enums)* #(#structs)* #(#events)* #unit #loader }
}

#[cfg(test)]
mod tests;
