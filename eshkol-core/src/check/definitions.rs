//! What programs do not use is checked, too: constants, which Rust may want, and procedures that nothing calls.
//!
//! Of a procedure's argument nothing is known but its annotation. So only mistakes are reported that no call could make good:
//! whether something divides by zero or is absent is left to calls.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checker::{Checker, Functions, Given, Position};
use super::convert::{is_reference, read_type};
use super::declare::{Declared, DeclaredProgram};
use super::kernel_types::{Access, KernelPointer, KernelType};
use super::typed::{self, Constant, ConstantValue, ExprKind as Typed, Type};
use super::types::DataType;
use super::value::{Environment, Run, Static, Value};
use crate::bindings::constant_name;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, catalogue};
use crate::expand::form::{DefId, Definition, DefinitionKind, Expr, ExprKind, Lambda, VarId};
use crate::source::Span;
use crate::syntax::Datum;

/// Mistakes whatever the arguments are. What an `if` gives is none of them: an argument may decide it while compiling.
const CERTAIN: &[Code] = &[
    catalogue::TYPE_MISMATCH,
    catalogue::NUMBER_AS_TEST,
    catalogue::NOT_A_TEST,
    catalogue::FLOAT,
    catalogue::NUMBER_DOES_NOT_FIT,
    catalogue::WRONG_VALUE_COUNT,
    catalogue::BAD_ADDRESS,
    catalogue::GLOBAL_IS_CONSTANT,
    catalogue::USED_BEFORE_DEFINITION,
    catalogue::WRONG_ARITY,
    catalogue::NOT_A_PROCEDURE,
    catalogue::UNKNOWN_TYPE,
    catalogue::MALFORMED_TYPE,
    catalogue::HEADER_AS_TYPE,
];

/// The definitions of a unit.
pub(super) struct Definitions<'a>(pub(super) Given<'a>);

impl Definitions<'_> {
    /// Finds the value of every constant, and looks at the procedures that no program has come to. The constants that can be said in
    /// Rust, in order of definition.
    pub(super) fn check(&self, functions: &mut Functions, diagnostics: &mut Diagnostics) -> Vec<Constant> {
        let mut constants = Vec::new();
        for (id, definition) in self.0.unit.definitions.iter().filter(|(_, definition)| !definition.prelude) {
            let (DefinitionKind::Value { value, .. }, Some(Declared::Value)) =
                (&definition.kind, self.0.declarations.declared(id))
            else {
                continue;
            };
            let Some(program) = self.program_of(definition) else { continue };
            let mut checker = Checker::new(self.0, program, diagnostics, functions);
            match &value.kind {
                ExprKind::Lambda(lambda) => checker.uncalled(lambda),
                _ => constants.extend(checker.constant(id, definition, value)),
            }
        }
        constants.sort_by_key(|constant| constant.span);
        without_clashes(constants)
    }

    /// The program that a definition belongs to, or for one that belongs to all the first.
    fn program_of(&self, definition: &Definition) -> Option<&DeclaredProgram> {
        let programs = &self.0.declarations.programs;
        match definition.program {
            Some(id) => programs.iter().find(|program| program.id == id),
            None => programs.first(),
        }
    }
}

/// Without those that would have the same name in Rust: each program can have its own.
fn without_clashes(constants: Vec<Constant>) -> Vec<Constant> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for constant in &constants {
        let name = constant_name(&constant.name);
        if !seen.insert(name.clone()) {
            twice.insert(name);
        }
    }
    constants.into_iter().filter(|constant| !twice.contains(&constant_name(&constant.name))).collect()
}

impl Checker<'_> {
    fn constant(&mut self, id: DefId, definition: &Definition, value: &Expr) -> Option<Constant> {
        let value = match self.constant_or_procedure(id, value.span) {
            Value::Run(run) => constant_value(&run)?,
            Value::Static(Static::String(text), _) => ConstantValue::Text(text),
            Value::Static(..) | Value::Error(_) => return None,
        };
        Some(Constant {
            name: definition.name.name.clone(),
            span: definition.name.span,
            doc: definition.doc.clone(),
            value,
        })
    }

    /// What a procedure is given where nobody calls it: something of the type that it says, or what is silent wherever it goes.
    fn unknown_argument(&mut self, parameter: VarId, span: Span) -> Value {
        let unit = self.unit;
        let variable = unit.variables.at(parameter);
        let Some(annotation) = &variable.annotation else { return Value::Error(span) };
        let Some(ty) = self.type_of(annotation) else { return Value::Error(span) };
        let argument = Run::new(typed::Expr::new(ty, variable.span, Typed::Unit));
        let local = self.new_local(&variable.name, &argument, false);
        Value::Run(self.read_local(local, variable.span))
    }

    /// The type of a value of which only an annotation is known.
    fn type_of(&mut self, annotation: &Datum) -> Option<Type> {
        if is_reference(annotation) {
            let KernelType::Pointer(target) = self.kernel_type(annotation)? else { return None };
            return Some(Type::Kernel(KernelPointer { target: (*target).clone(), access: Access::Untyped }));
        }
        match read_type(&self.data_type(annotation)?) {
            DataType::Ipv6 => Some(Type::Ipv6),
            data if data.storage().is_some() => Some(Type::Scalar(data)),
            _ => None,
        }
    }

    /// Checks a procedure that nothing has called yet.
    fn uncalled(&mut self, lambda: &Arc<Lambda>) {
        if !self.functions.entered.insert(Arc::as_ptr(lambda)) {
            return;
        }
        let before = self.diagnostics.len();
        let span = lambda.span;
        self.enter(lambda, span, |checker| {
            checker.in_environment(Environment::default(), |checker| {
                for parameter in lambda.parameters.iter().chain(&lambda.rest) {
                    let value = checker.unknown_argument(*parameter, span);
                    checker.bind(*parameter, value);
                }
                let value = checker.check(&lambda.body, Position::VALUE);
                if let Some(annotation) = &lambda.result {
                    checker.convert_to_annotation(value, annotation);
                }
            });
        });
        let certain = |diagnostic: &&Diagnostic| CERTAIN.contains(&diagnostic.code);
        let found: Vec<Diagnostic> = self.diagnostics.iter().skip(before).filter(certain).cloned().collect();
        self.diagnostics.truncate(before);
        for diagnostic in found {
            self.diagnostics.push(diagnostic);
        }
    }
}

/// A value that Rust can say.
fn constant_value(run: &Run) -> Option<ConstantValue> {
    let bytes_of = |bits: u64| u32::try_from(bits).ok();
    Some(match (&run.expr.kind, &run.expr.ty) {
        (Typed::Ipv6Constant(bytes), _) => ConstantValue::Ipv6(*bytes),
        (Typed::MacConstant(bytes), _) => ConstantValue::Mac(*bytes),
        (Typed::Constant(bits), Type::Scalar(data)) => match data {
            DataType::Int(int) | DataType::BigEndian(int) => ConstantValue::Number(*int, run.constant()?),
            DataType::Bool => ConstantValue::Bool(*bits != 0),
            DataType::Ipv4 => ConstantValue::Ipv4(bytes_of(*bits)?),
            DataType::Enum(id) => ConstantValue::Enum(*id, bytes_of(*bits)?),
            _ => return None,
        },
        _ => return None,
    })
}
