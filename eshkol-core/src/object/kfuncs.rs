//! Functions of the kernel that a unit declares. Where they are externs, libbpf finds them by what BTF says of them: a function of the section
//! `.ksyms`, which is in no file. aya 0.14 knows no externs, and so they are left out for the runtime, which finds them itself.

use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _};

use super::btf::{Btf, Encoding, Linkage, SectionVariable, StringOffset, Type, TypeId};
use super::instruction::SLOT;
use super::layout::Layout;
use super::types::{DataTypes, integer};
use super::{Error, Input};
use crate::bindings::symbol;
use crate::bpf::RelocationTarget;
use crate::check::typed::{Kfunc, KfuncId, KfuncParameter};

/// The section that externs of the kernel are said to be in.
const SECTION: &str = ".ksyms";
/// Bytes that each takes up there: none has any, and BTF wants them to be apart.
const ROOM: u32 = 4;

/// Says what externs there are.
pub(super) fn define(btf: &mut Btf, types: &mut DataTypes<'_>, input: &Input<'_>) -> Result<(), Error> {
    let mut variables: Vec<SectionVariable> = Vec::new();
    for function in input.unit.kfuncs.values() {
        let prototype = prototype(btf, types, function)?;
        let name = btf.name(&function.symbol)?;
        let function = btf.add(Type::Function { name, prototype, linkage: Linkage::Extern })?;
        let offset = variables.last().map_or(0, |last| last.offset.saturating_add(ROOM));
        variables.push(SectionVariable { variable: function, offset, bytes: ROOM });
    }
    if let Some(last) = variables.last() {
        let bytes = last.offset.saturating_add(ROOM);
        let name = btf.string(SECTION)?;
        btf.add(Type::Section { name, bytes, variables })?;
    }
    Ok(())
}

/// What libbpf compares with the kernel's function: of what is behind pointers it looks at the kind alone.
fn prototype(btf: &mut Btf, types: &mut DataTypes<'_>, function: &Kfunc) -> Result<TypeId, Error> {
    let mut parameters = Vec::new();
    for (name, parameter) in &function.parameters {
        let ty = match parameter {
            KfuncParameter::Int(int) => integer(btf, *int)?,
            KfuncParameter::Map => pointer_to_struct(btf, "bpf_map")?,
            KfuncParameter::Context => pointer_to_struct(btf, "context")?,
            KfuncParameter::Memory(data) => {
                let data = types.id(btf, data)?;
                btf.pointer(data)?
            }
            KfuncParameter::SizedMemory => btf.pointer(TypeId::VOID)?,
            KfuncParameter::String => {
                let character = btf.int("char", 1, Encoding::Char)?;
                btf.pointer(character)?
            }
        };
        let name = btf.name(&symbol(name)).unwrap_or(StringOffset::EMPTY);
        parameters.push((name, ty));
    }
    let result = match function.result {
        Some(int) => integer(btf, int)?,
        None => TypeId::VOID,
    };
    btf.add(Type::Prototype { result, parameters })
}

/// The address of a struct of this name, whatever is in it.
fn pointer_to_struct(btf: &mut Btf, name: &str) -> Result<TypeId, Error> {
    let name = btf.name(name)?;
    let named = btf.add(Type::Struct { name, bytes: 0, members: Vec::new() })?;
    btf.pointer(named)
}

/// Where in a written object the calls are: bytes from the start of the file.
pub fn calls(input: &Input<'_>, object: &[u8]) -> Result<Vec<(KfuncId, u32)>, Error> {
    let mut calls = Vec::new();
    if input.unit.kfuncs.is_empty() {
        return Ok(calls);
    }
    let layout = Layout::new(input)?;
    let sections = starts(object).ok_or_else(|| Error::new("the object can't be read back"))?;
    for (section, placed) in layout.code() {
        for relocation in &placed.code.relocations {
            let RelocationTarget::Kfunc(function) = relocation.target else { continue };
            let start = sections.iter().find(|(name, _)| *name == section.name).map(|(_, start)| *start);
            let start = start.ok_or_else(|| Error::new(format!("the section `{}` is missing", section.name)))?;
            let offset = placed.offset.saturating_add(relocation.instruction.saturating_mul(SLOT));
            calls.push((function, start.saturating_add(offset)));
        }
    }
    Ok(calls)
}

/// The sections' names, and where each begins.
fn starts(object: &[u8]) -> Option<Vec<(String, u32)>> {
    let file = ElfFile64::<object::Endianness>::parse(object).ok()?;
    let sections = file.sections().filter_map(|section| {
        let (start, _) = section.file_range()?;
        Some((section.name().ok()?.to_owned(), u32::try_from(start).ok()?))
    });
    Some(sections.collect())
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

    use crate::compile::{Options, Output, compile};
    use crate::expand::NoIncludes;
    use crate::source::Sources;

    const TEXT: &str = "
(define-kfunc bpf-unused)
(define-kfunc bpf-map-sum-elem-count (map :map) :i64)
(define-map flows :hash (key-type :u32) (value-type :u64) (max-entries 64))
(define-ebpf-program p
  (license \"GPL\")
  (program-type :xdp)
  (min-kernel \"6.6\")
  (define (main ctx)
    (map-update flows 1 1)
    (if (> (bpf-map-sum-elem-count flows) 1) :xdp-drop :xdp-pass)))
";

    fn compiled(externs: bool) -> Output {
        let mut sources = Sources::new();
        let source = sources.add("p.esh", TEXT);
        let options = Options { externs, ..Options::default() };
        compile(&mut sources, source, &mut NoIncludes, options).output.expect("it compiles")
    }

    fn undefined(object: &[u8]) -> Vec<String> {
        let file = object::File::parse(object).unwrap();
        let symbols = file.symbols().filter(|symbol| symbol.is_undefined() && symbol.name() != Ok(""));
        symbols.map(|symbol| symbol.name().unwrap().to_owned()).collect()
    }

    #[test]
    fn calls_are_where_they_are_said_to_be() {
        let Output { object, kfunc_calls, .. } = compiled(false);
        let [(function, place)] = kfunc_calls.as_slice() else { panic!("{kfunc_calls:?}") };
        // `call`, of the kernel's functions, the second of the unit's.
        assert_eq!(object[*place as usize..][..8], [0x85, 0x20, 0, 0, 1, 0, 0, 0]);
        assert_eq!(function.to_string(), "kfunc1");
        assert_eq!(undefined(&object), Vec::<String>::new());
    }

    #[test]
    fn externs_are_symbols_that_are_relocated() {
        let Output { object, kfunc_calls, .. } = compiled(true);
        let (_, place) = kfunc_calls[0];
        assert_eq!(object[place as usize..][..8], [0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(undefined(&object), ["bpf_unused", "bpf_map_sum_elem_count"]);
        let file = object::File::parse(&*object).unwrap();
        let section = file.section_by_name("xdp").unwrap();
        let (start, _) = section.file_range().unwrap();
        let at = u64::from(place) - start;
        let relocation = section.relocations().find(|(offset, _)| *offset == at).unwrap().1;
        let object::RelocationTarget::Symbol(symbol) = relocation.target() else { panic!("{relocation:?}") };
        assert_eq!(file.symbol_by_index(symbol).unwrap().name(), Ok("bpf_map_sum_elem_count"));
    }
}
