//! Checking expressions: one function per core form.

use super::checker::{Checker, Pending, Position};
use super::declare::Declared;
use super::or;
use super::range::Range;
use super::typed::{self, ExprKind as Typed, Place, RefTarget, RefType, Region, Type};
use super::types::DataType;
use super::value::{Closure, Environment, Meaning, Procedure, Run, Static, Value};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::{Binding, DefId, DefinitionKind, Expr, ExprKind, VarId};
use crate::kernel;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind, Name};

impl Checker<'_> {
    /// Checks an expression. What it needs done first is part of a run-time result; a compile-time result leaves it pending.
    pub(super) fn check(&mut self, expr: &Expr, position: Position) -> Value {
        if !self.spend(expr.span) {
            return Value::Error(expr.span);
        }
        let mark = self.pending.len();
        let value = self.nested(expr.span, |checker| checker.check_form(expr, position));
        self.close(mark, value.unwrap_or(Value::Error(expr.span)))
    }

    /// Puts what is pending since `mark` into a run-time value.
    pub(super) fn close(&mut self, mark: usize, value: Value) -> Value {
        match value {
            Value::Run(mut run) => {
                run.expr = self.wrap(mark, run.expr);
                Value::Run(run)
            }
            other => other,
        }
    }

    /// Checks an expression whose value is used.
    pub(super) fn value(&mut self, expr: &Expr) -> Value {
        self.check(expr, Position::VALUE)
    }

    fn check_form(&mut self, expr: &Expr, position: Position) -> Value {
        let span = expr.span;
        if let Some((one, other)) = or::sides(expr).filter(|(one, _)| or::is_truth(one)) {
            let yes = Expr { span: one.span, kind: ExprKind::Bool(true) };
            return self.check_if(one, &yes, other, position, span);
        }
        match &expr.kind {
            ExprKind::Integer(value) => Value::literal(*value, span),
            ExprKind::Float(text) => self.report(
                Diagnostic::error(
                    catalogue::FLOAT,
                    span,
                    format!("`{text}` is a floating-point number, and eBPF has none"),
                )
                .with_help("scale it: count in thousandths, or multiply first and divide after"),
            ),
            ExprKind::Bool(value) => Value::boolean(*value, span),
            ExprKind::Char(c) => Value::literal(i128::from(u32::from(*c)), span),
            ExprKind::String(text) => Value::Static(Static::String(text.clone()), span),
            ExprKind::Keyword(name) => self.keyword(name, span),
            ExprKind::Quote(datum) => quoted(datum),
            ExprKind::Local(variable) => self.variable(*variable, span),
            ExprKind::Definition(definition) => self.definition(*definition, span),
            ExprKind::StructProcedure { definition, procedure } => {
                Value::Static(Static::Procedure(Procedure::Struct(*definition, procedure.clone())), span)
            }
            ExprKind::EnumVariant { definition, variant } => self.enum_variant(*definition, *variant, span),
            ExprKind::Builtin(name) => Value::Static(Static::Procedure(Procedure::Builtin(name.clone())), span),
            ExprKind::Lambda(lambda) => {
                let closure = Closure { lambda: lambda.clone(), environment: self.environment.clone() };
                Value::Static(Static::Procedure(Procedure::Closure(closure)), span)
            }
            ExprKind::If(test, then, otherwise) => self.check_if(test, then, otherwise, position, span),
            ExprKind::Let(bindings, body) => self.scoped(|checker| {
                for binding in bindings {
                    let value = checker.value(&binding.value);
                    checker.bind(binding.variable, value);
                }
                checker.check(body, position)
            }),
            ExprKind::Letrec(bindings, body) => self.letrec(bindings, body, position),
            ExprKind::LetValues { variables, rest, value, body } => self.scoped(|checker| {
                let value = checker.value(value);
                checker.bind_values(variables, *rest, value, span);
                checker.check(body, position)
            }),
            ExprKind::SetLocal(variable, value) => {
                let value = self.value(value);
                self.set_local(*variable, value, span)
            }
            ExprKind::SetDefinition(definition, value) => {
                let value = self.value(value);
                self.set_global(*definition, value, span)
            }
            ExprKind::Begin(items) => self.begin(items, position, span),
            ExprKind::Call(callee, arguments) => self.call(callee, arguments, position, span),
            ExprKind::While { test, body } => self.check_while(test, body, span),
            ExprKind::For { variable, sequence, body } => self.check_for(*variable, sequence, body, span),
            ExprKind::Case { key, clauses, otherwise } => self.case(key, clauses, otherwise, position, span),
            ExprKind::The(ty, value) => {
                let value = self.value(value);
                self.as_type(value, ty, span)
            }
            ExprKind::FieldExists { ty, path } => self.field_exists(ty, path, span),
            ExprKind::TracepointField(context, field) => {
                let context = self.value(context);
                self.tracepoint_field(context, field, span)
            }
            ExprKind::TypeExists(ty) => self.type_exists(ty, span),
            ExprKind::SizeOf(ty) => {
                if let Some(size) = self.kernel_size(ty, span) {
                    return size;
                }
                let program = Some(self.program.id);
                match self.declarations.constant(self.unit, program, expr, self.diagnostics) {
                    Some(size) => Value::literal(size, span),
                    None => Value::Error(span),
                }
            }
            ExprKind::Program(program) => Value::Static(Static::Program(*program), span),
            ExprKind::ParseHeader(definition, cursor) => {
                let cursor = self.value(cursor);
                self.parse_defined_header(*definition, cursor, span)
            }
            ExprKind::Reserve(buffer, event) => {
                let buffer = self.value(buffer);
                self.reserve(&buffer, event, span)
            }
            ExprKind::Unspecified => Value::unspecified(span),
            ExprKind::Error => Value::Error(span),
        }
    }

    /// Runs `inner` and forgets the variables it bound.
    pub(super) fn scoped(&mut self, inner: impl FnOnce(&mut Self) -> Value) -> Value {
        let environment = self.environment.clone();
        let value = inner(self);
        self.environment = environment;
        value
    }

    /// Runs `inner` in another environment.
    pub(super) fn in_environment<T>(&mut self, environment: Environment, inner: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.environment, environment);
        let value = inner(self);
        self.environment = outer;
        value
    }

    fn keyword(&mut self, name: &Name, span: Span) -> Value {
        let program_type = self.program.program_type;
        if let Some(result) = program_type.result(name) {
            if let Some(hook) = self.program.attach_type()
                && let Some(only) = hook.only.filter(|only| **only != **name)
            {
                let message = format!("a program at `{}` can't return `:{name}`", hook.name);
                let help = format!("return `:{only}`, which is all that the kernel takes there");
                return self.report(Diagnostic::error(catalogue::WRONG_RETURN, span, message).with_help(help));
            }
            let bits = super::value::low_bits(i128::from(result));
            return Value::run(Type::Verdict(program_type), span, Typed::Constant(bits));
        }
        if let Some(constant) = kernel::constant::by_name(name) {
            let mut run = Value::constant(i128::from(constant.value), constant.ty, span);
            if let Value::Run(run) = &mut run {
                run.literal = true;
            }
            return run;
        }
        Value::Static(Static::Keyword(name.clone()), span)
    }

    fn variable(&mut self, variable: VarId, span: Span) -> Value {
        match self.environment.get(variable) {
            Some(Meaning::Local(local)) => Value::Run(self.read_local(*local, span)),
            Some(Meaning::Value(value)) => {
                let mut value = value.clone();
                match &mut value {
                    Value::Run(run) => run.expr.span = span,
                    Value::Static(_, place) | Value::Error(place) => *place = span,
                }
                value
            }
            Some(Meaning::Recursive(lambda)) => {
                let closure = Closure { lambda: lambda.clone(), environment: self.environment.clone() };
                Value::Static(Static::Procedure(Procedure::Closure(closure)), span)
            }
            None => {
                let name = &self.unit.variables.at(variable).name;
                let message = format!("`{name}` is used before it has a value");
                self.error(catalogue::USED_BEFORE_DEFINITION, span, message)
            }
        }
    }

    fn definition(&mut self, id: DefId, span: Span) -> Value {
        match self.declarations.by_definition.get(&id) {
            Some(Declared::Map(map)) => Value::Static(Static::Map(*map), span),
            Some(Declared::Global(global)) => {
                let data = self.declarations.globals.at(*global).ty.clone();
                let reference = RefType { target: RefTarget::Data(data.clone()), region: Region::Global };
                let base = typed::Expr::new(Type::Ref(reference), span, Typed::Global(*global));
                match data.storage() {
                    Some(storage) => {
                        let align = self.declarations.types.layout(&data).1;
                        let place = Place { base: Box::new(base), offset: 0, index: None, align };
                        Value::Run(self.load(place, storage, &data, span))
                    }
                    None => Value::Run(Run::new(base)),
                }
            }
            Some(Declared::Value) => self.constant_or_procedure(id, span),
            Some(Declared::Kfunc(kfunc)) => Value::Static(Static::Procedure(Procedure::Kfunc(*kfunc)), span),
            Some(
                Declared::Struct(_)
                | Declared::Header(_)
                | Declared::Enum(_)
                | Declared::KernelStruct(_)
                | Declared::KernelEnum(_)
                | Declared::Alias(_),
            ) => {
                let name = &self.unit.definitions.at(id).name.name;
                let message = format!("`{name}` is a type, and a value is wanted here");
                self.error(catalogue::TYPE_MISMATCH, span, message)
            }
            None => Value::Error(span),
        }
    }

    pub(super) fn constant_or_procedure(&mut self, id: DefId, span: Span) -> Value {
        let DefinitionKind::Value { annotation, value } = &self.unit.definitions.at(id).kind else {
            return Value::Error(span);
        };
        if matches!(value.kind, ExprKind::Lambda(_)) {
            return Value::Static(Static::Procedure(Procedure::Defined(id)), span);
        }
        if self.functions.cyclic.contains(&id) {
            return Value::Error(span);
        }
        if let Some(first) = self.constants.iter().position(|open| *open == id) {
            self.functions.cyclic.extend(self.constants.iter().skip(first));
            let name = &self.unit.definitions.at(id).name;
            let message = format!("the constant `{}` is defined by itself", name.name);
            return self.error(catalogue::CONSTANT_CYCLE, name.span, message);
        }
        self.constants.push(id);
        let mark = self.pending.len();
        let mut result = self.in_environment(Environment::default(), |checker| checker.value(value));
        self.constants.pop();
        if let Some(annotation) = annotation {
            result = self.convert_to_annotation(result, annotation);
        }
        let constant = match &result {
            Value::Run(run) => run.is_atom(),
            Value::Static(..) | Value::Error(_) => true,
        };
        if !constant || self.pending.len() > mark {
            self.pending.truncate(mark);
            return self.report(
                Diagnostic::error(
                    catalogue::NOT_CONSTANT,
                    value.span,
                    "a definition outside procedures must be a constant",
                )
                .with_help("bind it with `let` inside the procedure that needs it")
                .with_help("or keep it in a map or in a `(define-global (name :mutable) …)`"),
            );
        }
        match &mut result {
            Value::Run(run) => run.expr.span = span,
            Value::Static(_, place) | Value::Error(place) => *place = span,
        }
        result
    }

    fn enum_variant(&mut self, id: DefId, variant: usize, span: Span) -> Value {
        if let Some(Declared::KernelEnum(id)) = self.declarations.by_definition.get(&id) {
            return self.kernel_variant(*id, variant, span);
        }
        let Some(Declared::Enum(id)) = self.declarations.by_definition.get(&id) else { return Value::Error(span) };
        let Some((_, value)) = self.declarations.types.enums.at(*id).variants.get(variant) else {
            return Value::Error(span);
        };
        let expr = typed::Expr::new(Type::Scalar(DataType::Enum(*id)), span, Typed::Constant(u64::from(*value)));
        Value::Run(Run::new(expr).in_range(Range::exactly(i128::from(*value))))
    }

    fn letrec(&mut self, bindings: &[Binding], body: &Expr, position: Position) -> Value {
        self.scoped(|checker| {
            for binding in bindings {
                if let ExprKind::Lambda(lambda) = &binding.value.kind {
                    let meaning = Meaning::Recursive(lambda.clone());
                    checker.environment = checker.environment.with(binding.variable, meaning);
                }
            }
            for binding in bindings {
                if !matches!(binding.value.kind, ExprKind::Lambda(_)) {
                    let value = checker.value(&binding.value);
                    checker.bind(binding.variable, value);
                }
            }
            checker.check(body, position)
        })
    }

    /// The parts of `(values …)`, or the one value that something else is.
    pub(super) fn parts_of(&mut self, value: Value) -> Vec<Value> {
        match value {
            Value::Static(Static::Values(parts), _) => parts,
            Value::Run(Run { expr: typed::Expr { ty: Type::Values(types), span: place, kind }, epoch, .. }) => {
                let mut locals = Vec::new();
                let mut parts = Vec::new();
                for ty in &types {
                    let run = Run::new(typed::Expr::new(ty.clone(), place, Typed::Unit));
                    let pointer = matches!(ty, Type::Cursor | Type::Ref(_) | Type::Optional(_));
                    let run = Run { epoch: if pointer { epoch } else { None }, ..run };
                    let local = self.new_local("value", &run, false);
                    locals.push(local);
                    parts.push(Value::Run(self.read_local(local, place)));
                }
                self.pending
                    .push(Pending::LetValues(locals, typed::Expr { ty: Type::Values(types), span: place, kind }));
                parts
            }
            single => vec![single],
        }
    }

    /// Binds the parts of `(values …)`.
    pub(super) fn bind_values(&mut self, variables: &[VarId], rest: Option<VarId>, value: Value, span: Span) {
        let parts = match value {
            Value::Error(place) => {
                for variable in variables.iter().chain(&rest) {
                    self.environment = self.environment.with(*variable, Meaning::Value(Value::Error(place)));
                }
                return;
            }
            other => self.parts_of(other),
        };
        let enough = if rest.is_some() { parts.len() >= variables.len() } else { parts.len() == variables.len() };
        if !enough {
            let (wanted, given) = (variables.len(), parts.len());
            let message = format!("{wanted} values are bound here, and the expression gives {given}");
            self.error(catalogue::WRONG_VALUE_COUNT, span, message);
        }
        let mut parts = parts.into_iter();
        for variable in variables {
            let part = parts.next().unwrap_or(Value::Error(span));
            self.bind(*variable, part);
        }
        if let Some(rest) = rest {
            let parts: Vec<Value> = parts.map(|part| self.stable(part, "value")).collect();
            self.bind(rest, Value::Static(Static::List(parts), span));
        }
    }

    fn begin(&mut self, items: &[Expr], position: Position, span: Span) -> Value {
        let Some((last, first)) = items.split_last() else { return Value::unspecified(span) };
        for item in first {
            let value = self.check(item, Position::EFFECT);
            if let Some(effect) = self.effect(value) {
                self.pending.push(Pending::Effect(effect));
            }
        }
        self.check(last, position)
    }
}

/// A quoted datum as a value.
pub(super) fn quoted(datum: &Datum) -> Value {
    let span = datum.span;
    match &datum.kind {
        DatumKind::Integer(value) => Value::literal(*value, span),
        DatumKind::Bool(value) => Value::boolean(*value, span),
        DatumKind::Char(c) => Value::literal(i128::from(u32::from(*c)), span),
        DatumKind::String(text) => Value::Static(Static::String(text.clone()), span),
        DatumKind::Keyword(name) => Value::Static(Static::Keyword(name.clone()), span),
        DatumKind::List(items, None) | DatumKind::Vector(items) => {
            Value::Static(Static::List(items.iter().map(quoted).collect()), span)
        }
        _ => Value::Static(Static::Quote(datum.clone()), span),
    }
}

/// Whether evaluating it changes nothing.
pub(super) fn is_pure(expr: &typed::Expr) -> bool {
    match &expr.kind {
        Typed::Unit
        | Typed::Constant(_)
        | Typed::Ipv6Constant(_)
        | Typed::MacConstant(_)
        | Typed::Local(_)
        | Typed::Absent
        | Typed::Global(_) => true,
        Typed::Arithmetic { lhs, rhs, .. } | Typed::Compare { lhs, rhs, .. } => is_pure(lhs) && is_pure(rhs),
        Typed::Cast(value)
        | Typed::Not(value)
        | Typed::IsPresent(value)
        | Typed::Present(value)
        | Typed::Some(value)
        | Typed::BitCount(value)
        | Typed::Apart(value)
        | Typed::Hidden(value)
        | Typed::PacketStart(value)
        | Typed::PacketLength(value)
        | Typed::ByteSwap { value, .. }
        | Typed::NetworkOrder { value, .. } => is_pure(value),
        Typed::Load { place, .. } => {
            is_pure(&place.base) && place.index.as_ref().is_none_or(|(index, _)| is_pure(index))
        }
        Typed::ContextLoad { context, .. } => is_pure(context),
        Typed::Kernel(op) => op.parts().all(is_pure),
        Typed::If { test, then, otherwise } => is_pure(test) && is_pure(then) && is_pure(otherwise),
        _ => false,
    }
}
