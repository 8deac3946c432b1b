//! Calls of functions of the kernel that a unit declares: aya knows no such calls, so their numbers in the running kernel are put into the object
//! before it is loaded.

use std::borrow::Cow;
use std::io;

use crate::error::{Error, Result, suggestions};
use crate::kernel_types::{Function, KernelTypes, PATH, Part, Target};
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
    declared.parameters.len() == found.parameters.len()
        && declared.parameters.iter().enumerate().all(|(index, declared)| takes(found, index, *declared))
        && match declared.result {
            Some(bytes) => found.result == Part::Number(bytes),
            None => found.result == Part::Nothing,
        }
}

/// Structs that are contexts, as programs and as the kernel know them (`btf_is_prog_ctx_type` in `kernel/bpf/btf.c`).
const CONTEXTS: &[&str] = &[
    "xdp_md",
    "xdp_buff",
    "__sk_buff",
    "sk_buff",
    "bpf_sock",
    "bpf_sock_addr",
    "bpf_sock_ops",
    "bpf_sockopt",
    "bpf_sk_lookup",
    "bpf_sysctl",
    "bpf_cgroup_dev_ctx",
    "bpf_perf_event_data",
    "bpf_raw_tracepoint_args",
    "pt_regs",
    "sk_msg_md",
    "sk_reuseport_md",
];

/// How the names of parameters end of which the verifier wants more than memory of the program (`Documentation/bpf/kfuncs.rst`, and the
/// `is_kfunc_arg_…` of `kernel/bpf/verifier.c`).
const SPECIAL: &[&str] = &["__str", "__map", "__alloc", "__uninit", "__refcounted_kptr", "__irq_flag", "__prog"];

/// Whether what a function takes at a position is what was declared.
fn takes(found: &Function, index: usize, declared: KfuncPart) -> bool {
    let Some((name, part)) = found.parameters.get(index) else { return false };
    let is_memory = !has_size(found, index) && !SPECIAL.iter().any(|end| name.ends_with(end));
    match (declared, part) {
        (KfuncPart::Number(declared), Part::Number(bytes)) => declared == *bytes,
        (KfuncPart::Map, Part::Pointer(Target::Struct(name, _))) => name == "bpf_map",
        (KfuncPart::Context, Part::Pointer(Target::Struct(name, _))) => CONTEXTS.contains(&name.as_str()),
        (KfuncPart::Context, Part::Pointer(Target::Anything)) => name == "ctx",
        // The rest of larger memory is not touched. A struct of the kernel that became larger would be read beyond the end.
        (KfuncPart::Memory(declared), Part::Pointer(Target::Struct(name, bytes))) => {
            is_memory && is_plain(name) && (1..=declared).contains(bytes)
        }
        (KfuncPart::Memory(declared), Part::Pointer(Target::Number(bytes))) => is_memory && declared == *bytes,
        (KfuncPart::SizedMemory, Part::Pointer(target)) => has_size(found, index) && *target != Target::Other,
        (KfuncPart::String, Part::Pointer(target)) => is_text(name, target),
        _ => false,
    }
}

/// Whether the next parameter is the size of this one.
fn has_size(found: &Function, index: usize) -> bool {
    found.parameters.get(index + 1).is_some_and(|(name, _)| name.ends_with("__sz") || name.ends_with("__szk"))
}

/// Text that the verifier does not look at.
fn is_text(name: &str, target: &Target) -> bool {
    *target == Target::Number(1) && name.ends_with("__ign")
}

/// Whether a struct is neither a context nor a map.
fn is_plain(name: &str) -> bool {
    name != "bpf_map" && !CONTEXTS.contains(&name)
}

/// How a function of the kernel is declared.
fn declaration(name: &str, found: &Function) -> String {
    let mut declaration = format!("(define-kfunc {name}");
    for (index, (name, part)) in found.parameters.iter().enumerate() {
        let text = match part {
            Part::Number(bytes) => number(*bytes),
            Part::Pointer(target) => pointer(name, target, has_size(found, index)),
            Part::Nothing | Part::Other => "something that can't be declared".to_owned(),
        };
        declaration.push_str(&format!(" (p{} {text})", index + 1));
    }
    match &found.result {
        Part::Nothing => {}
        Part::Number(bytes) => declaration.push_str(&format!(" {}", number(*bytes))),
        _ => declaration.push_str(" something that can't be declared"),
    }
    declaration.push(')');
    declaration
}

fn number(bytes: u32) -> String {
    format!(":u{}", bytes * 8)
}

/// How a parameter is declared that takes an address.
fn pointer(parameter: &str, target: &Target, has_size: bool) -> String {
    let is_special = SPECIAL.iter().any(|end| parameter.ends_with(end));
    match target {
        Target::Struct(name, _) if name == "bpf_map" => ":map".to_owned(),
        Target::Struct(name, _) if CONTEXTS.contains(&name.as_str()) => ":context".to_owned(),
        Target::Anything if parameter == "ctx" => ":context".to_owned(),
        target if is_text(parameter, target) => ":string".to_owned(),
        Target::Other => "something that can't be declared".to_owned(),
        _ if is_special => "a pointer that can't be declared".to_owned(),
        _ if has_size => ":memory".to_owned(),
        Target::Number(bytes) => format!("(ref {})", number(*bytes)),
        Target::Struct(name, bytes @ 1..) => format!("(ref {}), a struct of {bytes} bytes", name.replace('_', "-")),
        Target::Struct(name, _) => format!("a pointer to {name}, which can't be declared"),
        Target::Anything => "a pointer that can't be declared".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(parameters: &[(&str, Part)]) -> Function {
        let parameters = parameters.iter().map(|(name, part)| ((*name).to_owned(), part.clone())).collect();
        Function { id: 1, parameters, result: Part::Number(4) }
    }

    fn a_struct(name: &str, bytes: u32) -> Part {
        Part::Pointer(Target::Struct(name.to_owned(), bytes))
    }

    fn declared(parameters: &'static [KfuncPart]) -> KfuncSpec {
        KfuncSpec { name: "bpf-f", symbol: "bpf_f", parameters, result: Some(4), calls: &[] }
    }

    #[test]
    fn what_is_declared_is_compared_with_what_is_there() {
        let found = function(&[("ctx", a_struct("xdp_md", 28)), ("to", a_struct("xfrm_info", 12))]);
        for (parameters, fits) in [
            (&[KfuncPart::Context, KfuncPart::Memory(12)], true),
            (&[KfuncPart::Context, KfuncPart::Memory(16)], true),
            (&[KfuncPart::Context, KfuncPart::Memory(8)], false),
            (&[KfuncPart::Memory(28), KfuncPart::Memory(12)], false),
            (&[KfuncPart::Context, KfuncPart::Context], false),
            (&[KfuncPart::Context, KfuncPart::SizedMemory], false),
            (&[KfuncPart::Context, KfuncPart::String], false),
            (&[KfuncPart::Context, KfuncPart::Number(8)], false),
        ] {
            assert_eq!(is_as_declared(&declared(parameters), &found), fits, "{parameters:?}");
        }
        let text = declaration("bpf-f", &found);
        assert_eq!(text, "(define-kfunc bpf-f (p1 :context) (p2 (ref xfrm-info), a struct of 12 bytes) :u32)");
    }

    #[test]
    fn names_of_parameters_tell_what_may_be_given() {
        let (byte, anything) = (Part::Pointer(Target::Number(1)), Part::Pointer(Target::Anything));
        let text = function(&[("s__ign", byte.clone())]);
        assert!(is_as_declared(&declared(&[KfuncPart::String]), &text));
        assert!(is_as_declared(&declared(&[KfuncPart::Memory(1)]), &text));
        // Must be in memory that nobody can change.
        let constant = function(&[("name__str", byte.clone())]);
        assert!(!is_as_declared(&declared(&[KfuncPart::String]), &constant));
        assert!(!is_as_declared(&declared(&[KfuncPart::Memory(1)]), &constant));
        assert_eq!(declaration("bpf-f", &constant), "(define-kfunc bpf-f (p1 a pointer that can't be declared) :u32)");

        let sized = function(&[("from", anything), ("from__sz", Part::Number(4)), ("to", byte)]);
        const SIZED: &[KfuncPart] = &[KfuncPart::SizedMemory, KfuncPart::Number(4), KfuncPart::Memory(1)];
        assert!(is_as_declared(&declared(SIZED), &sized));
        const PLACE: &[KfuncPart] = &[KfuncPart::Memory(4), KfuncPart::Number(4), KfuncPart::Memory(1)];
        assert!(!is_as_declared(&declared(PLACE), &sized));
        assert_eq!(declaration("bpf-f", &sized), "(define-kfunc bpf-f (p1 :memory) (p2 :u32) (p3 (ref :u8)) :u32)");
    }
}
