//! BTF of functions. A program takes its context and returns an `int`, as the kernel expects; a function takes words and
//! returns one.

use super::Error;
use super::btf::{Btf, Encoding, Linkage, Member, Type, TypeId};
use super::layout::{PlacedCode, Role};
use super::types::integer;
use crate::bindings::symbol;
use crate::check::types::IntType;
use crate::kernel::program_type::ContextStruct;

/// The BTF function of some code.
pub(super) fn define(btf: &mut Btf, placed: &PlacedCode<'_>) -> Result<TypeId, Error> {
    let (result, parameters, linkage) = match placed.role {
        Role::Program(program) => {
            let context = context(btf, program.program_type.context())?;
            let context = btf.pointer(context)?;
            (btf.int("int", 4, Encoding::Signed)?, vec![(btf.name("ctx")?, context)], Linkage::Global)
        }
        Role::Function => {
            let word = integer(btf, IntType::U64)?;
            let mut parameters = Vec::new();
            for number in 1..=placed.code.parameters {
                parameters.push((btf.name(&format!("arg{number}"))?, word));
            }
            (word, parameters, Linkage::Static)
        }
    };
    let prototype = btf.add(Type::Prototype { result, parameters })?;
    let name = btf.name(&placed.symbol)?;
    btf.add(Type::Function { name, prototype, linkage })
}

/// The context struct, by whose name the kernel knows it.
fn context(btf: &mut Btf, context: &ContextStruct) -> Result<TypeId, Error> {
    let mut members = Vec::new();
    let mut end: u32 = 0;
    for field in context.fields {
        let bits = u8::try_from(field.bytes.saturating_mul(8))
            .map_err(|_| Error::new(format!("the field `{}` of a context is too large", field.name)))?;
        let ty = integer(btf, IntType { bits, signed: false })?;
        members.push(Member { name: btf.name(&symbol(field.name))?, ty, offset: field.offset });
        end = end.max(field.offset.saturating_add(field.bytes));
    }
    let name = btf.name(context.name)?;
    btf.add(Type::Struct { name, bytes: end, members })
}
