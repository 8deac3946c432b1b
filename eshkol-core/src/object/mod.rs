//! The object: BTF, BTF.ext, relocations, ELF, in the form that aya, libbpf and `llvm-objdump` accept.
//!
//! The same input gives the same bytes, on every machine. [`read_back`] compares what was written with the input.

mod btf;
mod byte_order;
mod check;
mod data;
mod elf;
mod ext;
mod functions;
mod instruction;
mod kernel_types;
mod kfuncs;
mod layout;
mod maps;
#[cfg(test)]
mod tests;
mod types;

use btf::Btf;
pub use data::section_name;
use ext::SectionInfo;
use kernel_types::KernelTypes;
pub use kfuncs::calls as kfunc_calls;
use layout::Layout;
use types::DataTypes;

use crate::bpf::Code;
use crate::check::typed;
use crate::compile::Endianness;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::lower::GlobalLayout;
use crate::source::{Sources, Span};

/// What goes into an object.
#[derive(Copy, Clone, Debug)]
pub struct Input<'a> {
    /// Maps, types, license, program types.
    pub unit: &'a typed::Unit,
    /// For line information.
    pub sources: &'a Sources,
    /// Code of each program of the unit.
    pub programs: &'a [Code],
    /// Code of each function of the unit.
    pub functions: &'a [Code],
    /// Data sections.
    pub globals: &'a GlobalLayout,
    /// Byte order of the target.
    pub endianness: Endianness,
    /// Whether functions of the kernel are externs; otherwise their calls are left for the runtime to fill in.
    pub externs: bool,
}

/// Why there is no object: a fault in the compiler, or names that are different in Scheme and equal in the object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// What is wrong with it.
    pub reason: String,
}

impl Error {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// The error as the user sees it, at the unit's name.
    pub fn into_diagnostic(self, span: Span) -> Diagnostic {
        Diagnostic::error(catalogue::INTERNAL, span, self.reason)
    }
}

/// Writes the object.
pub fn write(input: &Input<'_>) -> Result<Vec<u8>, Error> {
    build(input, &Layout::new(input)?)
}

/// Reads a written object with `aya_obj`, as the loader will, and compares what it finds with the input.
pub fn read_back(input: &Input<'_>, object: &[u8]) -> Result<(), Error> {
    let layout = Layout::new(input)?;
    if input.externs && !input.unit.kfuncs.is_empty() {
        // aya knows no externs. The same object without them differs in nothing else.
        let input = Input { externs: false, ..*input };
        return read_back(&input, &build(&input, &layout)?);
    }
    let host = if cfg!(target_endian = "little") { Endianness::Little } else { Endianness::Big };
    if input.endianness == host {
        return check::check(input, &layout, object);
    }
    // `aya_obj` reads BTF of its own machine's byte order only. The same object in that order differs in nothing else.
    let input = Input { endianness: host, ..*input };
    check::check(&input, &layout, &build(&input, &layout)?)
}

fn build(input: &Input<'_>, layout: &Layout<'_>) -> Result<Vec<u8>, Error> {
    let license = &*input.unit.license;
    if license.is_empty() || license.contains('\0') {
        return Err(Error::new("a license must have a name, without NUL"));
    }
    let mut btf = Btf::new();
    let mut types = DataTypes::new(&input.unit.types);
    let mut kernel = KernelTypes::new(input.unit);
    let maps = maps::define(&mut btf, &mut types, input.unit)?;
    let data = data::sections(&mut btf, &mut types, input)?;
    if input.externs {
        kfuncs::define(&mut btf, &mut types, input)?;
    }
    let mut sections = Vec::new();
    for section in &layout.sections {
        let mut info = SectionInfo::new(&mut btf, &section.name)?;
        for placed in &section.code {
            let function = functions::define(&mut btf, placed)?;
            info.add(&mut btf, input.sources, placed.offset, function, placed.code)?;
            info.add_facts(placed.offset, placed.code, |fact| kernel.subject(&mut btf, &mut types, fact))?;
        }
        sections.push(info);
    }
    elf::write(&elf::Parts {
        layout,
        license,
        maps: &maps,
        data: &data,
        btf: &btf.encode(input.endianness)?,
        ext: &ext::encode(&sections, input.endianness)?,
        endianness: input.endianness,
        externs: input.externs.then_some(&input.unit.kfuncs),
    })
}
