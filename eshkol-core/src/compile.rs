//! The whole way: a source text → an object and what Rust needs to know of it. All of it is done with a deep stack.

use crate::bindings;
use crate::bpf;
use crate::check::{self, typed};
use crate::deep_stack::with_deep_stack;
use crate::diagnostic::{Diagnostic, Diagnostics, catalogue};
use crate::expand::{self, IncludeLoader};
use crate::kernel::map_flag;
pub use crate::kernel::{Architecture, Endianness};
use crate::lower;
use crate::object;
use crate::opt;
use crate::source::{SourceId, Sources};

/// How much is done for speed.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Optimisation {
    /// Only what the kernel needs to accept the program.
    None,
    /// Everything.
    #[default]
    Full,
}

/// How to compile.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The machine that will run the programs.
    pub architecture: Architecture,
    /// Effort.
    pub optimisation: Optimisation,
    /// Whether an independent checker goes over every register allocation. All tests do it; inside the macro, which cargo does not
    /// optimise, it would take a good part of the time.
    pub check_allocation: bool,
    /// Whether functions of the kernel that the unit declares are externs in the object, as libbpf takes them. Otherwise their calls are left
    /// for the runtime to fill in, since aya as of 0.14 knows no externs.
    pub externs: bool,
}

impl Default for Options {
    /// Full optimisation for x86-64; allocation is checked in the crate's own tests.
    fn default() -> Self {
        Self {
            architecture: Architecture::X86_64,
            optimisation: Optimisation::Full,
            check_allocation: cfg!(test),
            externs: false,
        }
    }
}

impl Options {
    /// The byte order of the machine that will run the programs.
    pub fn endianness(&self) -> Endianness {
        self.architecture.endianness()
    }
}

/// What a compilation gives.
#[derive(Debug)]
pub struct Compilation {
    /// Errors and warnings, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The result; `None` where there is an error.
    pub output: Option<Output>,
}

/// A compiled unit.
#[derive(Debug)]
pub struct Output {
    /// The checked unit: maps, programs, structs and globals, as Rust sees them.
    pub unit: typed::Unit,
    /// The SSA that the code was made from.
    pub module: lower::Module,
    /// The code of each program, in the order of `unit.programs`.
    pub programs: Vec<bpf::Code>,
    /// The code of each function of `unit.functions`.
    pub functions: Vec<bpf::Code>,
    /// The ELF object.
    pub object: Vec<u8>,
    /// Where in the object functions of the kernel are called, in bytes.
    pub kfunc_calls: Vec<(typed::KfuncId, u32)>,
}

/// What checking gives.
#[derive(Debug)]
pub struct Checked {
    /// Errors and warnings, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The checked unit; `None` where there is an error.
    pub unit: Option<typed::Unit>,
}

/// Compiles one unit. `includes` fetches the files that `(include "…")` names.
pub fn compile(
    sources: &mut Sources,
    source: SourceId,
    includes: &mut dyn IncludeLoader,
    options: Options,
) -> Compilation {
    with_deep_stack(|| {
        let mut diagnostics = Diagnostics::new();
        let output = check_into(sources, source, includes, options.architecture, &mut diagnostics)
            .and_then(|unit| generate(unit, sources, options, &mut diagnostics))
            .filter(|output| output.reads_back(sources, options, &mut diagnostics));
        Compilation { diagnostics: diagnostics.into_sorted(), output }
    })
}

/// The front half alone: reads, expands and checks one unit.
pub fn check(
    sources: &mut Sources,
    source: SourceId,
    includes: &mut dyn IncludeLoader,
    architecture: Architecture,
) -> Checked {
    with_deep_stack(|| {
        let mut diagnostics = Diagnostics::new();
        let unit = check_into(sources, source, includes, architecture, &mut diagnostics);
        Checked { diagnostics: diagnostics.into_sorted(), unit }
    })
}

/// The middle alone: a checked unit as SSA, optimised as `options` say.
pub fn lower(unit: &typed::Unit, options: Options) -> lower::Module {
    with_deep_stack(|| lower_here(unit, options))
}

fn lower_here(unit: &typed::Unit, options: Options) -> lower::Module {
    let mut module = lower::lower(unit, options.endianness());
    let arrays = arrays(unit);
    for function in module.functions_mut() {
        opt::optimise(function, &arrays, options);
        opt::settle_stack(function, options);
    }
    module
}

/// Which maps are arrays that programs may read and write, with the bytes of a value.
fn arrays(unit: &typed::Unit) -> opt::Arrays {
    let bytes = |map: &typed::Map| {
        let is_open = map.flags & (map_flag::RDONLY_PROG | map_flag::WRONLY_PROG) == 0;
        (map.kind.is_array() && is_open).then(|| unit.types.size(&map.value))
    };
    unit.maps.values().map(bytes).collect()
}

impl Output {
    /// Whether the loader will find in the object what was written. A malformed object must not be a surprise at run time.
    fn reads_back(&self, sources: &Sources, options: Options, diagnostics: &mut Diagnostics) -> bool {
        let input = object_input(&self.unit, sources, &self.module, &self.programs, &self.functions, options);
        let result = object::read_back(&input, &self.object);
        result.map_err(|error| diagnostics.push(error.into_diagnostic(self.unit.name_span))).is_ok()
    }
}

fn check_into(
    sources: &mut Sources,
    source: SourceId,
    includes: &mut dyn IncludeLoader,
    architecture: Architecture,
    diagnostics: &mut Diagnostics,
) -> Option<typed::Unit> {
    let forms = expand::expand(sources, source, includes, diagnostics);
    // What is missing in a text that ends too early would be reported again and again.
    if diagnostics.iter().any(|diagnostic| catalogue::ends_too_early(diagnostic.code)) {
        return None;
    }
    let unit = check::check(&forms, sources, architecture, diagnostics)?;
    bindings::check_names(&unit, diagnostics);
    (!diagnostics.has_errors()).then_some(unit)
}

/// The back half: a checked unit → an object. What fails here is a limit of the machine or a fault in the compiler.
fn generate(unit: typed::Unit, sources: &Sources, options: Options, diagnostics: &mut Diagnostics) -> Option<Output> {
    let module = lower_here(&unit, options);
    let isa = unit.min_kernel.isa();
    let mut generate = |function| match bpf::generate(function, isa, options) {
        Ok(code) => Some(code),
        Err(error) => {
            diagnostics.push(error.into_diagnostic());
            None
        }
    };
    let programs: Vec<_> = module.programs.iter().map(&mut generate).collect();
    let functions: Vec<_> = module.functions.values().map(&mut generate).collect();
    let programs = programs.into_iter().collect::<Option<Vec<_>>>()?;
    let functions = functions.into_iter().collect::<Option<Vec<_>>>()?;
    let mut fits = true;
    for program in &programs {
        let chain = bpf::check_chain(program, &functions);
        let length = bpf::check_length(program, &functions, unit.min_kernel);
        for error in [chain, length].into_iter().filter_map(Result::err) {
            diagnostics.push(error.into_diagnostic());
            fits = false;
        }
    }
    if !fits {
        return None;
    }
    let input = object_input(&unit, sources, &module, &programs, &functions, options);
    let written = object::write(&input).and_then(|object| Ok((object::kfunc_calls(&input, &object)?, object)));
    match written {
        Ok((kfunc_calls, object)) => Some(Output { unit, module, programs, functions, object, kfunc_calls }),
        Err(error) => {
            diagnostics.push(error.into_diagnostic(unit.name_span));
            None
        }
    }
}

fn object_input<'a>(
    unit: &'a typed::Unit,
    sources: &'a Sources,
    module: &'a lower::Module,
    programs: &'a [bpf::Code],
    functions: &'a [bpf::Code],
    options: Options,
) -> object::Input<'a> {
    object::Input {
        unit,
        sources,
        programs,
        functions,
        globals: &module.globals,
        endianness: options.endianness(),
        externs: options.externs,
    }
}
