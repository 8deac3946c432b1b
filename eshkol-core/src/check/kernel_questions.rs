//! What is asked of the running kernel's types: whether a struct or field is there, how large it is, what number a variant has. The loader
//! answers, before the verifier looks at the program.

use super::checker::Checker;
use super::kernel_types::{Fact, FactId, FactKind, KernelEnumId, KernelStructId, KernelType, Subject};
use super::typed::{ExprKind as Typed, KernelOp, Type};
use super::types::{DataType, IntType};
use super::value::Value;
use crate::diagnostic::{Diagnostic, catalogue, suggestion};
use crate::expand::form::DefinitionKind;
use crate::source::Span;
use crate::syntax::Datum;

impl Checker<'_> {
    /// Something asked of the running kernel.
    pub(super) fn fact(&mut self, kind: FactKind, subject: Subject, local: u32) -> FactId {
        let fact = Fact { kind, subject, local: i32::try_from(local).unwrap_or(i32::MAX) };
        let known = self.functions.facts.iter().find(|(_, known)| **known == fact).map(|(id, _)| id);
        known.unwrap_or_else(|| self.functions.facts.push(fact))
    }

    pub(super) fn field_fact(&mut self, kind: FactKind, root: KernelStructId, way: &[u32]) -> FactId {
        let types = &self.declarations.types;
        let found = types.kernel_member(root, way);
        let bytes = found.as_ref().map_or(0, |(ty, _)| types.kernel_layout(ty).0);
        let local = match kind {
            FactKind::ByteOffset => found.map_or(0, |(_, offset)| offset),
            FactKind::ByteSize => bytes,
            FactKind::LeftShift | FactKind::RightShift => 64_u32.saturating_sub(bytes.saturating_mul(8)),
            _ => 1,
        };
        self.fact(kind, Subject::Struct(root, way.to_vec()), local)
    }

    /// A yes or no of the running kernel. The kernel's verifier follows only the way that it decides for.
    fn answer(&mut self, kind: FactKind, subject: Subject, span: Span) -> Value {
        let fact = self.fact(kind, subject, 1);
        Value::run(Type::Scalar(DataType::Bool), span, Typed::Kernel(KernelOp::Fact(fact)))
    }

    /// A variant of an enum of the kernel: its number there.
    pub(super) fn kernel_variant(&mut self, id: KernelEnumId, variant: usize, span: Span) -> Value {
        let position = u32::try_from(variant).unwrap_or(0);
        let fact = self.fact(FactKind::VariantValue, Subject::Enum(id, position), position);
        Value::run(Type::Scalar(DataType::Int(IntType::U32)), span, Typed::Kernel(KernelOp::Fact(fact)))
    }

    pub(super) fn size_fact(&mut self, id: KernelStructId) -> FactId {
        let bytes = self.declarations.types.kernel_structs.at(id).size;
        self.fact(FactKind::TypeSize, Subject::Struct(id, Vec::new()), bytes)
    }

    /// The struct or enum of the kernel that a datum names.
    pub(super) fn named_kernel_type(&mut self, datum: &Datum) -> Option<KernelType> {
        let name = datum.as_symbol().or_else(|| datum.as_keyword())?;
        let definition = super::declare::scope::find_type(self.unit, Some(self.program.id), name)?;
        let kind = &self.unit.definitions.at(definition).kind;
        if !matches!(kind, DefinitionKind::KernelStruct { .. } | DefinitionKind::KernelEnum { .. }) {
            return None;
        }
        self.kernel_type(datum)
    }

    /// Reads a type of the kernel.
    pub(super) fn kernel_type(&mut self, datum: &Datum) -> Option<KernelType> {
        self.declarations.kernel_type(self.unit, Some(self.program.id), datum, self.diagnostics)
    }

    /// `(sizeof T)`, where `T` is a struct of the kernel; `None` where it is none.
    pub(super) fn kernel_size(&mut self, datum: &Datum, span: Span) -> Option<Value> {
        match self.named_kernel_type(datum)? {
            KernelType::Struct(id) => {
                let fact = self.size_fact(id);
                let ty = Type::Scalar(DataType::Int(IntType::U64));
                Some(Value::run(ty, span, Typed::Kernel(KernelOp::Fact(fact))))
            }
            _ => Some(Value::literal(4, span)),
        }
    }

    /// `(type-exists? T)`
    pub(super) fn type_exists(&mut self, datum: &Datum, span: Span) -> Value {
        match self.named_kernel_type(datum) {
            Some(KernelType::Struct(id)) => self.answer(FactKind::TypeExists, Subject::Struct(id, Vec::new()), span),
            _ => self.not_a_kernel_type(datum, "`define-kernel-struct`"),
        }
    }

    fn not_a_kernel_type(&mut self, datum: &Datum, wanted: &str) -> Value {
        let message = format!("`{datum}` is not declared with {wanted}");
        self.report(
            Diagnostic::error(catalogue::NOT_A_KERNEL_TYPE, datum.span, message)
                .with_help("declare what is to be asked for: `(define-kernel-struct task-struct (pid :i32))`"),
        )
    }

    /// `(field-exists? T f …)`
    pub(super) fn field_exists(&mut self, datum: &Datum, path: &[Datum], span: Span) -> Value {
        match self.named_kernel_type(datum) {
            Some(KernelType::Struct(root)) => {
                let mut way = Vec::new();
                let mut ty = KernelType::Struct(root);
                for step in path {
                    let Some((position, next)) = self.member(&ty, step) else { return Value::Error(span) };
                    way.push(position);
                    ty = next;
                }
                self.answer(FactKind::FieldExists, Subject::Struct(root, way), span)
            }
            Some(KernelType::Enum(id)) => {
                let [variant] = path else {
                    return self.error(catalogue::WRONG_ARITY, span, "`field-exists?` of an enum takes one variant");
                };
                let variants = &self.declarations.types.kernel_enums.at(id).variants;
                let names: Vec<String> = variants.iter().map(ToString::to_string).collect();
                match self.position(variant, &names, &datum.to_string()) {
                    Some(position) => self.answer(FactKind::VariantExists, Subject::Enum(id, position), span),
                    None => Value::Error(span),
                }
            }
            _ => self.not_a_kernel_type(datum, "`define-kernel-struct` or `define-kernel-enum`"),
        }
    }

    /// A member of a struct, by the name in a path.
    fn member(&mut self, ty: &KernelType, step: &Datum) -> Option<(u32, KernelType)> {
        let types = &self.declarations.types;
        let KernelType::Struct(id) = ty else {
            let name = types.kernel_name(ty);
            let message = format!("what comes before is a `{name}`, which has no fields in place");
            self.error(catalogue::NO_SUCH_FIELD, step.span, message);
            return None;
        };
        let information = types.kernel_structs.at(*id);
        let names: Vec<String> = information.fields.iter().map(|field| field.name.to_string()).collect();
        let struct_name = information.name.to_string();
        let position = self.position(step, &names, &struct_name)?;
        let field = self.declarations.types.kernel_structs.at(*id).fields.get(usize::try_from(position).ok()?)?;
        Some((position, field.ty.clone()))
    }

    pub(super) fn position(&mut self, datum: &Datum, names: &[String], of: &str) -> Option<u32> {
        let wanted = datum.as_symbol().map(ToString::to_string);
        let found = wanted.as_ref().and_then(|wanted| names.iter().position(|name| name == wanted));
        if found.is_none() {
            let message = format!("`{datum}` is not declared in `{of}`");
            let diagnostic = Diagnostic::error(catalogue::NO_SUCH_FIELD, datum.span, message);
            let close = wanted
                .and_then(|wanted| suggestion::closest(&wanted, names.iter().map(String::as_str)).map(str::to_owned));
            self.push(match close {
                Some(close) => diagnostic.with_help(format!("did you mean `{close}`?")),
                None => diagnostic.with_help("declare it there, with the type that it has where it exists"),
            });
        }
        found.and_then(|position| u32::try_from(position).ok())
    }
}
