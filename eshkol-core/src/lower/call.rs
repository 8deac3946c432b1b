//! Calls: helpers of the kernel and functions of the unit.

use super::function::{FunctionLowering, Words};
use crate::check::typed::{Argument, Expr, FunctionId, MapId, Type};
use crate::check::types::Storage;
use crate::ir::{UnaryOp, Value, ValueType};
use crate::kernel::{HelperId, helper};
use crate::source::Span;

/// An argument whose parts are evaluated, not yet in the form of the call.
enum Evaluated {
    Word(Value),
    Map(MapId),
    Callback(FunctionId),
    Spilled(Storage, Words, Span),
}

impl FunctionLowering<'_> {
    /// Calls a helper; the words of its value.
    pub(super) fn helper(&mut self, helper: HelperId, arguments: &[Argument], ty: &Type, span: Span) -> Words {
        // Everything is evaluated before anything is put on the stack, since an argument may hold a call, too.
        let evaluated: Vec<Evaluated> = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Value(value) => Evaluated::Word(self.word(value)),
                Argument::Map(map) => Evaluated::Map(*map),
                Argument::Callback(function) => Evaluated::Callback(*function),
                Argument::Spilled(storage, value) => Evaluated::Spilled(*storage, self.words(value), value.span),
            })
            .collect();
        let arguments = evaluated
            .into_iter()
            .map(|evaluated| match evaluated {
                Evaluated::Word(word) => word,
                Evaluated::Map(map) => self.builder.map(map, span),
                Evaluated::Callback(function) => self.builder.function_address(function, span),
                Evaluated::Spilled(storage, words, span) => self.spill(storage, &words, span),
            })
            .collect();
        self.free_spills();
        let result_type = self.word_types(ty).first().copied().unwrap_or(ValueType::Int);
        let mut result = self.builder.call_helper(helper, arguments, result_type, span);
        if helper::by_id(helper).is_some_and(|helper| self.unit.min_kernel < helper.whole_since) {
            result = self.unary(UnaryOp::SExt32, result, span);
        }
        match ty {
            Type::Unit | Type::Never => Words::new(),
            Type::Scalar(data) => vec![self.extended_to(result, data, span)],
            _ => vec![result],
        }
    }

    /// Calls a function of the unit; the words of its value.
    pub(super) fn call(&mut self, function: FunctionId, arguments: &[Expr], ty: &Type, span: Span) -> Words {
        let arguments = arguments.iter().map(|argument| self.word(argument)).collect();
        let result = self.builder.call_function(function, arguments, span);
        if self.word_types(ty).is_empty() { Words::new() } else { vec![result] }
    }
}
