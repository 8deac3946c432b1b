//! Calls of functions of the kernel that a unit declares.

use super::builtin::helper::{sized, wrong_argument};
use super::call::are_given;
use super::checker::Checker;
use super::typed::{
    self, Argument, ExprKind as Typed, Kfunc, KfuncId, KfuncParameter, RefTarget, RefType, Region, Type,
};
use super::types::DataType;
use super::value::{Run, Static, Value};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::HelperId;
use crate::kernel::helper::is_gpl_compatible;
use crate::kernel::program_type::PacketAccess;
use crate::source::Span;

impl Checker<'_> {
    /// Calls a declared function.
    pub(super) fn call_kfunc(&mut self, id: KfuncId, values: Vec<Value>, span: Span) -> Value {
        let function = self.declarations.kfuncs.at(id).clone();
        let name = &function.name;
        // `add_kfunc_call` in `kernel/bpf/verifier.c`.
        if !is_gpl_compatible(&self.program.license) {
            let message = format!("only programs under a license compatible with the GPL may call `{name}`");
            return self.report(
                Diagnostic::error(catalogue::GPL_ONLY_HELPER, span, message)
                    .with_help("say `(license \"GPL\")`, or `(license \"Dual MIT/GPL\")`"),
            );
        }
        let wanted = function.parameters.len();
        if values.len() != wanted {
            let plural = if wanted == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {wanted} argument{plural}, and {}", are_given(values.len()));
            return self.report(
                Diagnostic::error(catalogue::WRONG_ARITY, span, message).with_note(function.span, "declared here"),
            );
        }
        let Some(arguments) = self.kfunc_arguments(&function, values) else { return Value::Error(span) };
        // Which of those that are given the context move the packet, only the verifier knows (`bpf_xdp_pull_data` does, commit 323302f54db9).
        let takes_context = function.parameters.iter().any(|(_, parameter)| *parameter == KfuncParameter::Context);
        if takes_context && self.program.program_type.facts().packet != PacketAccess::None {
            let epoch = self.new_epoch(Some(span));
            self.flow.epoch = epoch;
        }
        let ty = function.result.map_or(Type::Unit, |int| Type::Scalar(DataType::Int(int)));
        Value::run(ty, span, Typed::Helper { helper: HelperId::declared(id), arguments })
    }

    fn kfunc_arguments(&mut self, function: &Kfunc, values: Vec<Value>) -> Option<Vec<Argument>> {
        let mut arguments = Vec::new();
        let mut complete = true;
        // The memory of the argument before, where that of this one is its size.
        let mut memory: Option<(u32, Span)> = None;
        for ((_, parameter), value) in function.parameters.iter().zip(values) {
            let argument = match (parameter, memory.take()) {
                (KfuncParameter::Int(_), Some((bytes, place))) => sized(self, value, bytes, place, true),
                (KfuncParameter::SizedMemory, _) => {
                    let span = value.span();
                    let found = self.kfunc_memory(&function.name, value);
                    memory = found.as_ref().map(|(_, bytes)| (*bytes, span));
                    found.map(|(expr, _)| Argument::Value(expr))
                }
                _ => self.kfunc_argument(&function.name, parameter, value),
            };
            match argument {
                Some(argument) => arguments.push(argument),
                None => complete = false,
            }
        }
        complete.then_some(arguments)
    }

    fn kfunc_argument(&mut self, name: &str, parameter: &KfuncParameter, value: Value) -> Option<Argument> {
        match (parameter, value) {
            (KfuncParameter::Map, Value::Static(Static::Map(map), _)) => Some(Argument::Map(map)),
            (KfuncParameter::Map, other) => wrong_argument(self, name, &other, "a map"),
            (KfuncParameter::Context, value) => self.context_argument(value).map(Argument::Value),
            (KfuncParameter::Memory(data), value) => self.kfunc_place(name, data, value),
            (KfuncParameter::SizedMemory, value) => {
                self.kfunc_memory(name, value).map(|(expr, _)| Argument::Value(expr))
            }
            (KfuncParameter::String, value) => self.kfunc_string(name, value),
            (KfuncParameter::Int(int), value) => {
                let run = self.int(value)?;
                // As a store into such a place would keep it: the kernel may take the whole register for it.
                let span = run.expr.span;
                let narrowed =
                    typed::Expr::new(Type::Scalar(DataType::Int(*int)), span, Typed::Cast(Box::new(run.expr)));
                Some(Argument::Value(narrowed))
            }
        }
    }

    /// Memory in which there is what a function was declared to take the address of.
    fn kfunc_place(&mut self, name: &str, data: &DataType, value: Value) -> Option<Argument> {
        let (expr, bytes) = self.kfunc_memory(name, value)?;
        let is_it = match (data, &expr.ty) {
            (DataType::Struct(_), Type::Ref(RefType { target: RefTarget::Data(given), .. })) => given == data,
            // As helpers take places of numbers.
            (DataType::Int(_) | DataType::BigEndian(_), _) => self.declarations.types.size(data) <= bytes,
            _ => false,
        };
        if is_it {
            return Some(Argument::Value(expr));
        }
        let wanted = self.declarations.types.name(data);
        wrong_argument(self, name, &Value::Run(Run::new(expr)), &format!("memory that holds `{wanted}`"))
    }

    /// Memory that a function may read and write (`check_mem_reg` in `kernel/bpf/verifier.c` asks for both), and how many bytes are there.
    fn kfunc_memory(&mut self, name: &str, value: Value) -> Option<(typed::Expr, u32)> {
        let (expr, bytes) = self.memory_argument(name, false, value)?;
        let Type::Ref(RefType { region, .. }) = &expr.ty else { return None };
        if *region != Region::Any {
            return Some((expr, bytes));
        }
        let message = format!("`{name}` takes memory of one kind, and this is of one or another");
        self.push(Diagnostic::error(catalogue::TYPE_MISMATCH, expr.span, message).with_help(
            "give it a struct on the stack, as `(make-s)` makes one, the value of a map, or a `:mutable` global",
        ));
        None
    }

    /// Text that a function reads.
    fn kfunc_string(&mut self, name: &str, value: Value) -> Option<Argument> {
        let (expr, _) = self.memory_argument(name, false, value)?;
        if let Type::Ref(RefType { target: RefTarget::Data(DataType::CharArray(_)), .. }) = &expr.ty {
            return Some(Argument::Value(expr));
        }
        let given = Value::Run(Run::new(expr));
        wrong_argument(self, name, &given, "text, a literal or a `:char-array`,")
    }
}
