//! Calls of functions of the kernel that a unit declares: aya knows no such calls, so their numbers in the running kernel are put into the object
//! before it is loaded.

use std::borrow::Cow;
use std::io;

use crate::error::{Error, Result, suggestions};
use crate::kernel_types::{Function, KernelTypes, PATH, Part};
use crate::spec::{KfuncPart, KfuncSpec, UnitSpec};

/// Where an instruction has its number.
const IMMEDIATE: usize = 4;

/// The unit's object, with the numbers of the functions that it calls.
pub(crate) fn resolved(spec: &UnitSpec) -> Result<Cow<'static, [u8]>> {
    if spec.kfuncs.iter().all(|function| function.calls.is_empty()) {
        return Ok(Cow::Borrowed(spec.object));
    }
    let action = format!("load `{}`", spec.name);
    let types = KernelTypes::running().map_err(|error| {
        let advice = format!(
            "It calls functions of the kernel, which {PATH} tells by name: a kernel built with CONFIG_DEBUG_INFO_BTF has it, where /sys is mounted"
        );
        Error::with_advice(action.clone(), advice, error)
    })?;
    let callable = types.callable();
    let mut object = spec.object.to_vec();
    for function in spec.kfuncs.iter().filter(|function| !function.calls.is_empty()) {
        let found = types.function(function.symbol);
        let found = found.filter(|found| callable.is_empty() || callable.iter().any(|(id, _)| *id == found.id));
        let Some(found) = found else {
            let names: Vec<String> = callable.iter().map(|(_, name)| name.clone()).collect();
            let advice = suggestions("such function for programs to call", function.symbol, &names, "");
            let missing =
                io::Error::new(io::ErrorKind::NotFound, format!("the function `{}` is not there", function.symbol));
            return Err(Error::with_advice(action, advice, missing));
        };
        if !is_as_declared(function, &found) {
            let advice = format!(
                "Declare it as this kernel has it (`bpftool btf dump file {PATH} format c`): `{}`",
                declaration(function.name, &found)
            );
            let other = format!("the function `{}` takes or gives something else here", function.symbol);
            return Err(Error::with_advice(action, advice, io::Error::new(io::ErrorKind::InvalidData, other)));
        }
        for call in function.calls {
            let place = *call as usize + IMMEDIATE;
            if let Some(number) = object.get_mut(place..place + size_of::<u32>()) {
                number.copy_from_slice(&found.id.to_ne_bytes());
            }
        }
    }
    Ok(Cow::Owned(object))
}

fn is_as_declared(declared: &KfuncSpec, found: &Function) -> bool {
    let same = |declared: KfuncPart, found: &Part| match declared {
        KfuncPart::Number(bytes) => *found == Part::Number(bytes),
        KfuncPart::Map => *found == Part::Struct("bpf_map".to_owned()),
    };
    declared.parameters.len() == found.parameters.len()
        && declared.parameters.iter().zip(&found.parameters).all(|(declared, found)| same(*declared, found))
        && match declared.result {
            Some(bytes) => found.result == Part::Number(bytes),
            None => found.result == Part::Nothing,
        }
}

/// How a function of the kernel is declared.
fn declaration(name: &str, found: &Function) -> String {
    let text = |part: &Part| match part {
        Part::Number(bytes) => format!(":u{}", bytes * 8),
        Part::Struct(name) if name == "bpf_map" => ":map".to_owned(),
        Part::Struct(name) => format!("a pointer to {name}, which can't be declared"),
        Part::Nothing => "nothing".to_owned(),
        Part::Other => "something that can't be declared".to_owned(),
    };
    let mut declaration = format!("(define-kfunc {name}");
    for (number, parameter) in (1..).zip(&found.parameters) {
        declaration.push_str(&format!(" (p{number} {})", text(parameter)));
    }
    if found.result != Part::Nothing {
        declaration.push_str(&format!(" {}", text(&found.result)));
    }
    declaration.push(')');
    declaration
}
