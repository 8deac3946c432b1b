//! The compiled unit as plain data: the object, and what the runtime needs to know of it.

use eshkol_core::Endianness;
use eshkol_core::bindings::symbol;
use eshkol_core::bpf::{Code, RelocationTarget};
use eshkol_core::check::typed::{Global, GlobalId, HiddenMap, Kfunc, KfuncId, KfuncParameter, Map, Program};
use eshkol_core::check::types::IntType;
use eshkol_core::kernel::MapKind;
use eshkol_core::kernel::architecture::{Frame, Registers};
use eshkol_core::object::section_name;
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{Input, log};

/// `spec()` of the unit's struct.
pub(super) fn spec(input: Input<'_>) -> TokenStream {
    let unit = input.unit();
    let code = code(input);
    let order = match input.architecture.endianness() {
        Endianness::Little => "little",
        Endianness::Big => "big",
    };
    let elsewhere = format!(
        "this was compiled for {order}-endian machines: take the macros from the crate `eshkol`, which knows the target"
    );
    let architecture = architecture(input);
    let name = &*unit.name;
    let (major, minor) = (unit.min_kernel.major, unit.min_kernel.minor);
    let maps = unit.maps.values().map(|map| map_spec(input, map));
    let programs = unit.programs.iter().enumerate().map(|(index, program)| program_spec(input, index, program));
    let globals = unit.globals.iter().map(|(id, global)| global_spec(input, id, global));
    let log = unit.log.iter().map(|line| log::line(input, line));
    let kfuncs = unit.kfuncs.iter().map(|(id, function)| kfunc_spec(input, id, function));
    quote! {
        /// The compiled unit as data. Its `object` is an ELF file that any loader takes.
        pub fn spec() -> &'static ::eshkol::spec::UnitSpec {
            #[cfg(not(target_endian = #order))]
            ::core::compile_error!(#elsewhere);
            #architecture
            mod code { #code }
            static SPEC: ::eshkol::spec::UnitSpec = ::eshkol::spec::UnitSpec {
                name: #name,
                object: &code::OBJECT.0,
                min_kernel: (#major, #minor),
                maps: &[#(#maps),*],
                programs: &[#(#programs),*],
                globals: &[#(#globals),*],
                log: &[#(#log),*],
                kfuncs: &[#(#kfuncs),*],
            };
            &SPEC
        }
    }
}

/// What stops the build for another architecture, where the object is for one alone.
fn architecture(input: Input<'_>) -> Option<TokenStream> {
    let name = input.architecture.name()?;
    let reads_registers = |program: &Program| program.program_type.is_given_registers();
    input.unit().programs.iter().any(reads_registers).then(|| {
        let elsewhere =
            format!("this was compiled for {name}: take the macros from the crate `eshkol`, which knows the target");
        quote! {
            #[cfg(not(target_arch = #name))]
            ::core::compile_error!(#elsewhere);
        }
    })
}

/// The object, and for each program the source of its instructions.
fn code(input: Input<'_>) -> TokenStream {
    let output = input.output;
    let (length, object) = (output.object.len(), Literal::byte_string(&output.object));
    let lines = output.unit.programs.iter().zip(&output.programs).map(|(program, code)| {
        let lines = lines(input, program, code);
        quote!(&[#(#lines),*])
    });
    let facts = output.programs.iter().map(|code| {
        let facts = facts(input, code);
        quote!(&[#(#facts),*])
    });
    quote! {
        pub(super) const FACTS: &[&[::eshkol::spec::FactSpec]] = &[#(#facts),*];
        pub(super) static OBJECT: ::eshkol::__private::Aligned<#length> = ::eshkol::__private::Aligned(*#object);
        pub(super) const LINES: &[&[::eshkol::spec::LineSpec]] = &[#(#lines),*];
    }
}

fn map_spec(input: Input<'_>, map: &Map) -> TokenStream {
    let types = &input.unit().types;
    let (name, symbol, kind) = (&*map.name, symbol(&map.name), map.kind.number());
    let prefix = if map.kind == MapKind::LpmTrie { 4 } else { 0 };
    let (key_size, value_size) = (types.size(&map.key).saturating_add(prefix), types.size(&map.value));
    let Map { max_entries, flags, pin_by_name, .. } = map;
    let indices = match &map.hidden {
        Some(HiddenMap::Programs(indices)) => indices.as_slice(),
        Some(HiddenMap::Arguments | HiddenMap::Log) | None => &[],
    };
    let programs = indices.iter().filter_map(|index| input.unit().programs.get(*index));
    let programs = programs.map(|program| self::symbol(&program.entry.name));
    quote! {
        ::eshkol::spec::MapSpec {
            name: #name,
            symbol: #symbol,
            kind: #kind,
            key_size: #key_size,
            value_size: #value_size,
            max_entries: #max_entries,
            flags: #flags,
            pin_by_name: #pin_by_name,
            programs: &[#(#programs),*],
        }
    }
}

fn program_spec(input: Input<'_>, index: usize, program: &Program) -> TokenStream {
    let (name, symbol) = (&*program.entry.name, symbol(&program.entry.name));
    let program_type = program.program_type.keyword();
    let attach_points = program.attach_points.iter().map(|(point, _)| &**point);
    let (registers, entry_probe) = (registers(input, program), entry_probe(input, program));
    let file = &input.sources.get(program.entry.name_span.source).name;
    quote! {
        ::eshkol::spec::ProgramSpec {
            name: #name,
            symbol: #symbol,
            program_type: #program_type,
            attach_points: &[#(#attach_points),*],
            file: #file,
            lines: code::LINES[#index],
            facts: code::FACTS[#index],
            registers: #registers,
            entry_probe: #entry_probe,
        }
    }
}

/// Where the registers lie that a program is given.
fn registers(input: Input<'_>, program: &Program) -> TokenStream {
    let known = input.architecture.registers().filter(|_| program.program_type.is_given_registers());
    let Some(known) = known else { return quote!(::core::option::Option::None) };
    let Registers { arguments, result, stack_pointer, instruction_pointer, frame, size } = known;
    let frame = match frame {
        Some(Frame { register, returned }) => quote!(::core::option::Option::Some((#register, #returned))),
        None => quote!(::core::option::Option::None),
    };
    quote! {
        ::core::option::Option::Some(::eshkol::spec::RegistersSpec {
            arguments: &[#(#arguments),*],
            result: #result,
            stack_pointer: #stack_pointer,
            instruction_pointer: #instruction_pointer,
            frame: #frame,
            size: #size,
        })
    }
}

/// The symbol of the program that saves what functions are called with, for a return probe that asks for it.
fn entry_probe(input: Input<'_>, program: &Program) -> TokenStream {
    let is_its = |other: &&Program| other.saves_arguments_of.as_ref() == Some(&program.entry.name);
    match input.unit().programs.iter().find(is_its) {
        Some(other) => {
            let symbol = symbol(&other.entry.name);
            quote!(::core::option::Option::Some(#symbol))
        }
        None => quote!(::core::option::Option::None),
    }
}

fn lines(input: Input<'_>, program: &Program, code: &Code) -> Vec<TokenStream> {
    let source = program.entry.name_span.source;
    // What comes from another text (the prelude) is shown where it was last in this one.
    let lines = code.lines.iter().filter(|line| line.span.source == source);
    let lines = lines.map(|line| {
        let (instruction, place) = (line.instruction, input.sources.location(line.span));
        let (line, column, text) = (place.line, place.column, input.sources.line_text(line.span).trim());
        quote!(::eshkol::spec::LineSpec { instruction: #instruction, line: #line, column: #column, text: #text })
    });
    lines.collect()
}

/// What the instructions of a program ask of the running kernel.
fn facts(input: Input<'_>, code: &Code) -> Vec<TokenStream> {
    let unit = input.unit();
    let facts = code.relocations.iter().filter_map(|relocation| {
        let RelocationTarget::Fact(fact) = relocation.target else { return None };
        let (instruction, subject) = (relocation.instruction, unit.types.kernel_subject(&unit.facts.at(fact).subject));
        Some(quote!(::eshkol::spec::FactSpec { instruction: #instruction, subject: #subject }))
    });
    facts.collect()
}

fn kfunc_spec(input: Input<'_>, id: KfuncId, function: &Kfunc) -> TokenStream {
    let (name, symbol) = (&*function.name, &function.symbol);
    let parameters = function.parameters.iter().map(|(_, parameter)| match parameter {
        KfuncParameter::Int(int) => {
            let bytes = int.bytes();
            quote!(::eshkol::spec::KfuncPart::Number(#bytes))
        }
        KfuncParameter::Map => quote!(::eshkol::spec::KfuncPart::Map),
        KfuncParameter::Context => quote!(::eshkol::spec::KfuncPart::Context),
        KfuncParameter::Memory(data) => {
            let bytes = input.unit().types.size(data);
            quote!(::eshkol::spec::KfuncPart::Memory(#bytes))
        }
        KfuncParameter::SizedMemory => quote!(::eshkol::spec::KfuncPart::SizedMemory),
        KfuncParameter::String => quote!(::eshkol::spec::KfuncPart::String),
    });
    let result = match function.result.map(IntType::bytes) {
        Some(bytes) => quote!(::core::option::Option::Some(#bytes)),
        None => quote!(::core::option::Option::None),
    };
    let calls = input.output.kfunc_calls.iter().filter(|(called, _)| *called == id).map(|(_, place)| place);
    quote! {
        ::eshkol::spec::KfuncSpec {
            name: #name,
            symbol: #symbol,
            parameters: &[#(#parameters),*],
            result: #result,
            calls: &[#(#calls),*],
        }
    }
}

fn global_spec(input: Input<'_>, id: GlobalId, global: &Global) -> TokenStream {
    let (name, symbol, size) = (&*global.name, symbol(&global.name), input.unit().types.size(&global.ty));
    let (section, _) = *input.output.module.globals.places.at(id);
    let section = section_name(input.unit(), section);
    quote! {
        ::eshkol::spec::GlobalSpec {
            name: #name,
            symbol: #symbol,
            section: #section,
            size: #size,
        }
    }
}
