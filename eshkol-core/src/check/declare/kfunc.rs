//! `define-kfunc`: functions of the kernel that are no helpers. Which ones there are, only the running kernel knows, and the loader asks it; what
//! can be called here is what can be checked without knowing more of them: numbers, maps, the context and memory of the program go in, a number
//! comes out.

use super::declarer::Declarer;
use super::map::newer;
use super::scope::{Scope, find_type};
use crate::check::kernel_types::kernel_symbol;
use crate::check::type_syntax;
use crate::check::typed::{Kfunc, KfuncParameter};
use crate::check::types::{DataType, IntType};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue::KFUNC;
use crate::expand::form::{Definition, DefinitionKind, FieldSyntax};
use crate::kernel::{KernelVersion, kfunc};
use crate::syntax::{Datum, Name};

/// Arguments of a function at most: they are in registers.
const MOST: usize = 5;

impl Declarer<'_, '_> {
    /// The function of a definition, for a unit that must load on `min_kernel`.
    pub(super) fn declare_kfunc(
        &mut self,
        definition: &Definition,
        parameters: &[FieldSyntax],
        result: Option<&Datum>,
        min_kernel: KernelVersion,
    ) -> Option<Kfunc> {
        let name = &definition.name;
        let Some(symbol) = kernel_symbol(&name.name) else {
            let message = format!("`{}` is no name of a function in the kernel", name.name);
            self.report(
                Diagnostic::error(KFUNC, name.span, message).with_help("write it as the kernel does, with `-` for `_`"),
            );
            return None;
        };
        if kfunc::is_followed(&symbol) {
            let message = format!(
                "`{symbol}` can't be called: the kernel wants to see what follows it on every way, and that is not checked here"
            );
            self.report(
                Diagnostic::error(KFUNC, name.span, message)
                    .with_help("functions that begin or end something, iterate, or make objects are not available"),
            );
            return None;
        }
        let since = kfunc::since(&symbol);
        if since > min_kernel {
            self.report(newer(name.span, &format!("calls of `{symbol}` by any program"), since, min_kernel));
        }
        if let Some(more) = parameters.get(MOST) {
            let message = format!("a function of the kernel takes {MOST} arguments at most");
            self.report(Diagnostic::error(KFUNC, more.span, message));
            return None;
        }
        let declared: Vec<_> = parameters
            .iter()
            .map(|parameter| Some((parameter.name.name.clone(), self.kfunc_parameter(definition, parameter)?)))
            .collect();
        let declared = declared.into_iter().collect::<Option<Vec<_>>>();
        let sizes_follow = declared.as_deref().is_none_or(|declared| self.sizes_follow(parameters, declared));
        let rule = "gives a number or nothing, and this is neither";
        let result = result.map(|ty| self.kfunc_number(definition, std::slice::from_ref(ty), rule));
        Some(Kfunc {
            name: name.name.clone(),
            span: name.span,
            symbol,
            parameters: declared.filter(|_| sizes_follow)?,
            result: match result {
                Some(result) => Some(result?),
                None => None,
            },
        })
    }

    /// Whether each memory of any size has its size after it; reports where not.
    fn sizes_follow(&mut self, parameters: &[FieldSyntax], declared: &[(Name, KfuncParameter)]) -> bool {
        let mut all = true;
        for (index, (parameter, (_, kind))) in parameters.iter().zip(declared).enumerate() {
            let size = declared.get(index.saturating_add(1)).map(|(_, next)| next);
            let is_size = matches!(size, Some(KfuncParameter::Int(int)) if int.bits >= 32);
            if *kind == KfuncParameter::SizedMemory && !is_size {
                all = false;
                let message = format!("the size of `{}` must follow it", parameter.name.name);
                self.report(
                    Diagnostic::error(KFUNC, parameter.span, message)
                        .with_help("a parameter `(size :u32)`, or `:u64`, comes after one of `:memory`"),
                );
            }
        }
        all
    }

    fn kfunc_parameter(&mut self, definition: &Definition, parameter: &FieldSyntax) -> Option<KfuncParameter> {
        let ty = parameter.ty.as_slice();
        match word(ty) {
            Some("map") => return Some(KfuncParameter::Map),
            Some("context") => return Some(KfuncParameter::Context),
            Some("memory") => return Some(KfuncParameter::SizedMemory),
            Some("string") => return Some(KfuncParameter::String),
            _ => {}
        }
        if let [ty] = ty
            && let Some([reference, to]) = ty.as_list()
            && word(std::slice::from_ref(reference)) == Some("ref")
        {
            return self.kfunc_memory(definition, to);
        }
        let rule = "takes numbers, maps, the context, memory and text, and this is none of them";
        self.kfunc_number(definition, ty, rule).map(KfuncParameter::Int)
    }

    /// `(ref T)`
    fn kfunc_memory(&mut self, definition: &Definition, to: &Datum) -> Option<KfuncParameter> {
        let named = word(std::slice::from_ref(to)).and_then(|name| find_type(self.unit(), definition.program, name));
        let kind = named.map(|named| &self.unit().definitions.at(named).kind);
        let message = if matches!(kind, Some(DefinitionKind::KernelStruct { .. })) {
            "an object of the kernel can't be given"
        } else {
            match type_syntax::data_type(self, definition.program, std::slice::from_ref(to), to.span)? {
                data @ (DataType::Struct(_) | DataType::Int(_) | DataType::BigEndian(_)) => {
                    return Some(KfuncParameter::Memory(data));
                }
                _ => "what is given by its address is a struct or a number, and this is neither",
            }
        };
        self.report(Diagnostic::error(KFUNC, to.span, message).with_help(GIVEN));
        None
    }

    fn kfunc_number(&mut self, definition: &Definition, ty: &[Datum], rule: &str) -> Option<IntType> {
        let (Some(first), Some(last)) = (ty.first(), ty.last()) else { return None };
        let span = first.span.to(last.span);
        // What stands in parentheses is no number, whether it is a type or not.
        if first.as_list().is_none()
            && !word(ty).is_some_and(|word| POINTERS.contains(&word))
            && let DataType::Int(int) = type_syntax::data_type(self, definition.program, ty, span)?
        {
            return Some(int);
        }
        self.report(Diagnostic::error(KFUNC, span, format!("a function of the kernel {rule}")).with_help(GIVEN));
        None
    }
}

/// What can be given.
const GIVEN: &str = "numbers are `:u8` to `:u64` and `:i8` to `:i64`, a map is `:map`, the context `:context`, text `:string`, memory of the program \
                     `(ref T)` with a struct or a number, or `:memory` before its size; functions that want objects of the kernel, or give pointers, \
                     are not available";

/// Words that stand for addresses.
const POINTERS: &[&str] = &["map", "context", "memory", "string"];

/// What is written as one word, with a colon or without.
fn word(ty: &[Datum]) -> Option<&str> {
    match ty {
        [ty] => ty.as_keyword().or(ty.as_symbol()).map(|name| &**name),
        _ => None,
    }
}
