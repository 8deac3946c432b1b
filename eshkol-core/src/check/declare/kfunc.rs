//! `define-kfunc`: functions of the kernel that are no helpers. Which ones there are, only the running kernel knows, and the loader asks it; what
//! can be called here is what no program can do wrong: numbers and maps go in, a number comes out.

use super::declarer::Declarer;
use super::map::newer;
use super::scope::Scope;
use crate::check::kernel_types::kernel_symbol;
use crate::check::type_syntax;
use crate::check::typed::{Kfunc, KfuncParameter};
use crate::check::types::{DataType, IntType};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue::KFUNC;
use crate::expand::form::{Definition, FieldSyntax};
use crate::kernel::{KernelVersion, kfunc};
use crate::syntax::Datum;

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
        let parameters: Vec<_> = parameters
            .iter()
            .map(|parameter| Some((parameter.name.name.clone(), self.kfunc_parameter(definition, parameter)?)))
            .collect();
        let rule = "gives a number or nothing, and this is neither";
        let result = result.map(|ty| self.kfunc_number(definition, std::slice::from_ref(ty), rule));
        Some(Kfunc {
            name: name.name.clone(),
            span: name.span,
            symbol,
            parameters: parameters.into_iter().collect::<Option<_>>()?,
            result: match result {
                Some(result) => Some(result?),
                None => None,
            },
        })
    }

    fn kfunc_parameter(&mut self, definition: &Definition, parameter: &FieldSyntax) -> Option<KfuncParameter> {
        if is_map(&parameter.ty) {
            return Some(KfuncParameter::Map);
        }
        let rule = "takes numbers and maps, and this is neither";
        self.kfunc_number(definition, &parameter.ty, rule).map(KfuncParameter::Int)
    }

    fn kfunc_number(&mut self, definition: &Definition, ty: &[Datum], rule: &str) -> Option<IntType> {
        let (Some(first), Some(last)) = (ty.first(), ty.last()) else { return None };
        let span = first.span.to(last.span);
        // What stands in parentheses is no number, whether it is a type or not.
        if first.as_list().is_none()
            && !is_map(ty)
            && let DataType::Int(int) = type_syntax::data_type(self, definition.program, ty, span)?
        {
            return Some(int);
        }
        self.report(Diagnostic::error(KFUNC, span, format!("a function of the kernel {rule}")).with_help(
            "numbers are `:u8` to `:u64` and `:i8` to `:i64`, a map is `:map`; functions that want or give pointers are not available",
        ));
        None
    }
}

/// `:map`
fn is_map(ty: &[Datum]) -> bool {
    matches!(ty, [ty] if ty.as_keyword().or(ty.as_symbol()).is_some_and(|name| **name == *"map"))
}
