//! What programs read of the machine's registers: what a function is called with, what it returns, and where a probe or a sample is.

use super::super::checker::{Checker, local_of};
use super::super::typed::{self, LocalId};
use super::super::types::IntType;
use super::super::value::Value;
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::ProgramType;
use crate::kernel::architecture::Registers;
use crate::kernel::program_type::MachineWord;
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "get-kprobe-arg", arity: (2, 2), check: argument },
    Builtin { name: "kprobe-return-value", arity: (1, 1), check: return_value },
    Builtin { name: "get-uprobe-arg", arity: (2, 2), check: user_argument },
    Builtin { name: "uprobe-return-value", arity: (1, 1), check: user_return_value },
];

impl Checker<'_> {
    /// The registers of the machine that will run the program; `None`, reported, where they are not known.
    pub(in super::super) fn registers(&mut self, span: Span) -> Option<&'static Registers> {
        let registers = self.architecture.registers();
        if registers.is_none() {
            self.push(
                Diagnostic::error(
                    catalogue::UNKNOWN_REGISTERS,
                    span,
                    "the registers of the machine that this is compiled for are not known",
                )
                .with_help("compile for one of x86_64, aarch64, riscv64, loongarch64, powerpc64, s390x"),
            );
        }
        registers
    }

    /// Whether the program is of one of these types; reported where it is not.
    fn is_of_type(&mut self, name: &str, types: &[ProgramType], span: Span) -> bool {
        if types.contains(&self.program.program_type) {
            return true;
        }
        let names: Vec<_> = types.iter().map(|ty| format!("`:{}`", ty.keyword())).collect();
        let first = types.first().map_or("kprobe", |ty| ty.keyword());
        self.push(
            Diagnostic::error(
                catalogue::NOT_AT_SUCH_A_POINT,
                span,
                format!("`{name}` is for programs of the type {}", names.join(" or ")),
            )
            .with_help(format!("say `(program-type :{first})`")),
        );
        false
    }

    /// `(ctx-WORD ctx)`
    pub(super) fn machine_word(&mut self, word: &MachineWord, call: Call<'_>) -> Value {
        let span = call.span;
        if call.values.len() != 1 {
            return self.error(catalogue::WRONG_ARITY, span, format!("`ctx-{}` takes the context", word.name));
        }
        let [context] = call.arguments();
        let Some(context) = self.context_argument(context) else { return Value::Error(span) };
        let Some(registers) = self.registers(span) else { return Value::Error(span) };
        self.context_number(&context, (word.place)(registers), IntType::U64, span)
    }

    /// Argument `index` of the function that the program is attached to.
    pub(in super::super) fn function_argument(
        &mut self,
        context: &typed::Expr,
        index: Value,
        name: &str,
        span: Span,
    ) -> Value {
        if self.program.program_type == ProgramType::Kretprobe {
            let Some(saved) = self.saved_arguments(context, span) else { return Value::Error(span) };
            let read = |checker: &mut Self, local| Value::Run(checker.read_local(local, span));
            return self.word_by_index(&saved, &read, index, name, span);
        }
        let Some(registers) = self.registers(span) else { return Value::Error(span) };
        let read = |checker: &mut Self, offset| checker.context_number(context, offset, IntType::U64, span);
        self.word_by_index(registers.arguments, &read, index, name, span)
    }

    /// The variables that hold what the function was called with, which only the entry procedure has.
    fn saved_arguments(&mut self, context: &typed::Expr, span: Span) -> Option<Vec<LocalId>> {
        let registers = self.registers(span)?;
        if registers.frame.is_none() {
            self.report_no_frame(span);
            return None;
        }
        if !self.function.called_with.is_empty() && local_of(context) == self.function.context {
            return Some(self.function.called_with.clone());
        }
        // A procedure that is tried as a function of its own is put in place of its calls instead.
        self.error(
            catalogue::NOT_AT_SUCH_A_POINT,
            span,
            "what the function was called with is known in the entry procedure alone",
        );
        None
    }
}

/// `(get-kprobe-arg ctx i)`
fn argument(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    argument_in(checker, call, "get-kprobe-arg", &[ProgramType::Kprobe, ProgramType::Kretprobe])
}

/// `(get-uprobe-arg ctx i)`
fn user_argument(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    argument_in(checker, call, "get-uprobe-arg", &[ProgramType::Uprobe])
}

fn argument_in(checker: &mut Checker<'_>, call: Call<'_>, name: &str, types: &[ProgramType]) -> Value {
    let span = call.span;
    let [context, index] = call.arguments();
    if !checker.is_of_type(name, types, span) {
        return Value::Error(span);
    }
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    checker.function_argument(&context, index, name, span)
}

/// `(kprobe-return-value ctx)`
fn return_value(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    return_value_in(checker, call, "kprobe-return-value", ProgramType::Kretprobe)
}

/// `(uprobe-return-value ctx)`
fn user_return_value(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    return_value_in(checker, call, "uprobe-return-value", ProgramType::Uretprobe)
}

fn return_value_in(checker: &mut Checker<'_>, call: Call<'_>, name: &str, ty: ProgramType) -> Value {
    let span = call.span;
    let [context] = call.arguments();
    if !checker.is_of_type(name, &[ty], span) {
        return Value::Error(span);
    }
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    let Some(registers) = checker.registers(span) else { return Value::Error(span) };
    checker.context_number(&context, registers.result, IntType::U64, span)
}
