//! The compiled unit as plain data: the object, and what the runtime needs to know of it.

use eshkol_core::Output;
use eshkol_core::bindings::symbol;
use eshkol_core::bpf::Code;
use eshkol_core::check::typed::{Global, GlobalId, Map, Program};
use eshkol_core::ir::GlobalSection;
use eshkol_core::kernel::MapKind;
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::Input;

/// `spec()` of the unit's struct, with an object for each byte order.
pub(super) fn spec(input: Input<'_>) -> TokenStream {
    let (little, big) = (statics(input, input.little), statics(input, input.big));
    quote! {
        /// The compiled unit as data. Its `object` is an ELF file that any loader takes.
        pub fn spec() -> &'static ::eshkol::spec::UnitSpec {
            #[cfg(target_endian = "little")]
            { #little }
            #[cfg(target_endian = "big")]
            { #big }
        }
    }
}

fn statics(input: Input<'_>, output: &Output) -> TokenStream {
    let unit = &output.unit;
    let (length, object) = (output.object.len(), Literal::byte_string(&output.object));
    let name = &*unit.name;
    let (major, minor) = (unit.min_kernel.major, unit.min_kernel.minor);
    let maps = unit.maps.values().map(|map| map_spec(input, map));
    let programs = unit.programs.iter().zip(&output.programs).map(|(program, code)| program_spec(input, program, code));
    let globals = unit.globals.iter().map(|(id, global)| global_spec(input, output, id, global));
    quote! {
        static OBJECT: ::eshkol::__private::Aligned<#length> = ::eshkol::__private::Aligned(*#object);
        static SPEC: ::eshkol::__private::UnitSpec = ::eshkol::__private::UnitSpec {
            name: #name,
            object: &OBJECT.0,
            min_kernel: (#major, #minor),
            maps: &[#(#maps),*],
            programs: &[#(#programs),*],
            globals: &[#(#globals),*],
        };
        &SPEC
    }
}

fn map_spec(input: Input<'_>, map: &Map) -> TokenStream {
    let types = &input.unit().types;
    let (name, symbol, kind) = (&*map.name, symbol(&map.name), map.kind.number());
    let prefix = if map.kind == MapKind::LpmTrie { 4 } else { 0 };
    let (key_size, value_size) = (types.size(&map.key).saturating_add(prefix), types.size(&map.value));
    let Map { max_entries, flags, pin_by_name, .. } = map;
    quote! {
        ::eshkol::__private::MapSpec {
            name: #name,
            symbol: #symbol,
            kind: #kind,
            key_size: #key_size,
            value_size: #value_size,
            max_entries: #max_entries,
            flags: #flags,
            pin_by_name: #pin_by_name,
        }
    }
}

fn program_spec(input: Input<'_>, program: &Program, code: &Code) -> TokenStream {
    let (name, symbol, program_type) = (&*program.entry.name, &code.name, program.program_type.keyword());
    let attach_points = program.attach_points.iter().map(|(point, _)| &**point);
    let source = program.entry.name_span.source;
    let file = &input.sources.get(source).name;
    // What comes from another text (the prelude) is shown where it was last in this one.
    let lines = code.lines.iter().filter(|line| line.span.source == source).map(|line| {
        let (instruction, place) = (line.instruction, input.sources.location(line.span));
        let (line, column, text) = (place.line, place.column, input.sources.line_text(line.span).trim());
        quote!(::eshkol::__private::LineSpec { instruction: #instruction, line: #line, column: #column, text: #text })
    });
    quote! {
        ::eshkol::__private::ProgramSpec {
            name: #name,
            symbol: #symbol,
            program_type: #program_type,
            attach_points: &[#(#attach_points),*],
            file: #file,
            lines: &[#(#lines),*],
        }
    }
}

fn global_spec(input: Input<'_>, output: &Output, id: GlobalId, global: &Global) -> TokenStream {
    let (name, symbol, size) = (&*global.name, symbol(&global.name), input.unit().types.size(&global.ty));
    let (section, offset) = *output.module.globals.places.at(id);
    let section = match section {
        GlobalSection::Rodata => ".rodata",
        GlobalSection::Data => ".data",
        GlobalSection::Bss => ".bss",
    };
    quote! {
        ::eshkol::__private::GlobalSpec {
            name: #name,
            symbol: #symbol,
            section: #section,
            offset: #offset,
            size: #size,
        }
    }
}
