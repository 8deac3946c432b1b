//! The struct that stands for a loaded unit.

use eshkol_core::bindings::symbol;
use eshkol_core::check::typed::{Buckets, Global, HiddenGlobal, Histogram, Map, MapId, Program};
use eshkol_core::check::types::DataType;
use eshkol_core::kernel::{MapKind, ProgramType};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::Input;
use super::names::{braced, doc, public, value_ident};
use super::{constants, spec};

/// The field that holds what the handles don't: no Scheme name gives this one.
pub(super) const LOADED: &str = "eshkol_Loaded";

/// A field of the struct.
struct Handle {
    docs: TokenStream,
    name: Ident,
    ty: TokenStream,
    /// How it is made of `loaded`, a `&Loaded`.
    taken: TokenStream,
}

/// The struct and what it can do.
pub(super) fn item(input: Input<'_>) -> TokenStream {
    let unit = input.unit();
    let name = input.type_ident(&unit.name, Some(unit.name_span));
    let loader = super::loader::ident(input);
    let docs = doc(unit.doc.as_deref(), &format!("The eBPF unit `{}`, loaded.", unit.name));
    let loaded = value_ident(LOADED, proc_macro2::Span::call_site());
    let handles = handles(input);
    let fields = handles.iter().map(|Handle { docs, name, ty, .. }| {
        let public = public(name);
        quote!(#docs #public #name: #ty)
    });
    let fields = braced(&name, quote!(#(#fields,)* #loaded: ::eshkol::__private::Loaded,));
    let public = public(&name);
    let taken = handles.iter().map(|Handle { name, taken, .. }| quote!(#name: #taken));
    let attach_all = attach_all(input);
    let log = super::log::method(input);
    let spec = spec::spec(input);
    let constants = constants::items(input);
    quote! {
        #docs
        #[derive(Debug)]
        #[allow(dead_code, non_snake_case)]
        #public struct #name #fields
        #[allow(dead_code)]
        impl #name {
            #constants
            /// Creates the maps and has the kernel verify every program. Nothing is attached yet.
            pub fn load() -> ::eshkol::Result<Self> {
                Self::loader().load()
            }
            /// Settings for loading.
            pub fn loader() -> #loader {
                #loader { loader: ::eshkol::__private::Loader::new(Self::spec()) }
            }
            #attach_all
            #log
            /// The unit in the simulator, for tests: the same programs and maps, without the kernel. It takes the feature `sim` of `eshkol`.
            pub fn test<'a>() -> ::eshkol::Result<Self>
            where
                &'a (): ::eshkol::__private::Simulation,
            {
                Self::loader().test()
            }
            /// The simulator that [`test`](Self::test) has loaded the unit into: time, random numbers, the CPU, what was traced.
            pub fn simulator<'a>(&self) -> ::eshkol::Result<&::eshkol::__private::Simulator>
            where
                &'a (): ::eshkol::__private::Simulation,
            {
                <&'a () as ::eshkol::__private::Simulation>::simulator(&self.#loaded)
            }
            /// The unit as aya has it: the way to everything that has no name here.
            ///
            /// # Panics
            ///
            /// After `test()`: aya knows nothing of what is in the simulator.
            pub fn ebpf_mut(&mut self) -> &mut ::eshkol::aya::Ebpf {
                self.#loaded.ebpf_mut()
            }
            #spec
            fn from_loaded(loaded: ::eshkol::__private::Loaded) -> ::eshkol::Result<Self> {
                ::core::result::Result::Ok(Self { #(#taken,)* #loaded: loaded })
            }
        }
    }
}

fn handles(input: Input<'_>) -> Vec<Handle> {
    let unit = input.unit();
    let maps = unit.maps.iter().filter(|(_, map)| map.hidden.is_none()).map(|(id, map)| {
        let name = input.value_ident(&map.name, Some(map.span));
        let symbol = symbol(&map.name);
        Handle {
            docs: doc(map.doc.as_deref(), &format!("The map `{}`.", map.name)),
            ty: map_type(input, map),
            taken: match (map.histogram, lost_events(input, id)) {
                (Some(histogram), _) => {
                    let step = match histogram.buckets {
                        Buckets::Log2 => quote!(::core::option::Option::None),
                        Buckets::Linear(step) => quote!(::core::option::Option::Some(#step)),
                    };
                    quote!(loaded.histogram(#symbol, #step)?)
                }
                (None, Some(lost)) if map.kind.has_output() => quote!(loaded.perf_event_array(#symbol, #lost)?),
                (None, Some(lost)) => quote!(loaded.ring_buffer(#symbol, #lost)?),
                (None, None) => quote!(loaded.map(#symbol)?),
            },
            name,
        }
    });
    let seen = |program: &&Program| program.saves_arguments_of.is_none();
    let programs = unit.programs.iter().filter(seen).map(|program| {
        let symbol = symbol(&program.entry.name);
        Handle {
            docs: doc(program.doc.as_deref(), &format!("The program `{}`.", program.entry.name)),
            name: input.value_ident(&program.entry.name, Some(program.entry.name_span)),
            ty: program_type(program.program_type),
            taken: match program.program_type {
                ProgramType::Kretprobe => quote!(loaded.return_probe(#symbol)?),
                _ => quote!(loaded.program(#symbol)?),
            },
        }
    });
    let own = |global: &&Global| global.mutable && global.hidden.is_none();
    let globals = unit.globals.values().filter(own).map(|global| {
        let symbol = symbol(&global.name);
        let ty = input.data_type(&global.ty);
        Handle {
            docs: doc(global.doc.as_deref(), &format!("The global `{}`.", global.name)),
            name: input.value_ident(&global.name, Some(global.span)),
            ty: quote!(::eshkol::Global<#ty>),
            taken: quote!(loaded.global(#symbol)?),
        }
    });
    maps.chain(programs).chain(globals).collect()
}

/// The symbol of the global that counts the events that a map had no room for.
fn lost_events(input: Input<'_>, map: MapId) -> Option<String> {
    let counts = |global: &&Global| global.hidden == Some(HiddenGlobal::LostEventsOf(map));
    input.unit().globals.values().find(counts).map(|global| symbol(&global.name))
}

/// The handle on a map.
fn map_type(input: Input<'_>, map: &Map) -> TokenStream {
    match map.histogram {
        Some(Histogram { by: Some(int), .. }) => {
            let key = input.data_type(&DataType::Int(int));
            return quote!(::eshkol::HistogramFamily<#key>);
        }
        Some(_) => return quote!(::eshkol::Histogram),
        None => {}
    }
    let (key, value) = (input.data_type(&map.key), input.data_type(&map.value));
    match map.kind {
        MapKind::Hash | MapKind::LruHash => quote!(::eshkol::HashMap<#key, #value>),
        MapKind::PerCpuHash | MapKind::LruPerCpuHash => quote!(::eshkol::PerCpuHashMap<#key, #value>),
        MapKind::Array => quote!(::eshkol::Array<#value>),
        MapKind::PerCpuArray => quote!(::eshkol::PerCpuArray<#value>),
        MapKind::LpmTrie => quote!(::eshkol::LpmTrie<#key, #value>),
        MapKind::DevMap | MapKind::DevMapHash => quote!(::eshkol::DevMap),
        MapKind::CpuMap => quote!(::eshkol::CpuMap),
        MapKind::XskMap => quote!(::eshkol::XskMap),
        MapKind::ProgArray => quote!(::eshkol::ProgArray),
        MapKind::StackTrace => quote!(::eshkol::StackTraces),
        MapKind::RingBuf => {
            let event = super::events::ty(input, map);
            quote!(::eshkol::RingBuf<#event>)
        }
        MapKind::PerfEventArray => {
            let event = super::events::ty(input, map);
            quote!(::eshkol::PerfEventArray<#event>)
        }
    }
}

/// The handle on a program.
fn program_type(program_type: ProgramType) -> TokenStream {
    match program_type {
        ProgramType::Xdp => quote!(::eshkol::XdpProgram),
        ProgramType::Tracepoint => quote!(::eshkol::TracepointProgram),
        ProgramType::RawTracepoint => quote!(::eshkol::RawTracepointProgram),
        ProgramType::Kprobe => quote!(::eshkol::KprobeProgram),
        ProgramType::Kretprobe => quote!(::eshkol::KretprobeProgram),
        ProgramType::SocketFilter => quote!(::eshkol::SocketFilterProgram),
        ProgramType::Tc => quote!(::eshkol::TcProgram),
        ProgramType::Tcx => quote!(::eshkol::TcxProgram),
        ProgramType::CgroupSkb => quote!(::eshkol::CgroupSkbProgram),
        ProgramType::CgroupSockAddr => quote!(::eshkol::CgroupSockAddrProgram),
        ProgramType::BtfTracepoint => quote!(::eshkol::BtfTracepointProgram),
        ProgramType::Uprobe => quote!(::eshkol::UprobeProgram),
        ProgramType::Uretprobe => quote!(::eshkol::UretprobeProgram),
        ProgramType::PerfEvent => quote!(::eshkol::PerfEventProgram),
    }
}

/// `attach_all`, where some program says where it belongs.
fn attach_all(input: Input<'_>) -> Option<TokenStream> {
    let attachable = |program: &&Program| !program.attach_points.is_empty() && program.saves_arguments_of.is_none();
    let attachable = input.unit().programs.iter().filter(attachable);
    let names: Vec<_> = attachable.map(|program| input.value_ident(&program.entry.name, None)).collect();
    (!names.is_empty()).then(|| {
        quote! {
            /// Attaches every program to its declared attach points; all of them or, when one fails, none.
            pub fn attach_all(&self) -> ::eshkol::Result<::std::vec::Vec<::eshkol::Link>> {
                let mut links = ::std::vec::Vec::new();
                #(links.extend(self.#names.attach_declared()?);)*
                ::core::result::Result::Ok(links)
            }
        }
    })
}
